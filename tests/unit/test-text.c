/* SPDX-License-Identifier: Apache-2.0 */
/* base/text.h: UTF-8, terminal escapes, sizes. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void knows_utf8(void **state)
{
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("a\n\xc3\xa9\xe2\x80\xae\xf0\x9f\x98\x80", 11));
	assert_false(text_is_utf8("\xff", 1));
	assert_false(text_is_utf8("\x80", 1));
	assert_false(text_is_utf8("\xc1\xbf", 2));
	assert_false(text_is_utf8("\xe0\x9f\xbf", 3));
	assert_false(text_is_utf8("\xed\xbf\xbf", 3));
	assert_false(text_is_utf8("\xf8\x88\x80\x80\x80", 5));
	assert_false(text_is_utf8("ab\xc3", 3));
}

static void escapes_for_terminals(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1000);

	assert_false(text_escape(&b, "plain \"q\" \xc3\xa9", 12));
	assert_string_equal(b.data, "plain \"q\" \xc3\xa9");
	buf_clear(&b);
	assert_true(text_escape(&b, "\x1b]0;x\a\\\n\xe2\x80\xae\xff", 12));
	assert_string_equal(b.data, "\\x1b]0;x\\x07\\\\\\x0a\\xe2\\x80\\xae\\xff");
}

static void sizes_for_people(void **state)
{
	char text[TEXT_SIZE_MAX];

	assert_string_equal(text_size(0, text), "0 B");
	assert_string_equal(text_size(1023, text), "1023 B");
	assert_string_equal(text_size(1024, text), "1.0 KiB");
	assert_string_equal(text_size(1024 * 1024 - 1, text), "1.0 MiB");
	assert_string_equal(text_size(1536 * 1024, text), "1.5 MiB");
	assert_string_equal(text_size(UINT64_MAX, text), "16.0 EiB");
}

static void parses_sizes_and_numbers(void **state)
{
	uint64_t v = 5;

	assert_int_equal(text_parse_size("4096", &v), 0);
	assert_int_equal(v, 4096);
	assert_int_equal(text_parse_size("64k", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(text_parse_size("2GiB", &v), 0);
	assert_int_equal(v, UINT64_C(2) << 30);
	assert_int_equal(text_parse_size("7B", &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(text_parse_size("", &v), -EINVAL);
	assert_int_equal(text_parse_size("-1", &v), -EINVAL);
	assert_int_equal(text_parse_size("1Q", &v), -EINVAL);
	assert_int_equal(text_parse_size("1Kx", &v), -EINVAL);
	assert_int_equal(text_parse_size("18446744073709551615K", &v), -ERANGE);
	assert_int_equal(v, 7);
	assert_int_equal(text_parse_u64("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(text_parse_u64("18446744073709551616", &v), -ERANGE);
	assert_int_equal(text_parse_u64("1 ", &v), -EINVAL);
	assert_int_equal(text_parse_u64("", &v), -EINVAL);
}

/* Every byte at every place, against the rule a byte at a time. */
static void plain_runs_end_at_the_first_other_byte(void **state)
{
	uint8_t text[27];

	for (unsigned c = 0; c < 256; c++) {
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		for (size_t at = 0; at < sizeof(text); at++) {
			for (unsigned fill = 0x20; fill < 0x7f; fill += fill == '!' || fill == '[' ? 2 : 1) {
				memset(text, (int)fill, sizeof(text));
				text[at] = (uint8_t)c;
				assert_int_equal(text_plain_run(text, sizeof(text)), plain ? sizeof(text) : at);
				assert_int_equal(text_plain_run(text, at), at);
			}
		}
	}
}

static void digits_are_printf_s(void **state)
{
	char expected[32], text[TEXT_U64_MAX];

	for (uint64_t power = 1, i = 0; i < 20; power *= 10, i++) {
		const uint64_t values[] = { power - 1, power, power + 1, power * 7 / 3, UINT64_MAX - power };

		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			size_t n = (size_t)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[v]);

			assert_int_equal(text_u64(text, values[v]), n);
			assert_memory_equal(text, expected, n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_runs_end_at_the_first_other_byte),
		cmocka_unit_test(digits_are_printf_s),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(escapes_for_terminals),
		cmocka_unit_test(sizes_for_people),
		cmocka_unit_test(parses_sizes_and_numbers),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
