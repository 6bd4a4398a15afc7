/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event/encode.h: every sample frame against its whole line in encode.expected, then what the tracker adds, hostile
 * strings, and buffers that fill up.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/decode.h"
#include "event/encode.h"
#include "parse-json.h"
#include "samples.h"

#define EXPECTED "tests/unit/encode.expected"

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static int reallocs_left = -1; /* -1: no limit */

void *__wrap_realloc(void *p, size_t size)
{
	if (reallocs_left == 0)
		return NULL;
	if (reallocs_left > 0)
		reallocs_left--;
	return __real_realloc(p, size);
}

static struct frame frame;
static struct event *event;

/* What the tracker would add. */
static void finish(struct event *e)
{
	e->sequence = 12;
	e->session = BYTES("s-1");
	(void)snprintf(e->process, sizeof(e->process), "abcdef01-100-4000000000");
	e->time_offset_ns = INT64_C(1709208000000000000);
	if (!bytes_set(e->exe.path))
		e->exe.path = BYTES("/usr/bin/agent");
	e->cgroup = BYTES("/heddle/s");
}

static void load(const char *name)
{
	sample_make(name, &frame);
	assert_int_equal(event_decode(frame.data, frame.size, event), 0);
	finish(event);
}

/* Encodes and compares what stands from `from` on. */
static void check_tail(const char *from, const char *expected)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1 << 20);
	const char *tail;

	assert_int_equal(event_encode_json(event, &b), 0);
	assert_true(parse_json_is_valid(b.data));
	tail = strstr(b.data, from);
	assert_non_null(tail);
	assert_string_equal(tail, expected);
}

static void samples_as_expected(void **state)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0, seen = 0, internal = 0;
	FILE *f = fopen(EXPECTED, "re");

	assert_non_null(f);
	while (getline(&line, &room, f) > 0) {
		_cleanup_buf_ struct buf b = BUF_INIT(1 << 20);
		char *json = strchr(line, ' ');

		assert_non_null(json);
		*json++ = 0;
		json[strcspn(json, "\n")] = 0;
		load(line);
		assert_int_equal(event_encode_json(event, &b), 0);
		assert_string_equal(b.data, json);
		assert_true(parse_json_is_valid(b.data));
		seen++;
	}
	(void)fclose(f);
	for (size_t i = 0; i < samples_n; i++) {
		samples[i].make(&frame);
		assert_int_equal(event_decode(frame.data, frame.size, event), 0);
		internal += event->type > HD_TYPE_EVENT_MAX;
	}
	assert_int_equal(seen + internal, samples_n);
}

static void every_type_has_a_sample(void **state)
{
	bool seen[HD_TYPE_MAX] = { false };

	for (size_t i = 0; i < samples_n; i++) {
		samples[i].make(&frame);
		assert_int_equal(event_decode(frame.data, frame.size, event), 0);
		seen[event->type] = true;
	}
	for (unsigned type = 1; type < HD_TYPE_MAX; type++)
		assert_true(seen[type]);
}

static void internal_types_are_never_printed(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1000);

	load("file_name");
	assert_int_equal(event_encode_json(event, &b), -EINVAL);
	load("process_seed");
	assert_int_equal(event_encode_json(event, &b), -EINVAL);
	load("traffic");
	assert_int_equal(event_encode_json(event, &b), -EINVAL);
	event->type = 0;
	assert_int_equal(event_encode_json(event, &b), -EINVAL);
	assert_int_equal(b.length, 0);
}

