/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a command gets its cgroup and starts: created in a cgroup of its own, held at a gate until the sensor follows
 * it, then released, so that its first observed act is its exec.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct workload;

struct workload_options {
	const char *session;   /* names the cgroup: heddle/<session> below the v2 mount */
	char *const *argv;     /* NULL-terminated; argv[0] is searched in PATH unless it has a slash */
	const char *user;      /* run as this user (name or uid), NULL: as we are */
	const char *directory; /* start there, NULL: here */
};

/*
 * Creates the cgroup and forks the command up to its gate (it holds no descriptor of ours beyond the standard streams).
 * Errors: -ENOENT / -EACCES for a command that can't be found or executed (checked here, before anything runs),
 * others with text.
 */
int workload_start(const struct workload_options *options, struct workload **ret, struct err *err);
void workload_free(struct workload *w); /* removes the cgroup when empty; NULL is fine */
DEFINE_CLEANUP(struct workload *, workload_free);

/* Lets it exec. */
int workload_release(struct workload *w, struct err *err);

pid_t workload_pid(const struct workload *w);
const char *workload_cgroup(const struct workload *w); /* absolute directory, "" when there is no v2 hierarchy */
const char *workload_program(const struct workload *w); /* what will be executed: resolved path */

/* How many tasks are in the cgroup subtree now; negative errno. */
int workload_populated(const struct workload *w);
/* Kills what is left in it (cgroup.kill, else by pid, twice). Returns how many were found. */
int workload_kill(struct workload *w);

/* The v2 mount point into ret (size bytes): searched in /proc/self/mountinfo. -ENOENT: none. */
int workload_cgroup2_mount(char *ret, size_t size);
