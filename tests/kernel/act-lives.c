/* SPDX-License-Identifier: Apache-2.0 */
/* Short lives as fast as the machine makes them: each has a key that resolves, and none is lost. */
#include "kernel-test.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t monotonic_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool one_life(bool exec)
{
	char *argv[] = { "life", "--helper", "exit", "0", NULL };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (exec)
			(void)execv(act_self, argv);
		_exit(exec);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* So many lives, from every core at once; gives the nanoseconds that they took, -1 when one went wrong. */
static int64_t live(unsigned n, bool exec)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t from = monotonic_ns();
	bool right = true;
	int status;

	for (long c = 0; c < cores; c++) {
		if (fork() != 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (long i = c; i < n && right; i += cores)
			right = one_life(exec);
		_exit(!right);
	}
	for (long c = 0; c < cores; c++)
		right &= wait(&status) > 0 && status == 0;
	return right ? monotonic_ns() - from : -1;
}

static unsigned lives_of(bool exec)
{
	return act_tries(exec ? 4000 : 10000, exec ? 30000 : 100000) / (act_emulated() ? 20 : 1);
}

static void lives(bool exec)
{
	unsigned n = lives_of(exec);
	int64_t took;

	(void)alarm(0);
	took = live(n, exec);
	(void)must(took > 0, "each life ended with 0");
	note("took\t%lld", (long long)took);
	note("made\tprocess_fork\t%u", n);
	note("made\tprocess_exit\t%u", n);
	if (exec)
		note("made\tprocess_exec\t%u", n);
}

static void case_fork(void)
{
	lives(false);
}

static void case_exec(void)
{
	lives(true);
}

/* The judge does the same outside of the workload, for the rate beside it. */
static void check(const struct act_family *family, const char *facts, const char *json, const char *tier)
{
	bool exec = strstr(json, "-exec.json") != NULL;
	unsigned n = lives_of(exec);
	int64_t took;

	judge_flood(family, facts, json, tier);
	took = live(n, exec);
	if (took > 0)
		(void)printf("# | lives/%s untraced: %.0f lives a second |\n", exec ? "exec" : "fork",
			     1e9 * n / (double)took);
}

static const struct act_case cases[] = { { "fork", case_fork }, { "exec", case_exec }, { 0 } };

const struct act_family family_lives = {
	.name = "lives",
	.proves = "short lives: every process key resolves, nothing is lost",
	.cases = cases,
	.stress = true,
	.apart = true,
	.check = check,
};
