/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder. One look goes from the lowest rung to the highest and takes the first that is due; it waits for that
 * one's effect before it takes the next, unless the limit is too near for that. When it is over, what was done is
 * undone from the top down. Who is to be held is guard-blame.c's.
 *
 * Time is our own: the sum of the steps between looks, none longer than STEP_MAX_NS, so that neither a clock that jumps
 * nor a machine that slept makes patience run out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "vitals/guard-internal.h"

#define MS INT64_C(1000000)
#define STEP_MAX_NS CLOCK_SECOND_NS
#define YIELD_AFTER 12 /* times the patience: somebody may look, and make room */
#define SETTLE_NS (50 * MS)		       /* until an action is seen in the figures */
#define KILL_SETTLE_NS CLOCK_SECOND_NS	       /* memory of the dead comes back */
#define RECLAIM_AGAIN_NS (2 * CLOCK_SECOND_NS) /* and twice as long each time, while there is no end to it */
#define RECLAIM_DOUBLINGS 4
#define SAVE_AGAIN_NS (60 * CLOCK_SECOND_NS)
#define SAVE_AFTER_NS (100 * MS) /* a burst that the lower rungs take care of is no reason to save */
#define BRAKE_STEP_NS (200 * MS)
#define BRAKE_AGAIN_NS CLOCK_SECOND_NS
#define BRAKE_DOUBLINGS 5
#define CALM_NS (500 * MS) /* so long it must be well before anything is undone */
#define UNDO_GAP_NS (200 * MS)
#define READY_NS (2 * CLOCK_SECOND_NS) /* a limit so near, or twice the brake's level, is time to make ready */
#define NEAR_NS (50 * MS) /* a limit so near leaves no time to wait for effects */
#define LOST_NS                                                                                                        \
	(5 * CLOCK_SECOND_NS) /* an action of which nothing is heard for so long, beyond its deadline, failed          \
			       */
#define BACKOFF_NS CLOCK_SECOND_NS
#define BACKOFF_MAX_NS (8 * CLOCK_SECOND_NS)

enum step {
	NOTHING, /* not due, or done already */
	WAIT,	 /* under way: what is above has to wait */
	ISSUED,
};

int guard_new(const struct guard_policy *policy, struct guard **ret)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->policy = *policy;
	*ret = g;
	return 0;
}

void guard_free(struct guard *g)
{
	free(g);
}

/* --- what is held ------------------------------------------------------------------------------------------------ */

static struct hold *hold_find(struct guard *g, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < g->holds_n; i++)
		if (g->holds[i].pid == pid && g->holds[i].start_ns == start_ns)
			return &g->holds[i];
	return NULL;
}

static struct hold *hold_get(struct guard *g, const struct who *who)
{
	struct hold *h = hold_find(g, who->pid, who->start_ns);

	if (h || g->holds_n == HOLDS_MAX)
		return h;
	h = &g->holds[g->holds_n++];
	*h = (struct hold){ .pid = who->pid, .start_ns = who->start_ns, .grown = who->growth };
	memcpy(h->command, who->command, sizeof(h->command));
	return h;
}

static void holds_tidy(struct guard *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->holds_n; i++)
		if (g->holds[i].braked || g->holds[i].frozen || g->holds[i].busy)
			g->holds[kept++] = g->holds[i];
	g->holds_n = kept;
}

static bool any_frozen(const struct guard *g)
{
	for (size_t i = 0; i < g->holds_n; i++)
		if (g->holds[i].frozen)
			return true;
	return false;
}

/* --- danger ------------------------------------------------------------------------------------------------------ */

static unsigned level_of(const struct guard_view *v)
{
	uint64_t available = v->available;

	if (v->paused)
		return 0;
	if (available == VITALS_UNKNOWN)
		available = v->used < v->limit ? v->limit - v->used : 0;
	if (available >= v->limit)
		return 1000;
	return (unsigned)((__uint128_t)available * 1000 / v->limit);
}

static uint64_t share(const struct guard_view *v, unsigned thousandths)
{
	return (uint64_t)((__uint128_t)v->limit * thousandths / 1000);
}

