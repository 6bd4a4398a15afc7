/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child of the agent in a cgroup of its own, which can be slowed, stopped and killed without the agent.
 *
 * To slow it: memory.high on v2; on v1 a limit of its own at which the kernel pauses it and nobody else; without a
 * memory controller it is stopped and let go in turns, by the process of act-release.c. Memory that it had before it
 * was moved stays on the old cgroup's account, so a brake counts from what the new one has.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "vitals/act-internal.h"
#include "vitals/process-files.h"

#define ROUNDS_MAX 16
#define FAMILY_MAX 4096
#define ADJUST 500 /* whom the kernel would kill first, should it come to that */

static bool process_read(uint32_t pid, uint64_t *ret_start_ns, uint32_t *ret_parent)
{
	char text[PROC_STAT_MAX];
	struct process_stat stat;
	size_t length = proc_read(NULL, pid, "stat", text, sizeof(text));

	if (process_files_stat(text, length, &stat) < 0)
		return false;
	*ret_start_ns = stat.start * (uint64_t)(CLOCK_SECOND_NS / sysconf(_SC_CLK_TCK));
	*ret_parent = stat.parent;
	return true;
}

bool process_is(uint32_t pid, uint64_t start_ns)
{
	uint64_t tick = (uint64_t)(CLOCK_SECOND_NS / sysconf(_SC_CLK_TCK)), start;
	uint32_t parent;

	return process_read(pid, &start, &parent) &&
	       (start_ns == 0 || (start <= start_ns + tick && start_ns <= start + tick));
}

struct tool *tool_find(struct act *a, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < a->tools_n; i++)
		if (a->tools[i].pid == pid && a->tools[i].start_ns == start_ns)
			return &a->tools[i];
	return NULL;
}

/* --- moving ------------------------------------------------------------------------------------------------------ */

struct family {
	struct act *a;
	struct tool *t;
	uint32_t pids[FAMILY_MAX], parents[FAMILY_MAX];
	bool ours[FAMILY_MAX];
	size_t n;
	uint32_t known[FAMILY_MAX]; /* by the tree: those whose parent has ended, too */
	size_t known_n;
	unsigned moved;
};

static int enter(int directory, uint32_t pid)
{
	return directory < 0 ? 0 : file_write_u64(directory, "cgroup.procs", pid);
}

static int move(struct tool *t, uint32_t pid)
{
	char path[40], text[16];
	/* First the memory: between the two its new pages are on the right account already. */
	int r = enter(t->memory != t->cgroup ? t->memory : -1, pid), q = enter(t->cgroup, pid);

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/oom_score_adj", pid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) > 0 && strtol(text, NULL, 10) < ADJUST)
		(void)file_write_u64(AT_FDCWD, path, ADJUST);
	return r < 0 ? r : q;
}

static int family_add(void *context, uint32_t pid)
{
	struct family *f = context;
	uint64_t start;

	if (f->n == FAMILY_MAX)
		return -ENOSPC;
	f->pids[f->n] = pid;
	f->ours[f->n] = false;
	if (process_read(pid, &start, &f->parents[f->n]))
		f->n++;
	return 0;
}

static int family_add_ours(void *context, uint32_t pid)
{
	struct family *f = context;

	if (f->n == FAMILY_MAX)
		return -ENOSPC;
	f->pids[f->n] = pid;
	f->parents[f->n] = 0;
	f->ours[f->n++] = true;
	return 0;
}

static bool is_ours(const struct family *f, uint32_t pid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->ours[i] && f->pids[i] == pid)
			return true;
	return false;
}

static bool is_known(const struct family *f, uint32_t pid)
{
	for (size_t i = 0; i < f->known_n; i++)
		if (f->known[i] == pid)
			return true;
	return false;
}

/*
 * Whose parent is in the tool's cgroup belongs there, and so on down. Only who is in the session's cgroup now is moved:
 * a pid that the tree remembers may be somebody else's by now. A move may fail since it has just ended.
 */
static int round_of_moves(struct family *f)
{
	int home = f->a->agent >= 0 ? f->a->agent : f->a->cgroup >= 0 ? f->a->cgroup : f->a->memory, r;
	bool again = true;

	f->n = 0;
	r = cgroup_each_id(f->t->cgroup >= 0 ? f->t->cgroup : f->t->memory, "cgroup.procs", family_add_ours, f);
	if (r >= 0)
		r = cgroup_each_id(home, "cgroup.procs", family_add, f);
	f->moved = 0;
	while (r >= 0 && again) {
		again = false;
		for (size_t i = 0; i < f->n; i++) {
			if (f->ours[i] || (!is_ours(f, f->parents[i]) && !is_known(f, f->pids[i])))
				continue;
			f->ours[i] = again = true;
			f->moved += move(f->t, f->pids[i]) == 0;
		}
	}
	return r;
}

static int move_all(struct act *a, struct tool *t)
{
	struct family *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->a = a;
	f->t = t;
	r = process_is(t->pid, t->start_ns) ? move(t, t->pid) : -ESRCH;
	if (r >= 0 && a->o.members)
		f->known_n = a->o.members(a->o.context, t->pid, f->known, FAMILY_MAX);
	for (int i = 0; r >= 0 && i < ROUNDS_MAX; i++) {
		r = round_of_moves(f);
		if (f->moved == 0)
			break;
	}
	free(f);
	return r;
}

/* --- making and removing ----------------------------------------------------------------------------------------- */

static int make_directory(int at, const char *name)
{
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return directory_open(at, name);
}

