/* SPDX-License-Identifier: Apache-2.0 */
/* The processes, or threads, of a cgroup and of all below it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Calls fn for each number in `file` (cgroup.procs, cgroup.threads, tasks) of the directory and of the directories
 * below it. `group` is 0 in the directory itself, else the inode of the one where it is, whose path below the directory
 * is `name`; a process that moves meanwhile may come twice or not at all. Stops after WALK_MAX numbers. 0, -ENOENT
 * where the directory is gone, or what fn returned when negative.
 */
#define WALK_MAX 65536
int walk_cgroup(int directory, const char *file,
		int (*fn)(uint32_t id, uint64_t group, const char *name, void *context), void *context);
