/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files by file_id, so that a fold of reads or writes has a path. The least recently used go at the caps, closed
 * ones first. A closed file is not forgotten at once: another descriptor, or another process, may still use the
 * same open file, and the kernel side names it only once. Ids are used again, so a name holds for one inode only.
 */
#pragma once

#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "track/shared-path.h"

#define FILE_NAMES_CAP 16384
#define FILE_NAMES_BYTES_CAP (4 << 20)

struct file_names {
	struct map map;
	struct list age; /* least recently used first */
	size_t bytes;	 /* of all paths together */
	size_t bytes_cap;
	uint64_t evicted;
};

void file_names_init(struct file_names *n, size_t cap, size_t bytes_cap);
void file_names_done(struct file_names *n);

/* Names an open file; a former name of the same id is replaced. Returns 0 or -ENOMEM. */
int file_names_set(struct file_names *n, uint64_t file_id, uint64_t inode, uint32_t dev, const struct event_path *path);

/* Borrowed until the next change; NULL when unknown. */
struct shared_path *file_names_get(struct file_names *n, uint64_t file_id, uint64_t inode, uint32_t dev);

/* A descriptor of the file was closed: its name is the next to go. Nothing happens when it is unknown. */
void file_names_close(struct file_names *n, uint64_t file_id);
