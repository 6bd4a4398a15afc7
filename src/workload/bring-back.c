/* SPDX-License-Identifier: Apache-2.0 */
/* A process of ours that somebody moved into another cgroup, say a frozen one, is brought back. */
#include "workload/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 8192

/* /proc/PID/cgroup, whole and with an end; returns its length, 0 when there is none. */
static size_t read_homes(pid_t pid, char ret[TEXT_MAX])
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, TEXT_MAX - 1);

	ret[MAX(n, 0)] = '\0';
	return (size_t)MAX(n, 0);
}

/* The mount of a hierarchy: "" is that of v2, else one of its controllers, or name=. */
static int find_mount(const char *controllers, char *ret, size_t size)
{
	char first[64];
	struct mntent *m;
	int r = -ENOENT;

	if (!*controllers)
		return workload_cgroup2_mount(ret, size);
	(void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(controllers, ","), controllers);
	FILE *f = setmntent("/proc/self/mounts", "re");
	if (!f)
		return -errno;
	while (r < 0 && (m = getmntent(f)))
		if (strcmp(m->mnt_type, "cgroup") == 0 && hasmntopt(m, first) && strlen(m->mnt_dir) < size) {
			memcpy(ret, m->mnt_dir, strlen(m->mnt_dir) + 1);
			r = 0;
		}
	(void)endmntent(f);
	return r;
}

/* One line of our own: "4:memory:/some/where". */
static int bring_back(pid_t pid, char *line)
{
	char path[PATH_MAX], number[16], *rest = line;
	char *controllers = (strsep(&rest, ":"), strsep(&rest, ":"));
	int r = controllers && rest ? find_mount(controllers, path, sizeof(path)) : -EINVAL;
	size_t length = r < 0 ? 0 : strlen(path);

	if (r < 0)
		return r;
	int n = snprintf(path + length, sizeof(path) - length, "%s/cgroup.procs", rest);
	if (n < 0 || (size_t)n >= sizeof(path) - length)
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(number, sizeof(number), "%d", (int)pid);
	return write(fd, number, (size_t)n) < 0 ? -errno : 0;
}

int workload_bring_back(pid_t pid)
{
	char ours[TEXT_MAX], its[TEXT_MAX], *save = NULL;
	int r = 0;

	if (!read_homes(getpid(), ours) || !read_homes(pid, its))
		return -ESRCH;
	for (char *line = strtok_r(ours, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *same = strstr(its, line);

		/* A whole line, not the beginning of a longer one. */
		if (same && (same == its || same[-1] == '\n') && same[strlen(line)] == '\n')
			continue;
		int one = bring_back(pid, line);
		if (one < 0)
			r = one;
	}
	return r;
}
