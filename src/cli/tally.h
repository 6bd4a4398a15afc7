/* SPDX-License-Identifier: Apache-2.0 */
/* Counts what a session's summary tells, from its events. */
#pragma once

#include "base/map.h"
#include "cli/recorder.h"
#include "event/event.h"

/* Distinct names; past the cap they are no longer told apart and the count stands still. */
struct tally {
	struct recorder_counts counts;
	struct map read, written, deleted, hosts;
	char *host_names[RECORDER_HOSTS]; /* owned, escaped for a terminal */
	char *escapes[HD_ESC_MAX];        /* the same */
};

void tally_init(struct tally *t);
void tally_done(struct tally *t);
void tally_event(struct tally *t, const struct event *e);
