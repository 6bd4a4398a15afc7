/* SPDX-License-Identifier: Apache-2.0 */
/* heddle events: a session's lines, filtered; byte for byte or in words. */
#include "cli/cli.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "cli/describe.h"
#include "cli/event-row.h"
#include "cli/recover.h"
#include "event/names.h"
#include "store/store.h"

#define FOLLOW_NS 200000000L
#define TYPES_BRIEFLY                                                                                                  \
	"they are exec, fork, exit, open, read, write, change, socket, connect, listen, accept, dns, privilege, "      \
	"memory, escape; of other lines: vitals, phase, forecast, guard, oom_kill, gap, session, ..."

enum {
	OPT_TYPE = 1,
	OPT_PID,
	OPT_SINCE,
	OPT_UNTIL,
	OPT_PATH,
	OPT_HOST,
	OPT_FAILED,
	OPT_ESCAPES,
	OPT_LIMIT,
	OPT_FOLLOW,
	OPT_FORMAT
};

static const struct cli_option options[] = {
	{ OPT_TYPE, "type", "TYPE,...", "only these types or families (file, network, ...)" },
	{ OPT_PID, "pid", "N", "only of this process" },
	{ OPT_SINCE, "since", "TIME", "from then on: 2026-01-31T12:00:00Z, or 10m (ago)" },
	{ OPT_UNTIL, "until", "TIME", "before then" },
	{ OPT_PATH, "path", "GLOB", "only what names such a path; * crosses slashes" },
	{ OPT_HOST, "host", "GLOB", "only what names a host or an address like this" },
	{ OPT_FAILED, "failed", NULL, "only what failed" },
	{ OPT_ESCAPES, "escapes", NULL, "only attempts to leave the sandbox" },
	{ OPT_LIMIT, "limit", "N", "stop after so many" },
	{ OPT_FOLLOW, "follow", NULL, "wait for more until the session ends" },
	{ OPT_FORMAT, "format", "table|json", "for people (default), or the stored lines as they are" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "events",
	.synopsis = "[SESSION|last] [OPTION...]",
	.about = "Prints the events of a session, in the order they were recorded. SESSION is an\n"
		 "id, the start of one, or 'last', which is the default.",
	.options = options,
};

/* Lines that are no events: their type is 0 in the store, and told apart by their own member. */
static const char *const other_types[] = { "session", "process", "gap",	  "clock",    "ledger", "vitals",
					   "phase",   "forecast", "guard", "oom_kill", "score" };
#define OTHERS (1U << 0)

struct view {
	struct store_filter filter;
	uint32_t others; /* bits of other_types; with filter.types only */
	const char *path, *host;
	bool failed, json, follow;
	uint64_t limit, shown;
	bool color;
	unsigned width; /* 0: whole lines */
	struct buf out;
};

/* A type's name, the start of several before an underscore, or the short name that the table shows. */
static uint32_t types_of(const char *name, size_t length)
{
	uint32_t found = 0;

	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
		const char *full = name_event_type(type);

		if (strncmp(full, name, length) == 0 && (full[length] == '\0' || full[length] == '_'))
			found |= 1U << type;
	}
	for (unsigned type = 1; !found && type <= HD_TYPE_EVENT_MAX; type++) {
		const char *brief = describe_type(name_event_type(type));

		if (strncasecmp(brief, name, length) == 0 && brief[length] == '\0')
			found = 1U << type;
	}
	return found;
}

static uint32_t others_of(const char *name, size_t length)
{
	for (unsigned i = 0; i < ARRAY_SIZE(other_types); i++)
		if (strncmp(other_types[i], name, length) == 0 && other_types[i][length] == '\0')
			return 1U << i;
	return 0;
}

