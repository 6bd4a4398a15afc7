/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people: what matters most comes first, and nothing is wider than the page. */
#include "cli/report-text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/describe.h"
#include "cli/line.h"

#define INCIDENTS_SHOWN 20
#define KINDS_SHOWN 6 /* of a category of escapes */
#define MEMORY_SHOWN 6
#define GAPS_SHOWN 10
#define WRAP_LINES_MAX 6
#define COMMAND_LINES 400 /* columns of a command in the title */

void page_section(struct page *p, const char *title, const char *format, ...)
{
	va_list arguments;
	char text[1024];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buf_addf(p->out, "\n%s%s%s", term_on(p->color, TERM_BOLD), title, term_off(p->color));
	if (*text) {
		buf_adds(p->out, "  ");
		page_wrap(p, TERM_PLAIN, text, term_columns(title, strlen(title)) + 2, 2);
	} else {
		buf_addc(p->out, '\n');
	}
}

void page_wrap(struct page *p, enum term_style style, const char *text, unsigned at, unsigned indent)
{
	_cleanup_buf_ struct buf safe = BUF_INIT(1 << 20);
	const char *on = term_on(p->color && style, style), *off = term_off(p->color && style);

	term_text(&safe, text, strlen(text));
	const char *rest = safe.data ? safe.data : "";
	for (unsigned lines = 1;; lines++) {
		unsigned room = p->width > at + 8 ? p->width - at : 8;
		size_t length = strlen(rest), n = term_fit(rest, length, room);
		bool last = lines == WRAP_LINES_MAX;

		if (n < length && !last) {
			size_t space = n;

			while (space > n / 2 && rest[space] != ' ')
				space--;
			n = rest[space] == ' ' && space > 0 ? space : n;
		}
		buf_adds(p->out, on);
		if (n < length && last)
			(void)table_text(p->out, rest, length, room, TABLE_CUT_END);
		else
			buf_add(p->out, rest, n);
		buf_addf(p->out, "%s\n", off);
		if (n >= length || last || n == 0)
			return;
		rest += n;
		rest += strspn(rest, " ");
		if (!*rest)
			return;
		at = indent;
		buf_addf(p->out, "%*s", (int)indent, "");
	}
}

void page_count(struct buf *out, uint64_t n, const char *one, const char *many)
{
	char text[DESCRIBE_NUMBER_MAX];

	buf_addf(out, "%s %s", describe_number(n, text), n == 1 ? one : many);
}

void page_more(struct page *p, uint64_t n, const char *what)
{
	char text[DESCRIBE_NUMBER_MAX];

	if (n > 0)
		buf_addf(p->out, "  %sand %s more%s%s%s\n", term_on(p->color, TERM_DIM), describe_number(n, text),
			 *what ? " " : "", what, term_off(p->color));
}

void page_table(struct page *p, struct table *t)
{
	int r = t ? table_print(t, p->out, 2, p->width, p->color) : -ENOMEM;

	if (r < 0 && !p->out->failed)
		p->out->failed = r;
	table_free(t);
}

const char *page_offset(const struct page *p, int64_t time_ns, char ret[32])
{
	int64_t ns = time_ns - p->r->origin_ns;

	if (ns < 0)
		(void)snprintf(ret, 32, "before");
	else
		(void)snprintf(ret, 32, "+%lld.%03d", (long long)(ns / CLOCK_SECOND_NS),
			       (int)(ns % CLOCK_SECOND_NS / 1000000));
	return ret;
}

static void label(struct page *p, const char *name)
{
	buf_addf(p->out, "  %s%-9s%s ", term_on(p->color, TERM_DIM), name, term_off(p->color));
}

static void row(struct page *p, const char *name, enum term_style style, const char *text)
{
	label(p, name);
	page_wrap(p, style, text, 12, 12);
}

