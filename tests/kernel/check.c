/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's reasoning: one expectation of the workload against the lines of a run. */
#include "kernel-test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "json-read.h"

#define FIELDS_MAX 96
#define VALUE_BYTES 20000
#define STRANGERS_MAX 64

enum op { OP_EQUAL, OP_DIFFERENT, OP_HAS, OP_HAS_NOT, OP_STARTS, OP_AT_LEAST, OP_SUM, OP_PRESENT, OP_ABSENT };

struct field {
	char *key, *value;
	enum op op;
	bool select;
};

struct wanted {
	char what[256];
	char type[32];
	int count;
	bool by_path; /* %path */
	bool late;    /* %late */
	char way[32]; /* %way */
	struct field field[FIELDS_MAX];
	size_t n;
};

/* State of one family's judgement. */
struct judgement {
	const char *family, *tier;
	char where[128]; /* "family/case" */
	const struct lines *lines;
	long long strangers[STRANGERS_MAX];
	size_t strangers_n;
	long long root;
	int64_t begin_ns; /* of the running case */
	struct {
		long long tid;
		int64_t time_ns;
		char what[64];
	} last; /* the last event that was matched: they come in the order of the calls */
	char order_why[256];
	size_t ended, begun;
};

static bool field_parse(char *text, struct field *ret)
{
	static const struct {
		const char *mark;
		enum op op;
	} ops[] = {
		{ "!=", OP_DIFFERENT }, { "!~", OP_HAS_NOT }, { ">=", OP_AT_LEAST }, { ":=", OP_SUM },
		{ "=", OP_EQUAL },	{ "~", OP_HAS },      { "^", OP_STARTS },
	};
	size_t n;

	ret->select = *text == '@';
	text += ret->select;
	if (*text == '+' || *text == '-') {
		ret->op = *text == '+' ? OP_PRESENT : OP_ABSENT;
		ret->key = text + 1;
		ret->value = text + strlen(text);
		return true;
	}
	n = strcspn(text, "!>:=~^");
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strncmp(text + n, ops[i].mark, strlen(ops[i].mark)) != 0)
			continue;
		ret->op = ops[i].op;
		ret->value = text + n + strlen(ops[i].mark);
		text[n] = '\0';
		ret->key = text;
		return true;
	}
	return false;
}

/* A later field replaces an earlier one of those that `expect` fills in by itself. */
static void wanted_add(struct wanted *w, struct field f)
{
	static const char *const defaults[] = { "pid", "tid", "ppid", "uid", "gid", "comm", "exe", "verified" };

	for (size_t d = 0; d < ARRAY_SIZE(defaults); d++) {
		if (strcmp(defaults[d], f.key) != 0)
			continue;
		for (size_t i = 0; i < w->n; i++) {
			if (strcmp(w->field[i].key, f.key) != 0)
				continue;
			w->field[i] = w->field[--w->n];
			break;
		}
	}
	if (f.op == OP_EQUAL && strcmp(f.value, "*") == 0)
		return;
	if (w->n < FIELDS_MAX)
		w->field[w->n++] = f;
}

/* "what \t count \t fields" after the line's letter. */
static bool wanted_parse(char *text, struct wanted *ret)
{
	char *count, *fields, *save = NULL;

	memset(ret, 0, sizeof(*ret));
	count = strchr(text, '\t');
	fields = count ? strchr(count + 1, '\t') : NULL;
	if (!fields)
		return false;
	*count++ = *fields++ = '\0';
	(void)snprintf(ret->what, sizeof(ret->what), "%s", text);
	ret->count = (int)strtol(count, NULL, 10);
	for (char *f = strtok_r(fields, "|", &save); f; f = strtok_r(NULL, "|", &save)) {
		struct field one;

		if (*f == '%') {
			ret->by_path |= strcmp(f, "%path") == 0;
			ret->late |= strcmp(f, "%late") == 0;
			if (strncmp(f, "%way=", 5) == 0)
				(void)snprintf(ret->way, sizeof(ret->way), "%s", f + 5);
			continue;
		}
		if (!field_parse(f, &one))
			return false;
		if (strcmp(one.key, "type") == 0 && one.op == OP_EQUAL)
			(void)snprintf(ret->type, sizeof(ret->type), "%s", one.value);
		else
			wanted_add(ret, one);
	}
	return *ret->type != '\0';
}

static size_t unhex(const char *text, char *ret, size_t size)
{
	size_t n = 0;

	for (; text[0] && text[1] && n + 1 < size; text += 2) {
		char two[3] = { text[0], text[1], 0 };

		ret[n++] = (char)strtoul(two, NULL, 16);
	}
	ret[n] = '\0';
	return n;
}

