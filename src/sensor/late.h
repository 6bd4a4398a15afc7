/* SPDX-License-Identifier: Apache-2.0 */
/* Hands over what the kernel side has added up, and what io_uring did without telling anyone (bpf/uring-late.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/event.h"

struct late {
	int flush_fd, tell_fd;		    /* the programs `flush` and `on_uring_late`; borrowed */
	const struct hd_requests *requests; /* the kernel side's own */
	uint64_t due_ns;		    /* when to look again */
};

/* Negative errno. `all`: at the end, when nothing is followed any more; what can't be told then is counted as lost. */
int late_flush(struct late *l, bool all);
/* To be called whenever the lanes are looked at. */
void late_look(struct late *l);
