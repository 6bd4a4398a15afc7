/* SPDX-License-Identifier: Apache-2.0 */
/* docs/forecast.md has the method in words, where its numbers come from, and how often it is right. */
#include "vitals/forecast.h"

#include <errno.h>
#include <string.h>

#include "vitals/trend.h"
#include "vitals/vitals.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define LOOKS 1024 /* 10 s of quick looks */
#define LOOK_NS (8 * NS_PER_MS) /* nearer ones are judged but not kept */
#define GAP_NS (30 * NS_PER_S) /* of silence, after which what was seen before says nothing of now */
#define LEAK_LEVEL 0.2 /* a leak is warned of when it has left so much of the limit, at most */
/* What widens the span of slopes to an interval that holds four times of five: fitted on seeds that are not shown. */
#define BURST_LOW 0.6
#define BURST_HIGH 1.7
#define LEAK_LOW 0.65
#define LEAK_HIGH 1.3
#define FAR_APART 0.03 /* seconds: these are not the looks of a guard */
#define USEFUL_NS ((int64_t)FORECAST_USEFUL_NS)

struct look {
	uint64_t time_ns;
	double hard;
};

/* A window of the burst clock: it looks back so far, and ahead so far. */
struct window {
	uint64_t back_ns, ahead_ns;
};
static const struct window windows[] = {
	{ 50 * NS_PER_MS, 70 * NS_PER_MS },	{ 100 * NS_PER_MS, 120 * NS_PER_MS },
	{ 200 * NS_PER_MS, 200 * NS_PER_MS },	{ 400 * NS_PER_MS, 300 * NS_PER_MS },
	{ 800 * NS_PER_MS, 370 * NS_PER_MS },	{ 1600 * NS_PER_MS, 480 * NS_PER_MS },
	{ 3200 * NS_PER_MS, 900 * NS_PER_MS },	{ 6400 * NS_PER_MS, 1900 * NS_PER_MS },
};

/* A scale of the leak clock: what a point is, and how far ahead it looks at most. */
struct scale {
	uint64_t width_ns, ahead_ns;
};
static const struct scale scales[] = {
	{ 500 * NS_PER_MS, 8 * NS_PER_S },
	{ 4 * NS_PER_S, 180 * NS_PER_S },
	{ 16 * NS_PER_S, 1800 * NS_PER_S },
};

/* What a clock says, seconds and bytes a second. */
struct word {
	bool warns;   /* by the measure for a new warning */
	bool remains; /* by the milder one for a warning that stands */
	double eta, low, high, slope;
};

struct standing {
	bool on;
	uint64_t first_ns; /* since when it has been said without a break; 0: it is not said */
	uint64_t last_ns;  /* when it was said last, by the milder measure */
	uint64_t hold_ns;
	struct word word; /* as of last_ns */
	double headroom;  /* then */
};

struct forecast {
	struct look looks[LOOKS];
	unsigned next, n;
	uint64_t time_ns;
	double limit;
	/* Of the last full sample: */
	bool full;
	double full_used, full_hard;
	double full_rate; /* growth that can't be dropped, a second, since the one before */
	uint64_t full_ns;
	double share;	  /* of growth in use that can't be dropped, as the last full samples had it */
	double peak_hard; /* since then */
	unsigned since;	  /* looks kept since then */
	/* The highest that it has come back from, and when. */
	double top, ceiling, last_top;
	double rise; /* of the last such height over the one before */
	uint64_t fell_ns;
	bool tool;
	struct trend trends[ARRAY_SIZE(scales)];
	struct word words[ARRAY_SIZE(scales)];
	struct standing burst, leak;
	struct forecast_result result;
	/* The warning as a whole. */
	uint64_t warned_ns; /* 0: none stands */
	uint64_t ended_ns, ended_warned_ns; /* the last one, until it is judged; 0: it is */
	struct forecast_score score;
};

int forecast_new(struct forecast **ret)
{
	struct forecast *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->share = 1;
	f->result.limit_in_ns = f->result.low_ns = f->result.high_ns = INT64_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(scales); i++)
		trend_init(&f->trends[i], scales[i].width_ns);
	*ret = f;
	return 0;
}

void forecast_free(struct forecast *f)
{
	free(f);
}

static int64_t to_ns(double seconds)
{
	double ns = seconds * (double)NS_PER_S;

	if (!(ns > 0))
		return 0;
	return ns < 9e18 ? (int64_t)ns : INT64_MAX;
}

static double to_seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

/* --- what is seen --------------------------------------------------------------------------------------------- */

static struct look *look(struct forecast *f, unsigned age)
{
	return &f->looks[(f->next + LOOKS - 1 - age) % LOOKS];
}

