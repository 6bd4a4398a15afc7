/* SPDX-License-Identifier: Apache-2.0 */
/* base/buf.h: growth, the cap, formatted appends, failed allocations. */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool realloc_fails;

void *__wrap_realloc(void *p, size_t size)
{
	return realloc_fails ? NULL : __real_realloc(p, size);
}

static void grows_and_terminates(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(100000);

	for (int i = 0; i < 10000; i++)
		buf_adds(&b, "abcdefg");
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.length, 70000);
	assert_int_equal(strlen(b.data), 70000);
	assert_memory_equal(b.data + 69993, "abcdefg", 8);
	buf_clear(&b);
	assert_int_equal(b.length, 0);
	assert_string_equal(b.data, "");
}

static void cap_is_exact(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4);

	buf_add(&b, "abcd", 4);
	assert_int_equal(b.failed, 0);
	buf_addc(&b, 'e');
	assert_int_equal(b.failed, -ENOSPC);
	assert_string_equal(b.data, "abcd");
	buf_add(&b, "", 0);
	assert_int_equal(b.failed, -ENOSPC);
	buf_clear(&b);
	assert_int_equal(b.failed, 0);
	buf_adds(&b, "abcde");
	assert_int_equal(b.failed, -ENOSPC);
	assert_int_equal(b.length, 0);
}

static void zero_cap_holds_the_empty_string(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);

	buf_adds(&b, "");
	assert_int_equal(b.failed, 0);
	assert_string_equal(b.data, "");
	buf_addc(&b, 'x');
	assert_int_equal(b.failed, -ENOSPC);
}

static void formats_short_and_long(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(2000);
	char filler[1001];

	memset(filler, 'x', 1000);
	filler[1000] = 0;
	buf_addf(&b, "%d:", 42);
	buf_addf(&b, "%s!", filler);
	assert_int_equal(b.length, 3 + 1001);
	assert_memory_equal(b.data, "42:xxx", 6);
	assert_string_equal(b.data + 3 + 998, "xx!");
	buf_addf(&b, "%s", filler);
	assert_int_equal(b.failed, -ENOSPC);
	assert_int_equal(b.length, 1004);
}

static void failed_allocation_keeps_the_content(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(100000);
	char big[5000] = { 0 };

	buf_adds(&b, "kept");
	realloc_fails = true;
	buf_add(&b, big, sizeof(big));
	realloc_fails = false;
	assert_int_equal(b.failed, -ENOMEM);
	assert_string_equal(b.data, "kept");
	buf_adds(&b, "x");
	assert_string_equal(b.data, "kept");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_terminates),
		cmocka_unit_test(cap_is_exact),
		cmocka_unit_test(zero_cap_holds_the_empty_string),
		cmocka_unit_test(formats_short_and_long),
		cmocka_unit_test(failed_allocation_keeps_the_content),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
