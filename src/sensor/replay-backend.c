/* SPDX-License-Identifier: Apache-2.0 */
/* A recording behind a sensor: the frames of sensor_record in the order in which they were read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "sensor/backend.h"

#define FRAME_MAX (128u * 1024)

struct replay_backend {
	FILE *file;
	unsigned char frame[FRAME_MAX];
	uint32_t size; /* of the frame in hand; 0: none */
	bool ended;
	bool broken; /* the file stops in the middle of a chunk, or lies about one */
	bool has_ledger;
	struct ledger ledger;  /* as recorded */
	struct ledger counted; /* of a recording that was cut off before its ledger */
};

static void replay_free(void *self)
{
	struct replay_backend *b = self;

	if (b->file)
		(void)fclose(b->file);
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

	memcpy(&h, b->frame, sizeof(h));
	if (h.type < 1 || h.type > HD_TYPE_EVENT_MAX)
		return;
	if ((h.type == HD_FILE_READ || h.type == HD_FILE_WRITE) && b->size >= sizeof(fold)) {
		memcpy(&fold, b->frame, sizeof(fold));
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
	struct record_chunk chunk;

	while (!b->size && !b->ended) {
		if (fread(&chunk, sizeof(chunk), 1, b->file) != 1) {
			b->ended = true;
		} else if (chunk.kind == RECORD_LEDGER && chunk.size == sizeof(b->ledger)) {
			b->has_ledger = fread(&b->ledger, sizeof(b->ledger), 1, b->file) == 1;
		} else if (chunk.kind != RECORD_FRAME || chunk.size < sizeof(struct hd_header) ||
			   chunk.size > FRAME_MAX || fread(b->frame, chunk.size, 1, b->file) != 1) {
			b->ended = b->broken = true;
		} else {
			b->size = chunk.size;
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
	if (!b->size)
		return NULL;
	memcpy(&h, b->frame, sizeof(h));
	if ((h.lane == HD_LANE_CRITICAL) != (lane == HD_LANE_CRITICAL))
		return NULL;
	*ret_size = b->size;
	return b->frame;
}

static void replay_next(void *self, enum hd_lane lane)
{
	((struct replay_backend *)self)->size = 0;
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
	struct replay_backend *b = self;

	*ret = b->has_ledger ? b->ledger : b->counted;
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
	struct record_head head;

	if (!b)
		return err_set(err, ENOMEM, "out of memory");
	b->file = fopen(path, "re");
	if (!b->file) {
		int code = errno;

		free(b);
		return err_errno(err, code, "can't open the recording %s", path);
	}
	if (fread(&head, sizeof(head), 1, b->file) != 1 || memcmp(head.magic, RECORD_MAGIC, sizeof(head.magic))) {
		replay_free(b);
		return err_set(err, EBADMSG, "%s is no recording of heddle's", path);
	}
	if (head.wire_version != HD_WIRE_VERSION) {
		replay_free(b);
		return err_set(err, EPROTO, "%s was recorded by another version (format %u, this is %u)", path,
			       head.wire_version, (unsigned)HD_WIRE_VERSION);
	}
	return sensor_of_backend(&replay_backend_ops, b, ret, err);
}
