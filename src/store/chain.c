/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical forms and their hashes. See chain.h. */
#include "store/chain.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

/* Names for what is hashed, so that no form can be taken for another. */
#define GENESIS "heddle genesis 1\n"
#define BLOCK "heddle block 2\n"
#define BLOCK_1 "heddle block 1\n" /* store version 2 */
#define END "heddle end 1\n"
#define CHECKPOINT "heddle checkpoint 1\n"

#define PER_TYPE 6 /* counts */

struct chain_hasher {
	EVP_MD *kind;
	EVP_MD_CTX *context;
};

struct chain_hasher *chain_hasher_new(void)
{
	_cleanup_(chain_hasher_free_p) struct chain_hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	/* Fetched once: a look-up for each hash would cost more than the hash. */
	h->kind = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	h->context = EVP_MD_CTX_new();
	return h->kind && h->context ? TAKE_PTR(h) : NULL;
}

void chain_hasher_free(struct chain_hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->context);
	EVP_MD_free(h->kind);
	free(h);
}

int chain_hash(struct chain_hasher *h, const struct bytes *parts, size_t n, uint8_t ret[CHAIN_HASH])
{
	bool good = EVP_DigestInit_ex2(h->context, h->kind, NULL) == 1;

	for (size_t i = 0; good && i < n; i++)
		good = parts[i].length == 0 || EVP_DigestUpdate(h->context, parts[i].data, parts[i].length) == 1;
	return good && EVP_DigestFinal_ex(h->context, ret, NULL) == 1 ? 0 : -EIO;
}

static void put_u64(struct buf *out, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	buf_add(out, bytes, sizeof(bytes));
}

/* A text with its length before it. */
static void put_text(struct buf *out, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	put_u64(out, length);
	buf_add(out, text, length);
}

static int hash_of(struct chain_hasher *h, const struct buf *b, uint8_t ret[CHAIN_HASH])
{
	if (b->failed)
		return b->failed;
	return chain_hash(h, &(struct bytes){ b->data, b->length }, 1, ret);
}

int chain_genesis(struct chain_hasher *h, const struct chain_start *s, uint8_t ret[CHAIN_HASH])
{
	_cleanup_buf_ struct buf text = BUF_INIT(2 * BLOCK_LINE_MAX);

	buf_adds(&text, GENESIS);
	put_text(&text, s->id);
	put_u64(&text, (uint64_t)s->started_ns);
	put_text(&text, s->command);
	put_text(&text, s->start_line);
	buf_add(&text, s->public_key, CHAIN_PUBLIC);
	return hash_of(h, &text, ret);
}

int chain_link(struct chain_hasher *h, const uint8_t before[CHAIN_HASH], const struct chain_block *b,
	       uint8_t ret[CHAIN_HASH])
{
	const uint64_t numbers[] = { b->range.first,
				     b->range.last,
				     (uint64_t)b->range.first_ns,
				     (uint64_t)b->range.last_ns,
				     b->range.types,
				     b->range.pids,
				     b->range.lines,
				     b->size };
	uint8_t row[sizeof(numbers)], old_marks[CHAIN_HASH];
	struct bytes marks = b->marks;

	if (b->old) {
		int r = chain_hash(h, &b->marks, 1, old_marks);

		if (r < 0)
			return r;
		marks = (struct bytes){ (const char *)old_marks, CHAIN_HASH };
	}
	for (unsigned i = 0; i < sizeof(row); i++)
		row[i] = (uint8_t)(numbers[i / 8] >> 8 * (i % 8));
	const struct bytes parts[] = { b->old ? BYTES(BLOCK_1) : BYTES(BLOCK),
				       { (const char *)before, CHAIN_HASH },
				       { (const char *)row, sizeof(row) },
				       { (const char *)b->digest, CHAIN_HASH },
				       marks };
	return chain_hash(h, parts, ARRAY_SIZE(parts), ret);
}

int chain_end_hash(struct chain_hasher *h, const struct chain_end *e, uint8_t ret[CHAIN_HASH])
{
	_cleanup_buf_ struct buf text = BUF_INIT(2 * BLOCK_LINE_MAX);

	buf_adds(&text, END);
	put_u64(&text, (uint64_t)e->ended_ns);
	put_u64(&text, (uint64_t)e->exit_status);
	put_u64(&text, e->events);
	put_text(&text, e->end_line);
	put_text(&text, e->ledger_line);
	return hash_of(h, &text, ret);
}

static void put_number(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_addc(out, (char)(value | 0x80));
	buf_addc(out, (char)value);
}

