/* SPDX-License-Identifier: Apache-2.0 */
/* The guard's hands on a real kernel: what it says, runs, copies and asks of the kernel. */
#include "act-world.h"

/* --- the last word ----------------------------------------------------------------------------------------------- */

static pid_t child_with_stderr(int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(fd, 2);
		_exit(place_enter(&place) < 0 ? 99 : run_sleep(NULL));
	}
	assert_true(pid > 0);
	return pid;
}

static bool is_there(void *context)
{
	return procs_in(place.home) > 0;
}

static void killed(int stderr_of_child, char *ret, size_t size, int from)
{
	pid_t pid = child_with_stderr(stderr_of_child);
	struct guard_action a;
	ssize_t n = 0;

	assert_true(within(is_there, NULL, PATIENCE_MS));
	a = action(GUARD_KILL, false, pid, 0);
	said[0] = '\0';
	uint64_t begin = now_ns();
	assert_int_equal(done(&a), 0);
	assert_true(now_ns() - begin < 2 * UINT64_C(1000000000));
	assert_true(WIFSIGNALED(status_of(pid)));
	assert_non_null(strstr(said, "killed `hog \\x1b[2J --all` (pid "));
	if (from >= 0) {
		(void)fcntl(from, F_SETFL, O_NONBLOCK);
		n = read(from, ret, size - 1);
	}
	ret[MAX(n, 0)] = '\0';
}

static void a_word_before_the_end(void **state)
{
	char text[2048], path[] = "/tmp/heddle-stderr-XXXXXX";
	int ends[2], file, terminal, other;

	open_act();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	killed(ends[1], text, sizeof(text), ends[0]);
	assert_non_null(strstr(text, "heddle: killed `hog \\x1b[2J --all` (pid "));
	assert_non_null(strstr(text, "it held 50.0 MiB of the 96.0 MiB that this session may use"));
	/* Node.js gives its children socket pairs. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	killed(ends[1], text, sizeof(text), ends[0]);
	assert_non_null(strstr(text, "it held 50.0 MiB"));

	/* A file is the workload's choice of place, not ours to write to. */
	file = mkstemp(path);
	assert_true(file >= 0);
	killed(file, text, sizeof(text), -1);
	struct stat s;
	assert_int_equal(fstat(file, &s), 0);
	assert_int_equal(s.st_size, 0);
	(void)unlink(path);
	/* Nor is what is only readable, or a device that is no terminal. */
	file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	killed(file, text, sizeof(text), -1);
	killed(open("/dev/null", O_RDWR | O_CLOEXEC), text, sizeof(text), -1);
	/* A pipe that is full does not keep it from being killed. */
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	memset(text, 'x', sizeof(text));
	while (write(ends[1], text, sizeof(text)) > 0)
		;
	(void)fcntl(ends[1], F_SETFL, 0);
	killed(ends[1], text, sizeof(text), -1);
	/* Nor one whose reader is gone. */
	(void)close(ends[0]);
	killed(ends[1], text, sizeof(text), -1);

	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	other = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	killed(other, text, sizeof(text), terminal);
	assert_non_null(strstr(text, "it held 50.0 MiB"));
}

/* --- hooks ------------------------------------------------------------------------------------------------------- */

static bool no_hook_left(void *context)
{
	char command[700];
	struct guard_action a;
	int r;

	(void)act_poll(act, &a, &r);
	(void)snprintf(command, sizeof(command), "%s.hook-0", place.cgroup);
	if (access(command, F_OK) == 0)
		return false;
	(void)snprintf(command, sizeof(command), "%s.hook-0", place.memory);
	return access(command, F_OK) != 0;
}

static int hook(const char *command)
{
	struct guard_action a = action(GUARD_TELL, false, 0, 0);
	uint64_t begin = now_ns();
	int r;

	(void)snprintf(policy.hook, sizeof(policy.hook), "%s", command);
	act_free(act);
	act = NULL;
	open_act();
	r = done(&a);
	assert_true(now_ns() - begin < 4 * UINT64_C(1000000000));
	assert_true(within(no_hook_left, NULL, PATIENCE_MS));
	return r;
}

