/* SPDX-License-Identifier: Apache-2.0 */
/* vitals/forecast.h on the traces that bench/ makes: what it warns of, how long before, and what it leaves alone. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"
#include "vitals/forecast.h"
#include "vitals/trend.h"
#include "vitals/vitals.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define MB UINT64_C(1000000)
#define SEEDS 6
#define FIRST_SEED 3001 /* of none that the constants were chosen by */

static unsigned allocations;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

struct sums {
	unsigned crossed, hits, false_alarms, rival_false_alarms, rival_hits;
	unsigned spoke, longer; /* traces where the warning came before that of the rival */
	int64_t least_lead_ns;
	double inside;
};

static struct sums play_all(enum trace_shape shape)
{
	static struct sums played[TRACE_SHAPE_MAX];
	struct trace *t;
	struct sums s = { .least_lead_ns = INT64_MAX };

	/* More than one test asks about it. */
	if (played[shape].least_lead_ns)
		return played[shape];
	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	for (unsigned seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
		struct play p;

		trace_make(t, shape, seed);
		assert_int_equal(play_trace(t, &p), 0);
		/* The forecast's own score is the judge's; but a warning that stands at the end is not judged by it. */
		assert_int_equal(p.hits, p.who[PLAY_FORECAST].hit);
		assert_int_equal(p.misses, p.crossed && !p.who[PLAY_FORECAST].hit);
		assert_in_range(p.who[PLAY_FORECAST].false_alarms - p.false_alarms, 0, p.crossed ? 0 : 1);
		s.crossed += p.crossed;
		s.hits += p.who[PLAY_FORECAST].hit;
		s.rival_hits += p.who[PLAY_AVAILABLE].hit;
		s.false_alarms += p.who[PLAY_FORECAST].false_alarms;
		s.rival_false_alarms += p.who[PLAY_AVAILABLE].false_alarms;
		s.spoke += p.spoke;
		s.inside += p.spoke ? p.inside : 0;
		if (p.who[PLAY_FORECAST].hit) {
			s.least_lead_ns = MIN(s.least_lead_ns, p.who[PLAY_FORECAST].lead_ns);
			s.longer += p.who[PLAY_FORECAST].lead_ns > p.who[PLAY_AVAILABLE].lead_ns;
		}
	}
	free(t);
	return played[shape] = s;
}

/* All are met, at least so long before, and half of them and more sooner than by the level of what is available. */
static void assert_met(enum trace_shape shape, int64_t lead_ns)
{
	struct sums s = play_all(shape);

	assert_in_range(s.crossed, 2, SEEDS);
	assert_int_equal(s.hits, s.crossed);
	if (s.least_lead_ns < lead_ns)
		fail_msg("%s: a lead of %.3f s", trace_shape_name(shape), (double)s.least_lead_ns / 1e9);
	assert_in_range(s.longer, (s.crossed + 1) / 2, s.crossed);
}

static void bursts_are_met(void **state)
{
	assert_met(TRACE_BURST, 40 * (int64_t)NS_PER_MS);
	assert_met(TRACE_SESSION_OVER, 40 * (int64_t)NS_PER_MS);
}

static void ramps_and_steps_are_met(void **state)
{
	assert_met(TRACE_RAMP, 500 * (int64_t)NS_PER_MS);
	assert_met(TRACE_STEPS, 500 * (int64_t)NS_PER_MS);
}

static void leaks_are_met(void **state)
{
	assert_met(TRACE_LEAK, 10 * (int64_t)NS_PER_S);
	assert_met(TRACE_LEAK_BURST, 10 * (int64_t)NS_PER_S);
	assert_met(TRACE_SAW_LEAK, 500 * (int64_t)NS_PER_MS);
}

static void slow_leaks_are_met(void **state)
{
	assert_met(TRACE_SLOW_LEAK, 120 * (int64_t)NS_PER_S);
}

