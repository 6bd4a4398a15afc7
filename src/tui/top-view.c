/* SPDX-License-Identifier: Apache-2.0 */
/* See top-view.h. */
#include "tui/top-view.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "tui/top-parts.h"

#define LINES_WITH_DETAIL 20

static const char *const sort_names[TOP_SORT_MAX] = {
	[TOP_BY_USED] = "used",	      [TOP_BY_AVAILABLE] = "available", [TOP_BY_FORECAST] = "forecast",
	[TOP_BY_CPU] = "cpu",	      [TOP_BY_PRESSURE] = "pressure",	[TOP_BY_IO] = "io",
	[TOP_BY_ESCAPES] = "escapes", [TOP_BY_NAME] = "name",
};

const char *top_sort_name(enum top_sort sort)
{
	return sort < TOP_SORT_MAX ? sort_names[sort] : "?";
}

int top_sort_parse(const char *name, enum top_sort *ret)
{
	for (unsigned i = 0; i < TOP_SORT_MAX; i++)
		if (strcmp(name, sort_names[i]) == 0) {
			*ret = (enum top_sort)i;
			return 0;
		}
	return -EINVAL;
}

double top_rate(const struct top_row *r, uint64_t now, uint64_t before)
{
	if (!r->before || r->seconds <= 0 || now == VITALS_UNKNOWN || before == VITALS_UNKNOWN || now < before)
		return 0;
	return (double)(now - before) / r->seconds;
}

double top_cpu(const struct top_row *r)
{
	return r->before ? top_rate(r, r->now->cpu.usage_ns, r->before->cpu.usage_ns) / 1e7 : 0;
}

/* As the block probe counts it, where there is one: most cgroups have no io controller. */
void top_storage(const struct top_row *r, double *ret_read, double *ret_write)
{
	const struct vitals_sample *s = r->now, *b = r->before;
	bool probed = s->probed.block;

	*ret_read = *ret_write = 0;
	if (!b)
		return;
	*ret_read = probed ? top_rate(r, s->probed.read_bytes, b->probed.read_bytes)
			   : top_rate(r, s->io.read_bytes, b->io.read_bytes);
	*ret_write = probed ? top_rate(r, s->probed.write_bytes, b->probed.write_bytes)
			    : top_rate(r, s->io.write_bytes, b->io.write_bytes);
}

uint64_t top_known(uint64_t value)
{
	return value == VITALS_UNKNOWN ? 0 : value;
}

/* ---- order ---- */

/* Larger comes first. */
static double weight(const struct top_row *r, enum top_sort sort)
{
	const struct vitals_sample *s = r->now;
	double read, write;

	switch (sort) {
	case TOP_BY_AVAILABLE:
		return -(double)s->available.clean;
	case TOP_BY_FORECAST:
		return r->forecast->clock == FORECAST_NONE ? -1e300 : -(double)r->forecast->limit_in_ns;
	case TOP_BY_CPU:
		return top_cpu(r);
	case TOP_BY_PRESSURE:
		return s->pressure.known ? (double)s->pressure.memory.some10 : 0;
	case TOP_BY_IO:
		top_storage(r, &read, &write);
		return read + write;
	case TOP_BY_ESCAPES:
		return (double)r->escapes;
	default:
		return (double)top_known(s->memory.current);
	}
}

static int compare(const void *a, const void *b, void *context)
{
	enum top_sort sort = *(enum top_sort *)context;
	const struct top_row *x = a, *y = b;
	double i, j;

	if (sort != TOP_BY_NAME) {
		i = weight(x, sort);
		j = weight(y, sort);
		if (i != j)
			return (i < j) - (i > j);
	}
	/* Equal ones keep their places from look to look. */
	return strcmp(x->name, y->name);
}

void top_sort_rows(struct top_row *rows, size_t n, enum top_sort sort)
{
	if (n > 1)
		qsort_r(rows, n, sizeof(*rows), compare, &sort);
}

bool top_matches(const struct top_row *row, const char *filter)
{
	return !*filter || strcasestr(row->name, filter) || strcasestr(row->command, filter);
}

