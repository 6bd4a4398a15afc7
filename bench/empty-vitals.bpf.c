// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floor: a program that does nothing on the hook that the scheduler's probe uses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* cppcheck-suppress unknownMacro */
SEC("tp_btf/sched_switch")
int on_sched_switch(void *ctx)
{
	return 0;
}
