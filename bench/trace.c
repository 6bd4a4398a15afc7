/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define MB 1e6
#define GB 1e9
#define NS_PER_S 1e9
#define ROWS_MAX 1000000

const char *trace_shape_name(enum trace_shape shape)
{
	static const char *const names[] = {
		[TRACE_BURST] = "burst",	     [TRACE_RAMP] = "ramp",	      [TRACE_LEAK] = "leak",
		[TRACE_SLOW_LEAK] = "slow-leak",     [TRACE_LEAK_BURST] = "leak-bursts", [TRACE_WARM_UP] = "warm-up",
		[TRACE_SAWTOOTH] = "sawtooth",	     [TRACE_SAW_LEAK] = "sawtooth-leak", [TRACE_BUILD] = "build",
		[TRACE_SESSION] = "session",	     [TRACE_SESSION_OVER] = "session-over", [TRACE_STEPS] = "steps",
		[TRACE_NOISE] = "noise",	     [TRACE_FILE] = "file",
	};

	return (size_t)shape < ARRAY_SIZE(names) ? names[shape] : "unknown";
}

/* --- chance ----------------------------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t draw(struct trace *t)
{
	uint64_t z = t->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static double uniform(struct trace *t, double low, double high)
{
	return low + (high - low) * ((double)(draw(t) >> 11) / 9007199254740992.0);
}

static double log_uniform(struct trace *t, double low, double high)
{
	return low * exp(uniform(t, 0, log(high / low)));
}

static double normal(struct trace *t)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += uniform(t, 0, 1);
	return sum - 6;
}

static bool chance(struct trace *t, double p)
{
	return uniform(t, 0, 1) < p;
}

/* --- what the shapes are made of -------------------------------------------------------------------------------- */

static struct trace_act *act(struct trace *t, double start_s, double rise_s, double hold_s, double anon)
{
	struct trace_act *a = &t->acts[MIN(t->acts_n, (unsigned)TRACE_ACTS - 1)];

	t->acts_n = MIN(t->acts_n + 1, (unsigned)TRACE_ACTS - 1);
	*a = (struct trace_act){ .start_s = start_s, .rise_s = rise_s, .hold_s = hold_s, .anon = anon, .tool = true };
	for (int i = 1; i <= TRACE_KNOTS; i++)
		a->knots[i] = a->knots[i - 1] + exp(0.5 * normal(t));
	for (int i = 1; i <= TRACE_KNOTS; i++)
		a->knots[i] /= a->knots[TRACE_KNOTS];
	return a;
}

static double end_of(const struct trace_act *a)
{
	return a->start_s + a->rise_s + a->hold_s;
}

/* The size whose 95th percentile is p95, as the published tables give it; three to four times the median. */
static double spike(struct trace *t, double p95)
{
	return p95 / 6.4 * exp(1.13 * normal(t));
}

/* One command of an agent, after the table of AgentCgroup. Returns when it is over. */
static double command(struct trace *t, double at, bool wild)
{
	double which = uniform(t, 0, 1);
	struct trace_act *a;

	if (which < 0.55) { /* a file is read or edited */
		a = act(t, at, 0.1, uniform(t, 0.1, 0.5), spike(t, 4.5 * MB));
		a->clean = uniform(t, 0, 2 * MB);
	} else if (which < 0.70) {
		a = act(t, at, 0.3, uniform(t, 0.2, 2), spike(t, 13.5 * MB));
		a->clean = uniform(t, 0, 30 * MB);
	} else if (which < 0.80) {
		a = act(t, at, uniform(t, 1, 4), uniform(t, 5, 30), spike(t, 233 * MB));
		a->clean = uniform(t, 50 * MB, 400 * MB);
	} else {
		a = act(t, at, uniform(t, 1, 2), uniform(t, 0.5, 15), spike(t, 518 * MB));
		a->clean = uniform(t, 0, 60 * MB);
		/* A retry that keeps what it took. */
		if (chance(t, 0.3))
			a->kept = MIN(uniform(t, 0.2, 1) * a->anon, 502 * MB);
		if (wild && chance(t, 0.12)) {
			a->anon = log_uniform(t, 500 * MB, 4 * GB);
			a->rise_s = uniform(t, 1, 2);
			a->kept = MIN(a->kept, a->anon);
		}
	}
	return end_of(a);
}

