/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of processes for people: who started what, what each became, and what could not be started. */
#include "cli/report-text.h"

#include <string.h>

#include "cli/describe.h"

#define FAILED_SHOWN 8
#define DEPTH_SHOWN 10

/* Below these the system's own programs are: a bare name is enough. */
static const char *const system_places[] = {
	"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/", "/usr/libexec/"
};

static bool is_system(const char *exe)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_places); i++)
		if (strncmp(exe, system_places[i], strlen(system_places[i])) == 0)
			return true;
	return false;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return m <= n && memcmp(text + n - m, end, m) == 0;
}

/* A shell goes by many names; else a program's name is part of its file's: gcc, x86_64-linux-gnu-gcc-12. */
static bool goes_by(const char *exe, const char *name)
{
	const char *base = base_of(exe);

	return *name && (strstr(base, name) || (strcmp(name, "sh") == 0 && ends_with(base, "sh")));
}

/*
 * The command, begun with what runs rather than with what it calls itself: argv[0] stands only where it is the file's
 * own name.
 */
static void put_command(struct buf *out, const struct report_image *image)
{
	char called[256];
	const char *exe = image->exe, *rest = image->command + image->called;

	(void)snprintf(called, sizeof(called), "%.*s", (int)MIN(image->called, sizeof(called) - 1), image->command);
	/* A login shell's. */
	const char *name = called[0] == '-' ? called + 1 : called;
	const char *relative = strncmp(called, "./", 2) == 0 ? called + 1 : called;

	if (!exe || image->called == 0) {
		buf_adds(out, image->command);
		return;
	}
	if (is_system(exe) && goes_by(exe, base_of(name)))
		buf_adds(out, base_of(name));
	else if (!is_system(exe) && strchr(called, '/') && ends_with(exe, relative))
		buf_adds(out, called);
	else if (strcmp(base_of(exe), base_of(name)) == 0)
		buf_adds(out, exe);
	else
		buf_addf(out, "%s (as %s)", is_system(exe) ? base_of(exe) : exe, called);
	buf_adds(out, rest);
}

/* `env node x` and then `node x`: the first said it all. */
static bool is_told(const struct report_image *before, const struct report_image *now)
{
	const char *end =
	    before->command + strlen(before->command) - MIN(strlen(before->command), strlen(now->command));

	return strcmp(end, now->command) == 0 && (end == before->command || end[-1] == ' ');
}

static bool is_env(const struct report_image *image)
{
	return image->exe && strcmp(base_of(image->exe), "env") == 0;
}

/* The next image from i on that is worth a line, or images_n. */
static unsigned next_image(const struct report_process *p, unsigned i)
{
	for (; i < p->images_n; i++) {
		/* env is only the way to what it runs. */
		if (is_env(&p->images[i]) && i + 1 < p->images_n && is_told(&p->images[i], &p->images[i + 1]))
			continue;
		if (i == 0 || is_env(&p->images[i - 1]) || !is_told(&p->images[i - 1], &p->images[i]))
			return i;
	}
	return i;
}

static void put_branches(struct buf *out, const struct report_process *p, unsigned depth, bool again)
{
	const struct report_process *chain[DEPTH_SHOWN];
	unsigned n = 0;

	for (const struct report_process *q = p->parent; q && q->parent && n < DEPTH_SHOWN; q = q->parent)
		chain[n++] = q;
	if (depth > DEPTH_SHOWN + 1)
		buf_addf(out, "[%u] ", depth);
	while (n > 0)
		buf_adds(out, chain[--n]->more ? "│  " : "   ");
	if (p->parent)
		buf_adds(out, again ? p->more ? "│  " : "   " : p->more ? "├─ " : "└─ ");
}

/* What the process became by a later exec. */
static void put_again(struct table *t, struct page *page, const struct report_process *p, unsigned i, unsigned depth)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
	char offset[32];

	put_branches(&text, p, depth, true);
	buf_adds(&text, p->first_child ? "│  then " : "   then ");
	put_command(&text, &p->images[i]);
	table_row(t);
	table_cell(t, TERM_DIM, page_offset(page, p->images[i].time_ns, offset));
	table_cell(t, TERM_PLAIN, "");
	table_cell(t, TERM_PLAIN, "");
	table_cell(t, TERM_PLAIN, text.failed || !text.data ? "?" : text.data);
}

