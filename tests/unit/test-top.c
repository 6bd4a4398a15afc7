/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal view as cells: what a person would see, and what an agent's bytes can't do to it. */
#include "test.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "tui/top-view.h"

#define MIB (UINT64_C(1) << 20)

static struct vitals_sample samples[3], earlier;
static struct forecast_result forecasts[3];
static struct vitals_phase phases[2] = {
	{ .pid = 20, .command = "pytest -x", .bytes = 700 * MIB, .peak_bytes = 900 * MIB, .slope = 30 * (int64_t)MIB },
	{ .pid = 21, .command = "git status", .bytes = MIB, .peak_bytes = MIB },
};
static const struct vitals_phase agent = { .pid = 10, .command = "claude", .bytes = 185 * MIB };
static const uint64_t history[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void fill(void)
{
	memset(samples, 0xff, sizeof(samples));
	for (unsigned i = 0; i < 3; i++) {
		struct vitals_sample *s = &samples[i];

		*s->bound = '\0';
		s->time_ns = 2000000000;
		s->limit = 1024 * MIB;
		s->memory.current = (900 - 300 * i) * MIB;
		s->available = (struct vitals_available){ 100 * MIB, 124 * MIB + 300 * i * MIB, 200 * MIB };
		s->cpu.usage_ns = 1000000000;
		s->pressure.known = i == 1;
		s->pressure.memory.some10 = 4210;
		s->probed = (struct vitals_probed){ 0 };
		forecasts[i] = (struct forecast_result){ 0 };
	}
	earlier = samples[0];
	earlier.cpu.usage_ns = 0;
	forecasts[2] = (struct forecast_result){ FORECAST_LEAK, 200000000000, 100000000000, 300000000000, 1000 };
}

static void make_rows(struct top_row rows[3])
{
	static const char *const names[] = { "01a2183b-ac6a-731f-bc97-06a07c6bb9d4",
					     "01a2183b-ac6a-731f-bc97-00000000aaaa",
					     "01a2183b-ac6a-731f-bc97-00000000bbbb" };
	static const char *const commands[] = { "claude --dangerously", "make -j8", "sleep 5" };

	fill();
	for (unsigned i = 0; i < 3; i++)
		rows[i] = (struct top_row){
			.name = names[i],
			.command = commands[i],
			.now = &samples[i],
			.before = i == 0 ? &earlier : NULL,
			.seconds = 1,
			.phases = phases,
			.agent = &agent,
			.phases_n = i == 0 ? 2 : 0,
			.forecast = &forecasts[i],
			.used = history,
			.used_n = 8,
			.escapes = i == 1 ? 12345 : 0,
			.act = "",
		};
}

static const char *draw(struct top_screen *s, unsigned width, unsigned height)
{
	static struct buf out = BUF_INIT(1 << 20);
	struct grid g;

	assert_int_equal(grid_init(&g, width, height), 0);
	top_draw(s, &g);
	buf_clear(&out);
	grid_print(&g, &out);
	grid_done(&g);
	assert_false(out.failed);
	return out.data;
}

static struct top_screen screen_of(struct top_row *rows)
{
	return (
	    struct top_screen){ .rows = rows, .rows_n = 3, .total = 3, .filter = "", .clock = "12:00:00", .note = "" };
}

static void expect_in(const char *screen, const char *text)
{
	if (!strstr(screen, text))
		fail_msg("'%s' is not on the screen:\n%s", text, screen);
}

static void shows_what_matters_at_80_by_24(void **state)
{
	struct top_row rows[3];
	make_rows(rows);
	struct top_screen s = screen_of(rows);
	const char *screen = draw(&s, 80, 24);

	for (const char *line = screen; *line;) {
		size_t n = strcspn(line, "\n"), columns = 0;

		for (size_t i = 0; i < n; i++)
			columns += ((unsigned char)line[i] & 0xc0) != 0x80;
		assert_in_range(columns, 0, 80);
		line += n + 1;
	}
	expect_in(screen, "3 workloads");
	expect_in(screen, "claude");
	expect_in(screen, "900M");
	expect_in(screen, "124M");
	expect_in(screen, "100%");
	expect_in(screen, "42.1");
	expect_in(screen, "12k");
	expect_in(screen, "3m");
	/* In detail, of the selected one. */
	expect_in(screen, "pytest -x");
	expect_in(screen, "+30.0M/s");
	expect_in(screen, "peak 900M");
	expect_in(screen, "▁▂▃▄▅▆▇█");
	expect_in(screen, "q quit");
}

static void sorts_by_each_key(void **state)
{
	static const struct {
		enum top_sort sort;
		const char *first;
	} cases[] = {
		{ TOP_BY_USED, "claude --dangerously" },
		{ TOP_BY_AVAILABLE, "claude --dangerously" },
		{ TOP_BY_FORECAST, "sleep 5" },
		{ TOP_BY_CPU, "claude --dangerously" },
		{ TOP_BY_PRESSURE, "make -j8" },
		{ TOP_BY_ESCAPES, "make -j8" },
		{ TOP_BY_NAME, "make -j8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct top_row rows[3];
		enum top_sort parsed;

		make_rows(rows);
		top_sort_rows(rows, 3, cases[i].sort);
		assert_string_equal(rows[0].command, cases[i].first);
		assert_int_equal(top_sort_parse(top_sort_name(cases[i].sort), &parsed), 0);
		assert_int_equal(parsed, cases[i].sort);
	}
	assert_true(top_sort_parse("colour", &(enum top_sort){ 0 }) < 0);
}

static void sorts_by_what_the_block_probe_counts(void **state)
{
	struct vitals_sample before[3];
	struct top_row rows[3];

	make_rows(rows);
	memcpy(before, samples, sizeof(before));
	for (unsigned i = 0; i < 3; i++) {
		rows[i].before = &before[i];
		samples[i].probed.block = before[i].probed.block = true;
		samples[i].probed.write_bytes = i * MIB;
	}
	top_sort_rows(rows, 3, TOP_BY_IO);
	assert_string_equal(rows[0].command, "sleep 5");
	assert_string_equal(rows[2].command, "claude --dangerously");
}

static void a_screen_can_be_high_enough_for_all(void **state)
{
	enum { MOST = 512 };
	static struct top_row rows[MOST];
	static char names[MOST][8];
	struct top_row three[3];
	struct top_screen s = screen_of(rows);

	make_rows(three);
	for (unsigned i = 0; i < MOST; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "w%03u", i);
		rows[i] = three[0];
		rows[i].name = names[i];
		rows[i].command = "";
	}
	for (size_t n = 1; n <= MOST; n += n < 40 ? 1 : 59) {
		const char *screen;

		s.rows_n = s.total = n;
		screen = draw(&s, 80, top_lines_for(n));
		expect_in(screen, names[n - 1]);
		expect_in(screen, "pytest -x");
	}
}

static void filters_by_name_and_command(void **state)
{
	struct top_row rows[3];

	make_rows(rows);
	assert_true(top_matches(&rows[0], ""));
	assert_true(top_matches(&rows[0], "CLAUDE"));
	assert_true(top_matches(&rows[0], "06a07c"));
	assert_false(top_matches(&rows[0], "make"));
}

static void no_byte_of_an_agent_moves_the_cursor(void **state)
{
	struct top_row rows[3];
	make_rows(rows);
	struct top_screen s = screen_of(rows);
	const char *screen;

	rows[0].command = "\033[2J\033]0;owned\007\r\n\xff\xe2\x80\xae";
	(void)snprintf(phases[1].command, sizeof(phases[1].command), "%s", "a\033[1m\nb");
	screen = draw(&s, 120, 30);
	for (const char *c = screen; *c; c++)
		assert_true(*c == '\n' || (unsigned char)*c >= 0x20);
	assert_null(strstr(screen, "\xe2\x80\xae"));
	expect_in(screen, "\\x1b[2J");
	expect_in(screen, "a\\x1b[1m\\x0ab");
	(void)snprintf(phases[1].command, sizeof(phases[1].command), "%s", "git status");
}

static void fits_any_terminal(void **state)
{
	struct top_row rows[3];
	make_rows(rows);
	struct top_screen s = screen_of(rows);

	for (unsigned width = 1; width < 130; width += 7)
		for (unsigned height = 1; height < 40; height += 3) {
			s.follow = height % 2;
			s.help = height == 13;
			s.selected = height % 3;
			assert_non_null(draw(&s, width, height));
		}
}

static void says_when_there_is_nothing(void **state)
{
	struct top_screen s = screen_of(NULL);

	s.rows_n = s.total = 0;
	expect_in(draw(&s, 80, 24), "no session runs");
	s.blind = true;
	s.note = "can't use /run/heddle";
	assert_null(strstr(draw(&s, 80, 24), "no session runs"));
	expect_in(draw(&s, 80, 24), s.note);
	s.total = 3;
	s.filter = "x";
	expect_in(draw(&s, 80, 24), "nothing matches the filter");
}

static void wide_and_cut_text(void **state)
{
	struct buf out = BUF_INIT(4096);
	struct grid g;

	assert_int_equal(grid_init(&g, 10, 3), 0);
	assert_int_equal(grid_text(&g, 0, 0, TUI_PLAIN, "日本語日本語", 7), 7);
	assert_int_equal(grid_text(&g, 8, 1, TUI_PLAIN, "abcdef", 0), 2);
	assert_int_equal(grid_text(&g, 20, 1, TUI_PLAIN, "abc", 0), 0);
	grid_right(&g, 0, 2, TUI_PLAIN, "42", 10);
	grid_print(&g, &out);
	assert_string_equal(out.data, "日本語…\n        a…\n        42\n");
	buf_done(&out);
	grid_done(&g);
}

static void percentiles_come_from_the_difference(void **state)
{
	struct vitals_histogram before = { .count = { [0] = 1000 } },
				now = { .count = { [0] = 1000, [4] = 90, [9] = 10 } };

	assert_int_equal(top_percentile(&now, &before, 500), 32);
	assert_int_equal(top_percentile(&now, &before, 990), 1024);
	assert_int_equal(top_percentile(&now, NULL, 500), 2);
	assert_int_equal(top_percentile(&before, &before, 500), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_what_matters_at_80_by_24),
		cmocka_unit_test(sorts_by_each_key),
		cmocka_unit_test(sorts_by_what_the_block_probe_counts),
		cmocka_unit_test(a_screen_can_be_high_enough_for_all),
		cmocka_unit_test(filters_by_name_and_command),
		cmocka_unit_test(no_byte_of_an_agent_moves_the_cursor),
		cmocka_unit_test(fits_any_terminal),
		cmocka_unit_test(says_when_there_is_nothing),
		cmocka_unit_test(wide_and_cut_text),
		cmocka_unit_test(percentiles_come_from_the_difference),
	};

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
