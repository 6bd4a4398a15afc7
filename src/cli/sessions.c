/* SPDX-License-Identifier: Apache-2.0 */
/* heddle sessions: what is stored, newest first. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/describe.h"
#include "cli/recover.h"
#include "cli/table.h"
#include "event/names.h"
#include "store/store.h"

#define ROWS_MAX 100000
#define PREFIX_MIN 13 /* the id's time, whole */
#define LINE_MAX_BYTES (1 << 20)

enum { OPT_FORMAT = 1, OPT_DELETE };

static const struct cli_option options[] = {
	{ OPT_FORMAT, "format", "table|json", "for people (default), or one JSON object a line" },
	{ OPT_DELETE, "delete", "SESSION", "remove one for good, without asking; not while it runs" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "sessions",
	.synopsis = "[OPTION...]",
	.about = "Lists the sessions that are stored, newest first. One that is 'interrupted' was\n"
		 "killed or lost its machine; what had been stored by then is there, and a gap says\n"
		 "from when on nothing is known.",
	.options = options,
};

static const char *const state_names[] = {
	[STORE_RUNNING] = "running",
	[STORE_ENDED] = "ended",
	[STORE_INTERRUPTED] = "interrupted",
	[STORE_UNREADABLE] = "unreadable",
};

struct listing {
	struct table *table;
	size_t n, prefix;
	char previous[37];
	bool json;
};

static void print_json(const struct store_session *s)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LINE_MAX_BYTES);
	char text[CLOCK_TEXT_MAX];
	struct json j;

	json_init(&j, &out);
	json_object(&j);
	json_key(&j, "session");
	json_string(&j, s->id);
	json_key(&j, "state");
	json_string(&j, state_names[s->state]);
	if (s->state == STORE_UNREADABLE) {
		json_key(&j, "why");
		json_string(&j, s->why);
	} else {
		json_key(&j, "start");
		json_string(&j, clock_format(s->started_ns, text));
		if (s->ended_ns) {
			json_key(&j, "end");
			json_string(&j, clock_format(s->ended_ns, text));
			json_key(&j, "duration_ns");
			json_int(&j, s->ended_ns - s->started_ns);
		}
		if (s->exit_status >= 0) {
			json_key(&j, "exit_status");
			json_int(&j, s->exit_status);
		}
		json_key(&j, "events");
		json_uint(&j, s->events);
		json_key(&j, "command");
		json_string(&j, s->command);
	}
	json_object_end(&j);
	if (out.failed)
		(void)printf("{\"session\":\"%s\",\"state\":\"unreadable\",\"why\":\"too long\"}\n", s->id);
	else
		(void)printf("%s\n", out.data);
}

/* How many characters tell every id from the next one. */
static int measure(void *context, const struct store_session *s)
{
	struct listing *l = context;
	size_t same = 0;

	while (same < 36 && l->previous[same] && l->previous[same] == s->id[same])
		same++;
	if (same + 1 > l->prefix)
		l->prefix = MIN(same + 1, (size_t)36);
	memcpy(l->previous, s->id, sizeof(l->previous));
	return 0;
}

static void put_state(struct table *t, const struct store_session *s)
{
	static const enum term_style styles[] = {
		[STORE_RUNNING] = TERM_GREEN,
		[STORE_INTERRUPTED] = TERM_YELLOW,
		[STORE_UNREADABLE] = TERM_RED,
	};

	if (s->state != STORE_ENDED)
		table_cell(t, styles[s->state], state_names[s->state]);
	else if (s->exit_status < 0)
		table_cell(t, TERM_PLAIN, "ended");
	else
		table_cellf(t, s->exit_status ? TERM_YELLOW : TERM_PLAIN, "exit %d", s->exit_status);
}

/* As it would be typed; the store's own line has no quotes. */
static void put_command(struct table *t, const struct store_session *s)
{
	_cleanup_(line_free_p) struct line *start = NULL;
	_cleanup_buf_ struct buf command = BUF_INIT(LINE_MAX_BYTES);

	if (s->start_line && line_parse(s->start_line, strlen(s->start_line), &start) == 0)
		(void)describe_command(line_get(start, "command"), &command);
	table_cell(t, TERM_PLAIN, command.length > 0 && !command.failed ? command.data : s->command);
}

