/* SPDX-License-Identifier: Apache-2.0 */
/* heddle replay: what a recording makes, without the kernel and without root. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/event-row.h"
#include "cli/live.h"
#include "cli/replayer.h"

enum { OPT_FORMAT = 1, OPT_JSON };

static const struct cli_option options[] = {
	{ OPT_FORMAT, "format", "table|json|live", "for people (default), the lines as they were, or as of --live" },
	{ OPT_JSON, "json", "FILE", "write the lines to FILE, and nothing on standard output" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "replay",
	.synopsis = "[OPTION...] FILE",
	.about = "Reads what 'heddle run --record FILE' wrote, and prints the same events again, byte\n"
		 "for byte as that session did. Exits with 1 where FILE is not whole.",
	.options = options,
};

enum format { TABLE, JSON, LIVE };

struct view {
	enum format format;
	bool color;
	unsigned width; /* of a table; 0: whole lines */
	FILE *file;
	struct buf out;
};

static int take_format(struct view *v, const char *value)
{
	static const char *const names[] = { [TABLE] = "table", [JSON] = "json", [LIVE] = "live" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(value, names[i]) == 0) {
			v->format = (enum format)i;
			return 0;
		}
	return cli_usage_error("replay", "--format is table, json or live, not '%s'", value);
}

static void put_row(struct view *v, const struct replayer_line *line)
{
	_cleanup_(line_free_p) struct line *l = NULL;

	/* A line that no frame makes is the recording's own word. */
	if (line_parse(line->text.data, line->text.length, &l) < 0)
		buf_addf(&v->out, "line %llu is damaged\n", (unsigned long long)line->sequence);
	else
		event_row(&v->out, v->width, v->color, line->time_ns, line->pid, l);
	if (!v->out.failed)
		return;
	buf_clear(&v->out);
	buf_addf(&v->out, "line %llu is too long to show; --format json has it\n", (unsigned long long)line->sequence);
}

/* replayer_fn */
static int show(void *context, const struct replayer_line *line)
{
	struct view *v = context;

	buf_clear(&v->out);
	if (v->format == JSON) {
		buf_add(&v->out, line->text.data, line->text.length);
		buf_addc(&v->out, '\n');
	} else if (v->format == TABLE) {
		put_row(v, line);
	} else if (line->event) {
		live_line(line->event, &v->out);
	}
	if (v->out.failed)
		return v->out.failed;
	errno = 0;
	return fwrite(v->out.data, 1, v->out.length, v->file) == v->out.length ? 0 : -(errno ? errno : EIO);
}

/* How the recording ended, when that is not as it should. */
static int verdict(const struct replayer_result *result, const char *path)
{
	const unsigned long long at = result->at;

	switch (result->end) {
	case REPLAYER_WHOLE:
		return CLI_OK;
	case REPLAYER_CUT:
		(void)cli_error("%s has no end: its session was cut off, or still runs; what is there was replayed",
				path);
		return CLI_NOTHING;
	case REPLAYER_DAMAGED:
		(void)cli_error("%s is damaged after %llu bytes; what comes before was replayed", path, at);
		return CLI_NOTHING;
	default:
		(void)cli_error("%s does not give what was recorded, from byte %llu on: it was altered, or recorded by "
				"another build of heddle", path, at);
		return CLI_NOTHING;
	}
}

/* Opens the file for the lines, but never in the place of the recording that is being read. */
static int open_json(const char *json, const char *path, FILE **ret)
{
	struct stat to, from;

	if (stat(json, &to) == 0 && stat(path, &from) == 0 && to.st_dev == from.st_dev && to.st_ino == from.st_ino)
		return cli_error("%s is the recording itself: name another file for the lines", json);
	*ret = fopen(json, "we");
	return *ret ? 0 : cli_error("can't write to %s: %s", json, strerror(errno));
}

int cmd_replay(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	_cleanup_(recording_close_p) struct recording_reader *reader = NULL;
	struct view v = { .file = stdout, .out = BUF_INIT(MAX(EVENT_ROW_MAX, RECORDING_LINE_MAX + 1)) };
	struct replayer_result result;
	const char *json = NULL;
	struct err err = { 0 };
	int option, r;

	while ((option = cli_next(&parser)) > 0) {
		if (option == OPT_JSON)
			json = parser.value;
		else if (take_format(&v, parser.value))
			return CLI_FAILED;
	}
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (argc - parser.next != 1)
		return cli_usage_error("replay", "wants one recording, got %d", argc - parser.next);
	const char *path = argv[parser.next];
	r = recording_open(path, &reader, &err);
	if (r < 0) {
		(void)cli_fail(&err);
		return CLI_FAILED;
	}
	v.color = !json && term_color(stdout);
	v.width = isatty(STDOUT_FILENO) || getenv("COLUMNS") ? term_width(stdout) : 0;
	if (json) {
		v.format = JSON;
		if (open_json(json, path, &v.file))
			return CLI_FAILED;
	}
	r = replayer_run(reader, show, &v, &result, &err);
	buf_done(&v.out);
	if (json && fclose(v.file) != 0 && r >= 0)
		r = err_errno(&err, errno, "can't write to %s", json);
	if (r < 0) {
		(void)fflush(stdout);
		(void)cli_fail(&err);
		return CLI_FAILED;
	}
	return cli_finish(verdict(&result, path));
}
