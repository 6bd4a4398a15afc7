/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat of a process whose name lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/proc.h"

static void named(const char *name)
{
	char text[PROC_STAT_MAX], state = 0;
	const char *stat;
	unsigned parent = 0;

	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	stat = proc_stat((uint32_t)getpid(), text);
	assert_non_null(stat);
	assert_int_equal(sscanf(stat, " %c %u", &state, &parent), 2);
	assert_int_equal(state, 'R');
	assert_int_equal(parent, getppid());
}

static void name_may_hold_anything(void **state)
{
	named("plain");
	named("a) Z 1");
	named("two\nlines)\n");
	named("((((");
	named("");
}

static void gone(void **state)
{
	char text[PROC_STAT_MAX];

	assert_null(proc_stat(0, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_may_hold_anything),
		cmocka_unit_test(gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
