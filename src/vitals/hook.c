/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command of the user's, run by /bin/sh when a rung is taken. It has a cgroup of its own beside the session's, not
 * below it, so that it has memory when the workload has none, and so that all it starts can be ended at once: one that
 * hangs, or forks without end, is killed whole at its deadline. It may have as much memory as the reserve is, and
 * little more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "vitals/act-internal.h"

#define LEAST_BYTES (UINT64_C(32) << 20)
#define PROCESSES "512"
#define ROOMS_MAX 64 /* names; far more than there are at a time */

static char *room_path(const char *beside, unsigned number)
{
	char *path = NULL;

	return asprintf(&path, "%s.hook-%u", beside, number) < 0 ? NULL : path;
}

static int room_open(const char *beside, unsigned number, char **ret_path)
{
	char *path = room_path(beside, number);
	int fd;

	if (!path)
		return -ENOMEM;
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		fd = -errno;
		free(path);
		return fd;
	}
	fd = directory_open(AT_FDCWD, path);
	/* Another session's sweep leaves alone what is locked. */
	if (fd >= 0)
		(void)flock(fd, LOCK_SH | LOCK_NB);
	*ret_path = path;
	return fd;
}

static int room_make(struct act *a, struct room *r)
{
	uint64_t most = MAX(a->reserve, LEAST_BYTES);

	*r = (struct room){ .cgroup = -1, .memory = -1 };
	if (a->cgroup >= 0) {
		r->cgroup = room_open(a->o.cgroup, a->next_room, &r->cgroup_path);
		if (r->cgroup < 0)
			return r->cgroup;
		(void)file_write_u64(r->cgroup, "memory.max", most);
		(void)file_write(r->cgroup, "pids.max", PROCESSES);
	}
	if (a->memory >= 0 && a->o.memory_v1) {
		r->memory = room_open(a->o.memory, a->next_room, &r->memory_path);
		if (r->memory < 0)
			return r->memory;
		(void)file_write_u64(r->memory, "memory.limit_in_bytes", most);
		(void)file_write(r->memory, "memory.oom_control", "0");
	}
	a->next_room = (a->next_room + 1) % ROOMS_MAX;
	return r->cgroup < 0 && r->memory < 0 ? -EOPNOTSUPP : 0;
}

void room_kill(const struct room *r)
{
	if (r->cgroup >= 0 && file_write(r->cgroup, "cgroup.kill", "1") == 0)
		return;
	if (r->cgroup < 0 && r->memory < 0)
		return;
	/* Frozen they fork no more. */
	(void)file_write(r->cgroup, "cgroup.freeze", "1");
	for (int i = 0; i < 4; i++)
		procs_kill(r->cgroup >= 0 ? r->cgroup : r->memory);
}

void rooms_kill(const char *cgroup, const char *memory)
{
	for (unsigned i = 0; i < ROOMS_MAX; i++) {
		const char *beside = cgroup ?: memory;
		_cleanup_free_ char *path = room_path(beside, i);
		_cleanup_close_ int fd = path ? directory_open(AT_FDCWD, path) : -1;
		const struct room room = { .cgroup = cgroup ? fd : -1, .memory = cgroup ? -1 : fd };

		if (fd >= 0)
			room_kill(&room);
	}
}

static bool remove_one(int *fd, char **path)
{
	if (!*path)
		return true;
	if (rmdir(*path) < 0 && errno != ENOENT)
		return false;
	close_fd(fd);
	*fd = -1;
	free(TAKE_PTR(*path));
	return true;
}

bool room_remove(struct room *r)
{
	bool first = remove_one(&r->cgroup, &r->cgroup_path);

	return remove_one(&r->memory, &r->memory_path) && first;
}

static void set(const char *name, const char *value)
{
	(void)setenv(name, value, 1);
}

static void set_u64(const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	set(name, text);
}

static _Noreturn void run(const struct act *a, const struct room *r, const struct guard_action *action,
			  const char *command, const char *saved)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int q = r->cgroup < 0 ? 0 : file_write(r->cgroup, "cgroup.procs", "0");
	int p = r->memory < 0 ? 0 : file_write(r->memory, "cgroup.procs", "0");

	/* Outside its cgroup it could not be ended. */
	if (q < 0 || p < 0 || null < 0)
		_exit(126);
	set("HEDDLE_RUNG", guard_rung_name(action->rung));
	set("HEDDLE_UNDO", action->undo ? "1" : "");
	set("HEDDLE_WHY", action->why);
	set("HEDDLE_COMMAND", action->command);
	set("HEDDLE_SESSION", a->o.session ?: "");
	set("HEDDLE_SAVED", saved ?: "");
	set("HEDDLE_CGROUP", a->o.cgroup ?: a->o.memory);
	set_u64("HEDDLE_PID", action->pid);
	if (a->o.limit != VITALS_UNKNOWN)
		set_u64("HEDDLE_LIMIT", a->o.limit);
	if (a->directory >= 0)
		(void)!fchdir(a->directory);
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null, fd);
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGTTOU, SIG_DFL);
	(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

int hook_start(struct act *a, unsigned task, const char *command, const char *saved, int64_t deadline_ns)
{
	struct room room;
	unsigned job = 0;
	bool child = false;
	int r = room_make(a, &room);

	if (r >= 0)
		r = job_fork(a, task, JOB_HOOK, deadline_ns, &job, &child);
	if (r >= 0 && child)
		run(a, &room, &a->tasks[task].action, command, saved);
	if (r < 0) {
		(void)room_remove(&room);
		return r;
	}
	a->jobs[job].room = room;
	return 0;
}
