/* SPDX-License-Identifier: Apache-2.0 */
/* heddle report: sums a session up. */
#include "cli/report.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "cli/recover.h"

#define REPORT_BYTES_MAX (512U << 20)

enum { OPT_FORMAT = 1 };

static const struct cli_option options[] = {
	{ OPT_FORMAT, "format", "text|json", "for people (default), or one JSON object" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "report",
	.synopsis = "[SESSION|last] [OPTION...]",
	.about = "Sums a session up: escapes and privilege changes first, then processes, hosts,\n"
		 "files and the ledger. SESSION is an id, the start of one, or 'last', which is the\n"
		 "default.",
	.options = options,
};

static int take(void *context, const struct store_row *row)
{
	struct report *r = context;

	report_add(r, row->time_ns, row->line.data, row->line.length);
	return r->failure;
}

static int make(const char *name, bool json, struct err *err)
{
	_cleanup_(store_reader_free_p) struct store_reader *reader = NULL;
	_cleanup_(report_free_p) struct report *report = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(REPORT_BYTES_MAX);
	char home[PATH_MAX], id[37];
	int r = store_home(home, sizeof(home), err);

	if (r >= 0)
		r = store_find(home, name, id, err);
	if (r >= 0) {
		recover_found(home, id);
		r = store_reader_open(home, id, &reader, err);
	}
	if (r < 0)
		return r;
	report = report_new(store_reader_session(reader));
	if (!report)
		return err_set(err, ENOMEM, "out of memory");
	report->now_ns = clock_realtime_ns();
	r = store_events(reader, &(struct store_filter){ 0 }, take, report, err);
	if (r < 0)
		return err->code ? r : err_errno(err, -r, "can't make the report");
	report_finish(report);
	r = json ? report_json(report, &out) : report_text(report, term_width(stdout), term_color(stdout), &out);
	if (r < 0)
		return err_errno(err, -r, "can't make the report");
	(void)fwrite(out.data, 1, out.length, stdout);
	return 0;
}

int cmd_report(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct err err = { 0 };
	bool json = false;
	int option;

	while ((option = cli_next(&parser)) > 0) {
		json = strcmp(parser.value, "json") == 0;
		if (!json && strcmp(parser.value, "text") != 0)
			return cli_usage_error("report", "--format is text or json, not '%s'", parser.value);
	}
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (argc - parser.next > 1)
		return cli_usage_error("report", "wants one session, got '%s' too", argv[parser.next + 1]);
	if (make(parser.next < argc ? argv[parser.next] : "last", json, &err) < 0)
		return cli_fail(&err);
	return cli_finish(CLI_OK);
}
