/* SPDX-License-Identifier: Apache-2.0 */
/* What the tracker folds: reads and writes, and floods of failed opens; when each is told, and under which name. */
#include "track-frames.h"

#include "track/file-names.h"
#include "track/fold.h"
#include "track/open-flood.h"

static struct world w;

static int setup(void **state)
{
	world_init(&w);
	do_exec(&w, "/usr/bin/agent", 0);
	do_open(&w, "/srv/notes", 3, 77, 500);
	w.n = 0;
	w.kernel = (struct ledger){ 0 };
	/* The two events above have numbers 1 and 2. */
	return 0;
}

static int teardown(void **state)
{
	world_done(&w);
	return 0;
}

static void balances(void)
{
	struct ledger sum = w.kernel;

	ledger_add(&sum, tracker_ledger(w.t));
	assert_int_equal(ledger_unbalanced(&sum), 0);
}

static void merges_until_closed(void **state)
{
	const struct seen *s;

	do_fold(&w, HD_FILE_WRITE, 77, 500, 3, 30, 0);
	w.me.now_ns += 100;
	w.me.tid = 101;
	do_fold(&w, HD_FILE_WRITE, 77, 500, 2, 20, 0);
	do_fold(&w, HD_FILE_READ, 77, 500, 1, 5, 0);
	assert_int_equal(w.n, 0);
	w.me.now_ns += 100;
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, HD_FOLD_CLOSED);
	assert_int_equal(w.n, 1);
	s = world_last(&w);
	assert_int_equal(s->e.type, HD_FILE_WRITE);
	assert_int_equal(s->e.u.fold.bytes, 51);
	assert_int_equal(s->e.u.fold.operations, 6);
	assert_int_equal(s->e.u.fold.first_ns, 10 * SECOND - 10);
	assert_int_equal(s->e.u.fold.last_ns, 10 * SECOND + 200);
	assert_string_equal(s->path, "/srv/notes");
	assert_true(s->e.path.verified);
	assert_true(s->e.h.flags & HD_F_VERIFIED);
	assert_string_equal(s->exe, "/usr/bin/agent");
	assert_string_equal(s->e.process, "deadbeef-100-5000");
	assert_int_equal(s->e.sequence, 3);
	assert_int_equal(s->e.time_offset_ns, 1000);
	balances();
	assert_int_equal(tracker_ledger(w.t)->rows[HD_LANE_BULK][HD_FILE_WRITE].folded, 2);
	assert_int_equal(tracker_finish(w.t), 0);
	assert_int_equal(w.n, 2);
	assert_int_equal(world_last(&w)->e.u.fold.bytes, 5);
}

/* Another inode, device, type or process is another fold. */
static void keeps_apart(void **state)
{
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	do_fold(&w, HD_FILE_READ, 77, 500, 1, 1, 0);
	do_fold(&w, HD_FILE_WRITE, 0, 501, 1, 1, 0);
	frame_begin(&w.frame, &w.me, HD_FILE_WRITE, sizeof(struct hd_fold));
	w.frame.fold.inode = 500;
	w.frame.fold.dev = 9;
	w.frame.fold.operations = 1;
	assert_int_equal(world_push(&w), 0);
	w.me.pid = 200;
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	w.me = (struct actor){ .pid = 100, .start_ns = 6000, .now_ns = w.me.now_ns };
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	assert_int_equal(tracker_finish(w.t), 0);
	assert_int_equal(w.n, 6);
	balances();
}

static void is_told_after_its_time(void **state)
{
	uint64_t begin = w.me.now_ns;

	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	assert_int_equal(tracker_tick(w.t, begin + SECOND - 1), 0);
	assert_int_equal(w.n, 0);
	assert_int_equal(tracker_tick(w.t, begin + SECOND), 0);
	assert_int_equal(w.n, 1);
	assert_int_equal(tracker_tick(w.t, begin + 9 * SECOND), 0);
	assert_int_equal(w.n, 1);
	/* Without a tick, the next frame's time does it, and before that frame's own event. */
	w.me.now_ns = begin + 10 * SECOND;
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	w.me.now_ns += 2 * SECOND;
	do_open(&w, "/etc/hosts", 4, 0, 9);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.seen[1].e.type, HD_FILE_WRITE);
	assert_int_equal(w.seen[2].e.type, HD_FILE_OPEN);
	balances();
}