static void dns_messages(void **state)
{
	load("dns_udp");
	event->dns.has_question = true;
	event->dns.name = BYTES("example.com");
	event->dns.query_type = 28;
	event->dns.transaction = 0x1234;
	check_tail("\"name\"", "\"name\":\"example.com\",\"query_type\":\"AAAA\",\"server\":\"127.0.0.53\","
			       "\"server_port\":53,\"transport\":\"udp\",\"transaction\":4660}");

	load("dns_tcp6");
	event->dns.has_question = true;
	event->dns.name = BYTES("a\x1b.example");
	event->dns.query_type = 65280;
	event->dns.response_code = 3;
	event->dns.answers_n = 2;
	event->dns.answers[0] =
	    (struct dns_answer){ .name = BYTES("b.example"), .data = BYTES("2001:db8::1"), .ttl = 60, .type = 28 };
	event->dns.answers[1] = (struct dns_answer){ .data = BYTES("\xff"), .ttl = UINT32_MAX, .type = 999 };
	event->dns.server_role = true;
	check_tail(
	    "\"name\"",
	    "\"name\":\"a\\\\x1b.example\",\"query_type\":\"TYPE65280\",\"response_code\":\"NXDOMAIN\",\"answers\":["
	    "{\"name\":\"b.example\",\"type\":\"AAAA\",\"data\":\"2001:db8::1\",\"ttl\":60},"
	    "{\"type\":\"TYPE999\",\"data\":\"\\\\xff\",\"ttl\":4294967295}],\"server\":\"::1\",\"server_port\":40000,"
	    "\"transport\":\"tcp\",\"transaction\":0,\"role\":\"server\",\"escaped\":[\"name\",\"answers\"]}");

	load("dns_tcp6");
	event->dns.malformed = "a label is cut";
	check_tail("\"server\"", "\"server\":\"::1\",\"server_port\":5353,\"transport\":\"tcp\",\"transaction\":0,"
				 "\"malformed\":true,\"reason\":\"a label is cut\"}");
}

static void what_the_tracker_adds(void **state)
{
	load("fork_process");
	(void)snprintf(event->child_process, sizeof(event->child_process), "abcdef01-102-4500000000");
	check_tail("\"child_pid\"", "\"child_pid\":102,\"child_tid\":102,\"child_pid_in_namespace\":1,"
				    "\"child_process\":\"abcdef01-102-4500000000\","
				    "\"clone_flags\":[\"CLONE_CHILD_CLEARTID\",\"CLONE_NEWUSER\"]}");

	load("connect_mapped");
	event->hostname = BYTES("api.example");
	check_tail("\"source_port\"", "\"source_port\":50000,\"hostname\":\"api.example\",\"result\":-111,"
				      "\"error\":\"ECONNREFUSED\"}");

	load("open_failed");
	event->count = 1;
	check_tail("\"result\"", "\"result\":-2,\"error\":\"ENOENT\"}");
	event->count = 2;
	check_tail("\"result\"", "\"result\":-2,\"error\":\"ENOENT\",\"count\":2}");
}

static void absent_is_absent(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(10000);

	sample_make("fold_read", &frame);
	assert_int_equal(event_decode(frame.data, frame.size, event), 0);
	assert_int_equal(event_encode_json(event, &b), 0);
	assert_null(strstr(b.data, "\"session\""));
	assert_null(strstr(b.data, "\"process\""));
	assert_null(strstr(b.data, "\"exe\""));
	assert_null(strstr(b.data, "\"cgroup\""));
	assert_null(strstr(b.data, "\"path\""));
	assert_null(strstr(b.data, "null"));
}

static void exec_keeps_hostile_arguments(void **state)
{
	struct hd_exec x = { .h = frame_header(HD_PROCESS_EXEC), .args_count = 4 };
	static const char args[] = "a\nb\0\"q\"\0\\x41\0\xe2\x80\xae\xfe";

	frame_init(&frame, &x, sizeof(x));
	frame_item(&frame, HD_I_ARGS, 0, args, sizeof(args));
	assert_int_equal(event_decode(frame.data, frame.size, event), 0);
	check_tail("\"args\"",
		   "\"args\":[\"a\\\\x0ab\",\"\\\"q\\\"\",\"\\\\\\\\x41\",\"\\\\xe2\\\\x80\\\\xae\\\\xfe\"],"
		   "\"args_count\":4,\"args_bytes\":0,\"args_truncated\":false,\"result\":0,"
		   "\"escaped\":[\"args\"]}");
}

static void names_that_are_missing(void **state)
{
	load("exit_signal");
	event->u.exit.status = 40;
	event->u.exit.flags = 0;
	check_tail("\"signal\"",
		   "\"signal\":\"SIGRTMIN+6\",\"core_dumped\":false,\"duration_ns\":1,\"max_rss_bytes\":0,"
		   "\"oom_killed\":false}");
	load("open_failed");
	event->u.open.result = -4000;
	check_tail("\"result\"", "\"result\":-4000,\"error\":\"E4000\"}");
	load("escape_bpf");
	event->h.syscall = 9999;
	check_tail("\"syscall\":", "\"syscall\":\"syscall_9999\",\"result\":0}");
}