static void put_end(struct page *p, const struct line *end)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	const struct store_session *s = &p->r->session;
	struct bytes signal = line_text(end, "signal"), why = line_text(end, "why");
	enum term_style style = TERM_PLAIN;
	char held[DESCRIBE_DURATION_MAX];

	if (s->state == STORE_RUNNING) {
		buf_adds(&text, "still running");
		style = TERM_GREEN;
	} else if (s->state == STORE_INTERRUPTED) {
		/* Who has closed it since then says why. */
		buf_addf(&text, "interrupted: %swhat was stored by then is here",
			 s->ended_ns ? "" : "Heddle was killed or the machine went down; ");
		if (s->exit_status >= 0)
			buf_addf(&text, "; exit %d", s->exit_status);
		style = TERM_YELLOW;
	} else if (s->exit_status < 0) {
		buf_adds(&text, "in order");
	} else {
		buf_addf(&text, "exit %d", s->exit_status);
		if (bytes_set(signal))
			buf_addf(&text, ", killed by %s", signal.data);
		style = s->exit_status ? TERM_YELLOW : TERM_PLAIN;
	}
	if (line_uint(end, "left_running")) {
		buf_adds(&text, "; ");
		page_count(&text, line_uint(end, "left_running"), "process", "processes");
		buf_adds(&text, " left running");
	}
	if (line_uint(end, "slowed"))
		buf_addf(&text, "; held up for %s in all, since it made events too fast",
			 describe_duration((int64_t)line_uint(end, "slowed_ns"), held));
	if (bytes_set(why))
		buf_addf(&text, "; %s", why.data);
	row(p, s->state == STORE_RUNNING ? "state" : "ended", style, text.failed ? "?" : text.data);
}

static void put_machine(struct page *p, const struct line *start)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	static const char *const names[] = { "host", "kernel", "tier" };
	static const char *const before[] = { "", "Linux ", "" }, *const after[] = { "", "", " tier" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct bytes value = line_text(start, names[i]);

		if (bytes_set(value))
			buf_addf(&text, "%s%s%s%s", text.length ? ", " : "", before[i], value.data, after[i]);
	}
	if (text.length > 0)
		row(p, "machine", TERM_PLAIN, text.data);
}

static void put_clock(struct page *p)
{
	char text[128], number[DESCRIBE_NUMBER_MAX];

	if (p->r->clock_sets == 0)
		return;
	(void)snprintf(text, sizeof(text), "the wall clock was set %s %s; the times here do not follow it",
		       describe_number(p->r->clock_sets, number), p->r->clock_sets == 1 ? "time" : "times");
	row(p, "clock", TERM_YELLOW, text);
}

static void put_loss(struct page *p)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	_cleanup_(line_free_p) struct line *ledger = NULL;
	const struct report *r = p->r;
	const char *stored = r->session.ledger_line;
	char number[DESCRIBE_NUMBER_MAX];
	uint64_t events = 0, lost;

	for (size_t i = 1; i < ARRAY_SIZE(r->events); i++)
		events += r->events[i];
	buf_adds(&text, describe_number(events, number));
	if (stored)
		(void)line_parse(stored, strlen(stored), &ledger);
	lost = line_uint(ledger, "lost");
	if (lost > 0)
		buf_addf(&text, ", %s%s LOST", bytes_set(line_text(ledger, "as_of")) ? "at least " : "",
			 describe_number(lost, number));
	else if (ledger && r->gaps.n == 0)
		buf_adds(&text, ", nothing lost");
	else if (r->gaps.n > 0)
		buf_adds(&text, ", with gaps");
	else if (r->session.state != STORE_RUNNING)
		buf_adds(&text, "; whether any was lost is not known");
	if (r->damaged > 0)
		buf_addf(&text, ", %s damaged in the store", describe_number(r->damaged, number));
	row(p, "events", lost || r->gaps.n || r->damaged ? TERM_ALARM : TERM_PLAIN, text.failed ? "?" : text.data);
}

