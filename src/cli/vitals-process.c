/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks, forecasts, guards, tells. One loop: a quick look (one number) up to a hundred times a second, a full one when
 * something moves or a second has passed.
 */
#include "cli/vitals-link.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "sensor/system.h"
#include "sensor/vitals-probes.h"
#include "vitals/act.h"
#include "vitals/lines.h"
#include "vitals/source.h"
#include "vitals/tree.h"

#define MS INT64_C(1000000)
#define QUICK_NS (10 * MS)	 /* with a guard: it has 20 ms from the crossing to the brake */
#define QUICK_CALM_NS (100 * MS) /* without */
#define FULL_NS CLOCK_SECOND_NS
#define FULL_MOVING_NS (100 * MS)
#define TOOLS_NS (50 * MS)		  /* how often children are looked for that have no cgroup of their own yet */
#define FORECAST_NS (5 * CLOCK_SECOND_NS) /* a forecast that stands is told again so often */
#define MOVED_BYTES (16U << 20)
#define TREE_NS (30 * MS)	   /* while it matters which child it is */
#define PHASES VITALS_PHASES_MAX
#define PENDING 16
#define LINE_CAP (VITALS_TEXT_MAX - 1)

struct process {
	const struct vitals_options *o;
	int fd;
	struct vitals_source *source;
	struct vitals_tree *tree;
	struct vitals_probes *probes; /* NULL: there are none */
	struct err unprobed;	      /* why */
	const struct vitals_probes_ops *probe;
	struct forecast *forecast;
	struct guard *guard;
	struct act *act;
	uint64_t cgroup_id;
	char boot8[9];
	struct buf line;
	struct vitals_message message; /* being made; large */

	struct vitals_sample sample; /* the last full one */
	struct vitals_phase phases[PHASES];
	size_t phases_n;
	struct vitals_phase agent;
	uint64_t used; /* of the last look */
	int64_t quick_due, full_due, tools_due, tree_looked;
	int64_t line_told;
	struct forecast_result now, told;
	int64_t forecast_told;
	uint64_t oom_kills;
	bool reached, moving, over;
	int64_t said_ns; /* the last message */
	uint32_t missed; /* lines that the recorder had no room for, since one that it had */
	/* Actions under way, and when each began. */
	struct {
		struct guard_action action;
		int64_t from_ns;
		bool used;
	} pending[PENDING];
};

static int64_t now_ns(void)
{
	return (int64_t)clock_boottime_ns();
}

/* ---- telling ---- */

/* A line that nobody takes is dropped, and told of: a recorder that is stuck must not make a guard late. */
static void send_line(struct process *p, const char *type, uint64_t time_ns)
{
	struct vitals_message *m = &p->message;

	if (p->line.failed || p->line.length >= sizeof(m->text))
		return;
	m->kind = VITALS_LINE;
	m->missed = p->missed;
	m->time_ns = time_ns;
	(void)snprintf(m->type, sizeof(m->type), "%s", type);
	memcpy(m->text, p->line.data, p->line.length + 1);
	p->missed = vitals_send(p->fd, m, MSG_DONTWAIT) < 0 ? p->missed + 1 : 0;
	p->said_ns = now_ns();
}

static void begin_line(struct process *p, struct json *j)
{
	*p->message.words = '\0';
	p->message.value = 0;
	buf_clear(&p->line);
	json_init(j, &p->line);
	json_object(j);
}

static void end_line(struct process *p, struct json *j, const char *type, uint64_t time_ns)
{
	json_object_end(j);
	send_line(p, type, time_ns);
}

static void send_text(struct process *p, enum vitals_message_kind kind, int value, const char *text)
{
	struct vitals_message *m = &p->message;

	m->kind = (uint32_t)kind;
	m->value = value;
	m->time_ns = 0;
	*m->type = '\0';
	(void)snprintf(m->text, sizeof(m->text), "%s", text);
	(void)vitals_send(p->fd, m, kind == VITALS_SAY || kind == VITALS_BEAT ? MSG_DONTWAIT : 0);
	p->said_ns = now_ns();
}

