/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's hands: writes what guard.h decided into cgroup files, moves a child into a cgroup of its own where it has
 * none, runs hooks with a deadline, copies what is to be saved, and tells the agent why its child died. What takes time
 * (reclaim, hooks, copies) is done by children, so that a look never waits.
 */
#pragma once

#include "vitals/guard.h"
#include "vitals/tree.h"

struct act;

struct act_options {
	const char *cgroup;   /* the workload's directory in the v2 hierarchy; NULL: none */
	const char *memory;   /* and the one with the memory controller; NULL: none */
	const char *cpu;      /* a v1 directory with the cpu controller, for a brake without memory.high; NULL: none */
	bool memory_v1;
	uint64_t limit;	      /* that --memory asked for; UNKNOWN: none, then only what lies above holds */
	const char *directory; /* the command's working directory */
	const char *session, *home; /* of the store; for copies */
	const struct guard_policy *policy;
	const struct vitals_tree *tree;
	/* One line for a terminal. */
	void (*say)(void *context, const char *text);
	void *context;
};

/* Sets the limit, the reserve and, on v1, the pause. Errors, with text: the limit is below what already runs, ... */
int act_open(const struct act_options *options, struct act **ret, struct err *err);
void act_free(struct act *a); /* takes back whatever can be: thaws, unbrakes; leaves the limit */
DEFINE_CLEANUP(struct act *, act_free);

/* 0: done; 1: under way, act_poll tells its end; negative errno. */
int act_do(struct act *a, const struct guard_action *action);
/* The next action that has ended, and how; false: none. Never waits. */
bool act_poll(struct act *a, struct guard_action *ret, int *ret_result);
/* Tasks are held at the limit by the kernel. */
bool act_paused(const struct act *a);
/* Readable when act_poll may have something; -1: none. */
int act_fd(const struct act *a);

/* Gives a phase a cgroup of its own below the workload's (--tool-cgroups): 0, -EEXIST where it has one. */
int act_tool_cgroup(struct act *a, uint32_t pid, uint64_t start_ns);