static void keep(struct forecast *f, uint64_t time_ns, double hard)
{
	if (f->n && time_ns - look(f, 0)->time_ns < LOOK_NS) {
		look(f, 0)->hard = hard;
		return;
	}
	f->looks[f->next] = (struct look){ time_ns, hard };
	f->next = (f->next + 1) % LOOKS;
	f->n = MIN(f->n + 1, (unsigned)LOOKS);
	f->since = MIN(f->since + 1, (unsigned)LOOKS);
}

/* The newest look that is at least so old; the oldest of all where none is. */
static const struct look *look_back(struct forecast *f, uint64_t back_ns)
{
	unsigned from = 0, to = f->n - 1;

	while (from < to) {
		unsigned middle = (from + to) / 2;

		if (f->time_ns - look(f, middle)->time_ns >= back_ns)
			to = middle;
		else
			from = middle + 1;
	}
	return look(f, from);
}

/*
 * Between two full samples all that is known is how much is in use, page cache and all. What was held for growth that
 * can't be dropped is set right when a full sample tells the truth, so that no window sees its error as a slope.
 */
static void bend(struct forecast *f, double hard, double guess)
{
	double grown = guess - f->full_hard, truth = hard - f->full_hard;

	for (unsigned i = 0; i < f->since && i < f->n; i++) {
		double part = look(f, i)->hard - f->full_hard;

		/* Where nothing seemed to move, or the other way, the difference is spread evenly. */
		if (grown != 0 && truth / grown >= 0 && truth / grown <= 4)
			look(f, i)->hard = f->full_hard + part * (truth / grown);
		else
			look(f, i)->hard = f->full_hard + truth * (double)(f->since - i) / (double)(f->since + 1);
	}
}

/*
 * What can't be dropped, as far as a quick look tells. At the limit the page cache gives way to what grows and the sum
 * stands still, so growth is taken to go on as it did; for as long as it takes to look properly.
 */
static double guess_hard(const struct forecast *f, uint64_t time_ns, double used)
{
	double guess, blind;

	if (!f->full)
		return used;
	guess = MAX(f->full_hard + (used - f->full_used) * f->share, 0);
	if (used < f->limit * 0.98)
		return guess;
	blind = MIN(to_seconds(time_ns - f->full_ns), 0.15);
	return MIN(MAX(guess, f->full_hard + f->full_rate * blind), MAX(f->limit, f->full_hard));
}

static void see_full(struct forecast *f, const struct forecast_input *in, double used, double guess)
{
	double limit = f->limit, hard = used;

	if (in->available != VITALS_UNKNOWN)
		hard = MAX(limit - (double)in->available, 0);
	if (f->full) {
		double grown = used - f->full_used;

		if (grown > limit / 100)
			f->share = (f->share + MIN(MAX((hard - f->full_hard) / grown, 0.1), 1)) / 2;
		bend(f, hard, guess);
		f->full_rate = 0;
		if (hard - f->full_hard > limit / 100)
			f->full_rate = (hard - f->full_hard) / to_seconds(in->time_ns - f->full_ns);
	} else {
		f->n = 0; /* looks before the first full sample had the page cache in them */
	}
	f->full = true;
	f->full_ns = in->time_ns;
	f->full_used = used;
	f->full_hard = hard;
	f->since = 0;
	keep(f, in->time_ns, hard);
	f->since = 0;
}

/* What it has come back from before: a heap that is collected, a test suite that runs again. */
static void see_fall(struct forecast *f, double hard)
{
	f->top = MAX(f->top, hard);
	if (f->top - hard > MAX(f->limit / 10, f->top / 4)) {
		f->rise = f->last_top > 0 ? MAX(f->top - f->last_top, 0) : 0;
		f->last_top = f->top;
		f->ceiling = MAX(f->top, f->time_ns - f->fell_ns < 900 * NS_PER_S ? f->ceiling : 0);
		f->fell_ns = f->time_ns;
		f->top = hard;
	}
	if (f->ceiling > 0 && f->time_ns - f->fell_ns > 900 * NS_PER_S)
		f->ceiling = 0;
}

/* Whether it has come back from as much before; not where it rises each time, and will not fit in soon. */
static bool spared(const struct forecast *f, double hard)
{
	return hard < f->ceiling * 1.02 && f->ceiling + f->rise * 2 < f->limit;
}

/* --- the clocks ----------------------------------------------------------------------------------------------- */

/* Growth over two windows is compared before it is believed: a step that is over is none any more. */
static struct word burst_word(struct forecast *f, double hard, double headroom)
{
	struct word best = { 0 };
	double urgency = 0, before = 0;
	bool below = spared(f, hard);
	double apart = f->n > 1 ? to_seconds(f->time_ns - look(f, 1)->time_ns) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		const struct look *from = look_back(f, windows[i].back_ns);
		const struct look *near = look_back(f, windows[i].back_ns / 3);
		double back = to_seconds(f->time_ns - from->time_ns), recent = to_seconds(f->time_ns - near->time_ns);
		double ahead = to_seconds(windows[i].ahead_ns), slope, slope_near, eta;

