/* SPDX-License-Identifier: Apache-2.0 */
/* A recording behind a sensor: its frames alone, in the order in which they were read. */
#include <errno.h>
#include <string.h>

#include "sensor/backend.h"
#include "sensor/recording.h"

struct replay_backend {
	struct recording_reader *reader;
	struct recording_chunk frame; /* in hand; data NULL: none */
	bool ended;		      /* nothing more, or nothing more that can be read */
	struct ledger counted;
};

static void replay_free(void *self)
{
	struct replay_backend *b = self;

	recording_close(b->reader);
	free(b);
}

static int replay_follow(void *self, const char *cgroup_path, const uint32_t *pids, size_t pids_n, struct err *err)
{
	return 0;
}

static void count_frame(struct replay_backend *b)
{
	struct hd_fold fold;
	struct ledger_row *row;
	uint64_t operations = 1;
	struct hd_header h;

	memcpy(&h, b->frame.data, sizeof(h));
	if (h.type < 1 || h.type > HD_TYPE_EVENT_MAX)
		return;
	if ((h.type == HD_FILE_READ || h.type == HD_FILE_WRITE) && b->frame.size >= sizeof(fold)) {
		memcpy(&fold, b->frame.data, sizeof(fold));
		operations = fold.operations ? fold.operations : 1;
	}
	row = &b->counted.rows[ledger_lane(h.type)][h.type];
	row->made += operations;
	row->folded += operations - 1;
	row->delivered++;
}

/* Reads on to the next frame. Anything that does not fit ends the replay: what came before stands. */
static void load(struct replay_backend *b)
{
	while (!b->frame.data && !b->ended) {
		struct recording_chunk chunk;

		if (recording_read(b->reader, &chunk) != 1) {
			b->ended = true;
		} else if (chunk.kind == RECORDING_FRAME) {
			b->frame = chunk;
			count_frame(b);
		}
	}
}

static void replay_snapshot(void *self)
{
	load(self);
}

/* The recording has one order already: each frame is offered in the lane it came from, one at a time. */
static const void *replay_peek(void *self, enum hd_lane lane, size_t *ret_size)
{
	struct replay_backend *b = self;
	struct hd_header h;

	load(b);
	if (!b->frame.data)
		return NULL;
	memcpy(&h, b->frame.data, sizeof(h));
	if ((h.lane == HD_LANE_CRITICAL) != (lane == HD_LANE_CRITICAL))
		return NULL;
	*ret_size = b->frame.size;
	return b->frame.data;
}

static void replay_next(void *self, enum hd_lane lane)
{
	((struct replay_backend *)self)->frame.data = NULL;
}

static void replay_release(void *self)
{
}

static int replay_wait(void *self, int timeout_ms)
{
	return 0;
}

static void replay_rest(void *self)
{
}

static bool replay_at_end(void *self)
{
	return ((struct replay_backend *)self)->ended;
}

static int replay_fd(void *self)
{
	return -1;
}

static int replay_flush(void *self, bool all)
{
	return 0;
}

static int replay_ledger(void *self, struct ledger *ret)
{
	*ret = ((struct replay_backend *)self)->counted;
	return 0;
}

static enum sensor_tier replay_tier(void *self)
{
	return SENSOR_TIER_TRACEPOINT;
}

static size_t replay_hooks(void *self, const struct sensor_hook **ret)
{
	static const struct sensor_hook hook = {
		.name = "replay",
		.provides = "a recording",
		.tier = SENSOR_TIER_TRACEPOINT,
		.attached = true,
	};

	*ret = &hook;
	return 1;
}

static const struct sensor_backend replay_backend_ops = {
	.free = replay_free,
	.follow = replay_follow,
	.snapshot = replay_snapshot,
	.peek = replay_peek,
	.next = replay_next,
	.release = replay_release,
	.wait = replay_wait,
	.rest = replay_rest,
	.at_end = replay_at_end,
	.fd = replay_fd,
	.flush = replay_flush,
	.ledger = replay_ledger,
	.tier = replay_tier,
	.hooks = replay_hooks,
};

int sensor_open_replay(const char *path, struct sensor **ret, struct err *err)
{
	struct replay_backend *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_set(err, ENOMEM, "out of memory");
	r = recording_open(path, &b->reader, err);
	if (r < 0) {
		free(b);
		return r;
	}
	return sensor_of_backend(&replay_backend_ops, b, ret, err);
}
