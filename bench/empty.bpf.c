// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The floor: programs that do nothing on the hooks that heddle's tracepoint tier uses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* cppcheck-suppress unknownMacro */
SEC("tp_btf/sys_exit")
int on_sys_exit(void *ctx)
{
	return 0;
}

SEC("tp_btf/task_newtask")
int on_task_newtask(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_process_exec")
int on_sched_process_exec(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_sched_process_exit(void *ctx)
{
	return 0;
}
