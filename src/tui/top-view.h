/* SPDX-License-Identifier: Apache-2.0 */
/* What `heddle top` shows: a row a workload, and one of them in detail. Draws into a grid; asks nobody. */
#pragma once

#include "tui/grid.h"
#include "vitals/forecast.h"
#include "vitals/vitals.h"

/* One workload. All borrowed. */
struct top_row {
	const void *of;				  /* the caller's: what it shows */
	const char *name;			  /* session id, or the cgroup's path */
	const char *command;			  /* "": not a session */
	const struct vitals_sample *now, *before; /* before NULL: the first look */
	double seconds;				  /* between the two */
	const struct vitals_phase *phases, *agent;
	size_t phases_n;
	const struct forecast_result *forecast;
	const uint64_t *used; /* by sample, the newest last */
	size_t used_n;
	uint64_t events, escapes, lost, acts;
	const char *act; /* the guard's last, in words */
	int64_t runs_ns; /* since its start; 0: unknown */
};

enum top_sort {
	TOP_BY_USED = 0,
	TOP_BY_AVAILABLE,
	TOP_BY_FORECAST,
	TOP_BY_CPU,
	TOP_BY_PRESSURE,
	TOP_BY_IO,
	TOP_BY_ESCAPES,
	TOP_BY_NAME,
	TOP_SORT_MAX,
};
const char *top_sort_name(enum top_sort sort);
int top_sort_parse(const char *name, enum top_sort *ret); /* 0 or -EINVAL */

struct top_screen {
	struct top_row *rows;
	size_t rows_n;
	size_t total; /* before the filter */
	size_t selected;
	enum top_sort sort;
	bool frozen; /* the display stands still */
	bool follow; /* the selected one fills the screen */
	bool help, colour_blind;
	const char *filter; /* "": none */
	bool typing;	    /* the filter is being typed */
	const char *clock;  /* "12:33:01" */
	const char *note;   /* what can't be measured, what happened; "": nothing */
	bool blind;	    /* the note says why sessions can't be seen */
	uint64_t host_total, host_available;
};

/* Sorts rows in place. */
void top_sort_rows(struct top_row *rows, size_t n, enum top_sort sort);
/* Whether the filter, a piece of the name or the command, lets it through. */
bool top_matches(const struct top_row *row, const char *filter);
void top_draw(const struct top_screen *s, struct grid *g);
/* How high a screen has to be for so many rows with one in detail. */
unsigned top_lines_for(size_t rows);

/* The value in microseconds below which so many thousandths of what was counted between the two are; 0: nothing was. */
uint64_t top_percentile(const struct vitals_histogram *now, const struct vitals_histogram *before,
			unsigned thousandths);
