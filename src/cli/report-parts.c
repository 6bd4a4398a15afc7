/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the report for people that are lists: processes, hosts, names, files, sockets, the ledger. */
#include "cli/report-text.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "cli/describe.h"
#include "cli/line.h"
#include "event/names.h"

#define PROCESSES_SHOWN 100
#define HOSTS_SHOWN 25
#define NAMES_SHOWN 15
#define FILES_SHOWN 10
#define COUNTS_SHOWN 8
#define DEPTH_SHOWN 10
#define FOLD_FROM 3 /* equal siblings in a row that become one line */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* How many siblings from p on did the same and had no children; *ret_last is the last of them. */
static unsigned alike(struct report_process *p, struct report_process **ret_last)
{
	unsigned n = 1;

	*ret_last = p;
	for (struct report_process *q = p->next; q && !p->first_child && !q->first_child; q = q->next, n++) {
		if (!same_text(p->command, q->command) || !same_text(p->signal, q->signal) ||
		    (!p->command && !same_text(p->comm, q->comm)) || p->exit_code != q->exit_code ||
		    !p->end_ns != !q->end_ns)
			break;
		*ret_last = q;
	}
	if (n >= FOLD_FROM)
		return n;
	*ret_last = p;
	return 1;
}

static void put_branches(struct buf *out, const struct report_process *p, const struct report_process *last,
			 unsigned depth)
{
	const struct report_process *chain[DEPTH_SHOWN];
	unsigned n = 0;

	for (const struct report_process *q = p->parent; q && q->parent && n < DEPTH_SHOWN; q = q->parent)
		chain[n++] = q;
	if (depth > DEPTH_SHOWN + 1)
		buf_addf(out, "[%u] ", depth);
	while (n > 0)
		buf_adds(out, chain[--n]->next ? "│  " : "   ");
	if (p->parent)
		buf_adds(out, last->next ? "├─ " : "└─ ");
}

static void put_process(struct table *t, struct page *page, const struct report_process *p,
			const struct report_process *last, unsigned times, unsigned depth)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
	char offset[32], lasted[DESCRIBE_DURATION_MAX];
	const char *comm = p->comm ? p->comm : "?";

	put_branches(&text, p, last, depth);
	if (p->command)
		buf_adds(&text, p->command);
	else
		buf_addf(&text, "(%s, forked)", comm);
	if (times > 1)
		buf_addf(&text, "  ×%u", times);
	table_row(t);
	table_cell(t, TERM_DIM, page_offset(page, p->start_ns, offset));
	table_cell(t, TERM_DIM, p->end_ns ? describe_duration(p->end_ns - p->start_ns, lasted) : "");
	if (p->signal)
		table_cell(t, TERM_RED, strncmp(p->signal, "SIG", 3) == 0 ? p->signal + 3 : p->signal);
	else if (p->end_ns)
		table_cellf(t, p->exit_code ? TERM_YELLOW : TERM_PLAIN, "%lld", (long long)p->exit_code);
	else
		table_cell(t, TERM_GREEN, "-");
	table_cell(t, p->oom_killed ? TERM_RED : TERM_PLAIN, text.failed || !text.data ? "?" : text.data);
}

static void put_failed_execs(struct page *p)
{
	const struct keyed *k = &p->r->failed_execs;
	uint64_t n = 0;

	for (size_t i = 0; i < k->n; i++) {
		const struct report_count *c = k->list[i];
		char text[1024];

		if (report_path_search(p->r, c) || n++ >= COUNTS_SHOWN)
			continue;
		/* The key is the error, a space and the path. */
		(void)snprintf(text, sizeof(text), "%.*s: could not start %.900s%s", (int)strcspn(c->key, " "), c->key,
			       c->detail ? c->detail : "?", c->count > 1 ? ", several times" : "");
		buf_adds(p->out, "  ");
		page_wrap(p, TERM_YELLOW, text, 2, 4);
	}
	page_more(p, n > COUNTS_SHOWN ? n - COUNTS_SHOWN : 0, "that could not be started");
}

