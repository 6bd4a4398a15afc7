/* SPDX-License-Identifier: Apache-2.0 */
/* Vitals as JSON: valid whatever the figures and the agent's bytes, nothing invented, every member in docs/events.md.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse-json.h"
#include "vitals/lines.h"

static struct buf out = BUF_INIT(1 << 20);

static void begin(struct json *j)
{
	buf_clear(&out);
	json_init(j, &out);
	json_object(j);
}

static const char *end(struct json *j)
{
	json_object_end(j);
	assert_false(out.failed);
	assert_true(parse_json_is_valid(out.data));
	return out.data;
}

static void expect_at(const char *text, const char *path, const char *value)
{
	char *got = parse_json_get(text, path);

	if (!value) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, value);
	free(got);
}

static void unknown_is_absent(void **state)
{
	static struct vitals_sample s;
	const char *text;
	struct json j;

	memset(&s, 0xff, sizeof(s));
	*s.bound = '\0';
	s.pressure.known = s.probed.sched = s.probed.block = false;
	begin(&j);
	lines_vitals(&s, NULL, NULL, 0, "01234567", &j);
	text = end(&j);
	expect_at(text, "memory.current", NULL);
	expect_at(text, "io", NULL);
	expect_at(text, "pressure", NULL);
	expect_at(text, "switches", NULL);
	expect_at(text, "agent", NULL);
	expect_at(text, "memory.bound", "\"host\"");
}

static const struct vitals_sample full = {
	.limit = 100,
	.available = { 1, 2, 3, 0 },
	.bound = "/a\"b\n",
	.memory = { .current = 50, .anon = 20, .oom_kills = 1 },
	.pressure = { .known = true, .memory = { .some_us = 5 } },
	.probed = { .sched = true, .block = true, .voluntary = 9, .run_queue = { .count = { 0, 4 }, .total_ns = 77 } },
};

static void what_is_known_is_told(void **state)
{
	const struct vitals_phase phase = {
		.pid = 7, .start_ns = 9, .command = "py\033test", .bytes = 10, .slope = -3
	};
	const char *text;
	struct json j;

	begin(&j);
	lines_vitals(&full, &phase, &phase, 1, "01234567", &j);
	text = end(&j);
	expect_at(text, "memory.limit", "100");
	expect_at(text, "memory.available.clean", "2");
	expect_at(text, "memory.bound", "\"/a\\\"b\\\\x0a\"");
	expect_at(text, "run_queue.counts", "[0,4]");
	expect_at(text, "run_queue.total_ns", "77");
	expect_at(text, "phases.0.process", "\"01234567-7-9\"");
	expect_at(text, "phases.0.command", "\"py\\\\x1btest\"");
	expect_at(text, "phases.0.escaped", "[\"command\"]");
	expect_at(text, "phases.0.slope", "-3");
	expect_at(text, "pressure.memory.some_us", "5");
}

static void the_other_lines(void **state)
{
	const struct forecast_result none = { 0 }, burst = { FORECAST_BURST, 5, 4, INT64_MAX, 100 };
	const struct guard_action act = {
		.rung = GUARD_BRAKE, .pid = 7, .start_ns = 9, .bytes = 11, .why = "it \"grew\""
	};
	const struct vitals_oom oom = { .pid = 3, .comm = "0123456789abcdef", .anon_bytes = VITALS_UNKNOWN };
	const struct forecast_score score = { 2, 1, 0, 1000 };
	struct json j;

	begin(&j);
	lines_forecast(&none, NULL, "", &j);
	expect_at(end(&j), "limit_in_ns", NULL);
	begin(&j);
	lines_forecast(&burst, NULL, "", &j);
	expect_at(end(&j), "clock", "\"burst\"");
	expect_at(out.data, "high_ns", NULL);
	begin(&j);
	lines_guard(&act, -95, 12, "01234567", &j);
	expect_at(end(&j), "rung", "\"brake\"");
	expect_at(out.data, "why", "\"it \\\"grew\\\"\"");
	expect_at(out.data, "result", "-95");
	begin(&j);
	lines_oom(&oom, &j);
	expect_at(end(&j), "comm", "\"0123456789abcdef\"");
	expect_at(out.data, "anon_bytes", NULL);
	begin(&j);
	lines_score(&score, &j);
	expect_at(end(&j), "forecasts.lead_ns", "500");
}

/* Every key of the richest lines has its name in the page. */
static void the_page_names_every_member(void **state)
{
	const struct vitals_phase phase = { .pid = 7, .command = "x" };
	static char page[1 << 18];
	FILE *f = fopen("docs/events.md", "re");
	char wanted[80];
	struct json j;

	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	(void)fclose(f);
	begin(&j);
	lines_vitals(&full, &phase, &phase, 1, "01234567", &j);
	(void)end(&j);
	for (const char *at = out.data; (at = strchr(at, '"')); at++) {
		size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_0123456789");

		if (n == 0 || n > 60 || !strchr("{,", at[-1]) || strncmp(at + 1 + n, "\":", 2) != 0)
			continue;
		(void)snprintf(wanted, sizeof(wanted), "`%.*s`", (int)n, at + 1);
		if (!strstr(page, wanted))
			fail_msg("docs/events.md does not name %s", wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_is_absent),
		cmocka_unit_test(what_is_known_is_told),
		cmocka_unit_test(the_other_lines),
		cmocka_unit_test(the_page_names_every_member),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_done(&out);
	return failed;
}
