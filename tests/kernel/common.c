/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's checks that hold for every run: the frame of lines, the common fields, scope, ledger, life of processes.
 */
#include "kernel-test.h"

#include <stdlib.h>
#include <string.h>

#include "json-read.h"
#include "keys.h"

struct common {
	const char *family;
	const struct lines *lines;
	const long long *strangers;
	size_t strangers_n;
	long long root;
	bool lossy;
};

static void report(const struct common *c, const char *what, const char *why, const char *evidence)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "%s: %s", c->family, what);
	tap(!*why, name, why, evidence);
}

static void frame(const struct common *c)
{
	const struct lines *l = c->lines;
	char why[256] = "";
	const char *evidence = NULL;
	size_t gaps = 0;

	for (size_t i = 0; i < l->n && !*why; i++) {
		if (json_int(l->line[i].json, "sequence", -1) == (long long)i + 1)
			continue;
		(void)snprintf(why, sizeof(why), "line %zu has sequence %lld", i + 1,
			       json_int(l->line[i].json, "sequence", -1));
		evidence = l->line[i].text;
	}
	report(c, "sequence counts from 1 without holes", why, evidence);
	why[0] = '\0';
	if (l->n < 3)
		(void)snprintf(why, sizeof(why), "only %zu lines", l->n);
	else if (strcmp(l->line[0].type, "session") != 0 || strcmp(json_text(l->line[0].json, "phase"), "start") != 0)
		(void)snprintf(why, sizeof(why), "the first line is no session start");
	else if (strcmp(l->line[l->n - 2].type, "session") != 0 ||
		 strcmp(json_text(l->line[l->n - 2].json, "phase"), "end") != 0)
		(void)snprintf(why, sizeof(why), "the last line but one is no session end");
	else if (strcmp(l->line[l->n - 1].type, "ledger") != 0)
		(void)snprintf(why, sizeof(why), "the last line is no ledger");
	report(c, "session starts and ends, ledger last", why, l->n ? l->line[l->n - 1].text : NULL);
	evidence = NULL;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->line[i].type, "gap") == 0 && !gaps++)
			evidence = l->line[i].text;
	if (c->lossy)
		report(c, "a gap is told", gaps ? "" : "no gap line, though the lane overflowed", NULL);
	else
		report(c, "no gap", gaps ? "something is said to be missing" : "", evidence);
}

/* "boot8-tgid-starttime" */
static bool key_right(const char *key, long long pid)
{
	char *end;

	if (strspn(key, "0123456789abcdef") != 8 || key[8] != '-')
		return false;
	if (strtoll(key + 9, &end, 10) != pid || *end != '-')
		return false;
	return end[1] && strspn(end + 1, "0123456789") == strlen(end + 1);
}

static bool strings_clean(const struct json *v)
{
	for (const struct json *m = v->child; m; m = m->next) {
		if (!strings_clean(m))
			return false;
		for (size_t i = 0; m->kind == JSON_STRING && i < m->length; i++) {
			unsigned char ch = (unsigned char)m->text[i];

			/* C1 controls are two bytes in UTF-8: c2 80 .. c2 9f */
			if (ch < 0x20 || ch == 0x7f ||
			    (ch == 0xc2 && (unsigned char)m->text[i + 1] >= 0x80 &&
			     (unsigned char)m->text[i + 1] < 0xa0))
				return false;
		}
		if (m->kind == JSON_REAL ||
		    (m->kind == JSON_STRING && !m->length && m->name && strcmp(m->name, "comm") != 0))
			return false;
		if (m->kind == JSON_INTEGER && (m->integer > 1LL << 53 || m->integer < -(1LL << 53)))
			return false;
	}
	return true;
}

static bool result_right(const struct json *e)
{
	const struct json *r = json_get(e, "result"), *name = json_get(e, "error");

	if (!r)
		return !name;
	if (r->kind != JSON_INTEGER || r->integer > 0)
		return false;
	if (r->integer == 0)
		return !name;
	return name && name->kind == JSON_STRING && strerrorname_np((int)-r->integer) &&
	       strcmp(name->text, strerrorname_np((int)-r->integer)) == 0;
}