static bool foreseen(const struct guard *g, const struct guard_view *v, enum guard_rung rung, int64_t times)
{
	int64_t within = g->policy.within_ns[rung];

	return within > 0 && v->forecast.clock != FORECAST_NONE && v->forecast.limit_in_ns / times <= within;
}

static bool danger(const struct guard *g, const struct guard_view *v, enum guard_rung rung)
{
	return g->level < g->policy.at[rung] || foreseen(g, v, rung, 1);
}

/* Below it the rung is not undone: half as much again and a hundredth. What was borrowed has to be given back, too. */
static unsigned level_to_undo(const struct guard *g, const struct guard_view *v, enum guard_rung rung)
{
	unsigned level = g->policy.at[rung] * 3 / 2 + 10;

	if (rung == GUARD_BORROW)
		level += (unsigned)(guard_policy_reserve(&g->policy, v->limit) * 1000 / v->limit);
	return MIN(level, 990);
}

static bool usable(const struct guard *g, enum guard_rung rung)
{
	return g->policy.on[rung] && !g->rungs[rung].unsupported;
}

/* --- telling what to do ------------------------------------------------------------------------------------------ */

struct turn {
	struct guard *g;
	const struct guard_view *v;
	struct guard_action *out;
	size_t n, room;
	bool urgent;
};

static bool full(const struct turn *t)
{
	return t->n >= t->room || t->g->pending_n >= PENDING_MAX;
}

static void issue(struct turn *t, enum guard_rung rung, bool undo, const struct who *who, uint64_t bytes)
{
	struct guard *g = t->g;
	struct guard_action *a = &t->out[t->n++];
	struct pending *p = &g->pending[g->pending_n++];

	*a = (struct guard_action){ .rung = rung,
				    .undo = undo,
				    .yield = who->yield,
				    .pid = who->pid,
				    .start_ns = who->start_ns,
				    .bytes = bytes };
	memcpy(a->command, who->command, sizeof(a->command));
	a->held_bytes = who->bytes;
	guard_why(g, t->v, who, a);
	*p = (struct pending){ .rung = rung,
			       .undo = undo,
			       .yield = who->yield,
			       .pid = who->pid,
			       .start_ns = who->start_ns,
			       .since = g->clock };
	g->rungs[rung].issued = g->clock;
}

static const struct pending *pending_find(const struct guard *g, enum guard_rung rung)
{
	for (size_t i = 0; i < g->pending_n; i++)
		if (g->pending[i].rung == rung)
			return &g->pending[i];
	return NULL;
}

static bool settling(const struct guard *g, enum guard_rung rung, int64_t ns)
{
	return g->rungs[rung].ever && g->clock - g->rungs[rung].issued < (uint64_t)ns;
}

/* --- the rungs --------------------------------------------------------------------------------------------------- */

static enum step try_tell(struct turn *t)
{
	struct who who;

	if (t->g->told || pending_find(t->g, GUARD_TELL) || !danger(t->g, t->v, GUARD_TELL))
		return NOTHING;
	guard_blame(t->g, t->v, BLAME_ANY, &who);
	if (who.agent)
		who.pid = 0, who.start_ns = 0;
	issue(t, GUARD_TELL, false, &who, 0);
	return ISSUED;
}

static enum step try_reclaim(struct turn *t)
{
	struct guard *g = t->g;
	uint64_t target = share(t->v, level_to_undo(g, t->v, GUARD_RECLAIM)), left = share(t->v, g->level);

	if (!danger(g, t->v, GUARD_RECLAIM))
		return NOTHING;
	if (settling(g, GUARD_RECLAIM, SETTLE_NS))
		return WAIT;
	if (pending_find(g, GUARD_RECLAIM) || settling(g, GUARD_RECLAIM, RECLAIM_AGAIN_NS << g->reclaims))
		return NOTHING;
	g->reclaims = MIN(g->reclaims + 1, RECLAIM_DOUBLINGS);
	issue(t, GUARD_RECLAIM, false, &(struct who){ 0 }, target > left ? target - left : share(t->v, 20));
	return ISSUED;
}

