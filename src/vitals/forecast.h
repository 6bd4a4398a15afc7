/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a workload will have used up what it may: two clocks, one for bursts (tens of milliseconds) and one for leaks
 * (minutes). Pure: time comes with the samples. What it said is kept and scored once the truth is known.
 *
 * A warning (a clock other than none) does not flap: a burst is believed at the second look where there is time for
 * one; a warning that stands is kept while its limit is within one and a half times what would raise it, and falls only
 * when that has not been so for a second (burst) or for five seconds and a quarter of the time looked back (leak). One
 * that is raised again within FORECAST_GRACE_NS is the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

enum forecast_clock {
	FORECAST_NONE = 0, /* nothing to fear that it could see */
	FORECAST_BURST,
	FORECAST_LEAK,
	FORECAST_CLOCK_MAX,
};
const char *forecast_clock_name(enum forecast_clock clock); /* "none", "burst", "leak" */

struct forecast_input {
	uint64_t time_ns;    /* boottime, growing */
	uint64_t used;	     /* memory.current */
	uint64_t available;  /* clean, of the last full sample, less what `used` has grown since; UNKNOWN: none yet */
	uint64_t anon;	     /* of the last full sample */
	uint64_t limit;	     /* in force */
	bool full;	     /* a full sample: anon and available are fresh */
	bool tool;	     /* a child command of the agent runs */
};

struct forecast_result {
	enum forecast_clock clock; /* the one that says it is sooner */
	int64_t limit_in_ns;	   /* from the input's time; INT64_MAX: not in sight */
	int64_t low_ns, high_ns;   /* an interval that should hold four times of five */
	int64_t slope;		   /* bytes a second */
};

#define FORECAST_GRACE_NS 1000000000 /* a warning that fell this long ago still counts */
#define FORECAST_USEFUL_NS 20000000  /* a later one is none: nobody could have acted on it */

struct forecast_score {
	uint64_t hits;	       /* the limit was reached under a warning that stood, or had fallen just before */
	uint64_t misses;       /* it was reached without one, or with one that came too late to be of use */
	uint64_t false_alarms; /* a warning that fell and nothing came of; one that still stands is not judged */
	int64_t lead_ns;       /* sum over the hits: from the first warning to the limit */
};

struct forecast;

int forecast_new(struct forecast **ret);
void forecast_free(struct forecast *f);
DEFINE_CLEANUP(struct forecast *, forecast_free);

/* One look. Cheap: constant memory, some hundred nanoseconds unless input->full. */
void forecast_add(struct forecast *f, const struct forecast_input *input, struct forecast_result *ret);

/* What became of what it said; `at_limit` (the guard had to act, or the kernel did) is told by forecast_hit. */
void forecast_hit(struct forecast *f, uint64_t time_ns);
void forecast_score(const struct forecast *f, struct forecast_score *ret);
