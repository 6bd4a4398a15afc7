/* SPDX-License-Identifier: Apache-2.0 */
/* Events in words. */
#include "cli/describe.h"

#include <string.h>

#include "base/text.h"
#include "cli/describe-vitals.h"

#define SET_SHOWN 3 /* capabilities told by name */

static void put(struct buf *out, struct bytes text)
{
	if (bytes_set(text))
		term_text(out, text.data, text.length);
}

/* The field after a space, or nothing. */
static void put_field(struct buf *out, const struct line *l, const char *before, const char *name)
{
	struct bytes text = line_text(l, name);

	if (!bytes_set(text))
		return;
	buf_adds(out, before);
	put(out, text);
}

static void put_list(struct buf *out, const char *before, const struct line *list, const char *between)
{
	for (size_t i = 0; i < line_count(list); i++) {
		buf_adds(out, i == 0 ? before : between);
		put(out, line_text_at(list, i));
	}
}

static bool plain_word(struct bytes word)
{
	if (word.length == 0)
		return false;
	for (size_t i = 0; i < word.length; i++)
		if ((unsigned char)word.data[i] <= ' ' || strchr("'\"`$&|;<>()*?[]{}~#!", word.data[i]))
			return false;
	return true;
}

static void put_word(struct buf *out, struct bytes word)
{
	if (plain_word(word)) {
		put(out, word);
		return;
	}
	buf_addc(out, '\'');
	for (size_t i = 0, run = 0; i <= word.length; i++) {
		if (i < word.length && word.data[i] != '\'')
			continue;
		term_text(out, word.data + run, i - run);
		if (i < word.length)
			buf_adds(out, "'\\''");
		run = i + 1;
	}
	buf_addc(out, '\'');
}

size_t describe_command(const struct line *args, struct buf *out)
{
	size_t begin = out->length, first = 0;

	for (size_t i = 0; i < line_count(args); i++) {
		struct bytes word = line_text_at(args, i);

		if (i > 0)
			buf_addc(out, ' ');
		if (bytes_set(word))
			put_word(out, word);
		if (i == 0)
			first = out->length - begin;
	}
	return first;
}

static void put_note(struct buf *out, const struct line *l, const char *word, const char *name)
{
	if (!bytes_set(line_text(l, name)))
		return;
	buf_addf(out, " [%s ", word);
	put(out, line_text(l, name));
	buf_addc(out, ']');
}

static void exec(const struct line *l, struct buf *out)
{
	const struct line *args = line_get(l, "args");
	bool failed = bytes_set(line_text(l, "error"));
	struct bytes first = line_text_at(args, 0), image = line_text(l, failed ? "path" : "exe");

	/* The image by its path, then what it was called with; argv[0] only where it tells something else. */
	put(out, image);
	if (bytes_set(first) && bytes_set(image)) {
		const char *base = strrchr(image.data, '/'), *called = strrchr(first.data, '/');

		if (strcmp(base ? base + 1 : image.data, called ? called + 1 : first.data) != 0) {
			buf_adds(out, " (as ");
			put_word(out, first);
			buf_addc(out, ')');
		}
	}
	for (size_t i = 1; i < line_count(args); i++) {
		buf_addc(out, ' ');
		put_word(out, line_text_at(args, i));
	}
	if (line_true(l, "args_truncated"))
		buf_adds(out, " ...");
	if (line_true(l, "fileless"))
		buf_adds(out, " [no file]");
	if (bytes_set(line_text(l, "interpreter")))
		put_note(out, l, "script", "path");
	put_note(out, l, "loads", "loaded");
}

static void fork_(const struct line *l, struct buf *out)
{
	if (line_true(l, "thread"))
		buf_adds(out, "thread");
	else
		buf_addf(out, "child %llu", (unsigned long long)line_uint(l, "child_pid"));
	put_list(out, " ", line_get(l, "clone_flags"), "|");
}

static void exit_(const struct line *l, struct buf *out)
{
	char text[DESCRIBE_DURATION_MAX], size[TEXT_SIZE_MAX];
	int64_t value;

	if (line_int(l, "exit_code", &value))
		buf_addf(out, "code %lld", (long long)value);
	put_field(out, l, "killed by ", "signal");
	if (line_true(l, "core_dumped"))
		buf_adds(out, " (core dumped)");
	if (line_true(l, "oom_killed"))
		buf_adds(out, " out of memory");
	if (line_int(l, "duration_ns", &value))
		buf_addf(out, " after %s", describe_duration(value, text));
	if (line_uint(l, "max_rss_bytes"))
		buf_addf(out, ", peak %s", text_size(line_uint(l, "max_rss_bytes"), size));
}

