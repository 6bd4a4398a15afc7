/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's mind against simulated workloads on simulated kernels: one that pauses at the limit (v1) and one that
 * slows above memory.high and kills at memory.max (v2). No file, no clock.
 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "vitals/guard.h"

#define MIB (UINT64_C(1) << 20)
#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define LIMIT (512 * MIB)
#define CHILDREN 4
#define NONE (UINT64_MAX / 2)
#define AGENT_PID 100
#define QUEUE 64

struct child {
	uint32_t pid; /* 0: not there */
	uint64_t bytes, target, brake_at;
	uint64_t rate;	  /* bytes a second */
	uint64_t stay_ns; /* after it has what it wants */
	uint64_t ghost;	  /* seems to hold so much more, as one does that has just been forked */
	bool frozen;
};

struct sim {
	bool v1;
	struct guard *g;
	struct guard_policy policy;
	uint64_t now, agent, agent_rate, reserve;
	bool borrowed, all_frozen, paused, told, stale;
	struct child child[CHILDREN];
	struct vitals_phase phases[CHILDREN], agent_phase;
	size_t phases_n;
	uint64_t history[6];
	int result[GUARD_RUNG_MAX]; /* of applying */
	int undo_result[GUARD_RUNG_MAX];
	unsigned latency; /* looks until a result is heard */
	struct {
		struct guard_action action;
		int result;
		unsigned in;
	} queue[QUEUE];
	size_t queue_n;
	unsigned count[GUARD_RUNG_MAX], undone[GUARD_RUNG_MAX];
	unsigned killed, oom, finished, yields, readied;
	uint32_t last_killed, ready_pid;
	enum guard_rung order[256];
	size_t order_n;
};

static void sim_init(struct sim *s, bool v1, const char *policy)
{
	struct err err = { 0 };

	*s = (struct sim){ .v1 = v1, .now = 1000 * SECOND, .agent = 185 * MIB, .latency = 1 };
	assert_int_equal(guard_policy_parse(policy, &s->policy, &err), 0);
	s->reserve = guard_policy_reserve(&s->policy, LIMIT);
	assert_int_equal(guard_new(&s->policy, &s->g), 0);
}

static struct child *sim_child(struct sim *s, uint32_t pid, uint64_t target, uint64_t rate, uint64_t stay_ns)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (!s->child[i].pid) {
			s->child[i] = (struct child){
				.pid = pid, .target = target, .rate = rate, .stay_ns = stay_ns, .brake_at = NONE
			};
			return &s->child[i];
		}
	fail();
	return NULL;
}

static struct child *sim_find(struct sim *s, uint32_t pid)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (pid && s->child[i].pid == pid)
			return &s->child[i];
	return NULL;
}

static uint64_t used(const struct sim *s)
{
	uint64_t sum = s->agent;

	for (size_t i = 0; i < CHILDREN; i++)
		sum += s->child[i].pid ? s->child[i].bytes : 0;
	return sum;
}

/* Where this kernel begins to be in the way. */
static uint64_t in_force(const struct sim *s)
{
	if (s->borrowed)
		return s->v1 ? LIMIT : LIMIT - s->reserve / 4;
	return LIMIT - s->reserve;
}

/* How much of `want` a task gets in a step of 10 ms. */
static uint64_t charge(struct sim *s, uint64_t want, uint64_t own_room)
{
	uint64_t slow = MIB / 64;
	uint64_t room = in_force(s) > used(s) ? in_force(s) - used(s) : 0;

	if (s->v1) {
		want = MIN(want, own_room);
		s->paused |= want > room;
		return MIN(want, room);
	}
	want = MIN(want, own_room + slow);
	want = MIN(want, room + slow);
	if (used(s) + want > LIMIT) {
		struct child *fattest = NULL;

		s->oom++;
		for (size_t i = 0; i < CHILDREN; i++)
			if (s->child[i].pid && (!fattest || s->child[i].bytes > fattest->bytes))
				fattest = &s->child[i];
		if (fattest)
			fattest->pid = 0;
		return 0;
	}
	return want;
}

static void child_step(struct sim *s, struct child *c)
{
	uint64_t want = MIN(c->rate / 100, c->target - c->bytes);

	if (c->frozen || s->all_frozen)
		return;
	if (want > 0) {
		c->bytes += charge(s, want, c->brake_at > c->bytes ? c->brake_at - c->bytes : 0);
	} else if (c->stay_ns > 10 * MS) {
		c->stay_ns -= 10 * MS;
	} else {
		c->pid = 0;
		s->finished++;
	}
}

