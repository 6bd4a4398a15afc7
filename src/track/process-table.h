/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's processes by (tgid, start time): which image each runs now and which it ran before, so that a frame
 * that comes late still finds the image that made it. An exited process stays for PROCESS_GRACE_NS of frame time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "track/shared-path.h"

#define PROCESS_TABLE_CAP 32768
#define PROCESS_GRACE_NS UINT64_C(2000000000)
#define PROCESS_IMAGES_MAX 8

struct process_key {
	uint64_t start_ns;
	uint64_t pid; /* 64 bits, so that the key has no padding */
};

struct process_image {
	uint32_t image;
	struct shared_path *exe; /* a reference; NULL: unknown */
};

struct process {
	struct process_key key;
	struct list age;    /* in the table's `live` (least recently seen first) or `exited` (first gone first) */
	struct list folds;  /* fold.c: struct fold.of_process */
	struct list floods; /* open-flood.c: struct flood.of_process */
	uint32_t ppid;
	uint32_t image_base; /* the kernel's count of execs when the process began: images are counted from there */
	bool exited;
	bool asked;	/* procfs was asked for its image */
	bool has_image; /* `now` was told by a seed, a fork or an exec */
	bool introduced; /* its key has been told: by the fork that made it, or as tracker_process */
	uint64_t exit_ns;
	struct process_image now;
	struct process_image *before; /* owned, oldest first; NULL until the second image */
	unsigned before_n;
	char comm[16];
};

struct process_table {
	struct map map;
	struct list live, exited;
	struct process *latest;	 /* found last: most frames are of the same process as the one before; NULL: none */
	uint64_t evicted;	 /* entries dropped at the cap: live ones, or exited ones within their grace time */
	uint64_t images_evicted; /* former images forgotten at PROCESS_IMAGES_MAX */
};

/* cap: most entries, at least 4. */
void process_table_init(struct process_table *t, size_t cap);
void process_table_done(struct process_table *t);

/* NULL when it is not there. */
struct process *process_find(struct process_table *t, uint32_t pid, uint64_t start_ns);

/* Finds or adds the process of a frame, and notes that it was seen. NULL when full or out of memory. */
struct process *process_get(struct process_table *t, const struct hd_header *h);

/* The process's own image number for the kernel's count in a frame of its. */
uint32_t process_image_number(const struct process *p, uint32_t kernel_image);

/* Adds the child of a fork with the image of its parent (NULL: unknown). NULL when full or out of memory. */
struct process *process_fork(struct process_table *t, struct process *parent, const struct hd_fork *f);

/* The process runs `exe` as its image number `image`. exe may be unset. Returns 0 or -ENOMEM (exe is unknown then). */
int process_set_image(struct process_table *t, struct process *p, uint32_t image, const struct event_path *exe);

/* What ran as that image number, NULL when unknown. Lives until the next call that changes the process. */
struct shared_path *process_exe(const struct process *p, uint32_t image);

/* It is gone; now_ns never goes back. */
void process_exit(struct process_table *t, struct process *p, uint64_t now_ns);

/*
 * One that has to go: exited longer than the grace time ago, or the oldest while fewer than `room` places are
 * free. NULL when there is none. The caller empties its lists and calls process_remove.
 */
struct process *process_victim(const struct process_table *t, uint64_t now_ns, size_t room);
void process_remove(struct process_table *t, struct process *p, uint64_t now_ns);
