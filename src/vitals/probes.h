/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted in the kernel, by cgroup. Programs are loaded by src/sensor/vitals-probes.c, which knows libbpf; here
 * is only what the others need of them.
 */
#pragma once

#include "vitals/vitals.h"

struct vitals_probes; /* an implementation's own */

struct vitals_oom {
	uint64_t time_ns; /* boottime */
	uint32_t pid;
	char comm[16];
	uint64_t anon_bytes, file_bytes, shmem_bytes; /* UNKNOWN where the kernel does not say */
};

struct vitals_probes_ops {
	/* The counts of a v2 cgroup (by inode number: its id) and of all below it, into ret. 0 or negative errno. */
	int (*read)(struct vitals_probes *p, const uint64_t *cgroup_ids, size_t n, struct vitals_probed *ret);
	/* Threads by state, of the same cgroups. -EOPNOTSUPP: count from procfs. */
	int (*tasks)(struct vitals_probes *p, const uint64_t *cgroup_ids, size_t n, struct vitals_tasks *ret);
	/* OOM kills since the last call, at most room; returns how many. */
	int (*ooms)(struct vitals_probes *p, const uint64_t *cgroup_ids, size_t n, struct vitals_oom *ret, size_t room);
	void (*free)(struct vitals_probes *p);
};
