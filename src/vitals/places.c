/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process is in each hierarchy that tells of memory, CPU and I/O. */
#include "vitals/places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mountinfo.h"

#define HOMES_MAX 16384

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

/* /proc/PID/cgroup, whole; negative errno. */
static int read_homes(const char *proc, uint32_t pid, char ret[HOMES_MAX])
{
	char path[PATH_MAX];
	size_t length = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%u/cgroup", proc, pid) >= sizeof(path))
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	for (ssize_t n; length < HOMES_MAX - 1; length += (size_t)n) {
		n = read(fd, ret + length, HOMES_MAX - 1 - length);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
	}
	ret[length] = '\0';
	return length ? 0 : -ESRCH;
}

/* The path of the line "N:controllers:path" that has this controller, "": v2's; NULL: none. No line may hold "\n". */
static bool home_of(const char *homes, const char *controller, char ret[PATH_MAX])
{
	size_t wanted = strlen(controller);

	for (const char *line = homes, *next; *line; line = next) {
		const char *end = strchrnul(line, '\n'), *first = memchr(line, ':', (size_t)(end - line));
		const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;

		next = *end ? end + 1 : end;
		if (!second || second[1] != '/' || (size_t)(end - second) > PATH_MAX)
			continue;
		for (const char *p = first + 1; p <= second; p += strcspn(p, ",:") + 1) {
			if (strcspn(p, ",:") != wanted || memcmp(p, controller, wanted) != 0)
				continue;
			memcpy(ret, second + 1, (size_t)(end - second - 1));
			ret[end - second - 1] = '\0';
			return true;
		}
	}
	return false;
}

struct search {
	const char *homes, *mountinfo;
	struct room *room;
};

/* One hierarchy: its directory and, unless ret_root is NULL, its mount. 0: there is none, or none that we see. */
static int place(struct search *s, const char *controller, const char **ret, const char **ret_root)
{
	char home[PATH_MAX], path[PATH_MAX], mount[PATH_MAX];

	if (!home_of(s->homes, controller, home))
		return 0;
	/* CPU and I/O of a v1 hierarchy's root are the whole machine's, not a workload's. */
	if (!ret_root && strcmp(home, "/") == 0)
		return 0;
	if (mountinfo_cgroup(s->mountinfo, *controller ? controller : NULL, home, path, mount, sizeof(path)) < 0 ||
	    access(path, F_OK) < 0)
		return 0;
	int r = keep(s->room, path, ret);
	if (r == 0 && ret_root)
		r = keep(s->room, mount, ret_root);
	return r;
}

int places_of_pid(const char *proc, uint32_t pid, struct vitals_places *ret, char *room, size_t size)
{
	char homes[HOMES_MAX], mountinfo[PATH_MAX], file[PATH_MAX];
	struct room left = { room, size };
	struct search s = { homes, mountinfo, &left };
	struct vitals_places places = { 0 };
	int r = read_homes(proc, pid, homes);

	if (r < 0)
		return r;
	if ((size_t)snprintf(mountinfo, sizeof(mountinfo), "%s/self/mountinfo", proc) >= sizeof(mountinfo))
		return -ENAMETOOLONG;
	r = keep(&left, proc, &places.proc);
	if (r == 0)
		r = place(&s, "", &places.cgroup, &places.cgroup_root);
	if (r == 0)
		r = place(&s, "memory", &places.memory, &places.memory_root);
	if (r < 0)
		return r;
	places.memory_v1 = places.memory != NULL;
	/* Who sits in the root of v2 is a workload by its memory alone: what is told there is the whole machine's. */
	if (places.memory && places.cgroup && strcmp(places.cgroup, places.cgroup_root) == 0 &&
	    strcmp(places.memory, places.memory_root) != 0)
		places.cgroup = places.cgroup_root = NULL;
	if (!places.memory && places.cgroup &&
	    (size_t)snprintf(file, sizeof(file), "%s/memory.current", places.cgroup) < sizeof(file) &&
	    access(file, F_OK) == 0) {
		places.memory = places.cgroup;
		places.memory_root = places.cgroup_root;
	}
	if (!places.cgroup)
		r = place(&s, "cpuacct", &places.cpuacct, NULL);
	if (r == 0)
		r = place(&s, "blkio", &places.blkio, NULL);
	if (r < 0)
		return r;
	if (!places.cgroup && !places.memory)
		return -ENOENT;
	*ret = places;
	return 0;
}

int vitals_places_of_pid(uint32_t pid, struct vitals_places *ret, char *room, size_t size)
{
	return places_of_pid("/proc", pid, ret, room, size);
}
