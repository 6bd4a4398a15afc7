/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's hands: writes what guard.h decided into cgroup files, moves a child into a cgroup of its own where it has
 * none, runs hooks with a deadline, copies what is to be saved, and tells the agent why its child died. What takes time
 * (reclaim, hooks, copies, a word down a pipe) is done by children, so that a look never waits.
 *
 * Nobody is left held: from act_open on a process of its own (act-release.c) waits for the end of ours, and lets go of
 * all that we hold if we did not.
 */
#pragma once

#include <sys/types.h>

#include "vitals/guard.h"

struct act;

struct act_options {
	/*
	 * The session's directory in the v2 hierarchy, NULL: none. Where it has a directory "agent" the command's
	 * processes are in that; children get "tool-N" beside it, else below it.
	 */
	const char *cgroup;
	const char *memory; /* and the one with the memory controller: the same, or one in v1's hierarchy; NULL: none */
	bool memory_v1;
	uint64_t limit;	       /* that --memory asked for; UNKNOWN: none, then only what lies above holds */
	const char *directory; /* the command's working directory */
	const char *user_home; /* the command's ~; NULL: none */
	uid_t uid;	       /* the command's: what is saved is what it may read */
	gid_t gid;
	const char *session, *home;	   /* of the store; for copies */
	const struct guard_policy *policy; /* copied */
	/* The pids of a phase, its own first (vitals_tree_members); NULL: by descent alone. */
	size_t (*members)(void *context, uint32_t phase_pid, uint32_t *ret, size_t room);
	/* The agent's pid and start, 0: not known (vitals_tree_agent); NULL: it gets no signal. */
	uint32_t (*agent)(void *context, uint64_t *ret_start_ns);
	/* In each child of ours, before it does its work: closes what it must not hold open. NULL: nothing. */
	void (*forked)(void *context);
	/* One line for a terminal; NULL: nobody listens. */
	void (*say)(void *context, const char *text);
	void *context;
};

/* Sets the limit, the reserve and, on v1, the pause. Errors, with text: the limit is below what already runs, ... */
int act_open(const struct act_options *options, struct act **ret, struct err *err);
/* Takes back whatever can be: thaws, unbrakes, ends the pause; leaves the limit. NULL is fine. */
void act_free(struct act *a);
DEFINE_CLEANUP(struct act *, act_free);

/* 0: done; 1: under way, act_poll tells its end; negative errno. */
int act_do(struct act *a, const struct guard_action *action);
/* The next action that has ended, and how; false: none. Never waits. */
bool act_poll(struct act *a, struct guard_action *ret, int *ret_result);
/* Tasks are held at the limit by the kernel. */
bool act_paused(const struct act *a);
/*
 * So much of what vitals_available finds below the limit is the reserve, and to be taken off guard_view's `available`.
 * On v1 the limit itself is lower by it, so that nobody counts it: 0.
 */
uint64_t act_reserved(const struct act *a);
/* Readable when act_poll may have something. */
int act_fd(const struct act *a);

/* Gives a phase a cgroup of its own (--tool-cgroups): 0, -EEXIST where it has one, -ESRCH when it is gone. */
int act_tool_cgroup(struct act *a, uint32_t pid, uint64_t start_ns);
