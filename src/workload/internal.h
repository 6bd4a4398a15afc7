/* SPDX-License-Identifier: Apache-2.0 */
/* What start.c and cgroup.c share. */
#pragma once

#include <limits.h>

#include "workload/workload.h"

/*
 * A live session holds a shared lock on its cgroup's directory, so that nobody takes it for a dead one's; released by
 * closing *ret_fd.
 */
int cgroup_create(const char *session, char *ret_path, size_t size, int *ret_fd, struct err *err);
/* Opens an existing one; with lock, holds it as cgroup_create does. */
int cgroup_open(const char *path, bool lock, int *ret_fd, struct err *err);
/* Moves a process in. */
int cgroup_enter(int fd, pid_t pid);
/* Removes the directory and the empty ones below it. 0, or -EBUSY where something lives in it. */
int cgroup_remove(const char *path, int fd);
/* Removes the cgroups of sessions that no longer live. */
void cgroup_sweep(void);
/* The same of the directories below this one whose names begin so. */
void cgroup_sweep_in(const char *directory, const char *prefix);
/*
 * Makes a leaf for the command below the session's, so that others can be made beside it: a v2 cgroup with processes in
 * it can't hand controllers down, and a guard that stops the command must not write to the file that a throttle thaws.
 * *ret_fd: the leaf. 0 or negative errno.
 */
int cgroup_make_leaf(int fd, int *ret_fd);
/* Has the hierarchy offer the controllers that a limit needs in heddle/, from its root on. */
void cgroup_offer_controllers(void);

int cgroup_count(int fd);
int cgroup_kill(int fd);
int cgroup_freeze(int fd, bool on);
uint64_t cgroup_memory_peak(int fd);
/* Whether the file is there: what tells of a controller. */
bool cgroup_has(int fd, const char *file);

/* A session's cgroup in one hierarchy of version 1 (v1.c); fd -1: none. */
struct v1_place {
	char path[PATH_MAX];
	int fd;
};
#define V1_PLACE_INIT ((struct v1_place){ .fd = -1 })

/* Below the caller's own. Negative errno: -ENOENT where no hierarchy has the controller. */
int v1_create(const char *controller, const char *session, struct v1_place *ret);
/* One that another process made. */
int v1_adopt(const char *path, struct v1_place *ret);
int v1_enter(const struct v1_place *p, pid_t pid);
/* Removes it where it is empty. */
void v1_drop(struct v1_place *p);
/* Removes what sessions left that no longer live. */
void v1_sweep(const char *controller);