uint64_t top_percentile(const struct vitals_histogram *now, const struct vitals_histogram *before, unsigned thousandths)
{
	uint64_t all = 0, sum = 0;

	for (unsigned i = 0; i < VITALS_BUCKETS; i++)
		all += now->count[i] - (before ? before->count[i] : 0);
	for (unsigned i = 0; i < VITALS_BUCKETS && all; i++) {
		sum += now->count[i] - (before ? before->count[i] : 0);
		if (sum * 1000 >= all * thousandths)
			return UINT64_C(2) << i;
	}
	return 0;
}

/* ---- the list ---- */

struct columns {
	unsigned name, command, used, bar, available, in, cpu, stall, escapes, lost;
	unsigned name_wide, command_wide, bar_wide;
};

/* What is left of the width is the command's; a wide screen has longer names and bars, too. */
static struct columns lay_out(unsigned width)
{
	struct columns c = { .name_wide = width >= 100 ? 13 : 8, .bar_wide = width >= 100 ? 12 : 8 };
	unsigned x = width > 4 ? width - 4 : 0;

	c.lost = x;
	c.escapes = x = x > 5 ? x - 5 : 0;
	c.stall = x = x > 6 ? x - 6 : 0;
	c.cpu = x = x > 6 ? x - 6 : 0;
	c.in = x = x > 8 ? x - 8 : 0;
	c.available = x = x > 8 ? x - 8 : 0;
	c.bar = x = x > c.bar_wide + 3 ? x - c.bar_wide - 3 : 0;
	c.used = x = x > 8 ? x - 8 : 0;
	c.command = c.name_wide + 1;
	c.command_wide = x > c.command + 8 ? x - c.command - 1 : 8;
	return c;
}

const char *top_short_command(const char *command)
{
	size_t first = strcspn(command, " ");
	const char *slash = memrchr(command, '/', first);

	return slash && slash + 1 < command + first ? slash + 1 : command;
}

static void titles(const struct top_screen *s, struct grid *g, const struct columns *c, unsigned y)
{
	(void)grid_text(g, c->name, y, TUI_TITLE, "NAME", c->name_wide);
	(void)grid_text(g, c->command, y, TUI_TITLE, "COMMAND", c->command_wide);
	grid_right(g, c->used, y, TUI_TITLE, "USED", 7);
	(void)grid_text(g, c->bar, y, TUI_TITLE, "AVAILABLE", c->bar_wide + 10);
	grid_right(g, c->in, y, TUI_TITLE, "FULL IN", 7);
	grid_right(g, c->cpu, y, TUI_TITLE, "CPU", 5);
	grid_right(g, c->stall, y, TUI_TITLE, "STALL", 5);
	grid_right(g, c->escapes, y, TUI_TITLE, "ESC", 4);
	grid_right(g, c->lost, y, TUI_TITLE, "LOST", 4);
	grid_row_style(g, y, TUI_TITLE);
}

const char *top_short_duration(int64_t ns, char ret[16])
{
	double s = (double)ns / 1e9;

	if (ns == INT64_MAX)
		(void)snprintf(ret, 16, "-");
	else if (s < 10)
		(void)snprintf(ret, 16, "%.1fs", s);
	else if (s < 120)
		(void)snprintf(ret, 16, "%.0fs", s);
	else if (s < 7200)
		(void)snprintf(ret, 16, "%.0fm", s / 60);
	else
		(void)snprintf(ret, 16, "%.0fh", s / 3600);
	return ret;
}

const char *top_short_count(uint64_t n, char ret[16])
{
	if (n < 10000)
		(void)snprintf(ret, 16, "%u", (unsigned)n);
	else if (n < 1000000)
		(void)snprintf(ret, 16, "%uk", (unsigned)(n / 1000));
	else
		(void)snprintf(ret, 16, "%um", (unsigned)MIN(n / 1000000, (uint64_t)999999));
	return ret;
}

enum tui_style top_fear(const struct vitals_sample *s)
{
	uint64_t limit = MAX(s->limit, (uint64_t)1);

