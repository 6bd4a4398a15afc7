/* SPDX-License-Identifier: Apache-2.0 */
/* What guard.c and guard-blame.c share. */
#pragma once

#include "vitals/guard.h"

#define HOLDS_MAX 16
#define PENDING_MAX 24

/* A child that is slowed or stands still; pid 0: all of the workload. */
struct hold {
	uint32_t pid;
	uint64_t start_ns;
	bool braked, frozen;
	bool busy;	 /* an action on it is under way */
	bool stuck;	 /* it has had its room, and there is no more to give */
	unsigned unused; /* more room in a row that it did not seem to need */
	uint64_t brake_since, frozen_since, stuck_since;
	uint64_t grown;			      /* by how much, when it was taken hold of */
	uint64_t room, bytes_then, used_then; /* of the brake: what it may take from where on */
	char command[VITALS_COMMAND_MAX];
};

struct pending {
	enum guard_rung rung;
	bool undo, yield;
	uint32_t pid;
	uint64_t start_ns;
	uint64_t since;
};

struct rung_state {
	bool unsupported, ever;
	unsigned failures;
	uint64_t issued;
	uint64_t not_before, undo_not_before; /* after a failure */
	uint64_t bad_until;		      /* not to be undone before */
	uint64_t well;			      /* when it was last not due */
};

/* What a phase, or the agent, held a while ago: what it holds now less that is what it grew. */
struct seen {
	uint32_t pid;
	uint64_t start_ns;
	uint64_t base;
	uint64_t bytes;
	bool here; /* in this look */
};

struct guard {
	struct guard_policy policy;
	uint64_t clock, last_ns;
	bool looked;
	unsigned level; /* available, in thousandths of the limit */
	bool foreseen, told, borrowed, ended;
	bool asked;   /* to yield */
	bool yielded; /* the kernel decides, until it is well again */
	uint64_t undone;
	unsigned reclaims; /* in a row */
	struct rung_state rungs[GUARD_RUNG_MAX];
	struct hold holds[HOLDS_MAX];
	size_t holds_n;
	struct pending pending[PENDING_MAX];
	size_t pending_n;
	struct seen seen[VITALS_PHASES_MAX];
	size_t seen_n;
	struct seen agent;
	uint32_t ready_pid; /* whom guard_ready named last */
	uint64_t ready_start_ns;
	uint64_t learned; /* when */
};

struct who {
	uint32_t pid; /* 0: nobody, or the agent where that could not be found */
	uint64_t start_ns;
	bool agent;
	bool gone;
	bool yield; /* see guard_action */
	uint64_t bytes, growth;
	char command[VITALS_COMMAND_MAX];
};

enum blame {
	BLAME_ANY,
	BLAME_UNBRAKED, /* of those that are not slowed yet */
	BLAME_UNFROZEN,
};

/* Keeps what each held. Once a look. */
void guard_learn(struct guard *g, const struct guard_view *v);
/* Who is to be held for what happens: a child that grew, the agent only where it is what grows; else nobody. */
void guard_blame(const struct guard *g, const struct guard_view *v, enum blame blame, struct who *ret);
/* A phase by its key; false when it is no more. */
bool guard_who(const struct guard *g, const struct guard_view *v, uint32_t pid, uint64_t start_ns, struct who *ret);
/* Fills a->why. */
void guard_why(const struct guard *g, const struct guard_view *v, const struct who *who, struct guard_action *a);

static inline bool foreseen_within(const struct guard_view *v, int64_t ns)
{
	return v->forecast.clock != FORECAST_NONE && v->forecast.limit_in_ns <= ns;
}