/* What stays when a braked child has had its room. */
static unsigned floor_level(const struct guard *g)
{
	return usable(g, GUARD_FREEZE) ? g->policy.at[GUARD_FREEZE] : g->policy.at[GUARD_KILL];
}

/* Half of what may still be taken, so that each step is smaller than the last; then the rest of it. */
static uint64_t brake_room(const struct turn *t)
{
	unsigned bottom = floor_level(t->g), left = t->g->level > bottom ? t->g->level - bottom : 0;

	return share(t->v, left > 10 ? left / 2 : left);
}

static bool room_used(const struct hold *h, const struct guard_view *v, const struct who *who)
{
	uint64_t most = h->room / 4 * 3;

	return who->bytes >= h->bytes_then + most || v->used >= h->used_then + most;
}

static enum step brake(struct turn *t, const struct who *who, struct hold *h, uint64_t room)
{
	h->room = room;
	h->bytes_then = who->bytes;
	h->used_then = t->v->used;
	h->busy = true;
	h->brake_since = t->g->clock;
	issue(t, GUARD_BRAKE, false, who, room);
	return ISSUED;
}

/*
 * A little more for one that is braked and has had its room; or it is known that there is no more to give. Whether it
 * has had it can be missed: others free memory meanwhile, and a child that has just been forked seems to hold what its
 * parent does. So it also gets more after a while, and then after twice as long.
 */
static enum step brake_step(struct turn *t, const struct who *who, struct hold *h)
{
	uint64_t room = brake_room(t), since = t->g->clock - h->brake_since;
	bool used = room_used(h, t->v, who);

	if (since < SETTLE_NS)
		return WAIT;
	if (since < (uint64_t)(used ? BRAKE_STEP_NS : BRAKE_AGAIN_NS << h->unused) ||
	    (!used && room < MAX(share(t->v, 2), 1)))
		return NOTHING;
	h->unused = used ? 0 : MIN(h->unused + 1, BRAKE_DOUBLINGS);
	if (room >= MAX(share(t->v, 2), 1)) {
		h->stuck = false;
		return brake(t, who, h, room);
	}
	if (!h->stuck) {
		h->stuck = true;
		h->stuck_since = t->g->clock;
	}
	return NOTHING;
}

static enum step try_brake(struct turn *t)
{
	enum step worst = NOTHING;
	struct who who;
	struct hold *h;

	for (size_t i = 0; i < t->g->holds_n; i++) {
		h = &t->g->holds[i];
		if (h->busy)
			worst = WAIT;
		if (!h->braked || h->frozen || h->busy || full(t) || !guard_who(t->g, t->v, h->pid, h->start_ns, &who))
			continue;
		worst = MAX(worst, brake_step(t, &who, h));
	}
	if (worst != NOTHING || !danger(t->g, t->v, GUARD_BRAKE) || full(t) || hold_find(t->g, 0, 0))
		return worst;
	guard_blame(t->g, t->v, BLAME_UNBRAKED, &who);
	h = who.pid && !who.agent ? hold_get(t->g, &who) : NULL;
	return h ? brake(t, &who, h, brake_room(t)) : NOTHING;
}

static enum step try_borrow(struct turn *t)
{
	uint64_t bytes = guard_policy_reserve(&t->g->policy, t->v->limit);

	if (pending_find(t->g, GUARD_BORROW))
		return WAIT;
	if (t->g->borrowed || bytes == 0 || !danger(t->g, t->v, GUARD_BORROW))
		return NOTHING;
	issue(t, GUARD_BORROW, false, &(struct who){ 0 }, bytes);
	return ISSUED;
}

/* How long it has stood still, or crept at its brake. */
static uint64_t held_for(const struct guard *g, const struct hold *h)
{
	uint64_t frozen = h->frozen ? g->clock - h->frozen_since : 0;
	uint64_t stuck = h->stuck && h->braked ? g->clock - h->stuck_since : 0;

	return MAX(frozen, stuck);
}