static void say(void *context, const char *text)
{
	send_text(context, VITALS_SAY, 0, text);
}

static void tell_sample(struct process *p)
{
	struct json j;

	begin_line(p, &j);
	lines_vitals(&p->sample, &p->agent, p->phases, p->phases_n, p->boot8, &j);
	end_line(p, &j, "vitals", p->sample.time_ns);
	p->line_told = (int64_t)p->sample.time_ns;
}

static void tell_forecast(struct process *p, int64_t now)
{
	struct json j;

	if (p->now.clock == p->told.clock && (p->now.clock == FORECAST_NONE || now - p->forecast_told < FORECAST_NS))
		return;
	begin_line(p, &j);
	lines_forecast(&p->now, p->now.clock != FORECAST_NONE && p->phases_n ? &p->phases[0] : NULL, p->boot8, &j);
	if (p->now.clock != FORECAST_NONE)
		(void)snprintf(p->message.words, sizeof(p->message.words), "%s: the limit in %.1f s",
			       forecast_clock_name(p->now.clock), (double)p->now.limit_in_ns / CLOCK_SECOND_NS);
	end_line(p, &j, "forecast", (uint64_t)now);
	p->told = p->now;
	p->forecast_told = now;
}

static void tell_action(struct process *p, const struct guard_action *a, int result, int64_t from_ns, int64_t now)
{
	struct json j;

	begin_line(p, &j);
	lines_guard(a, result, (uint64_t)(now - from_ns), p->boot8, &j);
	p->message.value = MIN(result, 0);
	(void)snprintf(p->message.words, sizeof(p->message.words), "%s%s%s: %.200s", a->undo ? "undo " : "",
		       guard_rung_name(a->rung), result < 0 ? " (failed)" : "", a->why);
	end_line(p, &j, "guard", (uint64_t)now);
}

/* True when there may be more. */
static bool tell_ended(struct process *p, int64_t now)
{
	struct vitals_phase ended[PHASES];
	size_t n = vitals_tree_ended(p->tree, ended, ARRAY_SIZE(ended));
	struct json j;

	for (size_t i = 0; i < n; i++) {
		begin_line(p, &j);
		lines_phase_end(&ended[i], p->boot8, &j);
		end_line(p, &j, "phase", (uint64_t)now);
	}
	return n == ARRAY_SIZE(ended);
}

static void tell_ooms(struct process *p)
{
	struct vitals_oom ooms[8];
	struct json j;
	int n = p->probes ? p->probe->ooms(p->probes, &p->cgroup_id, 1, ooms, ARRAY_SIZE(ooms)) : 0;

	for (int i = 0; i < n; i++) {
		begin_line(p, &j);
		lines_oom(&ooms[i], &j);
		end_line(p, &j, "oom_kill", ooms[i].time_ns);
	}
}

/* ---- looking ---- */

static void look_at_tree(struct process *p, int64_t now)
{
	const struct vitals_phase *agent;

	p->tree_looked = now;
	if (!p->tree || vitals_tree_look(p->tree, (uint64_t)now) < 0)
		return;
	p->phases_n = vitals_tree_phases(p->tree, p->phases, ARRAY_SIZE(p->phases));
	agent = vitals_tree_agent(p->tree);
	p->agent = agent ? *agent : (struct vitals_phase){ 0 };
	(void)tell_ended(p, now);
}

static void ask_probes(struct process *p)
{
	struct vitals_sample *s = &p->sample;

	if (!p->probes)
		return;
	(void)p->probe->read(p->probes, &p->cgroup_id, 1, &s->probed);
	if (p->probe->tasks(p->probes, &p->cgroup_id, 1, &s->tasks) == -EOPNOTSUPP)
		vitals_source_count_tasks(p->source, true);
	tell_ooms(p);
}

