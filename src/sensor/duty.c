/* SPDX-License-Identifier: Apache-2.0 */
/* See duty.h. */
#include "sensor/duty.h"

#include "base/macro.h"

void duty_rate(struct duty *d, uint64_t runs)
{
	/* Once in windows it takes a little less to get out of them. */
	uint64_t most = d->period_ns ? DUTY_RUNS_MAX * 3 / 4 : DUTY_RUNS_MAX;

	if (runs <= most) {
		d->period_ns = 0;
		if (d->pausing)
			d->due_ns = 0;
		return;
	}
	d->period_ns = MIN((uint64_t)DUTY_WINDOW_NS * runs / DUTY_RUNS_MAX, (uint64_t)DUTY_PERIOD_MAX_NS);
	d->period_ns = MAX(d->period_ns, (uint64_t)DUTY_WINDOW_NS * 2);
	if (!d->told_ns)
		d->due_ns = 0;
}

static void pause_until(struct duty *d, uint64_t at_ns)
{
	d->pausing = true;
	d->due_ns = at_ns;
}

/* It tells what has gone by untold. How long it will be is known when it is over: the next one corrects that. */
static void open_window(struct duty *d, uint64_t now_ns)
{
	uint64_t owed = now_ns > d->told_ns ? now_ns - d->told_ns : 0;

	d->weight = (uint32_t)((owed + DUTY_WINDOW_NS * 3 / 2) / DUTY_WINDOW_NS);
	d->window_ns = now_ns;
	d->due_ns = now_ns + DUTY_WINDOW_NS;
	d->pausing = false;
}

static void close_window(struct duty *d, uint64_t now_ns)
{
	d->told_ns += (now_ns - d->window_ns) * d->weight;
	if (d->period_ns) {
		pause_until(d, now_ns + d->period_ns - DUTY_WINDOW_NS);
		return;
	}
	*d = DUTY_INIT;
}

bool duty_tick(struct duty *d, uint64_t now_ns)
{
	if (now_ns < d->due_ns)
		return !d->pausing;
	if (!d->told_ns) {
		d->told_ns = now_ns;
		pause_until(d, now_ns + d->period_ns - DUTY_WINDOW_NS);
	} else if (d->pausing) {
		open_window(d, now_ns);
	} else {
		close_window(d, now_ns);
	}
	return !d->pausing;
}