static void put_path(const struct line *l, struct buf *out)
{
	int64_t inode;

	if (bytes_set(line_text(l, "path")))
		put(out, line_text(l, "path"));
	else if (line_int(l, "inode", &inode))
		buf_addf(out, "inode %lld", (long long)inode);
	if (line_true(l, "deleted"))
		buf_adds(out, " (deleted)");
}

static void open_(const struct line *l, struct buf *out)
{
	put_path(l, out);
	put_list(out, " ", line_get(l, "flags"), "|");
}

static void fold(const struct line *l, struct buf *out)
{
	char size[TEXT_SIZE_MAX];
	int64_t bytes;

	put_path(l, out);
	if (line_true(l, "mapping"))
		buf_adds(out, " mapped");
	if (line_int(l, "bytes", &bytes))
		buf_addf(out, " %s", text_size((uint64_t)bytes, size));
	if (line_uint(l, "operations") > 1)
		buf_addf(out, " in %llu", (unsigned long long)line_uint(l, "operations"));
}

static void metadata(const struct line *l, struct buf *out)
{
	int64_t size;

	put(out, line_text(l, "operation"));
	buf_addc(out, ' ');
	put_path(l, out);
	put_field(out, l, " -> ", "new_path");
	put_field(out, l, " ", "mode");
	put_field(out, l, " ", "owner");
	if (line_int(l, "size", &size))
		buf_addf(out, " size %lld", (long long)size);
	put_list(out, " ", line_get(l, "flags"), "|");
}

static void socket_(const struct line *l, struct buf *out)
{
	put(out, line_text(l, "family"));
	put_field(out, l, " ", "socket_type");
	put_field(out, l, " ", "protocol");
}

static void address(const struct line *l, struct buf *out, const char *name, const char *port_name)
{
	struct bytes text = line_text(l, name);
	int64_t port;

	if (!bytes_set(text))
		return;
	bool brackets = strchr(text.data, ':') != NULL;
	buf_adds(out, brackets ? "[" : "");
	put(out, text);
	buf_adds(out, brackets ? "]" : "");
	if (line_int(l, port_name, &port))
		buf_addf(out, ":%lld", (long long)port);
}

static void connect_(const struct line *l, struct buf *out)
{
	int64_t port;

	if (bytes_set(line_text(l, "hostname"))) {
		put(out, line_text(l, "hostname"));
		if (line_int(l, "destination_port", &port))
			buf_addf(out, ":%lld", (long long)port);
		buf_adds(out, " (");
		put(out, line_text(l, "destination"));
		buf_addc(out, ')');
	} else if (bytes_set(line_text(l, "destination"))) {
		address(l, out, "destination", "destination_port");
	} else if (bytes_set(line_text(l, "path"))) {
		put(out, line_text(l, "path"));
	} else {
		put(out, line_text(l, "family"));
	}
	put_field(out, l, " ", "protocol");
}

static void listen_(const struct line *l, struct buf *out)
{
	if (bytes_set(line_text(l, "address")))
		address(l, out, "address", "port");
	else
		put(out, line_text(l, bytes_set(line_text(l, "path")) ? "path" : "family"));
	put_field(out, l, " ", "protocol");
}

static void accept_(const struct line *l, struct buf *out)
{
	buf_adds(out, "from ");
	if (bytes_set(line_text(l, "peer")))
		address(l, out, "peer", "peer_port");
	else
		put(out, line_text(l, "family"));
	if (bytes_set(line_text(l, "address"))) {
		buf_adds(out, " on ");
		address(l, out, "address", "port");
	}
}

static void dns(const struct line *l, struct buf *out)
{
	const struct line *answers = line_get(l, "answers");

	put(out, line_text(l, "name"));
	put_field(out, l, " ", "query_type");
	if (bytes_set(line_text(l, "response_code")) && strcmp(line_text(l, "response_code").data, "NOERROR") != 0)
		put_field(out, l, " ", "response_code");
	for (size_t i = 0; i < line_count(answers); i++)
		put_field(out, line_at(answers, i), i == 0 ? " = " : ", ", "data");
	if (line_true(l, "malformed"))
		put_field(out, l, " malformed: ", "reason");
	put_field(out, l, " via ", "server");
}

struct change {
	struct buf *out;
	const struct line *before, *after;
	bool second;
};

