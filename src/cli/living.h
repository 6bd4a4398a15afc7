/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of the workload that live now, learned from the frames: so that a session's end can tell how many it
 * left, and end them, also where they moved out of its cgroup. A lost frame makes a wrong entry, so whoever asks gets
 * only those that /proc confirms.
 */
#pragma once

#include <stdbool.h>

#include "base/map.h"

#define LIVING_RECENT 4096 /* a power of two */

struct living {
	struct map map;      /* by pid */
	uint64_t ever;       /* processes seen so far */
	struct living_recent {
		uint64_t start_ns;
		uint32_t pid;
	} *recent; /* the latest by the low bits of its pid, alive or not; owned, NULL: none yet */
};

#define LIVING_CAP 65536
#define LIVING_INIT ((struct living){ .map = MAP_INIT(LIVING_CAP) })

void living_done(struct living *l);

/* Learns from one raw frame; what is no fork, exit or seed is ignored. */
void living_frame(struct living *l, const void *frame, size_t size);

/*
 * When a process that lives, or did lately, started, from a time that procfs gave (in ticks of the clock). False: it is
 * not known.
 */
bool living_start(const struct living *l, uint32_t pid, uint64_t about_ns, uint64_t *ret_ns);

/* How many live, by /proc; those that do not are forgotten. */
size_t living_count(struct living *l);

/* Sends the signal to each that lives, through a pidfd, so that a recycled pid is never hit. Returns how many. */
size_t living_signal(struct living *l, int signal);
