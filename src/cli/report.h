/* SPDX-License-Identifier: Apache-2.0 */
/* The report: a model made of a session's lines, and its two forms. Nothing here reads a store or prints. */
#pragma once

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/keyed.h"
#include "store/store.h"

/* What a process became by one exec. */
struct report_image {
	int64_t time_ns;
	char *exe, *command; /* command: its arguments, as a shell would take them */
	size_t called;	     /* bytes of command that are argv[0] */
};

#define REPORT_TREE_LINES 100 /* of the page; a larger tree is folded harder */
#define REPORT_IMAGES_MAX 16  /* past these only the last is kept */

struct report_process {
	char *key;
	struct report_process *parent, *first_child, *last_child, *next;
	char *comm, *exe;
	struct report_image *images; /* owned; none: never executed anything */
	unsigned images_n, execs;
	uint32_t pid, ppid;
	uint32_t times; /* siblings like this one with all below, itself too; 0: an earlier one stands for it */
	uint32_t akin;	/* siblings with the same program and end that this one stands for */
	bool more;	/* a later sibling is told */
	int64_t start_ns, end_ns; /* UTC; end 0: not seen to exit */
	int64_t exit_code;	  /* where signal is NULL */
	char *signal;
	uint64_t max_rss_bytes;
	bool oom_killed;
	bool before; /* ran before capture began, or its fork was not seen */
};

/* Escapes, privilege changes, memory made executable: the same from the same program is one, counted. */
struct report_incident {
	char *key;
	char *line; /* the JSON of the first that succeeded, else of the first */
	char *text; /* in words, without the outcome; of an escape: what it does */
	char *comm;
	char *category, *call; /* of an escape; call NULL: the entry stands for what was over a cap */
	char *target;	       /* of an escape, numbers folded to N where they differ; NULL: none */
	bool varied;	       /* text is that of one of several */
	unsigned rank;	       /* of the category, the worst first */
	struct strings errors;
	uint32_t pid;
	uint64_t count, failed;
	int64_t first_ns, last_ns;
};

/* One port of a host. */
struct report_service {
	char *key;
	struct report_service *next; /* of the same host */
	uint32_t port;		     /* 0: none */
	char protocol[16];
	bool accepted; /* the host connected to this port of ours; only from the end line */
	struct strings addresses, errors, programs;
	uint64_t connects, failed;
	uint64_t connections, sent, received; /* what the session's end line has; bytes */
};

struct report_host {
	char *key; /* name, or the address where none is known */
	struct report_service *first, *last;
	int64_t first_ns; /* 0: no connect was seen */
};

struct report_name {
	char *key;
	struct strings types, codes, answers;
	uint64_t queries, responses;
};

struct report_file {
	char *key; /* path */
	uint64_t read_bytes, read_operations, write_bytes, write_operations, mappings;
	uint64_t deleted;
	bool made; /* by the session: what it deleted of that name was its own */
};

/* Something that was counted: failed opens by error and path, unix sockets, listeners, errors. */
struct report_count {
	char *key;
	uint64_t count, failed;
	char *detail;
};

struct report_gap {
	char *key; /* its line */
};

/* A moment of the workload's memory. */
struct report_point {
	int64_t time_ns; /* UTC */
	uint64_t current, anon, available;
};

/* A program that the agent started, by its command; all its runs. */
struct report_phase {
	char *key;
	uint64_t times, peak_bytes, read_bytes, write_bytes;
	int64_t slope; /* bytes a second, the steepest */
};

struct report_act {
	char *key; /* its line: the guard's, or an OOM kill */
	int64_t time_ns;
};

struct report_vitals {
	struct report_point *points; /* owned */
	size_t points_n;
	uint64_t samples, limit;
	struct report_point highest, least; /* the most in use, the least available */
	char *agent; /* its command */
	uint64_t agent_peak;
	struct keyed phases, acts;
	char *score, *last; /* lines */
};

struct report {
	struct store_session session; /* strings borrowed from the caller */
	uint64_t lines, damaged;
	uint64_t clock_sets; /* how often the wall clock was set while it ran */
	uint64_t events[HD_TYPE_EVENT_MAX + 1], failed[HD_TYPE_EVENT_MAX + 1]; /* by enum hd_type */
	uint64_t changes[HD_META_MAX];					       /* by enum hd_metadata, successful */
	struct keyed processes, escapes, privileges, memory, hosts, services, names, files, failed_opens, open_errors,
	    listening, local_sockets, failed_execs, started, gaps; /* started: names of programs that could be */
	unsigned escape_kinds[HD_ESC_MAX + 1]; /* entries of escapes by category, the last: unknown ones */
	uint64_t escapes_over;		       /* counted in an entry for others: over a cap */
	bool is_run;			       /* a command was started; else something was attached to */
	bool traffic;			       /* the end line tells connections and bytes */
	uint64_t sent, received;	       /* in all */
	bool finished;
	int64_t origin_ns; /* what offsets count from: the command's own exec, else the session's start */
	int64_t now_ns;	   /* for a session that runs; 0: its last line counts */
	struct report_vitals vitals;
	struct map by_pid; /* pid -> its latest process */
	struct report_process *first_root, *last_root;
	struct report_process *peak; /* with the largest max_rss_bytes, or NULL */
	int64_t first_ns, last_ns;   /* of the lines */
	int failure;		     /* -ENOMEM once something could not be kept */
};

/* session's strings are borrowed until report_free. NULL when out of memory. */
struct report *report_new(const struct store_session *session);
void report_free(struct report *r);
DEFINE_CLEANUP(struct report *, report_free);

/* Takes one stored line. What can't be read is counted. */
void report_add(struct report *r, int64_t time_ns, const char *line, size_t length);
/* After the last line: sorts, adds the end line's traffic, finds what is alike. */
void report_finish(struct report *r);

/* Appends what was tried, without who and the outcome: "unshare CLONE_NEWNS, leaves its namespaces". */
void report_incident_words(const struct report_incident *i, struct buf *out);
/* Appends text with whole numbers after a slash, a space or a bracket as N: "/proc/12/maps" is "/proc/N/maps". */
void report_fold_numbers(struct buf *out, struct bytes text);
/* The last of what it was called with, or NULL. */
const char *report_command(const struct report_process *p);
/* Next process of the tree, parents first; start with NULL. *depth is its own, from 0. */
struct report_process *report_walk(const struct report *r, struct report_process *p, unsigned *depth);
/* True for a failed exec that was a step along PATH: the same name was found elsewhere. */
bool report_path_search(const struct report *r, const struct report_count *failed_exec);
/* When the session ended, or what it got to. */
int64_t report_end_ns(const struct report *r);

/* Appends the report. Returns 0 or the buffer's error. */
int report_text(const struct report *r, unsigned width, bool color, struct buf *out);
int report_json(const struct report *r, struct buf *out);