void page_processes(struct page *p)
{
	static const struct table_column columns[] = {
		{ "START", .right = true }, { "LASTED", .right = true }, { "EXIT", .right = true },
		{ "COMMAND", .cut = TABLE_CUT_END },
	};
	struct table *t = table_new(columns, ARRAY_SIZE(columns), PROCESSES_SHOWN + 1);
	char number[DESCRIBE_NUMBER_MAX];
	size_t lines = 0, shown = 0;
	unsigned depth = 0;

	page_section(p, "Processes", "%s", describe_number(p->r->processes.n, number));
	for (struct report_process *q = report_walk(p->r, NULL, &depth); t && q && lines < PROCESSES_SHOWN; lines++) {
		struct report_process *last;
		unsigned times = alike(q, &last);

		put_process(t, p, q, last, times, depth);
		shown += times;
		q = report_walk(p->r, last, &depth);
	}
	if (!t || lines > 0)
		page_table(p, t);
	else
		table_free(t);
	page_more(p, p->r->processes.n - shown, "; --format json lists them");
	page_more(p, p->r->processes.refused, "that were not kept");
	put_failed_execs(p);
}

/* The first few of a list, and how many more there are. */
static void put_strings(struct buf *out, const struct strings *s, size_t most, const char *between)
{
	for (size_t i = 0; i < MIN(s->n, most); i++)
		buf_addf(out, "%s%s", i > 0 ? between : "", s->list[i]);
	if (s->n > most || s->refused)
		buf_addf(out, " +%llu", (unsigned long long)(s->n - MIN(s->n, most) + s->refused));
}

static void cell_strings(struct table *t, const struct strings *s, size_t most, const char *between)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

	put_strings(&text, s, most, between);
	table_cell(t, TERM_PLAIN, text.failed || !text.data ? "" : text.data);
}

void page_hosts(struct page *p)
{
	static const struct table_column columns[] = {
		{ "HOST", .cut = TABLE_CUT_END }, { "ADDRESS" }, { "PORT" }, { "BY" },
		{ "TRIES", .right = true },	  { "RESULT" },
	};
	const struct keyed *k = &p->r->hosts;
	struct table *t = k->n > 0 ? table_new(columns, ARRAY_SIZE(columns), HOSTS_SHOWN) : NULL;

	if (k->n == 0) {
		page_section(p, "Hosts", "none: no connection over IP");
		return;
	}
	page_section(p, "Hosts", "%zu", k->n);
	for (size_t i = 0; t && i < MIN(k->n, (size_t)HOSTS_SHOWN); i++) {
		const struct report_host *h = k->list[i];
		_cleanup_buf_ struct buf result = BUF_INIT(4096);

		table_row(t);
		table_cell(t, TERM_CYAN, h->key);
		if (h->addresses.n == 1 && strcmp(h->addresses.list[0], h->key) == 0)
			table_cell(t, TERM_PLAIN, "");
		else
			cell_strings(t, &h->addresses, 1, " ");
		cell_strings(t, &h->ports, 2, " ");
		cell_strings(t, &h->programs, 1, " ");
		table_cellf(t, TERM_PLAIN, "%llu", (unsigned long long)h->connects);
		if (h->failed > 0 && h->failed < h->connects)
			buf_addf(&result, "%llu ", (unsigned long long)h->failed);
		put_strings(&result, &h->errors, 1, " ");
		table_cell(t, h->failed ? TERM_YELLOW : TERM_PLAIN, h->failed && result.data ? result.data : "ok");
	}
	page_table(p, t);
	page_more(p, (k->n > HOSTS_SHOWN ? k->n - HOSTS_SHOWN : 0) + k->refused, "");
}

void page_names(struct page *p)
{
	static const struct table_column columns[] = {
		{ "NAME" }, { "TYPE" }, { "CODE" }, { "ANSWERS", .cut = TABLE_CUT_END },
	};
	const struct keyed *k = &p->r->names;

	if (k->n == 0)
		return;
	struct table *t = table_new(columns, ARRAY_SIZE(columns), NAMES_SHOWN);
	page_section(p, "Names asked for", "%zu", k->n);
	for (size_t i = 0; t && i < MIN(k->n, (size_t)NAMES_SHOWN); i++) {
		const struct report_name *n = k->list[i];

		table_row(t);
		table_cell(t, TERM_CYAN, n->key);
		cell_strings(t, &n->types, 2, " ");
		cell_strings(t, &n->codes, 1, " ");
		cell_strings(t, &n->answers, STRINGS_MAX, " ");
	}
	page_table(p, t);
	page_more(p, (k->n > NAMES_SHOWN ? k->n - NAMES_SHOWN : 0) + k->refused, "");
}

static int by_read(const void *a, const void *b)
{
	const struct report_file *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->read_bytes < y->read_bytes) - (x->read_bytes > y->read_bytes);
}

