/* SPDX-License-Identifier: Apache-2.0 */
/* Exact counts by lane and type. made == delivered + folded + lost, for each. */
#pragma once

#include <stdint.h>

#include "base/json.h"
#include "wire/event.h"

/*
 * The tracker's own rows are corrections to the kernel's, modulo 2^64 (one frame merged into another is
 * delivered - 1, folded + 1): they mean something only once added to the kernel's rows, but they balance by themselves.
 */
struct ledger_row {
	uint64_t made;	    /* operations the kernel side saw */
	uint64_t delivered; /* events printed */
	uint64_t folded;    /* operations inside another's event */
	uint64_t lost;	    /* operations whose frame found a lane full, or that could not be stored */
};

struct ledger {
	struct ledger_row rows[HD_LANE_MAX][HD_TYPE_EVENT_MAX + 1]; /* by lane, then enum hd_type */
	uint64_t untold; /* of the kernel's lost ones: what io_uring did and nobody could tell */
};

/* The lane that carries a type: fixed per type. */
enum hd_lane ledger_lane(enum hd_type type);
/* sum += l, row by row. */
void ledger_add(struct ledger *sum, const struct ledger *l);
uint64_t ledger_lost(const struct ledger *l);
/* First type whose row does not balance, 0 when all do. */
unsigned ledger_unbalanced(const struct ledger *l);
/* Writes {"critical":{"process_exec":{"made":..},..},"bulk":{..}}; types with nothing counted are left out. */
void ledger_write(const struct ledger *l, struct json *j);
