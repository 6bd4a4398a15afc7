/* SPDX-License-Identifier: Apache-2.0 */
/* track/dns.h, dns-cache.h, and DNS through the tracker: what honest and lying messages give. */
#include "track-frames.h"

#include "track/dns-cache.h"
#include "track/dns.h"

#define QUERY 0x0100
#define RESPONSE 0x8180

static struct message m;
static struct event *e;

static int parse_setup(void **state)
{
	e = event_new();
	return e ? 0 : -1;
}

static int parse_teardown(void **state)
{
	event_free(e);
	return 0;
}

/* Parses from an exact-size copy, so that the sanitizer sees every byte read too far. */
static void parse_bytes(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ?: 1);

	assert_non_null(copy);
	if (n)
		memcpy(copy, data, n);
	e->arena_used = 0;
	dns_parse(copy, n, e);
	free(copy);
}

static void parse(void)
{
	parse_bytes(m.data, m.n);
}

static void assert_text(struct bytes b, const char *text)
{
	assert_true(bytes_set(b));
	assert_int_equal(b.length, strlen(text));
	assert_memory_equal(b.data, text, b.length);
}

static void assert_malformed(const char *why)
{
	parse();
	assert_non_null(e->dns.malformed);
	assert_string_equal(e->dns.malformed, why);
}

static void reads_a_query(void **state)
{
	m_begin(&m, 0xbeef, QUERY, 1, 0);
	m_question(&m, "WWW.Example.ORG", 28);
	parse();
	assert_null(e->dns.malformed);
	assert_true(e->dns.has_question);
	assert_text(e->dns.name, "www.example.org");
	assert_int_equal(e->dns.query_type, 28);
	assert_int_equal(e->dns.transaction, 0xbeef);
	assert_false(dns_is_response(m.data, m.n, true));
}

static void reads_every_type(void **state)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	static const uint8_t service[] = { 0, 1,    0, 0, 1, 0, 6, 2, 'h', '2', 2, 'h', '3', 0, 3,    0,   2,
					   1, 0xbb, 0, 4, 0, 4, 1, 2, 3,   4,	0, 5,	0,   2, 0xab, 0xcd };
	static const char *const want[] = {
		"192.0.2.7",	       "2001:db8::1",
		"b.example",	       "ptr.example",
		"v=spf1 -all",	       "10 mx.example",
		"1 2 443 srv.example", "1 . alpn=h2,h3 port=443 ipv4hint=1.2.3.4 ech=0xabcd",
		"\\# 3 010203",	       "\\# 0",
		"ns.example"
	};
	static const unsigned types[] = { 1, 28, 5, 12, 16, 15, 33, 65, 257, 999, 2 };
	size_t at;

	m_begin(&m, 1, RESPONSE, 1, 11);
	m_question(&m, "a.example", 255);
	m_answer(&m, "a.example", 1, "\xc0\x00\x02\x07", 4);
	m_answer(&m, "a.example", 28, v6, 16);
	m_alias(&m, "a.example", "B.example");
	at = m_record(&m, "a.example", 12);
	m_name(&m, "ptr.example");
	m_end(&m, at);
	m_answer(&m, "a.example", 16, "\x07v=spf1 \x04-all", 13);
	at = m_record(&m, "a.example", 15);
	m_u16(&m, 10);
	m_name(&m, "mx.example");
	m_end(&m, at);
	at = m_record(&m, "a.example", 33);
	m_u16(&m, 1);
	m_u16(&m, 2);
	m_u16(&m, 443);
	m_name(&m, "srv.example");
	m_end(&m, at);
	m_answer(&m, "a.example", 65, service, sizeof(service));
	m_answer(&m, "a.example", 257, "\x01\x02\x03", 3);
	m_answer(&m, "a.example", 999, "", 0);
	at = m_record(&m, "a.example", 2);
	m_name(&m, "ns.example");
	m_end(&m, at);
	parse();
	assert_null(e->dns.malformed);
	assert_int_equal(e->dns.answers_n, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_text(e->dns.answers[i].data, want[i]);
		assert_text(e->dns.answers[i].name, "a.example");
		assert_int_equal(e->dns.answers[i].type, types[i]);
		assert_int_equal(e->dns.answers[i].ttl, 300);
	}
	assert_true(dns_is_response(m.data, m.n, false));
	/* No prefix of it is a whole message. */
	for (size_t n = 0; n < m.n; n++) {
		parse_bytes(m.data, n);
		assert_non_null(e->dns.malformed);
	}
}