static int do_apply(struct sim *s, const struct guard_action *a)
{
	struct child *c = sim_find(s, a->pid);
	int r = a->undo ? s->undo_result[a->rung] : s->result[a->rung];

	if (a->pid && !c && !a->undo)
		return -ESRCH;
	if (r < 0)
		return r;
	switch (a->rung) {
	case GUARD_TELL:
		s->told = !a->undo;
		break;
	case GUARD_BRAKE:
		if (c)
			c->brake_at = a->undo ? NONE : c->bytes + a->bytes;
		break;
	case GUARD_BORROW:
		assert_int_equal(a->bytes, s->reserve);
		if (a->undo && used(s) + 8 * MIB > LIMIT - s->reserve)
			return -EAGAIN;
		s->borrowed = !a->undo;
		break;
	case GUARD_FREEZE:
		s->yields += a->yield;
		if (!a->pid)
			s->all_frozen = !a->undo;
		else if (c)
			c->frozen = !a->undo;
		break;
	case GUARD_KILL:
		s->killed++;
		s->last_killed = a->pid;
		c->pid = 0;
		break;
	default:
		break;
	}
	return 0;
}

static void check_action(struct sim *s, const struct guard_action *a)
{
	assert_true(s->policy.on[a->rung]);
	assert_true(strlen(a->why) > 0 && !strchr(a->why, '\n'));
	/* The agent is never slowed or killed; it only stands still with all others. */
	assert_true(a->pid != AGENT_PID);
	if (a->rung == GUARD_BRAKE || a->rung == GUARD_KILL)
		assert_true(a->pid != 0);
	if (a->rung == GUARD_KILL_ALL)
		assert_true(a->pid == 0);
	if (a->undo)
		assert_true(a->rung == GUARD_TELL || a->rung == GUARD_BRAKE || a->rung == GUARD_BORROW ||
			    a->rung == GUARD_FREEZE);
	if (getenv("GUARD_TEST_VERBOSE"))
		(void)fprintf(stderr, "%8.2f %s%s %u %lluM: %s\n", (double)(s->now - 1000 * SECOND) / 1e9,
			      a->undo ? "undo " : "", guard_rung_name(a->rung), a->pid,
			      (unsigned long long)(a->bytes / MIB), a->why);
	(a->undo ? s->undone : s->count)[a->rung]++;
	if (!a->undo && s->order_n < ARRAY_SIZE(s->order))
		s->order[s->order_n++] = a->rung;
}

static void look_at_phases(struct sim *s)
{
	s->phases_n = 0;
	for (size_t i = 0; i < CHILDREN; i++) {
		if (!s->child[i].pid)
			continue;
		s->phases[s->phases_n] = (struct vitals_phase){ .pid = s->child[i].pid,
								.start_ns = 7,
								.bytes = s->child[i].bytes + s->child[i].ghost,
								.processes = 1 };
		(void)snprintf(s->phases[s->phases_n++].command, VITALS_COMMAND_MAX, "child \x1b[2J%u",
			       s->child[i].pid);
	}
	s->agent_phase = (struct vitals_phase){ .pid = AGENT_PID, .start_ns = 7, .bytes = s->agent };
}

static void hear(struct sim *s)
{
	for (size_t i = s->queue_n; i-- > 0;)
		if (s->queue[i].in-- == 0) {
			guard_done(s->g, &s->queue[i].action, s->queue[i].result, s->now);
			s->queue[i] = s->queue[--s->queue_n];
		}
}

static void foresee(struct sim *s, uint64_t available, struct forecast_result *ret)
{
	uint64_t now = used(s), then = s->history[0];

	memmove(s->history, s->history + 1, sizeof(s->history) - sizeof(s->history[0]));
	s->history[ARRAY_SIZE(s->history) - 1] = now;
	*ret = (struct forecast_result){ .limit_in_ns = INT64_MAX };
	if (then && now > then + MIB) {
		*ret = (struct forecast_result){ .clock = FORECAST_BURST, .slope = (int64_t)((now - then) * 100 / 6) };
		ret->limit_in_ns = (int64_t)(available * 1000 / (uint64_t)MAX(ret->slope / 1000000, 1));
	}
}

