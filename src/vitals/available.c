/* SPDX-License-Identifier: Apache-2.0 */
/* How much a workload may still take: see vitals.h, and docs/vitals.md for what was measured. */
#include "base/macro.h"
#include "vitals/vitals.h"

static uint64_t known(uint64_t value)
{
	return value == VITALS_UNKNOWN ? 0 : value;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* Unlike plain addition it stays below VITALS_UNKNOWN, whatever a file may claim. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? VITALS_UNKNOWN - 1 : sum;
}

struct gain {
	uint64_t clean, all;
};

/*
 * What reclaim at this level could give back. The lists of file pages are all that can be dropped: tmpfs and shared
 * memory are on the lists of anonymous pages though they count as `file`, mlocked pages are on the unevictable list,
 * and pages given up with MADV_FREE are on the inactive file list already. Nothing is kept back, where si_mem_available
 * keeps the low watermark: a cgroup has no watermarks, and before it kills, the kernel takes the last page of the lists
 * (measured: docs/vitals.md).
 */
static struct gain level_gain(const struct vitals_memory *m, const struct vitals_host *host)
{
	uint64_t files = plus(known(m->active_file), known(m->inactive_file));
	uint64_t slab = known(m->slab_reclaimable);
	/* What is on the file lists beyond files: MADV_FREE. It counts as anonymous still. */
	uint64_t lazy = less(files, less(known(m->file), known(m->shmem)));
	uint64_t swappable = less(less(plus(known(m->anon), known(m->shmem)), known(m->unevictable)), lazy);
	uint64_t room = known(host->swap_free);

	if (m->swap_limit != VITALS_UNKNOWN)
		room = MIN(room, less(m->swap_limit, known(m->swap)));
	return (struct gain){
		.clean = plus(less(files, plus(known(m->dirty), known(m->writeback))), slab),
		.all = plus(plus(files, slab), MIN(swappable, room)),
	};
}

/*
 * Of a child's gain, what memory.min keeps from a reclaim that begins above it: it stops once the child is down to its
 * min. memory.low does not count: the kernel disregards it before it kills.
 */
static uint64_t kept(const struct vitals_memory *child, uint64_t gain)
{
	uint64_t min = known(child->min), current = known(child->current);

	return min == 0 ? 0 : less(gain, less(current, min));
}

void vitals_available(const struct vitals_memory *levels, size_t n, const struct vitals_host *host,
		      struct vitals_available *ret)
{
	struct gain child = { 0 };

	*ret = (struct vitals_available){ .free = host->free, .clean = host->available, .all = host->available,
					  .bound = VITALS_BOUND_HOST };
	if (host->available != VITALS_UNKNOWN) {
		/* The kernel's estimate takes dirty pages for available. */
		ret->clean = less(host->available, plus(known(host->dirty), known(host->writeback)));
		ret->all = plus(host->available, known(host->swap_free));
	}
	for (size_t i = 0; i < n; i++) {
		const struct vitals_memory *m = &levels[i];
		struct gain gain = level_gain(m, host);

		if (m->limit != VITALS_UNKNOWN && m->current != VITALS_UNKNOWN) {
			uint64_t head = less(m->limit, m->current);
			uint64_t beside = known(m->kept);
			uint64_t kept_clean = plus(beside, i ? kept(m - 1, child.clean) : 0);
			uint64_t kept_all = plus(beside, i ? kept(m - 1, child.all) : 0);
			uint64_t clean = plus(head, less(gain.clean, kept_clean));
			uint64_t all = plus(head, less(gain.all, kept_all));

			ret->free = MIN(ret->free, head);
			ret->all = MIN(ret->all, MIN(all, m->limit));
			clean = MIN(clean, m->limit);
			if (clean < ret->clean) {
				ret->clean = clean;
				ret->bound = (unsigned)i;
			}
		}
		child = gain;
	}
	/* The machine has free pages that it keeps for itself, so its `free` may exceed what can be had. */
	ret->free = MIN(ret->free, ret->clean);
	ret->all = MAX(ret->all, ret->clean);
}
