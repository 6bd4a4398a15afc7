/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory over time as agents are published to use it (docs/forecast.md has the sources), made from a seed: the same
 * seed is the same trace. Or read from a file. Each knows its end: the limit is reached, or never.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_STEP_NS UINT64_C(10000000) /* from point to point */
#define TRACE_ACTS 1024
#define TRACE_KNOTS 8

enum trace_shape {
	TRACE_BURST,	  /* commands of 1 to 2 s at 0.2 to 3 GB/s; some reach the limit */
	TRACE_RAMP,	  /* one command that takes 10 to 200 MB/s; half of them stop before */
	TRACE_LEAK,	  /* 100 to 900 MB a minute until the limit */
	TRACE_SLOW_LEAK,  /* 5 to 60 MB a minute until the limit */
	TRACE_LEAK_BURST, /* a leak with bursts on top */
	TRACE_WARM_UP,	  /* looks like a leak, then stays */
	TRACE_SAWTOOTH,	  /* a collected heap that always comes back */
	TRACE_SAW_LEAK,	  /* one that comes back to ever more */
	TRACE_BUILD,	  /* compilers and page cache up to the limit, nearly all clean */
	TRACE_SESSION,	  /* an agent's commands, within the limit */
	TRACE_SESSION_OVER, /* the same, with a limit that they reach */
	TRACE_STEPS,	  /* what is taken in steps and never given back; half of them stop before */
	TRACE_NOISE,	  /* it goes up and down about a level */
	TRACE_SHAPE_MAX,
	TRACE_FILE = TRACE_SHAPE_MAX,
};

struct trace_point {
	uint64_t time_ns;
	uint64_t anon;	/* with all else that can't be dropped: dirty pages, the kernel's own */
	uint64_t clean; /* page cache that can be dropped at once */
	uint64_t limit;
	bool tool;	/* a command of the agent runs */
};

/* Something that takes memory: up in `rise_s`, there for `hold_s`, then all but `kept` of it is given back. */
struct trace_act {
	double start_s, rise_s, hold_s;
	double anon, kept, clean;	/* bytes */
	double knots[TRACE_KNOTS + 1];	/* how far it has come at each eighth of the rise */
	bool tool;
};

struct trace_row {
	double second;
	double anon, clean, limit;
	bool tool;
};

struct trace {
	enum trace_shape shape;
	uint64_t seed;
	double end_s, limit;
	double base;			    /* bytes */
	double leak, leak_most, leak_start_s, leak_stop_s; /* bytes a second, bytes */
	double tooth_s, tooth, tooth_grows; /* seconds, bytes, bytes a tooth */
	double noise;			    /* bytes */
	double clean, clean_rate;	    /* page cache wanted, and how fast it is read in */
	double hot;			    /* of it, what is read all the time (for the model of pressure) */
	struct trace_act acts[TRACE_ACTS];
	unsigned acts_n;
	/* As it is played: */
	uint64_t random, time_ns;
	unsigned act; /* the first that is not over */
	double leaked, leak_factor, kept, kept_clean, cached, wander;
	/* Of a file: */
	struct trace_row *rows;
	unsigned rows_n, row;
};

const char *trace_shape_name(enum trace_shape shape);
void trace_make(struct trace *t, enum trace_shape shape, uint64_t seed);
/* From `file`: docs/forecast.md has the format. 0, or the number of the line that is wrong, with *ret_why. */
int trace_read(struct trace *t, FILE *file, const char **ret_why);
void trace_done(struct trace *t);
/* From its beginning again. */
void trace_rewind(struct trace *t);
/* False: it is over, and the limit was not reached. A point with anon >= limit is the last. */
bool trace_next(struct trace *t, struct trace_point *ret);
/* What memory.current says: the page cache gives way to the rest. */
uint64_t trace_used(const struct trace_point *p);
/* The part of it that is clean. */
uint64_t trace_clean(const struct trace_point *p);
