/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong inside a block: by its marks where those hold, by what its lines say of themselves where not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/check-internal.h"

#define LINES_MAX (2 * BLOCK_LINES)

/* The lines that stand in a block now. */
struct found {
	uint32_t n;
	uint32_t mark[LINES_MAX];
	uint64_t sequence[LINES_MAX]; /* by the head */
	uint64_t own[LINES_MAX];      /* by the line; 0: it does not say */
	bool ours[LINES_MAX];	      /* the line names this session */
};

/*
 * A quote inside a string is escaped, so a quoted name with a colon is a key and nothing that the agent wrote. The
 * first is the line's own: no object stands before it.
 */
static uint64_t own_sequence(struct bytes line)
{
	static const char key[] = "\"sequence\":";
	const char *at = memmem(line.data, line.length, key, sizeof(key) - 1), *end = line.data + line.length;
	uint64_t value = 0;

	if (!at)
		return 0;
	for (at += sizeof(key) - 1; at < end && *at >= '0' && *at <= '9' && value < UINT64_MAX / 16; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

static bool names_session(const struct check *c, struct bytes line)
{
	char key[64];
	int n = snprintf(key, sizeof(key), "\"session\":\"%s\"", c->session);

	return memmem(line.data, line.length, key, (size_t)n) != NULL;
}

static int lying(struct check *c, const struct chain_block *b, const struct store_row *row)
{
	uint64_t own = own_sequence(row->line);

	if (own == row->sequence)
		return check_found(c, CHECK_CHANGED, own, own, own, "event %llu is of another session",
				   (unsigned long long)own);
	return check_found(c, CHECK_REORDERED, row->sequence, b->range.first, b->range.last,
			   "event %llu stands where event %llu belongs", (unsigned long long)own,
			   (unsigned long long)row->sequence);
}

/* The block is as it was signed. Then its lines can only be wrong if whoever signed it wrote them so. */
static int count_lines(struct check *c, const struct chain_block *b)
{
	uint64_t last = c->good.sequence;
	struct store_row row;
	int r;

	while ((r = block_view_next(&c->view, &row)) == 1) {
		if (row.sequence <= last || row.sequence < b->range.first || row.sequence > b->range.last)
			return check_found(c, CHECK_REORDERED, row.sequence, b->range.first, b->range.last,
					   "event %llu stands after event %llu", (unsigned long long)row.sequence,
					   (unsigned long long)last);
		if (own_sequence(row.line) != row.sequence || !names_session(c, row.line))
			return lying(c, b, &row);
		last = row.sequence;
		c->good.counts.stored[row.type]++;
		if (row.type == 0 && c->options.line)
			c->options.line(c->options.context, &row);
	}
	if (r == 0 && last == b->range.last)
		return 0;
	return r == -ENOMEM ? r
			    : check_found(c, CHECK_CHANGED, 0, b->range.first, b->range.last,
					  "the block of events %llu to %llu is not what its row says",
					  (unsigned long long)b->range.first, (unsigned long long)b->range.last);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What a mark was in store version 2. */
static uint32_t mark_of_version_2(struct bytes line)
{
	/* Four lanes that don't wait for each other; the constants are digits of pi. */
	static const uint64_t salt[4] = { UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344),
					  UINT64_C(0xa4093822299f31d0), UINT64_C(0x082efa98ec4e6c89) };
	uint64_t lane[4] = { salt[0], salt[1], salt[2], salt[3] }, words[8];
	size_t left = line.length;

	for (const char *p = line.data; left > 0; p += sizeof(words)) {
		if (left >= sizeof(words)) {
			memcpy(words, p, sizeof(words));
			left -= sizeof(words);
		} else {
			memset(words, 0, sizeof(words));
			memcpy(words, p, left);
			left = 0;
		}
		for (unsigned i = 0; i < 4; i++)
			lane[i] = fold(words[2 * i] ^ salt[i], words[2 * i + 1] ^ lane[i]);
	}
	uint64_t front = fold(lane[0] ^ line.length, lane[1] ^ salt[0]), back = fold(lane[2], lane[3] ^ salt[1]);
	uint64_t mark = fold(front, back ^ salt[2]);

	return (uint32_t)(mark ^ mark >> 32);
}

static int find_lines(struct check *c, bool old, struct found *f)
{
	struct store_row row;
	int r = 0;

	while (f->n < LINES_MAX && (r = block_view_next(&c->view, &row)) == 1) {
		f->mark[f->n] = old ? mark_of_version_2(row.line) : block_mark(row.line);
		f->sequence[f->n] = row.sequence;
		f->own[f->n] = own_sequence(row.line);
		f->ours[f->n++] = names_session(c, row.line);
	}
	return f->n < LINES_MAX ? r : 0;
}

static uint32_t mark_at(struct bytes marks, size_t i)
{
	uint32_t mark;

	memcpy(&mark, marks.data + i * BLOCK_MARK, BLOCK_MARK);
	return mark;
}

/* Names the first line that has not the mark which it should have. 0: all have theirs. */
static int name_by_marks(struct check *c, const struct chain_block *b, const struct found *f)
{
	size_t n = b->marks.length / BLOCK_MARK, i = 0;
	uint64_t first = b->range.first, last = b->range.last;

	while (i < n && i < f->n && mark_at(b->marks, i) == f->mark[i])
		i++;
	if (i == n && i == f->n)
		return 0;
	uint64_t here = i > 0 ? f->sequence[i - 1] + 1 : first; /* what belongs here */
	if (f->n < n && (i == f->n || (i + 1 < n && f->mark[i] == mark_at(b->marks, i + 1))))
		return check_found(c, CHECK_REMOVED, here, first, last, "event %llu was removed",
				   (unsigned long long)here);
	if (f->n > n && (i == n || (i + 1 < f->n && f->mark[i + 1] == mark_at(b->marks, i))))
		return check_found(c, CHECK_INSERTED, f->sequence[i], first, last, "event %llu was put in",
				   (unsigned long long)f->sequence[i]);
	for (size_t k = i + 1; i < f->n && k < n; k++)
		if (f->mark[i] == mark_at(b->marks, k))
			return check_found(c, CHECK_REORDERED, here, first, last,
					   "event %llu stands where event %llu belongs", (unsigned long long)f->own[i],
					   (unsigned long long)here);
	return check_found(c, CHECK_CHANGED, here, first, last, "event %llu was changed", (unsigned long long)here);
}

/* The same without marks: what the lines say of themselves. */
static int name_by_lines(struct check *c, const struct chain_block *b, const struct found *f)
{
	uint64_t first = b->range.first, last = b->range.last, expected = first;

	for (size_t i = 0; i < f->n; i++) {
		if (f->own[i] != expected && f->own[i] != 0)
			return check_found(c, CHECK_REORDERED, expected, first, last,
					   "event %llu stands where event %llu belongs", (unsigned long long)f->own[i],
					   (unsigned long long)expected);
		if (f->own[i] != f->sequence[i] || !f->ours[i])
			return check_found(c, CHECK_CHANGED, f->sequence[i], first, last, "event %llu was changed",
					   (unsigned long long)f->sequence[i]);
		expected =
		    i + 1 < f->n && f->sequence[i + 1] > f->sequence[i] ? f->sequence[i + 1] : f->sequence[i] + 1;
	}
	return 0;
}

static int diagnose(struct check *c, const struct chain_block *b, const struct found *f, bool linked, bool whole)
{
	uint64_t first = b->range.first, last = b->range.last, expected = c->good.sequence + 1;
	int r;

	if (first < expected)
		return check_found(c, CHECK_INSERTED, first, first, last,
				   "event %llu comes again: a block was put in or moved", (unsigned long long)first);
	r = name_by_marks(c, b, f);
	if (r == 0)
		r = name_by_lines(c, b, f);
	if (r != 0)
		return r;
	if (!linked && whole && first > expected && f->n > 0 && f->sequence[0] == first &&
	    f->sequence[f->n - 1] == last)
		return check_found(c, CHECK_REMOVED, expected, expected, first - 1,
				   first - 1 == expected ? "event %llu was removed"
							 : "events %llu to %llu were removed",
				   (unsigned long long)expected, (unsigned long long)first - 1);
	return check_found(c, CHECK_CHANGED, 0, first, last,
			   "the block of events %llu to %llu was changed, though its lines look whole",
			   (unsigned long long)first, (unsigned long long)last);
}

int check_inside(struct check *c, const struct check_block *row, const struct chain_block *b, bool linked, bool whole)
{
	struct found f = { .n = 0 };

	c->view.lenient = !linked || !whole;
	int r = block_view_load(&c->view, row->body, row->lines, row->size);
	if (r == 0 && linked && whole)
		return b->range.first > c->good.sequence && b->marks.length == b->range.lines * BLOCK_MARK
			   ? count_lines(c, b)
			   : check_found(c, CHECK_CHANGED, 0, b->range.first, b->range.last,
					 "the row of events %llu to %llu is none that a writer makes",
					 (unsigned long long)b->range.first, (unsigned long long)b->range.last);
	if (r == 0)
		r = find_lines(c, b->old, &f);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return check_found(c, CHECK_CHANGED, 0, b->range.first, b->range.last,
				   "something in events %llu to %llu was changed; the block can't be unpacked any more",
				   (unsigned long long)b->range.first, (unsigned long long)b->range.last);
	return diagnose(c, b, &f, linked, whole);
}
