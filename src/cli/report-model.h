/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make the report's model share; each takes one family of lines. */
#pragma once

#include "cli/line.h"
#include "cli/report.h"

#define REPORT_TEXT_MAX 4096

/* Makes *to a copy of text, cut to REPORT_TEXT_MAX bytes; leaves it when text is absent or the same. */
void report_set_text(char **to, struct bytes text);
void report_count(struct keyed *k, const char *key, size_t length, uint64_t times, bool failed, struct bytes detail);
/* Under the key "ERROR what". */
void report_count_error(struct keyed *k, const struct line *l, struct bytes what);
/* How many identical events a line stands for. */
uint64_t report_times(const struct line *l);

void report_process_done(void *thing);
/* The one that acts; made here when nothing told of it before. NULL: the line names none, or the cap is reached. */
struct report_process *report_actor(struct report *r, const struct line *l, int64_t time_ns);
void report_take_exec(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns);
void report_take_fork(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns);
void report_take_exit(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns);
void report_finish_processes(struct report *r);

void report_incident_done(void *thing);
void report_take_escape(struct report *r, const struct line *l, struct bytes raw, int64_t time_ns);
void report_take_incident(struct report *r, struct keyed *k, const struct line *l, struct bytes raw, int64_t time_ns);
void report_finish_escapes(struct report *r);

void report_service_done(void *thing);
void report_name_done(void *thing);
void report_take_connect(struct report *r, const struct line *l, int64_t time_ns);
void report_take_listen(struct report *r, const struct line *l);
void report_take_dns(struct report *r, const struct line *l, bool response);
/* Lines of type vitals, phase, guard, oom_kill, score; others are left. */
void report_take_vitals(struct report *r, const struct line *l, struct bytes raw, int64_t time_ns);
void report_finish_vitals(struct report *r);
void report_vitals_done(struct report_vitals *v);

/* The end line's traffic. */
void report_finish_network(struct report *r);
