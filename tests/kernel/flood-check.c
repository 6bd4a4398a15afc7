/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of floods: reads a session line by line, and holds its ledger against the lines and against what the acts
 * say they made. What they tell: "made TYPE N" (at least so many operations, and few more), "took NS", and "quiet N"
 * (rounds of the quiet process: an exec whose first argument is "quiet-K", and a connect, a refused setuid and a
 * refused ptrace by one whose name is that).
 */
#include "kernel-test.h"

#include <stdlib.h>
#include <string.h>

#include "json-read.h"
#include "keys.h"

#define TYPES 16
#define ROUNDS_MAX 64
/* What the family's own programs make besides: some opens and reads of libraries for each exec of the quiet process. */
#define BESIDES 1000

static const char *const types[TYPES] = {
	"process_exec",	 "process_fork",     "process_exit",	"file_open",	  "file_read",	    "file_write",
	"file_metadata", "network_socket",   "network_connect", "network_listen", "network_accept", "dns_query",
	"dns_response",	 "privilege_change", "memory_exec",	"sandbox_escape",
};
static const char *const quiet_kinds[] = { "process_exec", "network_connect", "privilege_change", "sandbox_escape" };

struct row {
	long long made, delivered, folded, lost, critical_lost, lines, told;
	bool unbalanced;
};

struct session {
	char where[128];
	struct row row[TYPES];
	struct keys known;
	long long lines, gaps, critical_lost, lost, slowed, slowed_ns, took_ns;
	unsigned rounds; /* of the quiet process */
	unsigned quiet[ARRAY_SIZE(quiet_kinds)][ROUNDS_MAX];
	bool ended, balanced_last;
	char hole[200], unknown[200], bad[200];
};

static int type_number(const char *type)
{
	for (int i = 0; i < TYPES; i++)
		if (strcmp(type, types[i]) == 0)
			return i;
	return -1;
}

/* Facts of a case: what was provoked, and what went wrong with it. */
static void read_facts(struct session *s, const struct act_family *family, const char *path)
{
	char line[1024], type[64];
	FILE *f = fopen(path, "re");
	long long n;
	bool ended = false;

	(void)snprintf(s->where, sizeof(s->where), "%s", family->name);
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line == 'B')
			(void)snprintf(s->where, sizeof(s->where), "%s/%.*s", family->name,
				       (int)strcspn(line + 2, "\t"), line + 2);
		else if (*line == 'F')
			tap(false, s->where, line + 2, NULL);
		else if (*line == 'D')
			ended = strcmp(strrchr(line, '\t') + 1, "0") == 0;
		else if (sscanf(line, "N\tmade\t%63s\t%lld", type, &n) == 2 && type_number(type) >= 0)
			s->row[type_number(type)].told = n;
		else if (sscanf(line, "N\ttook\t%lld", &n) == 1)
			s->took_ns = n;
		else if (sscanf(line, "N\tquiet\t%lld", &n) == 1)
			s->rounds = n > ROUNDS_MAX ? ROUNDS_MAX : (unsigned)n;
	}
	if (f)
		(void)fclose(f);
	(void)snprintf(line, sizeof(line), "%s: ran to its end", s->where);
	tap(ended, line, "the case failed, or the workload ended early", NULL);
}

static void quiet_event(struct session *s, const struct json *e, const char *type)
{
	const struct json *first = json_find(e, "args[0]");
	bool exec = strcmp(type, "process_exec") == 0;
	const char *name = exec ? (first && first->text ? first->text : "") : json_text(e, "comm");
	unsigned k;

	if (sscanf(name, "quiet-%u", &k) != 1 || k >= ROUNDS_MAX)
		return;
	/* Only the acts that are known; not its dropping of rights, which comes before it has its name. */
	if ((strcmp(type, "privilege_change") == 0 && strcmp(json_text(e, "operation"), "setuid") != 0) ||
	    (strcmp(type, "sandbox_escape") == 0 && strcmp(json_text(e, "category"), "ptrace") != 0))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(quiet_kinds); i++)
		s->quiet[i][k] += strcmp(type, quiet_kinds[i]) == 0;
}

static void event(struct session *s, const struct json *e, const char *type, int number)
{
	const char *key = json_text(e, "process"), *child = json_text(e, "child_process");

	s->row[number].lines++;
	if (!keys_has(&s->known, key) && !*s->unknown)
		(void)snprintf(s->unknown, sizeof(s->unknown), "nothing before line %lld tells who %.60s is", s->lines,
			       key);
	if (*child)
		(void)keys_add(&s->known, child);
	quiet_event(s, e, type);
}

static void ledger_row(struct session *s, const char *lane, const struct json *row)
{
	int number = type_number(row->name);
	struct row *r = &s->row[number < 0 ? 0 : number];
	long long made = json_int(row, "made", -1), delivered = json_int(row, "delivered", -1),
		  folded = json_int(row, "folded", -1), lost = json_int(row, "lost", -1);

	if (number < 0) {
		(void)snprintf(s->bad, sizeof(s->bad), "the ledger has '%.40s'", row->name);
		return;
	}
	r->unbalanced |= made < 0 || delivered < 0 || folded < 0 || lost < 0 || made != delivered + folded + lost;
	r->made += made;
	r->delivered += delivered;
	r->folded += folded;
	r->lost += lost;
	s->lost += lost;
	if (strcmp(lane, "critical") == 0)
		s->critical_lost += lost;
}