static int parse_types(struct view *v, const char *text)
{
	uint32_t *ret = &v->filter.types;
	struct {
		const char *name;
	} names[HD_TYPE_EVENT_MAX + ARRAY_SIZE(other_types)];

	for (size_t i = 0; i < HD_TYPE_EVENT_MAX; i++)
		names[i].name = name_event_type((unsigned)i + 1);
	for (size_t i = 0; i < ARRAY_SIZE(other_types); i++)
		names[HD_TYPE_EVENT_MAX + i].name = other_types[i];
	while (*text) {
		size_t length = strcspn(text, ",");
		uint32_t other = length > 0 ? others_of(text, length) : 0;
		/* "process" is also a line of its own; whoever says it wants the types of event that begin so. */
		uint32_t found = length > 0 ? types_of(text, length) : 0;
		char name[64];

		if (other && !found) {
			v->others |= other;
			found = OTHERS;
		}
		if (length > 0 && !found) {
			(void)snprintf(name, sizeof(name), "%.*s", (int)MIN(length, sizeof(name) - 1), text);
			const char *near = cli_nearest(name, names, ARRAY_SIZE(names), sizeof(names[0]));

			return near ? cli_usage_error("events", "'%s' is not a type of event; did you mean '%s'?", name,
						      near)
				    : cli_usage_error("events", "'%s' is not a type of event; " TYPES_BRIEFLY, name);
		}
		*ret |= found;
		text += length + (text[length] == ',');
	}
	return *ret ? 0 : cli_usage_error("events", "--type names no type");
}

static bool glob(const char *pattern, struct bytes text)
{
	return bytes_set(text) && fnmatch(pattern, text.data, 0) == 0;
}

static bool glob_host(const char *pattern, struct bytes text)
{
	return bytes_set(text) && fnmatch(pattern, text.data, FNM_CASEFOLD) == 0;
}

static bool path_matches(const char *pattern, const struct line *l)
{
	static const char *const names[] = { "path", "new_path", "loaded", "interpreter", "target", "backing" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (glob(pattern, line_text(l, names[i])))
			return true;
	return line_get(l, "args") && glob(pattern, line_text(l, "exe"));
}

static bool host_matches(const char *pattern, const struct line *l)
{
	static const char *const names[] = { "hostname", "destination", "peer", "name", "server" };
	const struct line *answers = line_get(l, "answers");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (glob_host(pattern, line_text(l, names[i])))
			return true;
	for (size_t i = 0; i < line_count(answers); i++)
		if (glob_host(pattern, line_text(line_at(answers, i), "data")))
			return true;
	return false;
}

static bool wanted(const struct view *v, const struct line *l, unsigned type)
{
	struct bytes name = line_text(l, "type");

	if (type == 0 && v->filter.types && (!bytes_set(name) || !(others_of(name.data, name.length) & v->others)))
		return false;
	return !(v->failed && !bytes_set(line_text(l, "error"))) && !(v->path && !path_matches(v->path, l)) &&
	       !(v->host && !host_matches(v->host, l));
}

/* Prints one line. 1: enough were printed. */
static int show(void *context, const struct store_row *row)
{
	struct view *v = context;
	_cleanup_(line_free_p) struct line *l = NULL;
	bool parsed = !v->json || v->failed || v->path || v->host || v->others;

	v->filter.after = row->sequence;
	if (parsed && line_parse(row->line.data, row->line.length, &l) == 0 && !wanted(v, l, row->type))
		return 0;
	buf_clear(&v->out);
	if (v->json) {
		buf_add(&v->out, row->line.data, row->line.length);
		buf_addc(&v->out, '\n');
	} else if (l) {
		event_row(&v->out, v->width, v->color, row->time_ns, row->pid, l);
	} else {
		buf_addf(&v->out, "line %llu is damaged\n", (unsigned long long)row->sequence);
	}
	/* A line over the cap is the only one that can't be had in words; its bytes still can. */
	if (v->out.failed)
		(void)printf("line %llu is too long to show; --format json has it\n",
			     (unsigned long long)row->sequence);
	else if (fwrite(v->out.data, 1, v->out.length, stdout) != v->out.length)
		return 1;
	v->shown++;
	return v->limit && v->shown >= v->limit;
}

static int follow(struct view *v, struct store_reader *reader, struct err *err)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_NS };

	for (;;) {
		/* The state first: what was stored before the end is then seen by the read that follows it. */
		int r = store_reader_refresh(reader, err);
		bool running = r == 0 && store_reader_session(reader)->state == STORE_RUNNING;

		if (r == 0)
			r = store_events(reader, &v->filter, show, v, err);
		if (r != 0 || !running || !v->follow || fflush(stdout) != 0)
			return r;
		(void)nanosleep(&pause, NULL);
	}
}

