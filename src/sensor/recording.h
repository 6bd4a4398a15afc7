/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording: all that one session's lines were made of, in the order in which it came in, so that a replay makes the
 * same lines again. These are the frames as they were read, the ticks that tell what waits, the machine's answers
 * (which path a cgroup has), and the lines that are no events, as they were printed. A head of 16 bytes, then chunks:
 * kind, size, content. Numbers are the machine's own, little endian.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "track/tracker.h"

#define RECORDING_FORMAT 2 /* of the chunks; the frames in them have HD_WIRE_VERSION */
#define RECORDING_FRAME_MAX (128U << 10)
#define RECORDING_LINE_MAX (4U << 20)

enum recording_kind {
	RECORDING_FRAME = 1, /* as it was read from a lane */
	RECORDING_SESSION,   /* struct recording_session; the first */
	RECORDING_LINE,	     /* struct recording_line and the text: a line that is no event */
	RECORDING_TICK,	     /* uint64_t: tracker_tick, at this boottime */
	RECORDING_ANSWER,    /* struct recording_answer and the text */
	RECORDING_FINISH,    /* empty: tracker_finish */
	RECORDING_END,	     /* struct recording_end; the last */
	RECORDING_KIND_MAX,
};

struct recording_session {
	char session[37];
	char boot8[9];
	uint8_t cgroups, images; /* whether the machine was asked for these at all */
	int64_t time_offset_ns;
	uint64_t fold_ns;
	uint16_t dns_ports[HD_MAX_DNS_PORTS + 2]; /* 0 ends */
};

struct recording_line {
	uint64_t sequence;
	int64_t time_ns; /* UTC */
};

struct recording_answer {
	uint32_t question; /* enum tracker_question */
	int32_t length;	   /* of the text, or a negative errno */
	uint64_t id;
};

/* What a replay must come to. */
struct recording_end {
	uint64_t events;
	uint64_t sequence; /* the last one */
};

struct recording;

/*
 * Begins one in fd (borrowed). What is added waits in memory until recording_flush, or until a megabyte is there. An
 * error of the disk ends the recording, never the session: later chunks are dropped, and every flush returns it.
 */
int recording_new(int fd, struct recording **ret);
/* One chunk of two pieces. */
void recording_add(struct recording *r, enum recording_kind kind, const void *head, size_t head_size, const void *data,
		   size_t size);
/* Returns 0 or the first error of all, a negative errno. */
int recording_flush(struct recording *r);
void recording_free(struct recording *r); /* does not flush; NULL is fine */
DEFINE_CLEANUP(struct recording *, recording_free);

struct recording_reader;

/* Errors: -EBADMSG (no recording), -EPROTO (made by another version), and those of opening, with the text. */
int recording_open(const char *path, struct recording_reader **ret, struct err *err);
/* The same over a stream, which is closed with the reader, also on failure; name is for errors. */
int recording_open_stream(FILE *file, const char *name, struct recording_reader **ret, struct err *err);
void recording_close(struct recording_reader *r);
DEFINE_CLEANUP(struct recording_reader *, recording_close);

struct recording_chunk {
	enum recording_kind kind;
	size_t size;
	const void *data; /* until the next read; of the least size that its kind has */
};

/* The next chunk: 1; 0 where the file ends, or was cut; -EBADMSG where it is damaged; -ENOMEM. */
int recording_read(struct recording_reader *r, struct recording_chunk *ret);
/*
 * What the machine answered next: its length, or the negative errno that it was, goes to *ret. Returns as
 * recording_read, or -ESTALE: the next chunk is no answer to this question. The chunk in hand stays.
 */
int recording_recall(struct recording_reader *r, enum tracker_question question, uint64_t id, char *room, size_t size,
		     ssize_t *ret);
/* Bytes read so far. */
uint64_t recording_at(const struct recording_reader *r);
