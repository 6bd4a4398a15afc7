/* SPDX-License-Identifier: Apache-2.0 */
/* base/json.h: commas and nesting, numbers, and strings that an agent chose. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "parse-json.h"

static void nests_with_commas(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);
	struct json j;

	json_init(&j, &b);
	json_object(&j);
	json_key(&j, "a");
	json_array(&j);
	json_int(&j, -1);
	json_object(&j);
	json_object_end(&j);
	json_array(&j);
	json_array_end(&j);
	json_bool(&j, true);
	json_array_end(&j);
	json_key(&j, "b\"");
	json_string(&j, "x");
	json_key(&j, "c");
	json_raw(&j, "null", 4);
	json_object_end(&j);
	assert_string_equal(b.data, "{\"a\":[-1,{},[],true],\"b\\\"\":\"x\",\"c\":null}");
}

static void prints_numbers(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);
	struct json j;

	json_init(&j, &b);
	json_array(&j);
	json_int(&j, 0);
	json_int(&j, INT64_MIN);
	json_int(&j, INT64_MAX);
	json_uint(&j, UINT64_C(1) << 53);
	json_uint(&j, (UINT64_C(1) << 53) + 1);
	json_hex(&j, 0);
	json_hex(&j, UINT64_MAX);
	json_array_end(&j);
	assert_string_equal(b.data, "[0,-9223372036854775808,9223372036854775807,9007199254740992,"
				    "\"0x20000000000001\",\"0x0\",\"0xffffffffffffffff\"]");
}

static void check_bytes(const char *in, size_t length, const char *expected, bool changed)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);
	struct json j;

	json_init(&j, &b);
	assert_int_equal(json_bytes(&j, in, length), changed);
	assert_string_equal(b.data, expected);
	assert_true(parse_json_is_valid(b.data));
}

static void escapes_bytes(void **state)
{
	check_bytes("", 0, "\"\"", false);
	check_bytes("plain/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 15, "\"plain/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		    false);
	check_bytes("q\"q", 3, "\"q\\\"q\"", false);
	check_bytes("a\\b", 3, "\"a\\\\\\\\b\"", true);
	check_bytes("\\x1b", 4, "\"\\\\\\\\x1b\"", true);
	check_bytes("a\nb", 3, "\"a\\\\x0ab\"", true);
	check_bytes("\x1b[0m", 4, "\"\\\\x1b[0m\"", true);
	check_bytes("\0", 1, "\"\\\\x00\"", true);
	check_bytes("\x7f", 1, "\"\\\\x7f\"", true);
	check_bytes("\xff\xfe", 2, "\"\\\\xff\\\\xfe\"", true);
	check_bytes("\xc2\x9b", 2, "\"\\\\xc2\\\\x9b\"", true);			      /* C1: CSI */
	check_bytes("\xe2\x80\xae", 3, "\"\\\\xe2\\\\x80\\\\xae\"", true);	      /* U+202E */
	check_bytes("\xe2\x80\xa8", 3, "\"\\\\xe2\\\\x80\\\\xa8\"", true);	      /* U+2028 */
	check_bytes("\xe2\x81\xa6", 3, "\"\\\\xe2\\\\x81\\\\xa6\"", true);	      /* U+2066 */
	check_bytes("\xd8\x9c", 2, "\"\\\\xd8\\\\x9c\"", true);			      /* U+061C */
	check_bytes("\xc0\xaf", 2, "\"\\\\xc0\\\\xaf\"", true);			      /* overlong slash */
	check_bytes("\xed\xa0\x80", 3, "\"\\\\xed\\\\xa0\\\\x80\"", true);	      /* surrogate */
	check_bytes("\xf4\x90\x80\x80", 4, "\"\\\\xf4\\\\x90\\\\x80\\\\x80\"", true); /* above U+10FFFF */
	check_bytes("x\xe2\x82", 3, "\"x\\\\xe2\\\\x82\"", true);		      /* cut */
}

/* What a reader does with an escaped string. */
static size_t unescape(const char *text, uint8_t *ret)
{
	size_t n = 0;

	while (*text) {
		if (text[0] == '\\' && text[1] == 'x') {
			char hex[3] = { text[2], text[3], 0 };

			ret[n++] = (uint8_t)strtoul(hex, NULL, 16);
			text += 4;
		} else if (text[0] == '\\') {
			assert_int_equal(text[1], '\\');
			ret[n++] = '\\';
			text += 2;
		} else {
			ret[n++] = (uint8_t)*text++;
		}
	}
	return n;
}

static void every_byte_string_comes_back(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1 << 16);
	uint8_t in[64], back[512];
	uint32_t seed = 1;
	struct json j;

	for (int round = 0; round < 20000; round++) {
		size_t length = seed % sizeof(in);
		char *parsed;

		for (size_t i = 0; i < length; i++) {
			static const uint8_t hard[] = {
				'\\', 'x', '"', 0xe2, 0x80, 0xae, 0xc2, 0x9b, 0xf0, 0x9f, 0, '0'
			};

			seed = seed * 1664525 + 1013904223;
			in[i] = (seed >> 28) & 1 ? hard[(seed >> 8) % sizeof(hard)] : (uint8_t)(seed >> 16);
		}
		seed = seed * 1664525 + 1013904223;
		buf_clear(&b);
		json_init(&j, &b);
		(void)json_bytes(&j, in, length);
		parsed = parse_json_string(b.data, NULL);
		assert_non_null(parsed);
		assert_int_equal(unescape(parsed, back), length);
		assert_memory_equal(back, in, length);
		free(parsed);
	}
}

static void own_text_is_valid_json(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);
	struct json j;

	json_init(&j, &b);
	json_string(&j, "a\\b\"c\n\x1b\xff\xc2\x85\xe2\x80\xae\xc3\xa9");
	assert_string_equal(b.data, "\"a\\\\b\\\"c\\u000a\\u001b\\ufffd\\u0085\\u202e\xc3\xa9\"");
}

static void full_buffer_is_told(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(8);
	struct json j;

	json_init(&j, &b);
	json_object(&j);
	json_key(&j, "long key that will not fit");
	json_int(&j, 1);
	json_object_end(&j);
	assert_int_equal(b.failed, -ENOSPC);
	assert_true(b.length <= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests_with_commas),	  cmocka_unit_test(prints_numbers),
		cmocka_unit_test(escapes_bytes),	  cmocka_unit_test(every_byte_string_comes_back),
		cmocka_unit_test(own_text_is_valid_json), cmocka_unit_test(full_buffer_is_told),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
