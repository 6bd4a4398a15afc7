/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All workloads of this machine that can be seen: Heddle's sessions, and with `all` every other cgroup that has
 * processes of its own. For `heddle top` and `heddle metrics`.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "cli/status-page.h"
#include "vitals/forecast.h"
#include "vitals/vitals.h"

#define WORKLOADS_MAX 512
#define WORKLOAD_PHASES 8
#define WORKLOAD_HISTORY 240

struct workload_view {
	char name[VITALS_PATH_MAX]; /* the session's id, or the cgroup's path */
	bool session;
	struct status_page page; /* of a session */
	struct vitals_sample now, before;
	bool sampled, twice; /* now, and before too, are there */
	struct vitals_phase phases[WORKLOAD_PHASES], agent;
	size_t phases_n;
	struct forecast_result forecast;
	uint64_t used[WORKLOAD_HISTORY]; /* by sample, the newest last */
	size_t used_n;
};

struct workloads;

struct workloads_options {
	bool all;
	bool probes; /* load programs that count switches, delays and block requests */
};

/* note (may be NULL): what can't be measured, in words. */
int workloads_open(const struct workloads_options *options, struct workloads **ret, char *note, size_t note_size,
		   struct err *err);
void workloads_close(struct workloads *w);
DEFINE_CLEANUP(struct workloads *, workloads_close);

/*
 * Looks for new ones and for those that are gone, and samples all. Errors, with text, where sessions can't be seen;
 * other cgroups are there all the same.
 */
int workloads_look(struct workloads *w, struct err *err);
/* Borrowed until the next look. */
size_t workloads_list(const struct workloads *w, const struct workload_view *const **ret);

/* Between the two last samples; 0 where they are not there. */
double workload_seconds(const struct workload_view *v);
double workload_rate(const struct workload_view *v, uint64_t now, uint64_t before); /* a second */

/* One workload's members into an open object: docs/man/heddle-top.1. */
void workload_json(const struct workload_view *v, const char *boot8, struct json *j);
