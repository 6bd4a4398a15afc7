/* SPDX-License-Identifier: Apache-2.0 */
/* track/ledger.h: the sums, the JSON, and the property that holds for every run: nothing goes uncounted. */
#include "track-frames.h"

static void knows_lanes(void **state)
{
	assert_int_equal(ledger_lane(HD_PROCESS_EXEC), HD_LANE_CRITICAL);
	assert_int_equal(ledger_lane(HD_PROCESS_EXIT), HD_LANE_CRITICAL);
	assert_int_equal(ledger_lane(HD_NETWORK_CONNECT), HD_LANE_CRITICAL);
	assert_int_equal(ledger_lane(HD_PRIVILEGE_CHANGE), HD_LANE_CRITICAL);
	assert_int_equal(ledger_lane(HD_SANDBOX_ESCAPE), HD_LANE_CRITICAL);
	assert_int_equal(ledger_lane(HD_DNS_QUERY), HD_LANE_CRITICAL);
	assert_int_equal(ledger_lane(HD_FILE_OPEN), HD_LANE_BULK);
	assert_int_equal(ledger_lane(HD_FILE_METADATA), HD_LANE_BULK);
	assert_int_equal(ledger_lane(HD_FILE_READ), HD_LANE_BULK);
	assert_int_equal(ledger_lane(HD_FILE_WRITE), HD_LANE_BULK);
}

static void adds_and_balances(void **state)
{
	struct ledger sum = { 0 }, l = { 0 };

	l.rows[HD_LANE_BULK][HD_FILE_OPEN] = (struct ledger_row){ 10, 6, 3, 1 };
	ledger_add(&sum, &l);
	ledger_add(&sum, &l);
	assert_int_equal(ledger_unbalanced(&sum), 0);
	assert_int_equal(ledger_lost(&sum), 2);
	assert_int_equal(sum.rows[HD_LANE_BULK][HD_FILE_OPEN].made, 20);
	/* A correction below zero. */
	l = (struct ledger){ 0 };
	l.rows[HD_LANE_BULK][HD_FILE_OPEN].delivered--;
	l.rows[HD_LANE_BULK][HD_FILE_OPEN].folded++;
	assert_int_equal(ledger_unbalanced(&l), 0);
	ledger_add(&sum, &l);
	assert_int_equal(sum.rows[HD_LANE_BULK][HD_FILE_OPEN].delivered, 11);
	assert_int_equal(ledger_unbalanced(&sum), 0);
	sum.rows[HD_LANE_CRITICAL][HD_SANDBOX_ESCAPE].made++;
	assert_int_equal(ledger_unbalanced(&sum), HD_SANDBOX_ESCAPE);
}

static void writes_json(void **state)
{
	struct buf out = BUF_INIT(4096);
	struct ledger l = { 0 };
	struct json j;

	l.rows[HD_LANE_BULK][HD_FILE_OPEN] = (struct ledger_row){ 10, 6, 3, 1 };
	l.rows[HD_LANE_CRITICAL][HD_PROCESS_EXEC] = (struct ledger_row){ 1, 1, 0, 0 };
	json_init(&j, &out);
	ledger_write(&l, &j);
	assert_int_equal(out.failed, 0);
	assert_string_equal(out.data,
			    "{\"critical\":{\"process_exec\":{\"made\":1,\"delivered\":1,\"folded\":0,\"lost\":0}},"
			    "\"bulk\":{\"file_open\":{\"made\":10,\"delivered\":6,\"folded\":3,\"lost\":1}}}");
	buf_done(&out);
}

/* ---- the property ---- */

static struct world w;
static struct message m;
static uint64_t seed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

/* While memory_fails is set, every third allocation does. */
static bool fails_now(void)
{
	static unsigned calls;

	return memory_fails && ++calls % 3 == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size);
}