static void make_session(struct trace *t, bool over)
{
	double at = uniform(t, 3, 10), peak = 0;
	struct trace_point p;

	t->end_s = uniform(t, 300, 660);
	t->base = uniform(t, 165, 205) * MB;
	t->noise = 2 * MB;
	t->leak = uniform(t, 0, 0.1) * MB;
	t->leak_most = 1e15;
	t->leak_stop_s = t->end_s;
	while (at < t->end_s - 40 && t->acts_n < TRACE_ACTS - 2)
		at = command(t, at, true) + log_uniform(t, 1, 20);
	/* The limit is set by what it will take: within it, or not. */
	t->limit = 1e15;
	trace_rewind(t);
	while (trace_next(t, &p))
		peak = MAX(peak, (double)p.anon);
	t->limit = over ? peak * uniform(t, 0.5, 0.95) : peak * uniform(t, 1.03, 2.5);
	if (t->limit < t->base * 1.3)
		t->limit = t->base * 1.3;
}

static void make_bursts(struct trace *t, double from_s, double to_s, double least, double most)
{
	double at = from_s;

	while (at < to_s && t->acts_n < TRACE_ACTS - 2)
		at = end_of(act(t, at, uniform(t, 0.5, 2), uniform(t, 0.2, 3), log_uniform(t, least, most))) +
		     uniform(t, 8, 40);
}

static void make_burst(struct trace *t)
{
	double at = uniform(t, 8, 20);

	for (int i = (int)uniform(t, 1, 5); i > 0; i--) {
		double rise = uniform(t, 1, 2), rate = log_uniform(t, 200 * MB, 3 * GB);
		struct trace_act *a = act(t, at, rise, uniform(t, 0.1, 3), rate * rise);

		a->clean = uniform(t, 0, 100 * MB);
		at = end_of(a) + uniform(t, 5, 20);
	}
	t->end_s = at;
}

static void make_build(struct trace *t)
{
	double at = uniform(t, 3, 8), most = t->limit * uniform(t, 0.02, 0.12);

	/* Sources and objects: more than there is room for. Two or three compilers at a time, each gone soon. */
	t->clean = t->limit * uniform(t, 1.1, 3);
	t->clean_rate = log_uniform(t, 30 * MB, 500 * MB);
	t->end_s = uniform(t, 120, 400);
	while (at < t->end_s - 10 && t->acts_n < TRACE_ACTS - 2) {
		act(t, at, uniform(t, 0.2, 1.5), uniform(t, 0.2, 3), log_uniform(t, most / 10, most));
		at += uniform(t, 0.3, 1.5);
	}
	/* The linker. */
	if (t->acts_n < TRACE_ACTS - 2)
		act(t, t->end_s - 8, uniform(t, 1, 3), 2, t->limit * uniform(t, 0.1, 0.5));
}

static void make_steps(struct trace *t)
{
	double at = uniform(t, 5, 15), most = chance(t, 0.5) ? 2 : uniform(t, 0.4, 0.95), level = t->base;
	double every = log_uniform(t, 5, 60), size = t->limit * uniform(t, 0.03, 0.2);

	t->end_s = 3600;
	while (t->acts_n < TRACE_ACTS - 2 && level < t->limit) {
		struct trace_act *a;
		double bytes = size * uniform(t, 0.5, 1.5);

		if (level + bytes > t->limit * most) {
			t->end_s = at + uniform(t, 30, 120);
			break;
		}
		a = act(t, at, log_uniform(t, 0.05, 1), 0.5, bytes);
		a->kept = bytes;
		level += bytes;
		at += every * uniform(t, 0.6, 1.4);
	}
}

static void make_ramp(struct trace *t)
{
	double room = t->limit - t->base, rate = log_uniform(t, 10 * MB, 200 * MB);
	double bytes = chance(t, 0.5) ? room * 1.3 : room * uniform(t, 0.2, 0.97);
	struct trace_act *a = act(t, uniform(t, 5, 15), bytes / rate, uniform(t, 5, 30), bytes);

	t->end_s = end_of(a) + 10;
}

static void make_leak(struct trace *t, double least, double most, double longest_s)
{
	t->leak = log_uniform(t, least, most) * MB / 60;
	t->leak_start_s = uniform(t, 5, 120);
	t->leak_most = 1e15;
	t->leak_stop_s = 1e9;
	/* So slow a leak is met after hours; the last part of it is played. */
	if ((t->limit - t->base) / t->leak > longest_s)
		t->base = t->limit - t->leak * longest_s * uniform(t, 0.5, 1);
	t->end_s = 3 * longest_s;
}

