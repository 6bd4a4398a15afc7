/* SPDX-License-Identifier: Apache-2.0 */
/* The formula of vitals_available: one trap a test. */
#include "test.h"

#include <string.h>

#include "vitals/vitals.h"

#define MIB (UINT64_C(1) << 20)

static struct vitals_host host;
static struct vitals_memory levels[3];
static struct vitals_available a;

static int setup(void **state)
{
	memset(levels, 0xff, sizeof(levels));
	host = (struct vitals_host){ .total = 8000 * MIB, .free = 4000 * MIB, .available = 6000 * MIB };
	levels[0].limit = 100 * MIB;
	levels[0].current = 60 * MIB;
	return 0;
}

static void expect(size_t n, uint64_t free, uint64_t clean, uint64_t all, unsigned bound)
{
	vitals_available(levels, n, &host, &a);
	assert_int_equal(a.free / MIB, free);
	assert_int_equal(a.clean / MIB, clean);
	assert_int_equal(a.all / MIB, all);
	assert_int_equal(a.bound, bound);
}

static void unknown_gives_nothing(void **state)
{
	expect(1, 40, 40, 40, 0);
	levels[0].current = 101 * MIB;
	expect(1, 0, 0, 0, 0);
	levels[0].limit = VITALS_UNKNOWN;
	expect(1, 4000, 6000, 6000, VITALS_BOUND_HOST);
	expect(0, 4000, 6000, 6000, VITALS_BOUND_HOST);
	memset(&host, 0xff, sizeof(host));
	vitals_available(levels, 1, &host, &a);
	assert_true(a.free == VITALS_UNKNOWN && a.clean == VITALS_UNKNOWN && a.all == VITALS_UNKNOWN);
}

static void clean_dirty_slab(void **state)
{
	levels[0].active_file = 10 * MIB;
	levels[0].inactive_file = 20 * MIB;
	levels[0].slab_reclaimable = 5 * MIB;
	expect(1, 40, 75, 75, 0);
	levels[0].dirty = 8 * MIB;
	levels[0].writeback = 4 * MIB;
	expect(1, 40, 63, 75, 0);
	/* A page may count as both. */
	levels[0].dirty = 40 * MIB;
	expect(1, 40, 45, 75, 0);
}

/* tmpfs and mlocked pages are in `file`, but on no list of files. */
static void file_is_not_reclaimable(void **state)
{
	levels[0].file = 60 * MIB;
	levels[0].shmem = 50 * MIB;
	levels[0].unevictable = 5 * MIB;
	levels[0].active_file = levels[0].inactive_file = 0;
	expect(1, 40, 40, 40, 0);
}

/* Pages given up with MADV_FREE are on the inactive list: counted once. */
static void lazyfree_once(void **state)
{
	levels[0].anon = 50 * MIB;
	levels[0].file = 10 * MIB;
	levels[0].shmem = 0;
	levels[0].inactive_file = 40 * MIB;
	levels[0].active_file = 0;
	expect(1, 40, 80, 80, 0);
	/* And they need no swap: 20 of the 50 are left for it. */
	host.swap_free = 1000 * MIB;
	expect(1, 40, 80, 100, 0);
	levels[0].anon = 35 * MIB;
	expect(1, 40, 80, 85, 0);
}

static void swap(void **state)
{
	levels[0].anon = 40 * MIB;
	levels[0].shmem = 10 * MIB;
	levels[0].file = 10 * MIB;
	host.swap_free = 15 * MIB;
	expect(1, 40, 40, 55, 0);
	levels[0].swap = 1 * MIB;
	levels[0].swap_limit = 8 * MIB;
	expect(1, 40, 40, 47, 0);
	levels[0].swap_limit = 0;
	expect(1, 40, 40, 40, 0);
	levels[0].swap_limit = VITALS_UNKNOWN;
	levels[0].unevictable = 45 * MIB;
	expect(1, 40, 40, 45, 0);
}

static void ancestors(void **state)
{
	levels[1].limit = 200 * MIB;
	levels[1].current = 190 * MIB;
	levels[2].limit = 150 * MIB;
	expect(2, 10, 10, 10, 1);
	/* A sibling's cache counts there, for the sibling and for us. */
	levels[1].active_file = 25 * MIB;
	expect(2, 10, 35, 35, 1);
	levels[1].active_file = 100 * MIB;
	expect(2, 10, 40, 40, 0);
	/* A level whose use can't be read binds nothing; one that has no limit neither. */
	expect(3, 10, 40, 40, 0);
	levels[0].limit = VITALS_UNKNOWN;
	levels[2].limit = VITALS_UNKNOWN;
	expect(3, 10, 110, 110, 1);
}

static void machine(void **state)
{
	host.free = 5 * MIB;
	host.available = 30 * MIB;
	expect(1, 5, 30, 30, VITALS_BOUND_HOST);
	/* MemAvailable takes dirty pages for available. */
	host.dirty = 8 * MIB;
	host.writeback = 2 * MIB;
	expect(1, 5, 20, 30, VITALS_BOUND_HOST);
	host.swap_free = 4 * MIB;
	expect(1, 5, 20, 34, VITALS_BOUND_HOST);
	host.dirty = 100 * MIB;
	expect(1, 0, 0, 34, VITALS_BOUND_HOST);
}

/* memory.min of the workload against its parent's need, not against its own; memory.low gives way before a kill. */
static void protection(void **state)
{
	levels[0].active_file = 50 * MIB;
	levels[0].min = 55 * MIB;
	expect(1, 40, 90, 90, 0);
	levels[1].limit = 100 * MIB;
	levels[1].current = 70 * MIB;
	levels[1].inactive_file = 60 * MIB;
	/* Of its 50 only 5 can be had; the sibling's 10 too. */
	expect(2, 30, 45, 45, 1);
	levels[0].min = 1000 * MIB;
	expect(2, 30, 40, 40, 1);
	/* The sibling's may be kept too. */
	levels[1].kept = 7 * MIB;
	expect(2, 30, 33, 33, 1);
	levels[1].kept = VITALS_UNKNOWN;
	levels[0].min = 0;
	levels[0].low = 1000 * MIB;
	expect(2, 30, 90, 90, 0);
}

static void nothing_overflows(void **state)
{
	memset(levels, 0xfe, sizeof(levels));
	memset(&host, 0xfe, sizeof(host));
	vitals_available(levels, 3, &host, &a);
	assert_true(a.free <= a.clean && a.clean <= a.all);
	assert_true(a.all <= levels[0].limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(unknown_gives_nothing, setup),
		cmocka_unit_test_setup(clean_dirty_slab, setup),
		cmocka_unit_test_setup(file_is_not_reclaimable, setup),
		cmocka_unit_test_setup(lazyfree_once, setup),
		cmocka_unit_test_setup(swap, setup),
		cmocka_unit_test_setup(ancestors, setup),
		cmocka_unit_test_setup(machine, setup),
		cmocka_unit_test_setup(protection, setup),
		cmocka_unit_test_setup(nothing_overflows, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
