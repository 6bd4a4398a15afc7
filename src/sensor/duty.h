/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a program that costs something each time it runs is attached: always, or, while it would run very often, in
 * windows, in which what it counts stands for the time between them, too. Pure: it attaches nothing and asks no clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* So many runs a second on one processor, at 50 to 80 ns each, are less than half a percent of it: no more is taken. */
#define DUTY_RUNS_MAX 50000
#define DUTY_WINDOW_NS (CLOCK_SECOND_NS / 20)
#define DUTY_PERIOD_MAX_NS (2 * CLOCK_SECOND_NS)

struct duty {
	uint64_t period_ns; /* from window to window; 0: none, it is attached all the time */
	uint64_t told_ns;   /* up to when the windows that are over stand for the time; 0: there are none */
	uint64_t window_ns; /* when this one began */
	uint64_t due_ns;    /* when something is to be done */
	uint32_t weight;    /* so many times counts what is counted now */
	bool pausing;	    /* it is not attached */
};
#define DUTY_INIT ((struct duty){ .weight = 1, .due_ns = UINT64_MAX })

/* How often it runs, or would: a second, on the processor where it is most. */
void duty_rate(struct duty *d, uint64_t runs);

/* To be called at due_ns, or whenever. Returns whether it is to be attached now. now_ns: a clock that does not jump. */
bool duty_tick(struct duty *d, uint64_t now_ns);