static void make_warm_up(struct trace *t)
{
	make_leak(t, 100, 900, 1200);
	t->leak_most = (t->limit - t->base) * uniform(t, 0.2, 0.9);
	t->end_s = t->leak_start_s + t->leak_most / t->leak + uniform(t, 120, 600);
}

static void make_sawtooth(struct trace *t, bool leaks)
{
	double top = t->limit * uniform(t, 0.4, 0.9);

	t->tooth_s = log_uniform(t, 2, 60);
	t->tooth = MAX(top - t->base, t->limit * 0.05) * uniform(t, 0.4, 1);
	t->end_s = 60 + 12 * t->tooth_s;
	if (leaks) {
		t->tooth_grows = (t->limit - t->base - t->tooth) / uniform(t, 8, 40);
		t->end_s = 200 * t->tooth_s;
	}
}

void trace_make(struct trace *t, enum trace_shape shape, uint64_t seed)
{
	static const double limits[] = { 1 * GB, 2 * GB, 2 * GB, 4 * GB };

	memset(t, 0, sizeof(*t));
	t->shape = shape;
	t->seed = seed;
	t->random = seed * 1000 + shape;
	t->limit = limits[draw(t) % ARRAY_SIZE(limits)];
	t->base = uniform(t, 165, 330) * MB;
	t->noise = uniform(t, 0.5, 3) * MB;
	t->clean = uniform(t, 0.02, 0.6) * t->limit;
	t->clean_rate = log_uniform(t, 1 * MB, 100 * MB);
	t->hot = uniform(t, 20, 80) * MB;
	switch (shape) {
	case TRACE_BURST:
		make_burst(t);
		break;
	case TRACE_RAMP:
		make_ramp(t);
		break;
	case TRACE_LEAK:
		make_leak(t, 100, 900, 1200);
		break;
	case TRACE_SLOW_LEAK:
		make_leak(t, 5, 60, 2400);
		break;
	case TRACE_LEAK_BURST:
		make_leak(t, 100, 600, 1200);
		make_bursts(t, uniform(t, 5, 20), t->end_s, 50 * MB, t->limit * 0.25);
		break;
	case TRACE_WARM_UP:
		make_warm_up(t);
		break;
	case TRACE_SAWTOOTH:
	case TRACE_SAW_LEAK:
		make_sawtooth(t, shape == TRACE_SAW_LEAK);
		break;
	case TRACE_BUILD:
		make_build(t);
		break;
	case TRACE_SESSION:
	case TRACE_SESSION_OVER:
		make_session(t, shape == TRACE_SESSION_OVER);
		break;
	case TRACE_STEPS:
		make_steps(t);
		break;
	default:
		t->base = t->limit * uniform(t, 0.2, 0.88);
		t->noise = t->limit * uniform(t, 0.002, 0.015);
		t->end_s = 300;
		break;
	}
	trace_rewind(t);
}

/* --- playing ---------------------------------------------------------------------------------------------------- */

void trace_rewind(struct trace *t)
{
	t->random = t->seed * 1000 + t->shape + 500;
	t->time_ns = 0;
	t->act = t->row = 0;
	t->leaked = t->kept = t->kept_clean = t->cached = t->wander = 0;
	t->leak_factor = 1;
}

static double risen(const struct trace_act *a, double second)
{
	double part = (second - a->start_s) / a->rise_s * TRACE_KNOTS;
	int i = (int)part;

	if (part >= TRACE_KNOTS)
		return 1;
	return a->knots[i] + (a->knots[i + 1] - a->knots[i]) * (part - i);
}

/* Memory that commands hold at this second; those that are over leave what they keep. */
static double acts_at(struct trace *t, double second, struct trace_point *p)
{
	double bytes = 0;

	for (unsigned i = t->act; i < t->acts_n && t->acts[i].start_s <= second; i++) {
		const struct trace_act *a = &t->acts[i];

		if (second < end_of(a)) {
			bytes += a->anon * risen(a, second);
			p->tool |= a->tool;
			continue;
		}
		if (i == t->act) {
			t->act++;
			t->kept += a->kept;
			t->kept_clean += a->clean;
		} else {
			bytes += a->kept;
		}
	}
	return bytes + t->kept;
}

