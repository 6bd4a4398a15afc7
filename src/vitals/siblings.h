/* SPDX-License-Identifier: Apache-2.0 */
/* Of the cgroups beside the workload's branch: what memory.min keeps of them from reclaim that begins above (v2). */
#pragma once

#include "vitals/vitals.h"

struct siblings;

/* Below the directory, but for the child `own`. Both are borrowed and must live as long. NULL: no memory. */
struct siblings *siblings_new(int directory, const char *own);
void siblings_free(struct siblings *s);

/*
 * How many bytes that could be dropped are kept so. Few cgroups have a memory.min; who has is looked up anew every few
 * seconds, and of those the figures are read each time.
 */
uint64_t siblings_kept(struct siblings *s, uint64_t now_ns);