static int parse_number(const char *name, const char *text, uint64_t max, uint64_t *ret)
{
	if (cli_parse_uint(text, max, ret) == 0 && *ret > 0)
		return 0;
	return cli_usage_error("events", "--%s wants a number from 1 on, not '%s'", name, text);
}

static int parse_time(const char *name, const char *text, int64_t *ret)
{
	if (clock_parse(text, clock_realtime_ns(), ret) == 0)
		return 0;
	return cli_usage_error("events", "--%s wants a time such as 2026-01-31T12:00:00Z or 10m, not '%s'", name, text);
}

static int parse_option(struct view *v, int option, const char *value)
{
	uint64_t number = 0;
	int r = 0;

	switch (option) {
	case OPT_TYPE:
		return parse_types(v, value);
	case OPT_ESCAPES:
		v->filter.types |= 1U << HD_SANDBOX_ESCAPE;
		return 0;
	case OPT_PID:
		r = parse_number("pid", value, UINT32_MAX, &number);
		v->filter.pid = (uint32_t)number;
		return r;
	case OPT_LIMIT:
		return parse_number("limit", value, INT64_MAX, &v->limit);
	case OPT_SINCE:
		return parse_time("since", value, &v->filter.since_ns);
	case OPT_UNTIL:
		return parse_time("until", value, &v->filter.until_ns);
	case OPT_PATH:
		v->path = value;
		return 0;
	case OPT_HOST:
		v->host = value;
		return 0;
	case OPT_FAILED:
		v->failed = true;
		return 0;
	case OPT_FOLLOW:
		v->follow = true;
		return 0;
	default:
		v->json = strcmp(value, "json") == 0;
		if (!v->json && strcmp(value, "table") != 0)
			return cli_usage_error("events", "--format is table or json, not '%s'", value);
		return 0;
	}
}

/* On stderr, so that what reads the lines gets none. */
static void say_nothing(const struct view *v, const char *name)
{
	if (v->filter.types || v->filter.pid || v->filter.since_ns || v->filter.until_ns || v->path || v->host ||
	    v->failed)
		(void)cli_error("no event matches; 'heddle events %s' prints them all", name);
	else
		(void)cli_error("session %s has no event yet", name);
}

int cmd_events(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct view v = { .out = BUF_INIT(EVENT_ROW_MAX) };
	_cleanup_(store_reader_free_p) struct store_reader *reader = NULL;
	const char *name;
	char home[PATH_MAX], id[37];
	struct err err = { 0 };
	int option, r;

	while ((option = cli_next(&parser)) > 0)
		if (parse_option(&v, option, parser.value) != 0)
			return CLI_FAILED;
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (argc - parser.next > 1)
		return cli_usage_error("events", "wants one session, got '%s' too", argv[parser.next + 1]);
	name = parser.next < argc ? argv[parser.next] : "last";
	v.color = term_color(stdout);
	v.width = isatty(STDOUT_FILENO) || getenv("COLUMNS") ? term_width(stdout) : 0;
	r = store_home(home, sizeof(home), &err);
	if (r >= 0)
		r = store_find(home, name, id, &err);
	if (r >= 0) {
		recover_found(home, id);
		r = store_reader_open(home, id, &reader, &err);
	}
	if (r >= 0)
		r = follow(&v, reader, &err);
	buf_done(&v.out);
	if (r < 0) {
		(void)fflush(stdout);
		return cli_fail(&err);
	}
	if (v.shown == 0)
		say_nothing(&v, name);
	return cli_finish(CLI_OK);
}