/* The limit, or what the guard did in its stead; once, until it is well behind. */
static void reached(struct process *p, int64_t now)
{
	if (!p->reached)
		forecast_hit(p->forecast, (uint64_t)now);
	p->reached = true;
}

static bool oom_killed(const struct process *p)
{
	uint64_t kills = p->sample.memory.oom_kills;

	return kills != VITALS_UNKNOWN && kills > p->oom_kills;
}

static void fore(struct process *p, int64_t now, bool full)
{
	const struct vitals_sample *s = &p->sample;

	/* Nothing can be foretold of what is not measured. */
	if (s->memory.current == VITALS_UNKNOWN)
		return;
	uint64_t grown = p->used > s->memory.current ? p->used - s->memory.current : 0;
	const struct forecast_input input = {
		.time_ns = (uint64_t)now,
		.used = p->used,
		.available = s->available.clean > grown ? s->available.clean - grown : 0,
		.anon = s->memory.anon,
		.limit = s->limit,
		.full = full,
		.tool = p->phases_n > 0,
	};

	forecast_add(p->forecast, &input, &p->now);
	/* Little is left, or the kernel had to act: what was foretold has come, or was not foretold. */
	bool at_limit =
	    input.available < s->limit / 100 || oom_killed(p) || (p->act && act_paused(p->act));
	if (at_limit)
		reached(p, now);
	else if (input.available > s->limit / 10 && (!p->guard || guard_calm(p->guard)))
		p->reached = false;
	if (s->memory.oom_kills != VITALS_UNKNOWN)
		p->oom_kills = s->memory.oom_kills;
	tell_forecast(p, now);
}

/* ---- guarding ---- */

static void remember(struct process *p, const struct guard_action *a, int64_t from_ns)
{
	for (size_t i = 0; i < PENDING; i++)
		if (!p->pending[i].used) {
			p->pending[i].action = *a;
			p->pending[i].from_ns = from_ns;
			p->pending[i].used = true;
			return;
		}
}

static int64_t recall(struct process *p, const struct guard_action *a, int64_t now)
{
	for (size_t i = 0; i < PENDING; i++)
		if (p->pending[i].used && p->pending[i].action.rung == a->rung &&
		    p->pending[i].action.undo == a->undo && p->pending[i].action.pid == a->pid) {
			p->pending[i].used = false;
			return p->pending[i].from_ns;
		}
	return now;
}

static void done(struct process *p, const struct guard_action *a, int result, int64_t from_ns)
{
	int64_t now = now_ns();

	guard_done(p->guard, a, result, (uint64_t)now);
	/* Had it not been done, the limit would have been reached: what was foretold has come. */
	if (result == 0 && !a->undo && a->rung >= GUARD_BORROW && a->rung != GUARD_SAVE)
		reached(p, now);
	tell_action(p, a, result, from_ns, now);
}

static void watch(struct process *p, int64_t now)
{
	const struct vitals_sample *s = &p->sample;
	/* What has grown since the sample, and what the guard keeps back. */
	uint64_t gone = act_reserved(p->act) + (p->used > s->memory.current ? p->used - s->memory.current : 0);
	struct guard_action actions[GUARD_ACTIONS_MAX];

	if (guard_watchful(p->guard) && now - p->tree_looked >= TREE_NS)
		look_at_tree(p, now);
	const struct guard_view view = {
		.time_ns = (uint64_t)now,
		.used = p->used,
		.limit = p->o->limit ? p->o->limit : s->limit,
		.available = s->available.clean > gone ? s->available.clean - gone : 0,
		.forecast = p->now,
		.phases = p->phases,
		.phases_n = p->phases_n,
		.agent = &p->agent,
		.stall_us = s->pressure.known ? s->pressure.memory.full_us : VITALS_UNKNOWN,
		.paused = act_paused(p->act),
	};
	size_t n = guard_decide(p->guard, &view, actions, ARRAY_SIZE(actions));
	uint64_t start_ns;
	uint32_t pid;

	for (size_t i = 0; i < n; i++) {
		int64_t from = now_ns();
		int r = act_do(p->act, &actions[i]);

		if (r == 1)
			remember(p, &actions[i], from);
		else
			done(p, &actions[i], r, from);
		p->moving = true;
	}
	/* It has one, it has ended, or there can be none: the brake will say so. */
	if (guard_ready(p->guard, &view, &pid, &start_ns))
		(void)act_tool_cgroup(p->act, pid, start_ns);
}

