/* SPDX-License-Identifier: Apache-2.0 */
/* Agent-like traces against a limit they exceed: what survives, and under which guard. docs/guard.md has the table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../tests/vitals/place.h"

#define STEPS 6

/* What an agent leaves in its state file; it is the file's last line. */
struct state {
	unsigned step, killed, told; /* calls that are over, of which killed, of which with a word why */
	unsigned longest_ms;	     /* that it stood still */
};

/* The agent's program: runs STEPS tool calls, drawn from seed, and keeps its state file. Returns its exit status. */
int agent_run(const char *self, const char *state_path, unsigned seed);
bool state_read(const char *path, struct state *ret);
/* A tool's program: workers, bytes and rate of each, and how long they stay. */
int tool_run(unsigned workers, uint64_t bytes, uint64_t rate, unsigned stay_ms);

struct guard_run {
	uint64_t brake_ns; /* when the first brake was on; 0: none */
	uint64_t cpu_ns;
	unsigned did[8]; /* by rung */
};

/* The loop: looks every 10 ms at what runs in the place, until agent has ended or the time is up. */
int guard_run(const struct place *place, uint64_t limit, const char *policy, bool tool_cgroups, pid_t agent,
	      const volatile bool *stop, uint64_t until_ns, struct guard_run *ret);