static void put_process(struct table *t, struct page *page, const struct report_process *p, unsigned depth)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
	char offset[32], lasted[DESCRIBE_DURATION_MAX];
	unsigned first = next_image(p, 0);

	put_branches(&text, p, depth, false);
	/* Before the command, which may be cut. */
	if (p->times + p->akin > 1)
		buf_addf(&text, "%u× ", p->times + p->akin);
	if (p->akin)
		buf_addf(&text, "%s with other arguments", p->images[p->images_n - 1].exe);
	else if (first < p->images_n)
		put_command(&text, &p->images[first]);
	else
		buf_addf(&text, "(%s, %s)", p->comm ? p->comm : "?", p->before ? "ran before" : "forked");
	if (p->oom_killed)
		buf_adds(&text, " out of memory");
	table_row(t);
	table_cell(t, TERM_DIM, p->before ? "before" : page_offset(page, p->start_ns, offset));
	table_cell(t, TERM_DIM, p->end_ns ? describe_duration(p->end_ns - p->start_ns, lasted) : "");
	if (p->signal)
		table_cell(t, TERM_RED, strncmp(p->signal, "SIG", 3) == 0 ? p->signal + 3 : p->signal);
	else if (p->end_ns)
		table_cellf(t, p->exit_code ? TERM_YELLOW : TERM_PLAIN, "%lld", (long long)p->exit_code);
	else
		table_cell(t, TERM_GREEN, "-");
	table_cell(t, p->oom_killed ? TERM_RED : TERM_PLAIN, text.failed || !text.data ? "?" : text.data);
}

/* A process with its later images. Returns the lines that took. */
static size_t put_images(struct table *t, struct page *page, const struct report_process *p, unsigned depth,
			 size_t room)
{
	size_t lines = 1;

	put_process(t, page, p, depth);
	for (unsigned i = next_image(p, next_image(p, 0) + 1); i < p->images_n && lines < room;
	     i = next_image(p, i + 1)) {
		put_again(t, page, p, i, depth);
		lines++;
	}
	return lines;
}

/* The next that no earlier one stands for, parents first. */
static struct report_process *next_told(const struct report *r, struct report_process *p, unsigned *depth)
{
	struct report_process *next = p ? p->first_child : r->first_root;

	*depth += p && next ? 1 : 0;
	if (p && !next)
		next = p->next;
	for (;;) {
		while (next && next->times == 0) {
			p = next;
			next = next->next;
		}
		if (next)
			return next;
		/* The end of these siblings: on with those of the parent. */
		p = p ? p->parent : NULL;
		if (!p)
			return NULL;
		(*depth)--;
		next = p->next;
	}
}

static void put_failed_execs(struct page *p)
{
	const struct keyed *k = &p->r->failed_execs;
	char number[DESCRIBE_NUMBER_MAX], times[64] = "";
	uint64_t n = 0;

	for (size_t i = 0; i < k->n; i++) {
		const struct report_count *c = k->list[i];
		char text[1024];

		if (report_path_search(p->r, c) || n++ >= FAILED_SHOWN)
			continue;
		(void)snprintf(times, sizeof(times), ", %s times", describe_number(c->count, number));
		/* The key is the error, a space and the path. */
		(void)snprintf(text, sizeof(text), "%.*s: could not start %.900s%s", (int)strcspn(c->key, " "), c->key,
			       c->detail ? c->detail : "?", c->count > 1 ? times : "");
		buf_adds(p->out, "  ");
		page_wrap(p, TERM_YELLOW, text, 2, 4);
	}
	page_more(p, n > FAILED_SHOWN ? n - FAILED_SHOWN : 0, "that could not be started");
}

void page_processes(struct page *p)
{
	static const struct table_column columns[] = {
		{ "START", .right = true },
		{ "LASTED", .right = true },
		{ "EXIT", .right = true },
		{ "COMMAND", .cut = TABLE_CUT_END },
	};
	const struct report *r = p->r;
	char number[DESCRIBE_NUMBER_MAX];
	size_t lines = 0, hidden = 0;
	unsigned depth = 0;

	if (r->processes.n == 0) {
		page_section(p, "Processes", "none seen");
		return;
	}
	struct table *t = table_new(columns, ARRAY_SIZE(columns), REPORT_TREE_LINES + 1);
	page_section(p, "Processes", "%s", describe_number(r->processes.n, number));
	for (struct report_process *q = next_told(r, NULL, &depth); t && q; q = next_told(r, q, &depth)) {
		if (lines < REPORT_TREE_LINES)
			lines += put_images(t, p, q, depth, REPORT_TREE_LINES - lines);
		else
			hidden++;
	}
	page_table(p, t);
	page_more(p, hidden, "lines; --format json lists every process");
	page_more(p, r->processes.refused, "that were not kept");
	put_failed_execs(p);
}
