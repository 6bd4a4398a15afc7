/* SPDX-License-Identifier: Apache-2.0 */
/* heddle top: all workloads of the machine as they are now. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/workloads.h"
#include "tui/terminal.h"
#include "tui/top-view.h"
#include "vitals/source.h"

#define OUT_CAP (16U << 20)
#define KEY_MS 50

enum { OPT_ONCE = 1, OPT_FORMAT, OPT_ALL, OPT_SORT, OPT_FILTER, OPT_INTERVAL, OPT_FOLLOW, OPT_NO_PROBES };

static const struct cli_option options[] = {
	{ OPT_ALL, "all", NULL, "every cgroup with processes, not only Heddle's sessions" },
	{ OPT_SORT, "sort", "KEY", "used, available, forecast, cpu, pressure, io, escapes or name" },
	{ OPT_FILTER, "filter", "TEXT", "only names and commands with this text" },
	{ OPT_FOLLOW, "follow", "SESSION", "this one on the whole screen" },
	{ OPT_INTERVAL, "interval", "TIME", "look so often (1s); 100ms at the least" },
	{ OPT_ONCE, "once", NULL, "print what it would show, after one interval, and end" },
	{ OPT_FORMAT, "format", "text|json", "with --once: for people (default), or one JSON object" },
	{ OPT_NO_PROBES, "no-probes", NULL, "count no context switches, delays and block requests" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "top",
	.synopsis = "[OPTION...]",
	.about = "Shows the memory of each session, what it could still take and when that will be\n"
		 "used up; CPU, pressure, I/O, the fattest children, escapes and losses. '?' helps.",
	.options = options,
};

struct top {
	struct workloads *workloads;
	struct workloads_options look;
	struct top_screen screen;
	struct top_row rows[WORKLOADS_MAX];
	char filter[64], clock[16], note[ERR_TEXT_MAX];
	char chosen[VITALS_PATH_MAX]; /* name of the selected one, which moves as rows are sorted */
	char ended[ERR_TEXT_MAX];     /* that the followed one did, until a key is hit; "": it runs */
	struct err problem;	      /* of the last look */
	const char *follow;
	int64_t interval_ns;
	bool once, json, over;
};

static int take_option(struct top *t, int id, const char *value)
{
	switch (id) {
	case OPT_ALL:
		t->look.all = true;
		return 0;
	case OPT_NO_PROBES:
		t->look.probes = false;
		return 0;
	case OPT_ONCE:
		t->once = true;
		return 0;
	case OPT_FOLLOW:
		t->follow = value;
		return 0;
	case OPT_FORMAT:
		t->json = strcmp(value, "json") == 0;
		if (!t->json && strcmp(value, "text") != 0)
			return cli_usage_error("top", "--format is text or json, not '%s'", value);
		return 0;
	case OPT_SORT:
		if (top_sort_parse(value, &t->screen.sort) < 0)
			return cli_usage_error("top",
					       "--sort is used, available, forecast, cpu, pressure, io, escapes "
					       "or name, not '%s'",
					       value);
		return 0;
	case OPT_FILTER:
		if (strlen(value) >= sizeof(t->filter))
			return cli_usage_error("top", "--filter takes %zu bytes at most", sizeof(t->filter) - 1);
		memcpy(t->filter, value, strlen(value) + 1);
		return 0;
	default:
		if (clock_parse_duration(value, &t->interval_ns) < 0 || t->interval_ns < CLOCK_SECOND_NS / 10 ||
		    t->interval_ns > 3600 * CLOCK_SECOND_NS)
			return cli_usage_error("top", "--interval takes a time from 100ms to 1h, not '%s'", value);
		return 0;
	}
}

/* ---- the model ---- */

static struct top_row row_of(const struct workload_view *v)
{
	return (struct top_row){
		.of = v,
		.name = v->name,
		.command = v->page.command,
		.now = &v->now,
		.before = v->twice ? &v->before : NULL,
		.seconds = workload_seconds(v),
		.phases = v->phases,
		.agent = &v->agent,
		.phases_n = v->phases_n,
		.forecast = &v->forecast,
		.used = v->used,
		.used_n = v->used_n,
		.events = v->page.events,
		.escapes = v->page.escapes,
		.lost = v->page.lost,
		.acts = v->page.acts,
		.act = v->page.act,
		.runs_ns = v->page.started_ns ? clock_realtime_ns() - v->page.started_ns : 0,
	};
}

static void machine(struct top_screen *s)
{
	struct vitals_host host;

	if (vitals_host_read("/proc", &host) < 0)
		return;
	s->host_total = host.total;
	s->host_available = host.available;
}

static void remember(struct top *t)
{
	if (t->screen.selected < t->screen.rows_n)
		(void)snprintf(t->chosen, sizeof(t->chosen), "%s", t->screen.rows[t->screen.selected].name);
}

