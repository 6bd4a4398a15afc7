/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a session rests: one SQLite file a session, $HEDDLE_HOME/sessions/<uuid>.db (WAL, one writer, STRICT tables,
 * user_version = STORE_SCHEMA), so that two runs never wait for each other and a damaged file costs one session.
 * The writer holds a lock on the file's .lock neighbour: an unended session whose lock is free was interrupted.
 * Events are kept as the JSON lines that were printed, in compressed blocks, beside what queries need to pass over a
 * block. A chain of hashes goes through the blocks, and a key signs it once a second (chain.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "track/ledger.h"

#define STORE_SCHEMA 3

/* $HEDDLE_HOME, /var/lib/heddle for root, $XDG_STATE_HOME/heddle or ~/.local/state/heddle. */
int store_home(char *ret, size_t size, struct err *err);

struct store_writer;

struct store_session {
	char id[37];            /* UUIDv7 */
	int64_t started_ns;     /* UTC */
	int64_t ended_ns;       /* 0: not ended */
	const char *command;    /* one line for people. Strings: a writer borrows, a reader owns until refresh, free */
	const char *start_line; /* the "session" "start" JSON line */
	const char *end_line;   /* NULL until ended */
	const char *ledger_line;
	uint64_t events;
	int exit_status;        /* as run returned it; -1: unknown */
	/* STORE_INTERRUPTED: its writer died; one that another process has closed since then has ended_ns too. */
	enum { STORE_RUNNING, STORE_ENDED, STORE_INTERRUPTED, STORE_UNREADABLE } state;
	/* Readers: the last sign of life of the writer, which comes every two seconds or more often. 0: none. */
	int64_t beat_ns;        /* UTC */
	uint64_t beat_boot_ns;  /* CLOCK_BOOTTIME */
	uint64_t beat_sequence; /* of the last line that it covers */
	int schema;             /* of the file; 2: other marks and links in the chain, 1: neither chain nor beat */
	const char *why;        /* STORE_UNREADABLE: what is wrong (corrupt, newer version) */
};

/* A new UUIDv7 (RFC 9562) as text. */
void store_new_id(char ret[37]);

/* Creates the file and writes the session row. Fails with a text naming the directory when it can't be written. */
int store_writer_open(const char *home, const struct store_session *session, struct store_writer **ret,
		      struct err *err);
/*
 * Queues one line for the writer's thread, which commits by itself every 2,000 lines or so; waits while the queue is
 * full. Sequence numbers rise from line to line. type 0: session, process, gap, ledger lines.
 * An error of the disk loses every line since the last commit, counted in store_writer_lost; it is returned by one of
 * the calls that follow. The writer stays usable and tries the disk again after a second, until then it refuses at
 * once.
 */
int store_writer_add(struct store_writer *w, uint64_t sequence, int64_t time_ns, unsigned type, uint32_t pid,
		     const char *process, struct bytes line, struct err *err);
/* Commits what was added, and waits for it. */
int store_writer_commit(struct store_writer *w, struct err *err);
/* The same without the wait: a failure is returned by a later call. */
int store_writer_commit_soon(struct store_writer *w, struct err *err);
/* Whether the last try of the disk went well. An unhealthy one is tried again with each commit. */
bool store_writer_healthy(struct store_writer *w);
/*
 * Tells that the session is alive; call it once a second or so. Commits as commit_soon, and signs what was committed;
 * when there is nothing to sign for two seconds it is a heartbeat. ledger: the session's counts so far, which the
 * signature covers; NULL: as the last time.
 */
int store_writer_beat(struct store_writer *w, const struct ledger *ledger, struct err *err);
/* What is known of a session whose writer died. */
struct store_remains {
	uint64_t sequence;     /* of the last line that is stored; the next one has a higher number */
	int64_t started_ns;    /* UTC */
	int64_t beat_ns;       /* UTC as the wall clock had it, the last checkpoint that the dead writer signed */
	uint64_t beat_boot_ns; /* the same, CLOCK_BOOTTIME */
	int64_t offset_ns;     /* UTC less CLOCK_BOOTTIME, as the session began */
	uint64_t stored[HD_TYPE_EVENT_MAX + 1];          /* lines, by type */
	struct ledger_row ledger[HD_TYPE_EVENT_MAX + 1]; /* the counts as last signed, both lanes as one */
};
/*
 * Opens a session whose writer died (STORE_INTERRUPTED), to add what is to be said of that and to end it. All of its
 * chain is checked first.
 * -ENOENT: there is none; -EBUSY: its writer lives; -EUCLEAN: it was altered; -EPERM: another key signed it;
 * -EALREADY: it has ended; -ENOTSUP: it has no chain.
 */
int store_writer_recover(const char *home, const char *id, struct store_writer **ret, struct store_remains *ret_remains,
			 struct err *err);
/*
 * Lines given to add that are not and will not be in the store as far as is known (all, after a commit), by type;
 * HD_TYPE_EVENT_MAX + 1 counts, borrowed until the next call.
 */
const uint64_t *store_writer_lost(struct store_writer *w);
/*
 * Ends the session: end and ledger lines (kept in the session row beside the lines that were added), status;
 * checkpoints the WAL; closes the file, but does not free the writer. The count of events is the writer's own.
 */
int store_writer_end(struct store_writer *w, const struct store_session *session, struct err *err);
void store_writer_free(struct store_writer *w); /* without end: commits, and leaves it to be seen as interrupted */
DEFINE_CLEANUP(struct store_writer *, store_writer_free);

/*
 * Calls fn for each session, newest first; fn returns non-zero to stop, and that is returned. Unreadable files are
 * given with state and why. No directory yet: no session.
 */
int store_sessions(const char *home, int (*fn)(void *context, const struct store_session *s), void *context,
		   struct err *err);

/*
 * Finds one: "last", a whole id, or an unambiguous prefix of at least 4 characters. Fills id.
 * -ENOENT, -EEXIST (ambiguous) with a text that says what to do.
 */
int store_find(const char *home, const char *name, char ret_id[37], struct err *err);

/*
 * Calls fn for each session that has no end and no living writer, as far as its lock file tells: cheap where there is
 * none. fn returns non-zero to stop, and that is returned.
 */
int store_abandoned(const char *home, int (*fn)(void *context, const char *id), void *context, struct err *err);

/*
 * Whether any other process has the session's file open as a store. The lock file alone is no proof of death: who can
 * write the directory can take it away from a writer that lives.
 */
bool store_in_use(const char *home, const char *id);

/* Removes a session for good. -EBUSY while it runs; a damaged one can be removed too. */
int store_delete(const char *home, const char *id, struct err *err);

struct store_reader;
/* Also -EUCLEAN (damaged), -ENOTSUP (a newer version), each with a text that names the file and says what to do. */
int store_reader_open(const char *home, const char *id, struct store_reader **ret, struct err *err);
void store_reader_free(struct store_reader *r);
DEFINE_CLEANUP(struct store_reader *, store_reader_free);
/* Borrowed until refresh or free. */
const struct store_session *store_reader_session(struct store_reader *r);

struct store_filter {
	uint32_t types;        /* bit (1 << enum hd_type); 0: all event types and the lines that are no events */
	int64_t since_ns, until_ns; /* UTC; 0: open */
	uint32_t pid;          /* 0: any */
	uint64_t after;        /* only sequence numbers above this */
	uint64_t limit;        /* 0: none */
};
struct store_row {
	uint64_t sequence;
	int64_t time_ns;
	unsigned type;
	uint32_t pid;
	const char *process;
	struct bytes line;
};
/* Calls fn in order of sequence; fn returns non-zero to stop (that value is returned). */
int store_events(struct store_reader *r, const struct store_filter *filter,
		 int (*fn)(void *context, const struct store_row *row), void *context, struct err *err);
/* Re-reads whether the session has ended (for --follow). */
int store_reader_refresh(struct store_reader *r, struct err *err);
