/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash chain of a session: what is hashed and signed, byte for byte. docs/evidence.md has the same for people,
 * tests/verify.py the same again in another language. Every block's link is SHA-256 over the link before, the
 * block's row, its body and its marks; a checkpoint signs a link, the counts so far, and the checkpoint before.
 * Pure: bytes in, bytes out. Integers are hashed as 8 bytes, little-endian.
 */
#pragma once

#include "base/buf.h"
#include "store/block.h"
#include "track/ledger.h"

#define CHAIN_HASH 32
#define CHAIN_SIGNATURE 64
#define CHAIN_PUBLIC 32
#define CHAIN_COUNTS_MAX 4096 /* bytes of encoded counts */
#define CHAIN_MESSAGE_MAX (CHAIN_COUNTS_MAX + 512)

/* SHA-256 that is used again and again; one thread at a time. */
struct chain_hasher;
struct chain_hasher *chain_hasher_new(void); /* NULL when out of memory, or where libcrypto has no SHA-256 */
void chain_hasher_free(struct chain_hasher *h);
DEFINE_CLEANUP(struct chain_hasher *, chain_hasher_free);
/* SHA-256 of the parts, one after another. Returns 0 or -EIO. */
int chain_hash(struct chain_hasher *h, const struct bytes *parts, size_t n, uint8_t ret[CHAIN_HASH]);

/* What of a session's row is fixed from its start; public_key is the signer's. */
struct chain_start {
	const char *id;
	int64_t started_ns;
	const char *command, *start_line;
	uint8_t public_key[CHAIN_PUBLIC];
};
/* The link that the first block follows. */
int chain_genesis(struct chain_hasher *h, const struct chain_start *s, uint8_t ret[CHAIN_HASH]);

struct chain_block {
	struct block_range range;
	uint64_t size;
	uint8_t digest[CHAIN_HASH]; /* SHA-256 of the body */
	struct bytes marks;         /* BLOCK_MARK bytes a line */
	bool old;                   /* of store version 2 */
};
/* *ret may be `before`. */
int chain_link(struct chain_hasher *h, const uint8_t before[CHAIN_HASH], const struct chain_block *b,
	       uint8_t ret[CHAIN_HASH]);

/* What a session's row has from its end. */
struct chain_end {
	int64_t ended_ns;
	int64_t exit_status; /* -1: unknown */
	uint64_t events;
	const char *end_line, *ledger_line; /* NULL counts as empty */
};
int chain_end_hash(struct chain_hasher *h, const struct chain_end *e, uint8_t ret[CHAIN_HASH]);

/* By type; 0 is lines that are no events. */
struct chain_counts {
	uint64_t stored[HD_TYPE_EVENT_MAX + 1];   /* lines in the blocks so far */
	uint64_t unstored[HD_TYPE_EVENT_MAX + 1]; /* lines that the store had to drop */
	struct ledger_row ledger[HD_TYPE_EVENT_MAX + 1]; /* of both lanes, as last heard */
};
/* One encoding for one value: LEB128, shortest form. Appends. */
void chain_counts_encode(const struct chain_counts *c, struct buf *out);
/* -EBADMSG when it is not the one encoding of any counts. Types that this version does not know must count nothing. */
int chain_counts_decode(struct bytes encoded, struct chain_counts *ret);

enum chain_kind {
	CHAIN_BEGIN = 1, /* the session's row was written */
	CHAIN_COMMIT,    /* lines were committed */
	CHAIN_BEAT,      /* nothing was to commit, the writer lives */
	CHAIN_RECOVER,   /* another process took over from a writer that died */
	CHAIN_END,
	CHAIN_KIND_MAX,
};
const char *chain_kind_name(enum chain_kind kind); /* NULL: no such kind */

struct chain_checkpoint {
	char session[37];
	uint64_t n;                   /* from 0 */
	enum chain_kind kind;
	uint64_t sequence;            /* of the last line before it; 0: none */
	uint8_t link[CHAIN_HASH];     /* of the block that ends there */
	int64_t time_ns;              /* UTC */
	uint64_t boot_ns;             /* CLOCK_BOOTTIME */
	struct bytes counts;          /* encoded */
	uint8_t end[CHAIN_HASH];      /* CHAIN_END: chain_end_hash; else zeros */
	uint8_t before[CHAIN_HASH];   /* chain_checkpoint_hash of the one before; n == 0: the genesis */
	uint8_t signature[CHAIN_SIGNATURE]; /* Ed25519 over chain_message */
};
/* What is signed. Appends. */
void chain_message(const struct chain_checkpoint *c, struct buf *out);
/* Back again, but for the signature; counts are borrowed from the message. -EBADMSG when it is no message. */
int chain_message_decode(struct bytes message, struct chain_checkpoint *ret);
/* Of the message and its signature. */
int chain_checkpoint_hash(struct chain_hasher *h, const struct chain_checkpoint *c, uint8_t ret[CHAIN_HASH]);
