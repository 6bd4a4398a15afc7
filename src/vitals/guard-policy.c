/* SPDX-License-Identifier: Apache-2.0 */
/* The language of --guard and of policy files: see guard-policy.h and docs/guard.md. */
#include "vitals/guard-policy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"

#define FILE_BYTES_MAX 65536
#define WORD_MAX (GUARD_TEXT_MAX + 32)
#define SHOWN 60 /* of a word, in an error */
#define TIME_MAX_NS (3600 * CLOCK_SECOND_NS)
#define MIB (UINT64_C(1) << 20)
#define RUNG(r) (1U << (r))

/* The session files of agents whose places are known, for copy=known. The table is in docs/guard.md, too. */
static const char *const known[] = {
	"~/.claude/projects/**",
	"~/.codex/sessions/**",
	"~/.gemini/tmp/**",
	"~/.local/share/opencode/storage/**",
	"$CWD/.aider.chat.history.md",
	"$CWD/.aider.input.history",
};

static const unsigned default_at[GUARD_RUNG_MAX] = {
	[GUARD_TELL] = 200,  [GUARD_RECLAIM] = 150, [GUARD_BRAKE] = 100, [GUARD_BORROW] = 50,
	[GUARD_FREEZE] = 30, [GUARD_SAVE] = 30,	    [GUARD_KILL] = 20,	 [GUARD_KILL_ALL] = 5,
};
static const int64_t default_within[GUARD_RUNG_MAX] = {
	[GUARD_TELL] = 60 * CLOCK_SECOND_NS,
	[GUARD_RECLAIM] = 3 * CLOCK_SECOND_NS,
	[GUARD_BRAKE] = CLOCK_SECOND_NS / 4,
};

#define GENTLE                                                                                                         \
	(RUNG(GUARD_TELL) | RUNG(GUARD_RECLAIM) | RUNG(GUARD_BRAKE) | RUNG(GUARD_BORROW) | RUNG(GUARD_FREEZE) |        \
	 RUNG(GUARD_SAVE))
static const struct preset {
	const char *name;
	unsigned rungs;
} presets[] = {
	{ "off", 0 },
	{ "tell", RUNG(GUARD_TELL) },
	{ "gentle", GENTLE },
	{ "default", GENTLE | RUNG(GUARD_KILL) },
};
#define PRESET_NAMES "off, tell, gentle, default"
#define RUNG_NAMES "tell, reclaim, brake, borrow, freeze, save, kill, kill-all"
#define SETTING_NAMES "reserve, patience, signal, hook, hook-deadline, copy, save-hook, save-to, save-deadline, agent"

/* A word that is being read: where it stands, for errors. */
struct place {
	const char *file; /* NULL: the option */
	unsigned line;
	struct err *err;
};

static int complain(const struct place *at, const char *word, const char *format, ...) _printf_(3, 4);
static int complain(const struct place *at, const char *word, const char *format, ...)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(SHOWN * 4), where = BUF_INIT(256);
	char why[256];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	(void)text_escape(&shown, word, strnlen(word, SHOWN));
	if (at->file) {
		(void)text_escape(&where, at->file, strnlen(at->file, SHOWN));
		buf_addf(&where, ":%u: ", at->line);
	} else {
		buf_adds(&where, "--guard: ");
	}
	return err_set(at->err, EINVAL, "%s'%s%s' %s", where.data ?: "", shown.data ?: "",
		       strlen(word) > SHOWN ? "..." : "", why);
}

static int rung_of(const char *word, size_t length)
{
	for (unsigned i = 0; i < GUARD_RUNG_MAX; i++)
		if (strlen(guard_rung_name(i)) == length && memcmp(guard_rung_name(i), word, length) == 0)
			return (int)i;
	return -ENOENT;
}

static const struct preset *preset_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(presets); i++)
		if (strcmp(presets[i].name, word) == 0)
			return &presets[i];
	return NULL;
}

static void settings_default(struct guard_policy *p)
{
	*p = (struct guard_policy){
		.patience_ns = 5 * CLOCK_SECOND_NS,
		.save_deadline_ns = 10 * CLOCK_SECOND_NS,
		.hook_deadline_ns = 5 * CLOCK_SECOND_NS,
	};
	memcpy(p->at, default_at, sizeof(p->at));
	memcpy(p->within_ns, default_within, sizeof(p->within_ns));
}

