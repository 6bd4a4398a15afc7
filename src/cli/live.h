/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "event/event.h"

/* Appends one line for people: time, pid, program, type and what it is about. Harmless in a terminal. */
void live_line(const struct event *e, struct buf *out);
