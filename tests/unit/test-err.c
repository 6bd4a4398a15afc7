/* SPDX-License-Identifier: Apache-2.0 */
/* base/err.h: codes, wrapping, cutting. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void sets_code_and_text(void **state)
{
	struct err e = { 0 };

	assert_int_equal(err_set(&e, EPERM, "no %s", "way"), -EPERM);
	assert_int_equal(e.code, EPERM);
	assert_string_equal(e.text, "no way");
	assert_int_equal(err_set(NULL, ENOMEM, "nobody reads it"), -ENOMEM);
}

static void adds_the_errno_in_words(void **state)
{
	struct err e = { 0 };

	assert_int_equal(err_errno(&e, ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(e.text, "open /x: No such file or directory");
	assert_int_equal(err_errno(&e, 4000, "odd"), -4000);
	assert_string_equal(e.text, "odd: unknown error");
}

static void wraps_on_the_way_up(void **state)
{
	struct err e = { 0 };

	(void)err_set(&e, EIO, "short read");
	assert_int_equal(err_wrap(&e, "store %d", 7), -EIO);
	assert_string_equal(e.text, "store 7: short read");
}

static void cuts_what_does_not_fit(void **state)
{
	char big[2 * ERR_TEXT_MAX];
	struct err e = { 0 };

	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	assert_int_equal(err_errno(&e, EIO, "%s", big), -EIO);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_int_equal(err_wrap(&e, "first"), -EIO);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "first: yyy", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_code_and_text),
		cmocka_unit_test(adds_the_errno_in_words),
		cmocka_unit_test(wraps_on_the_way_up),
		cmocka_unit_test(cuts_what_does_not_fit),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