static bool list_has(const struct json *event, const char *key, const struct json *list, const char *want, size_t n)
{
	static char have[VALUE_BYTES];

	for (const struct json *e = list->child; e; e = e->next)
		if (e->text && field_bytes(event, key, e, have, sizeof(have)) == n && memcmp(have, want, n) == 0)
			return true;
	return false;
}

/* The comma-separated words and the list hold the same things, in any order. */
static bool list_equals(const struct json *event, const char *key, const struct json *list, const char *want)
{
	size_t n = 0;

	while (*want) {
		size_t length = strcspn(want, ",");

		if (!list_has(event, key, list, want, length))
			return false;
		n++;
		want += length + (want[length] == ',');
	}
	return list->length == n;
}

static bool compare_list(const struct json *event, const struct field *f, const struct json *v)
{
	switch (f->op) {
	case OP_EQUAL:
		return list_equals(event, f->key, v, f->value);
	case OP_DIFFERENT:
		return !list_equals(event, f->key, v, f->value);
	case OP_HAS:
		return list_has(event, f->key, v, f->value, strlen(f->value));
	case OP_HAS_NOT:
		return !list_has(event, f->key, v, f->value, strlen(f->value));
	case OP_AT_LEAST:
		return (long long)v->length >= strtoll(f->value, NULL, 10);
	default:
		return false;
	}
}

static bool field_holds(const struct json *event, const struct field *f)
{
	static char have[VALUE_BYTES], want[VALUE_BYTES];
	const struct json *v = json_find(event, f->key);
	size_t n, m;

	if (f->op == OP_PRESENT || f->op == OP_ABSENT)
		return (v != NULL) == (f->op == OP_PRESENT);
	if (!v)
		return f->op == OP_DIFFERENT || f->op == OP_HAS_NOT;
	if (v->kind == JSON_ARRAY)
		return compare_list(event, f, v);
	if (v->kind == JSON_OBJECT)
		return false;
	n = field_bytes(event, f->key, v, have, sizeof(have));
	if (strncmp(f->value, "hex:", 4) == 0) {
		m = unhex(f->value + 4, want, sizeof(want));
	} else {
		m = strlen(f->value);
		(void)snprintf(want, sizeof(want), "%s", f->value);
	}
	switch (f->op) {
	case OP_EQUAL:
		return n == m && memcmp(have, want, n) == 0;
	case OP_DIFFERENT:
		return n != m || memcmp(have, want, n) != 0;
	case OP_HAS:
		return memmem(have, n, want, m) != NULL;
	case OP_HAS_NOT:
		return memmem(have, n, want, m) == NULL;
	case OP_STARTS:
		return n >= m && memcmp(have, want, m) == 0;
	case OP_AT_LEAST:
		return v->kind == JSON_INTEGER && v->integer >= strtoll(f->value, NULL, 10);
	case OP_SUM:
		return v->kind == JSON_INTEGER;
	default:
		return false;
	}
}

static void value_text(const struct json *v, char *ret, size_t size)
{
	size_t n = 0;

	if (!v) {
		(void)snprintf(ret, size, "absent");
	} else if (v->kind == JSON_ARRAY) {
		n = (size_t)snprintf(ret, size, "[");
		for (const struct json *e = v->child; e && n < size; e = e->next)
			n += (size_t)snprintf(ret + n, size - n, "%s%s", e->text ? e->text : "{}", e->next ? "," : "");
		if (n < size)
			(void)snprintf(ret + n, size - n, "]");
	} else {
		(void)snprintf(ret, size, "'%s'", v->text ? v->text : "{}");
	}
}

/* Why the field does not hold, appended to `why`. */
static void field_complain(const struct json *event, const struct field *f, char *why, size_t size)
{
	static const char *const words[] = {
		[OP_EQUAL] = "wanted",
		[OP_DIFFERENT] = "wanted anything but",
		[OP_HAS] = "wanted to hold",
		[OP_HAS_NOT] = "wanted not to hold",
		[OP_STARTS] = "wanted to start with",
		[OP_AT_LEAST] = "wanted at least",
		[OP_SUM] = "wanted in sum",
		[OP_PRESENT] = "wanted present",
		[OP_ABSENT] = "wanted absent",
	};
	char have[160];
	size_t n = strlen(why);

	value_text(json_find(event, f->key), have, sizeof(have));
	(void)snprintf(why + n, size - n, "%s%s is %s, %s %.120s", n ? "; " : "", f->key, have, words[f->op], f->value);
}

