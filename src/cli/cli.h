/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the subcommands share: the command table, options as tables, errors in one line, and a terminal that an
 * agent's bytes can't harm. Only this layer prints.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

/* Exit codes. `run` returns the command's own; everything else one of these. */
enum {
	CLI_OK = 0,
	CLI_NOTHING = 1,  /* a query that found nothing: no such session, no session yet */
	CLI_FAILED = 125, /* wrong usage, and Heddle's own failures */
};

struct cli_command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
};

int cmd_run(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_sessions(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* One option of a command; the table ends with a NULL name. --help is in every table by itself. */
struct cli_option {
	int id;               /* from 1; what cli_next returns */
	const char *name;     /* long form, without dashes */
	const char *argument; /* how help names it ("FILE"), NULL: a flag */
	const char *help;
};

struct cli_usage {
	const char *name;     /* of the command */
	const char *synopsis; /* what follows the name in the usage line */
	const char *about;    /* one paragraph, lines of at most 80 columns, no newline at the end */
	const struct cli_option *options;
	bool stop_at_operand; /* the first operand ends the options (run); else they may be mixed */
};

struct cli_parser {
	const struct cli_usage *usage;
	int argc;
	char **argv;
	const char *value; /* the last option's argument */
	int next;          /* after the end: index in argv of the first operand */
	bool started;
};

enum {
	CLI_OPT_END = 0,    /* no more options */
	CLI_OPT_WRONG = -1, /* wrong usage, said on stderr: return CLI_FAILED */
	CLI_OPT_HELP = -2,  /* help was printed: return CLI_OK */
};

/* Returns an option's id or one of the above. Uses getopt_long, so one parser at a time. */
int cli_next(struct cli_parser *p);

/* "heddle: ...\n" on stderr, control characters escaped, always one line. Returns CLI_FAILED. */
int cli_error(const char *format, ...) _printf_(1, 2);
/* The same with a pointer to the command's --help. Returns CLI_FAILED. */
int cli_usage_error(const char *command, const char *format, ...) _printf_(2, 3);
/* Prints err's text. Returns CLI_NOTHING for ENOENT, else CLI_FAILED. */
int cli_fail(const struct err *err);
/* Flushes stdout. Returns code, or CLI_FAILED (and says so) when something could not be written. */
int cli_finish(int code);

/* The entry of n names (stride bytes apart, the name pointer first) that is nearest to name; NULL: none is near. */
const char *cli_nearest(const char *name, const void *table, size_t n, size_t stride);

/* Positive number, whole string. 0 or -EINVAL, -ERANGE. */
int cli_parse_uint(const char *text, uint64_t max, uint64_t *ret);

/* Output to people. */
enum term_style {
	TERM_PLAIN = 0,
	TERM_BOLD,
	TERM_DIM,
	TERM_RED,
	TERM_YELLOW,
	TERM_GREEN,
	TERM_CYAN,
	TERM_ALARM, /* bold red */
	TERM_STYLE_MAX,
};

/* Colours: the stream is a terminal, NO_COLOR is unset or empty and TERM is not "dumb". */
bool term_color(FILE *stream);
/* Columns of the stream's terminal; else $COLUMNS, else 80. Never under 40. */
unsigned term_width(FILE *stream);
/* Escape sequences that start a style and end any; "" when color is false. */
const char *term_on(bool color, enum term_style style);
const char *term_off(bool color);

/*
 * Appends text so that it is valid UTF-8 and harmless in a terminal: control, bidirectional and invisible characters,
 * what this system can't tell the width of, a fifth combining mark on one character, and bytes that are not UTF-8
 * become \xNN. Backslashes stay, because events are escaped already. Needs a UTF-8 LC_CTYPE (main sets it).
 */
void term_text(struct buf *out, const char *text, size_t length);
/* The same for bytes that nobody escaped yet: a backslash is doubled. */
void term_bytes(struct buf *out, const void *data, size_t length);
/* Columns that UTF-8 text takes: wide characters two, combining ones none. Needs a UTF-8 LC_CTYPE (main sets it). */
unsigned term_columns(const char *text, size_t length);
/* Bytes of text that fit in so many columns. */
size_t term_fit(const char *text, size_t length, unsigned columns);
