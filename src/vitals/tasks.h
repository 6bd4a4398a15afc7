/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads of a cgroup by state, from procfs. */
#pragma once

#include "vitals/vitals.h"

/*
 * `file`: "cgroup.threads", or v1's "tasks". 0 or negative errno (-ENOENT: the cgroup is gone); ret is whole or as it
 * was.
 */
int tasks_count(int cgroup, const char *file, const char *proc, struct vitals_tasks *ret);