static void sim_look(struct sim *s)
{
	struct guard_action actions[GUARD_ACTIONS_MAX];
	struct guard_view v = { .time_ns = s->now,
				.used = used(s),
				.limit = LIMIT,
				.phases = s->phases,
				.agent = &s->agent_phase,
				.stall_us = VITALS_UNKNOWN,
				.paused = s->paused };
	uint64_t start_ns;
	uint32_t pid;

	v.available = in_force(s) > v.used ? in_force(s) - v.used : 0;
	foresee(s, v.available, &v.forecast);
	/* Once in 100 ms, but when the guard asks for more. */
	if (guard_watchful(s->g) || s->now / (10 * MS) % 10 == 0)
		look_at_phases(s);
	v.phases_n = s->phases_n;
	hear(s);
	size_t n = guard_decide(s->g, &v, actions, ARRAY_SIZE(actions));
	for (size_t i = 0; i < n; i++) {
		check_action(s, &actions[i]);
		assert_true(s->queue_n < QUEUE);
		s->queue[s->queue_n].action = actions[i];
		s->queue[s->queue_n].result = do_apply(s, &actions[i]);
		s->queue[s->queue_n++].in = s->latency;
	}
	if (guard_ready(s->g, &v, &pid, &start_ns)) {
		assert_true(start_ns == 7 && pid != AGENT_PID && s->policy.on[GUARD_BRAKE]);
		s->readied++;
		s->ready_pid = pid;
	}
	s->paused = false;
}

static void sim_step(struct sim *s)
{
	s->now += 10 * MS;
	for (size_t i = 0; i < CHILDREN; i++)
		if (s->child[i].pid)
			child_step(s, &s->child[i]);
	if (!s->all_frozen && s->agent_rate)
		s->agent += charge(s, s->agent_rate / 100, NONE);
	sim_look(s);
}

static void sim_run(struct sim *s, uint64_t ns)
{
	for (uint64_t end = s->now + ns; s->now < end;)
		sim_step(s);
}

static void sim_done(struct sim *s)
{
	guard_free(s->g);
}

/* Long after all is over nothing is applied any more. */
static void must_be_calm(struct sim *s)
{
	sim_run(s, 30 * SECOND);
	assert_true(guard_calm(s->g));
	assert_false(s->borrowed || s->all_frozen || s->told);
	for (size_t i = 0; i < CHILDREN; i++)
		assert_false(s->child[i].pid && (s->child[i].frozen || s->child[i].brake_at != NONE));
}

static void quiet_is_left_alone(void **state)
{
	struct sim s;

	sim_init(&s, true, "default");
	(void)sim_child(&s, 200, 150 * MIB, 3000 * MIB, 3 * SECOND);
	sim_run(&s, 5 * SECOND);
	assert_int_equal(s.finished, 1);
	for (unsigned i = GUARD_BORROW; i < GUARD_RUNG_MAX; i++)
		assert_int_equal(s.count[i], 0);
	must_be_calm(&s);
	sim_done(&s);
}

/* It wants more than there is: it alone ends, and only after it was slowed, stood still and all was saved. */
static void burst_beyond_the_limit(void **state)
{
	for (int v1 = 0; v1 < 2; v1++)
		for (uint64_t rate = 30; rate <= 3000; rate *= 10) {
			struct sim s;

			sim_init(&s, v1, "default");
			sim_run(&s, 2 * SECOND);
			(void)sim_child(&s, 200, 2000 * MIB, rate * MIB, SECOND);
			sim_run(&s, 30 * SECOND);
			assert_int_equal(s.killed, 1);
			assert_int_equal(s.last_killed, 200);
			assert_int_equal(s.oom, 0);
			assert_true(s.count[GUARD_TELL] && s.count[GUARD_BRAKE] && s.count[GUARD_BORROW]);
			assert_int_equal(s.count[GUARD_SAVE], 1);
			must_be_calm(&s);
			sim_done(&s);
		}
}

/* One that is about to be braked is named once, before; not the agent, and nobody where there is no brake. */
static void ready_before_the_brake(void **state)
{
	static const char *const policies[] = { "default", "default,no-brake" };

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		for (uint64_t rate = 30; rate <= 3000; rate *= 10) {
			struct sim s;

			sim_init(&s, i, policies[i]);
			sim_run(&s, 2 * SECOND);
			assert_int_equal(s.readied, 0);
			(void)sim_child(&s, 200, 2000 * MIB, rate * MIB, SECOND);
			for (int k = 0; k < 1000 && !s.count[GUARD_BRAKE] && !s.killed; k++) {
				assert_true(s.readied <= 1);
				sim_step(&s);
			}
			assert_int_equal(s.readied, i == 0);
			assert_int_equal(s.ready_pid, i == 0 ? 200 : 0);
			sim_done(&s);
		}
	for (int i = 0; i < 2; i++) {
		struct sim s;

		sim_init(&s, i, "default");
		s.agent_rate = 100 * MIB;
		sim_run(&s, 10 * SECOND);
		assert_int_equal(s.readied, 0);
		sim_done(&s);
	}
}

