/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain as a writer grows it: links blocks, signs checkpoints, and goes back to the last commit when a batch is
 * dropped. What it writes is in the caller's transaction.
 */
#pragma once

#include "store/chain.h"
#include "store/internal.h"

#define SEAL_SIGN_NS CLOCK_SECOND_NS      /* lines are covered by a signature after this long */
#define SEAL_BEAT_NS (2 * CLOCK_SECOND_NS) /* a checkpoint that often, with lines or without */

struct seal;

/* Opens the key of the home. */
int seal_open(const char *home, struct seal **ret, struct err *err);
void seal_free(struct seal *s);
DEFINE_CLEANUP(struct seal *, seal_free);

const uint8_t *seal_public(const struct seal *s);
/* Statements on the database; the tables are there. Call seal_done before it is closed. */
int seal_attach(struct seal *s, sqlite3 *db, const char *path, struct err *err);
void seal_done(struct seal *s);

/* A new session: signs its row. */
int seal_begin(struct seal *s, const struct chain_start *start, struct err *err);
/*
 * A session whose writer died: goes on from where the chain ends, after all of it was checked, and signs what the
 * writer had not. -EUCLEAN when it was altered, -EPERM when another key signed it. Fills in all of *ret but started_ns.
 */
int seal_recover(struct seal *s, const char *id, struct store_remains *ret, struct err *err);

/* Links a block that is packed; *ret is what its row needs, its marks borrowed until the next call. */
struct seal_row {
	uint8_t digest[CHAIN_HASH], link[CHAIN_HASH];
	struct bytes marks;
};
int seal_block(struct seal *s, const struct block *b, struct bytes packed, size_t size, struct seal_row *ret);

/* What the next checkpoint says of loss: lines that the store dropped by type, and the session's ledger so far. */
void seal_counts(struct seal *s, const uint64_t *unstored, const struct ledger *ledger);

/* Whether lines wait for a signature for long enough; whether a checkpoint is due anyway. */
bool seal_due(const struct seal *s);
bool seal_beat_due(const struct seal *s);
bool seal_unsigned(const struct seal *s); /* lines since the last checkpoint */
/* Signs, and writes the row. Negative: SQLite's fault, or libcrypto's (-EIO). `end`: CHAIN_END only. */
int seal_checkpoint(struct seal *s, enum chain_kind kind, const struct chain_end *end, struct err *err);

/* The last checkpoint as a head (head.h). Appends. */
void seal_write_head(const struct seal *s, struct buf *out);

/* After the transaction: it is on disk, or none of it is. */
void seal_committed(struct seal *s);
void seal_dropped(struct seal *s);