static void escapes_dots_in_labels(void **state)
{
	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x05"
		"a.b\\\n"
		"\x02"
		"\xff"
		"C"
		"\x00",
		10);
	m_u16(&m, 1);
	m_u16(&m, 1);
	parse();
	assert_null(e->dns.malformed);
	assert_text(e->dns.name, "a\\.b\\\\\n.\xff"
				 "c");

	m_begin(&m, 1, QUERY, 1, 0);
	m_question(&m, "", 2);
	parse();
	assert_null(e->dns.malformed);
	assert_text(e->dns.name, ".");
}

static void follows_pointers_back(void **state)
{
	m_begin(&m, 1, RESPONSE, 1, 1);
	m_question(&m, "www.example.org", 1);
	m_u16(&m, 0xc00c);
	m_u16(&m, 5);
	m_u16(&m, 1);
	m_u32(&m, 1);
	m_u16(&m, 6);
	m_bytes(&m,
		"\x03"
		"cdn"
		"\xc0\x10",
		6);
	parse();
	assert_null(e->dns.malformed);
	assert_text(e->dns.answers[0].name, "www.example.org");
	assert_text(e->dns.answers[0].data, "cdn.example.org");
}

static void refuses_bad_names(void **state)
{
	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m, "\xc0\x0c\x00\x01\x00\x01", 6);
	assert_malformed("a compression pointer does not lead back");

	/* Two names that point at each other. */
	m_begin(&m, 1, RESPONSE, 1, 1);
	m_bytes(&m,
		"\x01"
		"a"
		"\xc0\x12\x00\x01\x00\x01\x01"
		"b"
		"\xc0\x0c",
		12);
	assert_malformed("a compression pointer does not lead back");

	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x01"
		"a"
		"\xc0\x40\x00\x01\x00\x01",
		8);
	assert_malformed("a compression pointer does not lead back");

	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x01"
		"a"
		"\xc0\x02\x00\x01\x00\x01",
		8);
	assert_malformed("a compression pointer leads into the header");

	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x01"
		"a"
		"\xc0",
		3);
	assert_malformed("a name runs past its end");

	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x09"
		"short",
		6);
	assert_malformed("a label runs past its end");

	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x41"
		"x"
		"\x00",
		3);
	assert_malformed("unknown kind of label");

	m_begin(&m, 1, QUERY, 1, 0);
	m_bytes(&m,
		"\x03"
		"abc",
		4);
	assert_malformed("a name runs past its end");
}

/* 254 bytes of labels and the root are the most there can be, written out or through pointers. */
static void limits_names_to_255_bytes(void **state)
{
	char label[64];

	memset(label, 'x', sizeof(label));
	m_begin(&m, 1, QUERY, 1, 0);
	for (int i = 0; i < 3; i++) {
		m.data[m.n++] = 63;
		m_bytes(&m, label, 63);
	}
	m.data[m.n++] = 61;
	m_bytes(&m, label, 61);
	m_bytes(&m, "\x00\x00\x01\x00\x01", 5);
	parse();
	assert_null(e->dns.malformed);
	assert_int_equal(e->dns.name.length, 253);

	m_begin(&m, 1, QUERY, 1, 0);
	for (int i = 0; i < 4; i++) {
		m.data[m.n++] = 63;
		m_bytes(&m, label, 63);
	}
	m_bytes(&m, "\x00\x00\x01\x00\x01", 5);
	assert_malformed("a name is longer than 255 bytes");

	/* Each record adds a label to the one before: short on the wire, long when followed. */
	m_begin(&m, 1, RESPONSE, 1, 8);
	m_question(&m, "x", 1);
	for (unsigned i = 0, target = 12; i < 8; i++) {
		unsigned here = (unsigned)m.n;

		m.data[m.n++] = 63;
		m_bytes(&m, label, 63);
		m_u16(&m, 0xc000 | target);
		m_bytes(&m, "\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04zzzz", 14);
		target = here;
	}
	assert_malformed("a name is longer than 255 bytes");
	assert_int_equal(e->dns.answers_n, 3);
}

