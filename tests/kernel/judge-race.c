/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges the races. A thread that did nothing but tries has as many events as calls that succeeded, and in their order:
 * so the n-th event is held against what the n-th call really did. The lines are too many to keep; of each only what
 * it names stays.
 */
#include "judge-race.h"

#include <stdlib.h>
#include <string.h>

#include "json-read.h"

#define ROWS_MAX 64
#define EMULATED 10 /* a short run there has so much fewer tries */

struct seen {
	int64_t time_ns;
	size_t line; /* of the file, from 1 */
	bool verified;
	char *value;
};

struct row {
	char name[32], key[8], type[32], fields[64];
	long long pid, id;
	unsigned tries, hits, ms;
	char *values[2], *truth;
	struct seen *seen;
	size_t n, room;
};

struct tally {
	const char *name;
	unsigned long tries, hits, failed, verified_right, verified_wrong, doubted_right, doubted_other, missing, extra;
	unsigned long ms;
	size_t first_line; /* of what is verified and wrong */
};

struct rows {
	struct row row[ROWS_MAX];
	size_t n;
	char ledger[4][160]; /* of the types that lost something */
	size_t ledger_n;
	bool ended; /* the ledger was there */
};

static bool emulated(void)
{
	char line[512];
	bool ret = false;
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && !ret && fgets(line, sizeof(line), f))
		ret = strstr(line, "QEMU") || strstr(line, "Nehalem");
	if (f)
		(void)fclose(f);
	return ret;
}

unsigned race_tries(unsigned in_short, unsigned in_long, unsigned in_long_emulated)
{
	return emulated() ? act_tries(in_short / EMULATED, in_long_emulated) : act_tries(in_short, in_long);
}

/* ---- facts ---- */

static void fact(struct rows *rows, const char *family, char *text)
{
	struct row *r = rows->n ? &rows->row[rows->n - 1] : NULL;
	char name[128];
	int status = -1;

	switch (*text) {
	case 'V':
		if (rows->n == ROWS_MAX)
			break;
		r = &rows->row[rows->n];
		if (sscanf(text, "V\t%31[^\t]\t%lld\t%7[^\t]\t%lld\t%31[^\t]\t%63[^\t]\t%u\t%u\t%u", r->name,
			   &r->pid, r->key, &r->id, r->type, r->fields, &r->tries, &r->hits, &r->ms) == 9)
			rows->n++;
		break;
	case 'W':
		if (r && !r->values[1])
			r->values[r->values[0] != NULL] = strdup(text + 2);
		break;
	case 'T':
		if (r && !r->truth)
			r->truth = strdup(text + 1);
		break;
	case 'F':
		tap(false, family, text + 2, NULL);
		break;
	case 'S':
		tap_skip(family, text + 2);
		break;
	case 'D':
		(void)sscanf(text, "D\t%63s\t%*d\t%d", name, &status);
		if (status != 0)
			tap(false, family, "a case did not run to its end", text);
		break;
	}
}

static void facts_read(struct rows *rows, const char *family, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	while (f && (n = getline(&text, &size, f)) > 0) {
		text[n - 1] = '\0';
		fact(rows, family, text);
	}
	free(text);
	if (f)
		(void)fclose(f);
}

/* ---- events ---- */

static void append(char *to, size_t size, const struct json *value)
{
	size_t n = strlen(to);

	if (value && value->kind == JSON_ARRAY) {
		for (const struct json *e = value->child; e; e = e->next) {
			append(to, size, e);
			n = strlen(to);
			if (e->next)
				(void)snprintf(to + n, size - n, "+");
		}
	} else if (value) {
		(void)snprintf(to + n, size - n, "%.*s", (int)value->length, value->text);
	}
}

/* The values of the row's fields, with ':' between them; lists have '+' between theirs. */
static char *named(const struct row *r, const struct json *event)
{
	char text[4096] = "", field[32];
	const char *p = r->fields;

	while (*p) {
		size_t n = strcspn(p, ","), used;

		(void)snprintf(field, sizeof(field), "%.*s", (int)n, p);
		append(text, sizeof(text), json_find(event, field));
		p += n;
		used = strlen(text);
		if (*p++ == ',')
			(void)snprintf(text + used, sizeof(text) - used, ":");
		else
			break;
	}
	return strdup(text);
}