/* What fits, if only with the reserve, comes through. */
static void burst_that_fits(void **state)
{
	for (int v1 = 0; v1 < 2; v1++)
		for (uint64_t want = 200; want <= (v1 ? 310 : 300); want += 10) {
			struct sim s;

			sim_init(&s, v1, "default");
			sim_run(&s, SECOND);
			(void)sim_child(&s, 200, want * MIB, 3000 * MIB, SECOND);
			sim_run(&s, 15 * SECOND);
			assert_int_equal(s.killed + s.oom, 0);
			assert_int_equal(s.finished, 1);
			must_be_calm(&s);
			sim_done(&s);
		}
}

static void leak_in_the_agent(void **state)
{
	for (int v1 = 0; v1 < 2; v1++) {
		struct sim s;

		sim_init(&s, v1, "default");
		(void)sim_child(&s, 200, 40 * MIB, 3000 * MIB, 600 * SECOND);
		sim_run(&s, SECOND);
		s.agent_rate = 10 * MIB;
		sim_run(&s, 40 * SECOND);
		/* All stand still, the work is saved, and who looks can still decide. The child is not to blame. */
		assert_true(s.all_frozen);
		assert_int_equal(s.count[GUARD_BRAKE] + s.killed + s.oom, 0);
		assert_true(s.count[GUARD_SAVE] > 0 && s.count[GUARD_BORROW] == 1);
		/* Somebody makes room: it goes on by itself. */
		s.agent_rate = 0;
		s.agent = 100 * MIB;
		sim_find(&s, 200)->stay_ns = SECOND;
		must_be_calm(&s);
		sim_done(&s);

		/* Nobody does: it is let go, once, and the kernel decides. */
		sim_init(&s, v1, "default");
		sim_run(&s, SECOND);
		s.agent_rate = 50 * MIB;
		sim_run(&s, 180 * SECOND);
		assert_false(s.all_frozen);
		assert_int_equal(s.yields, 1);
		assert_int_equal(s.killed, 0);
		sim_done(&s);

		sim_init(&s, v1, "default,kill-all");
		sim_run(&s, SECOND);
		s.agent_rate = 50 * MIB;
		sim_run(&s, 60 * SECOND);
		assert_int_equal(s.count[GUARD_KILL_ALL], 1);
		assert_int_equal(s.order[s.order_n - 1], GUARD_KILL_ALL);
		sim_done(&s);
	}
}

static void the_one_that_grows(void **state)
{
	for (int v1 = 0; v1 < 2; v1++) {
		struct sim s;

		sim_init(&s, v1, "default");
		/* An old fat one that stands, and a new one that grows. */
		(void)sim_child(&s, 200, 150 * MIB, 1000 * MIB, 1000 * SECOND);
		sim_run(&s, 60 * SECOND);
		(void)sim_child(&s, 300, 900 * MIB, 300 * MIB, SECOND);
		sim_run(&s, 30 * SECOND);
		assert_int_equal(s.killed, 1);
		assert_int_equal(s.last_killed, 300);
		assert_int_equal(s.oom, 0);
		assert_non_null(sim_find(&s, 200));
		sim_find(&s, 200)->stay_ns = SECOND;
		must_be_calm(&s);
		sim_done(&s);
	}
}

/* Braked while it seemed fat and another was about to free its memory: neither is seen as room that it has had. */
static void a_brake_is_no_trap(void **state)
{
	for (int v1 = 0; v1 < 2; v1++) {
		struct sim s;

		sim_init(&s, v1, "default");
		(void)sim_child(&s, 200, 190 * MIB, 3000 * MIB, 600 * SECOND);
		sim_run(&s, 30 * SECOND);
		sim_child(&s, 300, 90 * MIB, 300 * MIB, SECOND)->ghost = 185 * MIB;
		for (int i = 0; i < 200 && sim_find(&s, 300)->brake_at == NONE; i++)
			sim_step(&s);
		assert_true(sim_find(&s, 300)->brake_at != NONE);
		/* Not all of it, or the brake would come off by itself. */
		sim_find(&s, 300)->ghost = 0;
		sim_find(&s, 200)->bytes -= 30 * MIB;
		sim_find(&s, 200)->target = 160 * MIB;
		sim_run(&s, 60 * SECOND);
		assert_int_equal(s.killed + s.oom, 0);
		assert_int_equal(s.finished, 1);
		sim_find(&s, 200)->stay_ns = SECOND;
		must_be_calm(&s);
		sim_done(&s);
	}
}

