/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "event/event.h"

/*
 * Appends the event as one JSON object, without a newline, as docs/events.md has it: fields that do not apply are
 * absent, order is fixed. Returns 0 or the buffer's error.
 */
int event_encode_json(const struct event *e, struct buf *out);
