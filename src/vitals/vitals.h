/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel knows of one workload at one moment, in one schema whether its cgroups are of version 2, version 1
 * or both. Bytes are bytes, times nanoseconds; counters only grow, from the moment the cgroup was made. What this
 * machine does not tell is VITALS_UNKNOWN, never 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VITALS_UNKNOWN UINT64_MAX
#define VITALS_LEVELS_MAX 32 /* a cgroup and its ancestors */
#define VITALS_PATH_MAX 512
#define VITALS_COMMAND_MAX 128

/* The memory of one cgroup with all below it. */
struct vitals_memory {
	uint64_t limit; /* this level's own; UNKNOWN: none */
	uint64_t high;	/* where the kernel begins to slow it (v2); UNKNOWN: nowhere */
	uint64_t min;	/* the kernel takes nothing of that for others, even before it kills; 0 on v1 */
	uint64_t low;	/* nor of that, as long as it finds any elsewhere; 0 on v1 */
	uint64_t kept;	/* what the min of cgroups beside the workload's branch keeps from a reclaim of this level */
	uint64_t current, peak;
	uint64_t anon, file, shmem, mapped;
	uint64_t active_file, inactive_file, unevictable;
	uint64_t dirty, writeback;
	uint64_t kernel, slab_reclaimable, slab_unreclaimable, sock;
	uint64_t swap, swap_limit;
	uint64_t faults, major_faults, refaults_anon, refaults_file;
	uint64_t scanned, reclaimed;		    /* pages */
	uint64_t high_events, max_events, oom_kills; /* times */
};

/* The whole machine's. */
struct vitals_host {
	uint64_t total, free, available; /* MemAvailable: the kernel's own estimate */
	uint64_t dirty, writeback, swap_free;
};

/*
 * What the workload could still take before the kernel has to kill: `free` of it without any reclaim, `clean` with
 * what can be dropped at once, `all` with what has to be written or swapped first. bound is the level that decides
 * `clean`: an index into the levels, or VITALS_BOUND_HOST.
 */
#define VITALS_BOUND_HOST VITALS_LEVELS_MAX
struct vitals_available {
	uint64_t free, clean, all;
	unsigned bound;
};

struct vitals_tasks {
	uint64_t running, sleeping, uninterruptible, stopped, zombie; /* threads, but zombies are processes */
	uint64_t processes, threads;
};

/* Bucket i counts what took [2^i, 2^(i+1)) microseconds; the first and the last also what took less and more. */
#define VITALS_BUCKETS 24
struct vitals_histogram {
	uint64_t count[VITALS_BUCKETS];
	uint64_t total_ns;
};

/* What only programs in the kernel can tell (probes.h). */
struct vitals_probed {
	bool sched, block; /* these probes are there */
	bool estimated;	   /* switches and waits: now and then they came too often to be counted one by one */
	uint64_t voluntary, forced; /* context switches away from a task of the workload */
	struct vitals_histogram run_queue; /* from runnable to running; total_ns UNKNOWN: not told by this kernel */
	uint64_t reads, writes, read_bytes, write_bytes; /* block requests that are done */
	struct vitals_histogram block_latency; /* from the request's making to its end */
};

struct vitals_cpu {
	uint64_t usage_ns, user_ns, system_ns;
	uint64_t throttled, throttled_ns;
};

/* Pressure stall information: shares in hundredths of a percent, totals in microseconds. */
struct vitals_stall {
	uint64_t some10, some60, some300, some_us;
	uint64_t full10, full60, full300, full_us;
};
struct vitals_pressure {
	bool known;
	struct vitals_stall cpu, memory, io;
};

struct vitals_io {
	uint64_t read_bytes, write_bytes, reads, writes;
};

struct vitals_sample {
	uint64_t time_ns;		/* CLOCK_BOOTTIME, when the reading began */
	struct vitals_memory memory;	/* the workload's own level */
	uint64_t limit;			/* in force, over all levels; the machine's memory where there is none */
	struct vitals_available available;
	char bound[VITALS_PATH_MAX];	/* the cgroup that binds, as a path in its hierarchy; "": the machine */
	struct vitals_tasks tasks;
	struct vitals_cpu cpu;
	struct vitals_io io;
	struct vitals_pressure pressure;
	struct vitals_probed probed;
};

/* A child command of the agent with all below it (tree.h). */
struct vitals_phase {
	uint32_t pid;
	uint64_t start_ns; /* boottime; with the pid it is the process key */
	char command[VITALS_COMMAND_MAX]; /* the agent's bytes: what was started, arguments joined by spaces */
	uint64_t bytes;	   /* anonymous and shared memory held now, by all of it */
	uint64_t peak_bytes;
	int64_t slope;	   /* bytes a second, over the last second or so */
	uint64_t read_bytes, write_bytes; /* from and to storage */
	uint32_t processes;
	bool own_cgroup; /* its figures are its cgroup's */
};
#define VITALS_PHASES_MAX 64

/*
 * The formula, after the kernel's si_mem_available (mm/show_mem.c), at each level: what is left below its limit, and
 * what reclaim there could give back; then the least over the levels and the machine's own MemAvailable. levels[0] is
 * the workload. Fields that are UNKNOWN count as nothing to give.
 */
void vitals_available(const struct vitals_memory *levels, size_t n, const struct vitals_host *host,
		      struct vitals_available *ret);
