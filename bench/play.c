/* SPDX-License-Identifier: Apache-2.0 */
#include "play.h"

#include <errno.h>
#include <stdlib.h>

#include "vitals/forecast.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define CLAIM_NS (100 * NS_PER_MS)
#define CLAIM_NEAR_NS ((int64_t)(5 * NS_PER_S)) /* nearer than that each look counts */
#define CLAIMS 65536

/* A warning as it stands, of anyone. */
struct judge {
	bool on;
	uint64_t since_ns, ended_ns; /* ended_ns: the last one, until it is judged */
};

/* What the forecast said, and when. */
struct claim {
	uint64_t time_ns;
	int64_t low_ns, high_ns;
};

/*
 * The model of pressure: without swap there is nothing to scan but page cache, so nobody stalls until the limit is in
 * use. Then taking memory means to drop clean pages, which is cheap, until those go that are read all the time: they
 * are read again at once, and tasks wait for that the more, the fewer of them are left.
 */
struct pressure {
	double avg10;
	uint64_t over_ns; /* since when it is over 60 %; 0: it is not */
};

struct player {
	struct judge judges[PLAY_WHO_MAX];
	struct pressure pressure;
	struct claim *claims;
	size_t claims_n;
	uint64_t full_ns, moved_ns, full_used, full_clean;
	bool usage, available; /* these rivals' warnings */
};

static void judge(struct judge *j, struct play_judged *of, bool on, uint64_t time_ns)
{
	if (j->ended_ns && time_ns - j->ended_ns > FORECAST_GRACE_NS) {
		of->false_alarms++;
		j->ended_ns = 0;
	}
	if (on && !j->on) {
		if (!j->ended_ns)
			j->since_ns = time_ns;
		j->ended_ns = 0;
	} else if (!on && j->on) {
		j->ended_ns = time_ns;
	}
	j->on = on;
}

static void judge_end(struct judge *j, struct play_judged *of, bool crossed, uint64_t time_ns)
{
	judge(j, of, j->on, time_ns);
	if (!j->on && !j->ended_ns)
		return;
	if (!crossed) {
		of->false_alarms++;
		return;
	}
	of->lead_ns = (int64_t)(time_ns - j->since_ns);
	of->hit = of->lead_ns >= FORECAST_USEFUL_NS;
}

/* Rivals fall five points below where they rise, so that they do not flap. */
static bool threshold(bool on, double bytes, double limit)
{
	return bytes >= limit * (on ? 0.85 : 0.9);
}

static bool pressed(struct pressure *s, const struct trace *t, const struct trace_point *p)
{
	double stall = 0, clean = (double)trace_clean(p);

	if (p->anon + p->clean >= p->limit && clean < t->hot)
		stall = 1 - clean / t->hot;
	s->avg10 += (stall - s->avg10) * 0.01 / 10;
	if (s->avg10 <= 0.6)
		s->over_ns = 0;
	else if (!s->over_ns)
		s->over_ns = p->time_ns;
	return s->over_ns && p->time_ns - s->over_ns >= 30 * NS_PER_S;
}

/* Whether this look is a full sample: ten times a second while something moves or is warned of, else once. */
static bool full_now(struct player *r, const struct trace_point *p, uint64_t used, bool warned)
{
	uint64_t moved = used > r->full_used ? used - r->full_used : r->full_used - used;

	if (moved > p->limit / 100 || warned || used > p->limit / 10 * 9)
		r->moved_ns = p->time_ns;
	if (r->full_ns && p->time_ns - r->full_ns < 100 * NS_PER_MS)
		return false;
	if (r->full_ns && p->time_ns - r->moved_ns > NS_PER_S && p->time_ns - r->full_ns < NS_PER_S)
		return false;
	r->full_ns = p->time_ns;
	r->full_used = used;
	r->full_clean = trace_clean(p);
	return true;
}

static void look(struct player *r, struct forecast *f, const struct trace *t, const struct trace_point *p,
		 struct play *ret)
{
	uint64_t used = trace_used(p), clean;
	struct forecast_result said;
	struct forecast_input in = { .time_ns = p->time_ns, .used = used, .limit = p->limit, .tool = p->tool };

	in.full = full_now(r, p, used, r->judges[PLAY_FORECAST].on);
	/* Available, as it was at the last full sample, and less by what is used since. */
	clean = p->limit + r->full_clean;
	clean = clean > r->full_used ? clean - r->full_used : 0; /* the limit may have fallen since */
	in.available = used > r->full_used ? clean - (used - r->full_used < clean ? used - r->full_used : clean) :
					     clean + (r->full_used - used);
	in.anon = p->anon;
	forecast_add(f, &in, &said);
	judge(&r->judges[PLAY_FORECAST], &ret->who[PLAY_FORECAST], said.clock != FORECAST_NONE, p->time_ns);
	if (said.clock != FORECAST_NONE && r->claims_n < CLAIMS &&
	    (p->time_ns % CLAIM_NS == 0 || said.limit_in_ns < CLAIM_NEAR_NS))
		r->claims[r->claims_n++] = (struct claim){ p->time_ns, said.low_ns, said.high_ns };
	r->usage = threshold(r->usage, (double)used, (double)p->limit);
	judge(&r->judges[PLAY_USAGE], &ret->who[PLAY_USAGE], r->usage, p->time_ns);
	r->available = threshold(r->available, (double)p->anon, (double)p->limit);
	judge(&r->judges[PLAY_AVAILABLE], &ret->who[PLAY_AVAILABLE], r->available, p->time_ns);
	judge(&r->judges[PLAY_PRESSURE], &ret->who[PLAY_PRESSURE], pressed(&r->pressure, t, p), p->time_ns);
}

/* Of the warning that stood when the limit was reached. */
static void coverage(const struct player *r, struct play *ret)
{
	size_t said = 0, inside = 0;

	for (size_t i = 0; i < r->claims_n; i++) {
		const struct claim *c = &r->claims[i];
		int64_t left = (int64_t)(ret->end_ns - c->time_ns);

		if (c->time_ns < r->judges[PLAY_FORECAST].since_ns)
			continue;
		said++;
		inside += left >= c->low_ns && left <= c->high_ns;
	}
	ret->spoke = ret->who[PLAY_FORECAST].hit && said > 0;
	ret->inside = said ? (double)inside / (double)said : 0;
}

int play_trace(struct trace *t, struct play *ret)
{
	struct player r = { 0 };
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	_cleanup_free_ struct claim *claims = calloc(CLAIMS, sizeof(*claims));
	struct forecast_score score;
	struct trace_point p;

	*ret = (struct play){ 0 };
	if (!claims || forecast_new(&f) < 0)
		return -ENOMEM;
	r.claims = claims;
	trace_rewind(t);
	while (!ret->crossed && trace_next(t, &p)) {
		ret->end_ns = p.time_ns;
		ret->crossed = p.anon >= p.limit;
		if (!ret->crossed)
			look(&r, f, t, &p, ret);
	}
	if (ret->crossed)
		forecast_hit(f, ret->end_ns);
	for (int who = 0; who < PLAY_WHO_MAX; who++)
		judge_end(&r.judges[who], &ret->who[who], ret->crossed, ret->end_ns);
	if (ret->crossed)
		coverage(&r, ret);
	forecast_score(f, &score);
	ret->hits = score.hits;
	ret->misses = score.misses;
	ret->false_alarms = score.false_alarms;
	return 0;
}
