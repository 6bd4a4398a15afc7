/* SPDX-License-Identifier: Apache-2.0 */
/* The deeds of lines about memory (docs/events.md), as describe_deed appends them. */
#pragma once

#include "cli/describe.h"

void describe_vitals(const struct line *l, struct buf *out);
void describe_forecast(const struct line *l, struct buf *out);
void describe_guard(const struct line *l, struct buf *out);
void describe_oom(const struct line *l, struct buf *out);
void describe_phase(const struct line *l, struct buf *out);
void describe_score(const struct line *l, struct buf *out);
