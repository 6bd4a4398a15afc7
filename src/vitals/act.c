/* SPDX-License-Identifier: Apache-2.0 */
/* Which hand does which rung: see act.h. */
#include "vitals/act.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "vitals/act-internal.h"

#define RECLAIM_NS (2 * CLOCK_SECOND_NS)
#define AGENT "agent"

/* --- opening ----------------------------------------------------------------------------------------------------- */

static int copy_options(struct act *a, const struct act_options *o)
{
	const struct {
		const char *from, **to;
	} texts[] = { { o->cgroup, &a->o.cgroup },	 { o->memory, &a->o.memory },
		      { o->directory, &a->o.directory }, { o->user_home, &a->o.user_home },
		      { o->session, &a->o.session },	 { o->home, &a->o.home } };

	a->o = *o;
	a->policy = *o->policy;
	a->o.policy = &a->policy;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		*texts[i].to = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		*texts[i].to = texts[i].from ? strdup(texts[i].from) : NULL;
		if (texts[i].from && !*texts[i].to)
			return -ENOMEM;
	}
	return 0;
}

static int open_one(const char *path, int *ret, struct err *err)
{
	if (!path)
		return 0;
	*ret = directory_open(AT_FDCWD, path);
	return *ret < 0 ? err_errno(err, -*ret, "can't open the cgroup %s", path) : 0;
}

