/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's file as its writer has it. An error loses every line since the last commit; the disk is tried again
 * after a second, until then every block is lost at once. One thread at a time.
 */
#pragma once

#include "store/block.h"
#include "store/internal.h"

struct disk;

/* Makes, locks and fills in the file. On failure nothing is left of it. */
int disk_open(const char *home, const struct store_session *session, struct disk **ret, struct err *err);
/* Opens that of a session whose writer died, and signs that this one goes on (see store_writer_recover). */
int disk_recover(const char *home, const char *id, struct disk **ret, struct store_remains *ret_remains,
		 struct err *err);
void disk_free(struct disk *d); /* what is not committed is gone; NULL is fine */
DEFINE_CLEANUP(struct disk *, disk_free);

/* Adds a block that ends here (block_pack); commits once the batch is large. */
int disk_put(struct disk *d, struct block *b, struct err *err);
int disk_commit(struct disk *d, struct err *err);
/* The same, and signs: what was committed, or that the writer lives when nothing was for two seconds. */
int disk_beat(struct disk *d, struct err *err);
/* For the next signature: lines refused before they came here, by type, and the session's ledger (NULL: unchanged). */
void disk_counts(struct disk *d, const uint64_t *refused, const struct ledger *ledger);
/* Ends the session (see store_writer_end). Everything is committed before. */
int disk_end(struct disk *d, const struct store_session *session, struct err *err);

/* When the disk is tried again, CLOCK_BOOTTIME; 0: healthy. */
uint64_t disk_retry_ns(const struct disk *d);
/* By type; borrowed. */
bool disk_healthy(const struct disk *d); /* nothing has failed since the last commit */
const uint64_t *disk_lost(const struct disk *d);
