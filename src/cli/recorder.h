/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session's pipeline: frames of the sensor -> tracker -> JSON -> store, JSON file, live lines and counts, with the
 * lines that are no events (session, gap, clock, ledger) around them. A write that fails never ends the session: what
 * it cost is counted as lost, told in a gap line, and said once.
 */
#pragma once

#include "base/err.h"
#include "cli/living.h"
#include "sensor/recording.h"
#include "cli/throttle.h"
#include "sensor/sensor.h"

struct recorder;

struct recorder_options {
	const char *session;         /* UUID text */
	const char *home;            /* of the store; NULL: none */
	int json_fd;                 /* borrowed; -1: none */
	int live_fd;                 /* borrowed; lines for people as it happens; -1: none */
	struct recording *recording; /* borrowed; takes all that the lines are made of; NULL: none */
	char *const *command;        /* NULL-terminated; NULL: attached */
	const char *target;          /* attached to what, in words; NULL: none */
	const char *directory, *user;
	const char *cgroup;          /* of the workload; NULL: none */
	const char *flood;           /* the policy in force, by name; NULL: none */
	uint64_t memory_limit;       /* of --memory; 0: none */
	const char *guard;           /* the guard's policy, in words; NULL: none */
	const char *heddle_version;
	const uint16_t *dns_ports;   /* besides 53; 0 ends */
	struct sensor *sensor;       /* borrowed for the recorder's life */
	void (*say)(void *context, const char *text); /* one line for stderr, at most once a cause */
	void *context;
};

struct recorder_end {
	bool known;                  /* how the command ended */
	int status;                  /* wait status */
	uint64_t left_running;       /* processes left behind */
	uint64_t killed;             /* processes ended by --kill-rest */
	uint64_t memory_peak_bytes;  /* 0: unknown */
	struct throttle_stats slowed;
	const char *why;             /* an early end, in words; NULL: none */
	bool interrupted;            /* the sensor died, and another process ends the session */
};

/* What the summary needs. Names are owned by the recorder. */
#define RECORDER_HOSTS 5
struct recorder_counts {
	uint64_t events;
	uint64_t files_read, files_written, files_deleted, hosts; /* distinct */
	uint64_t escapes[HD_ESC_MAX], escapes_failed[HD_ESC_MAX];
	const char *worst_escapes[HD_ESC_MAX]; /* of each category, the first that succeeded, else the first */
	uint64_t privilege_changes;
	uint64_t max_rss_bytes;      /* of the largest process */
	uint64_t lost[HD_LANE_MAX];
	uint64_t malformed;
	unsigned unbalanced;         /* first type whose ledger row does not balance; 0: all do */
	const char *host_names[RECORDER_HOSTS];
	int64_t started_ns, ended_ns; /* UTC */
};

/* Creates the session in the store and writes the start line. Nothing may have been captured before. */
int recorder_open(const struct recorder_options *options, struct recorder **ret, struct err *err);
void recorder_free(struct recorder *r); /* without recorder_finish the session stays interrupted; NULL is fine */
DEFINE_CLEANUP(struct recorder *, recorder_free);

/* A sensor_frame_fn; context is the recorder. */
int recorder_frame(void *recorder, const void *frame, size_t size);

/* A line of the process that reads vitals (vitals-link.h): its type, when (boottime), and its members as an object. */
void recorder_members(struct recorder *r, const char *type, uint64_t boottime_ns, const char *members);
/* Since now nobody reads vitals or guards any more; why. */
void recorder_vitals_gone(struct recorder *r, const char *why);
/* Until now so many lines of it were not taken. */
void recorder_vitals_missed(struct recorder *r, uint64_t n);

/* Hands over what is due: folds, gaps, commits. Call every 100 ms or so; cheap when nothing is due. */
int recorder_tick(struct recorder *r);

/* Writes what is left and the end and ledger lines, and ends the session in the store. After the last drain. */
int recorder_finish(struct recorder *r, const struct recorder_end *end);

/* What can't be recorded at present, in words for people; NULL: all can. Borrowed until the next call. */
const char *recorder_trouble(struct recorder *r);

/* The command in one line, cut; what is attached to in words. */
void recorder_command(const struct recorder_options *options, char *ret, size_t size);
/* Events that are known to be lost by now. */
uint64_t recorder_lost(const struct recorder *r);

struct living *recorder_living(struct recorder *r);
const struct recorder_counts *recorder_counts(const struct recorder *r);
