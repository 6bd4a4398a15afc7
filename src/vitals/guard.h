/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's mind: from what is seen, what to do next. Pure: it touches no file and asks no clock, so that every
 * ladder can be tried in a test. act.h carries out what it decides and says how it went.
 */
#pragma once

#include "vitals/forecast.h"
#include "vitals/guard-policy.h"
#include "vitals/vitals.h"

struct guard;

#define GUARD_WHY_MAX 256
#define GUARD_ACTIONS_MAX 16 /* room enough for one guard_decide */

struct guard_view {
	uint64_t time_ns;
	uint64_t used, limit; /* limit: the one that the user gave, not what borrowing made of it */
	uint64_t available;   /* clean; UNKNOWN: what lies between used and limit */
	struct forecast_result forecast;
	const struct vitals_phase *phases; /* the fattest first */
	size_t phases_n;
	const struct vitals_phase *agent; /* NULL: not found */
	uint64_t stall_us;		  /* memory pressure, full, total; UNKNOWN: not told */
	bool paused;			  /* the kernel holds tasks at the limit (v1's oom_control) */
};

struct guard_action {
	enum guard_rung rung;
	bool undo;
	bool yield; /* with the undoing of a freeze: nothing is left to be done, the kernel's own rule holds again */
	uint32_t pid;	   /* the phase's; 0: all */
	uint64_t start_ns; /* its key's other half */
	uint64_t bytes;	   /* to reclaim, to borrow; for a brake what the child may still take before it is slowed */
	char command[VITALS_COMMAND_MAX]; /* the phase's: the agent's bytes; "" with pid 0 */
	uint64_t held_bytes;		  /* what the phase held */
	char why[GUARD_WHY_MAX];	  /* one line, the agent's bytes escaped */
};

/* The policy is copied. */
int guard_new(const struct guard_policy *policy, struct guard **ret);
void guard_free(struct guard *g);
DEFINE_CLEANUP(struct guard *, guard_free);

/* What to do now, in order; at most room. Returns how many. A view without a limit is of no use: nothing. */
size_t guard_decide(struct guard *g, const struct guard_view *view, struct guard_action *ret, size_t room);
/*
 * After guard_decide: whom a brake would hold, when it is nearly due. To move a child into a cgroup of its own takes
 * longer than to set a limit, and harms nobody, so it is done before. Each child once in a row; false: nobody.
 */
bool guard_ready(struct guard *g, const struct guard_view *view, uint32_t *ret_pid, uint64_t *ret_start_ns);
/* How it went: 0 or negative errno. -EOPNOTSUPP: this machine can't, so the rung is passed over from now on. */
void guard_done(struct guard *g, const struct guard_action *action, int result, uint64_t time_ns);
/* Somebody wants the workload to end: if all stand still they go on, and nobody is stopped until it is well again. */
void guard_yield(struct guard *g);
/* Things move: the next views want phases that were looked at just then. */
bool guard_watchful(const struct guard *g);
/* Nothing is applied that could be undone. */
bool guard_calm(const struct guard *g);