static int save_add(struct guard_policy *p, const char *path)
{
	size_t length = strlen(path);

	if (length >= sizeof(p->save[0]))
		return -ENAMETOOLONG;
	if (p->save_n >= GUARD_PATHS_MAX)
		return -ENOSPC;
	memcpy(p->save[p->save_n++], path, length + 1);
	return 0;
}

static void take_preset(struct guard_policy *p, const struct preset *preset)
{
	for (unsigned i = 0; i < GUARD_RUNG_MAX; i++)
		p->on[i] = preset->rungs & RUNG(i);
	if (p->on[GUARD_SAVE])
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			(void)save_add(p, known[i]);
}

/* "12%", "12.5%" in thousandths; -EINVAL. */
static int parse_level(const char *text, unsigned *ret)
{
	unsigned value = 0, digits = 0;

	for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
		value = value * 10 + (unsigned)(*text - '0');
	value *= 10;
	if (*text == '.' && digits > 0) {
		if (text[1] < '0' || text[1] > '9')
			return -EINVAL;
		value += (unsigned)(text[1] - '0');
		text += 2;
	}
	if (digits == 0 || strcmp(text, "%") != 0 || value > 1000)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* LEVEL or LEVEL/TIME. */
static int parse_rung(struct guard_policy *p, enum guard_rung rung, const char *word, const char *value,
		      const struct place *at)
{
	char level[16];
	size_t n = strcspn(value, "/");
	unsigned thousandths;
	int64_t within = 0;

	if (n >= sizeof(level))
		return complain(at, word, "is no level: say a share of the limit, as %s=10%%", guard_rung_name(rung));
	memcpy(level, value, n);
	level[n] = '\0';
	if (parse_level(level, &thousandths) < 0)
		return complain(at, word,
				"is no level: say a share of the limit from 0%% to 100%%, as %s=10%% or %s=10%%/2s",
				guard_rung_name(rung), guard_rung_name(rung));
	if (value[n] == '/' && (clock_parse_duration(value + n + 1, &within) < 0 || within > TIME_MAX_NS))
		return complain(at, word, "has no time up to an hour after the '/': say one as %s=10%%/2s",
				guard_rung_name(rung));
	/* In whole milliseconds, as it is told. */
	within = (within + 999999) / 1000000 * 1000000;
	p->on[rung] = true;
	p->at[rung] = thousandths;
	p->within_ns[rung] = within;
	return 0;
}

static int set_reserve(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	uint64_t bytes;

	if (text_parse_size(value, &bytes) < 0 || bytes == 0)
		return complain(at, word, "is no size: say bytes, as reserve=64M");
	p->reserve_bytes = bytes;
	return 0;
}

static int set_time(int64_t *ret, const char *word, const char *value, const struct place *at)
{
	int64_t ns;

	if (clock_parse_duration(value, &ns) < 0 || ns <= 0 || ns > TIME_MAX_NS)
		return complain(at, word, "is no time up to an hour: say one as %.*s=5s", (int)strcspn(word, "="),
				word);
	*ret = ns;
	return 0;
}

static int set_patience(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	return set_time(&p->patience_ns, word, value, at);
}

static int set_save_deadline(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	return set_time(&p->save_deadline_ns, word, value, at);
}

static int set_hook_deadline(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	return set_time(&p->hook_deadline_ns, word, value, at);
}

/* None that stops or kills: a word to the agent is not a verdict. */
static int set_signal(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = { { "none", 0 },	   { "USR1", SIGUSR1 },	  { "USR2", SIGUSR2 },
			{ "HUP", SIGHUP }, { "WINCH", SIGWINCH }, { "URG", SIGURG } };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(signals[i].name, value) == 0) {
			p->signal = signals[i].number;
			return 0;
		}
	return complain(at, word, "is no signal that may be sent: none, USR1, USR2, HUP, WINCH, URG");
}

static int set_text(char *ret, size_t size, const char *word, const char *value, const struct place *at)
{
	size_t length = strlen(value);

	if (length == 0)
		return complain(at, word, "has nothing after the '='");
	if (length >= size)
		return complain(at, word, "is too long: %zu bytes at most", size - 1);
	memcpy(ret, value, length + 1);
	return 0;
}

static int set_hook(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	return set_text(p->hook, sizeof(p->hook), word, value, at);
}

static int set_save_hook(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	return set_text(p->save_hook, sizeof(p->save_hook), word, value, at);
}

static int set_save_to(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	if (value[0] != '/')
		return complain(at, word, "is no absolute directory: say one as save-to=/var/lib/saved");
	return set_text(p->save_to, sizeof(p->save_to), word, value, at);
}