static unsigned pick(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static void push_packet(void)
{
	static uint8_t stream[4000];
	size_t n = 0;

	for (unsigned i = 0, messages = 1 + pick(4); i < messages; i++) {
		m_begin(&m, pick(65536), pick(2) ? 0x8180 : 0x0100, 1, pick(3));
		m_question(&m, "a.example", 1);
		if (pick(2))
			m_answer(&m, "a.example", 1, "\xc0\x00\x02\x01", 4);
		stream[n++] = (uint8_t)(m.n >> 8);
		stream[n++] = (uint8_t)m.n;
		memcpy(stream + n, m.data, m.n);
		n += m.n;
	}
	if (pick(2)) {
		static uint32_t sequence;
		size_t at = 0;

		while (at < n) {
			size_t end = MIN(n, at + 1 + pick(40));

			do_packet(&w, (struct packet){ pick(4), 0, pick(20) ? 53 : 99, pick(2), true,
						       sequence + (uint32_t)at, pick(50) ? 0 : (uint8_t)pick(8),
						       stream + at, end - at, pick(30) ? 0 : end - at + pick(100) });
			at = pick(10) ? end : at + pick(50);
		}
		sequence += (uint32_t)n;
	} else {
		do_packet(&w, (struct packet){ 1, pick(3) ? 0 : 53, 53, pick(2), false, 0, 0, m.data,
					       pick((unsigned)m.n + 1) });
	}
}

static void push_any(void)
{
	char path[32];

	w.me.now_ns += pick(SECOND / 20);
	w.me.pid = 100 + pick(5);
	w.me.start_ns = 5000 + pick(2);
	w.me.image = pick(3);
	switch (pick(12)) {
	case 0:
		do_exec(&w, pick(2) ? "/bin/a" : "/bin/b", pick(2) ? 0 : -ENOENT);
		break;
	case 1:
		do_fork(&w, 100 + pick(5), 5000 + pick(2), pick(2));
		break;
	case 2:
		if (pick(4) == 0)
			do_exit(&w);
		break;
	case 3:
		do_open(&w, "/tmp/x", 3, pick(4), 500 + pick(3));
		break;
	case 4:
		(void)snprintf(path, sizeof(path), "/no/%u", pick(2));
		for (unsigned i = 0, n = pick(30); i < n; i++)
			do_open(&w, path, pick(10) ? -ENOENT : -EACCES, 0, 0);
		break;
	case 5:
	case 6:
	case 7:
		do_fold(&w, pick(2) ? HD_FILE_READ : HD_FILE_WRITE, pick(4), 500 + pick(3), pick(5), pick(100),
			pick(5) ? 0 : pick(4));
		break;
	case 8:
		do_connect(&w, AF_INET, "192.0.2.1");
		break;
	case 9:
		frame_begin(&w.frame, &w.me, 1 + pick(HD_TYPE_EVENT_MAX), sizeof(struct hd_header));
		if (w.frame.h.type != HD_FILE_READ && w.frame.h.type != HD_FILE_WRITE)
			assert_int_equal(world_push(&w), 0); /* too short for any type */
		break;
	default:
		push_packet();
	}
}

static void nothing_goes_uncounted(void **state)
{
	for (uint64_t round = 1; round <= 40; round++) {
		seed = round;
		world_init(&w);
		for (int i = 0; i < 1500; i++) {
			push_any();
			if (pick(50) == 0)
				assert_int_equal(tracker_tick(w.t, w.me.now_ns), 0);
		}
		assert_int_equal(tracker_finish(w.t), 0);
		world_balances(&w);
		assert_int_equal(ledger_lost(tracker_ledger(w.t)), tracker_malformed(w.t));
		assert_int_equal(tracker_finish(w.t), 0);
		world_balances(&w);
		world_done(&w);
	}
}

/* Without memory events are poorer, but none is dropped unless the ledger says so. */
static void nothing_goes_uncounted_without_memory(void **state)
{
	struct tracker_counts counts;

	for (uint64_t round = 1; round <= 20; round++) {
		seed = round;
		world_init(&w);
		memory_fails = true;
		for (int i = 0; i < 1500; i++) {
			push_any();
			if (pick(50) == 0)
				assert_int_equal(tracker_tick(w.t, w.me.now_ns), 0);
		}
		assert_int_equal(tracker_finish(w.t), 0);
		memory_fails = false;
		world_balances(&w);
		tracker_counts(w.t, &counts);
		assert_true(counts.out_of_memory > 0);
		assert_true(ledger_lost(tracker_ledger(w.t)) <= tracker_malformed(w.t) + counts.out_of_memory);
		world_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_lanes),
		cmocka_unit_test(adds_and_balances),
		cmocka_unit_test(writes_json),
		cmocka_unit_test(nothing_goes_uncounted),
		cmocka_unit_test(nothing_goes_uncounted_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
