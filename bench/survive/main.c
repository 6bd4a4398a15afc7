/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   survive run MODE TRACES [LIMIT_MIB]    one line a trace: free, none, guard, guard-tools, machine, earlyoom=PROGRAM
 *   survive react TIMES [--late]           from crossing to brake, in microseconds, one a line
 *
 * `free` has no limit; `none` a cgroup's, and the kernel's OOM kill; `machine` has no limit but leaves the machine only
 * as much memory, for it and for earlyoom, which knows no cgroups. bench/survive/run makes tables of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "survive.h"
#include "vitals/guard-policy.h"

#define RUN_NS (90 * UINT64_C(1000000000))
#define POLICY "default,no-save,patience=1s"

static char self[512];

static pid_t agent_start(const struct place *place, const char *state_path, unsigned seed)
{
	char text[16];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(text, sizeof(text), "%u", seed);
	if (place_enter(place) < 0)
		_exit(99);
	(void)execl(self, "agent", "agent", state_path, text, (char *)NULL);
	_exit(127);
}

static int limit_set(const struct place *place, uint64_t limit)
{
	char path[700], text[32];

	(void)snprintf(path, sizeof(path), "%s/%s", place->memory, place->v1 ? "memory.limit_in_bytes" : "memory.max");
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
	return write_file(path, text);
}

static uint64_t usage(const struct place *place)
{
	unsigned long long bytes = 0;
	char path[700];

	(void)snprintf(path, sizeof(path), "%s/%s", place->memory,
		       place->v1 ? "memory.usage_in_bytes" : "memory.current");
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%llu", &bytes) != 1)
		bytes = 0;
	if (f)
		(void)fclose(f);
	return bytes;
}

static uint64_t machine_available(void)
{
	unsigned long long kib = 0;
	char line[256];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (f)
		(void)fclose(f);
	return kib * 1024;
}

/* Takes all but so much of the machine's memory, out of the reach of any killer. */
static pid_t ballast(uint64_t leave)
{
	uint64_t there = machine_available();
	int ready[2];
	char c;

	if (there <= leave || there > 4096 * MIB || pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write_file("/proc/self/oom_score_adj", "-1000") < 0)
			_exit(1);
		char *p = mmap(NULL, there - leave, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
		if (p == MAP_FAILED || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)poll(NULL, 0, -1);
	}
	(void)close(ready[1]);
	ssize_t n = read(ready[0], &c, 1);
	(void)close(ready[0]);
	if (n == 1)
		return pid;
	(void)waitpid(pid, NULL, 0);
	return -1;
}

