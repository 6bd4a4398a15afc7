/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vitals, forecasts and what a guard did, as JSON: the members of a session's lines that are no events, without those
 * that every line has. docs/events.md has the names. Pure.
 */
#pragma once

#include "base/json.h"
#include "vitals/forecast.h"
#include "vitals/guard.h"
#include "vitals/probes.h"
#include "vitals/vitals.h"

/* Each writes into an open object. boot8 makes process keys. */
void lines_vitals(const struct vitals_sample *s, const struct vitals_phase *agent, const struct vitals_phase *phases,
		  size_t phases_n, const char *boot8, struct json *j);
void lines_forecast(const struct forecast_result *f, const struct vitals_phase *phase, const char *boot8,
		    struct json *j);
void lines_guard(const struct guard_action *a, int result, uint64_t took_ns, const char *boot8, struct json *j);
void lines_oom(const struct vitals_oom *o, struct json *j);
void lines_phase_end(const struct vitals_phase *p, const char *boot8, struct json *j);
/* The end's: how the forecasts fared. */
void lines_score(const struct forecast_score *s, struct json *j);