static void is_told_at_exec_and_exit(void **state)
{
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	do_exec(&w, "/bin/missing", -ENOENT);
	assert_int_equal(w.n, 1); /* a failed exec ends nothing */
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	w.me.image = 1;
	do_exec(&w, "/bin/next", 0);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.seen[1].e.type, HD_FILE_WRITE);
	assert_string_equal(w.seen[1].exe, "/usr/bin/agent");
	assert_int_equal(w.seen[2].e.type, HD_PROCESS_EXEC);
	assert_string_equal(w.seen[2].exe, "/bin/next");
	do_fold(&w, HD_FILE_READ, 77, 500, 1, 1, 0);
	do_exit(&w);
	assert_int_equal(w.n, 5);
	assert_int_equal(w.seen[3].e.type, HD_FILE_READ);
	assert_string_equal(w.seen[3].exe, "/bin/next");
	assert_int_equal(w.seen[4].e.type, HD_PROCESS_EXIT);
	/* What comes late is told at once, with the image that made it. */
	w.me.image = 0;
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	assert_int_equal(w.n, 6);
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	assert_string_equal(world_last(&w)->path, "/srv/notes");
	balances();
}

static void is_told_when_the_table_is_full(void **state)
{
	struct tracker_counts counts;

	for (uint64_t i = 0; i < FOLD_TABLE_CAP; i++)
		do_fold(&w, HD_FILE_WRITE, 0, 1000 + i, 1, 1, 0);
	assert_int_equal(w.n, 0);
	do_fold(&w, HD_FILE_WRITE, 0, 1, 1, 1, 0);
	assert_int_equal(w.n, 1);
	assert_int_equal(world_last(&w)->e.u.fold.inode, 1000); /* the one that waited longest */
	tracker_counts(w.t, &counts);
	assert_int_equal(counts.folds_early, 1);
	assert_int_equal(tracker_finish(w.t), 0);
	assert_int_equal(w.n, FOLD_TABLE_CAP + 1);
	balances();
}

static void tells_mappings_at_once(void **state)
{
	do_fold(&w, HD_FILE_WRITE, 77, 500, 1, 1, 0);
	do_fold(&w, HD_FILE_WRITE, 77, 500, 0, 0, HD_FOLD_MAPPING);
	assert_int_equal(w.n, 1);
	assert_int_equal(world_last(&w)->e.u.fold.flags, HD_FOLD_MAPPING);
	assert_string_equal(world_last(&w)->path, "/srv/notes");
	balances();
	/* A frame without an operation is no event. */
	do_fold(&w, HD_FILE_WRITE, 77, 500, 0, 0, HD_FOLD_CLOSED);
	balances();
	assert_int_equal(tracker_finish(w.t), 0);
	assert_int_equal(w.n, 2);
	balances();
}

static void says_when_the_path_is_unknown(void **state)
{
	do_fold(&w, HD_FILE_READ, 0xabc, 9, 1, 1, HD_FOLD_CLOSED);
	assert_false(bytes_set(world_last(&w)->e.path.path));
	assert_false(world_last(&w)->e.h.flags & HD_F_VERIFIED);
	assert_int_equal(world_last(&w)->e.u.fold.inode, 9);
	/* The same id for another file is not the file of before. */
	do_fold(&w, HD_FILE_READ, 77, 501, 1, 1, HD_FOLD_CLOSED);
	assert_false(bytes_set(world_last(&w)->e.path.path));
	/* A name that comes while the fold waits is in time. */
	do_fold(&w, HD_FILE_READ, 0xabc, 9, 1, 1, 0);
	frame_begin(&w.frame, &w.me, HD_FILE_NAME, sizeof(struct hd_fold));
	w.frame.fold.file_id = 0xabc;
	w.frame.fold.inode = 9;
	w.frame.fold.dev = 8 << 20 | 1;
	frame_path(&w.frame, HD_I_PATH, "/srv/data");
	assert_int_equal(world_push(&w), 0);
	do_fold(&w, HD_FILE_READ, 0xabc, 9, 1, 1, HD_FOLD_CLOSED);
	assert_string_equal(world_last(&w)->path, "/srv/data");
	assert_true(world_last(&w)->e.h.flags & HD_F_VERIFIED);
	/* Closed by one descriptor, still open by another. */
	do_fold(&w, HD_FILE_READ, 0xabc, 9, 1, 1, HD_FOLD_CLOSED);
	assert_string_equal(world_last(&w)->path, "/srv/data");
	balances();
}

static void names_have_a_cap(void **state)
{
	struct event_path path = { .path = BYTES("/a/path") };
	struct file_names n;

	file_names_init(&n, 3, 1 << 20);
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(file_names_set(&n, id, id, 1, &path), 0);
	assert_non_null(file_names_get(&n, 1, 1, 1));
	file_names_close(&n, 3);
	file_names_close(&n, 99);
	assert_int_equal(file_names_set(&n, 4, 4, 1, &path), 0);
	assert_null(file_names_get(&n, 3, 3, 1)); /* closed ones go first */
	assert_int_equal(file_names_set(&n, 5, 5, 1, &path), 0);
	assert_null(file_names_get(&n, 2, 2, 1)); /* then the least used */
	assert_non_null(file_names_get(&n, 1, 1, 1));
	assert_int_equal(n.evicted, 2);
	file_names_done(&n);

	file_names_init(&n, 100, 20);
	for (uint64_t id = 1; id <= 5; id++)
		assert_int_equal(file_names_set(&n, id, id, 1, &path), 0);
	assert_int_equal(n.evicted, 3);
	assert_true(n.bytes <= 20);
	assert_int_equal(file_names_set(&n, 5, 6, 2, &path), 0);
	assert_null(file_names_get(&n, 5, 5, 1));
	assert_non_null(file_names_get(&n, 5, 6, 2));
	file_names_done(&n);
}

