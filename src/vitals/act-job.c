/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes time is done by child processes, each with a deadline: a task is an action, a job one of its processes.
 * They die with us.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "vitals/act-internal.h"

#define ROOM_PATIENCE_NS (5 * CLOCK_SECOND_NS) /* for a killed hook's cgroup to become empty */
#define ROOM_LOOK_NS (10 * INT64_C(1000000))

int job_task(struct act *a, const struct guard_action *action)
{
	for (unsigned i = 0; i < TASKS_MAX; i++)
		if (!a->tasks[i].used) {
			a->tasks[i] = (struct task){ .used = true, .action = *action };
			return (int)i;
		}
	return -EBUSY;
}

static void set_timer(struct act *a)
{
	struct itimerspec when = { 0 };
	uint64_t now = clock_boottime_ns(), next = UINT64_MAX;

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *j = &a->jobs[i];

		if (j->pid)
			next = MIN(next, j->deadline_ns);
		else if (j->room.cgroup_path || j->room.memory_path)
			next = MIN(next, now + ROOM_LOOK_NS);
	}
	if (next != UINT64_MAX) {
		next = MAX(next, now + 1000);
		when.it_value.tv_sec = (time_t)(next / CLOCK_SECOND_NS);
		when.it_value.tv_nsec = (long)(next % CLOCK_SECOND_NS);
	}
	(void)timerfd_settime(a->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void in_the_child(pid_t parent)
{
	sigset_t none;

	(void)prctl(PR_SET_NAME, "heddle-act");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(ESRCH);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTTOU, SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* The keys of a terminal are for the workload. */
	(void)setsid();
}

int job_fork(struct act *a, unsigned task, enum job_kind kind, int64_t deadline_ns, unsigned *ret_job, bool *ret_child)
{
	struct epoll_event event = { .events = EPOLLIN };
	pid_t parent = getpid();
	struct job *j = NULL;

	for (unsigned i = 0; i < JOBS_MAX && !j; i++)
		if (!a->jobs[i].pid && !a->jobs[i].room.cgroup_path && !a->jobs[i].room.memory_path) {
			j = &a->jobs[i];
			*ret_job = i;
		}
	if (!j)
		return -EBUSY;
	*j = (struct job){ .kind = kind,
			   .task = task,
			   .pidfd = -1,
			   .room = { .cgroup = -1, .memory = -1 },
			   .deadline_ns = clock_boottime_ns() + (uint64_t)deadline_ns };
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	*ret_child = pid == 0;
	if (pid == 0) {
		/* Who waits for our end at that socket must not wait for the child's. */
		close_fd(&a->release);
		if (a->o.forked)
			a->o.forked(a->o.context);
		in_the_child(parent);
		return 0;
	}
	j->pid = pid;
	j->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	event.data.fd = j->pidfd;
	if (j->pidfd >= 0)
		(void)epoll_ctl(a->events, EPOLL_CTL_ADD, j->pidfd, &event);
	a->tasks[task].jobs++;
	set_timer(a);
	return 1;
}

/* Exit codes are errno: 0 to 125; a shell's 126 and 127 and what is above say only that it failed. */
static int result_of(const struct job *j, const siginfo_t *info)
{
	if (j->late)
		return -ETIMEDOUT;
	if (info->si_code != CLD_EXITED)
		return -EINTR;
	if (j->kind == JOB_HOOK)
		return info->si_status == 0 ? 0 : -ECHILD;
	return -info->si_status;
}

static void over(struct act *a, struct job *j, int result)
{
	struct task *t = &a->tasks[j->task];

	if (j->pidfd >= 0)
		(void)close(j->pidfd);
	j->pidfd = -1;
	j->pid = 0;
	if (j->kind == JOB_HOOK) {
		/* What it left behind goes with it. */
		room_kill(&j->room);
		j->deadline_ns = clock_boottime_ns() + ROOM_PATIENCE_NS;
	}
	if (j->kind == JOB_LAST_WORD) {
		struct tool *tool = tool_find(a, t->action.pid, t->action.start_ns);

		/* Whether or not the word was heard. */
		result = tool ? tool_kill(tool) : 0;
	}
	if (result < 0 && t->result == 0)
		t->result = result;
	t->jobs--;
}

static void look_at(struct act *a, struct job *j, uint64_t now)
{
	siginfo_t info = { 0 };

	if (!j->pid) {
		if ((j->room.cgroup_path || j->room.memory_path) && !room_remove(&j->room) && now > j->deadline_ns) {
			/* It is left to the next session's sweep. */
			free(TAKE_PTR(j->room.cgroup_path));
			free(TAKE_PTR(j->room.memory_path));
		}
		return;
	}
	if (!j->late && now >= j->deadline_ns) {
		j->late = true;
		room_kill(&j->room);
		(void)kill(j->pid, SIGKILL);
	}
	if (waitid(P_PID, (id_t)j->pid, &info, WEXITED | WNOHANG) < 0)
		over(a, j, -errno);
	else if (info.si_pid == j->pid)
		over(a, j, result_of(j, &info));
	else if (j->late)
		j->deadline_ns = now + ROOM_LOOK_NS;
}

void jobs_look(struct act *a)
{
	uint64_t now = clock_boottime_ns(), ticks;
	bool any = false;

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *j = &a->jobs[i];

		if (!j->pid && !j->room.cgroup_path && !j->room.memory_path)
			continue;
		any = true;
		look_at(a, j, now);
	}
	if (!any)
		return;
	(void)!read(a->timer, &ticks, sizeof(ticks));
	set_timer(a);
}

void jobs_close(struct act *a)
{
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *j = &a->jobs[i];

		if (j->pid) {
			j->late = true;
			room_kill(&j->room);
			(void)kill(j->pid, SIGKILL);
			while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
				;
			over(a, j, -ECANCELED);
		}
		for (int n = 0; (j->room.cgroup_path || j->room.memory_path) && n < 100 && !room_remove(&j->room); n++)
			(void)poll(NULL, 0, 5);
		free(TAKE_PTR(j->room.cgroup_path));
		free(TAKE_PTR(j->room.memory_path));
		close_fd(&j->room.cgroup);
		close_fd(&j->room.memory);
	}
}

bool act_poll(struct act *a, struct guard_action *ret, int *ret_result)
{
	jobs_look(a);
	tools_tidy(a);
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct task *t = &a->tasks[i];

		if (!t->used || t->jobs > 0)
			continue;
		*ret = t->action;
		*ret_result = t->result;
		t->used = false;
		return true;
	}
	return false;
}
