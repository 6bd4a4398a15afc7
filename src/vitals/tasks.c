/* SPDX-License-Identifier: Apache-2.0 */
/* See tasks.h. */
#include "vitals/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "vitals/process-files.h"
#include "vitals/walk.h"

#define TEXT_MAX 8192

struct counting {
	const char *proc;
	struct vitals_tasks tasks;
};

static char state_of(const char *proc, uint32_t id)
{
	char text[PROC_STAT_MAX];
	struct process_stat stat;
	size_t length = proc_read(proc, id, "stat", text, sizeof(text));

	return process_files_stat(text, length, &stat) < 0 ? '\0' : stat.state;
}

/* Zombies are in no cgroup's files: they are found as children of those that are. */
static void count_zombies(struct counting *c, uint32_t id)
{
	char name[40], text[TEXT_MAX], *save = NULL;

	(void)snprintf(name, sizeof(name), "task/%" PRIu32 "/children", id);
	if (proc_read(c->proc, id, name, text, sizeof(text)) == 0)
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