static int add(void *context, const struct store_session *s)
{
	struct listing *l = context;
	char text[DESCRIBE_DURATION_MAX], number[DESCRIBE_NUMBER_MAX], started[32];
	int64_t end_ns = s->ended_ns;
	time_t seconds = s->started_ns / CLOCK_SECOND_NS;
	struct tm tm = { 0 };

	l->n++;
	if (l->json) {
		print_json(s);
		return 0;
	}
	if (l->n > ROWS_MAX)
		return 0;
	table_row(l->table);
	table_cellf(l->table, TERM_BOLD, "%.*s", (int)l->prefix, s->id);
	if (s->state == STORE_UNREADABLE) {
		table_cell(l->table, TERM_PLAIN, "");
		table_cell(l->table, TERM_PLAIN, "");
		put_state(l->table, s);
		table_cell(l->table, TERM_PLAIN, "");
		table_cell(l->table, TERM_DIM, s->why);
		return 0;
	}
	if (s->state == STORE_RUNNING)
		end_ns = clock_realtime_ns();
	(void)localtime_r(&seconds, &tm);
	(void)strftime(started, sizeof(started), "%Y-%m-%d %H:%M", &tm);
	table_cell(l->table, TERM_PLAIN, started);
	table_cell(l->table, TERM_PLAIN, end_ns ? describe_duration(end_ns - s->started_ns, text) : "");
	put_state(l->table, s);
	table_cell(l->table, TERM_PLAIN, describe_number(s->events, number));
	put_command(l->table, s);
	return 0;
}

static int list(const char *home, bool json, struct err *err)
{
	static const struct table_column columns[] = {
		{ "SESSION" },
		{ "STARTED" },
		{ "LASTED", .right = true },
		{ "STATE" },
		{ "EVENTS", .right = true },
		{ "COMMAND", .cut = TABLE_CUT_END },
	};
	_cleanup_(table_free_p) struct table *table = table_new(columns, ARRAY_SIZE(columns), ROWS_MAX);
	struct listing l = { .table = table, .prefix = PREFIX_MIN, .json = json };
	_cleanup_buf_ struct buf out = BUF_INIT(256 << 20);
	bool fit = isatty(STDOUT_FILENO) || getenv("COLUMNS");

	if (!table)
		return err_set(err, ENOMEM, "out of memory");
	int r = json ? 0 : store_sessions(home, measure, &l, err);
	if (r >= 0)
		r = store_sessions(home, add, &l, err);
	if (r < 0 || json)
		return r;
	if (l.n == 0) {
		buf_adds(&out, "No session in ");
		term_text(&out, home, strlen(home));
		buf_adds(&out, " yet; 'heddle run -- COMMAND' makes one.\n");
		(void)fputs(out.data ? out.data : "", stdout);
		return 0;
	}
	r = table_print(table, &out, 0, fit ? term_width(stdout) : 0, term_color(stdout));
	if (r < 0)
		return err_errno(err, -r, "can't show the sessions");
	(void)fwrite(out.data, 1, out.length, stdout);
	if (l.n > ROWS_MAX)
		(void)printf("and %zu more; --format json lists them\n", l.n - ROWS_MAX);
	return 0;
}

int cmd_sessions(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	const char *delete = NULL;
	char home[PATH_MAX], id[37];
	struct err err = { 0 };
	bool json = false;
	int option;

	while ((option = cli_next(&parser)) > 0) {
		if (option == OPT_DELETE) {
			if (delete)
				return cli_usage_error("sessions", "--delete takes one session at a time");
			delete = parser.value;
			continue;
		}
		json = strcmp(parser.value, "json") == 0;
		if (!json && strcmp(parser.value, "table") != 0)
			return cli_usage_error("sessions", "--format is table or json, not '%s'", parser.value);
	}
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next < argc)
		return cli_usage_error("sessions", "lists all and takes no argument; 'heddle report %s' shows one",
				       argv[parser.next]);
	int r = store_home(home, sizeof(home), &err);
	if (r >= 0 && delete) {
		r = store_find(home, delete, id, &err);
		if (r >= 0)
			r = store_delete(home, id, &err);
	} else if (r >= 0) {
		recover_all(home);
		r = list(home, json, &err);
	}
	if (r < 0) {
		(void)fflush(stdout);
		return cli_fail(&err);
	}
	return cli_finish(CLI_OK);
}
