/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as encoded counts, as a signed message, as a head, and as the rows of a session: nothing is read outside,
 * what decodes has one form, and nothing that nobody signed is ever good.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "store/check.h"
#include "store/head.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

static const char session[] = "0190c0de-0000-7000-8000-000000000001";

static void check_counts(struct bytes input)
{
	_cleanup_buf_ struct buf out = BUF_INIT(CHAIN_COUNTS_MAX);
	struct chain_counts counts;

	if (chain_counts_decode(input, &counts) < 0)
		return;
	chain_counts_encode(&counts, &out);
	REQUIRE(!out.failed);
	/* Another number of types may say the same; with ours there is one form. */
	if ((unsigned char)input.data[0] == HD_TYPE_EVENT_MAX + 1)
		REQUIRE(out.length == input.length && memcmp(out.data, input.data, out.length) == 0);
}

static void check_message(struct bytes input)
{
	_cleanup_buf_ struct buf out = BUF_INIT(CHAIN_MESSAGE_MAX);
	struct chain_checkpoint c;

	if (chain_message_decode(input, &c) < 0)
		return;
	chain_message(&c, &out);
	REQUIRE(!out.failed && out.length == input.length && memcmp(out.data, input.data, out.length) == 0);
}

static void check_head(struct bytes input)
{
	struct check_head head;
	size_t third = input.length / 3;
	int r = head_read((struct bytes){ input.data, MIN(third, (size_t)2 * CHAIN_PUBLIC) },
			  (struct bytes){ input.data + third, third },
			  (struct bytes){ input.data + 2 * third, MIN(third, (size_t)2 * CHAIN_SIGNATURE) }, &head);

	/* 0: the corpus has one that somebody signed. */
	REQUIRE(r == 0 || r == -EBADMSG || r == -EKEYREJECTED);
}

static uint64_t take(struct bytes *from, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width && from->length > 0; i++, from->length--)
		value = value << 8 | (uint8_t)*from->data++;
	return value;
}

static struct bytes take_bytes(struct bytes *from, size_t length)
{
	struct bytes part = { from->data, MIN(length, from->length) };

	from->data += part.length;
	from->length -= part.length;
	return part;
}

/* A block of any lines, packed as a writer does, so that what is inside is looked at too. */
static int give_block(struct check *c, struct bytes *input)
{
	static char packed[1 << 16];
	static uint8_t digest[CHAIN_HASH], marks[8 * BLOCK_MARK];
	uint64_t how = take(input, 1);
	struct bytes body = take_bytes(input, take(input, 2) % 4096);
	size_t length = ZSTD_compress(packed, sizeof(packed), body.data, body.length, 1);
	struct bytes link = take_bytes(input, CHAIN_HASH);
	struct check_block row = {
		.schema = how & 32 ? 2 : 3,
		.first = (int64_t)take(input, how & 1 ? 8 : 1),
		.last = (int64_t)take(input, how & 2 ? 8 : 1),
		.lines = (int64_t)take(input, how & 4 ? 8 : 1),
		.types = (int64_t)take(input, 2),
		.size = how & 8 ? (int64_t)take(input, 8) : (int64_t)body.length,
		.body = how & 16 ? body : (struct bytes){ packed, length },
		.digest = { (const char *)digest, CHAIN_HASH },
		.marks = how & 32 ? take_bytes(input, 16) : (struct bytes){ (const char *)marks, sizeof(marks) },
		.link = link,
	};
	_cleanup_(chain_hasher_free_p) struct chain_hasher *h = chain_hasher_new();

	REQUIRE(!ZSTD_isError(length) && h);
	if (how & 64)
		REQUIRE(chain_hash(h, &row.body, 1, digest) == 0);
	/* Half of them follow the chain, so that lines count. */
	struct chain_block b = { .range = { .first = (uint64_t)row.first,
					    .last = (uint64_t)row.last,
					    .types = (uint32_t)row.types,
					    .lines = (uint32_t)row.lines },
				 .size = (uint64_t)row.size,
				 .marks = row.marks,
				 .old = row.schema == 2 };
	static uint8_t good[CHAIN_HASH];
	memcpy(b.digest, digest, CHAIN_HASH);
	if (how & 128) {
		REQUIRE(chain_link(h, check_end(c)->link, &b, good) == 0);
		row.link = (struct bytes){ (const char *)good, CHAIN_HASH };
	}
	return check_block(c, &row);
}

static int give_checkpoint(struct check *c, struct bytes *input)
{
	struct chain_checkpoint row = {
		.n = take(input, 1),
		.kind = (enum chain_kind)(take(input, 1) % (CHAIN_KIND_MAX + 1)),
		.sequence = take(input, 1),
		.counts = take_bytes(input, take(input, 1)),
	};
	struct bytes signature = take_bytes(input, CHAIN_SIGNATURE);

	memcpy(row.signature, signature.data, signature.length);
	return check_checkpoint(c, &row);
}

static void check_rows(struct bytes input)
{
	struct chain_start start = { .id = session, .command = "x", .start_line = "{}" };
	struct chain_end end = { .ended_ns = 1 };
	_cleanup_(check_free_p) struct check *c = NULL;

	for (size_t i = 0; i < CHAIN_PUBLIC; i++)
		start.public_key[i] = (uint8_t)(i * 37 + 5);
	REQUIRE(check_new(&start, NULL, &c) == 0 && check_set_end(c, &end) == 0);
	for (unsigned i = 0; input.length > 0 && i < 16; i++) {
		int r = take(&input, 1) & 3 ? give_block(c, &input) : give_checkpoint(c, &input);

		REQUIRE(r == 0 || r == 1);
		REQUIRE((r == 1) == (check_finding(c)->what != CHECK_GOOD));
	}
	REQUIRE(check_finish(c, &end) == 1 && check_finding(c)->text[0]);
	REQUIRE(check_end(c)->checkpoints == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { (const char *)data, size };

	if (size == 0)
		return 0;
	switch (take(&input, 1) % 4) {
	case 0:
		check_counts(input);
		break;
	case 1:
		check_message(input);
		break;
	case 2:
		check_head(input);
		break;
	default:
		check_rows(input);
		break;
	}
	return 0;
}
