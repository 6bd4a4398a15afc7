/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report's escapes, privilege changes and memory made executable. An agent can make many of a kind, to hide one of
 * another: escapes are one entry for each category, rule, program, call and target with its numbers folded, each
 * category has a cap of its own, and the worst are first.
 */
#include "cli/report-model.h"

#include <string.h>

#include "cli/describe.h"
#include "event/names.h"

#define KINDS_MAX 200 /* of a category; past it, a rule's others are one */

void report_incident_done(void *thing)
{
	struct report_incident *i = thing;

	free(i->line);
	free(i->text);
	free(i->comm);
	free(i->category);
	free(i->call);
	free(i->target);
	strings_done(&i->errors);
}

static void note_incident(struct report_incident *i, const struct line *l, struct bytes raw, int64_t time_ns)
{
	struct bytes error = line_text(l, "error");

	/* What succeeded tells more than what was refused before it. */
	if (i->count == 0 || (!bytes_set(error) && i->failed == i->count)) {
		char *copy = strndup(raw.data, raw.length);

		if (copy) {
			free(i->line);
			i->line = copy;
		}
		report_set_text(&i->comm, line_text(l, "comm"));
		i->pid = (uint32_t)line_uint(l, "pid");
	}
	if (i->count == 0)
		i->first_ns = time_ns;
	i->count += report_times(l);
	i->last_ns = MAX(i->last_ns, time_ns);
	if (bytes_set(error)) {
		i->failed += report_times(l);
		strings_add(&i->errors, error.data);
	}
}

static void put_key(struct buf *key, struct bytes text)
{
	if (bytes_set(text))
		buf_add(key, text.data, MIN(text.length, (size_t)REPORT_TEXT_MAX));
	buf_addc(key, '\n');
}

/* Regions of any size are alike: a just-in-time compiler makes hundreds. */
static void put_memory_key(struct buf *key, const struct line *l)
{
	char *protection = line_encode(l, "protection");

	put_key(key, line_text(l, "operation"));
	put_key(key, line_text(l, "backing"));
	put_key(key, line_text(l, "reason"));
	if (protection)
		buf_adds(key, protection);
	free(protection);
}

void report_take_incident(struct report *r, struct keyed *k, const struct line *l, struct bytes raw, int64_t time_ns)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 20), key = BUF_INIT(2 << 20);
	struct bytes exe = line_text(l, "exe");

	describe_deed(l, &text);
	put_key(&key, exe);
	put_key(&key, line_text(l, "error"));
	if (k == &r->memory)
		put_memory_key(&key, l);
	else
		buf_add(&key, text.data, text.length);
	struct report_incident *i = key.failed || text.failed ? NULL : keyed_get(k, key.data, key.length);
	if (!i)
		return;
	if (i->count == 0)
		i->text = TAKE_PTR(text.data);
	else if (i->text && text.data)
		i->varied |= strcmp(i->text, text.data) != 0;
	note_incident(i, l, raw, time_ns);
}

static unsigned rank_of(struct bytes name)
{
	for (unsigned i = 1; bytes_set(name) && i < HD_ESC_MAX; i++)
		if (strcmp(name_escape_category(i), name.data) == 0)
			return i;
	return HD_ESC_MAX;
}

static bool ends_number(const struct bytes text, size_t at)
{
	return at == text.length || strchr("/], :", text.data[at]);
}

/* Such numbers stand for a process, a thread or a descriptor: they differ between things that are alike. */
void report_fold_numbers(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.length;) {
		size_t digits = 0;

		while (i + digits < text.length && text.data[i + digits] >= '0' && text.data[i + digits] <= '9')
			digits++;
		bool number = digits > 0 && i > 0 && strchr("/[ ", text.data[i - 1]) && ends_number(text, i + digits);
		if (number)
			buf_addc(out, 'N');
		else
			buf_add(out, text.data + i, MAX(digits, (size_t)1));
		i += MAX(digits, (size_t)1);
	}
}

static struct report_incident *escape_kind(struct report *r, const struct line *l, unsigned rank, bool *ret_over)
{
	_cleanup_buf_ struct buf key = BUF_INIT(64 * REPORT_TEXT_MAX);
	struct bytes target = line_text(l, "target");

	put_key(&key, line_text(l, "category"));
	put_key(&key, line_text(l, "rule"));
	size_t rule = key.length; /* of the key: the part that every kind of a rule has */
	put_key(&key, line_text(l, "comm"));
	put_key(&key, line_text(l, "syscall"));
	report_fold_numbers(&key, (struct bytes){ target.data, MIN(target.length, (size_t)REPORT_TEXT_MAX) });
	if (key.failed)
		return NULL;
	struct report_incident *i = keyed_find(&r->escapes, key.data, key.length);
	if (i)
		return i;
	if (r->escape_kinds[rank] < KINDS_MAX) {
		i = keyed_get(&r->escapes, key.data, key.length);
		r->escape_kinds[rank] += i != NULL;
		return i;
	}
	*ret_over = true;
	r->escapes_over++;
	return keyed_get(&r->escapes, key.data, rule);
}

/* One entry stands for several targets: told with what differs folded. */
static void merge_target(struct report_incident *i, struct bytes target)
{
	_cleanup_buf_ struct buf folded = BUF_INIT(2 * REPORT_TEXT_MAX);

	if (!i->target || !bytes_set(target) || strcmp(i->target, target.data) == 0)
		return;
	report_fold_numbers(&folded, (struct bytes){ target.data, MIN(target.length, (size_t)REPORT_TEXT_MAX) });
	if (!folded.failed && folded.length > 0)
		report_set_text(&i->target, (struct bytes){ folded.data, folded.length });
}

void report_take_escape(struct report *r, const struct line *l, struct bytes raw, int64_t time_ns)
{
	unsigned rank = rank_of(line_text(l, "category"));
	bool over = false;
	struct report_incident *i = escape_kind(r, l, rank, &over);

	if (!i)
		return;
	bool first = i->count == 0, better = first || (i->failed == i->count && !bytes_set(line_text(l, "error")));
	note_incident(i, l, raw, time_ns);
	if (first) {
		i->rank = rank;
		report_set_text(&i->category, line_text(l, "category"));
	}
	if (over)
		return;
	if (first)
		report_set_text(&i->target, line_text(l, "target"));
	else
		merge_target(i, line_text(l, "target"));
	i->varied |= i->text && bytes_set(line_text(l, "detail")) && strcmp(i->text, line_text(l, "detail").data) != 0;
	if (better) {
		report_set_text(&i->call, line_text(l, bytes_set(line_text(l, "syscall")) ? "syscall" : "category"));
		report_set_text(&i->text, line_text(l, "detail"));
	}
}

void report_incident_words(const struct report_incident *i, struct buf *out)
{
	if (i->category && !i->call) {
		buf_adds(out, "others of this kind, too many to tell apart");
		return;
	}
	if (i->call)
		buf_adds(out, i->call);
	if (i->target)
		buf_addf(out, "%s%s", i->call ? " " : "", i->target);
	if (i->text)
		buf_addf(out, "%s%s%s", i->call ? ", " : "", i->text, i->varied ? " and others" : "");
}

static int by_danger(const void *a, const void *b)
{
	const struct report_incident *x = *(void *const *)a, *y = *(void *const *)b;
	bool x_refused = x->failed == x->count, y_refused = y->failed == y->count;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x_refused != y_refused)
		return x_refused ? 1 : -1;
	return (x->first_ns > y->first_ns) - (x->first_ns < y->first_ns);
}

void report_finish_escapes(struct report *r)
{
	keyed_sort(&r->escapes, by_danger);
}
