/* SPDX-License-Identifier: Apache-2.0 */
/* Windows stand for the time between them, whatever the rate does and however late they are closed. */
#include "test.h"

#include <stdlib.h>

#include "base/macro.h"
#include "sensor/duty.h"

#define MS UINT64_C(1000000)

struct run {
	struct duty d;
	uint64_t now, attached_ns, told_ns; /* told: attached, times its weight */
};

/* So long, with a look every step or when one is due, whichever comes later by `late`. */
static void pass(struct run *r, uint64_t ns, uint64_t step, uint64_t late)
{
	for (uint64_t end = r->now + ns; r->now < end;) {
		uint64_t next = MIN(r->now + step, MAX(r->d.due_ns, r->now + MS)) + late;

		if (!r->d.pausing) {
			r->attached_ns += next - r->now;
			r->told_ns += (next - r->now) * r->d.weight;
		}
		r->now = next;
		(void)duty_tick(&r->d, r->now);
	}
}

static struct run begin(void)
{
	return (struct run){ .d = DUTY_INIT, .now = 1000 * CLOCK_SECOND_NS };
}

static void rare_is_always(void **state)
{
	struct run r = begin();

	duty_rate(&r.d, DUTY_RUNS_MAX);
	pass(&r, 10 * CLOCK_SECOND_NS, 10 * MS, 0);
	assert_true(r.attached_ns == r.told_ns && r.attached_ns >= 10 * CLOCK_SECOND_NS);
	assert_int_equal(r.d.weight, 1);
	assert_true(r.d.due_ns == UINT64_MAX);
}

static void often_is_in_windows(void **state)
{
	for (uint64_t times = 2; times <= 32; times *= 2)
		for (uint64_t late = 0; late <= 20 * MS; late += 10 * MS) {
			struct run r = begin();
			uint64_t from = r.now;

			duty_rate(&r.d, DUTY_RUNS_MAX * times);
			pass(&r, 60 * CLOCK_SECOND_NS, 10 * MS, late);
			uint64_t all = r.now - from;

			/* A window that is closed late is longer. */
			assert_true(r.attached_ns <=
				    all / times * (DUTY_WINDOW_NS + 2 * late + 10 * MS) / DUTY_WINDOW_NS);
			assert_true(r.attached_ns >= all / times / 2);
			assert_in_range(r.told_ns * 1000 / all, 950, 1050);
		}
}

/* It goes up and down, and ends: nothing that went by stays untold. */
static void the_rate_changes(void **state)
{
	struct run r = begin();
	uint64_t from = r.now;
	unsigned seed = 7;

	for (int i = 0; i < 200; i++) {
		duty_rate(&r.d, (uint64_t)rand_r(&seed) % (DUTY_RUNS_MAX * 12));
		pass(&r, CLOCK_SECOND_NS, 10 * MS, (uint64_t)(rand_r(&seed) % 5) * MS);
	}
	duty_rate(&r.d, 10);
	pass(&r, 3 * CLOCK_SECOND_NS, 10 * MS, 0);
	assert_false(r.d.pausing);
	assert_int_equal(r.d.weight, 1);
	assert_in_range(r.told_ns * 1000 / (r.now - from), 970, 1030);
}

/* Just below the bound it does not fall out of the windows and back into them. */
static void no_flutter(void **state)
{
	struct run r = begin();

	duty_rate(&r.d, DUTY_RUNS_MAX + 1);
	pass(&r, CLOCK_SECOND_NS, 10 * MS, 0);
	duty_rate(&r.d, DUTY_RUNS_MAX - 1);
	assert_true(r.d.period_ns > 0);
	duty_rate(&r.d, DUTY_RUNS_MAX / 2);
	assert_true(r.d.period_ns == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rare_is_always),
		cmocka_unit_test(often_is_in_windows),
		cmocka_unit_test(the_rate_changes),
		cmocka_unit_test(no_flutter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
