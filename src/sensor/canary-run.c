/* SPDX-License-Identifier: Apache-2.0 */
/* Sends the canary out and has its frames judged. See canary.h. */
#include "sensor/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "sensor/backend.h"
#include "sensor/system.h"

#define LIMIT_NS (5 * CLOCK_SECOND_NS)
#define LOOK_MS 1
/* A frame of the canary may be lost to what the machine does at that moment. Not twice. */
#define ATTEMPTS 2

struct canary_run {
	struct sensor *sensor;
	struct canary_scratch scratch;
	struct canary_board *board;
	struct canary_judge judge;
	int pid_fd;
	uint32_t pid;
	int gate; /* our end: the canary waits until it is closed or written to */
	struct err no_canary; /* code 0: there is one. No place for it, or no process: then nothing can be tried */
};

/* The child is born in the scratch cgroup: moving it there would take as long as all the rest. */
static int spawn(struct canary_run *c, bool in_cgroup)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | (in_cgroup ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)&c->pid_fd,
		.cgroup = in_cgroup ? (uint64_t)c->scratch.cgroup_fd : 0,
	};
	int gate[2];
	long pid;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		(void)close(gate[1]);
		canary_acts(&c->scratch, c->board, gate[0]);
	}
	int code = errno;
	(void)close(gate[0]);
	if (pid < 0) {
		(void)close(gate[1]);
		return -code;
	}
	c->pid = (uint32_t)pid;
	c->gate = gate[1];
	return 0;
}

static int start(struct canary_run *c, struct err *err)
{
	const char *cgroup = NULL;
	int r;

	if (*c->scratch.cgroup) {
		r = spawn(c, true);
		if (r < 0)
			c->scratch.cgroup_failed = -r;
		else
			cgroup = c->scratch.cgroup;
	}
	if (!cgroup) {
		*c->scratch.cgroup = '\0';
		r = spawn(c, false);
		if (r < 0) {
			(void)err_errno(&c->no_canary, -r, "no canary can be started");
			return 0;
		}
	}
	return sensor_follow(c->sensor, cgroup, cgroup ? NULL : &c->pid, cgroup ? 0 : 1, err);
}

/* Reads while the canary lives, since a lane may be smaller than what it makes. */
static int watch(struct canary_run *c)
{
	struct pollfd fd = { .fd = c->pid_fd, .events = POLLIN };
	int64_t until = (int64_t)clock_boottime_ns() + LIMIT_NS;
	int ended = 0, r = 0;

	while (!ended && r >= 0 && (int64_t)clock_boottime_ns() < until) {
		ended = poll(&fd, 1, LOOK_MS) > 0;
		r = sensor_poll(c->sensor, 0, canary_frame, &c->judge, NULL);
	}
	return r < 0 ? r : 0;
}

static void end(struct canary_run *c)
{
	close_fd(&c->gate);
	if (c->pid_fd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, c->pid_fd, SIGKILL, NULL, 0);
	(void)waitid(P_PIDFD, (id_t)c->pid_fd, NULL, WEXITED | __WALL);
	(void)close(c->pid_fd);
	c->pid_fd = -1;
}

/* What the canary could not tell since there was no room is no silence of a hook. */
static void excuse(struct canary_run *c)
{
	struct ledger ledger;

	if (sensor_ledger(c->sensor, &ledger) < 0 || ledger_lost(&ledger) == 0)
		return;
	for (size_t i = 0; i < c->judge.rows_n; i++) {
		struct sensor_canary *row = &c->judge.rows[i];

		if (row->answer != SENSOR_SILENT)
			continue;
		row->answer = SENSOR_UNTRIED;
		(void)snprintf(row->why, sizeof(row->why), "the lane was full");
	}
}