static void page_cache_and_heaps_are_left_alone(void **state)
{
	struct sums s = play_all(TRACE_BUILD);

	assert_int_equal(s.crossed, 0);
	assert_int_equal(s.false_alarms, 0);
	s = play_all(TRACE_SAWTOOTH);
	assert_int_equal(s.crossed, 0);
	assert_in_range(s.false_alarms, 0, 1); /* a first tooth may be taken for a leak */
	s = play_all(TRACE_NOISE);
	assert_int_equal(s.crossed, 0);
	assert_in_range(s.false_alarms, 0, s.rival_false_alarms);
}

static void what_stops_short_costs_few_false_alarms(void **state)
{
	struct sums s = play_all(TRACE_SESSION);

	assert_int_equal(s.crossed, 0);
	assert_in_range(s.false_alarms, 0, SEEDS);
	s = play_all(TRACE_WARM_UP);
	assert_int_equal(s.crossed, 0);
	assert_in_range(s.false_alarms, 0, SEEDS);
}

static void intervals_hold_what_they_should(void **state)
{
	static const enum trace_shape shapes[] = { TRACE_BURST, TRACE_RAMP,	   TRACE_LEAK,
						   TRACE_LEAK_BURST, TRACE_SESSION_OVER, TRACE_STEPS };
	double inside = 0;
	unsigned spoke = 0;

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct sums s = play_all(shapes[i]);

		inside += s.inside;
		spoke += s.spoke;
	}
	assert_in_range(spoke, 4 * SEEDS, 6 * SEEDS);
	if (inside / spoke < 0.7 || inside / spoke > 0.95)
		fail_msg("intervals hold %.0f %%", 100 * inside / spoke);
}

/* --- single looks ----------------------------------------------------------------------------------------------- */

static struct forecast_input quiet(uint64_t time_ns)
{
	return (struct forecast_input){ .time_ns = time_ns, .used = 300 * MB, .available = 1700 * MB, .anon = 300 * MB,
					.limit = 2000 * MB, .full = time_ns % (100 * NS_PER_MS) == 0, .tool = true };
}

/* At 3 GB/s, from 0.5 s on; quick looks between full samples. */
static struct forecast_input burst(uint64_t time_ns)
{
	struct forecast_input in = quiet(time_ns);
	uint64_t grown = time_ns > NS_PER_S / 2 ? (time_ns - NS_PER_S / 2) * 3 : 0;

	in.used += grown;
	in.available -= MIN(grown, in.available);
	in.anon += grown;
	return in;
}

static void a_burst_is_told_by_name_with_its_slope(void **state)
{
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	struct forecast_result said = { 0 };
	struct forecast_input in;
	struct forecast_score score;
	uint64_t now = 0;

	assert_int_equal(forecast_new(&f), 0);
	do {
		in = burst(now += 10 * NS_PER_MS);
		forecast_add(f, &in, &said);
		if (now <= NS_PER_S / 2)
			assert_int_equal(said.clock, FORECAST_NONE);
	} while (said.clock == FORECAST_NONE && in.used < in.limit);
	assert_int_equal(said.clock, FORECAST_BURST);
	/* The window began before the burst did. */
	assert_in_range(said.slope, 2400 * MB, 3100 * MB);
	/* 1.7 GB at 3 GB/s is 567 ms; it is known with a sixth of a second to go. */
	assert_in_range(now, 700 * NS_PER_MS, 900 * NS_PER_MS);
	assert_in_range(now + (uint64_t)said.limit_in_ns, 1050 * NS_PER_MS, 1120 * NS_PER_MS);
	assert_true(said.low_ns < said.limit_in_ns && said.limit_in_ns < said.high_ns);
	forecast_hit(f, 1067 * NS_PER_MS);
	forecast_score(f, &score);
	assert_int_equal(score.hits, 1);
	assert_int_equal(score.lead_ns, 1067 * NS_PER_MS - now);
}

