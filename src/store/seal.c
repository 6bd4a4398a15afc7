/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's side of the chain. See seal.h. */
#include "store/seal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "store/check.h"
#include "store/head.h"
#include "store/key.h"

/* A beat takes the place of the one before it, so that an idle hour costs one row; a late one shows as a row. */
#define BEAT_LATE_NS (5 * CLOCK_SECOND_NS)

/* All that a dropped batch takes back. */
struct seal_state {
	uint8_t link[CHAIN_HASH]; /* of the last block */
	uint64_t sequence;	  /* of the last line */
	uint64_t stored[HD_TYPE_EVENT_MAX + 1];
	uint64_t checkpoints;
	uint8_t before[CHAIN_HASH];	 /* hash of the last checkpoint; none: the genesis */
	uint8_t before_beat[CHAIN_HASH]; /* what the last one followed, when it is a beat */
	bool beat;			 /* the last one is a beat */
	uint64_t signed_sequence;	 /* of the last checkpoint */
	uint64_t signed_ns;		 /* boottime */
};

struct seal {
	struct key *key;
	struct chain_hasher *hasher;
	struct seal_state now, committed;
	struct chain_counts counts; /* all but `stored` */
	struct buf encoded, message;
	sqlite3 *db; /* borrowed from seal_attach to seal_done */
	sqlite3_stmt *insert;
	const char *path;
	char session[37];
	uint8_t signature[CHAIN_SIGNATURE]; /* of message, the last one */
};

int seal_open(const char *home, struct seal **ret, struct err *err)
{
	_cleanup_(seal_free_p) struct seal *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->encoded = BUF_INIT(CHAIN_COUNTS_MAX);
	s->message = BUF_INIT(CHAIN_MESSAGE_MAX);
	int r = key_open(home, &s->key, err);
	if (r < 0)
		return r;
	s->hasher = chain_hasher_new();
	if (!s->hasher)
		return err_set(err, EIO, "libcrypto has no SHA-256 here; a session can't be recorded without");
	*ret = TAKE_PTR(s);
	return 0;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	seal_done(s);
	key_free(s->key);
	chain_hasher_free(s->hasher);
	buf_done(&s->encoded);
	buf_done(&s->message);
	free(s);
}

const uint8_t *seal_public(const struct seal *s)
{
	return key_public(s->key);
}

int seal_attach(struct seal *s, sqlite3 *db, const char *path, struct err *err)
{
	s->db = db;
	s->path = path;
	if (sqlite3_prepare_v3(db,
			       "INSERT OR REPLACE INTO checkpoint (n, kind, sequence, time_ns, boot_ns, link, counts,"
			       " signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			       -1, SQLITE_PREPARE_PERSISTENT, &s->insert, NULL) != SQLITE_OK)
		return store_sql_error(db, "write", path, err);
	return 0;
}

void seal_done(struct seal *s)
{
	sqlite3_finalize(TAKE_PTR(s->insert));
}

int seal_begin(struct seal *s, const struct chain_start *start, struct err *err)
{
	if (chain_genesis(s->hasher, start, s->now.link) < 0)
		return err_set(err, EIO, "can't hash the start of the session");
	memcpy(s->now.before, s->now.link, CHAIN_HASH);
	memcpy(s->session, start->id, sizeof(s->session));
	return seal_checkpoint(s, CHAIN_BEGIN, NULL, err);
}

int seal_recover(struct seal *s, const char *id, struct store_remains *ret, struct err *err)
{
	_cleanup_(check_free_p) struct check *c = NULL;
	int r = check_store(s->db, s->path, NULL, &c, err);

	if (r < 0)
		return r;
	if (memcmp(check_public(c), seal_public(s), CHAIN_PUBLIC) != 0)
		return err_set(err, EPERM, "session %s was signed by another key, so it can't be continued", id);
	if (check_finding(c)->what)
		return err_set(err, EUCLEAN,
			       "session %s was altered, so it can't be continued; 'heddle verify %s' tells "
			       "how",
			       id, id);
	const struct check_end *end = check_end(c);
	memcpy(s->session, id, sizeof(s->session));
	memcpy(s->now.link, end->link, CHAIN_HASH);
	memcpy(s->now.before, end->before, CHAIN_HASH);
	memcpy(s->now.stored, end->counts.stored, sizeof(s->now.stored));
	s->counts = end->counts;
	s->now.sequence = end->sequence;
	s->now.checkpoints = end->checkpoints;
	ret->sequence = end->sequence;
	ret->beat_ns = end->last.time_ns;
	ret->beat_boot_ns = end->last.boot_ns;
	ret->offset_ns = end->offset_ns;
	memcpy(ret->stored, end->counts.stored, sizeof(ret->stored));
	memcpy(ret->ledger, end->counts.ledger, sizeof(ret->ledger));
	return seal_checkpoint(s, CHAIN_RECOVER, NULL, err);
}

int seal_block(struct seal *s, const struct block *b, struct bytes packed, size_t size, struct seal_row *ret)
{
	struct chain_block row = {
		.range = b->range,
		.size = size,
		.marks = block_marks(b),
	};
	int r = chain_hash(s->hasher, &packed, 1, row.digest);
	if (r >= 0)
		r = chain_link(s->hasher, s->now.link, &row, s->now.link);
	if (r < 0)
		return r;
	s->now.sequence = b->range.last;
	for (uint32_t i = 0; i < b->range.lines; i++)
		s->now.stored[b->heads[i].type]++;
	memcpy(ret->digest, row.digest, CHAIN_HASH);
	memcpy(ret->link, s->now.link, CHAIN_HASH);
	ret->marks = row.marks;
	return 0;
}

void seal_counts(struct seal *s, const uint64_t *unstored, const struct ledger *ledger)
{
	memcpy(s->counts.unstored, unstored, sizeof(s->counts.unstored));
	if (!ledger)
		return;
	memset(s->counts.ledger, 0, sizeof(s->counts.ledger));
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
			struct ledger_row *to = &s->counts.ledger[type];
			const struct ledger_row *from = &ledger->rows[lane][type];

			to->made += from->made;
			to->delivered += from->delivered;
			to->folded += from->folded;
			to->lost += from->lost;
		}
	}
}

