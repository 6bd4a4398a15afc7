/* SPDX-License-Identifier: Apache-2.0 */
/* The sensor's common half: merges the two lanes in order of time. */
#include "sensor/sensor.h"

#include <errno.h>
#include <string.h>

#include "sensor/backend.h"

const char *sensor_tier_name(enum sensor_tier tier)
{
	static const char *const names[] = { "none", "tracepoint", "lsm" };

	return tier < ARRAY_SIZE(names) ? names[tier] : "unknown";
}

bool sensor_tier_parse(const char *name, enum sensor_tier *ret)
{
	for (unsigned tier = SENSOR_TIER_TRACEPOINT; tier <= SENSOR_TIER_LSM; tier++) {
		if (strcmp(name, sensor_tier_name((enum sensor_tier)tier)) != 0)
			continue;
		*ret = (enum sensor_tier)tier;
		return true;
	}
	return false;
}

int sensor_of_backend(const struct sensor_backend *backend, void *self, struct sensor **ret, struct err *err)
{
	struct sensor *s = calloc(1, sizeof(*s));

	if (!s) {
		backend->free(self);
		return err_set(err, ENOMEM, "out of memory");
	}
	*s = (struct sensor){ .backend = backend, .self = self };
	*ret = s;
	return 0;
}

void sensor_free(struct sensor *s)
{
	if (!s)
		return;
	s->backend->free(s->self);
	if (s->tested)
		free(s->tested->hooks);
	free(s->tested);
	free(s);
}

int sensor_follow(struct sensor *s, const char *cgroup_path, const uint32_t *pids, size_t pids_n, struct err *err)
{
	if (!cgroup_path && !pids_n)
		return err_set(err, EINVAL, "nothing to follow: name a cgroup or a process");
	return s->backend->follow(s->self, cgroup_path, pids, pids_n, err);
}

void sensor_stop(struct sensor *s, bool running)
{
	if (s->backend->stop)
		s->backend->stop(s->self, running);
}

static uint64_t frame_time(const void *frame, size_t size)
{
	struct hd_header h;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, frame, sizeof(h));
	return h.time_ns;
}

static int give(struct sensor *s, enum hd_lane lane, const void *frame, size_t size, sensor_frame_fn fn, void *context)
{
	int r = fn(context, frame, size);

	s->backend->next(s->self, lane);
	return r;
}

/* Everything before the snapshot, the older of the two lanes' heads first. */
static int drain(struct sensor *s, sensor_frame_fn fn, void *context)
{
	const struct sensor_backend *b = s->backend;
	int frames = 0;

	b->snapshot(s->self);
	for (;;) {
		size_t critical_size = 0, bulk_size = 0;
		const void *critical = b->peek(s->self, HD_LANE_CRITICAL, &critical_size);
		const void *bulk = b->peek(s->self, HD_LANE_BULK, &bulk_size);
		int r;

		if (!critical && !bulk)
			break;
		if (!bulk || (critical && frame_time(critical, critical_size) <= frame_time(bulk, bulk_size)))
			r = give(s, HD_LANE_CRITICAL, critical, critical_size, fn, context);
		else
			r = give(s, HD_LANE_BULK, bulk, bulk_size, fn, context);
		if (r < 0) {
			b->release(s->self);
			return r;
		}
		/* Room goes back in batches: each release is a store that every producer's CPU must fetch. */
		if (++frames % 64 == 0)
			b->release(s->self);
	}
	b->release(s->self);
	return frames;
}

int sensor_poll(struct sensor *s, int timeout_ms, sensor_frame_fn fn, void *context, bool *at_end)
{
	int r = drain(s, fn, context);

	if (!r && timeout_ms) {
		r = s->backend->wait(s->self, timeout_ms);
		if (r < 0)
			return r;
		r = drain(s, fn, context);
	}
	if (r > 0 && timeout_ms)
		s->backend->rest(s->self);
	if (at_end)
		*at_end = s->backend->at_end(s->self);
	return r;
}

int sensor_fd(const struct sensor *s)
{
	return s->backend->fd(s->self);
}

int sensor_alarm_fd(const struct sensor *s)
{
	return s->backend->alarm_fd ? s->backend->alarm_fd(s->self) : -1;
}

unsigned sensor_fill(const struct sensor *s, enum hd_lane lane)
{
	return s->backend->fill ? s->backend->fill(s->self, lane) : 0;
}

void sensor_brake(const struct sensor *s, enum hd_lane lane, bool on)
{
	if (s->backend->brake)
		s->backend->brake(s->self, lane, on);
}

void sensor_rearm(const struct sensor *s, enum hd_lane lane)
{
	if (s->backend->rearm)
		s->backend->rearm(s->self, lane);
}

int sensor_flush(struct sensor *s, bool all)
{
	return s->backend->flush(s->self, all);
}

int sensor_ledger(struct sensor *s, struct ledger *ret)
{
	return s->backend->ledger(s->self, ret);
}

enum sensor_tier sensor_tier(const struct sensor *s)
{
	return s->backend->tier(s->self);
}

size_t sensor_hooks(const struct sensor *s, const struct sensor_hook **ret)
{
	if (!s->tested)
		return s->backend->hooks(s->self, ret);
	*ret = s->tested->hooks;
	return s->tested->hooks_n;
}

size_t sensor_canary_rows(const struct sensor *s, const struct sensor_canary **ret)
{
	*ret = s->tested ? s->tested->rows : NULL;
	return s->tested ? s->tested->rows_n : 0;
}

/* docs/tiers.md has each of these, word for word. */
#define BLIND_TIER                                                                                                    \
	"the object of calls that change names or metadata by path: told by the caller's words (verified: false), "   \
	"since the kernel allows no LSM programs here",                                                                \
		"a descriptor that another thread replaces before the call that made it returns"
#define BLIND_TIER_N 2
#define BLIND_ALWAYS                                                                                                  \
	"commands to a driver through io_uring (IORING_OP_URING_CMD)",                                                 \
		"what is read and written through Linux AIO (io_submit)",                                              \
		"what ioctl does to a file: content shared by FICLONE, flags set by FS_IOC_SETFLAGS or file_setattr",  \
		"a datagram socket that a 32-bit program binds through socketcall while it swaps the descriptor", NULL
static const char *const blind[] = { BLIND_TIER, BLIND_ALWAYS };
static const char *const blind_to_rings[] = {
	BLIND_TIER,
	"what is done through io_uring: files opened, read or written, sockets connected, names changed",
	BLIND_ALWAYS,
};

/* It takes the hook where a request is taken and the one where it is done. */
static bool sees_rings(const struct sensor *s)
{
	const struct sensor_hook *hooks;
	size_t n = sensor_hooks(s, &hooks), found = 0;

	for (size_t i = 0; i < n; i++)
		found += hooks[i].attached && (!strcmp(hooks[i].name, "raw_tp/io_uring_submit") ||
					       !strcmp(hooks[i].name, "raw_tp/io_uring_complete"));
	return found == 2;
}

const char *const *sensor_blind(const struct sensor *s)
{
	const char *const *all = sees_rings(s) ? blind : blind_to_rings;

	return sensor_tier(s) == SENSOR_TIER_LSM ? all + BLIND_TIER_N : all;
}
