/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that somebody sets the wall clock. A session's times do not follow it (their offset to CLOCK_BOOTTIME is
 * fixed at the start), but whoever compares them with other records must know.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wall_clock {
	int fd;             /* a timer that says when the clock is set; -1: there is none, offsets are compared */
	int64_t offset_ns;  /* wall clock less CLOCK_BOOTTIME, as last told */
	int64_t asleep_ns;  /* CLOCK_BOOTTIME less CLOCK_MONOTONIC: a suspended machine sets its clock too */
};

#define WALL_CLOCK_NONE ((struct wall_clock){ .fd = -1 })

void wall_clock_open(struct wall_clock *w, int64_t offset_ns);
void wall_clock_close(struct wall_clock *w);
/*
 * True when it was set since the last look, or has drifted away by WALL_CLOCK_STEP_NS since it was last told; also when
 * it was set back again, and the offsets are the same.
 */
bool wall_clock_look(struct wall_clock *w, int64_t *ret_old_ns, int64_t *ret_new_ns);

#define WALL_CLOCK_STEP_NS INT64_C(500000000)