/* ---- floods ---- */

static void counts_identical_failures(void **state)
{
	for (int i = 0; i < 100; i++) {
		w.me.now_ns += 1000;
		do_open(&w, "/etc/missing", -ENOENT, 0, 0);
	}
	assert_int_equal(w.n, FLOOD_PLAIN);
	for (int i = 0; i < FLOOD_PLAIN; i++) {
		assert_int_equal(w.seen[i].e.count, 0);
		assert_string_equal(w.seen[i].path, "/etc/missing");
	}
	balances();
	assert_int_equal(tracker_tick(w.t, w.me.now_ns), 0);
	assert_int_equal(w.n, FLOOD_PLAIN + 1);
	assert_int_equal(world_last(&w)->e.count, 100 - FLOOD_PLAIN);
	assert_int_equal(world_last(&w)->e.u.open.result, -ENOENT);
	assert_string_equal(world_last(&w)->path, "/etc/missing");
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	assert_false(world_last(&w)->e.path.verified);
	assert_int_equal(world_last(&w)->e.u.open.h.time_ns, w.me.now_ns);
	assert_int_equal(tracker_ledger(w.t)->rows[HD_LANE_BULK][HD_FILE_OPEN].folded, 100 - FLOOD_PLAIN - 1);
	/* Still the same second: held again. A new second: told again. */
	do_open(&w, "/etc/missing", -ENOENT, 0, 0);
	assert_int_equal(w.n, FLOOD_PLAIN + 1);
	w.me.now_ns += SECOND;
	do_open(&w, "/etc/missing", -ENOENT, 0, 0);
	assert_int_equal(w.n, FLOOD_PLAIN + 3);
	assert_int_equal(w.seen[FLOOD_PLAIN + 1].e.count, 1);
	assert_int_equal(w.seen[FLOOD_PLAIN + 2].e.count, 0);
	balances();
}

static void tells_different_failures(void **state)
{
	char path[32];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof(path), "/lib/%d", i);
		do_open(&w, path, -ENOENT, 0, 0);
		do_open(&w, "/lib/x", i % 2 ? -ENOENT : -EACCES, 0, 0);
		do_open(&w, "/lib/y", 3, 0, 1); /* successes are never folded */
	}
	assert_int_equal(w.n, 50 + 2 * FLOOD_PLAIN + 50);
	w.me.pid = 300;
	do_open(&w, "/lib/x", -ENOENT, 0, 0);
	assert_int_equal(w.n, 50 + 2 * FLOOD_PLAIN + 50 + 1);
	assert_int_equal(tracker_finish(w.t), 0);
	assert_int_equal(w.n, 50 + 2 * FLOOD_PLAIN + 50 + 1 + 2);
	balances();
}

static void flood_ends_with_its_process(void **state)
{
	for (int i = 0; i < 20; i++)
		do_open(&w, "/etc/missing", -ENOENT, 0, 0);
	do_exit(&w);
	assert_int_equal(w.n, FLOOD_PLAIN + 2);
	assert_int_equal(w.seen[FLOOD_PLAIN].e.count, 20 - FLOOD_PLAIN);
	assert_int_equal(w.seen[FLOOD_PLAIN + 1].e.type, HD_PROCESS_EXIT);
	/* Late ones are told one by one. */
	do_open(&w, "/etc/missing", -ENOENT, 0, 0);
	assert_int_equal(w.n, FLOOD_PLAIN + 3);
	balances();
}

static void floods_have_a_cap(void **state)
{
	struct tracker_counts counts;
	char path[32];

	for (int i = 0; i < 20; i++)
		do_open(&w, "/etc/missing", -ENOENT, 0, 0);
	for (int i = 0; i < FLOOD_TABLE_CAP; i++) {
		(void)snprintf(path, sizeof(path), "/lib/%d", i);
		do_open(&w, path, -ENOENT, 0, 0);
	}
	assert_int_equal(w.n, FLOOD_PLAIN + FLOOD_TABLE_CAP + 1);
	tracker_counts(w.t, &counts);
	assert_int_equal(counts.floods_early, 1);
	assert_int_equal(tracker_finish(w.t), 0);
	balances();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(merges_until_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(is_told_after_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(is_told_at_exec_and_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(is_told_when_the_table_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_mappings_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(says_when_the_path_is_unknown, setup, teardown),
		cmocka_unit_test(names_have_a_cap),
		cmocka_unit_test_setup_teardown(counts_identical_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_different_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_ends_with_its_process, setup, teardown),
		cmocka_unit_test_setup_teardown(floods_have_a_cap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
