/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session's memory: turns frames from the lanes into finished events. It knows processes (who, which image),
 * files by file_id (so that a fold has a path), DNS answers (so that a connect has a host name), TCP streams of
 * port 53, cgroup paths, and it folds. Single-threaded. Every table has a cap; what is evicted is counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "event/event.h"
#include "track/ledger.h"

struct tracker;

/*
 * Takes a finished event. A negative errno makes it count as lost and is returned from the push (the first one, when
 * a push tells several events); the tracker goes on as if it had been taken.
 */
typedef int (*tracker_sink)(void *context, const struct event *e);

/* Where a process comes from that no process_fork of the session made. */
enum tracker_origin {
	TRACKER_BEFORE,	 /* ran when capture began */
	TRACKER_JOINED,	 /* was moved into the workload's cgroup */
	TRACKER_UNKNOWN, /* its fork is not among the events */
};

/*
 * Introduces such a process, before its first event (one that comes in while it acts: right after). Of the event only
 * what says who it is holds: session, sequence, process, the header, exe, cgroup.
 */
typedef void (*tracker_process)(void *context, const struct event *who, enum tracker_origin origin);

/* What the tracker has to ask the machine, since no frame has it. */
enum tracker_question {
	TRACKER_CGROUP = 1, /* the path of a cgroup, by id */
	TRACKER_IMAGE,	    /* the image of a process, by pid */
};

struct tracker_options {
	const char *session;	   /* UUID text; borrowed for the tracker's life */
	const char *boot8;	   /* first eight hex digits of the boot id */
	int64_t time_offset_ns;	   /* CLOCK_REALTIME minus CLOCK_BOOTTIME, at session start */
	const char *cgroup_root;   /* mount of the v2 hierarchy, or NULL: no cgroup paths */
	const char *proc;	   /* mount of procfs, to ask for images that no frame has named; or NULL */
	uint64_t fold_ns;	   /* how long a fold may wait; 1 s in production */
	const uint16_t *dns_ports; /* besides 53; 0 ends the list; NULL: none */
	/*
	 * Answers for the machine, from a recording: cgroup_root and proc then only say whether it is asked at all.
	 * Fills room; returns the length, or a negative errno: unknown. NULL: the machine is asked.
	 */
	ssize_t (*recall)(void *context, enum tracker_question question, uint64_t id, char *room, size_t size);
	/* Is told each answer of the machine (length as recall returns it); NULL: nobody is. */
	void (*answered)(void *context, enum tracker_question question, uint64_t id, const char *answer,
			 ssize_t length);
	tracker_sink sink;
	tracker_process process; /* NULL: nobody wants to know */
	void *context; /* of all four */
};

int tracker_new(const struct tracker_options *options, struct tracker **ret, struct err *err);
void tracker_free(struct tracker *t); /* NULL is fine; does not flush */
DEFINE_CLEANUP(struct tracker *, tracker_free);

/* Tells of a process that runs already (attach, and the first one of run). Strings are copied; exe may be unset. */
int tracker_seed(struct tracker *t, uint32_t pid, uint64_t start_ns, uint32_t ppid, struct bytes comm,
		 struct bytes exe);

/*
 * One frame from a lane. A frame that does not decode is counted (tracker_malformed) and is no error: only the sink's
 * errors are returned, here and below.
 */
int tracker_push(struct tracker *t, const void *frame, size_t size);

/* Flushes folds that are due at now_ns (CLOCK_BOOTTIME); call at least once a second. */
int tracker_tick(struct tracker *t, uint64_t now_ns);

/* Flushes everything: the session ends. */
int tracker_finish(struct tracker *t);

/* The next sequence number; session, gap and ledger lines take theirs here too. */
uint64_t tracker_next_sequence(struct tracker *t);

/*
 * What this side did with frames: folded further, or split (TCP segments). Corrections modulo 2^64: add them to the
 * kernel's ledger with ledger_add.
 */
const struct ledger *tracker_ledger(const struct tracker *t);
/* The bytes of TCP connections by remote end, as traffic_write has them; an empty array where there were none. */
void tracker_write_traffic(const struct tracker *t, struct json *j);
uint64_t tracker_malformed(const struct tracker *t);

/* What the caps cost so far, and what memory failed for. An event is never lost by these, only poorer. */
struct tracker_counts {
	uint64_t processes_evicted, images_evicted;
	uint64_t files_evicted;
	uint64_t names_evicted; /* DNS cache */
	uint64_t cgroups_evicted;
	uint64_t folds_early; /* told before their time because the table was full */
	uint64_t floods_early;
	uint64_t streams_evicted; /* DNS over TCP */
	uint64_t stream_gaps;	  /* holes in them */
	uint64_t out_of_memory;	  /* times that a table could not take something */
};
void tracker_counts(const struct tracker *t, struct tracker_counts *ret);