void chain_counts_encode(const struct chain_counts *c, struct buf *out)
{
	put_number(out, HD_TYPE_EVENT_MAX + 1);
	for (unsigned type = 0; type <= HD_TYPE_EVENT_MAX; type++) {
		const struct ledger_row *l = &c->ledger[type];
		const uint64_t row[PER_TYPE] = { c->stored[type], c->unstored[type], l->made,
						 l->delivered,	  l->folded,	     l->lost };

		for (unsigned i = 0; i < PER_TYPE; i++)
			put_number(out, row[i]);
	}
}

static int take_number(struct bytes *from, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; from->length > 0; shift += 7) {
		uint8_t byte = (uint8_t)*from->data++;

		from->length--;
		/* Nothing over 64 bits, and no zero at the end: there is one form for each number. */
		if (shift > 63 || (shift == 63 && byte > 1) || (byte == 0 && shift > 0))
			return -EBADMSG;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EBADMSG;
}

int chain_counts_decode(struct bytes encoded, struct chain_counts *ret)
{
	uint64_t types, row[PER_TYPE];

	if (encoded.length > CHAIN_COUNTS_MAX || take_number(&encoded, &types) < 0 || types > CHAIN_COUNTS_MAX)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	for (uint64_t type = 0; type < types; type++) {
		for (unsigned i = 0; i < PER_TYPE; i++)
			if (take_number(&encoded, &row[i]) < 0 || (type > HD_TYPE_EVENT_MAX && row[i] > 0))
				return -EBADMSG;
		if (type > HD_TYPE_EVENT_MAX)
			continue;
		ret->stored[type] = row[0];
		ret->unstored[type] = row[1];
		ret->ledger[type] = (struct ledger_row){ row[2], row[3], row[4], row[5] };
	}
	return encoded.length == 0 ? 0 : -EBADMSG;
}

const char *chain_kind_name(enum chain_kind kind)
{
	static const char *const names[CHAIN_KIND_MAX] = {
		[CHAIN_BEGIN] = "begin",     [CHAIN_COMMIT] = "commit", [CHAIN_BEAT] = "beat",
		[CHAIN_RECOVER] = "recover", [CHAIN_END] = "end",
	};

	return (unsigned)kind < CHAIN_KIND_MAX ? names[kind] : NULL;
}

void chain_message(const struct chain_checkpoint *c, struct buf *out)
{
	buf_adds(out, CHECKPOINT);
	buf_add(out, c->session, sizeof(c->session) - 1);
	buf_add(out, c->before, CHAIN_HASH);
	put_u64(out, c->n);
	put_u64(out, (uint64_t)c->kind);
	put_u64(out, c->sequence);
	buf_add(out, c->link, CHAIN_HASH);
	put_u64(out, (uint64_t)c->time_ns);
	put_u64(out, c->boot_ns);
	buf_add(out, c->end, CHAIN_HASH);
	put_u64(out, c->counts.length);
	buf_add(out, c->counts.data, c->counts.length);
}

static void take(struct bytes *from, void *ret, size_t length)
{
	memcpy(ret, from->data, length);
	from->data += length;
	from->length -= length;
}

static uint64_t take_u64(struct bytes *from)
{
	uint8_t bytes[8];
	uint64_t value = 0;

	take(from, bytes, sizeof(bytes));
	for (unsigned i = 0; i < sizeof(bytes); i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

int chain_message_decode(struct bytes message, struct chain_checkpoint *ret)
{
	const size_t name = sizeof(CHECKPOINT) - 1;
	struct chain_checkpoint c = { 0 };

	if (message.length < name + sizeof(c.session) - 1 + 3 * CHAIN_HASH + 6 * sizeof(uint64_t) ||
	    memcmp(message.data, CHECKPOINT, name) != 0)
		return -EBADMSG;
	message.data += name;
	message.length -= name;
	take(&message, c.session, sizeof(c.session) - 1);
	take(&message, c.before, CHAIN_HASH);
	c.n = take_u64(&message);
	uint64_t kind = take_u64(&message);
	c.sequence = take_u64(&message);
	take(&message, c.link, CHAIN_HASH);
	c.time_ns = (int64_t)take_u64(&message);
	c.boot_ns = take_u64(&message);
	take(&message, c.end, CHAIN_HASH);
	uint64_t counts = take_u64(&message);
	if (kind < CHAIN_BEGIN || kind >= CHAIN_KIND_MAX || counts != message.length || counts > CHAIN_COUNTS_MAX)
		return -EBADMSG;
	c.kind = (enum chain_kind)kind;
	c.counts = message;
	*ret = c;
	return 0;
}

int chain_checkpoint_hash(struct chain_hasher *h, const struct chain_checkpoint *c, uint8_t ret[CHAIN_HASH])
{
	_cleanup_buf_ struct buf message = BUF_INIT(CHAIN_MESSAGE_MAX);

	chain_message(c, &message);
	buf_add(&message, c->signature, CHAIN_SIGNATURE);
	return hash_of(h, &message, ret);
}