		if (back < to_seconds(windows[i].back_ns) * 0.6 || recent <= 0)
			continue;
		slope = (hard - from->hard) / back;
		slope_near = (hard - near->hard) / recent;
		if (slope * back < f->limit / 50 || slope_near < slope * 0.3)
			continue;
		/* Nearly all bursts come from commands. What it has come back from before is feared less. */
		ahead *= f->tool ? 1 : 0.7;
		ahead *= below ? 0.5 : 1;
		ahead *= headroom < f->limit / 10 ? 2 : 1;
		/* The next look may be too late. */
		if (apart > FAR_APART)
			ahead += apart * 1.5;
		eta = headroom / slope;
		if (eta > ahead * 1.5 || ahead / MAX(eta, 1e-3) <= urgency)
			continue;
		urgency = ahead / MAX(eta, 1e-3);
		best.remains = true;
		best.warns = eta <= ahead;
		best.slope = slope;
		best.eta = eta;
		best.low = headroom / MAX(MAX(slope, slope_near), before) * BURST_LOW;
		best.high = headroom / MIN(slope, slope_near) * BURST_HIGH;
		before = slope;
	}
	return best;
}

/* headroom: above what the trend has come to, not above what a burst holds just now. */
static struct word leak_word(const struct forecast *f, const struct trend *t, const struct scale *scale, double hard,
			     double headroom)
{
	double ahead = MIN(to_seconds(scale->ahead_ns), t->span * 1.75), room, swing, slope = t->slope;
	struct word w = { 0 };

	if (!t->known || slope <= 0 || slope * t->span < f->limit / 100 || (f->limit - hard) - headroom > f->limit / 10)
		return w;
	/* Near the limit any growth that lasts is worth a word, however slow. */
	if (headroom < f->limit / 10 && t->span > 60)
		ahead = 4 * 3600;
	/* Bursts on top reach the limit before the leak does, and so does a heap's highest tooth. */
	swing = f->fell_ns && to_seconds(f->time_ns - f->fell_ns) < t->span ? t->above_high : t->swing_high;
	room = MAX(headroom - swing, 0);
	w.slope = slope;
	w.eta = room / slope;
	w.low = room / MAX(t->slope_high, t->slope_recent) * LEAK_LOW;
	w.high = (room + swing * 0.7) / MAX(MIN(t->slope_low, t->slope_recent), slope / 2) * LEAK_HIGH;
	w.remains = w.eta <= ahead * 1.5 && headroom / slope < ahead * 3 && t->slope_low >= 0 &&
		    room < f->limit * LEAK_LEVEL * 1.2;
	w.warns = w.eta <= ahead && headroom / slope < ahead * 2 && t->slope_low > slope / 10 &&
		  t->slope_recent > slope / 3 && room < f->limit * LEAK_LEVEL && t->highest;
	/* A climb that is all after a fall, and has not passed where it fell from, may be the heap's next tooth. */
	if (spared(f, hard) && to_seconds(f->time_ns - f->fell_ns) > t->span)
		w.warns = false;
	return w;
}

/* A warning that stands falls only after it has not been said for a while, by the milder measure. */
static void stand(struct standing *s, const struct word *w, uint64_t time_ns, double headroom, uint64_t confirm_ns)
{
	bool said = s->on ? w->remains : w->warns;

	if (!said) {
		s->first_ns = 0;
		if (s->on && time_ns - s->last_ns > s->hold_ns)
			s->on = false;
		return;
	}
	if (!s->first_ns)
		s->first_ns = time_ns;
	if (!s->on && time_ns - s->first_ns < confirm_ns)
		return;
	s->on = true;
	s->last_ns = time_ns;
	s->word = *w;
	s->headroom = headroom;
}

static void run_burst(struct forecast *f, double hard, double headroom)
{
	struct word w = burst_word(f, hard, headroom);
	double apart = f->n > 1 ? to_seconds(f->time_ns - look(f, 1)->time_ns) : 0;

	f->burst.hold_ns = NS_PER_S;
	/* A second look, where there is time for one. */
	stand(&f->burst, &w, f->time_ns, headroom, w.eta > 0.05 && apart <= FAR_APART ? 15 * NS_PER_MS : 0);
}

