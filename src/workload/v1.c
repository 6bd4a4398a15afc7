/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's cgroups in hierarchies of version 1, where a controller is there. They are made below the caller's own,
 * so that whatever limits the caller has go on to hold.
 */
#include "workload/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cgroup.h"

#define PREFIX "heddle-"

static int own_directory(const char *controller, char *ret, size_t size)
{
	struct cgroup_mount mount;
	int r = cgroup_find_mount("/proc", controller, &mount);

	return r < 0 ? r : cgroup_directory_of("/proc", 0, controller, &mount, ret, size);
}

int v1_create(const char *controller, const char *session, struct v1_place *ret)
{
	char own[CGROUP_PATH_MAX], path[sizeof(ret->path)];
	int r = own_directory(controller, own, sizeof(own));

	if (r < 0)
		return r;
	int n = snprintf(path, sizeof(path), "%s/" PREFIX "%s", own, session);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = cgroup_open(path, true, &ret->fd, NULL);
	if (r < 0) {
		(void)rmdir(path);
		return r;
	}
	memcpy(ret->path, path, sizeof(path));
	return 0;
}

int v1_adopt(const char *path, struct v1_place *ret)
{
	int n = snprintf(ret->path, sizeof(ret->path), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(ret->path))
		return -ENAMETOOLONG;
	return cgroup_open(path, true, &ret->fd, NULL);
}

int v1_enter(const struct v1_place *p, pid_t pid)
{
	return p->fd < 0 ? 0 : cgroup_enter(p->fd, pid);
}

void v1_drop(struct v1_place *p)
{
	if (p->fd < 0)
		return;
	(void)cgroup_remove(p->path, p->fd);
	(void)close(p->fd);
	*p = V1_PLACE_INIT;
}

void v1_sweep(const char *controller)
{
	char own[CGROUP_PATH_MAX];

	if (own_directory(controller, own, sizeof(own)) == 0)
		cgroup_sweep_in(own, PREFIX);
}