bool seal_unsigned(const struct seal *s)
{
	return s->now.sequence != s->now.signed_sequence;
}

bool seal_due(const struct seal *s)
{
	return seal_unsigned(s) && clock_boottime_ns() - s->now.signed_ns >= SEAL_SIGN_NS;
}

bool seal_beat_due(const struct seal *s)
{
	return clock_boottime_ns() - s->now.signed_ns >= SEAL_BEAT_NS;
}

static int sign(struct seal *s, struct chain_checkpoint *c)
{
	buf_clear(&s->message);
	chain_message(c, &s->message);
	if (s->message.failed)
		return s->message.failed;
	return key_sign(s->key, (struct bytes){ s->message.data, s->message.length }, c->signature);
}

static int insert(struct seal *s, const struct chain_checkpoint *c)
{
	(void)sqlite3_bind_int64(s->insert, 1, (int64_t)c->n);
	(void)sqlite3_bind_int64(s->insert, 2, (int64_t)c->kind);
	(void)sqlite3_bind_int64(s->insert, 3, (int64_t)c->sequence);
	(void)sqlite3_bind_int64(s->insert, 4, c->time_ns);
	(void)sqlite3_bind_int64(s->insert, 5, (int64_t)c->boot_ns);
	(void)sqlite3_bind_blob(s->insert, 6, c->link, CHAIN_HASH, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(s->insert, 7, c->counts.data, c->counts.length, SQLITE_STATIC);
	(void)sqlite3_bind_blob(s->insert, 8, c->signature, CHAIN_SIGNATURE, SQLITE_STATIC);
	int code = sqlite3_step(s->insert);
	int after = sqlite3_reset(s->insert);

	(void)sqlite3_clear_bindings(s->insert);
	return code == SQLITE_DONE && after == SQLITE_OK ? 0 : -EIO;
}

int seal_checkpoint(struct seal *s, enum chain_kind kind, const struct chain_end *end, struct err *err)
{
	struct seal_state *now = &s->now;
	struct chain_checkpoint c = {
		.n = now->checkpoints,
		.kind = kind,
		.sequence = now->sequence,
		.time_ns = clock_realtime_ns(),
		.boot_ns = clock_boottime_ns(),
	};
	bool again = kind == CHAIN_BEAT && now->beat && now->signed_sequence == now->sequence &&
		     c.boot_ns - now->signed_ns < BEAT_LATE_NS;

	c.n -= again;
	memcpy(c.session, s->session, sizeof(c.session));
	memcpy(c.link, now->link, CHAIN_HASH);
	memcpy(c.before, again ? now->before_beat : now->before, CHAIN_HASH);
	memcpy(s->counts.stored, now->stored, sizeof(now->stored));
	buf_clear(&s->encoded);
	chain_counts_encode(&s->counts, &s->encoded);
	c.counts = (struct bytes){ s->encoded.data, s->encoded.length };
	int r = s->encoded.failed;
	if (r >= 0 && kind == CHAIN_END && end)
		r = chain_end_hash(s->hasher, end, c.end);
	if (r >= 0)
		r = sign(s, &c);
	if (r < 0)
		return err_errno(err, -r, "can't sign the session in %s", s->path);
	if (insert(s, &c) < 0)
		return store_sql_error(s->db, "write", s->path, err);
	memcpy(now->before_beat, c.before, CHAIN_HASH);
	r = chain_checkpoint_hash(s->hasher, &c, now->before);
	if (r < 0)
		return err_errno(err, -r, "can't sign the session in %s", s->path);
	memcpy(s->signature, c.signature, CHAIN_SIGNATURE);
	now->checkpoints = c.n + 1;
	now->beat = kind == CHAIN_BEAT;
	now->signed_sequence = now->sequence;
	now->signed_ns = c.boot_ns;
	return 0;
}

void seal_write_head(const struct seal *s, struct buf *out)
{
	head_write(s->session, key_public(s->key), (struct bytes){ s->message.data, s->message.length }, s->signature,
		   out);
}

void seal_committed(struct seal *s)
{
	s->committed = s->now;
}

void seal_dropped(struct seal *s)
{
	s->now = s->committed;
}