static const char *common_fault(const struct line *l, const char *session)
{
	static const char *const numbers[] = { "pid", "tid", "ppid", "uid", "gid", "image" };
	static const char *const texts[] = { "session", "time", "process", "comm", "exe", "cgroup", "via" };
	static const char *const vias[] = { "syscall", "compat", "io_uring", "kernel" };
	const struct json *e = l->json, *v;
	bool via = false;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!(v = json_get(e, numbers[i])) || v->kind != JSON_INTEGER || v->integer < 0)
			return numbers[i];
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!(v = json_get(e, texts[i])) || v->kind != JSON_STRING)
			return texts[i];
	if (!(v = json_get(e, "verified")) || v->kind != JSON_BOOL)
		return "verified";
	for (size_t i = 0; i < ARRAY_SIZE(vias); i++)
		via |= strcmp(json_text(e, "via"), vias[i]) == 0;
	if (!via)
		return "via";
	if (time_parse(json_text(e, "time")) < 0)
		return "time";
	if (*json_text(e, "first") && (time_parse(json_text(e, "first")) < 0 ||
				       time_parse(json_text(e, "first")) > time_parse(json_text(e, "last"))))
		return "first or last";
	if (!key_right(json_text(e, "process"), l->pid))
		return "process";
	if (strcmp(json_text(e, "session"), session) != 0)
		return "session";
	if (!result_right(e))
		return "result or error";
	return strings_clean(e) ? NULL : "a control character, a real number, an empty stand-in or a number over 2^53";
}

static void common_fields(const struct common *c)
{
	const char *session = c->lines->n ? json_text(c->lines->line[0].json, "session") : "";
	const char *fault = NULL, *evidence = NULL;
	char why[256] = "";

	for (size_t i = 0; i < c->lines->n && !fault; i++) {
		if (!c->lines->line[i].event)
			continue;
		fault = common_fault(&c->lines->line[i], session);
		evidence = c->lines->line[i].text;
	}
	if (fault)
		(void)snprintf(why, sizeof(why), "wrong: %s", fault);
	else if (strlen(session) != 36)
		(void)snprintf(why, sizeof(why), "the session is no UUID");
	report(c, "common fields of every event", why, evidence);
}

/* Sums one type over the ledger's lanes; `balanced` is cleared where a row does not add up. */
static long long ledger_sum(const struct json *ledger, const char *type, bool *balanced, long long lost[2])
{
	static const char *const lanes[] = { "critical", "bulk" };
	long long delivered = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lanes); i++) {
		const struct json *lane = json_get(ledger, lanes[i]), *row;

		if (!lane && json_get(ledger, "lanes"))
			lane = json_get(json_get(ledger, "lanes"), lanes[i]);
		row = lane ? json_get(lane, type) : NULL;
		if (!row)
			continue;
		delivered += json_int(row, "delivered", 0);
		lost[i] += json_int(row, "lost", 0);
		*balanced &= json_int(row, "made", -1) ==
			     json_int(row, "delivered", 0) + json_int(row, "folded", 0) + json_int(row, "lost", 0);
	}
	return delivered;
}

