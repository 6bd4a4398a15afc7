/* SPDX-License-Identifier: Apache-2.0 */
/* Memory over time, for people: a chart, who held it, and what the guard did. */
#include "cli/report-text.h"

#include <string.h>

#include "base/text.h"
#include "cli/describe.h"
#include "cli/line.h"

#define ROWS 7
#define COLUMNS_MAX 72
#define LABEL 12
#define PHASES_SHOWN 8
#define ACTS_SHOWN 16
#define UNLIMITED (UINT64_C(1) << 60)

struct column {
	uint64_t current, anon;
};

/* The highest of each column's time; one without a point is as the one before it. */
static void spread(const struct page *p, struct column *columns, unsigned n)
{
	const struct report_vitals *v = &p->r->vitals;
	int64_t from = v->points[0].time_ns, span = MAX(v->points[v->points_n - 1].time_ns - from, (int64_t)1);
	unsigned filled = 0;

	for (size_t i = 0; i < v->points_n; i++) {
		const struct report_point *point = &v->points[i];
		unsigned at = (unsigned)((point->time_ns - from) * (int64_t)(n - 1) / span);

		for (; filled < at; filled++)
			if (!columns[filled].current && filled > 0)
				columns[filled] = columns[filled - 1];
		if (point->current > columns[at].current)
			columns[at] = (struct column){ point->current, MIN(point->anon, point->current) };
	}
}

/* What a cell between two heights shows: what is held, what is cache, or nothing. */
static const char *cell(const struct column *c, uint64_t low, uint64_t high)
{
	static const char *const eighths[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };

	if (c->anon > low)
		return eighths[c->anon >= high ? 8 : MAX((c->anon - low) * 8 / (high - low), (uint64_t)1)];
	return c->current > low + (high - low) / 2 ? "░" : " ";
}

static void chart(struct page *p)
{
	const struct report_vitals *v = &p->r->vitals;
	bool limited = v->limit && v->limit < UNLIMITED && v->highest.current * 4 > v->limit;
	uint64_t top = limited ? v->limit : MAX(v->highest.current + v->highest.current / 8, (uint64_t)ROWS);
	unsigned n = MIN(p->width > LABEL + 12 ? p->width - LABEL - 3 : 10, COLUMNS_MAX);
	struct column columns[COLUMNS_MAX] = { 0 };
	char size[TEXT_SIZE_MAX], from[32], to[32];

	spread(p, columns, n);
	for (unsigned row = ROWS; row-- > 0;) {
		uint64_t low = top / ROWS * row, high = row + 1 == ROWS ? top : top / ROWS * (row + 1);

		buf_addf(p->out, "  %*s ", LABEL - 2, row + 1 == ROWS ? text_size(top, size) : row == 0 ? "0" : "");
		buf_adds(p->out, row + 1 == ROWS && limited ? "┬" : row == 0 ? "┴" : "│");
		for (unsigned i = 0; i < n; i++)
			buf_adds(p->out, cell(&columns[i], low, MAX(high, low + 1)));
		/* Blanks at a line's end help nobody. */
		while (p->out->length > 0 && p->out->data[p->out->length - 1] == ' ')
			p->out->data[--p->out->length] = '\0';
		buf_addc(p->out, '\n');
	}
	(void)page_offset(p, v->points[0].time_ns, from);
	(void)page_offset(p, v->points[v->points_n - 1].time_ns, to);
	buf_addf(p->out, "  %*s  %s%*s\n", LABEL - 2, "", from, (int)MAX(n - MIN(strlen(from), n), (size_t)1), to);
	buf_addf(p->out, "  %*s  %s█ held  ░ cache%s%s\n", LABEL - 2, "", term_on(p->color, TERM_DIM),
		 limited ? "  top: the limit" : "", term_off(p->color));
}