static int sing(struct canary_run *c, struct err *err)
{
	const struct sensor_hook *hooks;
	size_t n = c->sensor->backend->hooks(c->sensor->self, &hooks);
	int r;

	memset(c->board, 0, sizeof(*c->board));
	canary_begin(&c->judge, hooks, n, c->board);
	c->pid_fd = c->gate = -1;
	r = start(c, err);
	if (r >= 0 && !c->no_canary.code) {
		(void)!write(c->gate, "", 1);
		r = watch(c);
		if (r < 0)
			(void)err_errno(err, -r, "can't read what the canary did");
	}
	end(c);
	/* It told of its own end before it was reaped. */
	if (r >= 0 && sensor_poll(c->sensor, 0, canary_frame, &c->judge, NULL) < 0)
		r = err_set(err, EIO, "can't read what the canary did");
	if (r >= 0 && canary_end(&c->judge) > 0)
		excuse(c);
	int forgotten = c->sensor->backend->forget(c->sensor->self);
	if (r >= 0 && forgotten < 0)
		r = err_errno(err, -forgotten, "can't clear away what the canary left");
	return r < 0 ? r : 0;
}

static size_t count(const struct canary_judge *j, const char *hook, enum sensor_answer answer)
{
	size_t n = 0;

	for (size_t i = 0; i < j->rows_n; i++)
		n += j->rows[i].answer == answer && (!hook || !strcmp(j->rows[i].hook, hook));
	return n;
}

static int keep(struct sensor *s, const struct canary_judge *j, struct err *err)
{
	const struct sensor_hook *hooks;
	size_t n = s->backend->hooks(s->self, &hooks);
	struct sensor_tested *t = calloc(1, sizeof(*t));

	if (t)
		t->hooks = calloc(n ? n : 1, sizeof(*t->hooks));
	if (!t || !t->hooks) {
		free(t);
		return err_set(err, ENOMEM, "out of memory");
	}
	memcpy(t->hooks, hooks, n * sizeof(*hooks));
	t->hooks_n = n;
	memcpy(t->rows, j->rows, sizeof(t->rows));
	t->rows_n = j->rows_n;
	canary_mark(j, t->hooks, n);
	if (s->tested)
		free(s->tested->hooks);
	free(s->tested);
	s->tested = t;
	for (size_t i = 0; i < n; i++) {
		const struct sensor_hook *h = &t->hooks[i];

		if (h->required && h->silent && !count(j, h->name, SENSOR_ANSWERED))
			return err_set(err, EIO, "%s is attached, but answers nothing that was tried", h->name);
	}
	return 0;
}

static int try(struct canary_run *c, const char *cgroup2_mount, struct err *err)
{
	int r = 0;

	if (canary_scratch_make(cgroup2_mount, &c->scratch, &c->no_canary) < 0) {
		const struct sensor_hook *hooks;
		size_t n = c->sensor->backend->hooks(c->sensor->self, &hooks);

		canary_begin(&c->judge, hooks, n, c->board);
		(void)canary_end(&c->judge);
	}
	for (unsigned i = 0; r >= 0 && !c->no_canary.code && i < ATTEMPTS; i++) {
		r = sing(c, err);
		if (!count(&c->judge, NULL, SENSOR_SILENT))
			break;
	}
	/* No reason to refuse a session: nothing is known to be silent. */
	for (size_t i = 0; c->no_canary.code && i < c->judge.rows_n; i++)
		(void)snprintf(c->judge.rows[i].why, sizeof(c->judge.rows[i].why), "%.95s", c->no_canary.text);
	return r;
}

int sensor_canaries(struct sensor *s, struct err *err)
{
	struct canary_run c = { .sensor = s, .pid_fd = -1, .gate = -1 };
	char mount[128];
	int r;

	if (!s->backend->forget)
		return 0;
	c.board = mmap(NULL, sizeof(*c.board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.board == MAP_FAILED)
		return err_errno(err, errno, "can't start the canary");
	r = try(&c, system_cgroup2_mount(mount, sizeof(mount)) ? mount : NULL, err);
	canary_scratch_remove(&c.scratch);
	(void)munmap(c.board, sizeof(*c.board));
	return r < 0 ? r : keep(s, &c.judge, err);
}