static void ledger(const struct common *c)
{
	static const char *const types[] = {
		"process_exec",	   "process_fork",     "process_exit",	 "file_open",
		"file_read",	   "file_write",       "file_metadata",	 "network_socket",
		"network_connect", "network_listen",   "network_accept", "dns_query",
		"dns_response",	   "privilege_change", "memory_exec",	 "sandbox_escape",
	};
	const struct lines *l = c->lines;
	const struct line *last = l->n ? &l->line[l->n - 1] : NULL;
	char unbalanced[256] = "", uncounted[256] = "", lossy[64] = "";
	long long bulk = 0;

	for (size_t t = 0; last && t < ARRAY_SIZE(types); t++) {
		bool balanced = true;
		long long lost[2] = { 0, 0 }, printed = 0,
			  delivered = ledger_sum(last->json, types[t], &balanced, lost);

		for (size_t i = 0; i < l->n; i++)
			printed += strcmp(l->line[i].type, types[t]) == 0;
		if (!balanced && !*unbalanced)
			(void)snprintf(unbalanced, sizeof(unbalanced), "%s: made is not delivered + folded + lost",
				       types[t]);
		if (printed != delivered && !*uncounted)
			(void)snprintf(uncounted, sizeof(uncounted), "%s: %lld lines, the ledger says %lld", types[t],
				       printed, delivered);
		bulk += lost[1];
		if (lost[0] + (c->lossy ? 0 : lost[1]) > 0 && !*lossy)
			(void)snprintf(lossy, sizeof(lossy), "%s: %lld lost", types[t], lost[0] + lost[1]);
	}
	report(c, "ledger balances", unbalanced, last ? last->text : NULL);
	report(c, "ledger counts the lines", uncounted, last ? last->text : NULL);
	report(c, c->lossy ? "nothing lost of the critical lane" : "nothing lost", lossy, last ? last->text : NULL);
	if (c->lossy)
		report(c, "the bulk lane's loss is counted", bulk ? "" : "no loss in the ledger",
		       last ? last->text : NULL);
}

/* What is known of one process from the lines. */
struct life {
	long long pid, image;
	const char *key;
	int64_t born_ns, died_ns, last_ns;
	size_t exits;
	bool known; /* the root, a child of a known one, or said to have joined */
};

struct lives {
	struct life *life;
	size_t n;
};

static struct life *life_of(struct lives *all, long long pid)
{
	for (size_t i = all->n; i > 0; i--)
		if (all->life[i - 1].pid == pid)
			return &all->life[i - 1];
	all->life[all->n] = (struct life){ .pid = pid, .born_ns = -1, .died_ns = -1, .image = -1 };
	return &all->life[all->n++];
}

/* A pid that was given again has several lives, and late folds of the earlier one. */
static struct life *life_by_key(struct lives *all, long long pid, const char *key)
{
	struct life *latest = life_of(all, pid);

	if (!latest->key || strcmp(latest->key, key) == 0)
		return latest;
	for (size_t i = all->n; i > 0; i--)
		if (all->life[i - 1].pid == pid && all->life[i - 1].key && strcmp(all->life[i - 1].key, key) == 0)
			return &all->life[i - 1];
	return latest;
}

static void live(struct lives *all, const struct line *l, char *why, size_t size, const char **evidence)
{
	const char *key = json_text(l->json, "process");
	struct life *one = life_by_key(all, l->pid, key);
	bool fold = strcmp(l->type, "file_read") == 0 || strcmp(l->type, "file_write") == 0;
	/* What a ring did is told when it is learnt: under the image that asked, maybe after the next has begun. */
	bool ring = strcmp(json_text(l->json, "via"), "io_uring") == 0;
	long long image = json_int(l->json, "image", -1);

	if (!*why && one->key && strcmp(one->key, key) != 0)
		(void)snprintf(why, size, "process key of pid %lld changes from %s", l->pid, one->key);
	else if (!*why && !fold && !ring && image < one->image)
		(void)snprintf(why, size, "image goes back from %lld", one->image);
	if (*why && !*evidence)
		*evidence = l->text;
	if (!one->key)
		one->key = key;
	if (!fold && !ring)
		one->image = image;
	/* What its descriptors' end brings about may be stamped after the process's own. */
	if (l->time_ns > one->last_ns && !fold && json_int(l->json, "result", 0) != -115)
		one->last_ns = l->time_ns;
	if (strcmp(l->type, "process_exit") == 0) {
		one->exits++;
		one->died_ns = l->time_ns;
	}
	if (strcmp(l->type, "process_fork") == 0 && !json_int(l->json, "thread", 0)) {
		struct life *child = life_of(all, json_int(l->json, "child_pid", -1));

		/* After its end only another process can have the pid: one of the same key would have two exits. */
		if (child->exits && child->key && strcmp(child->key, json_text(l->json, "child_process")) != 0) {
			all->life[all->n] =
			    (struct life){ .pid = child->pid, .born_ns = -1, .died_ns = -1, .image = -1 };
			child = &all->life[all->n++];
		}
		child->known = true;
		if (!child->key && *json_text(l->json, "child_process"))
			child->key = json_text(l->json, "child_process");
		child->born_ns = l->time_ns;
	}
}

