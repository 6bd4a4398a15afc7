/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes waiting to be told: one fold for a process, device, inode, type and way in. This file sums
 * and keeps; the tracker decides when a fold is told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "track/process-table.h"

#define FOLD_TABLE_CAP 8192

struct fold_key {
	uint64_t start_ns;
	uint64_t inode;
	uint32_t pid;
	uint32_t dev;
	uint64_t type; /* and via, 32 bits up */
};

struct fold {
	struct fold_key key;
	struct list due;	  /* in fold_table.due, the one that waits longest first */
	struct list of_process;	  /* in struct process.folds */
	uint64_t since_ns;	  /* when its first frame came */
	struct hd_fold frame;	  /* the latest frame, with the sums */
	struct shared_path *path; /* a reference; NULL: unknown */
	struct shared_path *exe;  /* as of its first frame */
};

struct fold_table {
	struct map map;
	struct list due;
	uint64_t early; /* told before their time because the table was full */
};

void fold_table_init(struct fold_table *t, size_t cap);
void fold_table_done(struct fold_table *t);

/*
 * Adds a frame of process p. path may be NULL; now_ns never goes back. Returns 1 when it was merged into a waiting
 * fold, 0 when it opened one, -ENOSPC when the table is full, -ENOMEM. *ret is the fold then.
 */
int fold_add(struct fold_table *t, struct process *p, const struct hd_fold *frame, struct shared_path *path,
	     uint64_t now_ns, struct fold **ret) _must_check_;

/* The one that waits longest, NULL when none does. */
struct fold *fold_oldest(const struct fold_table *t);
void fold_remove(struct fold_table *t, struct fold *f);