static int open_places(struct act *a, struct err *err)
{
	int r = open_one(a->o.cgroup, &a->cgroup, err);

	if (r < 0)
		return r;
	if (a->o.memory && !a->o.memory_v1 && a->cgroup >= 0)
		a->memory = a->cgroup;
	else
		r = open_one(a->o.memory, &a->memory, err);
	if (r < 0)
		return r;
	a->agent = a->cgroup < 0 ? -1 : MAX(directory_open(a->cgroup, AGENT), -1);
	/* What these names mean later is the workload's to say. */
	if (a->o.directory)
		a->directory = open(a->o.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (a->o.user_home)
		a->user_home = open(a->o.user_home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int open_events(struct act *a, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN };

	a->events = epoll_create1(EPOLL_CLOEXEC);
	a->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	event.data.fd = a->timer;
	if (a->events < 0 || a->timer < 0 || epoll_ctl(a->events, EPOLL_CTL_ADD, a->timer, &event) < 0)
		return err_errno(err, errno, "can't watch the guard's children");
	return 0;
}

int act_open(const struct act_options *options, struct act **ret, struct err *err)
{
	_cleanup_(act_free_p) struct act *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_errno(err, ENOMEM, "can't start the guard");
	a->cgroup = a->memory = a->agent = a->lock = a->oom_control = a->directory = a->user_home = a->events =
	    a->timer = a->release = -1;
	r = copy_options(a, options);
	if (r < 0)
		return err_errno(err, -r, "can't start the guard");
	r = open_places(a, err);
	if (r >= 0)
		r = open_events(a, err);
	if (r >= 0)
		r = limit_open(a, err);
	/* It has to be there before anything is held. */
	if (r >= 0 && guard_policy_acts(&a->policy)) {
		r = release_tell(a, RELEASE_ALL_THAWED, NULL);
		if (r < 0)
			(void)err_errno(err, -r, "can't start the process that lets go when the guard ends");
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(a);
	return 0;
}

static int freeze_all(struct act *a, bool on);

void act_free(struct act *a)
{
	if (!a)
		return;
	jobs_close(a);
	if (a->all_frozen)
		(void)freeze_all(a, false);
	tools_close(a);
	limit_close(a);
	release_close(a);
	if (a->memory != a->cgroup)
		close_fd(&a->memory);
	close_fd(&a->cgroup);
	close_fd(&a->agent);
	close_fd(&a->lock);
	close_fd(&a->oom_control);
	close_fd(&a->directory);
	close_fd(&a->user_home);
	close_fd(&a->events);
	close_fd(&a->timer);
	free((char *)a->o.cgroup);
	free((char *)a->o.memory);
	free((char *)a->o.directory);
	free((char *)a->o.user_home);
	free((char *)a->o.session);
	free((char *)a->o.home);
	free(a);
}

int act_fd(const struct act *a)
{
	return a->events;
}

/* --- the rungs --------------------------------------------------------------------------------------------------- */

static int do_reclaim(struct act *a, const struct guard_action *action)
{
	const char *name = a->o.memory_v1 ? "memory.force_empty" : "memory.reclaim";
	bool child = false;
	unsigned job;
	int task, r;

	if (action->undo || a->memory < 0 || faccessat(a->memory, name, W_OK, 0) < 0)
		return action->undo ? 0 : -EOPNOTSUPP;
	task = job_task(a, action);
	if (task < 0)
		return task;
	r = job_fork(a, (unsigned)task, JOB_PLAIN, RECLAIM_NS, &job, &child);
	if (r >= 0 && child) {
		r = a->o.memory_v1 ? file_write(a->memory, name, "0") : file_write_u64(a->memory, name, action->bytes);
		/* Less than was asked for is still something. */
		_exit(r == -EAGAIN || r == -EBUSY ? 0 : MIN(-r, 125));
	}
	if (r < 0)
		a->tasks[task].used = false;
	return r;
}

static int with_tool(struct act *a, const struct guard_action *action, struct tool **ret)
{
	*ret = tool_find(a, action->pid, action->start_ns);
	if (*ret)
		return 0;
	return action->undo ? -ESRCH : tool_make(a, action->pid, action->start_ns, ret);
}

static int do_brake(struct act *a, const struct guard_action *action)
{
	struct tool *t;
	int r = with_tool(a, action, &t);

	if (action->undo)
		return r < 0 ? 0 : tool_unbrake(a, t);
	return r < 0 ? r : tool_brake(a, t, action->bytes);
}

static int do_borrow(struct act *a, const struct guard_action *action)
{
	int r = limit_borrow(a, action->undo);

	if (r >= 0)
		a->borrowed = !action->undo;
	return r;
}

static int freeze_all(struct act *a, bool on)
{
	int home = a->agent >= 0 ? a->agent : a->cgroup, r;

	if (home < 0)
		return -EOPNOTSUPP;
	if (on)
		(void)release_tell(a, RELEASE_ALL_FROZEN, NULL);
	r = file_write(home, "cgroup.freeze", on ? "1" : "0");
	for (size_t i = 0; a->agent >= 0 && i < a->tools_n; i++)
		(void)tool_freeze(a, &a->tools[i], on);
	if (r >= 0)
		a->all_frozen = on;
	if (!a->all_frozen)
		(void)release_tell(a, RELEASE_ALL_THAWED, NULL);
	return r == -ENOENT && on ? -EOPNOTSUPP : r;
}

static int do_freeze(struct act *a, const struct guard_action *action)
{
	struct tool *t;
	int r;

	if (action->yield)
		limit_yield(a, true);
	if (action->pid == 0)
		return freeze_all(a, !action->undo);
	if (a->cgroup < 0)
		return -EOPNOTSUPP;
	r = with_tool(a, action, &t);
	if (action->undo)
		return r < 0 ? 0 : tool_freeze(a, t, false);
	return r < 0 ? r : tool_freeze(a, t, true);
}

static int do_kill(struct act *a, const struct guard_action *action)
{
	struct tool *t;
	int task, r = with_tool(a, action, &t);

	if (r < 0)
		return r;
	(void)tool_freeze(a, t, true);
	task = job_task(a, action);
	r = task < 0 ? task : last_word(a, (unsigned)task, action);
	if (r > 0)
		return 1;
	if (task >= 0)
		a->tasks[task].used = false;
	return tool_kill(t);
}

static int do_kill_all(struct act *a, const struct guard_action *action)
{
	struct tool all = { .cgroup = a->cgroup, .memory = a->memory };

	(void)action;
	if (a->o.say)
		a->o.say(a->o.context, action->why);
	return tool_kill(&all);
}

int act_do(struct act *a, const struct guard_action *action)
{
	static int (*const hands[GUARD_RUNG_MAX])(struct act *a, const struct guard_action *action) = {
		[GUARD_TELL] = tell,	    [GUARD_RECLAIM] = do_reclaim,   [GUARD_BRAKE] = do_brake,
		[GUARD_BORROW] = do_borrow, [GUARD_FREEZE] = do_freeze,	    [GUARD_SAVE] = save,
		[GUARD_KILL] = do_kill,	    [GUARD_KILL_ALL] = do_kill_all,
	};

	if (action->rung == GUARD_TELL && action->undo)
		limit_yield(a, false);
	return (unsigned)action->rung < GUARD_RUNG_MAX ? hands[action->rung](a, action) : -EINVAL;
}

int act_tool_cgroup(struct act *a, uint32_t pid, uint64_t start_ns)
{
	struct tool *t;

	if (tool_find(a, pid, start_ns))
		return -EEXIST;
	return tool_make(a, pid, start_ns, &t);
}
