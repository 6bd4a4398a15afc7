/* SPDX-License-Identifier: Apache-2.0 */
/* The report: a model made of a session's lines, and its two forms. Nothing here reads a store or prints. */
#pragma once

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/keyed.h"
#include "store/store.h"

struct report_process {
	char *key;
	struct report_process *parent, *first_child, *last_child, *next;
	char *comm, *exe, *command; /* command: arguments of the last exec; NULL: never executed anything */
	uint32_t pid;
	unsigned execs;
	int64_t start_ns, end_ns; /* UTC; end 0: not seen to exit */
	int64_t exit_code;        /* where signal is NULL */
	char *signal;
	uint64_t max_rss_bytes;
	bool oom_killed;
	bool before;              /* ran before capture began, or its fork was not seen */
};

/* Escapes, privilege changes, memory made executable: the same from the same program is one, counted. */
struct report_incident {
	char *key;
	char *line; /* the first one's JSON */
	char *text; /* in words */
	char *comm;
	uint32_t pid;
	bool failed;
	uint64_t count;
	int64_t first_ns, last_ns;
};

struct report_host {
	char *key; /* name, or the address where none is known */
	struct strings addresses, ports, errors, programs;
	uint64_t connects, failed;
	int64_t first_ns;
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

struct report {
	struct store_session session; /* strings borrowed from the caller */
	uint64_t lines, damaged;
	uint64_t events[HD_TYPE_EVENT_MAX + 1], failed[HD_TYPE_EVENT_MAX + 1]; /* by enum hd_type */
	uint64_t changes[HD_META_MAX];                                        /* by enum hd_metadata, successful */
	struct keyed processes, escapes, privileges, memory, hosts, names, files, failed_opens, open_errors, listening,
		local_sockets, failed_execs, started, gaps; /* started: names of programs that could be */
	struct map by_pid;             /* pid -> its latest process */
	struct report_process *first_root, *last_root;
	struct report_process *peak;   /* with the largest max_rss_bytes, or NULL */
	int64_t first_ns, last_ns;     /* of the lines */
	int failure;                   /* -ENOMEM once something could not be kept */
};

/* session's strings are borrowed until report_free. NULL when out of memory. */
struct report *report_new(const struct store_session *session);
void report_free(struct report *r);
DEFINE_CLEANUP(struct report *, report_free);

/* Takes one stored line. What can't be read is counted. */
void report_add(struct report *r, int64_t time_ns, const char *line, size_t length);
/* After the last line: sorts. */
void report_finish(struct report *r);

/* Next process of the tree, parents first; start with NULL. *depth is its own, from 0. */
struct report_process *report_walk(const struct report *r, struct report_process *p, unsigned *depth);
/* True for a failed exec that was a step along PATH: the same name was found elsewhere. */
bool report_path_search(const struct report *r, const struct report_count *failed_exec);
/* When the session ended, or what it got to. */
int64_t report_end_ns(const struct report *r);

/* Appends the report. Returns 0 or the buffer's error. */
int report_text(const struct report *r, unsigned width, bool color, struct buf *out);
int report_json(const struct report *r, struct buf *out);
