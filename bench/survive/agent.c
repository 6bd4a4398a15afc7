/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent as AgentCgroup (arXiv 2602.09345) saw them: some 185 MB of its own, and tool calls of which most are small,
 * and some burst to hundreds of MB within a second or less. Half of the large ones do it in one process, half in
 * workers of which each is smaller than the agent, as test runners and builds do.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "survive.h"

#define OWN_BYTES (185 * MIB)
#define TICK_MS 10

static const struct kind {
	const char *name;
	unsigned weight, mib_least, mib_most, workers;
} kinds[] = {
	{ "git", 3, 8, 20, 1 },	      { "read", 2, 2, 8, 1 },	       { "install", 2, 100, 280, 1 },
	{ "pytest", 2, 120, 700, 1 }, { "pytest -n", 2, 150, 900, 6 },
};

static void write_state(const char *path, const struct state *s)
{
	char part[512], text[128];
	int fd, n = snprintf(text, sizeof(text), "%u %u %u %u end\n", s->step, s->killed, s->told, s->longest_ms);

	(void)snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)n) != n || close(fd) < 0 || rename(part, path) < 0)
		_exit(3);
}

bool state_read(const char *path, struct state *ret)
{
	FILE *f = fopen(path, "re");
	bool good = f && fscanf(f, "%u %u %u %u end", &ret->step, &ret->killed, &ret->told, &ret->longest_ms) == 4;

	if (f)
		(void)fclose(f);
	return good;
}

int tool_run(unsigned workers, uint64_t bytes, uint64_t rate, unsigned stay_ms)
{
	int status, worst = 0;

	for (unsigned i = 1; i < workers; i++)
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(hog(bytes, rate) < 0 ? 1 : (poll(NULL, 0, (int)stay_ms), 0));
		}
	if (hog(bytes, rate) < 0)
		return 1;
	(void)poll(NULL, 0, (int)stay_ms);
	while (wait(&status) > 0)
		worst |= status;
	/* A worker that was killed fails the whole call. */
	return worst ? 137 : 0;
}

static pid_t tool_start(const char *self, unsigned *seed, bool must_burst, int *ret_stderr)
{
	unsigned sum = 0, pick;
	const struct kind *k = kinds;
	char workers[16], bytes[32], rate[32], stay[16];
	int ends[2];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		sum += kinds[i].weight;
	pick = (unsigned)rand_r(seed) % sum;
	if (must_burst)
		pick = sum - 1 - pick % 4;
	for (; pick >= k->weight; k++)
		pick -= k->weight;
	uint64_t mib = k->mib_least + (unsigned)rand_r(seed) % (k->mib_most - k->mib_least + 1);
	/* 0.3 to 3 GB a second, over all of its workers. */
	uint64_t per_second = (300 + (unsigned)rand_r(seed) % 2700) * MIB / k->workers;
	(void)snprintf(workers, sizeof(workers), "%u", k->workers);
	(void)snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)(mib * MIB / k->workers));
	(void)snprintf(rate, sizeof(rate), "%llu", (unsigned long long)per_second);
	(void)snprintf(stay, sizeof(stay), "%u", 100 + (unsigned)rand_r(seed) % 400);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], 2);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl(self, k->name, "tool", workers, bytes, rate, stay, (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*ret_stderr = ends[0];
	return pid;
}

/* A tick of the agent's own work: it needs a little memory itself. */
static void think(char *own, uint64_t tick)
{
	char *scratch = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (scratch == MAP_FAILED)
		_exit(4);
	memset(scratch, 2, MIB);
	own[tick * 4096 % OWN_BYTES]++;
	(void)munmap(scratch, MIB);
}

static bool told_why(int fd)
{
	char text[4096];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "heddle: killed");
}

int agent_run(const char *self, const char *state_path, unsigned seed)
{
	char *own = mmap(NULL, OWN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct state s = { 0 };
	uint64_t tick = 0;

	if (own == MAP_FAILED)
		return 5;
	memset(own, 1, OWN_BYTES);
	write_state(state_path, &s);
	for (s.step = 0; s.step < STEPS;) {
		int out = -1, status;
		pid_t pid = tool_start(self, &seed, s.step == STEPS / 2, &out);

		if (pid < 0)
			return 6;
		for (uint64_t then = now_ns(); waitpid(pid, &status, WNOHANG) == 0; tick++) {
			(void)poll(NULL, 0, TICK_MS);
			think(own, tick);
			unsigned ms = (unsigned)((now_ns() - then) / 1000000);
			s.longest_ms = ms > s.longest_ms ? ms : s.longest_ms;
			then = now_ns();
			if (tick % 5 == 0)
				write_state(state_path, &s);
		}
		if (status != 0) {
			s.killed++;
			s.told += told_why(out);
		}
		(void)close(out);
		s.step++;
		write_state(state_path, &s);
	}
	return 0;
}
