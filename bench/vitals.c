/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vitals [--seeds N] [--first N] [--shape NAME]   all traces through the forecast and its rivals: a table
 * vitals --trace FILE                             one of your own
 * vitals --print SHAPE SEED                       a generated one, in the format that --trace reads
 * vitals --cost                                   what an hour of looks takes
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "play.h"
#include "vitals/forecast.h"

#define SEEDS_MAX 10000
#define FIRST_SEED 2001 /* the forecast's numbers were chosen on smaller ones */
#define NS_PER_S 1e9

static const char *const names[PLAY_WHO_MAX] = {
	[PLAY_FORECAST] = "forecast",
	[PLAY_USAGE] = "usage 90 %",
	[PLAY_AVAILABLE] = "not available 90 %",
	[PLAY_PRESSURE] = "pressure 60 % 30 s",
};

struct sums {
	unsigned traces, crossings;
	unsigned hits[PLAY_WHO_MAX], false_alarms[PLAY_WHO_MAX];
	double *leads[PLAY_WHO_MAX]; /* seconds, of the hits */
	double inside;
	unsigned spoke;
};

static _Noreturn void die(const char *text)
{
	fprintf(stderr, "vitals: %s\n", text);
	exit(2);
}

static int sums_new(struct sums *s, size_t room)
{
	*s = (struct sums){ 0 };
	for (int who = 0; who < PLAY_WHO_MAX; who++)
		if (!(s->leads[who] = calloc(room, sizeof(double))))
			return -ENOMEM;
	return 0;
}

static void sums_done(struct sums *s)
{
	for (int who = 0; who < PLAY_WHO_MAX; who++)
		free(s->leads[who]);
}

