/* SPDX-License-Identifier: Apache-2.0 */
/* Who is of the workload: by its cgroup, or by descent. */
#include "vitals/tree-internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vitals/walk.h"

/* Storage bytes of a process that has not run can't have changed, but ticks are coarse. */
#define IO_EVERY 8

struct tree_process *tree_get(const struct vitals_tree *t, uint32_t pid, uint64_t start)
{
	struct tree_process *p = map_get(&t->processes, pid);

	return p && p->stat.start == start ? p : NULL;
}

struct tree_process *tree_origin(const struct vitals_tree *t, const struct tree_process *p)
{
	return p->origin_start ? tree_get(t, p->origin, p->origin_start) : NULL;
}

static void carry(struct tree_phase *phase, const struct tree_process *p)
{
	phase->carried_read += p->read_bytes;
	phase->carried_write += p->write_bytes;
}

/* A copy that goes leaves its share to the others; the last one, all. */
static void part(const struct tree_process *p, struct tree_process *origin)
{
	if (!p->shares || origin->sharers == 0)
		return;
	origin->stale = true;
	if (--origin->sharers == 0 && !origin->shares)
		tree_process_unshare(origin);
}

/*
 * Whoever waits for a process takes its storage bytes over (the kernel adds them to the parent's). Where the parent is
 * of the same phase nothing is to be done; else they stay with the phase, and the agent must not have them too.
 */
static void bury(struct vitals_tree *t, struct tree_process *p)
{
	struct tree_process *parent = map_get(&t->processes, p->stat.parent), *origin = tree_origin(t, p);
	struct tree_phase *phase = p->phase ? p->phase : &t->agent;

	if (!tree_lives(t, parent) || parent->phase != p->phase)
		carry(phase, p);
	if (tree_lives(t, parent) && parent->phase != p->phase) {
		struct tree_phase *takes = parent->phase ? parent->phase : &t->agent;

		takes->absorbed_read += p->read_bytes;
		takes->absorbed_write += p->write_bytes;
	}
	if (tree_lives(t, origin))
		part(p, origin);
	(void)map_remove(&t->processes, p->pid);
	free(p);
}

static void note_child(struct vitals_tree *t, struct tree_process *p)
{
	struct tree_process *parent = map_get(&t->processes, p->stat.parent);

	/* A number used again is no parent. */
	if (!parent || parent == p || parent->stat.start > p->stat.start)
		return;
	p->origin = parent->pid;
	p->origin_start = parent->stat.start;
	if (parent->children++ == 0) {
		parent->first_child = p->pid;
		parent->first_child_start = p->stat.start;
	}
	if (p->stat.stack && p->stat.stack == parent->stat.stack) {
		p->shares = parent->stale = true;
		parent->sharers++;
	}
}

/* An image of its own: what it shared is gone. */
static void on_exec(struct vitals_tree *t, struct tree_process *p)
{
	struct tree_process *origin = tree_origin(t, p);

	p->execed = true;
	if (origin)
		part(p, origin);
	p->shares = false;
	/* Copies of the old image have that among themselves. */
	p->sharers = 0;
	struct tree_phase *phase = p->phase;
	if (p->pid == t->agent_pid && p->stat.start == t->agent_start)
		phase = &t->agent;
	else if (phase && (phase->out.pid != p->pid || phase->start != p->stat.start))
		phase = NULL;
	if (phase)
		tree_process_command(t->proc, p->pid, p->stat.comm, phase->out.command, sizeof(phase->out.command));
}

/* A process that is of the workload, as read now. */
static int see(struct vitals_tree *t, uint32_t pid, uint64_t group, const struct process_stat *stat)
{
	struct tree_process *p = map_get(&t->processes, pid);
	bool ran = false;

	if (p && p->stat.start != stat->start) {
		p->look = 0;
		bury(t, p);
		p = NULL;
	}
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->pid = pid;
		p->fresh = true;
		p->stat = *stat;
		int r = map_put(&t->processes, pid, p);
		if (r < 0) {
			free(p);
			/* Too many: those that are known are followed on. */
			return r == -ENOSPC ? 0 : r;
		}
	} else {
		bool another = stat->stack != p->stat.stack && stat->stack && p->stat.stack;

		ran = stat->cpu != p->stat.cpu || stat->major_faults != p->stat.major_faults;
		p->fresh = p->execed = false;
		p->stat = *stat;
		if (another)
			on_exec(t, p);
	}
	if (p->fresh || p->execed)
		p->known_agent = tree_process_is_agent(t->proc, pid, p->stat.comm);
	p->group = group;
	p->look = t->look;
	p->ran = p->fresh || p->execed || ran || (t->look + pid) % IO_EVERY == 0;
	if (pid == t->root && t->root_start == 0)
		t->root_start = stat->start;
	return 0;
}

