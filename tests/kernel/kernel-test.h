/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel tests: one binary that is both the workload (--act) and the judge (--heddle). A case does real system
 * calls and says, beside each of them, which event it must have made; the judge runs the cases under `heddle run`
 * and holds the JSON lines against what was said.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOBODY 65534

struct act_case {
	const char *name;  /* NULL ends the table */
	void (*act)(void); /* runs in a child of its own, in a directory of its own */
};

struct act_family {
	const char *name;
	const char *proves; /* event types and categories, for --list */
	const struct act_case *cases;
	const char *const *heddle_options; /* more options for `heddle run`, NULL-terminated; NULL: none */
	void (*prelude)(void);		   /* not NULL: the family is attached to; this runs before, unseen */
	bool lossy;			   /* the bulk lane overflows, and must say so */
	bool stress;			   /* runs with --stress only */
	bool apart;			   /* each case is a session of its own */
	/*
	 * Judges the run in place of judge_check where there is too much for facts line by line: gets the paths of what
	 * the acts printed and of the JSON lines, and reports with tap(). NULL: judge_check.
	 */
	void (*check)(const struct act_family *family, const char *facts, const char *json, const char *tier);
};
extern const struct act_family *const act_families[]; /* NULL ends */

/*
 * ---- the workload's side (act.c) ----
 *
 * An expectation is a list of fields, separated by '|':
 *   key=value   equal; a list is compared as a set; "hex:..." stands for raw bytes; "*" drops a default for the key
 *   key!=value  key~part (contains)  key!~part  key^start  key>=number  key:=number (in sum over all candidates)
 *   +key -key   present, absent
 *   @...        selects: events of the type that meet all selecting fields are the candidates
 *   %path       the object was named by a path: `verified` may be false in the tracepoint tier
 *   %late       the event may be older than the one that was expected before it
 *   %way=NAME   docs/coverage.md counts the event below this path, a column of tools/coverage, not below its `via`
 * pid and tid select by default; ppid, uid, gid, comm and exe of the caller are expected by default.
 */
void expect(const char *type, const char *what, const char *format, ...) _printf_(3, 4);
/* As many as count; -1: one or more. */
void expect_n(int count, const char *type, const char *what, const char *format, ...) _printf_(4, 5);
/* No event of the type meets all the fields; only pid is a default. */
void expect_none(const char *type, const char *what, const char *format, ...) _printf_(3, 4);

/*
 * What a call must have given, as fields. ok: anything from 0 up, else the provocation has failed and the judge is
 * told so; no: -1 with this errno; any: what the kernel says, whichever that is.
 */
const char *ok(long result);
const char *no(long result, int error);
const char *any(long result);
/* Tells the judge that the provocation itself went wrong when `right` is false; gives `right` back. */
bool must(bool right, const char *what);
/* What could not be provoked on this machine, and why. */
void skip(const char *what, const char *why);
/* A line for a family's own judge. */
void note(const char *format, ...) _printf_(1, 2);
/* A process from outside that has joined the workload: its events are no strangers. */
void joined(pid_t pid);

/* Absolute path of a name in the case's directory; the last eight results stay valid. */
char *at(const char *name);
/* Bytes as a field's value ("hex:..."); the last eight results stay valid. */
char *hex(const void *bytes, size_t length);
/* "major:minor" of a device as stat has it; the last eight results stay valid. */
char *device(dev_t dev);
/* A file with these contents; 0644. */
void make_file(const char *path, const char *text);
void copy_file(const char *from, const char *to, mode_t mode);
/* fork; the child runs fn and exits with what it returns. Gives the child's pid after its end. */
pid_t in_child(int (*fn)(void *), void *context);
/* Waits for the child and gives its wait status. */
int wait_for(pid_t pid);
void write_file(const char *path, const char *text); /* without O_CREAT; errno as it came */
void loopback_up(void);

extern const char *act_self;	      /* this program, as the kernel names it */
extern const char *act_base;	      /* scratch directory of the run */
extern unsigned act_dns_port;	      /* where the judge's DNS server listens on 127.0.0.1 */
extern pid_t act_outsider;	      /* a process of the judge's that waits to be taken into the workload; 0: none */
extern const char *act_outsider_mark; /* the file that it makes then */
extern long act_uid, act_gid;	      /* in a user namespace: what the initial one shows; -1: ask */
extern int act_status;		      /* of the last in_child */

/* How many times a stress case tries: --stress short or long; the short number outside of --stress. */
unsigned act_tries(unsigned in_short, unsigned in_long);
/* The machine is QEMU's without KVM, ten times slower than others. */
bool act_emulated(void);
#define ACT_STRESS "HEDDLE_TEST_STRESS" /* environment: "short" or "long" */

int act_list(void);
int act_run(const char *name); /* a family, or family/case */
/* What helper programs do: "--helper exit 3". Ends the process. */
int helper_main(int argc, char **argv);

/* ---- the judge's side ---- */

struct judge_options {
	const char *heddle;
	const char *self;
	const char *only;  /* family or family/case; NULL: all */
	const char *tier;  /* NULL: the best */
	unsigned limit;	   /* seconds a family may take */
	unsigned dns_port; /* 0: 53 if free, else another */
	const char *stress; /* "short", "long": the stress families; NULL: all others */
	const char *keep;  /* directory that keeps facts and JSON files; NULL: none */
};
int judge_run(const struct judge_options *options);
/* Checks a JSON file against what a workload printed; adds TAP lines. */
void judge_check(const char *family, const char *facts, const char *json, const char *tier, bool lossy);

/*
 * Judges a session that is too long to be kept in memory, line by line: strict JSON, sequence, keys that resolve, a
 * ledger that balances and counts the lines, and what the acts told by note(); see flood-check.c. Prints a table.
 */
void judge_flood(const struct act_family *family, const char *facts, const char *json, const char *tier);

/* TAP */
void tap(bool right, const char *name, const char *why, const char *evidence);
void tap_skip(const char *name, const char *why);
void tap_reset(void);
int tap_end(void); /* prints the plan; 0 when nothing failed */

/* One line of a JSON file. */
struct line {
	struct json *json;
	const char *text; /* as it stands in the file */
	const char *type;
	int64_t time_ns; /* `time`, or `last` for folds; -1: none */
	long long pid, tid;
	bool event; /* one of the 16 types */
};
struct lines {
	char *bytes;
	struct line *line;
	size_t n;
};
int lines_read(const char *path, struct lines *ret, const char *family); /* reports bad lines itself */
void lines_free(struct lines *l);
int64_t time_parse(const char *text); /* RFC 3339, nine digits, Z; ns since the epoch, -1 when malformed */
bool type_is_event(const char *type);
/* For docs/coverage.md: "# covers ..." lines. `way`: what the test declared, or "". */
void covers(const struct line *l, const char *way);
void covers_tier(const char *tier);
/* A field's bytes with its \xNN undone where `escaped` names it. Gives the length; cut at size. */
struct json;
size_t field_bytes(const struct json *event, const char *key, const struct json *value, char *ret, size_t size);

/* What holds for every run, whatever ran in it. */
void judge_common(const char *family, const struct lines *lines, const long long *strangers, size_t strangers_n,
		  long long root, bool lossy);

/* The judge's own DNS server on 127.0.0.1, a child process; gives its pid, and the port through *port (0: choose). */
pid_t dns_server_start(unsigned *port);
size_t dns_answer(const uint8_t *query, size_t length, uint8_t *ret, size_t size);
