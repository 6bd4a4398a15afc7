/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a session's chain: rows go in as they are stored, and the first thing that is not as it was written comes out
 * by name. Pure: no database here (verify.c feeds it), and nothing that goes in is trusted.
 */
#pragma once

#include "store/chain.h"

enum check_what {
	CHECK_GOOD = 0,
	CHECK_CHANGED,    /* an event is not what was written */
	CHECK_REMOVED,    /* events are gone */
	CHECK_INSERTED,   /* an event was never written */
	CHECK_REORDERED,  /* an event stands where another belongs */
	CHECK_SESSION,    /* the session's row: what is fixed from the start */
	CHECK_END,        /* the same: what comes with the end */
	CHECK_CHECKPOINT, /* a checkpoint is changed, gone or new */
	CHECK_REWRITTEN,  /* events and the chain over them agree, but not with what was signed */
	CHECK_WHAT_MAX,
};
const char *check_what_name(enum check_what what);

struct check_finding {
	enum check_what what;
	uint64_t sequence;    /* of the first event that it is about; 0: none in particular */
	uint64_t first, last; /* where it must be; 0: everywhere */
	char text[ERR_TEXT_MAX]; /* one line */
};

/* A head of the chain that was kept elsewhere: a checkpoint and the key that signed it. */
struct check_head {
	struct chain_checkpoint checkpoint;
	uint8_t public_key[CHAIN_PUBLIC];
};

struct check_options {
	const struct check_head *head; /* borrowed; NULL: none */
	/* Called for each line that is no event, in order; may be NULL. */
	void (*line)(void *context, const struct store_row *row);
	void *context;
};

/* What was found good so far. */
struct check_end {
	uint8_t link[CHAIN_HASH], before[CHAIN_HASH]; /* of the last block, of the last checkpoint */
	uint64_t sequence;         /* of the last line */
	uint64_t checkpoints;
	uint64_t lines, blocks;
	uint64_t holes;            /* numbers that no line ever had: the writer could not store it */
	uint64_t signed_sequence;  /* what the last checkpoint covers */
	int64_t signed_ns;         /* and when, UTC */
	uint64_t recovered;        /* times another process took over */
	uint64_t died_sequence;    /* recovered: what the first writer's last checkpoint covers */
	int64_t died_ns;           /* and when, UTC */
	uint64_t found_sequence;   /* recovered: the last line that was there when the last one took over */
	int64_t offset_ns;         /* UTC of the first checkpoint, less its CLOCK_BOOTTIME */
	bool ended;                /* the last checkpoint is the end's */
	bool head_met;             /* the head that was kept elsewhere fits */
	struct chain_counts counts; /* `stored` as counted, the rest as last signed */
	struct chain_checkpoint last; /* the last checkpoint; its counts are not kept */
};

struct check;
/* The start as the session's row has it. 0 or negative; what is wrong with it is a finding. */
int check_new(const struct chain_start *start, const struct check_options *options, struct check **ret);
void check_free(struct check *c);
DEFINE_CLEANUP(struct check *, check_free);

/* One row of blocks as stored; pointers are borrowed for the call. */
struct check_block {
	int64_t schema; /* of the store: how its marks and links are made */
	int64_t first, last, first_ns, last_ns, types, pids, lines, size;
	struct bytes body, digest, marks, link;
};
/*
 * The next block, in order of `last`. 0: good; 1: there is a finding (give the block after it too, if there is one: it
 * tells a block that was put in from one that was taken out); -ENOMEM, -EIO.
 */
int check_block(struct check *c, const struct check_block *row);
/* What the session's row says of its end; ended_ns 0: it has not ended. Before the first checkpoint. */
int check_set_end(struct check *c, const struct chain_end *end);
/* The next checkpoint, after all blocks up to its sequence. `before` and `end` are filled in here. */
int check_checkpoint(struct check *c, struct chain_checkpoint *row);
/* After the last one; `end` is that of check_set_end. */
int check_finish(struct check *c, const struct chain_end *end);

const struct check_finding *check_finding(const struct check *c);
const struct check_end *check_end(const struct check *c);
const uint8_t *check_public(const struct check *c);
/* The head of what was found good, as a line of JSON (head.h). Appends; nothing when no checkpoint was good. */
void check_write_head(const struct check *c, struct buf *out);
/* Checks all of a session. 0: *ret says what was found. -ENOTSUP: it has no chain (store version 1). */
int store_verify(struct store_reader *r, const struct check_options *options, struct check **ret, struct err *err);