static void take_ends(struct process *p)
{
	struct guard_action a;
	int result;

	while (p->act && act_poll(p->act, &a, &result)) {
		int64_t from = recall(p, &a, now_ns());

		if (p->guard)
			done(p, &a, result, from);
	}
}

/* ---- the loop ---- */

/* Whether the memory changes fast enough to be looked at more often. */
static bool moved(const struct process *p, uint64_t before)
{
	uint64_t by = p->used > before ? p->used - before : before - p->used;

	return before != VITALS_UNKNOWN && by > MIN(MOVED_BYTES, p->sample.limit / 50);
}

static void full(struct process *p, int64_t now)
{
	uint64_t before = p->sample.memory.current;
	int r = vitals_source_read(p->source, false, &p->sample);

	p->full_due = now + FULL_NS;
	if (now - p->said_ns >= FULL_NS)
		send_text(p, VITALS_BEAT, 0, "");
	if (r < 0)
		return;
	p->used = p->sample.memory.current == VITALS_UNKNOWN ? 0 : p->sample.memory.current;
	look_at_tree(p, now);
	ask_probes(p);
	fore(p, now, true);
	p->moving = moved(p, before) || p->now.clock != FORECAST_NONE;
	if (p->moving)
		p->full_due = now + FULL_MOVING_NS;
	if (p->moving || now - p->line_told >= FULL_NS - FULL_MOVING_NS)
		tell_sample(p);
}

static void quick(struct process *p, int64_t now)
{
	uint64_t used;

	p->quick_due = now + (p->guard ? QUICK_NS : QUICK_CALM_NS);
	if (vitals_source_usage(p->source, &used) < 0)
		return;
	p->used = used;
	/* What moves is looked at in full, but not more often than ten times a second. */
	if (moved(p, p->sample.memory.current))
		p->full_due = MIN(p->full_due, (int64_t)p->sample.time_ns + FULL_MOVING_NS);
	if (now < p->full_due)
		fore(p, now, false);
}

/* Children of the agent that are new get a cgroup each. */
static void tools(struct process *p, int64_t now)
{
	p->tools_due = now + TOOLS_NS;
	look_at_tree(p, now);
	for (size_t i = 0; i < p->phases_n; i++)
		if (!p->phases[i].own_cgroup)
			(void)act_tool_cgroup(p->act, p->phases[i].pid, p->phases[i].start_ns);
}

static void finish(struct process *p)
{
	struct forecast_score score;
	struct json j;
	int64_t now = now_ns();

	take_ends(p);
	if (vitals_source_read(p->source, true, &p->sample) == 0) {
		look_at_tree(p, now);
		while (tell_ended(p, now))
			;
		ask_probes(p);
		tell_sample(p);
	}
	forecast_score(p->forecast, &score);
	begin_line(p, &j);
	lines_score(&score, &j);
	end_line(p, &j, "score", (uint64_t)now);
}

static void take_message(struct process *p)
{
	int r = vitals_receive(p->fd, &p->message, 0);
	/* What is told at the end is made in the same place. */
	bool end = r == 1 && p->message.kind == VITALS_END;

	if (r == 1 && p->message.kind == VITALS_YIELD && p->guard)
		guard_yield(p->guard);
	if (end)
		finish(p);
	p->over = r != 1 || end;
}

