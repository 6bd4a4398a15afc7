/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the top view share. */
#pragma once

#include "tui/top-view.h"

#define TOP_DETAIL_LINES 13

/* Rates between a row's two samples; 0 where one is not there. */
double top_rate(const struct top_row *r, uint64_t now, uint64_t before);
double top_cpu(const struct top_row *r);					/* percent of one core */
void top_storage(const struct top_row *r, double *ret_read, double *ret_write); /* bytes a second */
uint64_t top_known(uint64_t value);						/* 0 for what is not known */
enum tui_style top_fear(const struct vitals_sample *s);

/* Short forms; each returns ret. */
const char *top_short_size(uint64_t bytes, char ret[32]); /* "1.4G", "-": unknown */
const char *top_short_duration(int64_t ns, char ret[16]);
const char *top_short_count(uint64_t n, char ret[16]);

/* Without the directory that its program is in. A part of the argument. */
const char *top_short_command(const char *command);

/* One workload in lines from y on, below end. */
void top_detail(const struct top_row *r, struct grid *g, unsigned y, unsigned end);
