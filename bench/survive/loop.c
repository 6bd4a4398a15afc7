/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a guard, as small as it can be: the memory in use every 10 ms, and when the guard asks for it the
 * children and what they hold. The forecast is the slope of the last 60 ms.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/proc.h"
#include "survive.h"
#include "vitals/act.h"

#define LOOK_NS UINT64_C(10000000)
#define FULL_LOOKS 10
#define PROCESSES_MAX 512

struct process {
	uint32_t pid, parent;
	uint64_t start_ns, bytes;
};

struct loop {
	const struct place *place;
	uint64_t limit, reserve, history[7];
	pid_t agent;
	struct guard *guard;
	struct act *act;
	struct process processes[PROCESSES_MAX];
	size_t processes_n;
	struct vitals_phase phases[VITALS_PHASES_MAX], agent_phase;
	size_t phases_n;
	bool borrowed, tool_cgroups;
	struct guard_run *ret;
};

static uint64_t read_number(const char *directory, const char *name, const char *key)
{
	char path[700], text[8192];
	ssize_t n;
	char *at = text;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		(void)close(fd);
	text[MAX(n, 0)] = '\0';
	if (key)
		at = strstr(text, key);
	return at ? strtoull(at + (key ? strlen(key) : 0), NULL, 10) : 0;
}

static void add_process(struct loop *l, uint32_t pid)
{
	char text[PROC_STAT_MAX], path[64];
	const char *rest = proc_stat(pid, text);
	struct process *p = &l->processes[l->processes_n];
	unsigned long long ticks;
	unsigned parent;

	if (!rest || l->processes_n == PROCESSES_MAX ||
	    sscanf(rest, " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &parent,
		   &ticks) != 2)
		return;
	*p = (struct process){ .pid = pid,
			       .parent = parent,
			       .start_ns = ticks * (uint64_t)(1000000000 / sysconf(_SC_CLK_TCK)) };
	(void)snprintf(path, sizeof(path), "/proc/%u", (unsigned)pid);
	p->bytes = read_number(path, "status", "RssAnon:") * 1024;
	l->processes_n++;
}

static void add_cgroup(struct loop *l, const char *directory)
{
	char path[700];
	unsigned pid;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	f = fopen(path, "re");
	while (f && fscanf(f, "%u", &pid) == 1)
		add_process(l, pid);
	if (f)
		(void)fclose(f);
}

static uint64_t subtree(const struct loop *l, uint32_t pid)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->processes_n; i++) {
		if (l->processes[i].pid == pid)
			sum += l->processes[i].bytes;
		if (l->processes[i].parent == pid)
			sum += subtree(l, l->processes[i].pid);
	}
	return sum;
}

static int fatter(const void *a, const void *b)
{
	const struct vitals_phase *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static void read_command(uint32_t pid, char *ret, size_t size)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%u/cmdline", (unsigned)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, ret, size - 1);
	if (fd >= 0)
		(void)close(fd);
	n = MAX(n, 0);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!ret[i])
			ret[i] = ' ';
	ret[n] = '\0';
}

static void look_at_phases(struct loop *l)
{
	struct dirent *e;
	DIR *d = opendir(l->place->cgroup);

	l->processes_n = l->phases_n = 0;
	add_cgroup(l, l->place->home);
	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, "tool-", 5) == 0) {
			char path[800];

			(void)snprintf(path, sizeof(path), "%s/%s", l->place->cgroup, e->d_name);
			add_cgroup(l, path);
		}
	if (d)
		(void)closedir(d);
	for (size_t i = 0; i < l->processes_n; i++) {
		const struct process *p = &l->processes[i];

		if (p->pid == (uint32_t)l->agent) {
			l->agent_phase =
			    (struct vitals_phase){ .pid = p->pid, .start_ns = p->start_ns, .bytes = p->bytes };
		} else if (p->parent == (uint32_t)l->agent && l->phases_n < VITALS_PHASES_MAX) {
			struct vitals_phase *phase = &l->phases[l->phases_n++];

			*phase = (struct vitals_phase){ .pid = p->pid,
							.start_ns = p->start_ns,
							.bytes = subtree(l, p->pid) };
			read_command(p->pid, phase->command, sizeof(phase->command));
			if (l->tool_cgroups)
				(void)act_tool_cgroup(l->act, p->pid, p->start_ns);
		}
	}
	qsort(l->phases, l->phases_n, sizeof(l->phases[0]), fatter);
}

static size_t members(void *context, uint32_t phase, uint32_t *ret, size_t room)
{
	const struct loop *l = context;
	size_t n = 0;

	if (room > 0)
		ret[n++] = phase;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < l->processes_n && n < room; k++)
			if (l->processes[k].parent == ret[i])
				ret[n++] = l->processes[k].pid;
	return n;
}