/* Of those that are held so long the one that had grown most when it was taken hold of. */
static const struct hold *held(const struct guard *g, uint64_t at_least)
{
	const struct hold *best = NULL;

	for (size_t i = 0; i < g->holds_n; i++)
		if (held_for(g, &g->holds[i]) >= at_least && (!best || g->holds[i].grown > best->grown))
			best = &g->holds[i];
	return best;
}

static enum step freeze(struct turn *t, const struct who *who)
{
	/* Where it is the agent itself, all stand still: half of an agent is no agent. */
	const struct who all = { .agent = true, .bytes = who->bytes, .growth = who->growth };
	const struct who *whom = who->agent ? &all : who;
	struct hold *h = hold_get(t->g, whom);

	if (!h || h->frozen || h->busy)
		return NOTHING;
	h->busy = true;
	issue(t, GUARD_FREEZE, false, whom, 0);
	return ISSUED;
}

static enum step try_freeze(struct turn *t)
{
	struct guard *g = t->g;
	const struct hold *stuck = held(g, (uint64_t)g->policy.patience_ns / 2);
	struct who who;

	if (pending_find(g, GUARD_FREEZE))
		return WAIT;
	if (hold_find(g, 0, 0))
		return NOTHING; /* nobody moves */
	if (stuck && !stuck->frozen && guard_who(g, t->v, stuck->pid, stuck->start_ns, &who))
		return freeze(t, &who);
	if (!danger(g, t->v, GUARD_FREEZE))
		return NOTHING;
	/* What was done below may be enough. */
	if (g->holds_n > 0 &&
	    (g->clock - g->rungs[GUARD_FREEZE].well < SETTLE_NS || settling(g, GUARD_FREEZE, SETTLE_NS)))
		return WAIT;
	guard_blame(g, t->v, BLAME_UNFROZEN, &who);
	/* All have stood still before, and it was of no use. */
	if (who.agent && g->yielded)
		return NOTHING;
	return who.pid ? freeze(t, &who) : NOTHING;
}

static enum step try_save(struct turn *t)
{
	struct guard *g = t->g;

	if (pending_find(g, GUARD_SAVE) || settling(g, GUARD_SAVE, SAVE_AGAIN_NS))
		return NOTHING;
	if (g->clock - g->rungs[GUARD_SAVE].well < SAVE_AFTER_NS && !held(g, (uint64_t)g->policy.patience_ns / 2))
		return NOTHING;
	issue(t, GUARD_SAVE, false, &(struct who){ 0 }, 0);
	return ISSUED;
}

/* Near the end there is less of it: what the kernel would do next takes no account of who is to blame. */
static uint64_t patience(const struct turn *t)
{
	uint64_t whole = (uint64_t)t->g->policy.patience_ns;

	if (t->v->paused)
		return whole / 4; /* the kernel waits, but the agent may be among those that stand */
	return t->g->level < t->g->policy.at[GUARD_KILL] / 2 ? 1 : whole;
}

/* A held child is killed when patience is over and it did not get better; one that can't be held by the level alone. */
static bool kill_is_due(const struct turn *t, struct who *ret)
{
	const struct guard *g = t->g;
	const struct hold *h = held(g, patience(t));

	if (h && h->pid && g->level < MAX(level_to_undo(g, t->v, GUARD_FREEZE), g->policy.at[GUARD_KILL]))
		return guard_who(g, t->v, h->pid, h->start_ns, ret);
	if (!danger(g, t->v, GUARD_KILL) || g->holds_n > 0)
		return false;
	guard_blame(g, t->v, BLAME_ANY, ret);
	return ret->pid && !ret->agent;
}

static enum step try_kill(struct turn *t)
{
	struct guard *g = t->g;
	struct who who;

