// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floor: programs that do nothing on the hooks that heddle's tracepoint tier uses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EMPTY(section, name) \
	SEC(section) int name(void *ctx) \
	{ \
		return 0; \
	}

EMPTY("tp_btf/sys_exit", on_sys_exit)
EMPTY("tp_btf/task_newtask", on_newtask)
EMPTY("tp_btf/sched_process_exec", on_exec)
EMPTY("tp_btf/sched_process_exit", on_exit)