static void put_memory(struct page *p, const struct line *end)
{
	const struct report_process *peak = p->r->peak;
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	char size[TEXT_SIZE_MAX];

	if (line_uint(end, "memory_peak_bytes"))
		buf_addf(&text, "peak %s in all", text_size(line_uint(end, "memory_peak_bytes"), size));
	if (peak)
		buf_addf(&text, "%s%s in %s (pid %u)", text.length ? "; " : "peak ",
			 text_size(peak->max_rss_bytes, size), peak->comm ? peak->comm : "?", peak->pid);
	if (text.length > 0)
		row(p, "memory", TERM_PLAIN, text.data);
}

static void put_header(struct page *p)
{
	const struct store_session *s = &p->r->session;
	_cleanup_(line_free_p) struct line *start = NULL, *end = NULL;
	char started[64] = "", lasted[DESCRIBE_DURATION_MAX], both[128];
	_cleanup_buf_ struct buf command = BUF_INIT(1 << 20);
	time_t seconds = s->started_ns / CLOCK_SECOND_NS;
	struct tm tm = { 0 };

	if (s->start_line)
		(void)line_parse(s->start_line, strlen(s->start_line), &start);
	if (s->end_line)
		(void)line_parse(s->end_line, strlen(s->end_line), &end);
	if (line_get(start, "command"))
		describe_command(line_get(start, "command"), &command);
	const char *title = command.length > 0 ? command.data : s->command;
	buf_adds(p->out, term_on(p->color, TERM_BOLD));
	(void)table_text(p->out, title, strlen(title), MIN(COMMAND_LINES, p->width), TABLE_CUT_END);
	buf_addf(p->out, "%s\n\n", term_off(p->color));
	(void)localtime_r(&seconds, &tm);
	(void)strftime(started, sizeof(started), "%Y-%m-%d %H:%M:%S %z", &tm);
	(void)snprintf(both, sizeof(both), "%s, %s %s", started, s->state == STORE_RUNNING ? "so far" : "lasted",
		       describe_duration(report_end_ns(p->r) - s->started_ns, lasted));
	row(p, "session", TERM_PLAIN, s->id);
	row(p, "started", TERM_PLAIN, both);
	put_clock(p);
	put_end(p, end);
	put_machine(p, start);
	put_loss(p);
	put_memory(p, end);
}

/* How it ended, in brackets, where that is more than one success; and how often. */
static void put_outcome(struct page *p, const struct report_incident *i, struct buf *text)
{
	char number[DESCRIBE_NUMBER_MAX], last[32];

	if (i->count > 1) {
		buf_addf(text, "; %s times", describe_number(i->count, number));
		if (i->last_ns > i->first_ns)
			buf_addf(text, " until %s", page_offset(p, i->last_ns, last));
	}
	if (i->failed == 0)
		return;
	if (i->failed < i->count)
		buf_addf(text, ", %s of them refused", describe_number(i->failed, number));
	buf_adds(text, " -> ");
	page_strings(text, &i->errors, 3, ", ");
}

static void put_incident(struct page *p, const struct report_incident *i, enum term_style style)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
	char offset[32];
	bool refused = i->failed == i->count;

	if (style == TERM_ALARM && refused)
		style = TERM_YELLOW;
	buf_addf(p->out, "  %8s  ", page_offset(p, i->first_ns, offset));
	if (i->category)
		buf_addf(&text, "%s: ", i->category);
	buf_addf(&text, "%s %u: ", i->comm ? i->comm : "?", i->pid);
	report_incident_words(i, &text);
	put_outcome(p, i, &text);
	page_wrap(p, style, text.failed ? "?" : text.data, 12, 14);
}

static void put_incidents(struct page *p, const struct keyed *k, size_t most, enum term_style style)
{
	for (size_t i = 0; i < MIN(k->n, most); i++)
		put_incident(p, k->list[i], style);
	page_more(p, k->n > most ? k->n - most : 0, "kinds");
	page_more(p, k->refused, "that were not kept apart");
}

