/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "cli/line.h"

#define EVENT_ROW_MAX (4U << 20) /* bytes that a row may take */

/*
 * Appends one line for people: local time, pid, program, type and what happened; width 0: whole, else cut to so many
 * columns. Harmless in a terminal. A row over the cap of out makes it fail.
 */
void event_row(struct buf *out, unsigned width, bool color, int64_t time_ns, uint32_t pid, const struct line *l);