static bool is_candidate(const struct wanted *w, const struct line *l)
{
	if (!l->event || strcmp(l->type, w->type) != 0)
		return false;
	for (size_t i = 0; i < w->n; i++)
		if ((w->field[i].select || w->count == 0) && !field_holds(l->json, &w->field[i]))
			return false;
	return true;
}

/* When nothing meets the selection: say by what, and show what comes nearest. */
static void no_candidate(const struct wanted *w, const struct lines *lines, char *why, size_t size, const char **near)
{
	size_t n = (size_t)snprintf(why, size, "no %s with", w->type), best = 0;

	for (size_t i = 0; i < w->n && n < size; i++)
		if (w->field[i].select)
			n += (size_t)snprintf(why + n, size - n, " %s=%.150s", w->field[i].key, w->field[i].value);
	for (size_t k = 0; k < lines->n; k++) {
		size_t score = 1;

		if (strcmp(lines->line[k].type, w->type) != 0)
			continue;
		for (size_t i = 0; i < w->n; i++)
			score += (w->field[i].select ? 4 : 1) * field_holds(lines->line[k].json, &w->field[i]);
		if (score > best) {
			best = score;
			*near = lines->line[k].text;
		}
	}
}

static bool may_be_unverified(const struct judgement *j, const struct wanted *w, const struct field *f)
{
	/* Of escapes, and of datagrams to a path, the contract does not say that a tier must verify them. */
	return w->by_path && strcmp(f->key, "verified") == 0 &&
	       (strcmp(j->tier, "tracepoint") == 0 || strcmp(w->type, "sandbox_escape") == 0 ||
		strcmp(w->type, "network_connect") == 0);
}

/* Events of one thread come in the order of its calls; folds come when they are flushed. */
static void check_order(struct judgement *j, const struct wanted *w, const struct line *l)
{
	if (w->late || strcmp(w->type, "file_read") == 0 || strcmp(w->type, "file_write") == 0)
		return;
	if (l->tid == j->last.tid && l->time_ns < j->last.time_ns && !*j->order_why)
		(void)snprintf(j->order_why, sizeof(j->order_why),
			       "'%.60s' is stamped before '%.60s', which came first", w->what, j->last.what);
	j->last.tid = l->tid;
	j->last.time_ns = l->time_ns;
	(void)snprintf(j->last.what, sizeof(j->last.what), "%.63s", w->what);
}

static bool check_fields(struct judgement *j, const struct wanted *w, const struct line *l, char *why, size_t size,
			 bool *unverified)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->field[i].select || field_holds(l->json, &w->field[i]))
			continue;
		if (may_be_unverified(j, w, &w->field[i]))
			*unverified = true;
		else
			field_complain(l->json, &w->field[i], why, size);
	}
	return !*why;
}

/* Folds of one file add up, however they were cut. */
static void check_sums(const struct judgement *j, const struct wanted *w, char *why, size_t size)
{
	for (size_t i = 0; i < w->n; i++) {
		long long sum = 0;

		if (w->field[i].op != OP_SUM)
			continue;
		for (size_t k = 0; k < j->lines->n; k++)
			if (is_candidate(w, &j->lines->line[k]))
				sum += json_int(j->lines->line[k].json, w->field[i].key, 0);
		if (sum != strtoll(w->field[i].value, NULL, 10)) {
			(void)snprintf(why, size, "%s is %lld in all, wanted %s", w->field[i].key, sum,
				       w->field[i].value);
			return;
		}
	}
}

static void judge_one(struct judgement *j, const struct wanted *w)
{
	char name[512], why[1024] = "";
	const char *evidence = NULL;
	bool unverified = false;
	int found = 0;

	for (size_t k = 0; k < j->lines->n; k++) {
		const struct line *l = &j->lines->line[k];

		if (!is_candidate(w, l))
			continue;
		found++;
		if (w->count == 0) {
			evidence = l->text;
			(void)snprintf(why, sizeof(why), "a %s where there must be none", w->type);
		} else if (!*why) {
			if (!check_fields(j, w, l, why, sizeof(why), &unverified))
				evidence = l->text;
			check_order(j, w, l);
			if (l->time_ns + 1000000000LL < j->begin_ns)
				(void)snprintf(why, sizeof(why), "the event is older than the case");
		}
	}
	if (w->count != 0 && !found)
		no_candidate(w, j->lines, why, sizeof(why), &evidence);
	else if (w->count > 0 && found != w->count)
		(void)snprintf(why, sizeof(why), "%d such events, wanted %d", found, w->count);
	if (!*why && w->count != 0)
		check_sums(j, w, why, sizeof(why));
	(void)snprintf(name, sizeof(name), "%s: %s [%s]%s", j->where, w->what, w->type,
		       unverified ? " (unverified in this tier)" : "");
	tap(!*why, name, why, evidence);
	for (size_t k = 0; !*why && w->count != 0 && k < j->lines->n; k++)
		if (is_candidate(w, &j->lines->line[k]))
			covers(&j->lines->line[k], w->way);
}

