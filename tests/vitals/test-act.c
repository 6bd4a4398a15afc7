/* SPDX-License-Identifier: Apache-2.0 */
/* The guard's hands on a real kernel: limits, holding, moving, and what must hold when something goes wrong. */
#include "act-world.h"

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

static uint32_t remembered[3];

static size_t remember(void *context, uint32_t phase_pid, uint32_t *ret, size_t room)
{
	assert_int_equal(phase_pid, remembered[0]);
	memcpy(ret, remembered, sizeof(remembered));
	return ARRAY_SIZE(remembered);
}

static bool two_more(void *context)
{
	return procs_in(place.home) >= 3;
}

/* One whose parent has ended is known by the tree alone; and a pid that the tree remembers may be a stranger's. */
static void only_its_own_are_moved(void **state)
{
	struct act_options o = options();
	struct err err = { 0 };
	char tool[600];
	pid_t agent = child(run_sleep, NULL), phase = child(run_sleep, NULL), orphan = child(run_sleep, NULL), stranger;

	stranger = fork();
	if (stranger == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_sleep(NULL));
	}
	remembered[0] = (uint32_t)phase;
	remembered[1] = (uint32_t)stranger;
	remembered[2] = (uint32_t)orphan;
	assert_true(within(two_more, NULL, PATIENCE_MS));
	o.members = remember;
	assert_int_equal(act_open(&o, &act, &err), 0);
	struct guard_action a = action(GUARD_KILL, false, phase, 0);
	assert_int_equal(act_tool_cgroup(act, (uint32_t)phase, start_of(phase)), 0);
	(void)snprintf(tool, sizeof(tool), "%s/tool-0", place.cgroup);
	assert_int_equal(procs_in(tool), 2);
	assert_int_equal(done(&a), 0);
	assert_true(WIFSIGNALED(status_of(orphan)));
	assert_false(has_ended(&agent) || has_ended(&stranger));
	(void)kill(stranger, SIGKILL);
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
		cmocka_unit_test_setup_teardown(only_its_own_are_moved, setup, teardown),
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
