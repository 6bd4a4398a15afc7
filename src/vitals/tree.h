/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which child of the agent holds the memory: the workload's processes as a tree, from procfs. The agent is the
 * workload's first process, or what that became through launchers that only start one other program (a shell, env, npx,
 * timeout, ...: one table in tree.c); each child that the agent starts is a phase, with all below it.
 */
#pragma once

#include "base/err.h"
#include "vitals/vitals.h"

struct vitals_tree;

struct vitals_tree_options {
	const char *proc;     /* where procfs is mounted */
	const char *cgroup;   /* directory of the v2 cgroup whose subtree counts; NULL: by descent from root */
	uint32_t root;	      /* pid of the workload's first process; 0: the oldest in the cgroup */
	const char *agent;    /* comm of the agent, where the rule above would take another; NULL: the rule */
};

int vitals_tree_new(const struct vitals_tree_options *options, struct vitals_tree **ret, struct err *err);
void vitals_tree_free(struct vitals_tree *t);
DEFINE_CLEANUP(struct vitals_tree *, vitals_tree_free);

/* Looks again. Peaks and slopes are kept from look to look. Some ten microseconds a process. 0 or negative errno. */
int vitals_tree_look(struct vitals_tree *t, uint64_t now_ns);

/* The agent itself (pid 0: not found), without its phases. */
const struct vitals_phase *vitals_tree_agent(const struct vitals_tree *t);
/* Phases that live, the fattest first; at most room. Returns how many. */
size_t vitals_tree_phases(const struct vitals_tree *t, struct vitals_phase *ret, size_t room);
/* Phases that ended since the last call, with their peaks; at most room. */
size_t vitals_tree_ended(struct vitals_tree *t, struct vitals_phase *ret, size_t room);
/* The pids of a phase, its own first; at most room. */
size_t vitals_tree_members(const struct vitals_tree *t, uint32_t phase_pid, uint32_t *ret, size_t room);
