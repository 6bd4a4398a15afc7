/* SPDX-License-Identifier: Apache-2.0 */
/* Names as lines, screens and policies have them. */
#include "base/macro.h"
#include "vitals/forecast.h"
#include "vitals/guard-policy.h"

static const char *name_in(const char *const *names, size_t n, unsigned i)
{
	return i < n ? names[i] : "unknown";
}

const char *forecast_clock_name(enum forecast_clock clock)
{
	static const char *const names[FORECAST_CLOCK_MAX] = {
		[FORECAST_NONE] = "none",
		[FORECAST_BURST] = "burst",
		[FORECAST_LEAK] = "leak",
	};

	return name_in(names, ARRAY_SIZE(names), clock);
}

const char *guard_rung_name(enum guard_rung rung)
{
	static const char *const names[GUARD_RUNG_MAX] = {
		[GUARD_TELL] = "tell",	   [GUARD_RECLAIM] = "reclaim", [GUARD_BRAKE] = "brake",
		[GUARD_BORROW] = "borrow", [GUARD_FREEZE] = "freeze",	[GUARD_SAVE] = "save",
		[GUARD_KILL] = "kill",	   [GUARD_KILL_ALL] = "kill-all",
	};

	return name_in(names, ARRAY_SIZE(names), rung);
}