static void a_higher_limit_is_no_fall_and_a_lower_one_no_growth(void **state)
{
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	struct forecast_result said;
	struct forecast_input in;

	assert_int_equal(forecast_new(&f), 0);
	for (uint64_t now = 10 * NS_PER_MS; now < 20 * NS_PER_S; now += 10 * NS_PER_MS) {
		in = quiet(now);
		/* A guard borrows, and gives back; available is of the last full sample. */
		in.limit += now / NS_PER_S % 2 * 200 * MB;
		if (in.full)
			in.available = in.limit - in.anon;
		forecast_add(f, &in, &said);
		assert_int_equal(said.clock, FORECAST_NONE);
	}
}

/* Without a guard there are only samples, one to ten a second. */
static void samples_alone_see_what_lasts(void **state)
{
	static const struct {
		uint64_t every_ms, mb_a_s, least_lead_ms;
	} cases[] = { { 100, 1000, 100 }, { 100, 200, 300 }, { 1000, 200, 700 }, { 1000, 50, 2000 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(forecast_free_p) struct forecast *f = NULL;
		struct forecast_result said = { 0 };
		uint64_t now = 0, grown, reached = 10 * NS_PER_S + 1700 * NS_PER_S / cases[i].mb_a_s;

		assert_int_equal(forecast_new(&f), 0);
		do {
			struct forecast_input in = quiet(now += cases[i].every_ms * NS_PER_MS);

			grown = now > 10 * NS_PER_S ? (now - 10 * NS_PER_S) / 1000 * cases[i].mb_a_s / 1000 * 1000 : 0;
			in.full = true;
			in.used += grown;
			in.anon += grown;
			in.available -= MIN(grown, in.available);
			forecast_add(f, &in, &said);
		} while (said.clock == FORECAST_NONE && now < reached);
		assert_in_range(reached - now, cases[i].least_lead_ms * NS_PER_MS, 20 * NS_PER_S);
	}
}

/* Without a child command and without any full sample it still sees what is in use. */
static void available_may_be_unknown(void **state)
{
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	struct forecast_result said = { 0 };
	struct forecast_input in;

	assert_int_equal(forecast_new(&f), 0);
	for (uint64_t now = 10 * NS_PER_MS; said.clock == FORECAST_NONE && now < 2 * NS_PER_S; now += 10 * NS_PER_MS) {
		in = burst(now);
		in.available = VITALS_UNKNOWN;
		in.anon = VITALS_UNKNOWN;
		forecast_add(f, &in, &said);
	}
	assert_int_equal(said.clock, FORECAST_BURST);
	assert_true(in.used < in.limit);
}

static void odd_input_is_survived_in_constant_memory(void **state)
{
	static const uint64_t odd[] = { 0, 1, 4096, 300 * MB, 2000 * MB, UINT64_C(1) << 50, INT64_MAX, UINT64_MAX };
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	struct forecast_result said;
	uint64_t now = 0, random = 7;

	assert_int_equal(forecast_new(&f), 0);
	allocations = 0;
	for (unsigned i = 0; i < 200000; i++) {
		struct forecast_input in;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		in = (struct forecast_input){ .time_ns = now,
					      .used = odd[random >> 33 & 7],
					      .available = odd[random >> 36 & 7],
					      .anon = odd[random >> 39 & 7],
					      .limit = odd[random >> 42 & 7],
					      .full = random >> 45 & 1,
					      .tool = random >> 46 & 1 };
		forecast_add(f, &in, &said);
		assert_true(said.clock < FORECAST_CLOCK_MAX);
		assert_true(said.low_ns >= 0 && said.low_ns <= said.limit_in_ns && said.limit_in_ns <= said.high_ns);
		if ((random >> 47 & 127) == 0)
			forecast_hit(f, now);
		/* Still, back, on, and a day ahead. */
		now += (random >> 54 & 3) == 0 ? 0 : (random >> 54 & 3) == 1 ? -(uint64_t)NS_PER_MS : 37 * NS_PER_MS;
		if ((random >> 56 & 255) == 0)
			now += 86400 * NS_PER_S;
	}
	assert_int_equal(allocations, 0);
}

static void a_warning_does_not_flap(void **state)
{
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	struct forecast_result said;
	enum forecast_clock before = FORECAST_NONE;
	unsigned changes = 0;

	assert_int_equal(forecast_new(&f), 0);
	/* 100 ms of growth at 1 GB/s, 100 ms of none, to just below the limit; then rest. */
	for (uint64_t now = 10 * NS_PER_MS; now < 20 * NS_PER_S; now += 10 * NS_PER_MS) {
		struct forecast_input in = quiet(now);
		uint64_t rounds = MIN(now / (200 * NS_PER_MS), 16);
		uint64_t part = MIN(now % (200 * NS_PER_MS), 100 * NS_PER_MS);

		in.anon = 300 * MB + rounds * 100 * MB + (rounds < 16 ? part : 0);
		in.used = in.anon;
		in.available = in.limit - in.anon;
		forecast_add(f, &in, &said);
		changes += (said.clock == FORECAST_NONE) != (before == FORECAST_NONE);
		before = said.clock;
	}
	assert_int_equal(changes, 2);
	assert_int_equal(before, FORECAST_NONE);
}

static void files_are_read(void **state)
{
	static const char good[] = "# by hand\n0 100000000 0 1000000000 0\n10 100000000 0 1000000000 1\n"
				   "13 1100000000 0 1000000000 1\n";
	static const char *const bad[] = { "0 1 2 3\n", "0 1 2 3 0\n0 1 2 3 0\n", "0 1 2 0 0\n", "0 1 2 3 2\n",
					   "x 1 2 3 0\n", "0 1 2 3 0 more\n", "-1 1 2 3 0\n", "nan 1 2 3 0\n", "" };
	struct trace *t = calloc(1, sizeof(*t));
	const char *why = NULL;
	struct play p;
	FILE *file = fmemopen((void *)good, sizeof(good) - 1, "r");

	assert_non_null(t);
	assert_int_equal(trace_read(t, file, &why), 0);
	(void)fclose(file);
	assert_int_equal(play_trace(t, &p), 0);
	trace_done(t);
	assert_true(p.crossed);
	assert_in_range(p.end_ns, 12690 * NS_PER_MS, 12720 * NS_PER_MS);
	assert_true(p.who[PLAY_FORECAST].hit);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* fmemopen refuses a size of 0. */
		file = *bad[i] ? fmemopen((void *)bad[i], strlen(bad[i]), "r") : fopen("/dev/null", "re");
		why = NULL;
		assert_int_not_equal(trace_read(t, file, &why), 0);
		assert_non_null(why);
		(void)fclose(file);
	}
	free(t);
}

