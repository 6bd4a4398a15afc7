/* SPDX-License-Identifier: Apache-2.0 */
/* What tree.c and tree-members.c share. */
#pragma once

#include "base/map.h"
#include "vitals/tree-process.h"
#include "vitals/tree.h"

#define PROCESSES_MAX 8192
#define PHASES_MAX 256 /* the last takes all that come after */
#define ENDED_MAX 256
#define GROUPS_MAX 64
#define GROUP_NAME_MAX 256
#define POINTS 32

struct point {
	uint64_t time_ns, bytes;
};

struct tree_phase {
	struct vitals_phase out;
	bool used;
	uint64_t start; /* of its first process, in ticks */
	uint64_t sum_bytes, sum_read, sum_write;
	/* Storage bytes of processes that ended with nobody of the phase to take them over; others' that it took. */
	uint64_t carried_read, carried_write, absorbed_read, absorbed_write;
	uint64_t group; /* the cgroup that all its processes are in; 0: they are not in one below the workload's */
	bool mixed;
	struct point points[POINTS];
	unsigned points_n, next;
};

struct group {
	uint64_t id;
	unsigned phases; /* in it */
	char name[GROUP_NAME_MAX];
};

struct vitals_tree {
	char *proc, *agent_comm; /* owned */
	int cgroup;
	uint32_t root;
	uint64_t root_start;
	uint64_t look, now_ns, measure_due_ns;
	uint64_t tick_ns;
	struct map processes; /* by pid; owned */
	uint32_t agent_pid;
	uint64_t agent_start;
	struct tree_phase agent; /* what is no phase's */
	struct tree_phase phases[PHASES_MAX];
	struct vitals_phase ended[ENDED_MAX];
	size_t ended_n;
	struct group groups[GROUPS_MAX];
	size_t groups_n;
};

/* The process of that key, alive or ended since the last look; NULL: none. */
struct tree_process *tree_get(const struct vitals_tree *t, uint32_t pid, uint64_t start);
/* The one that started it, unless that has ended. */
struct tree_process *tree_origin(const struct vitals_tree *t, const struct tree_process *p);
static inline bool tree_lives(const struct vitals_tree *t, const struct tree_process *p)
{
	return p && p->look == t->look;
}

/* Finds the workload's processes, and their parents. 0 or negative errno. */
int tree_collect(struct vitals_tree *t);
/* Forgets those that tree_collect did not find. */
void tree_bury(struct vitals_tree *t);
