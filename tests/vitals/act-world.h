/* SPDX-License-Identifier: Apache-2.0 */
/* A session's cgroups, an act on them, and children in them: what the tests of the guard's hands share. */
#pragma once

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

static inline void on_say(void *context, const char *text)
{
	(void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static inline bool within(bool (*true_when)(void *), void *context, int ms)
{
	for (uint64_t end = now_ns() + (uint64_t)ms * 1000000; now_ns() < end; (void)poll(NULL, 0, 2))
		if (true_when(context))
			return true;
	return true_when(context);
}

static inline int setup(void **state)
{
	if (place_make(&place, "act") < 0)
		return -1;
	said[0] = '\0';
	children_n = 0;
	return guard_policy_parse("default,reserve=16M,copy=none,save-hook=true,save-deadline=1s,hook-deadline=1s",
				  &policy, NULL);
}

static inline int teardown(void **state)
{
	act_free(act);
	act = NULL;
	place_remove(&place);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

static inline struct act_options options(void)
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

static inline void open_act(void)
{
	struct act_options o = options();
	struct err err = { 0 };

	if (act_open(&o, &act, &err) < 0)
		fail_msg("%s", err.text);
}

/* Forks into the place; the child runs fn and exits with its result. */
static inline pid_t child(int (*fn)(void *), void *context)
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

static inline int run_hog(void *context)
{
	return hog(*(uint64_t *)context, 0) == 0 ? 7 : 98;
}

static inline int run_sleep(void *context)
{
	for (;;)
		(void)poll(NULL, 0, -1);
	return 0;
}

static inline uint64_t start_of(pid_t pid)
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

static inline struct guard_action action(enum guard_rung rung, bool undo, pid_t pid, uint64_t bytes)
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
static inline int done(const struct guard_action *a)
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

static inline uint64_t number(const char *directory, const char *name)
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

static inline uint64_t usage(void)
{
	return number(place.memory, place.v1 ? "memory.usage_in_bytes" : "memory.current");
}

static inline bool has_ended(void *context)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t) * (pid_t *)context, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

static inline int status_of(pid_t pid)
{
	int status = -1;

	assert_true(within(has_ended, &pid, PATIENCE_MS));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static inline bool is_paused(void *context)
{
	return act_paused(act);
}

static inline bool uses(void *context)
{
	return usage() >= *(uint64_t *)context;
}

/* Holds at least so much, and no more after a while. */
static inline bool stands(void *context)
{
	uint64_t before = usage();

	(void)poll(NULL, 0, 100);
	return before > 20 * MIB && usage() < before + MIB;
}

static inline unsigned procs_in(const char *directory)
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
