/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TCP: segments to messages (two bytes of length before each), by socket and direction. Segments may come
 * out of order, twice, or not at all. A message of which a part is missing is given with the reason, and reading goes
 * on at the next message, or where that can't be known at the next segment. All memory is bounded.
 */
#pragma once

#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "wire/event.h"

#define DNS_STREAMS_CAP 1024
#define DNS_STREAMS_BYTES_CAP (4 << 20)
#define DNS_STREAM_HELD_MAX 16

/*
 * Takes a message: `frame` is the segment that completed it (for its addresses and process); `malformed` is NULL, or
 * why the bytes are not the whole message.
 */
typedef void (*dns_message_fn)(void *context, const struct hd_dns *frame, const uint8_t *message, size_t length,
			       const char *malformed);

struct dns_streams {
	struct map map;
	struct list age; /* least recently used first */
	size_t bytes;	 /* waiting, of all streams together */
	size_t bytes_cap;
	uint64_t evicted; /* streams dropped at a cap */
	uint64_t gaps;	  /* holes that were given up */
};

void dns_streams_init(struct dns_streams *s, size_t cap, size_t bytes_cap);
void dns_streams_done(struct dns_streams *s);

/*
 * One segment: `have` bytes of the payload_bytes that the frame says. Returns 0, or -ENOMEM when the segment is lost;
 * the stream then goes on at a later one.
 */
int dns_streams_push(struct dns_streams *s, const struct hd_dns *frame, const uint8_t *data, size_t have,
		     dns_message_fn fn, void *context);

/* The session ends: gives what is incomplete, with the reason, and drops all streams. */
void dns_streams_finish(struct dns_streams *s, dns_message_fn fn, void *context);
