/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session under observation: the sensor, the recorder behind it and the loop that runs both until the workload is
 * gone or someone ends it. `run` has it in a process of its own, `attach` in the only one.
 */
#pragma once

#include "base/buf.h"
#include "cli/recorder.h"
#include "cli/throttle.h"
#include "cli/vitals-link.h"
#include "sensor/sensor.h"

struct observer;

struct observer_options {
	struct sensor_options sensor;
	struct recorder_options recorder; /* all but sensor and cgroup */
	int record_fd;                    /* borrowed; raw frames; -1: none */
	int64_t linger_ns;                /* how long what the command left is followed */
	bool kill_rest;
	bool fail_closed;                 /* what nobody watches any more is killed */
	void (*beat)(void *context, const char *why); /* a sign of life; why: what can't be recorded. NULL: none */
	struct vitals_options vitals;     /* all but session, home, directory */
	enum flood_policy flood;          /* what to do where a lane fills; not FLOOD_DEFAULT */
	/*
	 * Someone else's word: when control_fd is readable, control is called; it may call observer_command_ended and
	 * observer_orphaned. A negative return ends the session. -1: none.
	 */
	int control_fd;
	int (*control)(void *context, struct observer *o);
	void *context;
};

/*
 * Loads the sensor, after it has forked the process for vitals. SIGINT, SIGTERM and SIGHUP must be blocked: the loop
 * takes them as the word to end.
 */
int observer_open(const struct observer_options *options, struct observer **ret, struct err *err);
void observer_free(struct observer *o); /* detaches, which takes its time; NULL is fine */
DEFINE_CLEANUP(struct observer *, observer_free);

/*
 * Starts the session and follows a cgroup (own: it is the session's, and is removed at the end), processes, or both.
 * NULL and 0 mean none. first: pid of the command, or of the first that is attached to; 0: unknown.
 */
int observer_begin(struct observer *o, const struct workload_places *places, bool own, uint32_t first,
		   const uint32_t *pids, size_t pids_n, struct err *err);

/* Runs until the end, writes all that is left, removes the session's cgroup where it is empty. 0 or negative errno. */
int observer_run(struct observer *o);

/*
 * The command has ended (wait status): only what it left is followed, for as long as linger_ns says. why (copied; "" or
 * NULL: nobody did) tells for what it was ended from outside: then what it left is, too.
 */
void observer_command_ended(struct observer *o, int status, const char *why);
/* Somebody sent the command a signal to end: no guard may hold it still. */
void observer_signaled(struct observer *o);
/* Nobody waits for the command any more: follow until nothing lives, or with fail_closed kill all of it. */
void observer_orphaned(struct observer *o);

/* Appends the summary; after observer_run. */
void observer_summary(struct observer *o, bool color, struct buf *out);