/* A long run goes round all pids: a thread's number alone may be another process's by now. */
static bool is_of(const struct row *r, const struct json *e, const char *type)
{
	return json_int(e, r->key, -1) == r->id && strcmp(type, r->type) == 0 &&
	       (strcmp(r->key, "tid") != 0 || json_int(e, "pid", -1) == r->pid);
}

/* What is missing below is told here, or nowhere. */
static void ledger(struct rows *rows, const struct json *e)
{
	const struct json *lanes = json_get(e, "lanes");

	rows->ended = true;
	for (const struct json *lane = lanes ? lanes->child : NULL; lane; lane = lane->next) {
		for (const struct json *row = lane->child; row; row = row->next) {
			long long lost = json_int(row, "lost", 0);

			if (lost && rows->ledger_n < ARRAY_SIZE(rows->ledger))
				(void)snprintf(rows->ledger[rows->ledger_n++], sizeof(rows->ledger[0]),
					       "%.20s: %lld made, %lld lost", row->name, json_int(row, "made", 0),
					       lost);
		}
	}
}

static void event(struct rows *rows, const struct json *e, size_t line)
{
	const char *type = json_text(e, "type");

	if (strcmp(type, "ledger") == 0)
		ledger(rows, e);

	/* A refused call names what the caller said, is never verified, and may be folded. */
	if (json_int(e, "result", 0) < 0)
		return;
	for (size_t i = 0; i < rows->n; i++) {
		struct row *r = &rows->row[i];

		if (!is_of(r, e, type))
			continue;
		if (r->n == r->room) {
			r->room = r->room ? 2 * r->room : 1024;
			r->seen = reallocarray(r->seen, r->room, sizeof(*r->seen));
			if (!r->seen)
				abort();
		}
		r->seen[r->n++] = (struct seen){ time_parse(json_text(e, "time")), line,
						 json_int(e, "verified", 1) != 0, named(r, e) };
		return;
	}
}

