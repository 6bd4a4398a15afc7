/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floods of identical failed opens (same process, path, error, flags): the first FLOOD_PLAIN within a second are
 * told one by one, the rest are counted and told as one event.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "track/process-table.h"

#define FLOOD_TABLE_CAP 1024
#define FLOOD_PLAIN 8
#define FLOOD_WINDOW_NS UINT64_C(1000000000)

struct flood {
	struct list age;	/* in flood_table.age, least recently hit first */
	struct list of_process; /* in struct process.floods */
	uint64_t window_ns;	/* start of the second */
	uint32_t seen;		/* told in it */
	uint64_t held;		/* counted, not told yet */
	struct hd_open frame;	/* the latest of those held */
	struct event_path path;
	struct shared_path *exe;
	size_t key_length;
	unsigned char key[]; /* fixed part, then the path */
};

struct flood_table {
	struct map map;
	struct list age;
	uint64_t early; /* told before the tick because the table was full */
};

void flood_table_init(struct flood_table *t, size_t cap);
void flood_table_done(struct flood_table *t);

/* The entry of a failed open, added when there is none. NULL when full, out of memory, or the path is unknown. */
struct flood *flood_get(struct flood_table *t, struct process *p, const struct event *e);

bool flood_window_over(const struct flood *f, uint64_t now_ns);

/* True when this open is one too many to be told alone; it is counted in `held` then. */
bool flood_hold(struct flood *f, struct process *p, const struct event *e);

bool flood_full(const struct flood_table *t);
struct flood *flood_oldest(const struct flood_table *t); /* NULL when empty */
void flood_remove(struct flood_table *t, struct flood *f);