/* One at a time: when the first has ended there is room for the second. */
static void two_that_grow(void **state)
{
	for (int v1 = 0; v1 < 2; v1++) {
		struct sim s;

		sim_init(&s, v1, "default");
		sim_run(&s, SECOND);
		(void)sim_child(&s, 200, 240 * MIB, 800 * MIB, SECOND);
		(void)sim_child(&s, 300, 240 * MIB, 700 * MIB, SECOND);
		sim_run(&s, 40 * SECOND);
		assert_in_range(s.killed, 0, 1);
		assert_int_equal(s.killed + s.finished, 2);
		assert_int_equal(s.oom, 0);
		must_be_calm(&s);
		sim_done(&s);
	}
}

static void everything_at_once(void **state)
{
	for (int v1 = 0; v1 < 2; v1++) {
		struct sim s;

		sim_init(&s, v1, "default");
		sim_run(&s, SECOND);
		s.agent_rate = 2 * MIB;
		for (uint32_t i = 0; i < CHILDREN; i++)
			(void)sim_child(&s, 200 + i, (300 + 100 * i) * MIB, 3000 * MIB, SECOND);
		sim_run(&s, 20 * SECOND);
		s.agent_rate = 0;
		sim_run(&s, 60 * SECOND);
		assert_int_equal(s.killed + s.finished, CHILDREN);
		assert_int_equal(s.oom, 0);
		must_be_calm(&s);
		sim_done(&s);
	}
}

/* Each rung that the machine can't do is passed over, and asked for once. */
static void what_can_not_be_done(void **state)
{
	for (unsigned without = GUARD_TELL; without < GUARD_KILL; without++) {
		struct sim s;

		sim_init(&s, true, "default");
		s.result[without] = -EOPNOTSUPP;
		sim_run(&s, SECOND);
		(void)sim_child(&s, 200, 2000 * MIB, 300 * MIB, SECOND);
		sim_run(&s, 30 * SECOND);
		assert_int_equal(s.killed, 1);
		assert_int_equal(s.count[without], 1);
		must_be_calm(&s);
		sim_done(&s);
	}
}

static void what_fails_is_tried_again(void **state)
{
	for (unsigned broken = GUARD_RECLAIM; broken <= GUARD_KILL; broken++) {
		struct sim s;

		sim_init(&s, true, "default");
		s.result[broken] = -EIO;
		sim_run(&s, SECOND);
		(void)sim_child(&s, 200, 2000 * MIB, 300 * MIB, SECOND);
		sim_run(&s, 20 * SECOND);
		/* Not on every look. */
		assert_in_range(s.count[broken], 1, 15);
		s.result[broken] = 0;
		sim_run(&s, 40 * SECOND);
		assert_int_equal(s.killed, 1);
		must_be_calm(&s);
		sim_done(&s);
	}
}

/* The kernel alone can't tell: without a rung above `tell` nothing is done. */
static void tells_only(void **state)
{
	struct sim s;

	sim_init(&s, true, "tell");
	(void)sim_child(&s, 200, 2000 * MIB, 300 * MIB, SECOND);
	sim_run(&s, 10 * SECOND);
	assert_int_equal(s.count[GUARD_TELL], 1);
	assert_int_equal(s.order_n, 1);
	sim_done(&s);

	sim_init(&s, true, "gentle");
	(void)sim_child(&s, 200, 2000 * MIB, 300 * MIB, SECOND);
	sim_run(&s, 60 * SECOND);
	assert_int_equal(s.killed, 0);
	assert_true(s.count[GUARD_FREEZE] > 0);
	sim_done(&s);
}

