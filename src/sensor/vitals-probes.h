/* SPDX-License-Identifier: Apache-2.0 */
/* Loads bpf/vitals.bpf.c and reads what it counts: the implementation of vitals/probes.h. docs/vitals-probes.md. */
#pragma once

#include "base/err.h"
#include "vitals/probes.h"

enum vitals_probe {
	VITALS_PROBE_SCHED = 1, /* context switches, waits for a CPU */
	VITALS_PROBE_BLOCK = 2, /* block requests */
	VITALS_PROBE_OOM = 4,	/* OOM kills */
	VITALS_PROBE_ALL = 7,
};

struct vitals_probes_options {
	unsigned probes; /* of enum vitals_probe, or'ed; counting threads is always there */
	/*
	 * The one v2 cgroup that counts, with all below it, and its level below the root (system_cgroup_id). It costs
	 * the rest of the machine less, and nothing of a child cgroup that is gone is lost. 0: every cgroup of the
	 * machine, each by itself.
	 */
	uint64_t only;
	unsigned only_level;
#define VITALS_PROBES_LATER UINT64_MAX /* only: it is told by vitals_probes_follow, and nothing counts before */
	uint64_t sweep_ns; /* how often cgroups that are gone are looked for; 0: every two seconds */
};

/*
 * What the kernel refuses is left out and said in vitals_probes_hooks, and the rest works. Errors, with text: none of
 * it can be had (-EPERM, -ENOSYS, ...).
 */
int vitals_probes_open(const struct vitals_probes_options *options, struct vitals_probes **ret, struct err *err);

/* The cgroup that counts from now on; for a p that was opened with `only`. */
void vitals_probes_follow(struct vitals_probes *p, uint64_t only, unsigned level);

/*
 * Keeps the price of counting switches below half a percent of a CPU. Where they come so often that it would be more
 * they are counted in windows, and weighted; then vitals_probed.estimated. To be called again at the time that it
 * returns, or soon after; who never calls it has every switch counted. Times are of CLOCK_MONOTONIC or BOOTTIME.
 */
uint64_t vitals_probes_tick(struct vitals_probes *p, uint64_t now);

/* For a child that was forked, and does not exec at once: with what it inherits it would keep the switches counted. */
void vitals_probes_forked(struct vitals_probes *p);

extern const struct vitals_probes_ops vitals_probes_ops;

struct vitals_hook {
	const char *name;     /* "tp_btf/sched_switch" */
	const char *provides; /* "context switches, waits for a CPU" */
	bool wanted, attached;
	char why_not[128];    /* "": it is attached, or nobody asked */
};

/* Lives as long as p. */
size_t vitals_probes_hooks(const struct vitals_probes *p, const struct vitals_hook **ret);

/* Times that a cgroup was not counted because 700 to 1024 others are alive. */
uint64_t vitals_probes_unplaced(const struct vitals_probes *p);