	if (pending_find(g, GUARD_KILL) || settling(g, GUARD_KILL, KILL_SETTLE_NS))
		return WAIT;
	if (!kill_is_due(t, &who) || who.bytes < t->v->limit / 50)
		return NOTHING;
	/* What is saved before is saved whole; but who can't be held is not waited for, nor a limit that is at hand. */
	if (pending_find(g, GUARD_SAVE) && g->holds_n > 0 && patience(t) > 1)
		return WAIT;
	issue(t, GUARD_KILL, false, &who, 0);
	return ISSUED;
}

static enum step try_kill_all(struct turn *t)
{
	struct guard *g = t->g;
	const struct hold *all = hold_find(g, 0, 0);
	struct who who;

	if (pending_find(g, GUARD_KILL_ALL) || pending_find(g, GUARD_KILL) || pending_find(g, GUARD_SAVE))
		return WAIT;
	guard_blame(g, t->v, BLAME_ANY, &who);
	/* While a child can be killed instead, it is. */
	if (usable(g, GUARD_KILL) && who.pid && !who.agent)
		return NOTHING;
	if (all ? held_for(g, all) < (uint64_t)g->policy.patience_ns
		: usable(g, GUARD_FREEZE) || !danger(g, t->v, GUARD_KILL_ALL))
		return NOTHING;
	who.pid = 0;
	who.start_ns = 0;
	issue(t, GUARD_KILL_ALL, false, &who, 0);
	return ISSUED;
}

static enum step (*const try[GUARD_RUNG_MAX])(struct turn *t) = {
	[GUARD_TELL] = try_tell,     [GUARD_RECLAIM] = try_reclaim,   [GUARD_BRAKE] = try_brake,
	[GUARD_BORROW] = try_borrow, [GUARD_FREEZE] = try_freeze,     [GUARD_SAVE] = try_save,
	[GUARD_KILL] = try_kill,     [GUARD_KILL_ALL] = try_kill_all,
};

static void climb(struct turn *t)
{
	for (unsigned rung = 0; rung < GUARD_RUNG_MAX; rung++) {
		struct rung_state *state = &t->g->rungs[rung];

		if (!usable(t->g, rung) || t->g->clock < state->not_before || full(t))
			continue;
		enum step step = try[rung](t);
		if (step == ISSUED)
			state->ever = true;
		/* A word holds nobody up. */
		if (step != NOTHING && rung != GUARD_TELL && !t->urgent)
			return;
	}
}

/* --- undoing ----------------------------------------------------------------------------------------------------- */

static bool is_over(const struct turn *t, enum guard_rung rung)
{
	const struct guard *g = t->g;

	return g->clock >= g->rungs[rung].bad_until && g->clock >= g->rungs[rung].undo_not_before;
}

/* Since when each rung's level has been well behind us. */
static void note_calm(struct turn *t)
{
	struct guard *g = t->g;

	for (unsigned rung = 0; rung < GUARD_RUNG_MAX; rung++) {
		if (g->level < level_to_undo(g, t->v, rung) || foreseen(g, t->v, rung, 2))
			g->rungs[rung].bad_until = g->clock + CALM_NS;
		if (!danger(g, t->v, rung))
			g->rungs[rung].well = g->clock;
	}
}

static void who_is_held(const struct turn *t, const struct hold *h, struct who *ret)
{
	if (h->pid && guard_who(t->g, t->v, h->pid, h->start_ns, ret))
		return;
	*ret = (struct who){ .pid = h->pid, .start_ns = h->start_ns, .gone = h->pid };
	memcpy(ret->command, h->command, sizeof(ret->command));
}

static bool undo_hold(struct turn *t, struct hold *h, enum guard_rung rung)
{
	struct who who;

	who_is_held(t, h, &who);
	h->busy = true;
	issue(t, rung, true, &who, 0);
	return true;
}

/* Those that ended are let go whatever the level: their cgroups are to be had again. */
static void let_go_of_the_dead(struct turn *t)
{
	struct who who;

	if (t->v->phases_n >= VITALS_PHASES_MAX)
		return; /* not all are shown */
	for (size_t i = 0; i < t->g->holds_n && !full(t); i++) {
		struct hold *h = &t->g->holds[i];
		enum guard_rung rung = h->frozen ? GUARD_FREEZE : GUARD_BRAKE;

		if (h->pid && !h->busy && t->g->clock >= t->g->rungs[rung].undo_not_before &&
		    !guard_who(t->g, t->v, h->pid, h->start_ns, &who))
			(void)undo_hold(t, h, rung);
	}
}