static void refuses_counts_that_lie(void **state)
{
	m.n = 0;
	assert_malformed("an empty message");
	m_begin(&m, 7, QUERY, 0, 0);
	m.n = 11;
	assert_malformed("shorter than a header");
	assert_int_equal(e->dns.transaction, 7);

	m_begin(&m, 1, QUERY, 1, 0);
	assert_malformed("fewer questions than the header counts");
	m_begin(&m, 1, QUERY, 2, 0);
	m_question(&m, "a", 1);
	assert_malformed("fewer questions than the header counts");
	m_question(&m, "b", 1);
	assert_malformed("more than one question");
	assert_text(e->dns.name, "a");
	m_begin(&m, 1, QUERY, 0xffff, 0xffff);
	m_question(&m, "a", 1);
	assert_malformed("fewer questions than the header counts");
	m_begin(&m, 1, QUERY, 1, 0);
	m_name(&m, "a");
	m_u16(&m, 1);
	assert_malformed("the question is cut short");

	m_begin(&m, 1, RESPONSE, 1, 2);
	m_question(&m, "a", 1);
	m_answer(&m, "a", 1, "\x01\x02\x03\x04", 4);
	assert_malformed("fewer records than the header counts");
	assert_int_equal(e->dns.answers_n, 1);
	m.data[7] = 1;
	m.data[9] = 1; /* one in authority */
	assert_malformed("fewer records than the header counts");
	m.data[9] = 0;
	m.data[m.n++] = 0;
	assert_malformed("bytes behind the last record");
}

static void refuses_records_that_lie(void **state)
{
	static const struct {
		unsigned type;
		const char *data;
		size_t n;
		const char *why;
	} cases[] = {
		{ 1, "\1\2\3", 3, "an address has the wrong length" },
		{ 1, "\1\2\3\4\5", 5, "an address has the wrong length" },
		{ 28, "\1\2\3\4", 4, "an address has the wrong length" },
		{ 5, "\1a\0x", 4, "a record's length contradicts its data" },
		{ 5, "\1a", 2, "a name runs past its end" },
		{ 5, "", 0, "a name runs past its end" },
		{ 15, "\0\1", 2, "a record's length contradicts its data" },
		{ 33, "\0\1\0\2\0\3", 6, "a record's length contradicts its data" },
		{ 16, "", 0, "a text record is empty" },
		{ 16, "\5abc", 4, "a text record's string runs past its end" },
		{ 65, "\0\1", 2, "a record's length contradicts its data" },
		{ 65, "\0\1\0\0\1", 5, "a service parameter runs past its end" },
		{ 65, "\0\1\0\0\1\0\7h2", 9, "a service parameter runs past its end" },
		{ 65, "\0\1\0\0\1\0\3\5h2", 10, "a service parameter has the wrong length" },
		{ 65, "\0\1\0\0\3\0\1\1", 8, "a service parameter has the wrong length" },
		{ 65, "\0\1\0\0\4\0\3\1\2\3", 10, "a service parameter has the wrong length" },
		{ 65, "\0\1\0\0\0\0\1\1", 8, "a service parameter has the wrong length" },
		{ 65, "\0\1\0\0\3\0\2\1\1\0\3\0\2\1\1", 15, "service parameters are out of order" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		m_begin(&m, 1, RESPONSE, 1, 1);
		m_question(&m, "a", 1);
		m_answer(&m, "a", cases[i].type, cases[i].data, cases[i].n);
		assert_malformed(cases[i].why);
		assert_int_equal(e->dns.answers_n, 0);
		assert_text(e->dns.name, "a");
	}
	m_begin(&m, 1, RESPONSE, 1, 1);
	m_question(&m, "a", 1);
	m_answer(&m, "a", 1, "\1\2\3\4", 4);
	m.data[m.n - 5] = 200;
	assert_malformed("a record runs past the message's end");
}

static void skips_edns(void **state)
{
	m_begin(&m, 1, RESPONSE | 1, 1, 0);
	m.data[11] = 1; /* additional */
	m_question(&m, "a", 1);
	m_bytes(&m, "\x00\x00\x29\x10\x00\x01\x00\x00\x00\x00\x04\x00\x0a\x00\x00", 15);
	parse();
	assert_null(e->dns.malformed);
	assert_int_equal(e->dns.answers_n, 0);
	assert_int_equal(e->dns.response_code, 17); /* the upper bits are OPT's */
}

static void keeps_what_fits(void **state)
{
	uint8_t text[256];

	m_begin(&m, 1, RESPONSE, 1, 100);
	m_question(&m, "a", 1);
	for (int i = 0; i < 100; i++)
		m_answer(&m, "a", 1, "\1\2\3\4", 4);
	parse();
	assert_null(e->dns.malformed);
	assert_int_equal(e->dns.answers_n, EVENT_ANSWERS_MAX);
	assert_int_equal(e->dns.answers_total, 100);

	/* More text than the arena holds: the first answers, whole. */
	memset(text, 'x', sizeof(text));
	text[0] = 255;
	m_begin(&m, 1, RESPONSE, 1, 50);
	m_question(&m, "a", 1);
	for (int i = 0; i < 50; i++) {
		size_t at = m_record(&m, "a", 999);

		for (int k = 0; k < 5; k++)
			m_bytes(&m, text, sizeof(text));
		m_end(&m, at);
	}
	parse();
	assert_null(e->dns.malformed);
	assert_in_range(e->dns.answers_n, 20, 49);
	assert_int_equal(e->dns.answers_total, 50);
	for (uint32_t i = 0; i < e->dns.answers_n; i++)
		assert_int_equal(e->dns.answers[i].data.length, strlen("\\# 1280 ") + 2 * 1280);
	assert_true(e->arena_used <= EVENT_ARENA_BYTES);
}

/* ---- the cache ---- */

static struct event_address address4(unsigned last)
{
	return (struct event_address){ .family = AF_INET, .raw = { 192, 0, 2, (uint8_t)last } };
}

static void learn(struct dns_cache *c, const char *name, const void *address)
{
	m_begin(&m, 1, RESPONSE, 1, 1);
	m_question(&m, name, 1);
	m_answer(&m, name, 1, address, 4);
	parse();
	assert_int_equal(dns_cache_learn(c, e), 0);
}

static void names_what_was_asked(void **state)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 };
	struct event_address a6 = { .family = AF_INET6 }, a4 = address4(1), other = address4(2);
	struct dns_cache c;

	memcpy(a6.raw, v6, 16);
	dns_cache_init(&c, 16);
	/* The chain in any order, an alias loop, and an address of somebody else. */
	m_begin(&m, 1, RESPONSE, 1, 6);
	m_question(&m, "Asked.example", 28);
	m_answer(&m, "c.example", 28, v6, 16);
	m_alias(&m, "b.example", "c.example");
	m_alias(&m, "asked.example", "b.example");
	m_alias(&m, "c.example", "asked.example");
	m_answer(&m, "c.example", 1, "\xc0\x00\x02\x01", 4);
	m_answer(&m, "stranger.example", 1, "\xc0\x00\x02\x02", 4);
	parse();
	assert_null(e->dns.malformed);
	assert_int_equal(dns_cache_learn(&c, e), 0);
	assert_text(dns_cache_name(&c, &a6), "asked.example");
	assert_text(dns_cache_name(&c, &a4), "asked.example");
	assert_false(bytes_set(dns_cache_name(&c, &other)));

	/* The latest answer wins; a malformed one teaches nothing. */
	learn(&c, "later.example", "\xc0\x00\x02\x01");
	assert_text(dns_cache_name(&c, &a4), "later.example");
	m_begin(&m, 1, RESPONSE, 1, 2);
	m_question(&m, "liar.example", 1);
	m_answer(&m, "liar.example", 1, "\xc0\x00\x02\x01", 4);
	parse();
	assert_non_null(e->dns.malformed);
	assert_int_equal(dns_cache_learn(&c, e), 0);
	assert_text(dns_cache_name(&c, &a4), "later.example");

	learn(&c, "localhost", "\xc0\x00\x02\x02");
	learn(&c, "x.localhost", "\xc0\x00\x02\x02");
	learn(&c, "192.0.2.2", "\xc0\x00\x02\x02");
	assert_false(bytes_set(dns_cache_name(&c, &other)));
	dns_cache_done(&c);
}