static int set_agent(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	return set_text(p->agent, sizeof(p->agent), word, value, at);
}

static int set_copy(struct guard_policy *p, const char *word, const char *value, const struct place *at)
{
	int r = 0;

	if (strcmp(value, "none") == 0) {
		p->save_n = 0;
		return 0;
	}
	if (strcmp(value, "known") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(known) && r == 0; i++)
			r = save_add(p, known[i]);
	} else if (value[0] == '/' || strncmp(value, "~/", 2) == 0 || strcmp(value, "$CWD") == 0 ||
		   strncmp(value, "$CWD/", 5) == 0) {
		r = save_add(p, value);
	} else {
		return complain(at, word, "is no place: say a path that begins with /, ~/ or $CWD, or known, or none");
	}
	if (r == -ENAMETOOLONG)
		return complain(at, word, "is too long: %zu bytes at most", sizeof(p->save[0]) - 1);
	return r < 0 ? complain(at, word, "is one path too many: %d at most", GUARD_PATHS_MAX) : 0;
}

static const struct setting {
	const char *name;
	int (*set)(struct guard_policy *p, const char *word, const char *value, const struct place *at);
} settings[] = {
	{ "reserve", set_reserve },
	{ "patience", set_patience },
	{ "signal", set_signal },
	{ "hook", set_hook },
	{ "hook-deadline", set_hook_deadline },
	{ "copy", set_copy },
	{ "save-hook", set_save_hook },
	{ "save-to", set_save_to },
	{ "save-deadline", set_save_deadline },
	{ "agent", set_agent },
};

static int parse_assignment(struct guard_policy *p, const char *word, const struct place *at)
{
	size_t length = strcspn(word, "=");
	int rung = rung_of(word, length);

	if (rung >= 0)
		return parse_rung(p, (enum guard_rung)rung, word, word + length + 1, at);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (strlen(settings[i].name) == length && memcmp(settings[i].name, word, length) == 0)
			return settings[i].set(p, word, word + length + 1, at);
	return complain(at, word, "is no setting: " SETTING_NAMES ", or a rung: " RUNG_NAMES);
}

struct reading {
	struct guard_policy policy;
	struct place at;
	unsigned words;
};

static int parse_word(struct reading *r, const char *word)
{
	const struct preset *preset = preset_of(word);
	int rung;

	r->words++;
	/* "tell" is both: as the first word the policy, which is the same. */
	if (preset && r->words == 1) {
		settings_default(&r->policy);
		take_preset(&r->policy, preset);
		return 0;
	}
	if (strncmp(word, "no-", 3) == 0 && (rung = rung_of(word + 3, strlen(word + 3))) >= 0) {
		r->policy.on[rung] = false;
		return 0;
	}
	if (strchr(word, '='))
		return parse_assignment(&r->policy, word, &r->at);
	rung = rung_of(word, strlen(word));
	if (rung >= 0) {
		r->policy.on[rung] = true;
		return 0;
	}
	if (preset)
		return complain(&r->at, word, "is a policy of its own: it may only stand first");
	return complain(&r->at, word,
			"is neither a policy (" PRESET_NAMES ") nor a rung (" RUNG_NAMES
			") nor a setting (NAME=VALUE)");
}

/*
 * A list that names no rung changes the default; one that names some has those alone, unless a preset stands first.
 * Known before the first word is read, so that no-RUNG and copy=none work on the right thing.
 */
static bool names_rungs(const char *text, const char *separators)
{
	for (const char *word = text; *word; word += strcspn(word, separators), word += strspn(word, separators)) {
		word += strspn(word, " \t");
		if (rung_of(word, strcspn(word, "= \t,\n\r")) >= 0)
			return true;
	}
	return false;
}

static void begin(struct reading *r, const char *text, const char *separators)
{
	settings_default(&r->policy);
	if (!names_rungs(text, separators))
		take_preset(&r->policy, preset_of("default"));
}

static int finish(const struct reading *r, struct guard_policy *ret)
{
	const struct guard_policy *p = &r->policy;

	if (p->on[GUARD_SAVE] && p->save_n == 0 && !*p->save_hook)
		return complain(&r->at, "save", "has nothing to save: say copy=known, copy=PATH or save-hook=COMMAND");
	*ret = *p;
	return 0;
}

