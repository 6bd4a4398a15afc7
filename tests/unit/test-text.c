/* SPDX-License-Identifier: Apache-2.0 */
/* base/text.h: UTF-8, terminal escapes, sizes. */
#include "test.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(escapes_for_terminals),
		cmocka_unit_test(sizes_for_people),
		cmocka_unit_test(parses_sizes_and_numbers),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
