/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process is in each hierarchy that tells of memory, CPU and I/O. */
#include "vitals/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cgroup.h"

struct room {
	char *at;
	size_t left;
};

static int keep(struct room *room, const char *text, const char **ret)
{
	size_t size = strlen(text) + 1;

	if (size > room->left)
		return -ENOSPC;
	*ret = memcpy(room->at, text, size);
	room->at += size;
	room->left -= size;
	return 0;
}

/*
 * One hierarchy: the process's directory and, unless ret_root is NULL, the mount. What is not there, or not to be
 * reached, leaves them as they are. -ESRCH: the process is gone; -ENOSPC.
 */
static int place(const char *proc, uint32_t pid, const char *controller, struct room *room, const char **ret,
		 const char **ret_root)
{
	char path[CGROUP_PATH_MAX];
	struct cgroup_mount mount;

	if (cgroup_find_mount(proc, controller, &mount) < 0)
		return 0;
	int r = cgroup_directory_of(proc, pid, controller, &mount, path, sizeof(path));
	if (r < 0)
		return r == -ESRCH ? r : 0;
	/* A removed one has a mark after its name. CPU and I/O of a v1 hierarchy's root are the whole machine's. */
	if (access(path, F_OK) < 0 || (!ret_root && strcmp(path, mount.at) == 0))
		return 0;
	r = keep(room, path, ret);
	return r < 0 || !ret_root ? r : keep(room, mount.at, ret_root);
}

bool places_has_memory(const char *cgroup)
{
	char file[CGROUP_PATH_MAX + 32];

	(void)snprintf(file, sizeof(file), "%s/memory.current", cgroup);
	return access(file, F_OK) == 0;
}

int places_of_pid(const char *proc, uint32_t pid, struct vitals_places *ret, char *room, size_t size)
{
	struct vitals_places p = { 0 };
	struct room left = { room, size };
	int r = keep(&left, proc, &p.proc);

	if (r == 0)
		r = place(proc, pid, NULL, &left, &p.cgroup, &p.cgroup_root);
	if (r == 0)
		r = place(proc, pid, "memory", &left, &p.memory, &p.memory_root);
	if (r < 0)
		return r;
	p.memory_v1 = p.memory != NULL;
	/* Who sits in the root of v2 is a workload by its memory alone: what is told there is the whole machine's. */
	if (p.memory && p.cgroup && strcmp(p.cgroup, p.cgroup_root) == 0 && strcmp(p.memory, p.memory_root) != 0)
		p.cgroup = p.cgroup_root = NULL;
	if (!p.memory && p.cgroup && places_has_memory(p.cgroup)) {
		p.memory = p.cgroup;
		p.memory_root = p.cgroup_root;
	}
	if (!p.cgroup)
		r = place(proc, pid, "cpuacct", &left, &p.cpuacct, NULL);
	if (r == 0)
		r = place(proc, pid, "blkio", &left, &p.blkio, NULL);
	if (r < 0)
		return r;
	if (!p.cgroup && !p.memory)
		return -ENOENT;
	*ret = p;
	return 0;
}

int vitals_places_of_pid(uint32_t pid, struct vitals_places *ret, char *room, size_t size)
{
	return places_of_pid("/proc", pid, ret, room, size);
}
