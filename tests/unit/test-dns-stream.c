/* SPDX-License-Identifier: Apache-2.0 */
/* track/dns-stream.h: DNS over TCP in any pieces, in any order, with holes, within bounds; and through the tracker. */
#include "track-frames.h"

#include "track/dns-stream.h"

struct got {
	unsigned n, malformed;
	size_t lengths[128];
	uint32_t sums[128];
	const char *why;
};

static uint32_t sum_of(const uint8_t *data, size_t n)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ data[i]) * 16777619u;
	return sum;
}

static void on_message(void *context, const struct hd_dns *frame, const uint8_t *message, size_t length,
		       const char *malformed)
{
	struct got *g = context;

	assert_true(g->n < ARRAY_SIZE(g->lengths));
	g->lengths[g->n] = length;
	g->sums[g->n++] = sum_of(message, length);
	if (malformed) {
		g->malformed++;
		g->why = malformed;
	}
}

static struct dns_streams streams;
static struct got got;

static void stream_begin(size_t cap, size_t bytes_cap)
{
	dns_streams_init(&streams, cap, bytes_cap);
	got = (struct got){ 0 };
}

static void segment_of(uint64_t socket, uint32_t sequence, const uint8_t *data, size_t n, size_t sent, unsigned flags)
{
	struct hd_dns frame = { .socket = socket,
				.tcp_seq = sequence,
				.payload_bytes = (uint32_t)MAX(n, sent),
				.remote_port = 53,
				.egress = 1,
				.tcp_flags = (uint8_t)flags };
	uint8_t *copy = malloc(n ?: 1);

	assert_non_null(copy);
	if (n)
		memcpy(copy, data, n);
	assert_int_equal(dns_streams_push(&streams, &frame, copy, n, on_message, &got), 0);
	free(copy);
}

static void segment(uint32_t sequence, const uint8_t *data, size_t n)
{
	segment_of(1, sequence, data, n, n, 0);
}

/* Three messages of 20, 30 and 40 bytes with their prefixes. */
static const size_t three_lengths[] = { 20, 30, 40 };
static uint8_t three[96];

static void three_make(void)
{
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		three[at++] = 0;
		three[at++] = (uint8_t)three_lengths[i];
		for (size_t k = 0; k < three_lengths[i]; k++)
			three[at++] = (uint8_t)(i * 50 + k);
	}
	assert_int_equal(at, sizeof(three));
}

static void assert_three(void)
{
	size_t at = 0;

	assert_int_equal(got.n, 3);
	assert_int_equal(got.malformed, 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(got.lengths[i], three_lengths[i]);
		assert_int_equal(got.sums[i], sum_of(three + at + 2, three_lengths[i]));
		at += 2 + three_lengths[i];
	}
}

static void stream_splits_anywhere(void **state)
{
	three_make();
	for (size_t cut = 0; cut <= sizeof(three); cut++) {
		uint32_t base = 0xffffffd0; /* wraps on the way */

		stream_begin(4, 1 << 20);
		segment(base, three, cut);
		segment(base + (uint32_t)cut, three + cut, sizeof(three) - cut);
		assert_three();
		dns_streams_done(&streams);
	}
	stream_begin(4, 1 << 20);
	for (size_t i = 0; i < sizeof(three); i++)
		segment(77 + (uint32_t)i, three + i, 1);
	assert_three();
	dns_streams_done(&streams);
}

static void stream_puts_in_order(void **state)
{
	three_make();
	/* Three parts in the wrong order, then all again, overlapping. */
	for (size_t a = 1; a < sizeof(three) - 1; a++) {
		for (size_t b = a + 1; b < sizeof(three); b++) {
			stream_begin(4, 1 << 20);
			segment_of(1, 999, NULL, 0, 0, 0x02);
			segment(1000 + (uint32_t)b, three + b, sizeof(three) - b);
			segment(1000 + (uint32_t)a, three + a, b - a);
			assert_int_equal(got.n, 0);
			segment(1000, three, a);
			segment(1000, three, b);
			segment(1000 + (uint32_t)a, three + a, sizeof(three) - a);
			assert_three();
			dns_streams_done(&streams);
		}
	}
	/* Without SYN, the parts of the first message may still be swapped. */
	for (size_t a = 1; a < 20; a++) {
		stream_begin(4, 1 << 20);
		segment(1000 + (uint32_t)a, (const uint8_t *)"\xff\xff", 2);
		segment(1000, three, a);
		assert_int_equal(got.n, 0);
		dns_streams_done(&streams);
	}
	stream_begin(4, 1 << 20);
	segment(1011, three + 11, 11);
	segment(1000, three, 11);
	segment(1022, three + 22, sizeof(three) - 22);
	assert_three();
	dns_streams_done(&streams);
	stream_begin(4, 1 << 20);
	segment(1000, three, 30);
	segment(1060, three + 60, 36);
	segment(1060, three + 60, 36);
	segment(1040, three + 40, 30);
	segment(1020, three + 20, 25);
	assert_three();
	segment(1000, three, sizeof(three));
	assert_three();
	dns_streams_done(&streams);
	assert_int_equal(streams.bytes, 0);
}

