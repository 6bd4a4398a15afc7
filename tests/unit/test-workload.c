/* SPDX-License-Identifier: Apache-2.0 */
/* A command up to its gate and beyond; needs no root, since a command can start without a cgroup. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload/workload.h"

#define SESSION "00000000-0000-7000-8000-0000000000aa"

static char directory[] = P_tmpdir "/test-workload-XXXXXX";

static void make(const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static int setup(void **state)
{
	assert_non_null(mkdtemp(directory));
	make("good", "#!/bin/sh\nexit 3\n", 0755);
	make("plain", "text\n", 0644);
	make("bad", "#!/no/such/interpreter\n", 0755);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "good", "plain", "bad", "ran" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
	return rmdir(directory);
}

static int find(const char *name, const char *in, char program[PATH_MAX], struct err *err)
{
	char *argv[] = { (char *)name, NULL };
	struct workload_options options = { .argv = argv, .directory = in };

	*err = (struct err){ 0 };
	return workload_find_program(&options, program, PATH_MAX, err);
}

static void test_find(void **state)
{
	char program[PATH_MAX], wanted[PATH_MAX], path[PATH_MAX];
	struct err err;

	(void)snprintf(path, sizeof(path), "/no/such:%s:/bin", directory);
	assert_int_equal(setenv("PATH", path, 1), 0);
	(void)snprintf(wanted, sizeof(wanted), "%s/good", directory);
	assert_int_equal(find("good", NULL, program, &err), 0);
	assert_string_equal(program, wanted);
	assert_int_equal(find("./good", directory, program, &err), 0);
	assert_string_equal(program, "./good");
	/* What may not be executed is passed over. */
	assert_int_equal(find("sh", NULL, program, &err), 0);
	assert_string_equal(program, "/bin/sh");

	assert_int_equal(find("plain", NULL, program, &err), -EACCES);
	assert_non_null(strstr(err.text, "plain"));
	assert_int_equal(find(directory, NULL, program, &err), -EACCES);
	assert_int_equal(find("no-such-command", NULL, program, &err), -ENOENT);
	assert_string_equal(err.text, "no-such-command: command not found");
	assert_int_equal(find("/no/such/file", NULL, program, &err), -ENOENT);
	assert_int_equal(find("", NULL, program, &err), -ENOENT);
	/* Not as if the command were missing. */
	assert_int_equal(find("sh", "/no/such/directory", program, &err), -ENOTDIR);
}

static struct workload *start(char *const *argv, const char *in)
{
	struct workload_options options = { .session = SESSION, .argv = argv, .directory = in };
	struct workload *w = NULL;
	struct err err = { 0 };

	assert_int_equal(workload_start(&options, &w, &err), 0);
	assert_true(workload_pid(w) > 0);
	return w;
}

static bool ran(void)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/ran", directory);
	return access(path, F_OK) == 0;
}

static void test_gate(void **state)
{
	char *argv[] = { "sh", "-c", "touch ran; exit 3", NULL };
	struct workload *w = start(argv, directory);
	struct err err = { 0 };
	int status;

	assert_int_equal(waitpid(workload_pid(w), &status, WNOHANG), 0);
	assert_false(ran());
	assert_int_equal(workload_release(w, &err), 0);
	assert_int_equal(waitpid(workload_pid(w), &status, 0), workload_pid(w));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(workload_exec_error(w), 0);
	assert_true(ran());
	workload_free(w);
}

static void test_freed_at_the_gate(void **state)
{
	char *argv[] = { "sh", "-c", "exit 3", NULL };
	struct workload *w = start(argv, NULL);
	pid_t pid = workload_pid(w);
	char cgroup[PATH_MAX];

	(void)snprintf(cgroup, sizeof(cgroup), "%s", workload_cgroup(w));
	workload_free(w);
	/* Reaped, so that not even its number is left. */
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	if (*cgroup)
		assert_int_equal(access(cgroup, F_OK), -1);
}

static void test_exec_error(void **state)
{
	char *argv[] = { "./bad", NULL };
	struct workload *w = start(argv, directory);
	struct err err = { 0 };
	int status;

	assert_int_equal(workload_release(w, &err), 0);
	assert_int_equal(waitpid(workload_pid(w), &status, 0), workload_pid(w));
	assert_int_equal(WEXITSTATUS(status), 127);
	assert_int_equal(workload_exec_error(w), -ENOENT);
	workload_free(w);
}

static void test_no_such_user(void **state)
{
	char *argv[] = { "sh", NULL };
	struct workload_options options = { .session = SESSION, .argv = argv, .user = "no-such-user-here" };
	struct workload *w = NULL;
	struct err err = { 0 };

	assert_int_equal(workload_start(&options, &w, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no-such-user-here"));
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),		  cmocka_unit_test(test_gate),
		cmocka_unit_test(test_freed_at_the_gate), cmocka_unit_test(test_exec_error),
		cmocka_unit_test(test_no_such_user),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