/* The selected one is found again by its name. That another one takes the whole screen, nobody asked for. */
static void find_chosen(struct top *t)
{
	struct top_screen *s = &t->screen;

	s->selected = MIN(s->selected, s->rows_n ? s->rows_n - 1 : 0);
	for (size_t i = 0; i < s->rows_n && *t->chosen; i++)
		if (strcmp(t->rows[i].name, t->chosen) == 0) {
			s->selected = i;
			return;
		}
	if (!s->follow)
		return;
	s->follow = false;
	/* Whom the look could not see may run still. */
	if (!*t->problem.text)
		(void)snprintf(t->ended, sizeof(t->ended), "%.480s has ended", t->chosen);
}

static const char *note(const struct top *t)
{
	return *t->problem.text ? t->problem.text : *t->ended ? t->ended : t->note;
}

static void fill(struct top *t)
{
	const struct workload_view *const *list;
	size_t n = workloads_list(t->workloads, &list);
	struct top_screen *s = &t->screen;
	time_t now = time(NULL);
	struct tm tm = { 0 };

	s->rows = t->rows;
	s->rows_n = 0;
	s->total = n;
	for (size_t i = 0; i < n; i++) {
		struct top_row row = row_of(list[i]);

		/* A filter is for the list: it takes nothing from the screen that is followed. */
		if (top_matches(&row, t->filter) || (s->follow && strcmp(row.name, t->chosen) == 0))
			t->rows[s->rows_n++] = row;
	}
	top_sort_rows(t->rows, s->rows_n, s->sort);
	find_chosen(t);
	s->filter = t->filter;
	(void)localtime_r(&now, &tm);
	(void)strftime(t->clock, sizeof(t->clock), "%H:%M:%S", &tm);
	s->clock = t->clock;
	s->note = note(t);
	s->blind = *t->problem.text;
	machine(s);
}

/* ---- keys ---- */

static void type_filter(struct top *t, int key)
{
	size_t n = strlen(t->filter);

	if (key == TERMINAL_ENTER || key == TERMINAL_ESCAPE)
		t->screen.typing = false;
	if (key == TERMINAL_ESCAPE)
		t->filter[0] = '\0';
	else if (key == TERMINAL_BACKSPACE && n > 0)
		t->filter[n - 1] = '\0';
	else if (key >= ' ' && key < 127 && n + 1 < sizeof(t->filter)) {
		t->filter[n] = (char)key;
		t->filter[n + 1] = '\0';
	}
}

static void move_selection(struct top *t, long by)
{
	struct top_screen *s = &t->screen;
	long last = s->rows_n ? (long)s->rows_n - 1 : 0;

	s->selected = (size_t)MAX(MIN((long)s->selected + by, last), 0L);
	remember(t);
}

static void take_key(struct top *t, int key)
{
	struct top_screen *s = &t->screen;

	t->ended[0] = '\0';
	if (s->typing) {
		type_filter(t, key);
		return;
	}
	if (s->help) {
		s->help = false;
		return;
	}
	switch (key) {
	case 'q':
		t->over = true;
		break;
	case TERMINAL_ESCAPE:
		s->follow = false;
		break;
	case 's':
		s->sort = (s->sort + 1) % TOP_SORT_MAX;
		break;
	case 'S':
		s->sort = (s->sort + TOP_SORT_MAX - 1) % TOP_SORT_MAX;
		break;
	case '/':
		s->typing = true;
		break;
	case 'f':
	case ' ':
		s->frozen = !s->frozen;
		break;
	case '?':
	case 'h':
		s->help = true;
		break;
	case TERMINAL_ENTER:
		remember(t);
		s->follow = !s->follow && s->rows_n > 0;
		break;
	case TERMINAL_UP:
	case 'k':
		move_selection(t, -1);
		break;
	case TERMINAL_DOWN:
	case 'j':
		move_selection(t, 1);
		break;
	case TERMINAL_PAGE_UP:
		move_selection(t, -10);
		break;
	case TERMINAL_PAGE_DOWN:
		move_selection(t, 10);
		break;
	case TERMINAL_HOME:
		move_selection(t, -WORKLOADS_MAX);
		break;
	case TERMINAL_END:
		move_selection(t, WORKLOADS_MAX);
		break;
	default:
		break;
	}
}

static int show(struct top *t)
{
	struct grid g;
	unsigned width, height;

	terminal_size(&width, &height);
	if (grid_init(&g, width, height) < 0)
		return -ENOMEM;
	top_draw(&t->screen, &g);
	terminal_show(&g);
	grid_done(&g);
	return 0;
}