static void sums_add(struct sums *s, const struct play *p)
{
	s->traces++;
	s->crossings += p->crossed;
	for (int who = 0; who < PLAY_WHO_MAX; who++) {
		s->false_alarms[who] += p->who[who].false_alarms;
		if (p->who[who].hit)
			s->leads[who][s->hits[who]++] = (double)p->who[who].lead_ns / NS_PER_S;
	}
	s->spoke += p->spoke;
	s->inside += p->spoke ? p->inside : 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_lead(double seconds)
{
	if (seconds < 1)
		printf("%.0f ms", seconds * 1000);
	else if (seconds < 120)
		printf("%.1f s", seconds);
	else
		printf("%.1f min", seconds / 60);
}

static void print_who(struct sums *s, enum play_who who)
{
	unsigned hits = s->hits[who];

	printf("| %s | %u | %u | %u | ", names[who], hits, s->crossings - hits, s->false_alarms[who]);
	if (hits) {
		qsort(s->leads[who], hits, sizeof(double), compare);
		print_lead(s->leads[who][hits / 2]);
		printf(" | ");
		print_lead(s->leads[who][hits / 10]);
		printf(" |");
	} else {
		printf(" |  |");
	}
	if (who == PLAY_FORECAST && s->spoke)
		printf(" %.0f %%", 100 * s->inside / s->spoke);
	printf(" |\n");
}

static void print_sums(const char *name, struct sums *s)
{
	for (int who = 0; who < PLAY_WHO_MAX; who++) {
		if (who == 0)
			printf("| %s | %u | %u ", name, s->traces, s->crossings);
		else
			printf("|  |  |  ");
		print_who(s, who);
	}
}

static void table(enum trace_shape first, enum trace_shape last, unsigned from, unsigned seeds)
{
	_cleanup_free_ struct trace *t = calloc(1, sizeof(*t));
	struct sums all, one;
	struct play p;

	if (!t || sums_new(&all, (size_t)TRACE_SHAPE_MAX * seeds) < 0)
		die("out of memory");
	puts("| shape | traces | reach the limit | who warns | hits | misses | false alarms | lead, median | "
	     "lead, 10th percentile | interval holds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
	for (enum trace_shape shape = first; shape <= last; shape++) {
		if (sums_new(&one, seeds) < 0)
			die("out of memory");
		for (unsigned seed = from; seed < from + seeds; seed++) {
			trace_make(t, shape, seed);
			if (play_trace(t, &p) < 0)
				die("out of memory");
			sums_add(&one, &p);
			sums_add(&all, &p);
		}
		print_sums(trace_shape_name(shape), &one);
		fflush(stdout);
		sums_done(&one);
	}
	if (first != last)
		print_sums("all", &all);
	sums_done(&all);
}

static void own(const char *path)
{
	_cleanup_free_ struct trace *t = calloc(1, sizeof(*t));
	const char *why = NULL;
	struct play p;
	FILE *file = fopen(path, "re");
	int line;

	if (!t || !file) {
		fprintf(stderr, "vitals: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	line = trace_read(t, file, &why);
	(void)fclose(file);
	if (line) {
		fprintf(stderr, "vitals: %s:%d: %s\n", path, line, why);
		exit(2);
	}
	if (play_trace(t, &p) < 0)
		die("out of memory");
	printf("%s the limit in %.2f s\n", p.crossed ? "reaches" : "does not reach", (double)p.end_ns / NS_PER_S);
	for (int who = 0; who < PLAY_WHO_MAX; who++) {
		const struct play_judged *j = &p.who[who];

		printf("%s: ", names[who]);
		if (j->hit)
			printf("warned %.2f s before, ", (double)j->lead_ns / NS_PER_S);
		else
			printf(p.crossed ? "missed it, " : "");
		printf("%u false alarms\n", j->false_alarms);
	}
	trace_done(t);
}

static enum trace_shape shape_named(const char *name)
{
	for (enum trace_shape shape = 0; shape < TRACE_SHAPE_MAX; shape++)
		if (strcmp(name, trace_shape_name(shape)) == 0)
			return shape;
	fprintf(stderr, "vitals: no such shape: %s; there are:", name);
	for (enum trace_shape shape = 0; shape < TRACE_SHAPE_MAX; shape++)
		fprintf(stderr, " %s", trace_shape_name(shape));
	fputc('\n', stderr);
	exit(2);
}

static unsigned number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > SEEDS_MAX) {
		fprintf(stderr, "vitals: not a number up to %d: %s\n", SEEDS_MAX, text);
		exit(2);
	}
	return (unsigned)n;
}

static void print_trace(enum trace_shape shape, unsigned seed)
{
	_cleanup_free_ struct trace *t = calloc(1, sizeof(*t));
	struct trace_point p = { 0 };

	if (!t)
		die("out of memory");
	trace_make(t, shape, seed);
	printf("# %s, seed %u\n# second anon clean limit tool\n", trace_shape_name(shape), seed);
	while (trace_next(t, &p)) {
		printf("%.2f %" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n", (double)p.time_ns / NS_PER_S, p.anon, p.clean,
		       p.limit, p.tool);
		if (p.anon >= p.limit)
			break;
	}
}

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / NS_PER_S;
}

/* An hour of an agent's session at 10 ms, with a full sample at every tenth look: the most that a guard asks for. */
static void cost(void)
{
	enum { LOOKS = 360000 };
	_cleanup_free_ struct forecast_input *in = calloc(LOOKS, sizeof(*in));
	_cleanup_free_ struct trace *t = calloc(1, sizeof(*t));
	_cleanup_(forecast_free_p) struct forecast *f = NULL;
	struct forecast_result said;
	struct trace_point p;
	double begin, took;

	if (!in || !t || forecast_new(&f) < 0)
		die("out of memory");
	trace_make(t, TRACE_SESSION, 1);
	for (unsigned i = 0; i < LOOKS; i++) {
		if (!trace_next(t, &p)) {
			trace_rewind(t);
			trace_next(t, &p);
		}
		in[i] = (struct forecast_input){ (i + 1) * TRACE_STEP_NS, trace_used(&p), p.limit - p.anon, p.anon,
						 p.limit, i % 10 == 0, p.tool };
	}
	begin = cpu_s();
	for (unsigned i = 0; i < LOOKS; i++)
		forecast_add(f, &in[i], &said);
	took = cpu_s() - begin;
	printf("An hour of looks, 100 a second and every tenth a full sample: %.0f ms of CPU time,\n"
	       "%.0f ns a look, %.4f %% of a core, in %zu KiB.\n",
	       took * 1000, took / LOOKS * NS_PER_S, took / 3600 * 100, malloc_usable_size(f) / 1024);
}

int main(int argc, char **argv)
{
	unsigned seeds = 200, from = FIRST_SEED;
	enum trace_shape first = 0, last = TRACE_SHAPE_MAX - 1;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--cost") == 0 && argc == 2) {
			cost();
			return 0;
		} else if (value && strcmp(argv[i], "--trace") == 0) {
			own(value);
			return 0;
		} else if (i + 2 < argc && strcmp(argv[i], "--print") == 0) {
			print_trace(shape_named(value), number(argv[i + 2]));
			return 0;
		} else if (value && strcmp(argv[i], "--shape") == 0) {
			first = last = shape_named(value);
		} else if (value && strcmp(argv[i], "--seeds") == 0 && number(value) > 0) {
			seeds = number(value);
		} else if (value && strcmp(argv[i], "--first") == 0) {
			from = number(value);
		} else {
			die("usage: vitals [--seeds N] [--first N] [--shape NAME] | --trace FILE | "
			    "--print SHAPE SEED | --cost");
		}
		i++;
	}
	table(first, last, from, seeds);
	return 0;
}