static void put_value(struct buf *out, const struct line *side, const char *name)
{
	char *text = line_encode(side, name);

	if (!text) {
		buf_adds(out, "?");
		return;
	}
	/* Lists of capabilities read better without the JSON around them. */
	for (const char *p = text; *p; p++)
		if (!strchr("\"[]", *p))
			term_text(out, p, 1);
	free(text);
}

static bool has_text(const struct line *list, struct bytes text)
{
	for (size_t i = 0; i < line_count(list); i++) {
		struct bytes other = line_text_at(list, i);

		if (bytes_set(other) && other.length == text.length && memcmp(other.data, text.data, text.length) == 0)
			return true;
	}
	return false;
}

/* What list has and other has not, each after the sign; only how many, where they are too many for a line. */
static bool put_set(struct buf *out, const char *sign, const struct line *list, const struct line *other)
{
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < line_count(list); i++)
		n += bytes_set(line_text_at(list, i)) && !has_text(other, line_text_at(list, i));
	if (n > SET_SHOWN)
		buf_addf(out, "%s%zu capabilities", sign, n);
	for (size_t i = 0; n <= SET_SHOWN && i < line_count(list); i++) {
		struct bytes text = line_text_at(list, i);

		if (!bytes_set(text) || has_text(other, text))
			continue;
		buf_adds(out, shown++ > 0 && *sign != ' ' ? " " : "");
		buf_adds(out, sign);
		put(out, text);
	}
	return n > 0;
}

static void put_change(void *context, const char *name, const struct line *value)
{
	struct change *change = context;
	const struct line *was = line_get(change->before, name);

	buf_adds(change->out, change->second ? ", " : " ");
	change->second = true;
	/* Even a name may be anything in a store that somebody else wrote. */
	term_text(change->out, name, strlen(name));
	buf_addc(change->out, ' ');
	if (value && was && (bytes_set(line_text_at(value, 0)) || bytes_set(line_text_at(was, 0)))) {
		bool lost = put_set(change->out, "-", was, value);

		(void)put_set(change->out, lost ? " +" : "+", value, was);
		return;
	}
	put_value(change->out, change->before, name);
	buf_adds(change->out, " -> ");
	put_value(change->out, change->after, name);
}

static void privilege(const struct line *l, struct buf *out)
{
	struct change change = { .out = out, .before = line_get(l, "before"), .after = line_get(l, "after") };

	put(out, line_text(l, "operation"));
	if (change.after)
		line_each(change.after, put_change, &change);
}

static void memory(const struct line *l, struct buf *out)
{
	char size[TEXT_SIZE_MAX];

	put(out, line_text(l, "operation"));
	put_field(out, l, " ", "backing");
	if (line_uint(l, "length"))
		buf_addf(out, " %s", text_size(line_uint(l, "length"), size));
	put_list(out, " ", line_get(l, "protection"), "|");
	put_field(out, l, ": ", "reason");
}

static void escape(const struct line *l, struct buf *out)
{
	put(out, line_text(l, "category"));
	put_field(out, l, ": ", "syscall");
	put_field(out, l, " ", "target");
	put_field(out, l, ", ", "detail");
}

static void session(const struct line *l, struct buf *out)
{
	char text[DESCRIBE_DURATION_MAX];
	int64_t value;

	put(out, line_text(l, "phase"));
	if (line_true(l, "interrupted"))
		buf_adds(out, ", interrupted");
	if (line_get(l, "command")) {
		buf_addc(out, ' ');
		describe_command(line_get(l, "command"), out);
	}
	put_field(out, l, " ", "target");
	if (line_int(l, "exit_status", &value))
		buf_addf(out, ", exit %lld", (long long)value);
	if (line_int(l, "duration_ns", &value))
		buf_addf(out, " after %s", describe_duration(value, text));
}

static void process(const struct line *l, struct buf *out)
{
	put(out, bytes_set(line_text(l, "exe")) ? line_text(l, "exe") : line_text(l, "comm"));
	put_field(out, l, ", ", "origin");
}

static void gap(const struct line *l, struct buf *out)
{
	char text[DESCRIBE_NUMBER_MAX];
	int64_t count;

	if (line_int(l, "count", &count))
		buf_addf(out, "%s missing", describe_number((uint64_t)count, text));
	else
		buf_adds(out, "events may be missing");
	if (line_text(l, "lane").length > 0) {
		buf_adds(out, " in ");
		put(out, line_text(l, "lane"));
	}
	put_field(out, l, ": ", "why");
}

static void clock_set(const struct line *l, struct buf *out)
{
	put_field(out, l, "the wall clock was set from ", "wall_before");
	put_field(out, l, " to ", "wall_after");
}