static void hooks(void **state)
{
	char path[] = "/tmp/heddle-hook-XXXXXX", command[256], text[512] = "";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	(void)snprintf(command, sizeof(command), "echo \"$HEDDLE_RUNG/$HEDDLE_WHY/$HEDDLE_SESSION/$HEDDLE_LIMIT\" >%s",
		       path);
	assert_int_equal(hook(command), 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "tell/a test/s1/100663296\n");
	(void)unlink(path);
	assert_int_equal(hook("exit 3"), -ECHILD);
	assert_int_equal(hook("sleep 60"), -ETIMEDOUT);
	assert_int_equal(hook("trap '' TERM INT HUP; setsid sleep 60 & sleep 60 & wait"), -ETIMEDOUT);
	/* One that leaves something behind has ended all the same. */
	assert_int_equal(hook("setsid sleep 60 & exit 0"), 0);
	/* Forks without end: its memory or its time is over first. */
	assert_true(hook("b() { b | b & }; b; sleep 60") < 0);
	/* As much memory as the reserve and the least, no more; and the workload's is not touched. */
	assert_int_not_equal(hook("x=$(head -c 90000000 /dev/zero | tr '\\0' x); echo ${#x}"), 0);
	assert_true(usage() < 8 * MIB);
}

static void saving(void **state)
{
	char home[] = "/tmp/heddle-home-XXXXXX", work[] = "/tmp/heddle-work-XXXXXX", path[512], text[64] = "";
	struct act_options o = options();
	struct guard_action a = action(GUARD_SAVE, false, 0, 0);

	assert_true(mkdtemp(home) && mkdtemp(work));
	(void)snprintf(path, sizeof(path), "%s/notes", work);
	FILE *f = fopen(path, "we");
	assert_true(f && fputs("to be kept", f) >= 0 && fclose(f) == 0);
	assert_int_equal(
	    guard_policy_parse("default,copy=none,copy=$CWD,save-hook=echo kept >$HEDDLE_SAVED/hooked", &policy, NULL),
	    0);
	o.home = home;
	o.directory = work;
	struct err err = { 0 };
	assert_int_equal(act_open(&o, &act, &err), 0);
	assert_int_equal(done(&a), 0);
	(void)snprintf(path, sizeof(path), "%s/saved/s1/1%s/notes", home, work);
	f = fopen(path, "re");
	assert_true(f && fgets(text, sizeof(text), f));
	(void)fclose(f);
	assert_string_equal(text, "to be kept");
	(void)snprintf(path, sizeof(path), "%s/saved/s1/1/hooked", home);
	assert_int_equal(access(path, F_OK), 0);
	/* The next time has a place of its own. */
	assert_int_equal(done(&a), 0);
	(void)snprintf(path, sizeof(path), "%s/saved/s1/2%s/notes", home, work);
	assert_int_equal(access(path, F_OK), 0);
	assert_non_null(strstr(said, "saving to "));
	(void)snprintf(path, sizeof(path), "rm -rf %s %s", home, work);
	pid_t pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", path, (char *)NULL);
		_exit(127);
	}
	(void)status_of(pid);
}

/* --- reclaim ----------------------------------------------------------------------------------------------------- */

static void reclaiming(void **state)
{
	struct guard_action a = action(GUARD_RECLAIM, false, 0, 4 * MIB);

	open_act();
	assert_int_equal(done(&a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_word_before_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(hooks, setup, teardown),
		cmocka_unit_test_setup_teardown(saving, setup, teardown),
		cmocka_unit_test_setup_teardown(reclaiming, setup, teardown),
	};
	const char *missing = place_missing();

	if (missing) {
		(void)printf("1..0 # SKIP %s\n", missing);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
