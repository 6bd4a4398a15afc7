/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A robust slope of a series, after Theil and Sen: the median of the slopes of all pairs of points, which stays right
 * while nearly a third of the points are not. A point is the least value of a stretch of time, so that what comes and
 * goes (a burst, a heap between two collections) is not growth. Fixed memory; allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TREND_POINTS 64
#define TREND_POINTS_MIN 12 /* fewer say nothing */

struct trend_point {
	double second; /* since the first point of all */
	double low;
	double swing; /* how far it rose above that in the stretch */
};

struct trend {
	uint64_t width_ns; /* of a stretch */
	uint64_t first_ns; /* of the first value */
	uint64_t begin_ns; /* of the open stretch; 0: none is open */
	double low, swing; /* of it */
	struct trend_point points[TREND_POINTS];
	unsigned next, n;
	/* As of the last point, once there are enough: */
	bool known;
	double slope_low, slope, slope_high; /* a second: the 2nd, 5th and 8th tenth of the pairs' slopes */
	double slope_recent;		     /* over the last quarter */
	double span;			     /* seconds */
	double line;			     /* the trend's own value at the last point */
	double above_high;		     /* how far the series rose above that, at most */
	double swing_high;		     /* how far it rose and fell within a stretch, at most */
	bool highest;			     /* the last point is near the highest */
	double pairs[TREND_POINTS * (TREND_POINTS - 1) / 2]; /* room to work in */
};

void trend_init(struct trend *t, uint64_t width_ns);
/* swing: how far above `value` the series may be at this moment. Times must not fall. True: a point was made. */
bool trend_add(struct trend *t, uint64_t time_ns, double value, double swing);
/* What the trend says for this moment, if known. */
double trend_line(const struct trend *t, uint64_t time_ns);
