/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The exit of execve: a failed one is told here, a successful one has been, but may have changed credentials. */
#ifndef HEDDLE_BPF_EXEC_H
#define HEDDLE_BPF_EXEC_H

#include "task.h"

struct args_walk {
	struct slot *s;
	__u64 argv;
	__u32 start;
	__u32 wide; /* size of a pointer in the caller's array */
};

static long args_one(__u32 i, void *context)
{
	struct args_walk *w = context;
	struct slot *s = w->s;
	__u64 pointer = 0;
	__u32 at = s->walk.at;
	long n;

	if (bpf_probe_read_user(&pointer, w->wide == 4 ? 4 : 8, (void *)(w->argv + (__u64)i * w->wide)) || !pointer)
		return 1;
	if (at > FRAME_BYTES - 4096 - FRAME_SLACK || at - w->start > HD_ARGS_BYTES_MAX - 4096)
		return 1;
	n = bpf_probe_read_user_str((void *)s->frame + at, 4096, (void *)pointer);
	if (n <= 0) {
		/* Not in memory at this moment: an empty one in its place keeps the others' numbers right. */
		*(char *)((void *)s->frame + at) = '\0';
		n = 1;
	}
	s->walk.at = at + n;
	return 0;
}

/* The arguments as the caller's memory has them, as far as they can be read. */
INLINE void item_caller_args(struct slot *s, struct hd_exec *x, unsigned long argv, bool compat)
{
	__u32 at = item_open(s, HD_I_ARGS), end;
	struct args_walk w = {};

	if (!at || at > FRAME_BYTES - HD_ARGS_BYTES_MAX - FRAME_SLACK)
		return;
	w.s = s;
	w.argv = argv;
	w.wide = compat ? 4 : 8;
	w.start = at + sizeof(struct hd_item);
	s->walk.at = w.start;
	x->args_count = bpf_loop(HD_ARGS_COUNT_MAX, args_one, &w, 0);
	if (x->args_count && x->args_count < HD_ARGS_COUNT_MAX)
		x->args_count--; /* the last round only found the end */
	end = s->walk.at;
	if (end < w.start || end > FRAME_BYTES)
		end = w.start;
	x->args_bytes = end - w.start;
	item_close(s, at, end - w.start, 0);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_exec_exit, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct hd_exec *x;
	struct call c;
	bool at;

	if (!s)
		return 0;
	if (ret >= 0) {
		/* The registers are the new image's: nothing of the call is left in them. */
		call_read(&c, regs, ret);
		exec_call(&c.number, &c.via);
		creds_check(s, &c, HD_PRIV_EXEC);
		return 0;
	}
	call_read(&c, regs, ret);
	at = c.number == NR_execveat;
	x = (struct hd_exec *)frame_begin(s, HD_PROCESS_EXEC, sizeof(*x));
	frame_call(&x->h, &c);
	x->result = ret;
	x->flags = at ? HD_EXEC_AT : 0;
	x->args_count = x->args_bytes = 0;
	x->inode = 0;
	x->dev = 0;
	x->pad0 = 0;
	item_user_path(s, HD_I_NAME, HD_I_BASE, at ? c.a[0] : AT_FDCWD, (void *)(at ? c.a[1] : c.a[0]));
	item_cwd(s, HD_I_CWD);
	item_caller_args(s, x, at ? c.a[2] : c.a[1], c.via == HD_VIA_COMPAT);
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

#endif