/* Sorted by category: the worst few of each, so that none hides another. */
static void put_escapes(struct page *p)
{
	const struct keyed *k = &p->r->escapes;
	char what[64];

	for (size_t i = 0; i < k->n;) {
		const struct report_incident *first = k->list[i];
		size_t n = 0;

		for (; i < k->n && ((const struct report_incident *)k->list[i])->rank == first->rank; i++)
			if (n++ < KINDS_SHOWN)
				put_incident(p, k->list[i], TERM_ALARM);
		(void)snprintf(what, sizeof(what), "kinds of %.30s", first->category ? first->category : "?");
		page_more(p, n > KINDS_SHOWN ? n - KINDS_SHOWN : 0, what);
	}
	page_more(p, k->refused, "that were not kept");
}

static void put_count_title(struct page *p, const char *title, unsigned type)
{
	uint64_t n = p->r->events[type], failed = p->r->failed[type];
	char number[DESCRIBE_NUMBER_MAX], refused[DESCRIBE_NUMBER_MAX];

	if (n == 0)
		page_section(p, title, "none seen");
	else
		page_section(p, title, "%s, %s refused", describe_number(n, number),
			     failed == 0   ? "none"
			     : failed == n ? "all"
					   : describe_number(failed, refused));
}

static void put_findings(struct page *p)
{
	const struct report *r = p->r;
	uint64_t escapes = r->events[HD_SANDBOX_ESCAPE], changes = r->events[HD_PRIVILEGE_CHANGE];

	if (escapes == 0 && changes == 0) {
		page_section(p, "Escapes and privilege changes", "none seen");
		return;
	}
	put_count_title(p, "Sandbox escapes", HD_SANDBOX_ESCAPE);
	put_escapes(p);
	put_count_title(p, "Privilege changes", HD_PRIVILEGE_CHANGE);
	put_incidents(p, &r->privileges, INCIDENTS_SHOWN, TERM_ALARM);
}

static void put_executable_memory(struct page *p)
{
	char number[DESCRIBE_NUMBER_MAX];
	uint64_t n = p->r->events[HD_MEMORY_EXEC];

	if (n == 0)
		return;
	page_section(p, "Memory made executable", "%s", describe_number(n, number));
	put_incidents(p, &p->r->memory, MEMORY_SHOWN, TERM_PLAIN);
}

static void put_gaps(struct page *p)
{
	const struct keyed *gaps = &p->r->gaps;

	if (gaps->n == 0)
		return;
	page_section(p, "Gaps", "%s", "");
	for (size_t i = 0; i < MIN(gaps->n, (size_t)GAPS_SHOWN); i++) {
		_cleanup_(line_free_p) struct line *l = NULL;
		_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
		const char *raw = ((const struct report_gap *)gaps->list[i])->key;

		if (line_parse(raw, strlen(raw), &l) < 0)
			continue;
		describe_event(l, &text);
		buf_adds(p->out, "  ");
		page_wrap(p, TERM_ALARM, text.failed || !text.data ? "?" : text.data, 2, 4);
	}
	page_more(p, gaps->n - MIN(gaps->n, (size_t)GAPS_SHOWN) + gaps->refused, "");
}

static void put_blind(struct page *p)
{
	_cleanup_(line_free_p) struct line *start = NULL;
	const char *raw = p->r->session.start_line;

	if (!raw || line_parse(raw, strlen(raw), &start) < 0)
		return;
	const struct line *blind = line_get(start, "blind");
	if (line_count(blind) == 0)
		return;
	page_section(p, "What could not be seen", "%s", "");
	for (size_t i = 0; i < line_count(blind); i++) {
		struct bytes text = line_text_at(blind, i);

		buf_adds(p->out, "  ");
		page_wrap(p, TERM_PLAIN, bytes_set(text) ? text.data : "?", 2, 4);
	}
}

int report_text(const struct report *r, unsigned width, bool color, struct buf *out)
{
	struct page p = { .r = r, .out = out, .width = width, .color = color };

	put_header(&p);
	put_findings(&p);
	put_executable_memory(&p);
	put_gaps(&p);
	page_memory(&p);
	page_processes(&p);
	page_hosts(&p);
	page_names(&p);
	page_files(&p);
	page_sockets(&p);
	put_blind(&p);
	page_ledger(&p);
	return out->failed;
}
