/* SPDX-License-Identifier: Apache-2.0 */
/* The guard's hands on a real kernel: every rung done and undone, and what must hold when something goes wrong. */
#include "../unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/proc.h"
#include "place.h"
#include "vitals/act.h"

#define LIMIT (96 * MIB)
#define PATIENCE_MS 5000 /* for what must happen */

static struct place place;
static struct guard_policy policy;
static struct act *act;
static pid_t children[16];
static size_t children_n;
static char said[4096];

static void on_say(void *context, const char *text)
{
	(void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static bool within(bool (*true_when)(void *), void *context, int ms)
{
	for (uint64_t end = now_ns() + (uint64_t)ms * 1000000; now_ns() < end; (void)poll(NULL, 0, 2))
		if (true_when(context))
			return true;
	return true_when(context);
}

static int setup(void **state)
{
	if (place_make(&place, "act") < 0)
		return -1;
	said[0] = '\0';
	children_n = 0;
	return guard_policy_parse("default,reserve=16M,copy=none,save-hook=true,save-deadline=1s,hook-deadline=1s",
				  &policy, NULL);
}

static int teardown(void **state)
{
	act_free(act);
	act = NULL;
	place_remove(&place);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

static struct act_options options(void)
{
	return (struct act_options){ .cgroup = place.cgroup,
				     .memory = place.memory,
				     .memory_v1 = place.v1,
				     .limit = LIMIT,
				     .session = "s1",
				     .home = "/nonexistent/heddle",
				     .policy = &policy,
				     .say = on_say,
				     .directory = "/" };
}

static void open_act(void)
{
	struct act_options o = options();
	struct err err = { 0 };

	if (act_open(&o, &act, &err) < 0)
		fail_msg("%s", err.text);
}

/* Forks into the place; the child runs fn and exits with its result. */
static pid_t child(int (*fn)(void *), void *context)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(place_enter(&place) < 0 ? 99 : fn(context) & 0x7f);
	}
	children[children_n++] = pid;
	return pid;
}

static int run_hog(void *context)
{
	return hog(*(uint64_t *)context, 0) == 0 ? 7 : 98;
}

static int run_sleep(void *context)
{
	for (;;)
		(void)poll(NULL, 0, -1);
	return 0;
}

static uint64_t start_of(pid_t pid)
{
	char text[PROC_STAT_MAX];
	const char *rest = proc_stat((uint32_t)pid, text);
	unsigned long long ticks = 0;

	assert_non_null(rest);
	for (int i = 0; i < 19; i++)
		rest = strchr(rest + 1, ' ');
	assert_int_equal(sscanf(rest, " %llu", &ticks), 1);
	return ticks * (uint64_t)(1000000000 / sysconf(_SC_CLK_TCK));
}

static struct guard_action action(enum guard_rung rung, bool undo, pid_t pid, uint64_t bytes)
{
	struct guard_action a = { .rung = rung,
				  .undo = undo,
				  .pid = (uint32_t)pid,
				  .bytes = bytes,
				  .command = "hog \x1b[2J --all",
				  .held_bytes = 50 * MIB,
				  .why = "a test" };

	a.start_ns = pid ? start_of(pid) : 0;
	return a;
}

/* Does it and waits for its end. */
static int done(const struct guard_action *a)
{
	struct guard_action ended;
	int r = act_do(act, a), result;

	for (uint64_t end = now_ns() + PATIENCE_MS * UINT64_C(1000000); r == 1 && now_ns() < end;) {
		struct pollfd p = { .fd = act_fd(act), .events = POLLIN };

		(void)poll(&p, 1, 100);
		if (act_poll(act, &ended, &result)) {
			assert_int_equal(ended.rung, a->rung);
			return result;
		}
	}
	assert_int_not_equal(r, 1);
	return r;
}

static uint64_t number(const char *directory, const char *name)
{
	char path[700], text[64] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	(void)fclose(f);
	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

static uint64_t usage(void)
{
	return number(place.memory, place.v1 ? "memory.usage_in_bytes" : "memory.current");
}

static bool has_ended(void *context)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t) * (pid_t *)context, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

static int status_of(pid_t pid)
{
	int status = -1;

	assert_true(within(has_ended, &pid, PATIENCE_MS));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_paused(void *context)
{
	return act_paused(act);
}

static bool uses(void *context)
{
	return usage() >= *(uint64_t *)context;
}

/* Holds at least so much, and no more after a while. */
static bool stands(void *context)
{
	uint64_t before = usage();

	(void)poll(NULL, 0, 100);
	return before > 20 * MIB && usage() < before + MIB;
}

/* --- the limit --------------------------------------------------------------------------------------------------- */

static void refusals(void **state)
{
	struct act_options o = options();
	uint64_t bytes = 40 * MIB, held = 39 * MIB;
	struct act *other = NULL;
	struct err err = { 0 };

	(void)child(run_hog, &bytes);
	(void)status_of(children[0]);
	o.memory = NULL;
	assert_int_equal(act_open(&o, &other, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no memory controller"));
	o = options();
	o.memory = "/sys/fs/cgroup/nonexistent";
	if (place.v1) {
		assert_int_equal(act_open(&o, &other, &err), -ENOENT);
		assert_non_null(strstr(err.text, "/sys/fs/cgroup/nonexistent"));
	}
	o.cgroup = o.memory = NULL;
	assert_int_equal(act_open(&o, &other, &err), -EOPNOTSUPP);

	/* One that is below what runs. The hog holds its memory while it sleeps. */
	bytes = 40 * MIB;
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(place_enter(&place) < 0 || hog(bytes, 0) < 0 ? 99 : run_sleep(NULL));
	}
	assert_true(within(uses, &held, PATIENCE_MS));
	o = options();
	o.limit = 32 * MIB;
	assert_int_equal(act_open(&o, &other, &err), -EINVAL);
	assert_non_null(strstr(err.text, "32.0 MiB is too low"));
	/* A refusal changes nothing. */
	assert_true(number(place.memory, place.v1 ? "memory.limit_in_bytes" : "memory.max") > LIMIT);
	open_act();
	o = options();
	assert_int_equal(act_open(&o, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another guard"));
	assert_true(number(place.memory, place.v1 ? "memory.limit_in_bytes" : "memory.max") <= LIMIT);
	(void)kill(pid, SIGKILL);
}

static void the_limit_and_the_reserve(void **state)
{
	open_act();
	if (place.v1) {
		assert_int_equal(number(place.memory, "memory.limit_in_bytes"), LIMIT - 16 * MIB);
	} else {
		assert_int_equal(number(place.memory, "memory.max"), LIMIT);
		assert_int_equal(number(place.memory, "memory.high"), LIMIT - 16 * MIB);
	}
	struct guard_action borrow = action(GUARD_BORROW, false, 0, 16 * MIB);
	assert_int_equal(done(&borrow), 0);
	assert_int_equal(number(place.memory, place.v1 ? "memory.limit_in_bytes" : "memory.max"), LIMIT);
	borrow.undo = true;
	assert_int_equal(done(&borrow), 0);
	act_free(act);
	act = NULL;
	assert_int_equal(number(place.memory, place.v1 ? "memory.limit_in_bytes" : "memory.max"), LIMIT);
}

/* Beyond what it gets without the reserve, within what it gets with it. */
static void borrowing_lets_it_finish(void **state)
{
	uint64_t bytes = LIMIT - 10 * MIB, most = LIMIT - 18 * MIB;
	struct guard_action borrow;
	pid_t pid;

	open_act();
	pid = child(run_hog, &bytes);
	assert_true(within(uses, &most, PATIENCE_MS));
	if (place.v1)
		assert_true(within(is_paused, NULL, PATIENCE_MS));
	assert_false(has_ended(&pid));
	borrow = action(GUARD_BORROW, false, 0, 16 * MIB);
	assert_int_equal(done(&borrow), 0);
	assert_int_equal(WEXITSTATUS(status_of(pid)), 7);
	assert_false(act_paused(act));
}

/* --- holding ----------------------------------------------------------------------------------------------------- */

static void brake_and_go(void **state)
{
	uint64_t bytes = 70 * MIB;
	struct guard_action a;
	pid_t pid;

	open_act();
	pid = child(run_sleep, NULL);
	a = action(GUARD_BRAKE, false, pid, 30 * MIB);
	/* Told before it begins: a child with nothing yet. */
	(void)kill(pid, SIGKILL);
	(void)status_of(pid);
	assert_int_equal(done(&a), -ESRCH);

	int gate[2];
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		(void)close(gate[1]);
		(void)!read(gate[0], &c, 1);
		_exit(run_hog(&bytes));
	}
	char line[32], path[700];
	(void)snprintf(line, sizeof(line), "%d", (int)pid);
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", place.home);
	assert_int_equal(write_file(path, line), 0);
	a = action(GUARD_BRAKE, false, pid, 30 * MIB);
	assert_int_equal(done(&a), 0);
	(void)close(gate[0]);
	(void)close(gate[1]);
	assert_true(within(stands, NULL, PATIENCE_MS));
	assert_in_range(usage(), 25 * MIB, 40 * MIB);
	/* The session is not paused: only the child is. */
	assert_false(act_paused(act));
	a.undo = true;
	assert_int_equal(done(&a), 0);
	assert_int_equal(WEXITSTATUS(status_of(pid)), 7);
	/* To undo it for one that is gone is no failure. */
	assert_int_equal(done(&a), 0);
}

static int run_count(void *context)
{
	for (volatile uint64_t *n = context; n; (*n)++)
		(void)poll(NULL, 0, 1);
	return 0;
}

static bool moves(void *counter)
{
	volatile uint64_t *n = counter;
	uint64_t before = *n;

	(void)poll(NULL, 0, 60);
	return *n > before;
}

static bool is_still(void *counter)
{
	return !moves(counter);
}

static volatile uint64_t *shared_counter(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void freeze_and_thaw(void **state)
{
	volatile uint64_t *one = shared_counter(), *two = shared_counter();
	struct guard_action a;
	pid_t pid;

	open_act();
	pid = child(run_count, (void *)one);
	(void)child(run_count, (void *)two);
	assert_true(within(moves, (void *)one, PATIENCE_MS) && within(moves, (void *)two, PATIENCE_MS));
	a = action(GUARD_FREEZE, false, pid, 0);
	assert_int_equal(done(&a), 0);
	assert_true(within(is_still, (void *)one, PATIENCE_MS));
	assert_true(within(moves, (void *)two, PATIENCE_MS));
	a.undo = true;
	assert_int_equal(done(&a), 0);
	assert_true(within(moves, (void *)one, PATIENCE_MS));

	struct guard_action all = action(GUARD_FREEZE, false, 0, 0);
	assert_int_equal(done(&all), 0);
	assert_true(within(is_still, (void *)one, PATIENCE_MS) && within(is_still, (void *)two, PATIENCE_MS));
	all.undo = true;
	assert_int_equal(done(&all), 0);
	assert_true(within(moves, (void *)one, PATIENCE_MS) && within(moves, (void *)two, PATIENCE_MS));
}

/* --- moving ------------------------------------------------------------------------------------------------------ */

/* A tree that goes on forking: each process forks two, to a depth, while it is moved. */
static int run_tree(void *context)
{
	int depth = *(int *)context;

	for (int i = 0; depth > 0 && i < 2; i++)
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)poll(NULL, 0, 3);
			depth--;
			i = -1;
		}
	return run_sleep(NULL);
}

static unsigned procs_in(const char *directory)
{
	char path[700], line[32];
	unsigned n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		(void)fclose(f);
	return n;
}

static bool some_forked(void *context)
{
	return procs_in(place.home) >= 4;
}

static bool all_forked(void *context)
{
	return procs_in(place.home) + procs_in(context) >= 32;
}

static void a_tree_that_forks_is_moved_whole(void **state)
{
	char tool[600], memory[600];
	int depth = 5;
	pid_t pid, agent;

	open_act();
	agent = child(run_sleep, NULL);
	pid = child(run_tree, &depth);
	/* In the midst of it, and not before it is there: a child that enters by itself would come back. */
	assert_true(within(some_forked, NULL, PATIENCE_MS));
	assert_int_equal(act_tool_cgroup(act, (uint32_t)pid, start_of(pid)), 0);
	assert_int_equal(act_tool_cgroup(act, (uint32_t)pid, start_of(pid)), -EEXIST);
	(void)snprintf(tool, sizeof(tool), "%s/tool-0", place.cgroup);
	(void)snprintf(memory, sizeof(memory), "%s/tool-0", place.memory);
	assert_true(within(all_forked, tool, PATIENCE_MS));
	assert_int_equal(procs_in(place.home), 1);
	assert_int_equal(procs_in(memory), procs_in(tool));
	assert_int_equal(act_tool_cgroup(act, (uint32_t)pid, 5), -ESRCH);

	struct guard_action a = action(GUARD_KILL, false, pid, 0), ended;
	int result;
	assert_int_equal(done(&a), 0);
	assert_true(WIFSIGNALED(status_of(pid)));
	assert_false(has_ended(&agent));
	/* The empty cgroup goes away. */
	for (int i = 0; i < 500 && access(tool, F_OK) == 0; i++) {
		(void)act_poll(act, &ended, &result);
		(void)poll(NULL, 0, 10);
	}
	assert_int_not_equal(access(tool, F_OK), 0);
	assert_int_not_equal(access(memory, F_OK), 0);
}

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
	assert_non_null(strstr(said, "heddle: killed `hog \\x1b[2J --all` (pid "));
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

/* --- when the guard dies ----------------------------------------------------------------------------------------- */

/* And takes away what is left of it. */
static bool no_hook_runs(void *context)
{
	char path[700];

	if (place.v1) {
		(void)snprintf(path, sizeof(path), "%s.hook-0", place.memory);
		if (rmdir(path) < 0 && errno != ENOENT)
			return false;
	}
	(void)snprintf(path, sizeof(path), "%s.hook-0", place.cgroup);
	return rmdir(path) == 0 || errno == ENOENT;
}

static void nobody_stays_held(void **state)
{
	volatile uint64_t *one = shared_counter(), *two = shared_counter();
	uint64_t bytes = 70 * MIB;
	pid_t frozen = child(run_count, (void *)one), guard, hungry;
	int gate[2];
	char line[32], path[700];

	(void)child(run_count, (void *)two);
	assert_true(within(moves, (void *)one, PATIENCE_MS));
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	hungry = fork();
	if (hungry == 0) {
		char c;

		(void)close(gate[1]);
		(void)!read(gate[0], &c, 1);
		_exit(run_hog(&bytes));
	}
	(void)snprintf(line, sizeof(line), "%d", (int)hungry);
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", place.home);
	assert_int_equal(write_file(path, line), 0);
	if (place.v1) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", place.memory);
		assert_int_equal(write_file(path, line), 0);
	}
	guard = fork();
	if (guard == 0) {
		struct guard_action a;

		(void)snprintf(policy.hook, sizeof(policy.hook), "sleep 50 & sleep 50");
		open_act();
		a = action(GUARD_FREEZE, false, frozen, 0);
		(void)done(&a);
		a = action(GUARD_TELL, false, 0, 0);
		(void)act_do(act, &a);
		a = action(GUARD_BRAKE, false, hungry, 30 * MIB);
		(void)done(&a);
		a = action(GUARD_FREEZE, false, 0, 0);
		(void)done(&a);
		(void)poll(NULL, 0, -1);
	}
	assert_true(within(is_still, (void *)one, PATIENCE_MS) && within(is_still, (void *)two, PATIENCE_MS));
	(void)close(gate[0]);
	(void)close(gate[1]);
	(void)kill(guard, SIGKILL);
	(void)status_of(guard);
	assert_true(within(moves, (void *)one, PATIENCE_MS) && within(moves, (void *)two, PATIENCE_MS));
	assert_int_equal(WEXITSTATUS(status_of(hungry)), 7);
	assert_true(within(no_hook_runs, NULL, PATIENCE_MS));
	if (place.v1) {
		(void)snprintf(path, sizeof(path), "%s/memory.oom_control", place.memory);
		FILE *f = fopen(path, "re");
		int disabled = -1;

		assert_non_null(f);
		assert_int_equal(fscanf(f, "oom_kill_disable %d", &disabled), 1);
		(void)fclose(f);
		assert_int_equal(disabled, 0);
	}
	/* And another guard may take over. */
	open_act();
}

/* Without a memory controller: it stops and goes in turns, and goes when the guard is killed. */
static void slowed_in_turns(void **state)
{
	volatile uint64_t *n = shared_counter();
	struct act_options o = options();
	struct guard_action a;
	struct err err = { 0 };
	pid_t pid, guard;

	o.memory = NULL;
	o.limit = VITALS_UNKNOWN;
	pid = child(run_count, (void *)n);
	assert_true(within(moves, (void *)n, PATIENCE_MS));
	guard = fork();
	if (guard == 0) {
		if (act_open(&o, &act, &err) < 0)
			_exit(1);
		a = action(GUARD_BRAKE, false, pid, 0);
		if (done(&a) < 0)
			_exit(2);
		*n = 0;
		(void)poll(NULL, 0, 500);
		/* A fifth of some 450 steps, with room for a busy machine; and not none. */
		_exit(*n > 0 && *n < 300 ? 0 : 3);
	}
	/* _exit: as if it were killed. */
	assert_int_equal(WEXITSTATUS(status_of(guard)), 0);
	*n = 0;
	(void)poll(NULL, 0, 100);
	assert_true(within(moves, (void *)n, PATIENCE_MS) && within(moves, (void *)n, PATIENCE_MS));
}

static void a_cgroup_that_vanishes(void **state)
{
	struct guard_action a;

	open_act();
	place_remove(&place);
	for (enum guard_rung rung = 0; rung < GUARD_RUNG_MAX; rung++) {
		a = action(rung, false, 0, 4 * MIB);
		(void)done(&a);
		a.undo = true;
		(void)done(&a);
	}
	assert_false(act_paused(act));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(the_limit_and_the_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(borrowing_lets_it_finish, setup, teardown),
		cmocka_unit_test_setup_teardown(brake_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(freeze_and_thaw, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tree_that_forks_is_moved_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_word_before_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(hooks, setup, teardown),
		cmocka_unit_test_setup_teardown(saving, setup, teardown),
		cmocka_unit_test_setup_teardown(reclaiming, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_stays_held, setup, teardown),
		cmocka_unit_test_setup_teardown(slowed_in_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cgroup_that_vanishes, setup, teardown),
	};
	const char *missing = place_missing();

	if (missing) {
		(void)printf("1..0 # SKIP %s\n", missing);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