static int by_written(const void *a, const void *b)
{
	const struct report_file *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->write_bytes < y->write_bytes) - (x->write_bytes > y->write_bytes);
}

enum file_part { FILES_WRITTEN, FILES_READ, FILES_DELETED };

static bool in_part(const struct report_file *f, enum file_part part)
{
	return part == FILES_WRITTEN ? f->write_operations > 0 || f->mappings > 0 :
	       part == FILES_READ    ? f->read_operations > 0 :
				       f->deleted > 0;
}

static void put_file(struct table *t, const struct report_file *f, enum file_part part)
{
	char size[TEXT_SIZE_MAX], number[DESCRIBE_NUMBER_MAX];
	bool write = part == FILES_WRITTEN;

	table_row(t);
	if (part != FILES_DELETED) {
		uint64_t operations = write ? f->write_operations : f->read_operations;

		table_cell(t, TERM_PLAIN,
			   operations ? text_size(write ? f->write_bytes : f->read_bytes, size) : "mapped");
		table_cell(t, TERM_DIM, operations ? describe_number(operations, number) : "");
	}
	table_cell(t, write ? TERM_GREEN : TERM_PLAIN, f->key);
}

static void put_part(struct page *p, void **list, enum file_part part, const char *title)
{
	static const struct table_column columns[] = {
		{ "BYTES", .right = true }, { "CALLS", .right = true }, { "FILE", .cut = TABLE_CUT_START },
	};
	static const struct table_column bare[] = { { NULL, .cut = TABLE_CUT_START } };
	struct table *t = part == FILES_DELETED ? table_new(bare, 1, FILES_SHOWN)
						: table_new(columns, ARRAY_SIZE(columns), FILES_SHOWN);
	_cleanup_buf_ struct buf text = BUF_INIT(256);
	char size[TEXT_SIZE_MAX];
	uint64_t n = 0, bytes = 0;

	for (size_t i = 0; t && i < p->r->files.n; i++) {
		const struct report_file *f = list[i];

		if (!in_part(f, part))
			continue;
		bytes += part == FILES_WRITTEN ? f->write_bytes : f->read_bytes;
		if (n++ < FILES_SHOWN)
			put_file(t, f, part);
	}
	if (n == 0) {
		page_section(p, title, "none");
		table_free(t);
		return;
	}
	page_count(&text, n, "file", "files");
	if (part != FILES_DELETED)
		buf_addf(&text, ", %s", text_size(bytes, size));
	page_section(p, title, "%s", text.failed ? "" : text.data);
	page_table(p, t);
	page_more(p, n > FILES_SHOWN ? n - FILES_SHOWN : 0, "");
}

static void put_changes(struct page *p)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);

	for (unsigned i = 1; i < HD_META_MAX; i++)
		if (p->r->changes[i] > 0)
			buf_addf(&text, "%s%llu %s", text.length ? ", " : "", (unsigned long long)p->r->changes[i],
				 name_metadata(i));
	if (text.length > 0)
		page_section(p, "Names and metadata changed", "%s", text.data);
}

static void put_failed_opens(struct page *p)
{
	static const struct table_column columns[] = {
		{ "ERROR" }, { "TIMES", .right = true }, { "FILE", .cut = TABLE_CUT_START },
	};
	const struct keyed *errors = &p->r->open_errors, *k = &p->r->failed_opens;
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	char number[DESCRIBE_NUMBER_MAX];
	size_t shown = 0;

	if (errors->n == 0)
		return;
	for (size_t i = 0; i < errors->n; i++) {
		const struct report_count *c = errors->list[i];

		buf_addf(&text, "%s%s %s", i ? ", " : "", describe_number(c->count, number), c->key);
	}
	page_section(p, "Opens that failed", "%s", text.failed ? "many" : text.data);
	/* A search along a path fails by the hundred and means nothing; a refusal does. */
	struct table *t = table_new(columns, ARRAY_SIZE(columns), COUNTS_SHOWN);
	for (size_t i = 0; t && i < k->n && shown < COUNTS_SHOWN; i++) {
		const struct report_count *c = k->list[i];

		if (strncmp(c->key, "ENOENT ", 7) == 0 || strncmp(c->key, "ENOTDIR ", 8) == 0)
			continue;
		table_row(t);
		table_cellf(t, TERM_YELLOW, "%.*s", (int)strcspn(c->key, " "), c->key);
		table_cell(t, TERM_PLAIN, describe_number(c->count, number));
		table_cell(t, TERM_PLAIN, c->detail ? c->detail : "?");
		shown++;
	}
	if (shown > 0 || !t)
		page_table(p, t);
	else
		table_free(t);
}

