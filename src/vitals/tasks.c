/* SPDX-License-Identifier: Apache-2.0 */
/* See tasks.h. */
#include "vitals/tasks.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "vitals/walk.h"

#define TEXT_MAX 8192

struct counting {
	const char *proc;
	struct vitals_tasks tasks;
};

static size_t read_file(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[MAX(n, 0)] = '\0';
	return (size_t)MAX(n, 0);
}

static char state_of(const char *proc, uint32_t id)
{
	char path[PATH_MAX], text[TEXT_MAX];

	(void)snprintf(path, sizeof(path), "%s/%u/stat", proc, id);
	(void)read_file(path, text, sizeof(text));
	/* The name before it may hold any byte. */
	const char *end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : '\0';
}

/* Zombies are in no cgroup's files: they are found as children of those that are. */
static void count_zombies(struct counting *c, uint32_t id)
{
	char path[PATH_MAX], text[TEXT_MAX], *save = NULL;

	(void)snprintf(path, sizeof(path), "%s/%u/task/%u/children", c->proc, id, id);
	if (read_file(path, text, sizeof(text)) == 0)
		return;
	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		unsigned long child = strtoul(word, NULL, 10);

		if (child > 0 && child <= UINT32_MAX && state_of(c->proc, (uint32_t)child) == 'Z')
			c->tasks.zombie++;
	}
}

static int on_process(uint32_t id, uint64_t group, const char *name, void *context)
{
	struct counting *c = context;

	c->tasks.processes++;
	return 0;
}

static int on_thread(uint32_t id, uint64_t group, const char *name, void *context)
{
	struct counting *c = context;

	switch (state_of(c->proc, id)) {
	case 'R':
		c->tasks.running++;
		break;
	case 'D':
		c->tasks.uninterruptible++;
		break;
	case 'T':
	case 't':
		c->tasks.stopped++;
		break;
	case '\0':
	case 'Z':
	case 'X':
		/* Gone meanwhile. */
		return 0;
	default:
		/* S, and I, P and the like, none of which is a state of a workload's thread for long. */
		c->tasks.sleeping++;
		break;
	}
	c->tasks.threads++;
	count_zombies(c, id);
	return 0;
}

int tasks_count(int cgroup, const char *file, const char *proc, struct vitals_tasks *ret)
{
	struct counting c = { .proc = proc };
	int r = walk_cgroup(cgroup, file, on_thread, &c);

	if (r == 0)
		r = walk_cgroup(cgroup, "cgroup.procs", on_process, &c);
	if (r == 0)
		*ret = c.tasks;
	return r;
}
