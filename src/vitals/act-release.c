/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that lets go. It sleeps until the guard ends; if that did not say that nothing is held, it thaws, takes
 * the brakes off, ends the pause and what hooks have left. Where there is no memory controller to slow a child with, it
 * also stops it and lets it go in turns, so that nobody stays stopped whichever of the two dies.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "vitals/act-internal.h"

/* A fifth of the time is left to it. */
#define GO_MS 5
#define STOP_MS 20

struct order {
	char what;
	char tool[TOOL_NAME_MAX];
};

struct keeper {
	int cgroup, agent, memory, socket;
	const char *cgroup_path, *memory_path;
	bool v1, all_frozen;
	char pulsed[TOOLS_MAX][TOOL_NAME_MAX];
	size_t pulsed_n;
};

static void freeze_tool(const struct keeper *k, const char *tool, bool on)
{
	char path[TOOL_NAME_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/cgroup.freeze", tool);
	(void)file_write(k->cgroup, path, on ? "1" : "0");
}

static void release_memory(int directory, bool v1)
{
	if (v1) {
		(void)file_write(directory, "memory.limit_in_bytes", "-1");
		(void)file_write(directory, "memory.oom_control", "0");
	} else {
		(void)file_write(directory, "memory.high", "max");
	}
}

static void each_tool(int directory, void (*fn)(int tool, const struct keeper *k), const struct keeper *k)
{
	int copy = directory < 0 ? -1 : directory_open(directory, ".");
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	for (struct dirent *entry; d && (entry = readdir(d));) {
		int fd = strncmp(entry->d_name, TOOL_PREFIX, strlen(TOOL_PREFIX)) == 0
			     ? directory_open(directory, entry->d_name)
			     : -1;
		if (fd < 0)
			continue;
		fn(fd, k);
		(void)close(fd);
	}
	if (d)
		(void)closedir(d);
}

static void let_run(int tool, const struct keeper *k)
{
	(void)file_write(tool, "cgroup.freeze", "0");
	if (!k->v1)
		release_memory(tool, false);
}

static void let_grow(int tool, const struct keeper *k)
{
	release_memory(tool, true);
}

static void release_all(const struct keeper *k)
{
	if (k->v1) {
		each_tool(k->memory, let_grow, k);
		(void)file_write(k->memory, "memory.oom_control", "0");
	} else {
		(void)file_write(k->memory, "memory.high", "max");
	}
	if (k->all_frozen)
		(void)file_write(k->agent >= 0 ? k->agent : k->cgroup, "cgroup.freeze", "0");
	each_tool(k->cgroup, let_run, k);
	rooms_kill(k->cgroup_path, k->memory_path);
}

static void steady(struct keeper *k, const char *tool)
{
	for (size_t i = 0; i < k->pulsed_n; i++)
		if (strcmp(k->pulsed[i], tool) == 0) {
			memcpy(k->pulsed[i], k->pulsed[--k->pulsed_n], TOOL_NAME_MAX);
			freeze_tool(k, tool, false);
			return;
		}
}

static void obey(struct keeper *k, const struct order *o)
{
	if (o->what == RELEASE_ALL_FROZEN || o->what == RELEASE_ALL_THAWED) {
		k->all_frozen = o->what == RELEASE_ALL_FROZEN;
	} else if (o->what == RELEASE_STEADY) {
		steady(k, o->tool);
	} else if (o->what == RELEASE_PULSE) {
		steady(k, o->tool);
		if (k->pulsed_n < TOOLS_MAX)
			memcpy(k->pulsed[k->pulsed_n++], o->tool, TOOL_NAME_MAX);
	}
}

static void pulse(const struct keeper *k, bool stop)
{
	for (size_t i = 0; i < k->pulsed_n; i++)
		freeze_tool(k, k->pulsed[i], stop);
}

static void close_all_but(int a, int b, int c, int d)
{
	int keep[] = { a, b, c, d };

	for (int fd = 0; fd < 4096; fd++) {
		bool kept = false;

		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			kept |= keep[i] == fd;
		if (!kept)
			(void)close(fd);
	}
	(void)syscall(SYS_close_range, 4096, ~0U, 0);
}

static _Noreturn void keep(struct keeper *k)
{
	struct pollfd in = { .fd = k->socket, .events = POLLIN };
	struct order o;
	bool stopped = false;
	ssize_t n = 1;

	(void)prctl(PR_SET_NAME, "heddle-release");
	/* The keys of a terminal are for the workload. */
	(void)setsid();
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	close_all_but(k->cgroup, k->agent, k->memory, k->socket);
	while (n > 0) {
		int ready = poll(&in, 1, k->pulsed_n == 0 ? -1 : stopped ? STOP_MS : GO_MS);

		if (ready == 0) {
			stopped = !stopped;
			pulse(k, stopped);
		} else if (ready > 0) {
			n = recv(k->socket, &o, sizeof(o), 0);
			if (n == (ssize_t)sizeof(o) && o.what == RELEASE_QUIT)
				_exit(0);
			if (n == (ssize_t)sizeof(o))
				obey(k, &o);
			n = n < 0 && errno == EINTR ? 1 : n;
		}
	}
	release_all(k);
	_exit(0);
}

static void forget(struct act *a)
{
	if (a->release < 0)
		return;
	(void)close(a->release);
	a->release = -1;
	while (waitpid(a->release_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int start(struct act *a)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	a->release_pid = fork();
	if (a->release_pid == 0) {
		struct keeper k = { .cgroup = a->cgroup,
				    .agent = a->agent,
				    .memory = a->memory,
				    .socket = pair[1],
				    .cgroup_path = a->o.cgroup,
				    .memory_path = a->o.memory,
				    .v1 = a->o.memory_v1,
				    .all_frozen = a->all_frozen };
		keep(&k);
	}
	(void)close(pair[1]);
	if (a->release_pid < 0) {
		(void)close(pair[0]);
		return -EAGAIN;
	}
	a->release = pair[0];
	for (size_t i = 0; i < a->tools_n; i++)
		if (a->tools[i].pulsed) {
			struct order o = { .what = RELEASE_PULSE };

			memcpy(o.tool, a->tools[i].name, sizeof(o.tool));
			(void)send(a->release, &o, sizeof(o), MSG_NOSIGNAL);
		}
	return 0;
}

/* One that was killed is replaced. */
int release_tell(struct act *a, enum release_order order, const char *tool)
{
	struct order o = { .what = (char)order };

	if (tool)
		memcpy(o.tool, tool, MIN(strlen(tool), sizeof(o.tool) - 1));
	for (int i = 0; i < 2; i++) {
		int r = a->release < 0 ? start(a) : 0;

		if (r < 0)
			return r;
		if (send(a->release, &o, sizeof(o), MSG_NOSIGNAL) == (ssize_t)sizeof(o))
			return 0;
		forget(a);
	}
	return -EPIPE;
}

void release_close(struct act *a)
{
	struct order o = { .what = RELEASE_QUIT };

	if (a->release >= 0)
		(void)send(a->release, &o, sizeof(o), MSG_NOSIGNAL);
	forget(a);
}
