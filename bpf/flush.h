/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sensor runs once a second and at the end: hands over what the kernel side has added up. */
#ifndef HEDDLE_BPF_FLUSH_H
#define HEDDLE_BPF_FLUSH_H

#include "fold.h"
#include "net.h"

struct flush_args {
	__u32 all;
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
	w.last = args->all;
	bpf_for_each_map_elem(&folds, fold_sweep_one, &w, 0);
	/* The end: what connections that are still open have carried so far. */
	if (args->all)
		bpf_for_each_map_elem(&connections, traffic_one, &w.s, 0);
	return 0;
}

#endif