/* A clock that leaps or turns back neither kills nor holds for ever. */
static void time_jumps(void **state)
{
	struct sim s;

	sim_init(&s, true, "default");
	sim_run(&s, SECOND);
	(void)sim_child(&s, 200, 900 * MIB, 3000 * MIB, SECOND);
	for (int i = 0; i < 500 && !s.count[GUARD_FREEZE]; i++)
		sim_step(&s);
	assert_true(s.count[GUARD_FREEZE] > 0);
	sim_run(&s, 100 * MS);
	/* The machine slept for an hour: that is no patience that ran out. */
	s.now += 3600 * SECOND;
	sim_step(&s);
	sim_step(&s);
	assert_int_equal(s.killed, 0);
	s.now -= 7200 * SECOND;
	sim_run(&s, 20 * SECOND);
	assert_int_equal(s.killed, 1);
	must_be_calm(&s);
	sim_done(&s);
}

static void a_limit_is_needed(void **state)
{
	struct guard_action a[4];
	struct guard_policy p;
	struct guard *g = NULL;

	assert_int_equal(guard_policy_parse("default", &p, NULL), 0);
	assert_int_equal(guard_new(&p, &g), 0);
	assert_int_equal(guard_decide(g, &(struct guard_view){ .limit = 0, .used = 5 }, a, 4), 0);
	assert_int_equal(guard_decide(g, &(struct guard_view){ .limit = VITALS_UNKNOWN, .used = 5 }, a, 4), 0);
	/* Known by its use alone, without phases or an agent; and no more than there is room for. */
	assert_int_equal(
	    guard_decide(g, &(struct guard_view){ .limit = LIMIT, .used = LIMIT, .available = VITALS_UNKNOWN }, a, 1),
	    1);
	assert_int_equal(a[0].rung, GUARD_TELL);
	guard_free(g);
}

/* Any sequence of loads, answers and latencies: what is applied is undone once it is quiet, or was the last thing. */
static void any_sequence(void **state)
{
	static const int results[] = { 0, 0, 0, 0, -EIO, -EAGAIN, -ESRCH, -EOPNOTSUPP, -ETIMEDOUT };
	unsigned seed = 20240607;

	for (unsigned round = 0; round < 300; round++) {
		struct sim s;

		sim_init(&s, rand_r(&seed) & 1, rand_r(&seed) & 1 ? "default" : "gentle,tell=40%/9s,freeze=8%,no-save");
		for (unsigned i = 0; i < GUARD_RUNG_MAX; i++) {
			s.result[i] = results[(unsigned)rand_r(&seed) % ARRAY_SIZE(results)];
			s.undo_result[i] = rand_r(&seed) % 3 ? 0 : -EAGAIN;
		}
		for (unsigned i = 0; i < 300; i++) {
			unsigned what = (unsigned)rand_r(&seed) % 40;
			struct child *c = &s.child[(unsigned)rand_r(&seed) % CHILDREN];

			if (what == 0 && !c->pid)
				*c = (struct child){ .pid = 200 + i,
						     .target = (uint64_t)(rand_r(&seed) % 800) * MIB,
						     .rate = (uint64_t)(rand_r(&seed) % 3000) * MIB + 100,
						     .stay_ns = 100 * MS,
						     .brake_at = NONE };
			else if (what == 1)
				c->pid = 0;
			else if (what == 2)
				s.agent_rate = (uint64_t)(rand_r(&seed) % 50) * MIB;
			else if (what == 3)
				s.latency = (unsigned)rand_r(&seed) % 20;
			else if (what == 4)
				s.now += (uint64_t)(rand_r(&seed) % 100) * SECOND;
			sim_step(&s);
		}
		s.agent_rate = 0;
		s.agent = 50 * MIB;
		memset(s.result, 0, sizeof(s.result));
		memset(s.undo_result, 0, sizeof(s.undo_result));
		for (unsigned i = 0; i < CHILDREN; i++)
			s.child[i].target = 0, s.child[i].bytes = 0, s.child[i].stay_ns = 0;
		must_be_calm(&s);
		sim_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_is_left_alone),
		cmocka_unit_test(burst_beyond_the_limit),
		cmocka_unit_test(burst_that_fits),
		cmocka_unit_test(leak_in_the_agent),
		cmocka_unit_test(the_one_that_grows),
		cmocka_unit_test(a_brake_is_no_trap),
		cmocka_unit_test(two_that_grow),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(what_can_not_be_done),
		cmocka_unit_test(what_fails_is_tried_again),
		cmocka_unit_test(tells_only),
		cmocka_unit_test(time_jumps),
		cmocka_unit_test(ready_before_the_brake),
		cmocka_unit_test(a_limit_is_needed),
		cmocka_unit_test(any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
