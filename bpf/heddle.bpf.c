// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel side. One hook at the exit of every system call does the scope test and hands the call to its family's
 * program by tail call; fork, exec and exit have hooks of their own, so do socket state and cgroup moves. Nothing is
 * hooked at a call's entry: what a call did is only known when it returns, and an entry hook would cost every
 * other process on the machine as much again.
 */
#include "core.h"

/* The programs of the families, as BPF_PROG defines them: libbpf fills the table when it loads the object. */
int on_open(unsigned long long *ctx);
int on_rw(unsigned long long *ctx);
int on_copy(unsigned long long *ctx);
int on_close(unsigned long long *ctx);
int on_metadata(unsigned long long *ctx);
int on_socket(unsigned long long *ctx);
int on_connect(unsigned long long *ctx);
int on_listen(unsigned long long *ctx);
int on_accept(unsigned long long *ctx);
int on_send(unsigned long long *ctx);
int on_privilege(unsigned long long *ctx);
int on_memory(unsigned long long *ctx);
int on_escape(unsigned long long *ctx);
int on_mount(unsigned long long *ctx);
int on_exec_exit(unsigned long long *ctx);
int on_clone(unsigned long long *ctx);
int on_uring_exit(unsigned long long *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CLASS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} handlers SEC(".maps") = {
	.values = {
		[CLASS_OPEN] = (void *)&on_open,
		[CLASS_RW] = (void *)&on_rw,
		[CLASS_COPY] = (void *)&on_copy,
		[CLASS_CLOSE] = (void *)&on_close,
		[CLASS_METADATA] = (void *)&on_metadata,
		[CLASS_SOCKET] = (void *)&on_socket,
		[CLASS_CONNECT] = (void *)&on_connect,
		[CLASS_LISTEN] = (void *)&on_listen,
		[CLASS_ACCEPT] = (void *)&on_accept,
		[CLASS_SEND] = (void *)&on_send,
		[CLASS_PRIVILEGE] = (void *)&on_privilege,
		[CLASS_MEMORY] = (void *)&on_memory,
		[CLASS_ESCAPE] = (void *)&on_escape,
		[CLASS_MOUNT] = (void *)&on_mount,
		[CLASS_EXEC] = (void *)&on_exec_exit,
		[CLASS_CLONE] = (void *)&on_clone,
		[CLASS_URING] = (void *)&on_uring_exit,
	},
};

#include "doubt.h"
#include "path.h"
#include "fold.h"
#include "task.h"
#include "escape.h"
#include "file.h"
#include "metadata.h"
#include "net.h"
#include "packet.h"
#include "privilege.h"
#include "memory.h"
#include "exec.h"
#include "uring-hooks.h"
#include "flush.h"
#include "lsm.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 number = regs->orig_ax, class;
	bool compat = call_is_compat();

	if (compat)
		number = compat_number(number);
	else if (number > 511)
		number = x32_number(number);
	class = call_class[masked(number, NR_NONE)];
	if (class == CLASS_NONE)
		return 0;
	if (!in_scope())
		return 0;
	if (braking)
		call_brake();
	/* A call that will be made again is none yet, but what a hook noted of it must go. */
	if (call_restarts(ret) && class != CLASS_OPEN && class != CLASS_METADATA && class != CLASS_CONNECT)
		return 0;
	if (compat && number >> HD_FORM_SHIFT == HD_FORM_SOCKETCALL)
		class = regs->bx > 31 ? CLASS_NONE :
					call_class[masked(socketcall_number[masked(regs->bx, 31)], NR_NONE)];
	bpf_tail_call(ctx, &handlers, class);
	return 0;
}
