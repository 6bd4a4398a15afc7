/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher decides when the sensor falls silent, is held, or can't record. */
#include "test.h"

#include "base/clock.h"
#include "cli/wall-clock.h"
#include "cli/watch.h"

#define SILENT (WATCH_LATE_MS + 1)

static struct watch begun(enum watch_policy policy)
{
	struct watch w = { .policy = policy };

	watch_start(&w, 1000);
	return w;
}

static void test_well(void **state)
{
	for (enum watch_policy policy = WATCH_DEFAULT; policy <= WATCH_FAIL_CLOSED; policy++) {
		struct watch w = begun(policy);

		for (int64_t t = 1000; t < 60000; t += WATCH_BEAT_MS) {
			assert_int_equal(watch_beat(&w, t, NULL), WATCH_NOTHING);
			assert_int_equal(watch_look(&w, t + WATCH_BEAT_MS - 1, NULL), WATCH_NOTHING);
			assert_false(watch_silent(&w, t + WATCH_BEAT_MS));
		}
	}
}

static void test_off(void **state)
{
	struct watch w = { .policy = WATCH_FAIL_CLOSED };

	assert_int_equal(watch_look(&w, 1000000, "held"), WATCH_NOTHING);
	assert_int_equal(watch_beat(&w, 1000000, "full"), WATCH_NOTHING);
}

/* Slow is no reason to kill anything, unless one has asked for it. */
static void test_silent(void **state)
{
	struct watch w = begun(WATCH_DEFAULT);

	for (int64_t t = 1000; t < 1000000; t += 1000)
		assert_int_equal(watch_look(&w, t, NULL), WATCH_NOTHING);
	assert_true(watch_silent(&w, 1000000));
	w = begun(WATCH_FAIL_CLOSED);
	assert_int_equal(watch_look(&w, 1000 + WATCH_LATE_MS - 1, NULL), WATCH_NOTHING);
	assert_int_equal(watch_look(&w, 1000 + SILENT, NULL), WATCH_FREEZE);
	assert_int_equal(watch_look(&w, 1000 + SILENT + 1, NULL), WATCH_NOTHING);
	assert_int_equal(watch_look(&w, 1000 + SILENT + WATCH_TRY_MS - 1, NULL), WATCH_NOTHING);
	assert_int_equal(watch_look(&w, 1000 + SILENT + WATCH_TRY_MS, NULL), WATCH_KILL);
}

static void test_comes_back(void **state)
{
	struct watch w = begun(WATCH_FAIL_CLOSED);

	assert_int_equal(watch_look(&w, 1000 + SILENT, NULL), WATCH_FREEZE);
	assert_int_equal(watch_beat(&w, 9000, NULL), WATCH_THAW);
	assert_int_equal(watch_beat(&w, 9500, NULL), WATCH_NOTHING);
	/* After a while the next trouble has its own time. */
	assert_int_equal(watch_beat(&w, 20000, NULL), WATCH_NOTHING);
	assert_int_equal(watch_look(&w, 20000 + SILENT, NULL), WATCH_FREEZE);
	assert_int_equal(watch_look(&w, 20000 + SILENT + WATCH_TRY_MS - 1, NULL), WATCH_NOTHING);
	assert_int_equal(watch_look(&w, 20000 + SILENT + WATCH_TRY_MS, NULL), WATCH_KILL);
}

static void test_held(void **state)
{
	struct watch w = begun(WATCH_DEFAULT);

	assert_int_equal(watch_look(&w, 1000, "stopped"), WATCH_NOTHING);
	assert_true(watch_silent(&w, 1000));
	assert_int_equal(watch_look(&w, 1000 + WATCH_TRY_MS - 1, "stopped"), WATCH_NOTHING);
	assert_int_equal(watch_look(&w, 1000 + WATCH_TRY_MS, "stopped"), WATCH_KILL);
	assert_string_equal(w.why, "stopped");
	w = begun(WATCH_BEST_EFFORT);
	for (int64_t t = 1000; t < 1000000; t += 1000)
		assert_int_equal(watch_look(&w, t, "stopped"), WATCH_NOTHING);
	w = begun(WATCH_FAIL_CLOSED);
	assert_int_equal(watch_look(&w, 1001, "stopped"), WATCH_FREEZE);
	assert_int_equal(watch_look(&w, 1001 + WATCH_TRY_MS, "stopped"), WATCH_KILL);
}

static void test_not_recorded(void **state)
{
	struct watch w = begun(WATCH_DEFAULT);

	for (int64_t t = 1000; t < 1000000; t += WATCH_BEAT_MS) {
		assert_int_equal(watch_beat(&w, t, "disk full"), WATCH_NOTHING);
		assert_int_equal(watch_look(&w, t + 1, NULL), WATCH_NOTHING);
	}
	w = begun(WATCH_FAIL_CLOSED);
	assert_int_equal(watch_beat(&w, 1001, "disk full"), WATCH_FREEZE);
	assert_false(watch_silent(&w, 1001));
	assert_int_equal(watch_beat(&w, 1501, "disk full"), WATCH_NOTHING);
	assert_int_equal(watch_beat(&w, 2001, NULL), WATCH_THAW);
	assert_int_equal(watch_beat(&w, 2501, "disk full"), WATCH_FREEZE);
	/* It was better for a moment only, so it is still the same trouble. */
	for (int64_t t = 3001; t < 1001 + WATCH_TRY_MS; t += WATCH_BEAT_MS)
		assert_int_equal(watch_beat(&w, t, "disk full"), WATCH_NOTHING);
	assert_int_equal(watch_beat(&w, 1001 + WATCH_TRY_MS, "disk full"), WATCH_KILL);
	assert_string_equal(w.why, "disk full");
}

/* The machine's clock stays as it is: it is the session that has another one. */
static void test_wall_clock(void **state)
{
	const int64_t hour = 3600 * CLOCK_SECOND_NS;
	struct wall_clock w = WALL_CLOCK_NONE;
	int64_t now = clock_offset_ns(), before = 0, after = 0;

	wall_clock_open(&w, now);
	assert_false(wall_clock_look(&w, &before, &after));
	w.offset_ns = now - hour;
	assert_true(wall_clock_look(&w, &before, &after));
	assert_int_equal(before, now - hour);
	assert_in_range(after - now + CLOCK_SECOND_NS, 0, 2 * CLOCK_SECOND_NS);
	/* Told once. */
	assert_false(wall_clock_look(&w, &before, &after));
	w.offset_ns -= WALL_CLOCK_STEP_NS / 2;
	assert_false(wall_clock_look(&w, &before, &after));
	w.offset_ns -= WALL_CLOCK_STEP_NS;
	assert_true(wall_clock_look(&w, &before, &after));
	/* Without the timer too. */
	wall_clock_close(&w);
	w.offset_ns += hour;
	assert_true(wall_clock_look(&w, &before, &after));
	assert_true(before - after > hour / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wall_clock),
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_not_recorded),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