void page_files(struct page *p)
{
	size_t n = p->r->files.n;
	void **list = calloc(n + 1, sizeof(*list));

	if (!list) {
		p->out->failed = -ENOMEM;
		return;
	}
	if (n > 0)
		memcpy(list, p->r->files.list, n * sizeof(*list));
	put_part(p, list, FILES_DELETED, "Files deleted");
	qsort(list, n, sizeof(*list), by_written);
	put_part(p, list, FILES_WRITTEN, "Files written");
	qsort(list, n, sizeof(*list), by_read);
	put_part(p, list, FILES_READ, "Files read");
	free(list);
	page_more(p, p->r->files.refused, "that were not kept apart");
	put_changes(p);
	put_failed_opens(p);
}

static void put_counts(struct page *p, const struct keyed *k, const char *title)
{
	static const struct table_column columns[] = { { NULL, .cut = TABLE_CUT_START }, { "" }, { "" } };

	if (k->n == 0)
		return;
	struct table *t = table_new(columns, ARRAY_SIZE(columns), COUNTS_SHOWN);
	page_section(p, title, "%zu", k->n);
	for (size_t i = 0; t && i < MIN(k->n, (size_t)COUNTS_SHOWN); i++) {
		const struct report_count *c = k->list[i];

		table_row(t);
		table_cell(t, TERM_CYAN, c->key);
		table_cell(t, TERM_PLAIN, c->detail ? c->detail : "");
		if (c->failed)
			table_cellf(t, TERM_YELLOW, "%llu of %llu failed", (unsigned long long)c->failed,
				    (unsigned long long)c->count);
	}
	page_table(p, t);
	page_more(p, (k->n > COUNTS_SHOWN ? k->n - COUNTS_SHOWN : 0) + k->refused, "");
}

void page_sockets(struct page *p)
{
	put_counts(p, &p->r->listening, "Listened on");
	put_counts(p, &p->r->local_sockets, "Local sockets");
}

struct ledger_view {
	struct table *table;
	const char *lane;
	bool unbalanced;
};

static void put_ledger_row(void *context, const char *type, const struct line *l)
{
	static const char *const names[] = { "made", "delivered", "folded", "lost" };
	struct ledger_view *v = context;
	char number[DESCRIBE_NUMBER_MAX];
	uint64_t counts[ARRAY_SIZE(names)];

	if (!l)
		return;
	table_row(v->table);
	table_cell(v->table, TERM_PLAIN, type);
	table_cell(v->table, TERM_DIM, v->lane);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		counts[i] = line_uint(l, names[i]);
		table_cell(v->table, i == 3 && counts[i] ? TERM_ALARM : TERM_PLAIN, describe_number(counts[i], number));
	}
	v->unbalanced |= counts[0] != counts[1] + counts[2] + counts[3];
}

static void put_ledger_lane(void *context, const char *lane, const struct line *types)
{
	struct ledger_view *v = context;

	v->lane = lane;
	if (types)
		line_each(types, put_ledger_row, v);
}

void page_ledger(struct page *p)
{
	static const struct table_column columns[] = {
		{ "TYPE" },
		{ "LANE" },
		{ "MADE", .right = true },
		{ "DELIVERED", .right = true },
		{ "FOLDED", .right = true },
		{ "LOST", .right = true },
	};
	_cleanup_(line_free_p) struct line *l = NULL;
	const char *stored = p->r->session.ledger_line;
	const struct line *lanes = NULL;

	if (stored && line_parse(stored, strlen(stored), &l) == 0)
		lanes = line_get(l, "lanes");
	if (!lanes) {
		page_section(p, "Ledger", "not there: it is written when the session ends");
		return;
	}
	struct ledger_view v = { .table = table_new(columns, ARRAY_SIZE(columns), 64) };
	page_section(p, "Ledger", "%s", "");
	if (v.table)
		line_each(lanes, put_ledger_lane, &v);
	page_table(p, v.table);
	if (v.unbalanced)
		buf_addf(p->out, "  %sit does not balance: a defect in Heddle, please report it%s\n",
			 term_on(p->color, TERM_ALARM), term_off(p->color));
}