static void run(struct process *p)
{
	p->full_due = p->quick_due = p->tools_due = now_ns();
	while (!p->over) {
		int64_t now = now_ns();

		if (now >= p->quick_due)
			quick(p, now);
		if (now >= p->full_due)
			full(p, now);
		if (p->o->tools && p->act && now >= p->tools_due)
			tools(p, now);
		if (p->guard)
			watch(p, now);
		int64_t due = MIN(p->quick_due, p->full_due);
		if (p->probes)
			due = (int64_t)MIN((uint64_t)due, vitals_probes_tick(p->probes, (uint64_t)now_ns()));
		int64_t left = MAX(due - now_ns(), 0);
		struct pollfd fds[] = {
			{ .fd = p->fd, .events = POLLIN },
			{ .fd = p->act ? act_fd(p->act) : -1, .events = POLLIN },
		};
		const struct timespec wait = { .tv_sec = left / CLOCK_SECOND_NS, .tv_nsec = left % CLOCK_SECOND_NS };

		if (ppoll(fds, ARRAY_SIZE(fds), &wait, NULL) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			take_message(p);
		take_ends(p);
	}
}

/* ---- the beginning ---- */

static int open_source(struct process *p, const struct workload_places *places, struct err *err)
{
	struct cgroup_mount v2 = { 0 }, v1 = { 0 };
	const struct vitals_places at = vitals_link_places(places, v2.at, v1.at);

	(void)cgroup_find_mount("/proc", NULL, &v2);
	if (places->memory_v1)
		(void)cgroup_find_mount("/proc", "memory", &v1);
	return vitals_source_open(&at, &p->source, err);
}

/*
 * Loaded while the sensor loads its own, before it is known what to count. Without them there is less to tell, and it
 * is said what.
 */
static void open_probes(struct process *p)
{
	const struct vitals_probes_options options = {
		.probes = VITALS_PROBE_OOM | (p->o->probes_sched ? VITALS_PROBE_SCHED : 0) |
			  (p->o->probes_block ? VITALS_PROBE_BLOCK : 0),
		.only = VITALS_PROBES_LATER,
	};

	if (vitals_probes_open(&options, &p->probes, &p->unprobed) < 0)
		p->probes = NULL;
	p->probe = &vitals_probes_ops;
}

static void follow_probes(struct process *p, const struct workload_places *places)
{
	unsigned level;

	if (p->probes && *places->cgroup && system_cgroup_id(places->cgroup, &p->cgroup_id, &level) == 0) {
		vitals_probes_follow(p->probes, p->cgroup_id, level);
		vitals_source_count_tasks(p->source, false);
		return;
	}
	if (p->probes)
		p->probe->free(p->probes);
	p->probes = NULL;
}

static size_t members(void *context, uint32_t phase_pid, uint32_t *ret, size_t room)
{
	return vitals_tree_members(((struct process *)context)->tree, phase_pid, ret, room);
}

static uint32_t agent(void *context, uint64_t *ret_start_ns)
{
	const struct vitals_phase *a = vitals_tree_agent(((struct process *)context)->tree);

	*ret_start_ns = a ? a->start_ns : 0;
	return a ? a->pid : 0;
}

static void forked(void *context)
{
	struct process *p = context;

	if (p->probes)
		vitals_probes_forked(p->probes);
}

/* Whose files are saved: those of the user that the command runs as. */
static void find_user(const char *name, struct act_options *options)
{
	const struct passwd *entry = name ? getpwnam(name) : NULL;
	uint64_t number;

	options->uid = getuid();
	options->gid = getgid();
	options->user_home = getenv("HOME");
	if (!name)
		return;
	if (!entry && text_parse_u64(name, &number) == 0 && number < UINT32_MAX)
		entry = getpwuid((uid_t)number);
	options->user_home = entry ? entry->pw_dir : NULL;
	options->uid = entry ? entry->pw_uid : (uid_t)-1;
	options->gid = entry ? entry->pw_gid : (gid_t)-1;
}

static int open_guard(struct process *p, const struct workload_places *places, struct err *err)
{
	const struct vitals_options *o = p->o;
	struct act_options options = {
		.cgroup = text_or_null(places->cgroup),
		.memory = text_or_null(places->memory),
		.memory_v1 = places->memory_v1,
		.limit = o->limit ? o->limit : VITALS_UNKNOWN,
		.directory = o->directory,
		.session = o->session,
		.home = o->home,
		.policy = &o->policy,
		.members = members,
		.agent = agent,
		.forked = forked,
		.say = say,
		.context = p,
	};
	int r = 0;

	find_user(o->user, &options);
	if (vitals_limits(o))
		r = act_open(&options, &p->act, err);
	if (r >= 0 && o->guarded) {
		r = guard_new(&o->policy, &p->guard);
		if (r < 0)
			err_errno(err, -r, "can't guard");
	}
	return r;
}

static int begin(struct process *p, struct err *err)
{
	const struct vitals_message *m = &p->message;
	const struct workload_places places = m->begin.places;
	const struct vitals_tree_options tree = {
		.proc = "/proc",
		.cgroup = text_or_null(places.cgroup),
		.root = m->begin.pid,
		.agent = text_or_null(p->o->policy.agent),
	};
	int r = proc_boot8(p->boot8);

	if (r < 0)
		return err_errno(err, -r, "can't read the boot id");
	r = open_source(p, &places, err);
	if (r >= 0)
		r = vitals_tree_new(&tree, &p->tree, err);
	if (r >= 0) {
		r = forecast_new(&p->forecast);
		if (r < 0)
			err_errno(err, -r, "can't forecast");
	}
	if (r >= 0)
		r = open_guard(p, &places, err);
	if (r < 0)
		return r;
	follow_probes(p, &places);
	(void)vitals_source_read(p->source, true, &p->sample);
	if (p->sample.memory.oom_kills != VITALS_UNKNOWN)
		p->oom_kills = p->sample.memory.oom_kills;
	return 0;
}

static void close_all(struct process *p)
{
	act_free(p->act);
	guard_free(p->guard);
	forecast_free(p->forecast);
	if (p->probes)
		p->probe->free(p->probes);
	vitals_tree_free(p->tree);
	vitals_source_free(p->source);
	buf_done(&p->line);
}

static void settle(const struct vitals_options *o, int fd)
{
	(void)prctl(PR_SET_NAME, "heddle-vitals");
	if (fd > 3)
		(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
	if (!o->guarded)
		return;
	/* A guard that waits for a page or a processor is late when it counts. */
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
		(void)setpriority(PRIO_PROCESS, 0, -20);
	(void)mlockall(MCL_CURRENT);
}

_Noreturn void vitals_process(const struct vitals_options *options, int fd)
{
	static struct process p;
	struct err err = { 0 };
	/* Minutes of lines, while the recorder waits for a disk. */
	const int room = 4 << 20;
	settle(options, fd);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	p.o = options;
	p.fd = fd;
	p.line = BUF_INIT(LINE_CAP);
	open_probes(&p);
	if (vitals_receive(fd, &p.message, 0) != 1 || p.message.kind != VITALS_BEGIN)
		_exit(0);
	if (begin(&p, &err) < 0) {
		send_text(&p, VITALS_FAILED, err.code, err.text);
		close_all(&p);
		_exit(1);
	}
	send_text(&p, VITALS_READY, 0, "");
	if (*p.unprobed.text)
		say(&p, p.unprobed.text);
	run(&p);
	send_text(&p, VITALS_DONE, 0, "");
	/* Takes back what can be: a thaw must not wait for the recorder. */
	close_all(&p);
	_exit(0);
}
