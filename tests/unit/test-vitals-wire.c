/* SPDX-License-Identifier: Apache-2.0 */
/* wire/vitals.h: what the kernel side computes at every switch, against the plain way to say it. */
#include "test.h"

#include <stdbool.h>

#include "wire/vitals.h"

static unsigned plainly(uint64_t ns)
{
	unsigned b = 0;

	for (uint64_t us = ns / 1000; us > 1 && b < HV_BUCKETS - 1; us /= 2)
		b++;
	return b;
}

static void buckets(void **state)
{
	for (unsigned i = 0; i < HV_BUCKETS + 4; i++) {
		uint64_t edge = 1000ULL << i;

		assert_int_equal(hv_bucket(edge), plainly(edge));
		assert_int_equal(hv_bucket(edge - 1), plainly(edge - 1));
		assert_int_equal(hv_bucket(edge + 999), plainly(edge + 999));
	}
	/* Without a division up to 2^32, and with one after: no seam. */
	for (uint64_t ns = (1ULL << 32) - 5000; ns < (1ULL << 32) + 5000; ns++)
		assert_int_equal(hv_bucket(ns), plainly(ns));
	for (uint64_t ns = 0, step = 1; ns < 1ULL << 40; ns += step, step += step / 8 + 1)
		assert_int_equal(hv_bucket(ns), plainly(ns));
	assert_int_equal(hv_bucket(0), 0);
	assert_int_equal(hv_bucket(1999), 0);
	assert_int_equal(hv_bucket(2000), 1);
	assert_int_equal(hv_bucket(UINT64_MAX), HV_BUCKETS - 1);
}

/* Ids follow each other in steps, of one directory's files each: 700 of any such row must find their places. */
static void places(void **state)
{
	for (uint64_t step = 1; step < 200; step++) {
		bool used[HV_SLOTS] = { false };
		unsigned at_home = 0;

		for (uint64_t i = 0; i < 700; i++) {
			uint64_t hash = hv_hash(4000 + i * step);
			unsigned k = 0;

			while (k < HV_PLACES && used[hv_place(hash, k)])
				k++;
			assert_true(k < HV_PLACES);
			used[hv_place(hash, k)] = true;
			at_home += k == 0;
		}
		/* Most are found at the first look. */
		assert_true(at_home > 400);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
