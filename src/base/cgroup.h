/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where cgroups are: of version 2, whose hierarchy is one, and of version 1, which has one for each controller. A
 * controller is in one of them only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH_MAX 512 /* of a directory; longer ones are refused */

struct cgroup_mount {
	char at[CGROUP_PATH_MAX];   /* the mount point */
	char root[CGROUP_PATH_MAX]; /* which cgroup is mounted there: "/" but for bind mounts in containers */
};

/*
 * The mount of v1's hierarchy with that controller, or with NULL of version 2. proc: where procfs is mounted. -ENOENT:
 * there is none; -ENAMETOOLONG.
 */
int cgroup_find_mount(const char *proc, const char *controller, struct cgroup_mount *ret);

/*
 * Calls fn for each number in `file` (cgroup.procs, cgroup.threads, tasks) of that cgroup's directory, but not for 0,
 * which stands for a process that our pid namespace can't name. Ends early at a negative result of fn, which it
 * returns, and at a positive one. Returns how many numbers it came by, also those that were 0; -ENOENT: the cgroup is
 * gone, or has no such file. One whose members are its parent's has none: 0.
 */
int cgroup_each_id(int directory, const char *file, int (*fn)(void *context, uint32_t id), void *context);

/*
 * The directory that a process's cgroup has in that hierarchy, into ret (size bytes). pid 0: the caller's. -ESRCH: no
 * such process; -ENOENT: it has none there, or none below the mount; -ENAMETOOLONG.
 */
int cgroup_directory_of(const char *proc, uint32_t pid, const char *controller, const struct cgroup_mount *mount,
			char *ret, size_t size);
