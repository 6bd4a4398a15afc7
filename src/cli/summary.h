/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "cli/recorder.h"

struct summary {
	const char *session;
	bool stored;                      /* `heddle report` can tell more */
	bool color;
	uint64_t processes;
	const struct recorder_counts *counts;
	const struct recorder_end *end;
	const struct sensor_hook *hooks; /* those that are silent are named */
	size_t hooks_n;
};

/* Appends what a person should know at the end of a session, about ten lines. */
void summary_write(const struct summary *s, struct buf *out);