static double tooth_at(const struct trace *t, double second)
{
	double teeth;

	if (t->tooth_s <= 0)
		return 0;
	teeth = floor(second / t->tooth_s);
	return t->tooth * (second / t->tooth_s - teeth) + t->tooth_grows * teeth;
}

static bool next_of_file(struct trace *t, struct trace_point *ret)
{
	double second = (double)t->time_ns / NS_PER_S + t->rows[0].second, part;
	const struct trace_row *a, *b;

	while (t->row + 2 < t->rows_n && t->rows[t->row + 1].second <= second)
		t->row++;
	a = &t->rows[t->row];
	b = &t->rows[t->row + 1];
	if (second > b->second)
		return false;
	part = (second - a->second) / (b->second - a->second);
	ret->anon = (uint64_t)(a->anon + (b->anon - a->anon) * part);
	ret->clean = (uint64_t)(a->clean + (b->clean - a->clean) * part);
	ret->limit = (uint64_t)a->limit;
	ret->tool = a->tool;
	return true;
}

bool trace_next(struct trace *t, struct trace_point *ret)
{
	double second, step = (double)TRACE_STEP_NS / NS_PER_S, anon;

	t->time_ns += TRACE_STEP_NS;
	second = (double)t->time_ns / NS_PER_S;
	*ret = (struct trace_point){ .time_ns = t->time_ns, .limit = (uint64_t)t->limit };
	if (t->rows)
		return next_of_file(t, ret);
	if (second > t->end_s)
		return false;
	if (t->time_ns % (500 * TRACE_STEP_NS) == 0)
		t->leak_factor = uniform(t, 0.4, 1.6);
	if (second >= t->leak_start_s && second < t->leak_stop_s)
		t->leaked = MIN(t->leaked + t->leak * t->leak_factor * step, t->leak_most);
	/* Pulled back to nothing within half a second. */
	t->wander += -t->wander * step * 2 + t->noise * uniform(t, -0.5, 0.5);
	t->cached = MIN(t->cached + t->clean_rate * step, t->clean + t->kept_clean);
	anon = t->base + t->leaked + tooth_at(t, second) + acts_at(t, second, ret) + t->wander;
	ret->anon = (uint64_t)MAX(anon, 0);
	ret->clean = (uint64_t)t->cached;
	return true;
}

uint64_t trace_used(const struct trace_point *p)
{
	return MIN(p->anon + p->clean, p->limit);
}

uint64_t trace_clean(const struct trace_point *p)
{
	return p->anon < p->limit ? trace_used(p) - p->anon : 0;
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static const char *read_row(const char *line, const struct trace_row *before, struct trace_row *ret)
{
	unsigned long long anon, clean, limit;
	unsigned tool;
	double second;
	int end = 0;

	if (sscanf(line, "%lf %llu %llu %llu %u %n", &second, &anon, &clean, &limit, &tool, &end) != 5 || line[end])
		return "wants: SECOND ANON CLEAN LIMIT TOOL";
	if (!(second >= 0 && second < 1e8) || (before && second <= before->second))
		return "seconds must grow";
	if (anon > 1ULL << 50 || clean > 1ULL << 50 || limit > 1ULL << 50 || limit == 0 || tool > 1)
		return "a number is out of range";
	*ret = (struct trace_row){ second, (double)anon, (double)clean, (double)limit, tool };
	return NULL;
}

int trace_read(struct trace *t, FILE *file, const char **ret_why)
{
	char line[256];
	int number = 0;
	_cleanup_free_ struct trace_row *rows = calloc(ROWS_MAX, sizeof(*rows));
	unsigned n = 0;

	memset(t, 0, sizeof(*t));
	t->shape = TRACE_FILE;
	while (rows && fgets(line, sizeof(line), file)) {
		number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		*ret_why = "more than a million points";
		if (n < ROWS_MAX)
			*ret_why = read_row(line, n ? &rows[n - 1] : NULL, &rows[n]);
		if (*ret_why)
			return number;
		n++;
	}
	if (n < 2) {
		*ret_why = rows ? "a trace needs two points" : "out of memory";
		return number + 1;
	}
	t->rows = TAKE_PTR(rows);
	t->rows_n = n;
	t->hot = 50 * MB;
	trace_rewind(t);
	return 0;
}

void trace_done(struct trace *t)
{
	free(t->rows);
	t->rows = NULL;
}
