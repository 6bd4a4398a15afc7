/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "event/event.h"

/*
 * Appends the event as one JSON object, without a newline, as docs/events.md has it: fields that do not apply are
 * absent, order is fixed. Returns 0 or the buffer's error.
 */
int event_encode_json(const struct event *e, struct buf *out);

/*
 * What an event says of who did it (session to lane) is the same for thousands of events: a cache keeps the latest of
 * those texts. The line is the same with and without one. new returns NULL when out of memory; free takes NULL.
 */
struct encode_cache;
struct encode_cache *encode_cache_new(void);
void encode_cache_free(struct encode_cache *c);
DEFINE_CLEANUP(struct encode_cache *, encode_cache_free);
int event_encode_json_cached(struct encode_cache *c, const struct event *e, struct buf *out);
