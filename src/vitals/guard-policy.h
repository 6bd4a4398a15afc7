/* SPDX-License-Identifier: Apache-2.0 */
/* What a guard may do, and from when on: the text of --guard and of a policy file. docs/guard.md has the language. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The ladder, in order: each can be undone until the last two. */
enum guard_rung {
	GUARD_TELL = 0, /* the terminal, a line in the session, a signal to the agent, a hook */
	GUARD_RECLAIM,	/* the kernel is asked to give back what is clean */
	GUARD_BRAKE,	/* the child that grows is slowed, never the agent */
	GUARD_BORROW,	/* the limit is raised from a reserve */
	GUARD_FREEZE,	/* the child that grows stands still; where it is the agent itself, all do */
	GUARD_SAVE,	/* a hook and a copy of the session's files, with a deadline */
	GUARD_KILL,	/* the child that grew, with a word to the agent */
	GUARD_KILL_ALL,
	GUARD_RUNG_MAX,
};
const char *guard_rung_name(enum guard_rung rung); /* "tell", "reclaim", "brake", ..., "kill-all" */

#define GUARD_TEXT_MAX 1024
#define GUARD_PATHS_MAX 16
#define GUARD_PATH_MAX 256

struct guard_policy {
	bool on[GUARD_RUNG_MAX];
	unsigned at[GUARD_RUNG_MAX];	   /* available below so many thousandths of the limit */
	int64_t within_ns[GUARD_RUNG_MAX]; /* or the limit is forecast within that time; 0: by level alone */
	uint64_t reserve_bytes;		   /* to borrow; kept from the workload until then; 0: guard_policy_reserve's */
	int64_t patience_ns;		   /* how long a child is held before it is killed for want of memory */
	int64_t save_deadline_ns, hook_deadline_ns;
	int signal;		   /* to the agent by `tell`; 0: none */
	char hook[GUARD_TEXT_MAX]; /* a shell command for `tell`; "": none */
	char save_hook[GUARD_TEXT_MAX];
	char save_to[GUARD_TEXT_MAX]; /* directory for the copies; "": in the store's */
	char save[GUARD_PATHS_MAX]
		 [GUARD_PATH_MAX]; /* what to copy: paths, shell patterns; ~ and $CWD are the command's */
	unsigned save_n;
	char agent[16]; /* comm of the agent; "": by rule */
};

/*
 * text: "off", "tell", "default" or another preset, a file's name, or rungs and settings separated by commas. Errors
 * say which word and what would be right. On failure ret is as it was.
 */
int guard_policy_parse(const char *text, struct guard_policy *ret, struct err *err);
/* The same of a policy file's content, whose name is for errors. It may hold any bytes. */
int guard_policy_parse_file(const char *name, const char *data, size_t size, struct guard_policy *ret, struct err *err);
bool guard_policy_acts(const struct guard_policy *p); /* some rung above `tell` is on */
/* How much of a limit is kept back to borrow: what the policy says, else 5 % but 32 MiB at least, a quarter at most. */
uint64_t guard_policy_reserve(const struct guard_policy *p, uint64_t limit);
/* The same in words, one line, for the session's start line. */
void guard_policy_describe(const struct guard_policy *p, char *ret, size_t size);
