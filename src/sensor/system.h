/* SPDX-License-Identifier: Apache-2.0 */
/* What the sensor asks of the system without BPF. Private to src/sensor. */
#pragma once

#include <stdint.h>

#include "sensor/sensor.h"

/* Fills kernel, lockdown, btf, root, cgroup2 and its mount. */
void system_describe(struct sensor_probe *ret);

/* Where cgroup v2 is mounted, into ret. False: nowhere. */
bool system_cgroup2_mount(char *ret, size_t size);

/* Is this LSM among the active ones? False where securityfs does not tell. */
bool system_lsm_active(const char *name);

/* The id of a v2 cgroup directory and its depth below the mount. 0 or negative errno (-ENOTDIR: no v2 cgroup). */
int system_cgroup_id(const char *path, uint64_t *ret_id, unsigned *ret_level);

/* A process and all its living descendants, itself first; *ret owned by the caller. -ESRCH when it is not there. */
int system_descendants(uint32_t pid, uint32_t **ret, size_t *ret_n);

/*
 * Where a process is in the v1 hierarchies: cgroup id and level by hierarchy number, 0 for one where it is at the root
 * (which can't be left) or whose number is HD_MAX_HIERARCHIES or above.
 */
void system_v1_homes(uint32_t pid, uint64_t ids[HD_MAX_HIERARCHIES], uint32_t levels[HD_MAX_HIERARCHIES]);
