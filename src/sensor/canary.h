/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canaries: what proves that a hook which is attached also answers. A child of the sensor does one harmless act for
 * each hook in a scratch workload (canary-acts.c), in a place of its own (canary-scratch.c); the judge (canary.c) ticks
 * off, frame by frame, what was seen. Private to src/sensor.
 */
#pragma once

#include <limits.h>

#include "sensor/sensor.h"

/* What the child does, in this order. */
enum canary_act {
	CANARY_OPEN,
	CANARY_WRITE,
	CANARY_COPY,
	CANARY_CLOSE,
	CANARY_RING,
	CANARY_FCHMOD, /* the judge takes its frame as a sign that the close before it has been told or never will be */
	CANARY_CHMOD,
	CANARY_CHOWN,
	CANARY_TRUNCATE,
	CANARY_UTIMES,
	CANARY_SETXATTR,
	CANARY_REMOVEXATTR,
	CANARY_LINK,
	CANARY_RENAME,
	CANARY_SYMLINK,
	CANARY_MKNOD,
	CANARY_UNLINK,
	CANARY_MKDIR,
	CANARY_RMDIR,
	CANARY_SOCKET,
	CANARY_LISTEN,
	CANARY_CONNECT,
	CANARY_ACCEPT,
	CANARY_SEND,
	CANARY_DNS_QUERY,
	CANARY_DNS_SERVE,
	CANARY_DNS_ANSWER,
	CANARY_PRIVILEGE,
	CANARY_MEMORY,
	CANARY_ESCAPE,
	CANARY_MOUNT,
	CANARY_EXEC_REFUSED,
	CANARY_CLONE_REFUSED,
	CANARY_FORK,
	CANARY_EXEC,
	CANARY_EXIT,
	CANARY_LEAVE,
	CANARY_ACT_MAX,
};

/* Sizes that tell the canary's writes and copies from any others of its process. */
#define CANARY_WRITE_BYTES 4099
#define CANARY_COPY_BYTES 1283

/* How an act went, as the child tells it. */
struct canary_stamp {
	int64_t at_ns; /* boottime of its start; 0: never came to it */
	int32_t failed; /* a positive errno that kept it from being done; 0: done */
	uint32_t pad;
};

/* What the child and its parent share. */
struct canary_board {
	struct canary_stamp acts[CANARY_ACT_MAX];
};

/* ---- the judge ---- */

struct canary_judge {
	struct sensor_canary rows[SENSOR_CANARIES_MAX];
	size_t rows_n;
	const struct canary_board *board;
	bool past_close;
};

/* One row for each thing to be proved of the hooks that are attached. board: borrowed, read while frames come. */
void canary_begin(struct canary_judge *j, const struct sensor_hook *hooks, size_t hooks_n,
		  const struct canary_board *board);

/* A sensor_frame_fn. */
int canary_frame(void *judge, const void *frame, size_t size);

/* No more frames will come: what is still open is silent, or could not be tried. Returns how many are silent. */
size_t canary_end(struct canary_judge *j);

/* Sets silent and why_not of each hook by its rows. */
void canary_mark(const struct canary_judge *j, struct sensor_hook *hooks, size_t hooks_n);

/* ---- the place and the child ---- */

struct canary_scratch {
	char directory[64];          /* on a file system, mode 0700 */
	char cgroup[PATH_MAX];       /* the child's: followed; "": none could be made, and cgroup_failed says why */
	char cgroup_parent[PATH_MAX];/* the one above it, which the child leaves for */
	int cgroup_fd;
	int lock_fd;
	int cgroup_failed;           /* positive errno */
};

/* Makes the directory and the cgroup, where one can be had. 0, or negative errno with text (no directory). */
int canary_scratch_make(const char *cgroup2_mount, struct canary_scratch *ret, struct err *err);
/* Removes both and what is in them. */
void canary_scratch_remove(struct canary_scratch *s);

/*
 * The child: waits until a byte or the end comes from gate, does the acts, never returns. Only system calls, since
 * it is made without the C library's knowledge.
 */
_Noreturn void canary_acts(const struct canary_scratch *s, struct canary_board *board, int gate);
