/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a trace to the forecast, as a guard looks: every 10 ms at what is in use, once a second at all of it, ten times
 * a second while things move. Beside it, on the same points, simple rivals. All are judged by one measure.
 */
#pragma once

#include "trace.h"

enum play_who {
	PLAY_FORECAST,
	PLAY_USAGE,	/* what is in use is 90 % of the limit */
	PLAY_AVAILABLE, /* what is not available is */
	PLAY_PRESSURE,	/* PSI memory some avg10 over 60 % for 30 s */
	PLAY_WHO_MAX,
};

struct play_judged {
	bool hit;
	int64_t lead_ns; /* of a hit: from the warning to the limit */
	unsigned false_alarms;
};

struct play {
	bool crossed;
	uint64_t end_ns; /* when the limit was reached, or the trace was over */
	struct play_judged who[PLAY_WHO_MAX];
	bool spoke;    /* crossed, and a warning of the forecast stood: */
	double inside; /* the share of its intervals that held the moment of crossing, looked at ten times a second */
	/* As the forecast itself keeps it. */
	uint64_t hits, misses, false_alarms;
};

/* 0 or -ENOMEM. */
int play_trace(struct trace *t, struct play *ret);