static bool undo_holds(struct turn *t, enum guard_rung rung)
{
	for (size_t i = t->g->holds_n; i-- > 0;) {
		struct hold *h = &t->g->holds[i];

		if (!h->busy && (rung == GUARD_FREEZE ? h->frozen : h->braked && !h->frozen))
			return undo_hold(t, h, rung);
	}
	return false;
}

/*
 * All stand still since the agent itself grew, its work is saved, and no rung is left: to stand for ever is no better
 * than to be killed. So they go on, and the kernel does at the limit what it does without a guard.
 */
static void yield(struct turn *t)
{
	struct guard *g = t->g;
	struct hold *all = hold_find(g, 0, 0);
	struct who who = { .agent = true, .yield = true };

	if (!all || !all->frozen || all->busy || full(t))
		return;
	if (!g->asked && (usable(g, GUARD_KILL_ALL) || pending_find(g, GUARD_SAVE) ||
			  held_for(g, all) < (uint64_t)g->policy.patience_ns * YIELD_AFTER))
		return;
	g->asked = false;
	all->busy = true;
	issue(t, GUARD_FREEZE, true, &who, 0);
}

/* One thing at a time, from the top down. */
static void descend(struct turn *t)
{
	struct guard *g = t->g;

	if (full(t) || (g->undone && g->clock - g->undone < UNDO_GAP_NS))
		return;
	g->undone = g->clock;
	if (is_over(t, GUARD_FREEZE) && undo_holds(t, GUARD_FREEZE))
		return;
	if (g->borrowed && !any_frozen(g) && !pending_find(g, GUARD_BORROW) && is_over(t, GUARD_BORROW)) {
		issue(t, GUARD_BORROW, true, &(struct who){ 0 }, guard_policy_reserve(&g->policy, t->v->limit));
		return;
	}
	if (is_over(t, GUARD_BRAKE) && undo_holds(t, GUARD_BRAKE))
		return;
	if (is_over(t, GUARD_RECLAIM))
		g->reclaims = 0;
	if (g->told && g->holds_n == 0 && !pending_find(g, GUARD_TELL) && is_over(t, GUARD_TELL))
		issue(t, GUARD_TELL, true, &(struct who){ 0 }, 0);
}

/* --- how it went ------------------------------------------------------------------------------------------------- */

static void failed(struct guard *g, const struct pending *p)
{
	struct rung_state *state = &g->rungs[p->rung];
	uint64_t wait = MIN((uint64_t)BACKOFF_NS << MIN(state->failures, 3U), (uint64_t)BACKOFF_MAX_NS);

	state->failures++;
	if (p->undo)
		state->undo_not_before = g->clock + wait;
	else
		state->not_before = g->clock + wait;
}

static void hold_done(struct guard *g, const struct pending *p, int result)
{
	struct hold *h = hold_find(g, p->pid, p->start_ns);

	if (!h)
		return;
	h->busy = false;
	/* A child that is gone can't be held, and is let go of by its end. */
	if (result == -ESRCH)
		h->braked = h->frozen = false;
	if (result < 0)
		return;
	if (p->rung == GUARD_BRAKE) {
		h->braked = !p->undo;
		h->stuck &= h->braked;
	} else if (p->rung == GUARD_FREEZE) {
		h->frozen = !p->undo;
		h->frozen_since = g->clock;
		/* It is at its brake again only once it has shown so. */
		h->stuck = false;
	}
}

