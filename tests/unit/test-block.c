/* SPDX-License-Identifier: Apache-2.0 */
/* store/block.h: lines come back from a block as they went in; a block that lies is told, whatever it says. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/block.h"

static char long_line[100 << 10];

static struct store_row row_of(unsigned i, const char *process, const char *line, size_t length)
{
	return (struct store_row){ .sequence = i, .time_ns = -5 + (int64_t)i, .type = i % (HD_TYPE_EVENT_MAX + 1),
				   .pid = UINT32_MAX - i, .process = process, .line = { line, length } };
}

/* The n-th line of a test: some are empty, hold NULs or are long; processes come in runs. */
static struct store_row nth(unsigned i)
{
	static const char *const processes[] = { "", "a-1-2", "b-2-3", "b-2" };
	static const char bytes[] = "{\"x\":\"\0\xff\"}";

	if (i % 97 == 13)
		return row_of(i, processes[i / 5 % 4], long_line, sizeof(long_line));
	return row_of(i, processes[i / 5 % 4], bytes, i % 10 ? sizeof(bytes) - 1 - i % 3 : 0);
}

static void fill(struct block *b, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		struct store_row row = nth(i);

		assert_int_equal(block_add(b, &row), 0);
	}
}

static void same_row(const struct store_row *a, const struct store_row *b)
{
	assert_true(a->sequence == b->sequence && a->time_ns == b->time_ns);
	assert_true(a->type == b->type && a->pid == b->pid);
	assert_string_equal(a->process, b->process);
	assert_int_equal(a->line.length, b->line.length);
	assert_memory_equal(a->line.data, b->line.data, b->line.length);
}

static void lines_come_back(void **state)
{
	static const unsigned sizes[] = { 1, 2, 13, BLOCK_LINES - 1, BLOCK_LINES };
	_cleanup_(block_packer_free_p) struct block_packer *p = block_packer_new();
	_cleanup_(block_free_p) struct block *b = block_new();
	_cleanup_(block_view_done) struct block_view v = BLOCK_VIEW_INIT;
	struct store_row got, wanted;
	struct bytes packed;
	size_t size;

	memset(long_line, 'y', sizeof(long_line));
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		fill(b, 1000, sizes[s]);
		assert_int_equal(b->range.first, 1000);
		assert_int_equal(b->range.last, 999 + sizes[s]);
		assert_int_equal(b->range.first_ns, 995);
		assert_int_equal(b->range.last_ns, 994 + sizes[s]);
		assert_int_equal(block_pack(p, b, &packed, &size), 0);
		assert_int_equal(block_view_load(&v, packed, sizes[s], (int64_t)size), 0);
		for (unsigned i = 1000; i < 1000 + sizes[s]; i++) {
			assert_int_equal(block_view_next(&v, &got), 1);
			wanted = nth(i);
			same_row(&got, &wanted);
			assert_true(b->range.types >> got.type & 1 && b->range.pids & block_pid_bit(got.pid));
		}
		assert_int_equal(block_view_next(&v, &got), 0);
		block_clear(b);
	}
}

static void a_block_is_full_by_lines_or_by_bytes(void **state)
{
	_cleanup_(block_free_p) struct block *b = block_new();
	struct store_row row = row_of(1, "p", long_line, sizeof(long_line));

	assert_true(block_fits(b, 1, BLOCK_LINE_MAX));
	assert_int_equal(block_add(b, &row), 0);
	size_t left = BLOCK_BYTES - b->text.length;
	assert_true(block_fits(b, 10, left - 10));
	assert_false(block_fits(b, 10, left - 9));
	block_clear(b);
	fill(b, 20, 50);
	for (unsigned i = 50; i < BLOCK_LINES; i++) {
		row = row_of(100 + i, "p", "", 0);
		assert_true(block_fits(b, 2, 0));
		assert_int_equal(block_add(b, &row), 0);
	}
	assert_false(block_fits(b, 2, 0));
}

/* Reads all of a block that was changed; returns what the last call said. */
static int read_changed(struct bytes packed, int64_t lines, int64_t size)
{
	_cleanup_(block_view_done) struct block_view v = BLOCK_VIEW_INIT;
	struct store_row row;
	int r = block_view_load(&v, packed, lines, size);

	while (r == 0 && (r = block_view_next(&v, &row)) == 1)
		r = 0;
	return r;
}

/* The lines of fill(b, 1, 12). */
static void reads_the_same(struct bytes packed, size_t size)
{
	_cleanup_(block_view_done) struct block_view v = BLOCK_VIEW_INIT;
	struct store_row got, wanted;

	assert_int_equal(block_view_load(&v, packed, 12, (int64_t)size), 0);
	for (unsigned i = 1; i <= 12; i++) {
		assert_int_equal(block_view_next(&v, &got), 1);
		wanted = nth(i);
		same_row(&got, &wanted);
	}
	assert_int_equal(block_view_next(&v, &got), 0);
}

