/* SPDX-License-Identifier: Apache-2.0 */
/* Options as tables, help made from them, and errors in one line. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#define OPTIONS_MAX 40
#define OPTION_HELP 1000
#define MESSAGE_MAX 4096

static void say(const char *tail, const char *format, va_list arguments)
{
	char text[MESSAGE_MAX];
	_cleanup_buf_ struct buf out = BUF_INIT(8 * sizeof(text));

	(void)vsnprintf(text, sizeof(text), format, arguments);
	buf_adds(&out, "heddle: ");
	term_text(&out, text, strlen(text));
	/* A question is the hint already. */
	if (out.length > 0 && out.data[out.length - 1] != '?')
		buf_adds(&out, tail);
	buf_addc(&out, '\n');
	/* One write, so that lines of two processes never mix. */
	(void)fflush(stderr);
	if (out.failed)
		(void)fprintf(stderr, "heddle: out of memory\n");
	else
		(void)fwrite(out.data, 1, out.length, stderr);
	(void)fflush(stderr);
}

int cli_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
	return CLI_FAILED;
}

int cli_usage_error(const char *command, const char *format, ...)
{
	va_list arguments;
	char tail[96], prefixed[256];

	(void)snprintf(tail, sizeof(tail), "; try 'heddle %s --help'", command);
	(void)snprintf(prefixed, sizeof(prefixed), "%s: %s", command, format);
	va_start(arguments, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	say(tail, prefixed, arguments);
#pragma GCC diagnostic pop
	va_end(arguments);
	return CLI_FAILED;
}

int cli_fail(const struct err *err)
{
	(void)cli_error("%s", err->code ? err->text : "failed for an unknown reason");
	return err->code == ENOENT ? CLI_NOTHING : CLI_FAILED;
}

int cli_finish(int code)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	return cli_error("can't write to standard output: %s", strerror(errno ? errno : EIO));
}

static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= ARRAY_SIZE(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t replaced = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = MIN(replaced, MIN(corner, row[j]) + 1);
		}
	}
	return row[n];
}

const char *cli_nearest(const char *name, const void *table, size_t n, size_t stride)
{
	const char *best = NULL;
	size_t best_distance = 4, length = strnlen(name, 64);

	if (length >= 64)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const char *candidate = *(const char *const *)((const char *)table + i * stride);
		/* The start of a name is nearer than any typing mistake. */
		size_t d = length >= 2 && strncmp(candidate, name, length) == 0 ? 0 : distance(name, candidate);

		if (d < best_distance && d < MAX(length, (size_t)2)) {
			best_distance = d;
			best = candidate;
		}
	}
	return best;
}

int cli_parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

static void print_help(const struct cli_usage *usage)
{
	printf("Usage: heddle %s%s%s\n\n%s\n\nOptions:\n", usage->name, *usage->synopsis ? " " : "", usage->synopsis,
	       usage->about);
	for (const struct cli_option *o = usage->options;; o++) {
		char left[64];

		(void)snprintf(left, sizeof(left), "--%s%s%s", o->name ? o->name : "help",
			       o->name && o->argument ? " " : "", o->name && o->argument ? o->argument : "");
		printf("  %-22s %s\n", left, o->name ? o->help : "print this");
		if (!o->name)
			break;
	}
}

/* Is word one of the choices of an argument such as "text|json"? */
static bool is_choice(const char *argument, const char *word)
{
	const char *at = argument && strchr(argument, '|') ? strstr(argument, word) : NULL;
	size_t length = strlen(word);

	return at && length > 0 && (at == argument || at[-1] == '|') && (at[length] == '|' || at[length] == '\0');
}

/* Says what is wrong with the option that getopt refused. */
static void wrong(const struct cli_parser *p, int code)
{
	const struct cli_usage *usage = p->usage;
	const char *given = p->argv[optind - 1], *near = NULL;
	size_t length = strcspn(given, "=");
	char name[64];

	if (code == ':') {
		(void)cli_usage_error(usage->name, "%s needs an argument", given);
		return;
	}
	if (strncmp(given, "--", 2) != 0) {
		(void)cli_usage_error(usage->name, "-%c is not an option", optopt);
		return;
	}
	/* Without what follows an equals sign. */
	(void)snprintf(name, sizeof(name), "%.*s", (int)MIN(length - 2, sizeof(name) - 1), given + 2);
	for (const struct cli_option *o = usage->options; o->name; o++) {
		if (is_choice(o->argument, given + 2)) {
			(void)cli_usage_error(usage->name, "%s is not an option; did you mean --%s %s?", given, o->name,
					      given + 2);
			return;
		}
		if (strlen(o->name) == length - 2 && strncmp(given + 2, o->name, length - 2) == 0) {
			(void)cli_usage_error(usage->name, "--%s takes no argument", o->name);
			return;
		}
		if (!near && distance(name, o->name) <= 2)
			near = o->name;
	}
	if (near)
		(void)cli_usage_error(usage->name, "%s is not an option; did you mean --%s?", given, near);
	else
		(void)cli_usage_error(usage->name, "%s is not an option", given);
}

int cli_next(struct cli_parser *p)
{
	struct option table[OPTIONS_MAX] = { 0 };
	size_t n = 0;

	for (const struct cli_option *o = p->usage->options; o->name && n < OPTIONS_MAX - 2; o++, n++)
		table[n] = (struct option){ o->name, o->argument ? required_argument : no_argument, NULL,
					    OPTION_HELP + o->id };
	table[n] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	if (!p->started) {
		p->started = true;
		optind = 0;
		opterr = 0;
	}
	optopt = 0;
	int code = getopt_long(p->argc, p->argv, p->usage->stop_at_operand ? "+:h" : ":h", table, NULL);
	p->next = optind;
	p->value = optarg;
	if (code == -1)
		return CLI_OPT_END;
	if (code == 'h' || code == OPTION_HELP) {
		print_help(p->usage);
		return cli_finish(CLI_OK) == CLI_OK ? CLI_OPT_HELP : CLI_OPT_WRONG;
	}
	if (code > OPTION_HELP)
		return code - OPTION_HELP;
	wrong(p, code);
	return CLI_OPT_WRONG;
}
