/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one workload's vitals from its cgroups' files. Descriptors stay open, so that a sample is a few reads. Where
 * the memory controller is on version 1 the workload has two directories: one in the v2 hierarchy (pressure, processes,
 * freezing), one in v1's memory hierarchy.
 */
#pragma once

#include "base/err.h"
#include "vitals/vitals.h"

struct vitals_source;

struct vitals_places {
	const char *cgroup;  /* directory in the v2 hierarchy; NULL: none */
	const char *memory;  /* directory that has the memory controller: the same, one in v1's hierarchy, or NULL */
	bool memory_v1;
	const char *cpuacct, *blkio; /* v1: where the v2 hierarchy tells no such figures; NULL: none */
	const char *cgroup_root, *memory_root; /* where those hierarchies are mounted: no level above is looked at */
	const char *proc;    /* where procfs is mounted */
};

/*
 * Paths are copied. -ENOENT with text: neither directory is there. Some 15 descriptors stay open, and two to four for
 * each level above: who follows many workloads raises RLIMIT_NOFILE.
 */
int vitals_source_open(const struct vitals_places *places, struct vitals_source **ret, struct err *err);
void vitals_source_free(struct vitals_source *s); /* NULL is fine */
DEFINE_CLEANUP(struct vitals_source *, vitals_source_free);

/*
 * Finds the places of a running process: its v2 cgroup and, where the memory controller is on v1, its memory cgroup.
 * Strings are written into room (size bytes) and live as long as that. -ESRCH, -ENOENT, -ENOSPC.
 */
int vitals_places_of_pid(uint32_t pid, struct vitals_places *ret, char *room, size_t size);

/*
 * Fills all but ret->probed. -ENOENT: the workload's cgroup is gone. What can't be read otherwise is UNKNOWN. Unless
 * `whole`, what is read more than once a second leaves out what matters least: CPU and I/O are UNKNOWN then, and the
 * rest is as it was within the last second (docs/vitals.md).
 */
int vitals_source_read(struct vitals_source *s, bool whole, struct vitals_sample *ret);

/*
 * Whether it counts processes and threads by state from procfs (it does, unless told otherwise): for those who have the
 * counts from elsewhere (probes.h). It takes some ten microseconds a thread, so that it looks once a second at most,
 * and more rarely the longer it takes; between two looks a sample has the last one's.
 */
void vitals_source_count_tasks(struct vitals_source *s, bool on);

/* memory.current alone, of its own level: some two microseconds, for a guard that looks 100 times a second. */
int vitals_source_usage(struct vitals_source *s, uint64_t *ret);

/* The whole machine's memory. proc: where procfs is mounted. What it does not say is UNKNOWN. 0 or negative errno. */
int vitals_host_read(const char *proc, struct vitals_host *ret);
