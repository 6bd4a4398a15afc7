/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps a flood from drowning the record: while a lane fills faster than it is read, the workload's cgroup is
 * frozen until the reader has caught up. A thread of its own watches, since the reader may be busy with a slow disk.
 */
#pragma once

#include <stdint.h>

#include "sensor/sensor.h"
#include "workload/workload.h"

enum flood_policy {
	FLOOD_DEFAULT,	/* the command's: run slows, attach loses */
	FLOOD_LOSE,	/* nobody is slowed; what does not fit is lost, and counted */
	FLOOD_SLOW,	/* the workload waits for the critical lane */
	FLOOD_SLOW_ALL, /* for either lane */
};
const char *flood_policy_name(enum flood_policy policy); /* "lose", "slow", "slow-all" */
int flood_policy_parse(const char *text, enum flood_policy *ret); /* 0 or -EINVAL */

struct throttle;

struct throttle_stats {
	uint64_t times;	   /* that the workload was frozen */
	uint64_t total_ns; /* for so long in all */
	uint64_t longest_ns;
};

/*
 * Starts watching. Sensor and workload are borrowed until throttle_stop. -EOPNOTSUPP: the cgroup can't be frozen, or
 * the sensor has no lanes that could fill.
 */
int throttle_start(enum flood_policy policy, const struct sensor *sensor, const struct workload *workload,
		   struct throttle **ret);

/* Lets the workload go on, for good, frees the throttle and tells what it did. NULL: nothing. */
void throttle_stop(struct throttle *t, struct throttle_stats *ret);
