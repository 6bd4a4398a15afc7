/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the report for people that are lists: processes, hosts, names, files, sockets, the ledger. */
#include "cli/report-text.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "cli/describe.h"
#include "cli/line.h"
#include "event/names.h"

#define HOSTS_SHOWN 25
#define NAMES_SHOWN 15
#define FILES_SHOWN 10
#define COUNTS_SHOWN 8

void page_strings(struct buf *out, const struct strings *s, size_t most, const char *between)
{
	for (size_t i = 0; i < MIN(s->n, most); i++)
		buf_addf(out, "%s%s", i > 0 ? between : "", s->list[i]);
	if (s->n > most || s->refused)
		buf_addf(out, " +%llu", (unsigned long long)(s->n - MIN(s->n, most) + s->refused));
}

static void cell_strings(struct table *t, const struct strings *s, size_t most, const char *between)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

	page_strings(&text, s, most, between);
	table_cell(t, TERM_PLAIN, text.failed || !text.data ? "" : text.data);
}

static void put_result(struct table *t, const struct report_service *s)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	uint64_t good = s->connects - s->failed;

	if (s->connects == 0)
		buf_addf(&text, "%llu %s", (unsigned long long)s->connections,
			 s->accepted ? "accepted" : "open before");
	else if (good > 0)
		buf_addf(&text, "%llu ok", (unsigned long long)good);
	if (s->failed > 0) {
		buf_addf(&text, "%s%llu ", text.length ? ", " : "", (unsigned long long)s->failed);
		page_strings(&text, &s->errors, 1, " ");
	}
	table_cell(t, s->failed ? TERM_YELLOW : TERM_PLAIN, text.failed || !text.data ? "?" : text.data);
}

static void put_service(struct page *p, struct table *t, const struct report_host *h, const struct report_service *s,
			bool addresses)
{
	char sent[TEXT_SIZE_MAX], received[TEXT_SIZE_MAX];

	table_row(t);
	table_cell(t, TERM_CYAN, s == h->first ? h->key : "");
	if (addresses && s->addresses.n == 1 && strcmp(s->addresses.list[0], h->key) == 0)
		table_cell(t, TERM_PLAIN, "");
	else if (addresses)
		cell_strings(t, &s->addresses, 1, " ");
	if (s->port)
		table_cellf(t, TERM_PLAIN, "%u/%s", s->port, s->protocol);
	else
		table_cell(t, TERM_PLAIN, s->protocol);
	cell_strings(t, &s->programs, 1, " ");
	put_result(t, s);
	/* Only TCP's bytes are counted. */
	if (p->r->traffic && strcmp(s->protocol, "tcp") == 0) {
		table_cell(t, TERM_PLAIN, text_size(s->sent, sent));
		table_cell(t, TERM_PLAIN, text_size(s->received, received));
	}
}

/* Hosts without a name are their address: where all are, a column of addresses says nothing. */
static bool any_named(const struct report *r)
{
	for (size_t i = 0; i < r->hosts.n; i++) {
		const struct report_host *h = r->hosts.list[i];

		if (h->first && h->first->addresses.n > 0 && strcmp(h->first->addresses.list[0], h->key) != 0)
			return true;
	}
	return false;
}

static void put_hosts_title(struct page *p)
{
	char sent[TEXT_SIZE_MAX], received[TEXT_SIZE_MAX];
	const struct report *r = p->r;

	if (r->traffic)
		page_section(p, "Hosts", "%zu, %s sent, %s received", r->hosts.n, text_size(r->sent, sent),
			     text_size(r->received, received));
	else
		page_section(p, "Hosts", "%zu", r->hosts.n);
}

void page_hosts(struct page *p)
{
	static const struct table_column host = { "HOST" }, address = { "ADDRESS", .cut = TABLE_CUT_END },
					 only = { "HOST", .cut = TABLE_CUT_END }, port = { "PORT" }, by = { "BY" },
					 result = { "TRIES" }, sent = { "SENT", .right = true },
					 received = { "RECEIVED", .right = true };
	const struct keyed *k = &p->r->hosts;
	struct table_column columns[7];
	bool named = any_named(p->r);
	size_t n = 0, rows = 0;

	if (k->n == 0) {
		page_section(p, "Hosts", "none: no connection over IP");
		return;
	}
	columns[n++] = named ? host : only;
	if (named)
		columns[n++] = address;
	columns[n++] = port;
	columns[n++] = by;
	columns[n++] = result;
	if (p->r->traffic) {
		columns[n++] = sent;
		columns[n++] = received;
	}
	struct table *t = table_new(columns, n, HOSTS_SHOWN);
	put_hosts_title(p);
	for (size_t i = 0; t && i < k->n; i++) {
		const struct report_host *h = k->list[i];

		for (const struct report_service *s = h->first; s && rows < HOSTS_SHOWN; s = s->next, rows++)
			put_service(p, t, h, s, named);
	}
	page_table(p, t);
	page_more(p, p->r->services.n - rows + p->r->services.refused, "ports of hosts");
	page_more(p, k->refused, "hosts that were not kept");
}

