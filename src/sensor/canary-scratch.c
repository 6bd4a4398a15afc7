/* SPDX-License-Identifier: Apache-2.0 */
/* The canary's place: a directory, and a cgroup with one above it that the canary can leave for. */
#include "sensor/canary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"

#define TRIES 4

static int make_directory(struct canary_scratch *s, struct err *err)
{
	/* Memory rather than a disk, where there is one to be had. */
	static const char *const places[] = { "/run", "/dev/shm", "/tmp", "/var/tmp" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		(void)snprintf(s->directory, sizeof(s->directory), "%s/heddle-canary-XXXXXX", places[i]);
		if (mkdtemp(s->directory))
			return 0;
	}
	*s->directory = '\0';
	return err_errno(err, errno, "no canary: /run, /dev/shm, /tmp, /var/tmp can't be written");
}

/*
 * Beside the sessions' own, where whoever starts one clears away what was left behind: all that is empty and not
 * locked. So between the making and the lock it may vanish.
 */
static int make_cgroup(struct canary_scratch *s, const char *mount, unsigned attempt)
{
	int type;

	if (snprintf(s->cgroup_parent, sizeof(s->cgroup_parent), "%s/heddle/canary-%d-%llx.%u", mount, (int)getpid(),
		     (unsigned long long)clock_boottime_ns(), attempt) >= (int)sizeof(s->cgroup_parent) - 8)
		return -ENAMETOOLONG;
	char *slash = strrchr(s->cgroup_parent, '/');
	*slash = '\0';
	if (mkdir(s->cgroup_parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	*slash = '/';
	if (mkdir(s->cgroup_parent, 0755) < 0)
		return -errno;
	s->lock_fd = open(s->cgroup_parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->lock_fd < 0 || flock(s->lock_fd, LOCK_SH) < 0)
		return -errno;
	(void)snprintf(s->cgroup, sizeof(s->cgroup), "%.*s/w", (int)sizeof(s->cgroup) - 8, s->cgroup_parent);
	if (mkdir(s->cgroup, 0755) < 0)
		return -errno;
	s->cgroup_fd = open(s->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->cgroup_fd < 0)
		return -errno;
	/* Makes leaving it cheap; where it is refused it is not. */
	type = openat(s->cgroup_fd, "cgroup.type", O_WRONLY | O_CLOEXEC);
	if (type >= 0) {
		(void)!write(type, "threaded", 8);
		(void)close(type);
	}
	return 0;
}

static void drop_cgroup(struct canary_scratch *s)
{
	close_fd(&s->cgroup_fd);
	s->cgroup_fd = -1;
	if (*s->cgroup)
		(void)rmdir(s->cgroup);
	if (*s->cgroup_parent)
		(void)rmdir(s->cgroup_parent);
	close_fd(&s->lock_fd);
	s->lock_fd = -1;
	*s->cgroup = *s->cgroup_parent = '\0';
}

int canary_scratch_make(const char *cgroup2_mount, struct canary_scratch *ret, struct err *err)
{
	int r = make_directory(ret, err);

	ret->cgroup_fd = ret->lock_fd = -1;
	*ret->cgroup = *ret->cgroup_parent = '\0';
	if (r < 0)
		return r;
	if (!cgroup2_mount) {
		ret->cgroup_failed = ENOENT;
		return 0;
	}
	for (unsigned i = 0; i < TRIES; i++) {
		r = make_cgroup(ret, cgroup2_mount, i);
		if (r >= 0)
			break;
		drop_cgroup(ret);
	}
	ret->cgroup_failed = r < 0 ? -r : 0;
	return 0;
}

/* What the acts may have left: nothing below it but files, links and empty directories. */
static void empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0) < 0)
			(void)unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
	}
	if (d)
		(void)closedir(d);
}

void canary_scratch_remove(struct canary_scratch *s)
{
	drop_cgroup(s);
	if (!*s->directory)
		return;
	empty(s->directory);
	(void)rmdir(s->directory);
}
