/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes of the workload live. */
#include "cli/living.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "wire/event.h"

struct process {
	uint32_t pid;
	uint64_t start_ns;
};

void living_done(struct living *l)
{
	struct process *p;
	size_t cursor = 0;

	while ((p = map_next(&l->map, &cursor)))
		free(p);
	map_done(&l->map);
	free(l->recent);
	l->recent = NULL;
}

static void add(struct living *l, uint32_t pid, uint64_t start_ns)
{
	struct process *p = map_get(&l->map, pid);

	if (!l->recent)
		l->recent = calloc(LIVING_RECENT, sizeof(*l->recent));
	if (l->recent)
		l->recent[pid % LIVING_RECENT] = (struct living_recent){ .pid = pid, .start_ns = start_ns };
	if (p && p->start_ns == start_ns)
		return;
	l->ever++;
	if (p) {
		p->start_ns = start_ns;
		return;
	}
	p = malloc(sizeof(*p));
	if (!p)
		return;
	*p = (struct process){ .pid = pid, .start_ns = start_ns };
	if (map_put(&l->map, pid, p) < 0)
		free(p);
}

static void forget(struct living *l, uint32_t pid, uint64_t start_ns)
{
	struct process *p = map_get(&l->map, pid);

	if (p && p->start_ns == start_ns)
		free(map_remove(&l->map, pid));
}

void living_frame(struct living *l, const void *frame, size_t size)
{
	struct hd_header h;
	struct hd_fork fork;

	if (size < sizeof(h))
		return;
	memcpy(&h, frame, sizeof(h));
	switch (h.type) {
	case HD_PROCESS_SEED:
		add(l, h.pid, h.start_ns);
		return;
	case HD_PROCESS_EXIT:
		forget(l, h.pid, h.start_ns);
		return;
	case HD_PROCESS_FORK:
		if (size < sizeof(fork))
			return;
		memcpy(&fork, frame, sizeof(fork));
		if (!fork.thread)
			add(l, fork.child_pid, fork.child_start_ns);
		return;
	default:
		return;
	}
}

static uint64_t tick_ns(void)
{
	return (uint64_t)CLOCK_SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK);
}

bool living_start(const struct living *l, uint32_t pid, uint64_t about_ns, uint64_t *ret_ns)
{
	const struct living_recent *r = l->recent ? &l->recent[pid % LIVING_RECENT] : NULL;

	if (!r || r->pid != pid || r->start_ns / tick_ns() != about_ns / tick_ns())
		return false;
	*ret_ns = r->start_ns;
	return true;
}

/* /proc/PID/stat has the state as its third and the start, in clock ticks since boot, as its 22nd field. */
static bool lives(const struct process *p)
{
	char text[PROC_STAT_MAX];
	const char *stat = proc_stat(p->pid, text);
	unsigned long long ticks = 0;
	char state = 0;

	if (!stat || sscanf(stat,
			    " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s"
			    " %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			    &state, &ticks) != 2)
		return false;
	if (state == 'Z' || state == 'X')
		return false;
	uint64_t expected = p->start_ns / tick_ns();
	return ticks >= expected ? ticks - expected <= 1 : expected - ticks <= 1;
}

static size_t visit(struct living *l, int signal)
{
	_cleanup_free_ struct process **dead = calloc(l->map.count + 1, sizeof(*dead));
	size_t dead_n = 0, alive = 0, cursor = 0;
	struct process *p;

	while ((p = map_next(&l->map, &cursor))) {
		_cleanup_close_ int fd = signal ? (int)syscall(SYS_pidfd_open, p->pid, 0) : -1;

		if (lives(p)) {
			alive++;
			if (fd >= 0)
				(void)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
		} else if (dead) {
			dead[dead_n++] = p;
		}
	}
	while (dead_n > 0)
		free(map_remove(&l->map, dead[--dead_n]->pid));
	return alive;
}

size_t living_count(struct living *l)
{
	return visit(l, 0);
}

size_t living_signal(struct living *l, int signal)
{
	return visit(l, signal);
}