static int interact(struct top *t)
{
	int64_t due = 0;
	int r = 0;

	while (!t->over && r >= 0) {
		int64_t now = clock_monotonic_ns();

		if (now >= due && !t->screen.frozen) {
			due = now + t->interval_ns;
			t->problem = (struct err){ 0 };
			(void)workloads_look(t->workloads, &t->problem);
		}
		if (!t->screen.frozen)
			fill(t);
		r = show(t);
		int64_t left = t->screen.frozen ? CLOCK_SECOND_NS : MAX(due - clock_monotonic_ns(), (int64_t)0);
		int key = terminal_key((int)MIN(left / 1000000 + 1, (int64_t)1000));

		if (key == TERMINAL_GONE)
			break;
		if (key != TERMINAL_NOTHING) {
			take_key(t, key);
			/* A filter or an order is for what is there: it needs no new look. */
			fill(t);
		}
	}
	return r;
}

/* ---- once ---- */

static int print_json(struct top *t, struct buf *out)
{
	char boot8[9] = "", text[CLOCK_TEXT_MAX];
	struct json j;

	(void)proc_boot8(boot8);
	json_init(&j, out);
	json_object(&j);
	json_name(&j, "time");
	json_string(&j, clock_format(clock_realtime_ns(), text));
	json_name(&j, "host");
	json_object(&j);
	json_name(&j, "total");
	json_uint(&j, t->screen.host_total);
	json_name(&j, "available");
	json_uint(&j, t->screen.host_available);
	json_object_end(&j);
	json_name(&j, "workloads");
	json_array(&j);
	for (size_t i = 0; i < t->screen.rows_n; i++) {
		json_object(&j);
		workload_json(t->rows[i].of, boot8, &j);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	buf_addc(out, '\n');
	return out->failed;
}

static int print_text(struct top *t, struct buf *out)
{
	struct grid g;

	if (grid_init(&g, term_width(stdout), top_lines_for(t->screen.rows_n)) < 0)
		return -ENOMEM;
	t->note[0] = '\0';
	top_draw(&t->screen, &g);
	/* The line of keys helps nobody here. */
	g.height--;
	grid_print(&g, out);
	grid_done(&g);
	while (out->length > 1 && out->data[out->length - 1] == '\n' && out->data[out->length - 2] == '\n')
		out->data[--out->length] = '\0';
	return out->failed;
}

static int once(struct top *t, struct err *err)
{
	const struct timespec pause = { .tv_sec = t->interval_ns / CLOCK_SECOND_NS,
					.tv_nsec = t->interval_ns % CLOCK_SECOND_NS };
	_cleanup_buf_ struct buf out = BUF_INIT(OUT_CAP);
	int r;

	/* Rates need two looks. */
	r = workloads_look(t->workloads, err);
	if (r < 0)
		return r;
	(void)nanosleep(&pause, NULL);
	r = workloads_look(t->workloads, err);
	if (r < 0)
		return r;
	fill(t);
	if (*t->ended)
		return err_set(err, ESRCH, "%s", t->ended);
	r = t->json ? print_json(t, &out) : print_text(t, &out);
	if (r < 0)
		return err_errno(err, -r, "can't print it");
	(void)fwrite(out.data, 1, out.length, stdout);
	return 0;
}

/* Of several sessions that it fits, the one that began last. */
static int find_followed(struct top *t, struct err *err)
{
	const struct workload_view *const *list, *best = NULL;
	size_t n;
	bool last;
	int r;

	if (!t->follow)
		return 0;
	last = strcmp(t->follow, "last") == 0;
	r = workloads_look(t->workloads, err);
	if (r < 0)
		return r;
	n = workloads_list(t->workloads, &list);
	for (size_t i = 0; i < n; i++) {
		const struct workload_view *v = list[i];

		if (!v->session || (!last && strncmp(v->name, t->follow, strlen(t->follow)) != 0))
			continue;
		if (!best || v->page.started_ns > best->page.started_ns)
			best = v;
	}
	if (!best && last)
		return cli_error("no session runs");
	if (!best)
		return cli_error("no running session's id begins with '%s'; 'heddle sessions' lists them", t->follow);
	(void)snprintf(t->chosen, sizeof(t->chosen), "%s", best->name);
	t->screen.follow = true;
	return 0;
}

int cmd_top(int argc, char **argv)
{
	static struct top t = { .interval_ns = CLOCK_SECOND_NS, .look.probes = true };
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct err err = { 0 };
	int option, r;

	while ((option = cli_next(&parser)) > 0)
		if (take_option(&t, option, parser.value))
			return CLI_FAILED;
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next < argc)
		return cli_usage_error("top", "takes no operand, got '%s'; --follow takes a session",
				       argv[parser.next]);
	if (t.json && !t.once)
		return cli_usage_error("top", "--format json goes with --once");
	if (workloads_open(&t.look, &t.workloads, t.note, sizeof(t.note), &err) < 0)
		return cli_fail(&err);
	r = find_followed(&t, &err);
	if (r == 0 && t.once) {
		r = once(&t, &err);
	} else if (r == 0) {
		r = terminal_open(term_color(stdout), &err);
		if (r == 0)
			r = interact(&t);
		terminal_close();
	}
	workloads_close(t.workloads);
	if (r < 0)
		return cli_fail(&err);
	return r ? r : cli_finish(CLI_OK);
}
