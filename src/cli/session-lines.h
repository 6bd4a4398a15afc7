/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes the lines of a session that are no events, as docs/events.md has them. Each appends one JSON object. */
#pragma once

#include "cli/recorder.h"
#include "track/tracker.h"

struct session_line {
	const char *session;
	uint64_t sequence;
	int64_t time_ns; /* UTC */
};

/* What run returns for a command that ended so: its own status, 128 + signal where it died by one. */
int exit_status_of(int wait_status);

void session_start_line(const struct session_line *s, const struct recorder_options *o, struct buf *out);

/* `traffic` comes from the tracker; NULL: there is none to ask. */
void session_end_line(const struct session_line *s, const struct recorder_end *end, const struct tracker *tracker,
		      int64_t duration_ns, uint64_t events, struct buf *out);

/* A process that no fork of the session made. */
void session_process_line(const struct event *who, enum tracker_origin origin, struct buf *out);

#define SESSION_COUNT_UNKNOWN UINT64_MAX

/*
 * count operations of the lane are known to be missing between two times (UTC). HD_LANE_MAX: no lane in particular;
 * SESSION_COUNT_UNKNOWN: maybe some, maybe none.
 */
void session_gap_line(const struct session_line *s, enum hd_lane lane, int64_t from_ns, int64_t to_ns, uint64_t count,
		      const char *why, struct buf *out);

/* What another process has to tell: members is a JSON object, whose members go on the line. */
void session_members_line(const struct session_line *s, const char *type, const char *members, struct buf *out);

/* malformed: frames that could not be decoded. as_of_ns: UTC, the counts are from then; 0: they are final. */
void session_ledger_line(const struct session_line *s, const struct ledger *l, uint64_t malformed, int64_t as_of_ns,
			 struct buf *out);

/*
 * The wall clock was set, between two times of the session's own clock: how far it was ahead of that one before, and is
 * now.
 */
void session_clock_line(const struct session_line *s, int64_t from_ns, int64_t to_ns, int64_t old_offset_ns,
			int64_t new_offset_ns, struct buf *out);
