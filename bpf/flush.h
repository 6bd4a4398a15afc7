/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sensor runs once a second and at the end: hands over what the kernel side has added up. */
#ifndef HEDDLE_BPF_FLUSH_H
#define HEDDLE_BPF_FLUSH_H

#include "fold.h"
#include "net.h"
#include "uring-late.h"

struct flush_args {
	__u32 what; /* HD_FLUSH_* */
};

static long traffic_one(struct bpf_map *map, __u64 *key, struct hd_header *c, struct slot **s)
{
	traffic_emit(*s, (struct sock *)*key, c);
	return 0;
}

SEC("syscall")
int flush(struct flush_args *args)
{
	struct fold_sweep w = {};

	w.s = slot_get(SLOT_ITER);
	if (!w.s)
		return 0;
	if (args->what >= HD_FLUSH_LATE)
		return uring_late(SLOT_ITER, 0, 0, args->what == HD_FLUSH_LOSE ? LATE_LOSE : LATE_LOOK);
	w.last = args->what;
	bpf_for_each_map_elem(&folds, fold_sweep_one, &w, 0);
	/* The end: what connections that are still open have carried so far. */
	if (args->what)
		bpf_for_each_map_elem(&connections, traffic_one, &w.s, 0);
	return 0;
}

#endif