static void settle(struct guard *g, size_t at, int result)
{
	const struct pending p = g->pending[at];

	g->pending[at] = g->pending[--g->pending_n];
	if (result == -EOPNOTSUPP && !p.undo)
		g->rungs[p.rung].unsupported = true;
	else if (result == -ESRCH)
		g->rungs[p.rung].not_before = g->clock + UNDO_GAP_NS; /* the next look at the phases knows better */
	else if (result < 0)
		failed(g, &p);
	else
		g->rungs[p.rung].failures = 0;
	if (p.rung == GUARD_BRAKE || p.rung == GUARD_FREEZE) {
		hold_done(g, &p, result);
		g->yielded |= p.yield && result == 0;
	} else if (p.rung == GUARD_TELL && (!p.undo || result == 0)) {
		g->told = !p.undo; /* said once is said, whoever heard it */
		g->yielded &= g->told;
	} else if (p.rung == GUARD_BORROW && result == 0)
		g->borrowed = !p.undo;
	else if (p.rung == GUARD_KILL_ALL && result == 0)
		g->ended = true;
}

void guard_done(struct guard *g, const struct guard_action *action, int result, uint64_t time_ns)
{
	(void)time_ns; /* ours is the look's */
	for (size_t i = 0; result <= 0 && i < g->pending_n; i++) {
		const struct pending *p = &g->pending[i];

		if (p->rung == action->rung && p->undo == action->undo && p->pid == action->pid &&
		    p->start_ns == action->start_ns) {
			settle(g, i, result);
			return;
		}
	}
}

static void give_up_the_lost(struct guard *g)
{
	uint64_t most = LOST_NS + (uint64_t)MAX(g->policy.save_deadline_ns, g->policy.hook_deadline_ns);

	for (size_t i = g->pending_n; i-- > 0;)
		if (g->clock - g->pending[i].since > most)
			settle(g, i, -ETIMEDOUT);
}

/* --- a look ------------------------------------------------------------------------------------------------------ */

static void pass_time(struct guard *g, uint64_t time_ns)
{
	if (g->looked && time_ns > g->last_ns)
		g->clock += MIN(time_ns - g->last_ns, (uint64_t)STEP_MAX_NS);
	g->last_ns = time_ns;
}

size_t guard_decide(struct guard *g, const struct guard_view *view, struct guard_action *ret, size_t room)
{
	struct turn t = { .g = g, .v = view, .out = ret, .room = room };

	if (g->ended || view->limit == 0 || view->limit == VITALS_UNKNOWN)
		return 0;
	pass_time(g, view->time_ns);
	g->level = level_of(view);
	g->foreseen = view->forecast.clock != FORECAST_NONE && view->forecast.limit_in_ns < 5 * CLOCK_SECOND_NS;
	guard_learn(g, view);
	g->looked = true;
	give_up_the_lost(g);
	holds_tidy(g);
	t.urgent = view->paused || g->level < 10 || foreseen_within(view, NEAR_NS);
	note_calm(&t);
	let_go_of_the_dead(&t);
	climb(&t);
	yield(&t);
	descend(&t);
	holds_tidy(g);
	return t.n;
}

bool guard_ready(struct guard *g, const struct guard_view *view, uint32_t *ret_pid, uint64_t *ret_start_ns)
{
	struct who who;

	if (g->ended || view->paused || !usable(g, GUARD_BRAKE) ||
	    (g->level >= g->policy.at[GUARD_BRAKE] * 2 && !foreseen_within(view, READY_NS)))
		return false;
	guard_blame(g, view, BLAME_UNBRAKED, &who);
	if (!who.pid || who.agent || (who.pid == g->ready_pid && who.start_ns == g->ready_start_ns))
		return false;
	g->ready_pid = *ret_pid = who.pid;
	g->ready_start_ns = *ret_start_ns = who.start_ns;
	return true;
}

void guard_yield(struct guard *g)
{
	g->asked = hold_find(g, 0, 0) != NULL;
}

bool guard_watchful(const struct guard *g)
{
	return g->holds_n > 0 || g->pending_n > 0 || g->foreseen || g->level < MAX(g->policy.at[GUARD_TELL] * 2, 300);
}

bool guard_calm(const struct guard *g)
{
	return g->holds_n == 0 && g->pending_n == 0 && !g->borrowed && !g->told;
}