static void ledger(const struct line *l, struct buf *out)
{
	char text[DESCRIBE_NUMBER_MAX];

	if (line_uint(l, "lost"))
		buf_addf(out, "%s lost", describe_number(line_uint(l, "lost"), text));
	else
		buf_adds(out, "nothing lost");
}

static const struct kind {
	const char *type, *brief;
	enum term_style style;
	void (*describe)(const struct line *l, struct buf *out);
} kinds[] = {
	{ "process_exec", "exec", TERM_BOLD, exec },
	{ "process_fork", "fork", TERM_DIM, fork_ },
	{ "process_exit", "exit", TERM_PLAIN, exit_ },
	{ "file_open", "open", TERM_PLAIN, open_ },
	{ "file_read", "read", TERM_PLAIN, fold },
	{ "file_write", "write", TERM_GREEN, fold },
	{ "file_metadata", "change", TERM_GREEN, metadata },
	{ "network_socket", "socket", TERM_DIM, socket_ },
	{ "network_connect", "connect", TERM_CYAN, connect_ },
	{ "network_listen", "listen", TERM_CYAN, listen_ },
	{ "network_accept", "accept", TERM_CYAN, accept_ },
	{ "dns_query", "dns?", TERM_CYAN, dns },
	{ "dns_response", "dns", TERM_CYAN, dns },
	{ "privilege_change", "privilege", TERM_ALARM, privilege },
	{ "memory_exec", "memory", TERM_YELLOW, memory },
	{ "sandbox_escape", "ESCAPE", TERM_ALARM, escape },
	{ "session", "session", TERM_DIM, session },
	{ "process", "process", TERM_DIM, process },
	{ "gap", "GAP", TERM_ALARM, gap },
	{ "clock", "CLOCK", TERM_YELLOW, clock_set },
	{ "ledger", "ledger", TERM_DIM, ledger },
	{ "vitals", "vitals", TERM_DIM, describe_vitals },
	{ "forecast", "forecast", TERM_YELLOW, describe_forecast },
	{ "guard", "GUARD", TERM_ALARM, describe_guard },
	{ "oom_kill", "OOM", TERM_ALARM, describe_oom },
	{ "phase", "phase", TERM_DIM, describe_phase },
	{ "score", "score", TERM_DIM, describe_score },
};

static const struct kind *kind_of(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

void describe_deed(const struct line *l, struct buf *out)
{
	const struct kind *kind = kind_of(line_text(l, "type").data);

	if (kind)
		kind->describe(l, out);
}

void describe_outcome(const struct line *l, struct buf *out)
{
	const struct kind *kind = kind_of(line_text(l, "type").data);

	put_field(out, l, " -> ", "error");
	if (line_uint(l, "count") > 1 && !(kind && kind->describe == gap))
		buf_addf(out, " (%llu times)", (unsigned long long)line_uint(l, "count"));
}

void describe_event(const struct line *l, struct buf *out)
{
	describe_deed(l, out);
	describe_outcome(l, out);
}

const char *describe_type(const char *type)
{
	const struct kind *kind = kind_of(type);

	return kind ? kind->brief : type;
}

enum term_style describe_style(const struct line *l)
{
	const struct kind *kind = kind_of(line_text(l, "type").data);

	if (kind && kind->style == TERM_ALARM)
		return TERM_ALARM;
	if (bytes_set(line_text(l, "error")))
		return TERM_YELLOW;
	return kind ? kind->style : TERM_PLAIN;
}

const char *describe_duration(int64_t ns, char ret[DESCRIBE_DURATION_MAX])
{
	int64_t ms = ns < 0 ? 0 : ns / 1000000, s = ms / 1000;

	if (ms == 0)
		(void)snprintf(ret, DESCRIBE_DURATION_MAX, "<1 ms");
	else if (ms < 1000)
		(void)snprintf(ret, DESCRIBE_DURATION_MAX, "%d ms", (int)ms);
	else if (s < 10)
		(void)snprintf(ret, DESCRIBE_DURATION_MAX, "%.2f s", (double)ms / 1000);
	else if (s < 60)
		(void)snprintf(ret, DESCRIBE_DURATION_MAX, "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		(void)snprintf(ret, DESCRIBE_DURATION_MAX, "%d m %d s", (int)(s / 60), (int)(s % 60));
	else
		(void)snprintf(ret, DESCRIBE_DURATION_MAX, "%lld h %d m", (long long)(s / 3600), (int)(s / 60 % 60));
	return ret;
}

const char *describe_number(uint64_t value, char ret[DESCRIBE_NUMBER_MAX])
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	char *to = ret;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return ret;
}
