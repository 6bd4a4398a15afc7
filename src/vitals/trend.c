/* SPDX-License-Identifier: Apache-2.0 */
#include "vitals/trend.h"

#include <string.h>

#include "base/macro.h"

#define NS_PER_S 1e9

void trend_init(struct trend *t, uint64_t width_ns)
{
	memset(t, 0, sizeof(*t));
	t->width_ns = width_ns;
}

/* The k-th smallest (from 0) of n values, which it reorders, by Hoare's selection. */
static double nth(double *v, int n, int k)
{
	int from = 0, to = n - 1;

	while (from < to) {
		double pivot = v[k];
		int i = from, j = to;

		do {
			while (v[i] < pivot)
				i++;
			while (pivot < v[j])
				j--;
			if (i <= j) {
				double swap = v[i];

				v[i++] = v[j];
				v[j--] = swap;
			}
		} while (i <= j);
		if (j < k)
			from = i;
		if (k < i)
			to = j;
	}
	return v[k];
}

static const struct trend_point *point(const struct trend *t, unsigned i)
{
	return &t->points[(t->next + TREND_POINTS - t->n + i) % TREND_POINTS];
}

static void fit(struct trend *t)
{
	unsigned apart = t->n / 4;
	const struct trend_point *last = point(t, t->n - 1), *quarter = point(t, t->n - 1 - apart);
	double least = last->low, most = least;
	int n = 0;

	t->known = false;
	t->span = last->second - point(t, 0)->second;
	if (t->n < TREND_POINTS_MIN)
		return;
	/* Near pairs say more of the noise, and of the flat of a step, than of the trend. */
	for (unsigned i = 0; i + apart < t->n; i++) {
		const struct trend_point *a = point(t, i);

		for (unsigned j = i + apart; j < t->n; j++) {
			const struct trend_point *b = point(t, j);
			double seconds = b->second - a->second;

			if (seconds > 0)
				t->pairs[n++] = (b->low - a->low) / seconds;
		}
	}
	if (n < TREND_POINTS_MIN || last->second <= quarter->second)
		return;
	t->slope_low = nth(t->pairs, n, n / 5);
	t->slope = nth(t->pairs, n, n / 2);
	t->slope_high = nth(t->pairs, n, n * 4 / 5);
	t->slope_recent = (last->low - quarter->low) / (last->second - quarter->second);
	for (unsigned i = 0; i < t->n; i++) {
		t->pairs[i] = point(t, i)->low + t->slope * (last->second - point(t, i)->second);
		least = MIN(least, point(t, i)->low);
		most = MAX(most, point(t, i)->low);
	}
	t->line = nth(t->pairs, (int)t->n, (int)t->n / 2);
	t->swing_high = t->above_high = 0;
	for (unsigned i = 0; i < t->n; i++) {
		const struct trend_point *p = point(t, i);
		double line = t->line - t->slope * (last->second - p->second);

		t->above_high = MAX(t->above_high, p->low + p->swing - line);
		t->swing_high = MAX(t->swing_high, p->swing - t->slope * (double)t->width_ns / NS_PER_S);
	}
	t->highest = last->low >= most - (most - least) / 8;
	t->known = true;
}

static void close_stretch(struct trend *t)
{
	t->points[t->next] = (struct trend_point){
		.second = (double)(t->begin_ns - t->first_ns) / NS_PER_S,
		.low = t->low,
		.swing = t->swing,
	};
	t->next = (t->next + 1) % TREND_POINTS;
	t->n = MIN(t->n + 1, (unsigned)TREND_POINTS);
	fit(t);
}

bool trend_add(struct trend *t, uint64_t time_ns, double value, double swing)
{
	bool closed = false;

	if (t->begin_ns && time_ns - t->begin_ns >= t->width_ns) {
		close_stretch(t);
		t->begin_ns = 0;
		closed = true;
	}
	if (!t->begin_ns) {
		t->begin_ns = time_ns;
		if (!t->first_ns)
			t->first_ns = time_ns;
		t->low = value;
		t->swing = swing;
	}
	/* Against the least so far: both ends of the stretch are known only when it closes. */
	t->swing = MAX(t->swing, value + swing - MIN(t->low, value));
	t->low = MIN(t->low, value);
	return closed;
}

double trend_line(const struct trend *t, uint64_t time_ns)
{
	double second = (double)(time_ns - t->first_ns) / NS_PER_S;

	return t->n ? t->line + t->slope * (second - point(t, t->n - 1)->second) : 0;
}
