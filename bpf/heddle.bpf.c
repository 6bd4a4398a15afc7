// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel side. One hook at the exit of every system call does the scope test and hands the call to its family's
 * program by tail call; fork, exec and exit have hooks of their own, so do socket state and cgroup moves. Nothing is
 * hooked at a call's entry: what a call did is only known when it returns, and an entry hook would cost every
 * other process on the machine as much again.
 */
#include "core.h"
#include "calls.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, __u32);
} handlers SEC(".maps");

#include "path.h"
#include "fold.h"
#include "task.h"
#include "escape.h"
#include "file.h"
#include "metadata.h"
#include "net.h"
#include "packet.h"
#include "flush.h"
#include "privilege.h"
#include "memory.h"
#include "exec.h"
#include "lsm.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 number = regs->orig_ax, class;

	if (call_is_compat())
		number = cfg_compat_number[number & 511];
	class = call_class[number & 511];
	if (number > 511 || class == CLASS_NONE)
		return 0;
	if (!in_scope())
		return 0;
	/* A call that a signal interrupted and that will be made again is none yet. */
	if (ret <= -512 && ret >= -516)
		return 0;
	bpf_tail_call(ctx, &handlers, class);
	return 0;
}