static void forgets_the_least_used(void **state)
{
	struct event_address a = address4(1), b = address4(2), d = address4(3);
	struct dns_cache c;

	dns_cache_init(&c, 2);
	learn(&c, "one.example", "\xc0\x00\x02\x01");
	learn(&c, "two.example", "\xc0\x00\x02\x02");
	assert_text(dns_cache_name(&c, &a), "one.example");
	learn(&c, "three.example", "\xc0\x00\x02\x03");
	assert_int_equal(c.evicted, 1);
	assert_false(bytes_set(dns_cache_name(&c, &b)));
	assert_text(dns_cache_name(&c, &a), "one.example");
	assert_text(dns_cache_name(&c, &d), "three.example");
	dns_cache_done(&c);
}

static void maps_v4_in_v6(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	struct event_address a = address4(1);
	struct dns_cache c;

	dns_cache_init(&c, 4);
	m_begin(&m, 1, RESPONSE, 1, 1);
	m_question(&m, "mapped.example", 28);
	m_answer(&m, "mapped.example", 28, mapped, 16);
	parse();
	assert_int_equal(dns_cache_learn(&c, e), 0);
	assert_text(dns_cache_name(&c, &a), "mapped.example");
	dns_cache_done(&c);
}

/* ---- through the tracker ---- */