static void a_trend_is_the_median_of_slopes(void **state)
{
	struct trend *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	trend_init(t, NS_PER_S);
	/* 5 a second, and every fifth stretch is far off. */
	for (unsigned i = 1; i <= 200; i++)
		trend_add(t, i * NS_PER_S, 5.0 * i + (i % 5 == 0 ? 1e6 : 0), 0);
	assert_true(t->known);
	assert_true(t->slope > 4.99 && t->slope < 5.01);
	assert_int_equal(t->n, TREND_POINTS);
	assert_in_range((uint64_t)trend_line(t, 210 * NS_PER_S), 1049, 1051);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_are_met),
		cmocka_unit_test(ramps_and_steps_are_met),
		cmocka_unit_test(leaks_are_met),
		cmocka_unit_test(slow_leaks_are_met),
		cmocka_unit_test(page_cache_and_heaps_are_left_alone),
		cmocka_unit_test(what_stops_short_costs_few_false_alarms),
		cmocka_unit_test(intervals_hold_what_they_should),
		cmocka_unit_test(a_burst_is_told_by_name_with_its_slope),
		cmocka_unit_test(a_higher_limit_is_no_fall_and_a_lower_one_no_growth),
		cmocka_unit_test(samples_alone_see_what_lasts),
		cmocka_unit_test(available_may_be_unknown),
		cmocka_unit_test(odd_input_is_survived_in_constant_memory),
		cmocka_unit_test(a_warning_does_not_flap),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(a_trend_is_the_median_of_slopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
