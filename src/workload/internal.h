/* SPDX-License-Identifier: Apache-2.0 */
/* What start.c and cgroup.c share. */
#pragma once

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

int cgroup_count(int fd);
int cgroup_kill(int fd);
int cgroup_freeze(int fd, bool on);
uint64_t cgroup_memory_peak(int fd);