	if (s->available.clean < limit / 20)
		return TUI_ALARM;
	return s->available.clean < limit / 5 ? TUI_YELLOW : TUI_GREEN;
}

/* What is held, what could be given back, what is free: "[████▒▒▒·····]". */
static void bar(struct grid *g, unsigned x, unsigned y, const struct vitals_sample *s, unsigned wide)
{
	uint64_t limit = MAX(s->limit, (uint64_t)1), clean = MIN(s->available.clean, limit);
	uint64_t free = MIN(s->available.free, clean), held = limit - clean;
	unsigned a = (unsigned)((double)held / (double)limit * wide + 0.5);
	unsigned b = (unsigned)((double)(clean - free) / (double)limit * wide + 0.5);

	if (held > 0 && a == 0 && held > limit / 100)
		a = 1;
	a = MIN(a, wide);
	b = MIN(b, wide - a);
	(void)grid_text(g, x, y, TUI_DIM, "[", 1);
	for (unsigned i = 0; i < wide; i++)
		(void)grid_text(g, x + 1 + i, y, i < a ? top_fear(s) : TUI_DIM, i < a ? "█" : i < a + b ? "▒" : "·", 1);
	(void)grid_text(g, x + 1 + wide, y, TUI_DIM, "]", 1);
}

static void put_row(struct grid *g, const struct columns *c, unsigned y, const struct top_row *r, bool selected)
{
	const struct vitals_sample *s = r->now;
	char text[32], count[16];
	size_t length = strlen(r->name);
	/* The tail of an id tells two of the same minute apart; a path's end says most. */
	const char *name = length > c->name_wide ? r->name + length - c->name_wide : r->name;

	(void)grid_text(g, c->name, y, TUI_CYAN, name, c->name_wide);
	(void)grid_text(g, c->command, y, TUI_PLAIN, *r->command ? top_short_command(r->command) : r->name,
			c->command_wide);
	if (s->memory.current == VITALS_UNKNOWN) {
		grid_right(g, c->used, y, TUI_DIM, "-", 7);
	} else {
		grid_right(g, c->used, y, TUI_BOLD, top_short_size(s->memory.current, text), 7);
		bar(g, c->bar, y, s, c->bar_wide);
		grid_right(g, c->available, y, top_fear(s), top_short_size(s->available.clean, text), 7);
	}
	if (r->forecast->clock != FORECAST_NONE)
		grid_right(g, c->in, y, TUI_ALARM, top_short_duration(r->forecast->limit_in_ns, count), 7);
	if (s->cpu.usage_ns != VITALS_UNKNOWN) {
		(void)snprintf(text, sizeof(text), "%.0f%%", top_cpu(r));
		grid_right(g, c->cpu, y, TUI_PLAIN, text, 5);
	}
	if (s->pressure.known) {
		(void)snprintf(text, sizeof(text), "%.1f", (double)s->pressure.memory.some10 / 100);
		grid_right(g, c->stall, y, s->pressure.memory.some10 > 1000 ? TUI_YELLOW : TUI_PLAIN, text, 5);
	}
	if (r->escapes)
		grid_right(g, c->escapes, y, TUI_ALARM, top_short_count(r->escapes, count), 4);
	if (r->lost)
		grid_right(g, c->lost, y, TUI_ALARM, top_short_count(r->lost, count), 4);
	if (selected)
		(void)grid_text(g, c->command - 1, y, TUI_BOLD, ">", 1);
}

static void head(const struct top_screen *s, struct grid *g)
{
	char available[32], total[32];
	unsigned x = grid_text(g, 0, 0, TUI_BOLD, "heddle top", 0);

	x += grid_textf(g, x, 0, TUI_PLAIN, "  %zu workload%s", s->total, s->total == 1 ? "" : "s");
	if (s->rows_n != s->total || *s->filter)
		x += grid_textf(g, x, 0, TUI_YELLOW, ", %zu shown", s->rows_n);
	(void)grid_textf(g, x, 0, TUI_PLAIN, "  machine: %s of %s available  by %s",
			 top_short_size(s->host_available, available), top_short_size(s->host_total, total),
			 top_sort_name(s->sort));
	grid_right(g, g->width > 9 ? g->width - 9 : 0, 0, s->frozen ? TUI_ALARM : TUI_DIM,
		   s->frozen ? "FROZEN" : s->clock, 9);
}