static int on_pid(uint32_t pid, uint64_t id, const char *name, void *context)
{
	struct vitals_tree *t = context;
	struct process_stat stat;
	size_t i = 0;

	if (tree_process_stat(t->proc, pid, &stat) < 0)
		return 0;
	while (id && i < t->groups_n && t->groups[i].id != id)
		i++;
	if (id && i == t->groups_n && i < GROUPS_MAX && strlen(name) < GROUP_NAME_MAX) {
		t->groups[i] = (struct group){ .id = id };
		memcpy(t->groups[i].name, name, strlen(name) + 1);
		t->groups_n++;
	}
	return see(t, pid, id, &stat);
}

/* --- by descent ------------------------------------------------------------------------------------------------ */

struct found {
	uint32_t pid;
	bool member;
	struct process_stat stat;
};

struct scan {
	struct found *found; /* owned */
	size_t n, room;
};

static void scan_done(struct scan *s)
{
	free(s->found);
}

static int scan_all(struct vitals_tree *t, struct scan *s)
{
	_cleanup_closedir_ DIR *d = opendir(t->proc);

	if (!d)
		return -errno;
	for (struct dirent *entry; s->n < WALK_MAX && (entry = readdir(d));) {
		char *end;
		unsigned long pid = strtoul(entry->d_name, &end, 10);

		if (*entry->d_name < '1' || *entry->d_name > '9' || *end || pid > UINT32_MAX)
			continue;
		if (s->n == s->room) {
			size_t room = MAX(s->room * 2, (size_t)256);
			struct found *more = reallocarray(s->found, room, sizeof(*more));

			if (!more)
				return -ENOMEM;
			s->found = more;
			s->room = room;
		}
		s->found[s->n] = (struct found){ .pid = (uint32_t)pid };
		if (tree_process_stat(t->proc, (uint32_t)pid, &s->found[s->n].stat) == 0)
			s->n++;
	}
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* The workload is the root, whatever descends from it, and whatever once did. */
static int look_by_descent(struct vitals_tree *t)
{
	_cleanup_(scan_done) struct scan s = { 0 };
	bool more = true;
	int r = scan_all(t, &s);

	if (r < 0 || s.n == 0)
		return r;
	qsort(s.found, s.n, sizeof(*s.found), by_pid);
	for (size_t i = 0; i < s.n; i++) {
		struct found *f = &s.found[i];

		f->member = tree_get(t, f->pid, f->stat.start) ||
			    (f->pid == t->root && (t->root_start == 0 || t->root_start == f->stat.start));
	}
	/* Numbers mostly grow from parent to child, so that there are few rounds. */
	while (more) {
		more = false;
		for (size_t i = 0; i < s.n; i++) {
			struct found *f = &s.found[i], key = { .pid = f->stat.parent };
			const struct found *parent =
				f->member ? NULL : bsearch(&key, s.found, s.n, sizeof(*s.found), by_pid);

			if (parent && parent->member && parent->stat.start <= f->stat.start)
				f->member = more = true;
		}
	}
	for (size_t i = 0; i < s.n && r >= 0; i++)
		if (s.found[i].member)
			r = see(t, s.found[i].pid, 0, &s.found[i].stat);
	return MIN(r, 0);
}

/* --------------------------------------------------------------------------------------------------------------- */

int tree_collect(struct vitals_tree *t)
{
	size_t cursor = 0;

	t->groups_n = 0;
	int r = t->cgroup >= 0 ? walk_cgroup(t->cgroup, "cgroup.procs", on_pid, t) : look_by_descent(t);

	if (r < 0)
		return r;
	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		if (tree_lives(t, p) && p->fresh)
			note_child(t, p);
	return 0;
}

void tree_bury(struct vitals_tree *t)
{
	uint32_t dead[256];
	size_t n;

	/* Nothing may be removed while the map is walked. */
	do {
		size_t cursor = 0;

		n = 0;
		for (struct tree_process *p; n < ARRAY_SIZE(dead) && (p = map_next(&t->processes, &cursor));)
			if (!tree_lives(t, p))
				dead[n++] = p->pid;
		for (size_t i = 0; i < n; i++)
			bury(t, map_get(&t->processes, dead[i]));
	} while (n == ARRAY_SIZE(dead));
}