static void lives_check(const struct common *c, struct lives *all)
{
	char stranger[160] = "", exits[160] = "", order[160] = "";

	for (size_t i = 0; i < all->n; i++) {
		struct life *one = &all->life[i];
		bool listed = one->known || one->pid == c->root;

		for (size_t k = 0; k < c->strangers_n; k++)
			listed |= c->strangers[k] == one->pid;
		if (!listed && !*stranger)
			(void)snprintf(stranger, sizeof(stranger), "events of pid %lld, which nobody forked", one->pid);
		if (one->exits != 1 && listed && (one->known || one->pid == c->root) && !*exits)
			(void)snprintf(exits, sizeof(exits), "%zu exits of pid %lld", one->exits, one->pid);
		if (one->died_ns >= 0 && one->last_ns > one->died_ns && !*order)
			(void)snprintf(order, sizeof(order), "pid %lld acts after its exit", one->pid);
		if (one->born_ns > one->died_ns && one->died_ns >= 0 && !*order)
			(void)snprintf(order, sizeof(order), "pid %lld is forked after its exit", one->pid);
	}
	report(c, "only the workload shows", stranger, NULL);
	report(c, "every process has one exit", exits, NULL);
	report(c, "no act after the exit", order, NULL);
}

static void lives(const struct common *c)
{
	struct lives all = { 0 };
	char why[256] = "";
	const char *evidence = NULL;

	all.life = calloc(2 * c->lines->n + 2, sizeof(*all.life));
	if (!all.life)
		return;
	for (size_t i = 0; i < c->lines->n; i++)
		if (c->lines->line[i].event)
			live(&all, &c->lines->line[i], why, sizeof(why), &evidence);
	report(c, "one key a process, image counts up", why, evidence);
	lives_check(c, &all);
	free(all.life);
}

/* A lane's frames of one CPU are numbered without repetition. */
static void lanes(const struct common *c)
{
	char why[200] = "";
	const char *evidence = NULL;

	for (size_t i = 0; i < c->lines->n && !*why; i++) {
		const struct json *e = c->lines->line[i].json;
		const char *lane = json_text(e, "lane");

		if (!c->lines->line[i].event)
			continue;
		if (strcmp(lane, "critical") != 0 && strcmp(lane, "bulk") != 0)
			(void)snprintf(why, sizeof(why), "lane is '%.20s'", lane);
		else if (json_int(e, "cpu", -1) < 0 || json_int(e, "lane_sequence", -1) < 0)
			(void)snprintf(why, sizeof(why), "cpu or lane_sequence is missing");
		evidence = c->lines->line[i].text;
	}
	report(c, "every event names its lane", why, evidence);
}

/* The key of every event was told before: by a fork, or by a line for one that no fork made. */
static void introductions(const struct common *c)
{
	struct keys known = { 0 };
	const char *evidence = NULL;
	char why[160] = "";

	for (size_t i = 0; i < c->lines->n && !*why; i++) {
		const struct line *l = &c->lines->line[i];
		const char *key = json_text(l->json, "process");

		if (strcmp(l->type, "process") == 0) {
			(void)keys_add(&known, key);
		} else if (l->event && *key && !keys_has(&known, key)) {
			(void)snprintf(why, sizeof(why), "nothing before line %zu tells who %.60s is", i + 1, key);
			evidence = l->text;
		}
		if (*json_text(l->json, "child_process"))
			(void)keys_add(&known, json_text(l->json, "child_process"));
	}
	report(c, "every process is introduced", why, evidence);
	keys_done(&known);
}

void judge_common(const char *family, const struct lines *l, const long long *strangers, size_t strangers_n,
		  long long root, bool lossy)
{
	struct common c = { family, l, strangers, strangers_n, root, lossy };

	frame(&c);
	common_fields(&c);
	lanes(&c);
	ledger(&c);
	lives(&c);
	introductions(&c);
}