static void stream_passes_over_holes(void **state)
{
	three_make();
	/* The end of the first segment was not captured: the hole lies in the second message. */
	stream_begin(4, 1 << 20);
	segment_of(1, 0, three, 30, 40, 0);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.malformed, 1);
	assert_string_equal(got.why, "part of the message is missing");
	segment(40, three + 40, sizeof(three) - 40);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.malformed, 1);
	assert_int_equal(got.sums[2], sum_of(three + 56, 40));
	dns_streams_done(&streams);

	/* A segment never comes: given up when too many wait behind it. */
	stream_begin(4, 1 << 20);
	segment(0, three, 22);
	for (uint32_t i = 0; i <= DNS_STREAM_HELD_MAX; i++)
		segment(54 + i * 42, three + 54, 42);
	assert_int_equal(streams.gaps, 1);
	assert_int_equal(got.n, 1 + 1 + DNS_STREAM_HELD_MAX + 1);
	assert_int_equal(got.malformed, 1);
	assert_string_equal(got.why, "segments are missing");
	dns_streams_done(&streams);
	assert_int_equal(streams.bytes, 0);
}

static void stream_tells_its_end(void **state)
{
	static const struct {
		unsigned flags;
		const char *why;
	} ends[] = { { 0x01, "the stream ended inside the message" },
		     { 0x04, "the stream ended inside the message" },
		     { 0x02, "the stream began anew inside the message" } };

	three_make();
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		stream_begin(4, 1 << 20);
		segment(0, three, 30);
		segment_of(1, 30, NULL, 0, 0, ends[i].flags);
		assert_int_equal(got.n, 2);
		assert_int_equal(got.malformed, 1);
		assert_string_equal(got.why, ends[i].why);
		assert_int_equal(got.lengths[1], 6);
		dns_streams_done(&streams);
	}
	/* After SYN the data begin one later. */
	stream_begin(4, 1 << 20);
	segment_of(1, 99, NULL, 0, 0, 0x02);
	segment(100, three, sizeof(three));
	assert_three();
	dns_streams_done(&streams);

	stream_begin(4, 1 << 20);
	segment(0, three, 1);
	dns_streams_finish(&streams, on_message, &got);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.why, "the session ended inside the message");
	assert_int_equal(streams.map.count, 0);
	dns_streams_done(&streams);
}

static void stream_bears_garbage(void **state)
{
	uint8_t zeros[1000] = { 0 };

	three_make();
	stream_begin(4, 1 << 20);
	segment(0, zeros, sizeof(zeros));
	assert_int_equal(got.n, 1); /* not five hundred */
	assert_int_equal(got.malformed, 1);
	assert_string_equal(got.why, "the length before the message is shorter than a header");
	segment(1000, three, sizeof(three));
	assert_int_equal(got.n, 4);
	assert_int_equal(got.malformed, 1);
	dns_streams_done(&streams);
}

static void streams_are_bounded(void **state)
{
	static uint8_t big[4096] = { 0xff, 0xff };

	stream_begin(4, 1 << 20);
	for (uint64_t socket = 1; socket <= 5; socket++)
		segment_of(socket, 0, big, 100, 100, 0);
	assert_int_equal(streams.evicted, 1);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.why, "too many streams at once");
	dns_streams_done(&streams);

	stream_begin(64, 10000);
	for (uint64_t socket = 1; socket <= 20; socket++) {
		segment_of(socket, 0, big, sizeof(big), sizeof(big), 0);
		assert_true(streams.bytes <= 10000);
	}
	assert_int_equal(streams.map.count, 2);
	assert_int_equal(got.n, 18);
	/* One stream never holds more than the longest message and its waiting segments. */
	for (uint32_t i = 0; i < 64; i++)
		segment_of(1, 1u << 20 | i << 13, big, sizeof(big), sizeof(big), 0);
	assert_true(streams.bytes <= 10000);
	dns_streams_done(&streams);
	assert_int_equal(streams.bytes, 0);
}

/* Two queries over TCP, cut at every byte: two events, whatever the number of frames, and a balanced ledger. */
static void tells_messages_of_a_stream(void **state)
{
	static struct message m;
	uint8_t stream[256];
	size_t n = 0, one;

	m_begin(&m, 5, 0x0100, 1, 0);
	m_question(&m, "asked.example", 28);
	for (int i = 0; i < 2; i++) {
		stream[n++] = 0;
		stream[n++] = (uint8_t)m.n;
		memcpy(stream + n, m.data, m.n);
		n += m.n;
	}
	one = n / 2;
	for (size_t cut = 0; cut <= n; cut++) {
		static struct world w;

		world_init(&w);
		for (size_t at = 0, end = cut; at < n; at = end, end = n)
			do_packet(&w, (struct packet){ 1, 0, 53, true, true, (uint32_t)at, 0, stream + at, end - at });
		assert_int_equal(w.n, 2);
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(w.seen[i].e.type, HD_DNS_QUERY);
			assert_null(w.seen[i].e.dns.malformed);
			assert_string_equal(w.seen[i].name, "asked.example");
		}
		world_balances(&w);
		world_done(&w);
	}
	/* Cut off: the session's end tells what there was. */
	for (size_t cut = 1; cut < one; cut++) {
		static struct world w;

		world_init(&w);
		do_packet(&w, (struct packet){ 1, 0, 53, true, true, 0, 0, stream, cut });
		assert_int_equal(w.n, 0);
		world_balances(&w);
		assert_int_equal(tracker_finish(w.t), 0);
		assert_int_equal(w.n, 1);
		assert_string_equal(w.seen[0].e.dns.malformed, "the session ended inside the message");
		world_balances(&w);
		world_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_splits_anywhere),     cmocka_unit_test(stream_puts_in_order),
		cmocka_unit_test(stream_passes_over_holes),   cmocka_unit_test(stream_tells_its_end),
		cmocka_unit_test(stream_bears_garbage),	      cmocka_unit_test(streams_are_bounded),
		cmocka_unit_test(tells_messages_of_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