static void a_changed_block_is_told(void **state)
{
	size_t unheeded = 0;
	_cleanup_(block_packer_free_p) struct block_packer *p = block_packer_new();
	_cleanup_(block_free_p) struct block *b = block_new();
	struct bytes packed;
	size_t size;

	fill(b, 1, 12);
	assert_int_equal(block_pack(p, b, &packed, &size), 0);
	_cleanup_free_ char *copy = malloc(packed.length);
	for (size_t i = 0; i < packed.length; i++) {
		memcpy(copy, packed.data, packed.length);
		copy[i] ^= 1;
		/* A few bits mean nothing. What can be read is what was written: the frame has a checksum. */
		if (read_changed((struct bytes){ copy, packed.length }, 12, (int64_t)size) != -EBADMSG) {
			unheeded++;
			reads_the_same((struct bytes){ copy, packed.length }, size);
		}
		assert_int_equal(read_changed((struct bytes){ packed.data, i }, 12, (int64_t)size), -EBADMSG);
	}
	assert_true(unheeded * 20 < packed.length);
	reads_the_same(packed, size);
	assert_int_equal(read_changed(packed, 11, (int64_t)size), -EBADMSG);
	assert_int_equal(read_changed(packed, 13, (int64_t)size), -EBADMSG);
	assert_int_equal(read_changed(packed, 12, (int64_t)size + 1), -EBADMSG);
	assert_int_equal(read_changed(packed, 12, (int64_t)size - 1), -EBADMSG);
	assert_int_equal(read_changed(packed, 0, (int64_t)size), -EBADMSG);
	assert_int_equal(read_changed(packed, -1, (int64_t)size), -EBADMSG);
	assert_int_equal(read_changed(packed, BLOCK_LINES + 1, (int64_t)size), -EBADMSG);
	assert_int_equal(read_changed(packed, 12, INT64_MAX), -EBADMSG);
	assert_int_equal(read_changed(packed, 12, -1), -EBADMSG);
	assert_int_equal(read_changed(BYTES_NONE, 12, (int64_t)size), -EBADMSG);
}

/* Whoever can write the file can pack what he likes: heads that point where they should not. */
static void heads_that_lie_are_told(void **state)
{
	_cleanup_(block_packer_free_p) struct block_packer *p = block_packer_new();
	struct bytes packed;
	size_t size;

	for (unsigned lie = 0; lie < 9; lie++) {
		_cleanup_(block_free_p) struct block *b = block_new();
		struct block_head *h;

		fill(b, 1, 3);
		h = &b->heads[1];
		switch (lie) {
		case 0: h->line_length = UINT32_MAX; break;
		case 1: h->line_length++; break;
		case 2: h->line_length--; break;
		case 3: h->process_length = 0; break;
		case 4: h->process_length = UINT32_MAX - 1; break;
		case 5: h->process_length = 1; break;
		case 6: h->type = HD_TYPE_EVENT_MAX + 1; break;
		case 7: h->sequence = 1; break;
		default: b->heads[0].process_length = BLOCK_SAME; break;
		}
		assert_int_equal(block_pack(p, b, &packed, &size), 0);
		assert_int_equal(read_changed(packed, 3, (int64_t)size), -EBADMSG);
	}
}

/* Lines of every short length, and of those where the last 64 bytes overlap what was met. */
static void a_mark_tells_lines_apart(void **state)
{
	char line[300], other[300];

	(void)state;
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = (char)(i * 7 + i / 64);
	for (size_t length = 1; length < sizeof(line); length++) {
		struct bytes b = { line, length }, o = { other, length };
		uint32_t mark = block_mark(b);

		assert_int_equal(block_mark_narrow(b), mark);
		assert_int_not_equal(block_mark((struct bytes){ line, length - 1 }), mark);
		for (size_t i = 0; i < length; i++) {
			memcpy(other, line, length);
			other[i] ^= (char)(1 << i % 8);
			assert_int_not_equal(block_mark(o), mark);
			assert_int_equal(block_mark_narrow(o), block_mark(o));
			/* Two words that change places within one place's sum. */
			memcpy(other, line, length);
			if (i + 72 > length)
				continue;
			memcpy(other + i, line + i + 64, 8);
			memcpy(other + i + 64, line + i, 8);
			assert_int_not_equal(block_mark(o), mark);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_back),
		cmocka_unit_test(a_block_is_full_by_lines_or_by_bytes),
		cmocka_unit_test(a_changed_block_is_told),
		cmocka_unit_test(heads_that_lie_are_told),
		cmocka_unit_test(a_mark_tells_lines_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
