/* SPDX-License-Identifier: Apache-2.0 */
/* See wall-clock.h. */
#include "cli/wall-clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define ASLEEP_NOISE_NS INT64_C(10000000)

static int64_t asleep_ns(void)
{
	return (int64_t)clock_boottime_ns() - clock_monotonic_ns();
}

void wall_clock_open(struct wall_clock *w, int64_t offset_ns)
{
	/* Never due: it is there to be cancelled. */
	const struct itimerspec never = { .it_value.tv_sec = INT64_MAX / CLOCK_SECOND_NS };

	*w = (struct wall_clock){ .offset_ns = offset_ns, .asleep_ns = asleep_ns() };
	w->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->fd >= 0 && timerfd_settime(w->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0)
		wall_clock_close(w);
}

void wall_clock_close(struct wall_clock *w)
{
	close_fd(&w->fd);
	w->fd = -1;
}

bool wall_clock_look(struct wall_clock *w, int64_t *ret_old_ns, int64_t *ret_new_ns)
{
	uint64_t ticks;
	/* Once for any number of settings. */
	bool set = w->fd >= 0 && read(w->fd, &ticks, sizeof(ticks)) < 0 && errno == ECANCELED;
	int64_t now_ns = clock_offset_ns(), asleep = asleep_ns();

	if (llabs(asleep - w->asleep_ns) > ASLEEP_NOISE_NS)
		set = false;
	w->asleep_ns = asleep;
	if (!set && llabs(now_ns - w->offset_ns) < WALL_CLOCK_STEP_NS)
		return false;
	*ret_old_ns = w->offset_ns;
	*ret_new_ns = now_ns;
	w->offset_ns = now_ns;
	return true;
}