static void ledger(struct session *s, const struct json *e)
{
	const struct json *lanes = json_get(e, "lanes");

	for (const struct json *lane = lanes ? lanes->child : NULL; lane; lane = lane->next)
		for (const struct json *row = lane->child; row; row = row->next)
			ledger_row(s, lane->name, row);
}

static void one_line(struct session *s, const struct json *e)
{
	const char *type = json_text(e, "type");
	int number = type_number(type);

	s->lines++;
	s->balanced_last = strcmp(type, "ledger") == 0;
	if (json_int(e, "sequence", -1) != s->lines && !*s->hole)
		(void)snprintf(s->hole, sizeof(s->hole), "line %lld has sequence %lld", s->lines,
			       json_int(e, "sequence", -1));
	if (number >= 0) {
		event(s, e, type, number);
	} else if (strcmp(type, "process") == 0) {
		(void)keys_add(&s->known, json_text(e, "process"));
	} else if (strcmp(type, "gap") == 0) {
		s->gaps += json_int(e, "count", 0);
	} else if (strcmp(type, "ledger") == 0) {
		ledger(s, e);
	} else if (strcmp(json_text(e, "phase"), "end") == 0) {
		s->slowed = json_int(e, "slowed", 0);
		s->slowed_ns = json_int(e, "slowed_ns", 0);
		s->ended = true;
	}
}

static void read_lines(struct session *s, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	const char *why = "";
	size_t size = 0;
	ssize_t n;

	while (f && (n = getline(&text, &size, f)) > 0) {
		struct json *e = NULL;

		if (text[n - 1] != '\n' || json_read(text, (size_t)n - 1, &e, &why) < 0)
			(void)snprintf(s->bad, sizeof(s->bad), "line %lld: %s", s->lines + 1, why);
		else
			one_line(s, e);
		json_free(e);
	}
	free(text);
	if (f)
		(void)fclose(f);
}

static void report(const struct session *s, const char *what, const char *why)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "%s: %s", s->where, what);
	tap(!*why, name, why, NULL);
}

static void judge_ledger(const struct session *s)
{
	char unbalanced[200] = "", uncounted[200] = "", untold[200] = "", why[200] = "";

	for (size_t i = 0; i < TYPES; i++) {
		const struct row *r = &s->row[i];

		if (r->unbalanced)
			(void)snprintf(unbalanced, sizeof(unbalanced), "%s: made is not delivered + folded + lost",
				       types[i]);
		if (r->lines != r->delivered)
			(void)snprintf(uncounted, sizeof(uncounted), "%s: %lld lines, the ledger says %lld", types[i],
				       r->lines, r->delivered);
		if (r->told && (r->made < r->told || r->made > r->told + BESIDES))
			(void)snprintf(untold, sizeof(untold), "%s: %lld made, the ledger says %lld", types[i], r->told,
				       r->made);
	}
	report(s, "the session ends, with a ledger as its last line",
	       s->ended && s->balanced_last ? "" : "it does not");
	report(s, "the ledger balances for each type", unbalanced);
	report(s, "the ledger counts the lines of each type", uncounted);
	report(s, "the ledger knows what the flood made", untold);
	if (s->critical_lost)
		(void)snprintf(why, sizeof(why), "%lld lost", s->critical_lost);
	report(s, "nothing lost of the critical lane", why);
	why[0] = '\0';
	if (s->gaps != s->lost)
		(void)snprintf(why, sizeof(why), "%lld lost, gaps tell %lld", s->lost, s->gaps);
	report(s, "gaps tell exactly what was lost", why);
}

static void judge_quiet(const struct session *s)
{
	for (size_t i = 0; s->rounds && i < ARRAY_SIZE(quiet_kinds); i++) {
		char what[96], why[96] = "";

		for (unsigned k = 0; k < s->rounds && !*why; k++)
			if (s->quiet[i][k] != 1)
				(void)snprintf(why, sizeof(why), "%u times that of round %u", s->quiet[i][k], k);
		(void)snprintf(what, sizeof(what), "each of %u quiet %s is told once", s->rounds, quiet_kinds[i]);
		report(s, what, why);
	}
}

static void table(const struct session *s)
{
	static bool begun;
	double seconds = s->took_ns ? (double)s->took_ns / 1e9 : 1;

	if (!begun)
		(void)printf("# | flood | type | made | delivered | folded | lost | made a second | slowed |\n");
	begun = true;
	for (size_t i = 0; i < TYPES; i++) {
		const struct row *r = &s->row[i];

		if (r->told)
			(void)printf("# | %s | %s | %lld | %lld | %lld | %lld | %.0f | %lld times, %.1f %% |\n",
				     s->where, types[i], r->made, r->delivered, r->folded, r->lost,
				     (double)r->told / seconds, s->slowed, (double)s->slowed_ns / 1e7 / seconds);
	}
	(void)fflush(stdout);
}

void judge_flood(const struct act_family *family, const char *facts, const char *json, const char *tier)
{
	struct session s = { 0 };

	(void)tier;
	read_facts(&s, family, facts);
	read_lines(&s, json);
	report(&s, "every line is strict JSON", s.bad);
	report(&s, "sequence counts from 1 without holes", s.hole);
	report(&s, "every process is introduced", s.unknown);
	judge_ledger(&s);
	judge_quiet(&s);
	table(&s);
	keys_done(&s.known);
}