static void run_leak(struct forecast *f, const struct forecast_input *in, double hard, double headroom)
{
	struct word best = { 0 };
	size_t chosen = 0;
	bool closed = false;

	for (size_t i = 0; i < ARRAY_SIZE(scales); i++)
		closed |= trend_add(&f->trends[i], in->time_ns, (double)in->anon, MAX(f->peak_hard - hard, 0));
	f->peak_hard = 0;
	if (!closed)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(scales); i++) {
		struct word w = leak_word(f, &f->trends[i], &scales[i], hard,
					  headroom + (double)in->anon - trend_line(&f->trends[i], in->time_ns));

		/* The longer view is the better one where both have something to say. */
		if (w.warns >= best.warns && (w.warns || w.remains)) {
			best = w;
			chosen = i;
		}
	}
	f->leak.hold_ns = MAX(5 * NS_PER_S, (uint64_t)(f->trends[chosen].span * 0.25 * (double)NS_PER_S));
	stand(&f->leak, &best, f->time_ns, headroom, 0);
}

/* --- what is said, and what came of it -------------------------------------------------------------------------- */

static void settle(struct forecast *f, uint64_t time_ns)
{
	if (f->ended_ns && time_ns > f->ended_ns && time_ns - f->ended_ns > FORECAST_GRACE_NS) {
		f->score.false_alarms++;
		f->ended_ns = 0;
	}
}

static void tell(struct forecast *f, double headroom)
{
	const struct standing *s = NULL;
	struct forecast_result *r = &f->result;
	double age, scale;

	if (f->burst.on)
		s = &f->burst;
	if (f->leak.on && (!s || f->leak.word.eta < s->word.eta))
		s = &f->leak;
	settle(f, f->time_ns);
	if (!s) {
		if (f->warned_ns) {
			f->ended_ns = f->time_ns;
			f->ended_warned_ns = f->warned_ns;
			f->warned_ns = 0;
		}
		r->clock = FORECAST_NONE;
		r->limit_in_ns = r->low_ns = r->high_ns = INT64_MAX;
		return;
	}
	if (!f->warned_ns) {
		/* Said again at once it is the same warning. */
		f->warned_ns = f->ended_ns ? f->ended_warned_ns : f->time_ns;
		f->ended_ns = 0;
	}
	/* Held from before, it is as much nearer as there is less left. */
	age = to_seconds(f->time_ns - s->last_ns);
	scale = s->headroom > 0 ? MIN(headroom / s->headroom, 1) : 0;
	r->clock = s == &f->burst ? FORECAST_BURST : FORECAST_LEAK;
	r->limit_in_ns = to_ns(s->word.eta * scale);
	r->low_ns = to_ns(s->word.low * scale);
	r->high_ns = to_ns(s->word.high * scale + age);
	r->slope = (int64_t)MIN(s->word.slope, 9e18);
}

/* What was warned of then is not judged: nobody looked. */
static void forget(struct forecast *f)
{
	f->n = f->since = 0;
	f->full = false;
	f->share = 1;
	f->top = f->ceiling = f->last_top = f->rise = f->peak_hard = 0;
	f->warned_ns = f->ended_ns = 0;
	f->burst.on = f->leak.on = false;
	f->burst.first_ns = f->leak.first_ns = 0;
	for (size_t i = 0; i < ARRAY_SIZE(scales); i++)
		trend_init(&f->trends[i], scales[i].width_ns);
}

void forecast_add(struct forecast *f, const struct forecast_input *input, struct forecast_result *ret)
{
	double used = (double)input->used, guess, hard, headroom;

	if (input->time_ns <= f->time_ns || input->limit == 0 || input->limit == VITALS_UNKNOWN ||
	    input->used == VITALS_UNKNOWN) {
		*ret = f->result;
		return;
	}
	if (f->time_ns && input->time_ns - f->time_ns > GAP_NS)
		forget(f);
	f->time_ns = input->time_ns;
	f->tool = input->tool;
	f->limit = (double)input->limit;
	guess = guess_hard(f, input->time_ns, used);
	if (input->full)
		see_full(f, input, used, guess);
	else
		keep(f, input->time_ns, guess);
	hard = look(f, 0)->hard;
	headroom = MAX(f->limit - hard, 0);
	f->peak_hard = MAX(f->peak_hard, hard);
	see_fall(f, hard);
	run_burst(f, hard, headroom);
	if (input->full && input->anon != VITALS_UNKNOWN)
		run_leak(f, input, hard, headroom);
	tell(f, headroom);
	*ret = f->result;
}

void forecast_hit(struct forecast *f, uint64_t time_ns)
{
	uint64_t since = f->warned_ns;

	settle(f, time_ns);
	if (!since && f->ended_ns)
		since = f->ended_warned_ns;
	if (since && time_ns > since && (int64_t)(time_ns - since) >= USEFUL_NS) {
		f->score.hits++;
		f->score.lead_ns += (int64_t)(time_ns - since);
	} else {
		f->score.misses++;
	}
	f->warned_ns = f->ended_ns = 0;
	f->burst.on = f->leak.on = false;
}

void forecast_score(const struct forecast *f, struct forecast_score *ret)
{
	*ret = f->score;
}
