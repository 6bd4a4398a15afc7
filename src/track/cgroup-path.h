/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroup ids to paths. The id is the inode number of the directory, and kernfs opens a directory by it; the answer
 * is kept, so that it outlives the directory. Needs CAP_DAC_READ_SEARCH; without it every path is unknown.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"
#include "event/event.h"

#define CGROUP_PATHS_CAP 1024

struct cgroup_path;

struct cgroup_paths {
	int mount_fd; /* -1: no paths */
	char *root;   /* the mount, as the kernel spells it */
	struct map map;
	struct list age; /* least recently used first */
	struct cgroup_path *latest; /* the last of age; NULL: none */
	uint64_t evicted;
	/* Set by whoever wants to stand between this and the kernel; as cgroup_paths_ask. NULL: the kernel is asked. */
	ssize_t (*ask)(void *context, uint64_t id, char *room, size_t size);
	void *context;
};

/* root NULL: no paths. Returns 0, or what opening the mount gave; `c` can be used and freed in any case. */
int cgroup_paths_init(struct cgroup_paths *c, const char *root, size_t cap);
void cgroup_paths_done(struct cgroup_paths *c);

/* What the kernel says, past what is kept: the length of the path written to room, or a negative errno. */
ssize_t cgroup_paths_ask(const struct cgroup_paths *c, uint64_t id, char *room, size_t size);

/* Path below the mount, "/" for the mount itself; unset when unknown. Borrowed until the next call. */
struct bytes cgroup_paths_get(struct cgroup_paths *c, uint64_t id);
