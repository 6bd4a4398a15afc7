/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * What bpf/vitals.bpf.c counts and src/sensor/vitals-probes.c reads, in maps that both have in their memory: reading
 * costs no system call. Every cgroup that is counted has a slot.
 */
#ifndef HEDDLE_WIRE_VITALS_H
#define HEDDLE_WIRE_VITALS_H

#ifndef HD_BPF
#include <assert.h>
#include <linux/types.h>
#endif

#define HV_SLOTS 1024 /* cgroups at a time; a power of two */
#define HV_PLACES 32  /* where a cgroup's slot may be: enough for 700 of 1024, whatever their ids */
#define HV_NONE HV_SLOTS
#define HV_BUCKETS 24
#define HV_DEPTH 16 /* levels of the cgroup tree that are remembered of a cgroup */
#define HV_VICTIMS 64
#define HV_CPUS 1024 /* of which it is known how often they switch */

/* One for each slot and CPU, so that a count is a plain addition; whole cache lines. */
struct hv_sched {
	__u64 voluntary, forced;
	__u64 wait_ns;
	__u64 wait[HV_BUCKETS];
	__u64 pad[5];
};

/* Block requests are rarer: one for each slot, counted atomically. */
struct hv_block {
	__u64 reads, writes, read_bytes, write_bytes;
	__u64 took_ns;
	__u64 took[HV_BUCKETS];
};

/* What the iterator counted in the pass of that number. */
struct hv_tasks {
	__u64 pass;
	__u32 running, sleeping, uninterruptible, stopped, zombie, processes, threads, pad;
};

/* Where a cgroup is: the ids of its ancestors, from level 1 down. Written last: 0 levels is not known yet. */
struct hv_path {
	__u32 levels, pad;
	__u64 above[HV_DEPTH];
};

struct hv_slot {
	struct hv_path path;
	struct hv_tasks tasks;
	struct hv_block block;
};

#define HV_UNKNOWN (~0ULL)
struct hv_victim {
	__u64 time_ns; /* boottime */
	__u64 cgroup;
	struct hv_path path;
	__u32 pid, pad;
	char comm[16];
	__u64 anon_pages, file_pages, shmem_pages; /* HV_UNKNOWN: this kernel does not say */
};

/*
 * Where a cgroup's slot may be: at its home, or else in steps of its own from there. Ids follow each other in steps of
 * so many files, so they are mixed twice: with once, some such rows meet in a few places.
 */
static inline __attribute__((always_inline)) __u64 hv_hash(__u64 id)
{
	id *= 0x9e3779b97f4a7c15ULL;
	id ^= id >> 32;
	return id * 0xff51afd7ed558ccdULL;
}

static inline __attribute__((always_inline)) __u32 hv_place(__u64 hash, __u32 i)
{
	return ((__u32)(hash >> 54) + i * ((__u32)(hash >> 32) | 1)) % HV_SLOTS;
}

/* The bucket for a time: i for [2^i, 2^(i+1)) microseconds. A division is only made of what took over four seconds. */
static inline __attribute__((always_inline)) __u32 hv_bucket(__u64 ns)
{
	__u64 us;
	__u32 b;

	if (ns < 2000)
		return 0;
	us = ns >> 32 ? ns / 1000 : (ns * 274877907ULL) >> 38;
	if (us >> (HV_BUCKETS - 1))
		return HV_BUCKETS - 1;
	b = us > 0xffff ? 16 : 0;
	us >>= b;
	if (us > 0xff) {
		us >>= 8;
		b += 8;
	}
	if (us > 0xf) {
		us >>= 4;
		b += 4;
	}
	if (us > 0x3) {
		us >>= 2;
		b += 2;
	}
	return b + (us > 1);
}

#ifndef HD_BPF
static_assert(HV_SLOTS == 1 << 10, "hv_place takes the upper ten bits");
static_assert(sizeof(struct hv_sched) == 256, "whole cache lines");
#endif

#endif
