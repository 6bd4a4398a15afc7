/* SPDX-License-Identifier: Apache-2.0 */
/* The text for Prometheus, the pages that sessions show, and that docs/metrics.md names every metric. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/metrics-text.h"

static struct workload_view view;
static const struct workload_view *views[] = { &view };

static void fill(void)
{
	memset(&view, 0, sizeof(view));
	memset(&view.now, 0xff, sizeof(view.now));
	(void)snprintf(view.name, sizeof(view.name), "0123");
	*view.now.bound = '\0';
	view.session = true;
	view.now.limit = 1000;
	view.now.memory.current = 600;
	view.now.memory.inactive_file = 100;
	view.now.memory.faults = 50;
	view.now.memory.major_faults = 7;
	view.now.available = (struct vitals_available){ 1, 2, 3, 0 };
	view.now.cpu = (struct vitals_cpu){ .usage_ns = 1500000000, .user_ns = 500000000, .system_ns = 1000000000 };
	view.now.pressure.known = true;
	memset(&view.now.pressure.memory, 0, sizeof(view.now.pressure.memory));
	view.now.pressure.memory.some_us = 1500000;
	memset(&view.now.probed, 0, sizeof(view.now.probed));
	view.now.probed.sched = true;
	view.now.probed.run_queue = (struct vitals_histogram){ .count = { 5, 3 }, .total_ns = 12345678901 };
	view.forecast = (struct forecast_result){ FORECAST_BURST, 2500000000, 0, 0, 0 };
	view.page.escapes = 5;
	view.page.escapes_refused = 4;
}

static const char *print(void)
{
	static struct buf out = BUF_INIT(METRICS_BYTES_MAX);
	const struct vitals_host host = { .available = 77 };

	buf_clear(&out);
	metrics_text(views, 1, &host, &out);
	assert_false(out.failed);
	return out.data;
}

static void expect_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at > text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line '%s' in:\n%s", line, text);
}

static void values(void **state)
{
	const char *text;

	fill();
	text = print();
	expect_line(text, "container_memory_usage_bytes{workload=\"0123\"} 600");
	expect_line(text, "container_memory_working_set_bytes{workload=\"0123\"} 500");
	expect_line(text, "container_memory_available_bytes{workload=\"0123\"} 2");
	expect_line(text, "container_cpu_time_seconds_total{workload=\"0123\",cpu_mode=\"system\"} 1.000000000");
	expect_line(text, "container_paging_faults_total{workload=\"0123\",system_paging_fault_type=\"minor\"} 43");
	expect_line(text, "heddle_run_queue_delay_seconds_bucket{workload=\"0123\",le=\"0.000002\"} 5");
	expect_line(text, "heddle_run_queue_delay_seconds_bucket{workload=\"0123\",le=\"+Inf\"} 8");
	expect_line(text, "heddle_run_queue_delay_seconds_sum{workload=\"0123\"} 12.345678901");
	expect_line(text, "heddle_pressure_stalled_seconds_total{workload=\"0123\",resource=\"memory\",tasks=\"some\"} "
			  "1.500000000");
	expect_line(text, "heddle_escapes_total{workload=\"0123\",outcome=\"succeeded\"} 1");
	expect_line(text, "heddle_forecast_limit_seconds{workload=\"0123\",clock=\"burst\"} 2.500000000");
	expect_line(text, "heddle_host_memory_available_bytes 77");
	/* What is not known is absent. */
	assert_null(strstr(text, "heddle_memory_bytes{"));
	assert_null(strstr(text, "heddle_block_latency_seconds_bucket"));
	assert_null(strstr(text, "18446744073709551615"));
}

static void no_label_can_be_broken_out_of(void **state)
{
	const char *text, *line;

	fill();
	(void)snprintf(view.page.command, sizeof(view.page.command), "%s", "a\"} 1\nforged{x=\"\\\xff");
	text = print();
	line = strstr(text, "heddle_workload_info{");
	assert_non_null(line);
	assert_null(strstr(text, "\nforged"));
	assert_non_null(strstr(line, "command=\"a\\\"} 1\\\\x0aforged{x=\\\"\\\\\\\\\\\\xff\"} 1\n"));
}

static void the_page_names_every_metric(void **state)
{
	FILE *f = fopen("docs/metrics.md", "re");
	static char page[1 << 16];
	const char *text;
	char name[128], wanted[160];

	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	(void)fclose(f);
	fill();
	text = print();
	for (const char *at = text; (at = strstr(at, "# TYPE ")); at++) {
		assert_int_equal(sscanf(at, "# TYPE %127s", name), 1);
		(void)snprintf(wanted, sizeof(wanted), "`%s`", name);
		if (!strstr(page, wanted))
			fail_msg("docs/metrics.md does not name %s", name);
	}
}

/* ---- pages ---- */

static unsigned seen;
static struct status_page last;

static void take(void *context, const struct status_page *page)
{
	seen++;
	last = *page;
}

static void a_page_comes_and_goes(void **state)
{
	char directory[] = "/tmp/heddle-test-status-XXXXXX", path[128];
	struct status_page page = { .command = "sleep 5", .events = 42 };
	struct status_writer *w = NULL;
	FILE *f;

	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("HEDDLE_RUN", directory, 1), 0);
	assert_int_equal(status_each(take, NULL), 0);
	assert_int_equal(seen, 0);
	assert_int_equal(status_open("id-1", &w), 0);
	(void)snprintf(page.session, sizeof(page.session), "id-1");
	assert_int_equal(status_write(w, &page), 0);
	page.events = 43;
	assert_int_equal(status_write(w, &page), 0);
	/* What somebody left who died, and what is no page at all. */
	(void)snprintf(path, sizeof(path), "%s/id-dead", directory);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fwrite(&page, sizeof(page), 1, f) == 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(status_each(take, NULL), 0);
	assert_int_equal(seen, 1);
	assert_string_equal(last.session, "id-1");
	assert_int_equal(last.events, 43);
	assert_int_equal(access(path, F_OK), -1);
	status_close(w);
	assert_int_equal(status_each(take, NULL), 0);
	assert_int_equal(seen, 1);
	/* A directory that others can write to is not believed. */
	assert_int_equal(chmod(directory, 0777), 0);
	assert_true(status_each(take, NULL) < 0);
	assert_true(status_open("id-2", &w) < 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(unsetenv("HEDDLE_RUN"), 0);
}

static void a_look_says_what_it_cant_see(void **state)
{
	char directory[] = "/tmp/heddle-test-status-XXXXXX", wanted[256];
	const struct workloads_options options = { 0 };
	struct workloads *w = NULL;
	struct err err = { 0 };

	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("HEDDLE_RUN", directory, 1), 0);
	assert_int_equal(workloads_open(&options, &w, NULL, 0, &err), 0);
	assert_int_equal(workloads_look(w, &err), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_true(workloads_look(w, &err) < 0);
	(void)snprintf(wanted, sizeof(wanted), "can't use %s: it must belong to you and be writable by nobody else",
		       directory);
	assert_string_equal(err.text, wanted);
	/* None is there before the first session: no error. */
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(workloads_look(w, &err), 0);
	workloads_close(w);
	assert_int_equal(unsetenv("HEDDLE_RUN"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(no_label_can_be_broken_out_of),
		cmocka_unit_test(the_page_names_every_metric),
		cmocka_unit_test(a_page_comes_and_goes),
		cmocka_unit_test(a_look_says_what_it_cant_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