static void end_case(struct judgement *j, const char *text)
{
	char name[256], why[64] = "", case_name[64] = "";
	long long at = 0;
	int status = -1;

	(void)sscanf(text, "%63s\t%lld\t%d", case_name, &at, &status);
	j->ended++;
	if (WIFSIGNALED(status))
		(void)snprintf(why, sizeof(why), "the case died by signal %d", WTERMSIG(status));
	else if (status != 0)
		(void)snprintf(why, sizeof(why), "the case ended with %d", WEXITSTATUS(status));
	(void)snprintf(name, sizeof(name), "%s: ran to its end", j->where);
	tap(status == 0, name, why, NULL);
	(void)snprintf(name, sizeof(name), "%s: events in the order of the calls", j->where);
	tap(!*j->order_why, name, j->order_why, NULL);
}

static void fact(struct judgement *j, char *text)
{
	static struct wanted w;
	char name[512], *tab;

	switch (*text) {
	case 'R':
		j->root = strtoll(text + 2, NULL, 10);
		break;
	case 'G':
		break;
	case 'J':
		if (j->strangers_n < STRANGERS_MAX)
			j->strangers[j->strangers_n++] = strtoll(text + 2, NULL, 10);
		break;
	case 'B':
		tab = strchr(text + 2, '\t');
		j->begin_ns = tab ? strtoll(tab + 1, NULL, 10) : 0;
		(void)snprintf(j->where, sizeof(j->where), "%s/%.*s", j->family, tab ? (int)(tab - text - 2) : 0,
			       text + 2);
		j->order_why[0] = '\0';
		j->last.tid = 0;
		j->begun++;
		break;
	case 'D':
		end_case(j, text + 2);
		break;
	case 'F':
		(void)snprintf(name, sizeof(name), "%s: provocation", j->where);
		tap(false, name, text + 2, NULL);
		break;
	case 'S':
		tab = strchr(text + 2, '\t');
		if (tab)
			*tab++ = '\0';
		(void)snprintf(name, sizeof(name), "%s: %s", j->where, text + 2);
		tap_skip(name, tab ? tab : "no reason given");
		break;
	case 'E':
		if (wanted_parse(text + 2, &w)) {
			judge_one(j, &w);
			break;
		}
		/* fall through */
	default:
		tap(false, j->family, "a fact that can't be read", text);
	}
}

/* Tier as the session line has it, where the caller did not ask for one. */
static const char *tier_of(const struct lines *lines, const char *asked)
{
	static const char *const names[] = { "lsm", "tracepoint" };

	if (asked)
		return asked;
	for (size_t i = 0; lines->n && i < ARRAY_SIZE(names); i++) {
		const struct json *t = json_get(lines->line[0].json, "tier");

		if (!t)
			t = json_get(lines->line[0].json, "tiers");
		if (t && t->text && strcmp(t->text, names[i]) == 0)
			return names[i];
		for (const struct json *e = t ? t->child : NULL; e; e = e->next)
			if (e->text && strcmp(e->text, names[i]) == 0)
				return names[i];
	}
	return "unknown";
}

void judge_check(const char *family, const char *facts, const char *json, const char *tier, bool lossy)
{
	struct lines lines = { 0 };
	struct judgement j = { .family = family, .lines = &lines };
	FILE *f = fopen(facts, "re");
	char *text = NULL, name[128];
	size_t size = 0;
	ssize_t n;

	(void)snprintf(j.where, sizeof(j.where), "%s", family);
	if (!f) {
		tap(false, family, "no facts from the workload", facts);
		return;
	}
	if (lines_read(json, &lines, family) == 0) {
		j.tier = tier_of(&lines, tier);
		covers_tier(j.tier);
		while ((n = getline(&text, &size, f)) > 0) {
			if (text[n - 1] == '\n')
				text[n - 1] = '\0';
			fact(&j, text);
		}
		(void)snprintf(name, sizeof(name), "%s: all its cases ran", family);
		tap(j.begun > 0 && j.ended == j.begun, name, "the workload ended early", NULL);
		judge_common(family, &lines, j.strangers, j.strangers_n, j.root, lossy);
		lines_free(&lines);
	}
	free(text);
	(void)fclose(f);
}
