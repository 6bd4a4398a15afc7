/* SPDX-License-Identifier: Apache-2.0 */
/* Which cgroup's name is a container's. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/target.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHORT "0123456789ab"

static void test_names_of_runtimes(void **state)
{
	static const char *const names[] = {
		ID,
		SHORT,
		"docker-" ID ".scope",
		"cri-containerd-" ID ".scope",
		"crio-" ID ".scope",
		"libpod-" ID ".scope",
		"kubepods-besteffort-pod1234_5678:cri-containerd:" ID,
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(target_container_name(names[i], SHORT));
		assert_false(target_container_name(names[i], "fedcba987654"));
	}
	assert_true(target_container_name("docker-" ID ".scope", ID));
}

static void test_names_that_are_none(void **state)
{
	static const char *const names[] = {
		"",
		"docker",
		"system.slice",
		"libpod-conmon-" ID ".scope",
		"docker-f" ID ".scope",
		"x" ID,
		"docker-" ID "-more",
		"0123456789a",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_false(target_container_name(names[i], SHORT));
	assert_false(target_container_name("docker-" SHORT ".scope", ID));
}

static void refused(int (*find)(const char *, struct target *, struct err *), const char *text, int code)
{
	struct target target = { 0 };
	struct err err = { 0 };

	assert_int_equal(find(text, &target, &err), -code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, text));
	target_done(&target);
}

static void test_refusals(void **state)
{
	refused(target_pid, "0", EINVAL);
	refused(target_pid, "12x", EINVAL);
	refused(target_pid, "-1", EINVAL);
	/* One more than the largest pid there can be. */
	refused(target_pid, "4194305", ESRCH);
	refused(target_container, "0123456789a", EINVAL);
	refused(target_container, "0123456789ag", EINVAL);
	refused(target_container, ID "0", EINVAL);
	refused(target_container, SHORT, ESRCH);
}

static void test_pid(void **state)
{
	struct target target = { 0 };
	struct err err = { 0 };
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	assert_int_equal(target_pid(own, &target, &err), 0);
	assert_int_equal(target.pids_n, 1);
	assert_int_equal(target.pids[0], getpid());
	assert_string_equal(target.cgroup, "");
	assert_non_null(strstr(target.words, "test-target"));
	target_done(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_runtimes),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_pid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
