/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit, and what is kept back of it.
 *
 * v2: memory.max is what was asked for; memory.high lies below it by the reserve, so that the kernel itself slows who
 * grows there, whatever the guard is about. To borrow is to raise memory.high, so that the agent is slowed no more; who
 * grew has a brake of its own by then. A quarter of the reserve always lies between it and memory.max, where the kernel
 * kills: a second child may burst, too.
 * v1: memory.limit_in_bytes lies below by the reserve, and with memory.oom_control the kernel pauses who reaches it, in
 * place of killing. To borrow is to raise it to what was asked for; that alone lets the paused go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/text.h"
#include "vitals/act-internal.h"

/* Room that must be left when the reserve is taken back: on v2 nobody shall be slowed for that. */
#define MARGIN (UINT64_C(8) << 20)
#define KEPT 4 /* what part of the reserve is never lent on v2 */

static const char *usage_name(const struct act *a)
{
	return a->o.memory_v1 ? "memory.usage_in_bytes" : "memory.current";
}

/* Two guards would undo each other's work. The lock is on a file of the cgroup: its directory has another. */
static int lock(struct act *a, struct err *err)
{
	bool memory = a->memory >= 0;
	const char *path = memory ? a->o.memory : a->o.cgroup;

	a->lock = openat(memory ? a->memory : a->cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (a->lock < 0)
		return err_errno(err, errno, "can't open the cgroup %s", path);
	if (flock(a->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	int code = errno;
	if (code == EWOULDBLOCK)
		return err_set(err, EBUSY, "another guard watches %s: two would undo each other's work", path);
	return err_errno(err, code, "can't lock the cgroup %s", path);
}

/* A limit that the kernel could only keep by killing at once is a mistake. */
static int check_use(const struct act *a, uint64_t in_force, struct err *err)
{
	char asked[TEXT_SIZE_MAX], there[TEXT_SIZE_MAX];
	uint64_t used;
	int r = file_read_u64(a->memory, usage_name(a), &used);

	if (r < 0)
		return err_errno(err, -r, "can't read %s/%s", a->o.memory, usage_name(a));
	if (used < in_force)
		return 0;
	return err_set(err, EINVAL,
		       "a limit of %s is too low: what runs there holds %s already; ask for more, or end some of it",
		       text_size(a->o.limit, asked), text_size(used, there));
}

static int set(const struct act *a, const char *name, uint64_t value, struct err *err)
{
	int r = file_write_u64(a->memory, name, value);

	if (r < 0)
		(void)err_errno(err, -r, "can't write %s/%s", a->o.memory, name);
	return r;
}

static int set_v1(struct act *a, struct err *err)
{
	const bool *on = a->policy.on;
	int r = set(a, "memory.limit_in_bytes", a->o.limit - a->reserve, err);

	if (r < 0)
		return r;
	/* Only where some rung can end a pause: a workload that hangs for ever is no better off than a killed one. */
	if (!on[GUARD_BORROW] && !on[GUARD_FREEZE] && !on[GUARD_KILL] && !on[GUARD_KILL_ALL])
		return 0;
	r = file_write(a->memory, "memory.oom_control", "1");
	if (r < 0)
		return err_errno(err, -r, "can't write %s/memory.oom_control", a->o.memory);
	a->pauses = true;
	a->oom_control = openat(a->memory, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	return a->oom_control < 0 ? err_errno(err, errno, "can't read %s/memory.oom_control", a->o.memory) : 0;
}

static int set_v2(struct act *a, struct err *err)
{
	int r = set(a, "memory.max", a->o.limit, err);

	if (r < 0 || a->reserve == 0)
		return r;
	return set(a, "memory.high", a->o.limit - a->reserve, err);
}

int limit_open(struct act *a, struct err *err)
{
	bool asked = a->o.limit != VITALS_UNKNOWN;
	int r;

	if (a->memory < 0 && a->cgroup < 0)
		return err_set(err, EOPNOTSUPP, "a guard needs a cgroup, and this session has none");
	if (asked && a->memory < 0)
		return err_set(err, EOPNOTSUPP,
			       "a limit can't be enforced: this machine's cgroups have no memory controller");
	r = lock(a, err);
	if (r < 0 || !asked)
		return r;
	a->reserve = guard_policy_reserve(&a->policy, a->o.limit);
	r = check_use(a, a->o.limit - a->reserve, err);
	if (r < 0)
		return r;
	a->limited = true;
	return a->o.memory_v1 ? set_v1(a, err) : set_v2(a, err);
}

/* The limit stays, whole; the kernel does again what it does at a limit. */
void limit_close(struct act *a)
{
	if (!a->limited)
		return;
	if (a->o.memory_v1)
		(void)file_write_u64(a->memory, "memory.limit_in_bytes", a->o.limit);
	else if (a->reserve > 0)
		(void)file_write(a->memory, "memory.high", "max");
	if (a->pauses)
		(void)file_write(a->memory, "memory.oom_control", "0");
}

int limit_borrow(struct act *a, bool undo)
{
	uint64_t used, to = a->o.limit - (undo ? a->reserve : 0);
	int r;

	if (a->reserve == 0 || a->memory < 0)
		return -EOPNOTSUPP;
	r = undo ? file_read_u64(a->memory, usage_name(a), &used) : 0;
	if (r < 0)
		return r;
	/* Somebody still needs it. */
	if (undo && used + MARGIN > to)
		return -EAGAIN;
	if (a->o.memory_v1)
		return file_write_u64(a->memory, "memory.limit_in_bytes", to);
	return file_write_u64(a->memory, "memory.high", undo ? to : to - a->reserve / KEPT);
}

void limit_yield(struct act *a, bool on)
{
	if (a->yielded == on)
		return;
	a->yielded = on;
	if (a->pauses)
		(void)file_write(a->memory, "memory.oom_control", on ? "0" : "1");
	if (on && a->limited)
		(void)limit_borrow(a, false);
}

uint64_t act_reserved(const struct act *a)
{
	if (a->o.memory_v1 || a->memory < 0)
		return 0;
	return a->borrowed ? a->reserve / KEPT : a->reserve;
}

bool act_paused(const struct act *a)
{
	char text[128];
	ssize_t n = a->oom_control < 0 ? 0 : pread(a->oom_control, text, sizeof(text) - 1, 0);

	text[MAX(n, 0)] = '\0';
	return strstr(text, "under_oom 1");
}