static void same_with_the_cache(struct encode_cache *cache)
{
	/* The second time it is known. */
	for (int i = 0; i < 2; i++) {
		_cleanup_buf_ struct buf plain = BUF_INIT(1 << 20), cached = BUF_INIT(1 << 20);

		assert_int_equal(event_encode_json(event, &plain), 0);
		assert_int_equal(event_encode_json_cached(cache, event, &cached), 0);
		assert_string_equal(cached.data, plain.data);
	}
}

static void the_cache_changes_nothing(void **state)
{
	static char exe[3000];
	_cleanup_(encode_cache_free_p) struct encode_cache *cache = encode_cache_new();

	assert_non_null(cache);
	memset(exe, 'x', sizeof(exe));
	for (size_t i = 0; i < samples_n; i++) {
		load(samples[i].name);
		if (event->type > HD_TYPE_EVENT_MAX)
			continue;
		same_with_the_cache(cache);
		/* Each thing that the text is made of, alone, on top of those before. */
		uint32_t *const numbers[] = { &event->h.pid, &event->h.tid, &event->h.ppid, &event->h.ns_pid,
					      &event->h.uid, &event->h.gid, &event->h.image };
		for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
			(*numbers[n])++;
			same_with_the_cache(cache);
		}
		event->h.flags ^= HD_F_VERIFIED;
		same_with_the_cache(cache);
		event->h.via = (event->h.via + 1) % HD_VIA_MAX;
		same_with_the_cache(cache);
		event->h.lane = !event->h.lane;
		same_with_the_cache(cache);
		event->process[0] ^= 1;
		same_with_the_cache(cache);
		event->h.comm[0] = 'Q';
		same_with_the_cache(cache);
		event->h.comm[1] = '\n';
		same_with_the_cache(cache);
		event->h.comm[1] = 'q';
		event->session = BYTES("0190c0de-0000-7000-8000-00000000000b");
		same_with_the_cache(cache);
		event->exe.path = BYTES("/bin/aa");
		same_with_the_cache(cache);
		event->exe.path = BYTES("/bin/ab");
		same_with_the_cache(cache);
		event->exe.path = (struct bytes){ exe, sizeof(exe) };
		same_with_the_cache(cache);
		event->exe.path = BYTES("");
		same_with_the_cache(cache);
		event->exe.path = BYTES_NONE;
		same_with_the_cache(cache);
		event->cgroup = BYTES("/bin/ab");
		same_with_the_cache(cache);
		event->cgroup = BYTES("/bin/a\x1b");
		same_with_the_cache(cache);
		event->cgroup = BYTES_NONE;
		same_with_the_cache(cache);
	}
}

static void full_buffer_is_told(void **state)
{
	load("open_hostile");
	for (size_t cap = 0; cap < 400; cap++) {
		_cleanup_buf_ struct buf b = BUF_INIT(cap);

		assert_int_equal(event_encode_json(event, &b), -ENOSPC);
		assert_true(b.length <= cap);
	}
}

static void failed_allocation_is_told(void **state)
{
	static const char *const names[] = { "open_hostile", "escape_mount", "privilege_ids" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int allowed = 0, r;

		load(names[i]);
		do {
			_cleanup_buf_ struct buf b = BUF_INIT(1 << 20);

			reallocs_left = allowed++;
			r = event_encode_json(event, &b);
			reallocs_left = -1;
			assert_true(r == 0 || r == -ENOMEM);
		} while (r < 0);
		assert_true(allowed > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_as_expected),
		cmocka_unit_test(every_type_has_a_sample),
		cmocka_unit_test(internal_types_are_never_printed),
		cmocka_unit_test(dns_messages),
		cmocka_unit_test(what_the_tracker_adds),
		cmocka_unit_test(absent_is_absent),
		cmocka_unit_test(exec_keeps_hostile_arguments),
		cmocka_unit_test(names_that_are_missing),
		cmocka_unit_test(the_cache_changes_nothing),
		cmocka_unit_test(full_buffer_is_told),
		cmocka_unit_test(failed_allocation_is_told),
	};
	int failed;

	event = event_new();
	if (!event)
		return 1;
	failed = cmocka_run_group_tests_name("encode", tests, NULL, NULL);
	event_free(event);
	return failed;
}