static pid_t start_program(const char *program)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(null, 2);
		(void)execl(program, program, "-r", "0", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void end(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static bool wait_until(pid_t pid, uint64_t until_ns)
{
	siginfo_t info = { 0 };

	while (now_ns() < until_ns) {
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
			return true;
		(void)poll(NULL, 0, 5);
	}
	return false;
}

/* One line: how it ended, steps, killed, told, longest standstill, milliseconds, the guard's share of a CPU in ppm. */
static int run_trace(const char *mode, unsigned seed, uint64_t limit)
{
	bool machine = strcmp(mode, "machine") == 0 || strncmp(mode, "earlyoom=", 9) == 0;
	bool guarded = strncmp(mode, "guard", 5) == 0;
	char state_path[] = "/tmp/survive-XXXXXX";
	struct guard_run guard = { 0 };
	struct state state = { 0 };
	struct place place;
	pid_t weight = -1, watcher = -1, agent;
	int status = 0, fd = mkstemp(state_path);

	if (fd < 0 || place_make(&place, "survive") < 0)
		return 1;
	(void)close(fd);
	if (strcmp(mode, "none") == 0 && limit_set(&place, limit) < 0)
		return 1;
	if (machine && (weight = ballast(limit)) < 0) {
		(void)fprintf(stderr, "survive: can't take the machine's memory: run this in the microVM\n");
		place_remove(&place);
		return 1;
	}
	if (mode[0] == 'e')
		watcher = start_program(mode + 9);
	uint64_t begin = now_ns(), until = begin + RUN_NS;
	agent = agent_start(&place, state_path, seed);
	if (guarded &&
	    guard_run(&place, limit, POLICY, strcmp(mode, "guard-tools") == 0, agent, NULL, until, &guard) < 0)
		return 1;
	bool over = wait_until(agent, until);
	uint64_t took = now_ns() - begin;
	if (!over)
		(void)kill(agent, SIGKILL);
	(void)waitpid(agent, &status, 0);
	bool read = state_read(state_path, &state);
	(void)printf("%s %u %s %u %u %u %u %llu %llu", mode[0] == 'e' ? "earlyoom" : mode, seed,
		     !over		   ? "hung"
		     : WIFSIGNALED(status) ? "killed"
		     : status		   ? "failed"
		     : read		   ? "intact"
					   : "no-state",
		     state.step, state.killed, state.told, state.longest_ms, (unsigned long long)(took / 1000000),
		     (unsigned long long)(guard.cpu_ns * 1000 / (took / 1000)));
	for (unsigned i = 0; guarded && i < GUARD_RUNG_MAX; i++)
		(void)printf(" %s=%u", guard_rung_name(i), guard.did[i]);
	(void)printf("\n");
	(void)fflush(stdout);
	end(watcher);
	end(weight);
	place_remove(&place);
	(void)unlink(state_path);
	return 0;
}

/* Each trace in a process of its own: what the guard's loop sets for itself ends with it. */
static int run_traces(const char *mode, unsigned traces, uint64_t limit)
{
	int status, worst = 0;

	for (unsigned seed = 1; seed <= traces; seed++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(run_trace(mode, seed, limit));
		(void)waitpid(pid, &status, 0);
		worst |= status;
	}
	return worst ? 1 : 0;
}

/* --- reaction ---------------------------------------------------------------------------------------------------- */

struct shared {
	volatile bool go, stop;
	volatile uint64_t cross; /* bytes of its own at which the level is crossed */
	volatile uint64_t crossed_ns;
};

/*
 * Grows as fast as it can, and says when it crossed the level of the brake. It has a real-time priority, below the
 * guard's: else what is measured on a busy machine is how long it waits itself between the two.
 */
static _Noreturn void burst(struct shared *s, uint64_t most)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	char *p = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(98);
	(void)sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
	while (!s->go)
		(void)poll(NULL, 0, 1);
	/* At no fixed phase of the guard's looks. */
	(void)poll(NULL, 0, 1);
	(void)usleep((unsigned)(now_ns() / 1000 % 10000));
	for (uint64_t done = 0; done < most; done += 65536) {
		if (done >= s->cross && !s->crossed_ns)
			s->crossed_ns = now_ns();
		memset(p + done, 1, 65536);
	}
	for (;;)
		(void)poll(NULL, 0, -1);
}

static int react_once(bool late)
{
	const uint64_t limit = 256 * MIB;
	struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct guard_run guard = { 0 };
	struct place place;
	int status;

	int made = s == MAP_FAILED ? -ENOMEM : place_make(&place, "react");
	if (made < 0) {
		(void)fprintf(stderr, "survive: can't make a place: %s\n", strerror(-made));
		return 1;
	}
	/* An agent that sleeps, its child that bursts, and a hand on the switch. */
	pid_t agent = fork();
	if (agent == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (place_enter(&place) < 0)
			_exit(99);
		if (fork() == 0)
			burst(s, limit * 2);
		for (;;)
			(void)poll(NULL, 0, -1);
	}
	pid_t hand = fork();
	if (hand == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)poll(NULL, 0, 60);
		/* What is there already, and a page of tables for 512. */
		s->cross = (limit * 9 / 10 - usage(&place)) / 513 * 512;
		s->go = true;
		for (uint64_t until = now_ns() + 5000000000; !s->crossed_ns && now_ns() < until;)
			(void)poll(NULL, 0, 1);
		(void)poll(NULL, 0, 100);
		s->stop = true;
		_exit(0);
	}
	/* By the level alone: a forecast would be there before. No reserve, and on v1 a pause, so that nobody is
	 * killed. */
	int r = guard_run(&place, limit, "brake=10%,freeze=1%", !late, agent, &s->stop, now_ns() + RUN_NS, &guard);
	(void)kill(hand, SIGKILL);
	(void)waitpid(hand, &status, 0);
	end(agent);
	place_remove(&place);
	if (r < 0 || !s->crossed_ns || !guard.brake_ns) {
		(void)printf("missed\n");
		(void)fflush(stdout);
		return 1;
	}
	(void)printf("%lld\n", (long long)(guard.brake_ns - s->crossed_ns) / 1000);
	(void)fflush(stdout);
	(void)munmap(s, 4096);
	return 0;
}

int main(int argc, char **argv)
{
	const char *missing;
	int worst = 0;

	if (argc == 4 && strcmp(argv[1], "agent") == 0)
		return agent_run("/proc/self/exe", argv[2], (unsigned)strtoul(argv[3], NULL, 10));
	if (argc == 6 && strcmp(argv[1], "tool") == 0)
		return tool_run((unsigned)strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
				strtoull(argv[4], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10));
	missing = place_missing();
	if (missing) {
		(void)fprintf(stderr, "survive: %s\n", missing);
		return 2;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	if (argc >= 4 && strcmp(argv[1], "run") == 0)
		return run_traces(argv[2], (unsigned)strtoul(argv[3], NULL, 10),
				  (argc > 4 ? strtoull(argv[4], NULL, 10) : 448) * MIB);
	if (argc >= 3 && strcmp(argv[1], "react") == 0) {
		for (unsigned long i = 0; i < strtoul(argv[2], NULL, 10); i++) {
			int status;
			pid_t pid = fork();

			if (pid == 0)
				_exit(react_once(argc > 3));
			(void)waitpid(pid, &status, 0);
			if (status != 0)
				(void)fprintf(stderr, "survive: burst %lu ended with %#x\n", i, (unsigned)status);
			worst |= status;
		}
		return worst ? 1 : 0;
	}
	(void)fprintf(stderr, "usage: survive run MODE TRACES [LIMIT_MIB] | survive react TIMES [--late]\n");
	return 2;
}
