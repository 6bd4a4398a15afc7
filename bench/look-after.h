/* SPDX-License-Identifier: Apache-2.0 */
/* Probes looked after as a sampler does it: for the bench of what they cost, and the test of what they count. */
#pragma once

#include <poll.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sensor/vitals-probes.h"

/* Until fd is readable: a tick when one is due, and a pass over the tasks every so often. */
static inline void look_after(struct vitals_probes *p, uint64_t cgroup_id, uint64_t pass_ns, int fd)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	struct vitals_tasks tasks;
	uint64_t passed = 0, now, due;

	do {
		now = clock_boottime_ns();
		if (now - passed >= pass_ns) {
			(void)vitals_probes_ops.tasks(p, &cgroup_id, 1, &tasks);
			passed = now;
		}
		due = MIN(vitals_probes_tick(p, now), now + pass_ns);
		now = clock_boottime_ns();
	} while (poll(&in, 1, due > now ? (int)((due - now) / 1000000) + 1 : 0) == 0);
}