static void foot(const struct top_screen *s, struct grid *g)
{
	unsigned y = g->height - 1;

	if (s->typing)
		(void)grid_textf(g, 0, y, TUI_BOLD, "filter: %s_   Enter keeps, Esc drops it", s->filter);
	else if (*s->note && !s->follow && g->height > 10)
		(void)grid_text(g, 0, y, s->blind ? TUI_ALARM : TUI_YELLOW, s->note, 0);
	else
		(void)grid_text(g, 0, y, TUI_DIM,
				"q quit  s sort  / filter  arrows select  Enter follow  f freeze  ? help", 0);
}

static void help(struct grid *g)
{
	static const char *const lines[] = {
		"USED       memory that the workload's cgroup holds, with cache",
		"AVAILABLE  what it could still take: █ held  ▒ can be given back at once  · free",
		"FULL IN    when the limit will be reached, as things go; empty: not in sight",
		"STALL      share of the last 10 s in which some task waited for memory, in percent",
		"ESC, LOST  attempts to leave the sandbox, events that were lost",
		"",
		"s, S       sort by the next, the previous column",
		"/          show only names and commands with this text",
		"Enter      the selected one on the whole screen, and back",
		"f, space   freeze the display; the workloads go on",
		"q          quit",
		"",
		"any key goes back",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		(void)grid_text(g, 2, 2 + i, TUI_PLAIN, lines[i], 0);
}

static void list(const struct top_screen *s, struct grid *g, unsigned room)
{
	struct columns c = lay_out(g->width);
	size_t first = s->selected >= room && room > 0 ? s->selected - room + 1 : 0;

	titles(s, g, &c, 1);
	for (unsigned i = 0; i < room && first + i < s->rows_n; i++)
		put_row(g, &c, 2 + i, &s->rows[first + i], first + i == s->selected);
	if (s->rows_n == 0)
		(void)grid_text(
		    g, 2, 3, TUI_DIM,
		    s->total   ? "nothing matches the filter"
		    : s->blind ? s->note
			       : "no session runs: start one with  heddle run -- COMMAND   (--all shows other cgroups)",
		    0);
}

/* Lines for one in detail below the list, with the rule between them. */
static unsigned detail_lines(unsigned height)
{
	/* A taller screen shows more children of the selected one, not only more rows. */
	unsigned more = height > 24 ? MIN((height - 24) / 2, 6) : 0;

	return height >= LINES_WITH_DETAIL ? TOP_DETAIL_LINES + 1 + more : 0;
}

/* Lines for rows. The head, the titles and the foot are there in any case. */
static unsigned list_lines(unsigned height, unsigned detail)
{
	return height > detail + 3 ? height - detail - 3 : 1;
}

unsigned top_lines_for(size_t rows)
{
	unsigned height = LINES_WITH_DETAIL;

	while (height < GRID_SIDE_MAX && list_lines(height, detail_lines(height)) < rows)
		height++;
	return height;
}

void top_draw(const struct top_screen *s, struct grid *g)
{
	grid_clear(g);
	head(s, g);
	if (s->help) {
		help(g);
		return;
	}
	if (s->follow && s->selected < s->rows_n) {
		top_detail(&s->rows[s->selected], g, 2, g->height - 1);
	} else {
		unsigned detail = s->follow ? 0 : detail_lines(g->height), room = list_lines(g->height, detail);

		list(s, g, room);
		if (detail && s->selected < s->rows_n) {
			for (unsigned x = 0; x < g->width; x++)
				(void)grid_text(g, x, 2 + room, TUI_DIM, "─", 1);
			top_detail(&s->rows[s->selected], g, 3 + room, g->height - 1);
		}
	}
	foot(s, g);
}