/* Spaces around a word are no part of it. */
static int take(struct reading *r, const char *from, size_t length)
{
	char word[WORD_MAX];

	while (length > 0 && strchr(" \t\r", from[0])) {
		from++;
		length--;
	}
	while (length > 0 && strchr(" \t\r", from[length - 1]))
		length--;
	if (length >= sizeof(word)) {
		(void)snprintf(word, sizeof(word), "%.*s", SHOWN + 1, from);
		return complain(&r->at, word, "is too long: %d bytes at most", WORD_MAX - 1);
	}
	memcpy(word, from, length);
	word[length] = '\0';
	if (length == 0)
		return complain(&r->at, word, "is an empty word: separate words by one comma");
	return parse_word(r, word);
}

int guard_policy_parse_file(const char *name, const char *data, size_t size, struct guard_policy *ret, struct err *err)
{
	struct reading r = { .at = { .file = name, .err = err } };
	_cleanup_free_ char *text = NULL;
	int result = 0;

	if (size > FILE_BYTES_MAX)
		return complain(&r.at, name, "is too large for a policy: %d bytes at most", FILE_BYTES_MAX);
	if (memchr(data, '\0', size))
		return complain(&r.at, name, "is no text: it has a NUL byte");
	text = strndup(data, size);
	if (!text)
		return err_errno(err, ENOMEM, "can't read the policy");
	begin(&r, text, "\n");
	for (char *line = text; result == 0 && *line;) {
		size_t length = strcspn(line, "\n"), blank = strspn(line, " \t\r");

		r.at.line++;
		/* A '#' inside a line may be a hook's. */
		if (blank < length && line[blank] != '#')
			result = take(&r, line, length);
		line += length + (line[length] == '\n');
	}
	return result < 0 ? result : finish(&r, ret);
}

static int parse_named_file(const char *name, struct guard_policy *ret, struct err *err)
{
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *data = malloc(FILE_BYTES_MAX + 1);
	size_t size = 0;
	ssize_t n = 0;

	if (fd < 0)
		return err_errno(err, errno, "can't read the guard's policy %s", name);
	if (!data)
		return err_errno(err, ENOMEM, "can't read the guard's policy %s", name);
	while (size <= FILE_BYTES_MAX && (n = read(fd, data + size, FILE_BYTES_MAX + 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return err_errno(err, errno, "can't read the guard's policy %s", name);
	return guard_policy_parse_file(name, data, size, ret, err);
}

/* A lone word that is none of ours: with a slash it can only be a file, without one if there is such a file. */
static bool is_file(const char *text)
{
	if (strpbrk(text, ",=") || preset_of(text) || rung_of(text, strlen(text)) >= 0)
		return text[0] == '/' && access(text, F_OK) == 0;
	return strchr(text, '/') || access(text, F_OK) == 0;
}

int guard_policy_parse(const char *text, struct guard_policy *ret, struct err *err)
{
	struct reading r = { .at = { .err = err } };
	int result = 0;

	if (is_file(text))
		return parse_named_file(text, ret, err);
	begin(&r, text, ",");
	for (const char *word = text; result == 0;) {
		size_t length = strcspn(word, ",");

		result = take(&r, word, length);
		word += length;
		if (!*word)
			break;
		word++;
	}
	return result < 0 ? result : finish(&r, ret);
}

bool guard_policy_acts(const struct guard_policy *p)
{
	for (unsigned i = GUARD_TELL + 1; i < GUARD_RUNG_MAX; i++)
		if (p->on[i])
			return true;
	return false;
}

uint64_t guard_policy_reserve(const struct guard_policy *p, uint64_t limit)
{
	uint64_t want = p->reserve_bytes ?: MAX(limit / 20, 32 * MIB);

	return p->on[GUARD_BORROW] ? MIN(want, limit / 4) : 0;
}

void guard_policy_describe(const struct guard_policy *p, char *ret, size_t size)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	for (unsigned i = 0; i < GUARD_RUNG_MAX; i++) {
		if (!p->on[i])
			continue;
		buf_addf(&out, "%s%s=%u.%u%%", out.length ? "," : "", guard_rung_name(i), p->at[i] / 10, p->at[i] % 10);
		if (p->within_ns[i])
			buf_addf(&out, "/%lldms", (long long)(p->within_ns[i] / 1000000));
	}
	if (guard_policy_acts(p))
		buf_addf(&out, ",patience=%lldms", (long long)(p->patience_ns / 1000000));
	if (p->reserve_bytes && p->on[GUARD_BORROW])
		buf_addf(&out, ",reserve=%llu", (unsigned long long)p->reserve_bytes);
	(void)snprintf(ret, size, "%s", out.length ? out.data : "off");
}
