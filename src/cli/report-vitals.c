/* SPDX-License-Identifier: Apache-2.0 */
/* The report's part about memory: points of a chart, the programs that held it, what was foretold and done. */
#include "cli/report-model.h"

#include <errno.h>
#include <string.h>

#define POINTS_MAX 2048

/* Two points become one, so that any session fits: the higher of each pair, since peaks are what it is about. */
static void halve(struct report_vitals *v)
{
	for (size_t i = 0; i + 1 < v->points_n; i += 2) {
		const struct report_point *a = &v->points[i], *b = &v->points[i + 1];

		v->points[i / 2] = b->current > a->current ? *b : *a;
	}
	v->points_n /= 2;
}

static void add_point(struct report *r, const struct report_point *p)
{
	struct report_vitals *v = &r->vitals;

	if (!v->points)
		v->points = calloc(POINTS_MAX, sizeof(*v->points));
	if (!v->points) {
		r->failure = -ENOMEM;
		return;
	}
	if (v->points_n == POINTS_MAX)
		halve(v);
	v->points[v->points_n++] = *p;
}

static void take_sample(struct report *r, const struct line *l, int64_t time_ns)
{
	const struct line *memory = line_get(l, "memory"), *available = line_get(memory, "available");
	struct report_vitals *v = &r->vitals;
	int64_t value;
	struct report_point p = {
		.time_ns = time_ns,
		.current = line_uint(memory, "current"),
		.anon = line_uint(memory, "anon") + line_uint(memory, "shmem"),
		.available = line_uint(available, "clean"),
	};

	if (!available || !line_int(memory, "current", &value))
		return;
	/* A guard keeps a part of it back until it is needed. */
	v->limit = MAX(v->limit, line_uint(memory, "limit"));
	if (p.current >= v->highest.current)
		v->highest = p;
	if (!v->samples || p.available < v->least.available)
		v->least = p;
	v->samples++;
	add_point(r, &p);
}

static struct report_phase *phase_of(struct report *r, const struct line *l)
{
	struct bytes command = line_text(l, "command");

	return bytes_set(command) ? keyed_get(&r->vitals.phases, command.data, command.length) : NULL;
}

static void take_phase(struct report *r, const struct line *l)
{
	struct report_phase *p = phase_of(r, l);

	if (!p)
		return;
	p->times++;
	p->peak_bytes = MAX(p->peak_bytes, line_uint(l, "peak_bytes"));
	p->read_bytes += line_uint(l, "read_bytes");
	p->write_bytes += line_uint(l, "write_bytes");
}

/* Those that still run have no line of their end yet. */
static void take_living(struct report *r, const struct line *l)
{
	const struct line *phases = line_get(l, "phases"), *agent = line_get(l, "agent");

	r->vitals.agent_peak = MAX(r->vitals.agent_peak, line_uint(agent, "peak_bytes"));
	if (bytes_set(line_text(agent, "command")))
		report_set_text(&r->vitals.agent, line_text(agent, "command"));
	for (size_t i = 0; i < line_count(phases); i++) {
		const struct line *one = line_at(phases, i);
		struct report_phase *p = phase_of(r, one);
		int64_t slope = 0;

		if (!p)
			continue;
		(void)line_int(one, "slope", &slope);
		p->peak_bytes = MAX(p->peak_bytes, line_uint(one, "peak_bytes"));
		p->slope = MAX(p->slope, slope);
	}
}

/* A line as a whole: cut, it would be no JSON any more. */
static void set_line(char **to, struct bytes raw)
{
	char *copy = strndup(raw.data, raw.length);

	if (!copy)
		return;
	free(*to);
	*to = copy;
}

void report_take_vitals(struct report *r, const struct line *l, struct bytes raw, int64_t time_ns)
{
	const char *type = line_text(l, "type").data;

	if (strcmp(type, "vitals") == 0) {
		take_sample(r, l, time_ns);
		take_living(r, l);
		set_line(&r->vitals.last, raw);
	} else if (strcmp(type, "phase") == 0) {
		take_phase(r, l);
	} else if (strcmp(type, "guard") == 0 || strcmp(type, "oom_kill") == 0) {
		struct report_act *a = keyed_get(&r->vitals.acts, raw.data, raw.length);

		if (a)
			a->time_ns = time_ns;
	} else if (strcmp(type, "score") == 0) {
		set_line(&r->vitals.score, raw);
	}
}

static int by_peak(const void *a, const void *b)
{
	const struct report_phase *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->peak_bytes < y->peak_bytes) - (x->peak_bytes > y->peak_bytes);
}

void report_finish_vitals(struct report *r)
{
	keyed_sort(&r->vitals.phases, by_peak);
}

void report_vitals_done(struct report_vitals *v)
{
	free(v->points);
	free(v->agent);
	free(v->last);
	free(v->score);
	keyed_done(&v->phases);
	keyed_done(&v->acts);
}
