/* SPDX-License-Identifier: Apache-2.0 */
/* See watch.h. */
#include "cli/watch.h"

#include <stdio.h>

void watch_start(struct watch *w, int64_t now_ms)
{
	w->on = true;
	w->beat_ms = now_ms;
	w->since_ms = 0;
	w->bad = false;
	w->held = false;
}

bool watch_silent(const struct watch *w, int64_t now_ms)
{
	return w->held || now_ms - w->beat_ms >= WATCH_LATE_MS;
}

static enum watch_order trouble(struct watch *w, int64_t now_ms, const char *why)
{
	if (w->since_ms && !w->bad && now_ms - w->bad_ms >= WATCH_TRY_MS)
		w->since_ms = 0;
	if (!w->since_ms)
		w->since_ms = now_ms;
	w->bad_ms = now_ms;
	if (!w->bad) {
		w->bad = true;
		(void)snprintf(w->why, sizeof(w->why), "%s", why);
	}
	if (w->policy == WATCH_FAIL_CLOSED) {
		if (now_ms - w->since_ms >= WATCH_TRY_MS)
			return WATCH_KILL;
		if (!w->frozen) {
			w->frozen = true;
			return WATCH_FREEZE;
		}
	}
	/* A sensor that is only slow (a busy machine, a slow disk) catches up; one that is held does not. */
	if (w->policy == WATCH_DEFAULT && w->held && now_ms - w->since_ms >= WATCH_TRY_MS)
		return WATCH_KILL;
	return WATCH_NOTHING;
}

enum watch_order watch_beat(struct watch *w, int64_t now_ms, const char *why)
{
	w->beat_ms = now_ms;
	w->held = false;
	if (!w->on)
		return WATCH_NOTHING;
	if (why)
		return trouble(w, now_ms, why);
	w->bad = false;
	if (!w->frozen)
		return WATCH_NOTHING;
	w->frozen = false;
	return WATCH_THAW;
}

enum watch_order watch_look(struct watch *w, int64_t now_ms, const char *held)
{
	if (!w->on)
		return WATCH_NOTHING;
	if (held)
		w->held = true;
	if (w->held)
		return trouble(w, now_ms, held ? held : w->why);
	if (now_ms - w->beat_ms >= WATCH_LATE_MS)
		return trouble(w, now_ms, "nothing is heard of the sensor");
	/* What the last beat told of stands until the next one. */
	return w->bad ? trouble(w, now_ms, w->why) : WATCH_NOTHING;
}