static void put_row(struct table *t, const char *command, uint64_t times, uint64_t peak, int64_t slope, uint64_t read,
		    uint64_t written)
{
	char text[TEXT_SIZE_MAX], number[DESCRIBE_NUMBER_MAX];

	table_row(t);
	table_cell(t, TERM_PLAIN, command);
	table_cell(t, TERM_PLAIN, times ? describe_number(times, number) : "");
	table_cell(t, TERM_BOLD, text_size(peak, text));
	if (slope > 0)
		table_cellf(t, TERM_PLAIN, "%s/s", text_size((uint64_t)slope, text));
	else
		table_cell(t, TERM_PLAIN, "");
	table_cell(t, TERM_PLAIN, read ? text_size(read, text) : "");
	table_cell(t, TERM_PLAIN, written ? text_size(written, text) : "");
}

static void put_phases(struct page *p)
{
	static const struct table_column columns[] = {
		{ "HELD BY", .cut = TABLE_CUT_END }, { "TIMES", .right = true }, { "PEAK", .right = true },
		{ "GREW BY", .right = true },	     { "READ", .right = true },	 { "WROTE", .right = true },
	};
	const struct report_vitals *v = &p->r->vitals;
	struct table *t = table_new(columns, ARRAY_SIZE(columns), PHASES_SHOWN + 1);
	char agent[256];

	if (!t)
		return;
	if (v->agent) {
		(void)snprintf(agent, sizeof(agent), "(the agent) %.200s", v->agent);
		put_row(t, agent, 0, v->agent_peak, 0, 0, 0);
	}
	for (size_t i = 0; i < MIN(v->phases.n, (size_t)PHASES_SHOWN); i++) {
		const struct report_phase *one = v->phases.list[i];

		put_row(t, one->key, one->times, one->peak_bytes, one->slope, one->read_bytes, one->write_bytes);
	}
	page_table(p, t);
	page_more(p, (v->phases.n > PHASES_SHOWN ? v->phases.n - PHASES_SHOWN : 0) + v->phases.refused, "");
}

static void put_acts(struct page *p)
{
	const struct keyed *acts = &p->r->vitals.acts;

	if (acts->n == 0)
		return;
	page_section(p, "What the guard did", "%s", "");
	for (size_t i = 0; i < MIN(acts->n, (size_t)ACTS_SHOWN); i++) {
		const struct report_act *a = acts->list[i];
		_cleanup_(line_free_p) struct line *l = NULL;
		_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
		char offset[32];

		if (line_parse(a->key, strlen(a->key), &l) < 0)
			continue;
		describe_event(l, &text);
		buf_addf(p->out, "  %8s  ", page_offset(p, a->time_ns, offset));
		page_wrap(p, describe_style(l), text.failed || !text.data ? "?" : text.data, 12, 14);
	}
	page_more(p, acts->n - MIN(acts->n, (size_t)ACTS_SHOWN) + acts->refused, "");
}

static void put_score(struct page *p)
{
	_cleanup_(line_free_p) struct line *l = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	const char *raw = p->r->vitals.score;
	const struct line *f;

	if (!raw || line_parse(raw, strlen(raw), &l) < 0)
		return;
	f = line_get(l, "forecasts");
	if (!line_uint(f, "hits") && !line_uint(f, "misses") && !line_uint(f, "false_alarms"))
		return;
	describe_event(l, &text);
	buf_adds(p->out, "  ");
	page_wrap(p, TERM_PLAIN, text.data ? text.data : "?", 2, 4);
}

void page_memory(struct page *p)
{
	const struct report_vitals *v = &p->r->vitals;
	char peak[TEXT_SIZE_MAX], limit[TEXT_SIZE_MAX], least[TEXT_SIZE_MAX], at[32];

	if (v->samples == 0)
		return;
	if (v->limit && v->limit < UNLIMITED)
		page_section(p, "Memory", "at most %s of %s (%s); never less than %s available",
			     text_size(v->highest.current, peak), text_size(v->limit, limit),
			     page_offset(p, v->highest.time_ns, at), text_size(v->least.available, least));
	else
		page_section(p, "Memory", "at most %s (%s)", text_size(v->highest.current, peak),
			     page_offset(p, v->highest.time_ns, at));
	if (v->points_n > 1)
		chart(p);
	put_phases(p);
	put_score(p);
	put_acts(p);
}
