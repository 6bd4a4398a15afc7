/* SPDX-License-Identifier: Apache-2.0 */
/* A recording through the tracker and the encoder: the lines that its session printed, once more. */
#pragma once

#include "event/event.h"
#include "sensor/recording.h"

struct replayer_line {
	uint64_t sequence;
	int64_t time_ns;           /* UTC */
	struct bytes text;         /* without the line feed; borrowed during the call */
	const struct event *event; /* NULL: no event */
	uint32_t pid;              /* 0: of no process */
	const char *process;       /* its key, or "" */
};

/* A negative errno stops the replay and is returned by replayer_run. */
typedef int (*replayer_fn)(void *context, const struct replayer_line *line);

enum replayer_end {
	REPLAYER_WHOLE = 0,
	REPLAYER_CUT,     /* the recording has no end: its session was killed, still runs, or its disk was full */
	REPLAYER_DAMAGED, /* a part of it can't be read */
	REPLAYER_DIFFERS, /* what was replayed is not what was recorded: altered, or made by another build */
};

struct replayer_result {
	enum replayer_end end;
	uint64_t at; /* bytes read until then */
	uint64_t events, lines;
	char session[37]; /* empty: the recording ends before it */
};

/* Gives fn every line in order. 0 whatever the end; what came before stands. Negative errno: fn's, or no memory. */
int replayer_run(struct recording_reader *reader, replayer_fn fn, void *context, struct replayer_result *ret,
		 struct err *err);