/* A number of the line by its text alone: most lines are the second threads', and reading all takes long in QEMU. */
static long long number_in(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static bool may_count(const struct rows *rows, const char *text)
{
	long long tid = number_in(text, "\"tid\":"), ppid = number_in(text, "\"ppid\":");

	for (size_t i = 0; i < rows->n; i++)
		if (rows->row[i].id == (strcmp(rows->row[i].key, "tid") == 0 ? tid : ppid))
			return true;
	return strstr(text, "\"type\":\"ledger\"") != NULL;
}

static bool events_read(struct rows *rows, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0, line = 0, bad = 0;
	ssize_t n;

	while (f && (n = getline(&text, &size, f)) > 0) {
		struct json *root = NULL;
		const char *why;

		line++;
		if (!may_count(rows, text))
			continue;
		if (json_read(text, (size_t)n - 1, &root, &why) < 0) {
			bad++;
			continue;
		}
		event(rows, root, line);
		json_free(root);
	}
	free(text);
	if (f)
		(void)fclose(f);
	return line && !bad && rows->ended;
}

/* ---- the verdict ---- */

static int by_time(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* `allowed` may be several, with '|' between them. */
static bool is_one_of(const char *value, const char *allowed)
{
	while (allowed && *allowed) {
		size_t n = strcspn(allowed, "|");

		if (strlen(value) == n && strncmp(value, allowed, n) == 0)
			return true;
		allowed += n + (allowed[n] == '|');
	}
	return false;
}

static bool agrees(const struct row *r, const char *truth, const char *value)
{
	if (strcmp(truth, "*") == 0)
		return is_one_of(value, r->values[0]) || is_one_of(value, r->values[1]);
	if (truth[0] == '@')
		return is_one_of(value, r->values[truth[1] == '1']);
	return strcmp(value, truth) == 0;
}

static void count(struct tally *t, const struct seen *s, bool right)
{
	if (s->verified) {
		if (!right && !t->verified_wrong++)
			t->first_line = s->line;
		t->verified_right += right;
	} else if (right) {
		t->doubted_right++;
	} else {
		t->doubted_other++;
	}
}

/* Does the event belong to a later call, so that at most `lost` before it have none? */
static bool is_later(const struct row *r, char *const *truth, size_t n, size_t lost, const char *value)
{
	for (size_t i = 1; i < n && i <= lost; i++)
		if (agrees(r, truth[i], value))
			return true;
	return false;
}

static void row_judge(struct row *r, struct tally *t)
{
	char **truth = calloc(r->tries + 1, sizeof(*truth)), *save = NULL;
	size_t n = 0, k = 0, lost;

	if (!truth)
		abort();
	t->tries += r->tries;
	t->hits += r->hits;
	t->ms = r->ms > t->ms ? r->ms : t->ms;
	qsort(r->seen, r->n, sizeof(*r->seen), by_time);
	for (char *w = r->truth ? strtok_r(r->truth, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save)) {
		if (strcmp(w, "-") == 0)
			t->failed++;
		else if (n < r->tries)
			truth[n++] = w;
	}
	lost = n > r->n ? n - r->n : 0;
	for (size_t i = 0; i < n; i++) {
		bool right = k < r->n && agrees(r, truth[i], r->seen[k].value);

		if (k == r->n || (!right && lost && is_later(r, truth + i, n - i, lost, r->seen[k].value))) {
			t->missing++;
			lost -= lost > 0;
			continue;
		}
		count(t, &r->seen[k++], right);
	}
	t->extra += r->n - k;
	free(truth);
}

static void verdict(const struct act_family *family, const struct tally *t)
{
	char name[128], why[200] = "";

	(void)printf("# | %-17s | %6lu | %6lu | %6lu | %8lu | %6lu | %10lu | %6lu | %7lu | %6.1f |\n", t->name,
		     t->tries, t->hits, t->failed, t->verified_right, t->verified_wrong, t->doubted_right,
		     t->doubted_other, t->missing, (double)t->ms / 1000);
	if (t->missing || t->extra)
		(void)snprintf(why, sizeof(why), "%lu calls without an event, %lu events without a call", t->missing,
			       t->extra);
	else if (t->verified_wrong)
		(void)snprintf(why, sizeof(why), "%lu wrong ones are verified, the first on line %zu",
			       t->verified_wrong, t->first_line);
	else if (t->failed * 2 > t->tries)
		(void)snprintf(why, sizeof(why), "most of the tries failed");
	(void)snprintf(name, sizeof(name), "%s/%s: every call has its event, nothing wrong is verified", family->name,
		       t->name);
	tap(!*why, name, why, NULL);
}

void race_check(const struct act_family *family, const char *facts, const char *json, const char *tier)
{
	static struct rows rows;

	memset(&rows, 0, sizeof(rows));
	facts_read(&rows, family->name, facts);
	tap(events_read(&rows, json) && rows.n > 0, "stress_race: facts and events can be read", "they can't", json);
	(void)printf("# | races, %s tier%s\n", tier ? tier : "best",
		     emulated() ? ", emulated CPU" : "");
	(void)printf("# | %-17s | %6s | %6s | %6s | %8s | %6s | %10s | %6s | %7s | %6s |\n", "", "", "", "",
		     "verified", "", "unverified", "", "", "");
	(void)printf("# | %-17s | %6s | %6s | %6s | %8s | %6s | %10s | %6s | %7s | %6s |\n", "case", "tries", "hits",
		     "failed", "right", "wrong", "right", "other", "missing", "s");
	for (size_t i = 0; i < rows.n;) {
		struct tally t = { .name = rows.row[i].name };

		for (; i < rows.n && strcmp(rows.row[i].name, t.name) == 0; i++)
			row_judge(&rows.row[i], &t);
		verdict(family, &t);
	}
	/* An event that is gone can't be told from the one after it: where the lane overflows nothing is proved. */
	for (size_t i = 0; i < rows.ledger_n; i++)
		(void)printf("# | %s |\n", rows.ledger[i]);
	tap(rows.ledger_n == 0, "stress_race: the lanes had room", rows.ledger[0], NULL);
	for (size_t i = 0; i < rows.n; i++) {
		struct row *r = &rows.row[i];

		for (size_t k = 0; k < r->n; k++)
			free(r->seen[k].value);
		free(r->seen);
		free(r->truth);
		free(r->values[0]);
		free(r->values[1]);
	}
}