static void tool_remove(struct act *a, struct tool *t)
{
	if (t->pulsed)
		(void)release_tell(a, RELEASE_STEADY, t->name);
	if (t->memory >= 0 && t->memory != t->cgroup) {
		(void)close(t->memory);
		(void)unlinkat(a->memory, t->name, AT_REMOVEDIR);
	}
	if (t->cgroup >= 0) {
		(void)close(t->cgroup);
		(void)unlinkat(a->cgroup, t->name, AT_REMOVEDIR);
	}
	*t = a->tools[--a->tools_n];
}

static bool populated(const struct tool *t)
{
	return cgroup_populated(t->cgroup >= 0 ? t->cgroup : t->memory);
}

void tools_tidy(struct act *a)
{
	for (size_t i = a->tools_n; i-- > 0;)
		if (!populated(&a->tools[i]))
			tool_remove(a, &a->tools[i]);
}

void tools_close(struct act *a)
{
	for (size_t i = a->tools_n; i-- > 0;) {
		struct tool *t = &a->tools[i];

		(void)tool_unbrake(a, t);
		(void)tool_freeze(a, t, false);
		tool_remove(a, t); /* one that still runs stays: its directory is not empty */
	}
}

static int tool_open(struct act *a, struct tool *t)
{
	(void)snprintf(t->name, sizeof(t->name), TOOL_PREFIX "%u", a->next_tool++);
	t->cgroup = a->cgroup < 0 ? -1 : make_directory(a->cgroup, t->name);
	if (a->cgroup >= 0 && t->cgroup < 0)
		return t->cgroup;
	if (a->memory < 0 || !a->o.memory_v1) {
		t->memory = a->memory < 0 ? -1 : t->cgroup;
		/* Should the kernel kill one of them after all, half a command is of no use. */
		(void)file_write(t->memory, "memory.oom.group", "1");
		return 0;
	}
	t->memory = make_directory(a->memory, t->name);
	return MIN(t->memory, 0);
}

int tool_make(struct act *a, uint32_t pid, uint64_t start_ns, struct tool **ret)
{
	struct tool *t;
	int r;

	if (a->tools_n == TOOLS_MAX)
		tools_tidy(a);
	if (a->tools_n == TOOLS_MAX)
		return -ENOSPC;
	t = &a->tools[a->tools_n++];
	*t = (struct tool){ .pid = pid, .start_ns = start_ns, .cgroup = -1, .memory = -1 };
	r = tool_open(a, t);
	if (r >= 0)
		r = move_all(a, t);
	if (r < 0) {
		tool_remove(a, t);
		return r;
	}
	*ret = t;
	return 0;
}

/* --- holding ----------------------------------------------------------------------------------------------------- */

static int brake_v1(struct tool *t, uint64_t bytes)
{
	int r = file_write(t->memory, "memory.oom_control", "1");

	/* It grows while we read: then what we write is too little already. */
	for (int i = 0; r >= 0 && i < 8; i++) {
		uint64_t used;

		r = file_read_u64(t->memory, "memory.usage_in_bytes", &used);
		if (r >= 0)
			r = file_write_u64(t->memory, "memory.limit_in_bytes", used + bytes + ((uint64_t)i << 20));
		if (r != -EBUSY)
			break;
		r = 0;
	}
	return r;
}

static int brake_v2(struct tool *t, uint64_t bytes)
{
	uint64_t used;
	int r = file_read_u64(t->memory, "memory.current", &used);

	return r < 0 ? r : file_write_u64(t->memory, "memory.high", used + bytes);
}

int tool_brake(struct act *a, struct tool *t, uint64_t bytes)
{
	int r = t->memory < 0 ? -ENOENT : a->o.memory_v1 ? brake_v1(t, bytes) : brake_v2(t, bytes);

	if (r == -ENOENT && t->cgroup >= 0) {
		r = t->frozen ? 0 : release_tell(a, RELEASE_PULSE, t->name);
		t->pulsed = r >= 0;
	}
	t->braked |= r >= 0;
	return r;
}

int tool_unbrake(struct act *a, struct tool *t)
{
	int r = 0;

	if (!t->braked)
		return 0;
	if (t->pulsed)
		r = release_tell(a, RELEASE_STEADY, t->name);
	else if (a->o.memory_v1)
		r = file_write(t->memory, "memory.limit_in_bytes", "-1");
	else
		r = file_write(t->memory, "memory.high", "max");
	if (r < 0 && populated(t))
		return r;
	t->braked = t->pulsed = false;
	return 0;
}

int tool_freeze(struct act *a, struct tool *t, bool on)
{
	int r;

	if (t->cgroup < 0)
		return -EOPNOTSUPP;
	if (!on && !t->frozen)
		return 0;
	if (on && t->pulsed)
		(void)release_tell(a, RELEASE_STEADY, t->name);
	r = file_write(t->cgroup, "cgroup.freeze", on ? "1" : "0");
	if (r == -ENOENT && on)
		return -EOPNOTSUPP;
	if (r >= 0)
		t->frozen = on;
	if (!on && t->pulsed)
		(void)release_tell(a, RELEASE_PULSE, t->name);
	return r;
}

/* Before 5.14, and without v2: by pid, twice, so that what was forked meanwhile is found. Our cgroup holds only theirs.
 */
int tool_kill(struct tool *t)
{
	int r = file_write(t->cgroup, "cgroup.kill", "1");

	for (int i = 0; r == -ENOENT && i < 2; i++)
		procs_kill(t->cgroup >= 0 ? t->cgroup : t->memory);
	return r == -ENOENT ? 0 : r;
}