static void foresee(struct loop *l, uint64_t used, uint64_t available, struct forecast_result *ret)
{
	uint64_t then = l->history[0];

	memmove(l->history, l->history + 1, sizeof(l->history) - sizeof(l->history[0]));
	l->history[ARRAY_SIZE(l->history) - 1] = used;
	*ret = (struct forecast_result){ .limit_in_ns = INT64_MAX };
	if (!then || used < then + 2 * MIB)
		return;
	ret->clock = FORECAST_BURST;
	ret->slope = (int64_t)((used - then) * 1000 / 60);
	ret->limit_in_ns = (int64_t)((double)available / (double)ret->slope * 1e9);
}

static void heard(struct loop *l, const struct guard_action *a, int result)
{
	guard_done(l->guard, a, result, now_ns());
	if (result < 0)
		return;
	if (a->rung == GUARD_BORROW)
		l->borrowed = !a->undo;
	if (a->rung == GUARD_BRAKE && !a->undo && !l->ret->brake_ns)
		l->ret->brake_ns = now_ns();
	if (!a->undo)
		l->ret->did[a->rung]++;
	if (getenv("SURVIVE_VERBOSE"))
		(void)fprintf(stderr, "# %s%s %u: %s = %d\n", a->undo ? "undo " : "", guard_rung_name(a->rung), a->pid,
			      a->why, result);
}

static void look(struct loop *l, unsigned count)
{
	struct guard_action actions[GUARD_ACTIONS_MAX], ended;
	struct guard_view v = { .time_ns = now_ns(),
				.limit = l->limit,
				.phases = l->phases,
				.agent = &l->agent_phase,
				.stall_us = VITALS_UNKNOWN,
				.paused = act_paused(l->act) };
	uint64_t in_force = l->place->v1 && !l->borrowed ? l->limit - l->reserve : l->limit, clean;
	bool v1 = l->place->v1;
	uint64_t start_ns;
	uint32_t pid;
	int result;

	v.used = read_number(l->place->memory, v1 ? "memory.usage_in_bytes" : "memory.current", NULL);
	clean = read_number(l->place->memory, "memory.stat", v1 ? "total_inactive_file " : "inactive_file ") / 2;
	v.available = (in_force > v.used ? in_force - v.used : 0) + clean;
	v.available -= MIN(v.available, act_reserved(l->act));
	foresee(l, v.used, v.available, &v.forecast);
	if (guard_watchful(l->guard) || l->tool_cgroups || count % FULL_LOOKS == 0)
		look_at_phases(l);
	v.phases_n = l->phases_n;
	while (act_poll(l->act, &ended, &result))
		heard(l, &ended, result);
	size_t n = guard_decide(l->guard, &v, actions, ARRAY_SIZE(actions));
	for (size_t i = 0; i < n; i++) {
		int r = act_do(l->act, &actions[i]);

		if (r <= 0)
			heard(l, &actions[i], r);
	}
	if (guard_ready(l->guard, &v, &pid, &start_ns))
		(void)act_tool_cgroup(l->act, pid, start_ns);
}

/* As the sensor's throttle does: who has to be there within milliseconds can't wait for a turn. */
static void hurry(void)
{
	const struct sched_param first = { .sched_priority = 2 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
		(void)setpriority(PRIO_PROCESS, 0, -20);
}

static bool ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

int guard_run(const struct place *place, uint64_t limit, const char *text, bool tool_cgroups, pid_t agent,
	      const volatile bool *stop, uint64_t until_ns, struct guard_run *ret)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct guard_policy policy;
	struct err err = { 0 };
	struct rusage usage;

	if (!l)
		return -ENOMEM;
	*l = (struct loop){ .place = place, .limit = limit, .agent = agent, .tool_cgroups = tool_cgroups, .ret = ret };
	struct act_options options = { .cgroup = place->cgroup,
				       .memory = place->memory,
				       .memory_v1 = place->v1,
				       .limit = limit,
				       .session = "survive",
				       .home = "/nonexistent",
				       .policy = &policy,
				       .members = members,
				       .context = l };
	int r = guard_policy_parse(text, &policy, &err);
	if (r >= 0)
		r = act_open(&options, &l->act, &err);
	if (r >= 0)
		r = guard_new(&policy, &l->guard);
	if (r < 0) {
		(void)fprintf(stderr, "survive: %s\n", err.text);
		act_free(l->act);
		free(l);
		return r;
	}
	l->reserve = guard_policy_reserve(&policy, limit);
	hurry();
	uint64_t next = now_ns();
	for (unsigned i = 0; !ended(agent) && !(stop && *stop) && now_ns() < until_ns; i++) {
		look(l, i);
		next = MAX(next + LOOK_NS, now_ns());
		const struct timespec when = { .tv_sec = (time_t)(next / 1000000000),
					       .tv_nsec = (long)(next % 1000000000) };
		(void)clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &when, NULL);
	}
	(void)getrusage(RUSAGE_SELF, &usage);
	ret->cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
		      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	act_free(l->act);
	guard_free(l->guard);
	free(l);
	return 0;
}