void page_names(struct page *p)
{
	static const struct table_column columns[] = {
		{ "NAME" },
		{ "TYPE" },
		{ "CODE" },
		{ "ANSWERS", .cut = TABLE_CUT_END },
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
	return part == FILES_WRITTEN ? f->write_operations > 0 || f->mappings > 0
	       : part == FILES_READ  ? f->read_operations > 0
				     : f->deleted > 0;
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

/* What every program loads is read most and tells least. */
static bool is_system(const char *path)
{
	static const char *const places[] = { "/usr/", "/lib",	"/bin/",       "/sbin/",      "/proc/",
					      "/sys/", "/dev/", "/etc/ld.so.", "/etc/locale." };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (strncmp(path, places[i], strlen(places[i])) == 0)
			return true;
	return false;
}

/* Told only after the others. */
static bool is_minor(const struct report_file *f, enum file_part part)
{
	return part == FILES_READ ? is_system(f->key) : part == FILES_DELETED && f->made;
}

struct part_sums {
	uint64_t n, minor, bytes, shown, shown_minor;
};

static void put_rows(struct page *p, struct table *t, void **list, enum file_part part, bool minor,
		     struct part_sums *sums)
{
	for (size_t i = 0; i < p->r->files.n; i++) {
		const struct report_file *f = list[i];

		if (!in_part(f, part) || is_minor(f, part) != minor)
			continue;
		sums->n++;
		sums->minor += minor;
		sums->bytes += part == FILES_WRITTEN ? f->write_bytes : f->read_bytes;
		if (sums->shown >= FILES_SHOWN)
			continue;
		sums->shown++;
		sums->shown_minor += minor;
		put_file(t, f, part);
	}
}

static void put_part(struct page *p, void **list, enum file_part part, const char *title)
{
	static const struct table_column columns[] = {
		{ "BYTES", .right = true },
		{ "CALLS", .right = true },
		{ "FILE", .cut = TABLE_CUT_START },
	};
	static const struct table_column bare[] = { { NULL, .cut = TABLE_CUT_START } };
	struct table *t = part == FILES_DELETED ? table_new(bare, 1, FILES_SHOWN)
						: table_new(columns, ARRAY_SIZE(columns), FILES_SHOWN);
	_cleanup_buf_ struct buf text = BUF_INIT(256);
	struct part_sums sums = { 0 };
	char size[TEXT_SIZE_MAX], more[128] = "";

	if (t) {
		put_rows(p, t, list, part, false, &sums);
		put_rows(p, t, list, part, true, &sums);
	}
	if (sums.n == 0) {
		page_section(p, title, "none");
		table_free(t);
		return;
	}
	page_count(&text, sums.n, "file", "files");
	if (part != FILES_DELETED)
		buf_addf(&text, ", %s", text_size(sums.bytes, size));
	else if (sums.minor == sums.n)
		buf_adds(&text, sums.n == 1 ? ", made in the session" : ", all made in the session");
	else if (sums.minor > 0)
		buf_addf(&text, ", %llu of them made in the session", (unsigned long long)sums.minor);
	page_section(p, title, "%s", text.failed ? "" : text.data);
	page_table(p, t);
	if (part == FILES_READ && sums.minor > sums.shown_minor)
		(void)snprintf(more, sizeof(more), "(%llu of the system's: /usr, /lib, /proc and the like)",
			       (unsigned long long)(sums.minor - sums.shown_minor));
	page_more(p, sums.n - sums.shown, more);
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

/* A search along a path fails by the hundred and means nothing; a refusal does. */
static unsigned open_rank(const char *key)
{
	static const char *const refusals[] = { "EACCES ", "EPERM ", "EROFS " }, *const searches[] = { "ENOENT ",
												       "ENOTDIR " };

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		if (strncmp(key, refusals[i], strlen(refusals[i])) == 0)
			return 0;
	for (size_t i = 0; i < ARRAY_SIZE(searches); i++)
		if (strncmp(key, searches[i], strlen(searches[i])) == 0)
			return 2;
	return 1;
}

static int by_open_rank(const void *a, const void *b)
{
	const struct report_count *x = *(void *const *)a, *y = *(void *const *)b;
	unsigned i = open_rank(x->key), j = open_rank(y->key);

	return i != j ? (i > j) - (i < j) : (x->count < y->count) - (x->count > y->count);
}

static void fold_done(void *thing)
{
	free(((struct report_count *)thing)->detail);
}

/* Copies what is no search, with its numbers folded. */
static void fold_opens(const struct keyed *from, struct keyed *to)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct report_count *c = from->list[i];
		_cleanup_buf_ struct buf key = BUF_INIT(1 << 16);

		if (open_rank(c->key) == 2)
			continue;
		report_fold_numbers(&key, (struct bytes){ c->key, strlen(c->key) });
		struct report_count *sum = key.failed ? NULL : keyed_get(to, key.data, key.length);

		if (!sum)
			continue;
		/* One alone keeps its numbers. */
		free(sum->detail);
		sum->detail = sum->count == 0 ? strdup(c->key) : NULL;
		sum->count += c->count;
	}
	keyed_sort(to, by_open_rank);
}

static void put_failed_opens(struct page *p)
{
	static const struct table_column columns[] = {
		{ "ERROR" },
		{ "TIMES", .right = true },
		{ "FILE", .cut = TABLE_CUT_START },
	};
	const struct keyed *errors = &p->r->open_errors;
	struct keyed k = KEYED_INIT(struct report_count, p->r->failed_opens.n + 1, fold_done);
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	char number[DESCRIBE_NUMBER_MAX];

	if (errors->n == 0)
		return;
	for (size_t i = 0; i < errors->n; i++) {
		const struct report_count *c = errors->list[i];

		buf_addf(&text, "%s%s %s", i ? ", " : "", describe_number(c->count, number), c->key);
	}
	page_section(p, "Opens that failed", "%s", text.failed ? "many" : text.data);
	fold_opens(&p->r->failed_opens, &k);
	struct table *t = k.n > 0 ? table_new(columns, ARRAY_SIZE(columns), COUNTS_SHOWN) : NULL;
	for (size_t i = 0; t && i < MIN(k.n, (size_t)COUNTS_SHOWN); i++) {
		const struct report_count *c = k.list[i];

		table_row(t);
		table_cellf(t, TERM_YELLOW, "%.*s", (int)strcspn(c->key, " "), c->key);
		table_cell(t, TERM_PLAIN, describe_number(c->count, number));
		const char *key = c->detail ? c->detail : c->key;

		table_cell(t, TERM_PLAIN, key + strcspn(key, " ") + (strchr(key, ' ') != NULL));
	}
	if (k.n > 0)
		page_table(p, t);
	page_more(p, k.n > COUNTS_SHOWN ? k.n - COUNTS_SHOWN : 0, "");
	keyed_done(&k);
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
		if (c->failed == c->count)
			table_cellf(t, TERM_YELLOW, "%llu failed", (unsigned long long)c->failed);
		else if (c->failed)
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
	uint64_t sums[4];
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
		v->sums[i] += counts[i];
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

static void put_verdict(struct page *p, const struct ledger_view *v, const struct line *l)
{
	char made[DESCRIBE_NUMBER_MAX], lost[DESCRIBE_NUMBER_MAX], odd[DESCRIBE_NUMBER_MAX], tail[96] = "";
	uint64_t malformed = line_uint(l, "malformed");

	if (malformed)
		(void)snprintf(tail, sizeof(tail), "; %s frames not understood", describe_number(malformed, odd));
	if (v->sums[3] > 0)
		page_section(p, "Ledger", "%s of %s made were LOST%s", describe_number(v->sums[3], lost),
			     describe_number(v->sums[0], made), tail);
	else
		page_section(p, "Ledger", "nothing lost: %s made, all delivered or folded into others%s",
			     describe_number(v->sums[0], made), tail);
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
		page_section(p, "Ledger", "%s",
			     p->r->session.state == STORE_RUNNING
				 ? "not there yet: it is written when the session ends"
				 : "not there: the session was cut off, so nobody knows what is missing");
		return;
	}
	struct ledger_view v = { .table = table_new(columns, ARRAY_SIZE(columns), 64) };
	if (v.table)
		line_each(lanes, put_ledger_lane, &v);
	put_verdict(p, &v, l);
	page_table(p, v.table);
	if (v.unbalanced)
		buf_addf(p->out, "  %sit does not balance: a defect in Heddle, please report it%s\n",
			 term_on(p->color, TERM_ALARM), term_off(p->color));
}