static void tells_one_event_a_message(void **state)
{
	static struct world w;
	const struct seen *s;

	world_init(&w);
	do_exec(&w, "/usr/bin/curl", 0);
	m_begin(&m, 5, QUERY, 1, 0);
	m_question(&m, "asked.example", 28);
	do_packet(&w, (struct packet){ 1, 0, 53, true, .data = m.data, .length = m.n });
	s = world_last(&w);
	assert_int_equal(s->e.type, HD_DNS_QUERY);
	assert_string_equal(s->name, "asked.example");
	assert_string_equal(s->exe, "/usr/bin/curl");
	assert_string_equal(s->e.process, "deadbeef-100-5000");
	assert_string_equal(s->remote, "10.0.0.53");
	assert_int_equal(s->e.remote.port, 53);
	assert_false(s->e.dns.server_role);

	/* A response that was sent, to another port, is a resolver's; nothing is learned from it. */
	m_begin(&m, 5, RESPONSE, 1, 1);
	m_question(&m, "lie.example", 1);
	m_answer(&m, "lie.example", 1, "\xc0\x00\x02\x01", 4);
	do_packet(&w, (struct packet){ 2, 53, 40001, true, .data = m.data, .length = m.n });
	s = world_last(&w);
	assert_int_equal(s->e.type, HD_DNS_RESPONSE); /* the frame said query */
	assert_int_equal(s->e.h.type, HD_DNS_RESPONSE);
	assert_true(s->e.dns.server_role);
	do_connect(&w, AF_INET, "192.0.2.1");
	assert_false(bytes_set(world_last(&w)->e.hostname));

	/* Other ports are none of ours, unless they were named. */
	do_packet(&w, (struct packet){ 3, 0, 54, true, .data = m.data, .length = m.n });
	assert_int_equal(w.n, 4);
	do_packet(&w, (struct packet){ 3, 0, 5353, false, .data = m.data, .length = m.n });
	assert_int_equal(w.n, 5);

	/* An empty datagram and one that was captured in part. */
	do_packet(&w, (struct packet){ 3, 0, 53, false, .data = "", .length = 0 });
	assert_string_equal(world_last(&w)->e.dns.malformed, "an empty message");
	assert_int_equal(world_last(&w)->e.type, HD_DNS_RESPONSE);
	do_packet(&w, (struct packet){ 3, 0, 53, false, .data = m.data, .length = m.n, .sent = 6000 });
	assert_string_equal(world_last(&w)->e.dns.malformed, "only part of the message was captured");
	world_balances(&w);
	world_done(&w);
}

static void names_the_host_of_a_connect(void **state)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 };
	static struct world w;

	world_init(&w);
	m_begin(&m, 5, RESPONSE, 1, 3);
	m_question(&m, "asked.example", 28);
	m_alias(&m, "asked.example", "edge.example");
	m_answer(&m, "edge.example", 28, v6, 16);
	m_answer(&m, "edge.example", 1, "\xc0\x00\x02\x09", 4);
	do_packet(&w, (struct packet){ 1, 0, 53, false, .data = m.data, .length = m.n });
	assert_string_equal(world_last(&w)->answers[0], "edge.example");
	assert_string_equal(world_last(&w)->answers[1], "2001:db8::9");
	do_connect(&w, AF_INET6, "2001:db8::9");
	assert_string_equal(world_last(&w)->hostname, "asked.example");
	do_connect(&w, AF_INET, "192.0.2.9");
	assert_string_equal(world_last(&w)->hostname, "asked.example");
	do_connect(&w, AF_INET6, "::ffff:192.0.2.9");
	assert_string_equal(world_last(&w)->hostname, "asked.example");
	do_connect(&w, AF_INET, "127.0.0.1");
	assert_false(bytes_set(world_last(&w)->e.hostname));
	world_balances(&w);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_a_query, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(reads_every_type, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(escapes_dots_in_labels, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(follows_pointers_back, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_names, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(limits_names_to_255_bytes, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(refuses_counts_that_lie, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(refuses_records_that_lie, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(skips_edns, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(keeps_what_fits, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(names_what_was_asked, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(forgets_the_least_used, parse_setup, parse_teardown),
		cmocka_unit_test_setup_teardown(maps_v4_in_v6, parse_setup, parse_teardown),
		cmocka_unit_test(tells_one_event_a_message),
		cmocka_unit_test(names_the_host_of_a_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
