/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of the workload that live now, learned from the frames: so that a session's end can tell how many it
 * left, and end them, also where they moved out of its cgroup. A lost frame makes a wrong entry, so whoever asks gets
 * only those that /proc confirms.
 */
#pragma once

#include "base/map.h"

struct living {
	struct map map;      /* by pid */
	uint64_t ever;       /* processes seen so far */
};

#define LIVING_CAP 65536
#define LIVING_INIT ((struct living){ .map = MAP_INIT(LIVING_CAP) })

void living_done(struct living *l);

/* Learns from one raw frame; what is no fork, exit or seed is ignored. */
void living_frame(struct living *l, const void *frame, size_t size);

/* How many live, by /proc; those that do not are forgotten. */
size_t living_count(struct living *l);

/* Sends the signal to each that lives, through a pidfd, so that a recycled pid is never hit. Returns how many. */
size_t living_signal(struct living *l, int signal);
