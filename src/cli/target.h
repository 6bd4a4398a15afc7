/* SPDX-License-Identifier: Apache-2.0 */
/* What attach is pointed at, made into a cgroup or processes. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "workload/workload.h"

struct target {
	char cgroup[PATH_MAX];  /* absolute directory of the v2 hierarchy; "": none */
	uint32_t *pids;         /* owned */
	size_t pids_n;
	char words[PATH_MAX + 128]; /* for people: "pid 12 (bash)" */
};

void target_done(struct target *t);

/* All fail with a text when there is nothing to follow. */
int target_pid(const char *text, struct target *ret, struct err *err);
/* A directory of the v2 hierarchy, absolute or as /proc/PID/cgroup names it. */
int target_cgroup(const char *text, struct target *ret, struct err *err);
/* At least 12 hex digits of a container's id. */
int target_container(const char *text, struct target *ret, struct err *err);

/* Its cgroups: those of its first process, where it is a process alone. */
void target_places(const struct target *t, struct workload_places *ret);

/*
 * Whether a cgroup's name is that of the container: its id in whole, alone or between a runtime's prefix and suffix
 * ("docker-<id>.scope"). id has at least 12 lower-case hex digits and may be the start of the whole one. Monitors of a
 * container ("libpod-conmon-<id>") are not it.
 */
bool target_container_name(const char *name, const char *id);
