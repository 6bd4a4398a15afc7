/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A system call's number and arguments, whichever way it came in. */
#ifndef HEDDLE_BPF_ARGUMENTS_H
#define HEDDLE_BPF_ARGUMENTS_H

#include "core.h"

/* i386 call number -> x86-64 number and HD_FORM_*, NR_NONE: none; the same of the x32 ABI's 512 to 575. */
const volatile __u16 cfg_compat_number[512] = {};
const volatile __u16 cfg_x32_number[64] = {};

#define X32_BIT 0x40000000

INLINE bool call_is_compat(void)
{
	return current_task()->thread_info.status & TS_COMPAT;
}

/* An i386 call by the x86-64 number that it has here, with its form. */
INLINE __u32 compat_number(__u32 number)
{
	return number > 511 ? NR_NONE : cfg_compat_number[masked(number, 511)];
}

/* A number over 511 in 64-bit mode: only those of the x32 ABI mean anything. */
INLINE __u32 x32_number(__u32 number)
{
	number -= X32_BIT;
	if (number < 512)
		return number;
	return number < 576 ? cfg_x32_number[masked(number, 63)] : NR_NONE;
}

/* socketcall: the subcall is in a register, its arguments are a list in memory. */
INLINE void call_socketcall(struct call *c, __u32 *w)
{
	const void *list = (void *)c->a[1];
	__u32 sub = c->a[0];

	c->memory = true;
	c->number = sub < 32 ? socketcall_number[masked(sub, 31)] : NR_NONE;
	/* No more than the kernel reads: what lies behind may be no memory at all. */
	if (c->number == NR_sendto)
		bpf_probe_read_user(w, 24, list);
	else if (c->number == NR_listen)
		bpf_probe_read_user(w, 8, list);
	else if (c->number == NR_accept4 || c->number == NR_sendmmsg)
		bpf_probe_read_user(w, 16, list);
	else
		bpf_probe_read_user(w, 12, list);
}

INLINE unsigned long id16(unsigned long id)
{
	return (__u16)id == 0xffff ? 0xffffffff : (__u16)id;
}

/* What i386 passes otherwise than x86-64 does, put as x86-64 has it. */
INLINE int call_reform(struct call *c)
{
	__u32 w[6] = {};

	switch (c->form) {
	case HD_FORM_IDS16:
		c->a[0] = id16(c->a[0]);
		c->a[1] = id16(c->a[1]);
		c->a[2] = id16(c->a[2]);
		return 0;
	case HD_FORM_OWNER16:
		c->a[1] = id16(c->a[1]);
		c->a[2] = id16(c->a[2]);
		return 0;
	case HD_FORM_SIZE64:
		c->a[1] |= c->a[2] << 32;
		return 0;
	case HD_FORM_FALLOCATE:
		c->a[2] |= c->a[3] << 32;
		c->a[3] = c->a[4] | c->a[5] << 32;
		return 0;
	case HD_FORM_NO_FLAGS:
		c->a[1] = 0;
		return 0;
	case HD_FORM_IPC:
		/* (SHMAT, id, flags, where the address goes, address); the call's version is in the upper half. */
		if ((__u16)c->a[0] != IPC_SHMAT) {
			c->number = NR_NONE;
			return 0;
		}
		c->a[0] = c->a[1];
		c->a[1] = c->a[4];
		if (c->result == 0) {
			bpf_probe_read_user(w, 4, (void *)c->a[3]);
			c->result = w[0];
			c->memory = true;
		}
		return 0;
	case HD_FORM_OLD_MMAP:
		c->memory = true;
		bpf_probe_read_user(w, 24, (void *)c->a[0]);
		break;
	case HD_FORM_SOCKETCALL:
		call_socketcall(c, w);
		break;
	default:
		return 0;
	}
	c->a[0] = w[0];
	c->a[1] = w[1];
	c->a[2] = w[2];
	c->a[3] = w[3];
	c->a[4] = w[4];
	c->a[5] = w[5];
	return 0;
}

/*
 * The current call of a 32-bit program, into the slot's `call`. Global, so that the verifier goes through the forms
 * once and not on every path of each handler.
 */
__noinline int call_compat(long result)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(current_trusted());
	struct slot *s = slot_get(SLOT_TASK);
	unsigned long ax, v[6];
	__u32 number;
	struct call *c;

	if (!s)
		return 0;
	c = &s->call;
	bpf_core_read(&ax, sizeof(ax), &regs->orig_ax);
	bpf_core_read(&v[0], sizeof(v[0]), &regs->bx);
	bpf_core_read(&v[1], sizeof(v[1]), &regs->cx);
	bpf_core_read(&v[2], sizeof(v[2]), &regs->dx);
	bpf_core_read(&v[3], sizeof(v[3]), &regs->si);
	bpf_core_read(&v[4], sizeof(v[4]), &regs->di);
	bpf_core_read(&v[5], sizeof(v[5]), &regs->bp);
	number = compat_number(ax);
	c->result = result;
	c->memory = false;
	c->via = HD_VIA_COMPAT;
	c->form = number >> HD_FORM_SHIFT;
	c->number = number & NR_NONE;
	c->a[0] = (__u32)v[0];
	c->a[1] = (__u32)v[1];
	c->a[2] = (__u32)v[2];
	c->a[3] = (__u32)v[3];
	c->a[4] = (__u32)v[4];
	c->a[5] = (__u32)v[5];
	if (c->form)
		call_reform(c);
	return 0;
}

/*
 * What the call that has returned was. By way of the slot whichever way it came in: the verifier forgets what it knew
 * of what is read from there, and so does not go through the rest of the handler once for each way.
 */
INLINE void call_read(struct call *c, struct pt_regs *regs, long result)
{
	struct slot *s = slot_get(SLOT_TASK);
	volatile struct call *from;
	__u32 number;

	if (!s) {
		__builtin_memset(c, 0, sizeof(*c));
		c->number = NR_NONE;
		return;
	}
	from = &s->call;
	if (call_is_compat()) {
		call_compat(result);
	} else {
		number = regs->orig_ax;
		from->via = HD_VIA_SYSCALL;
		if (number > 511) {
			number = x32_number(number);
			from->via = HD_VIA_COMPAT;
		}
		from->number = number;
		from->result = result;
		from->form = 0;
		from->memory = false;
		from->a[0] = regs->di;
		from->a[1] = regs->si;
		from->a[2] = regs->dx;
		from->a[3] = regs->r10;
		from->a[4] = regs->r8;
		from->a[5] = regs->r9;
	}
	c->number = from->number;
	c->result = from->result;
	c->via = from->via;
	c->form = from->form;
	c->memory = from->memory;
	c->a[0] = from->a[0];
	c->a[1] = from->a[1];
	c->a[2] = from->a[2];
	c->a[3] = from->a[3];
	c->a[4] = from->a[4];
	c->a[5] = from->a[5];
}

/* For hooks inside a call: which one the current task is in, from its saved registers. */
INLINE void call_current(__u32 *number, __u32 *via)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(current_trusted());
	__u32 n = KREAD(regs, orig_ax);

	*via = HD_VIA_SYSCALL;
	if (call_is_compat()) {
		*via = HD_VIA_COMPAT;
		n = compat_number(n);
		if (n >> HD_FORM_SHIFT == HD_FORM_SOCKETCALL)
			n = socketcall_number[masked(KREAD(regs, bx), 31)];
		n &= NR_NONE;
	} else if (n > 511) {
		*via = HD_VIA_COMPAT;
		n = x32_number(n);
	}
	*number = n == NR_NONE ? HD_NO_SYSCALL : n;
}

INLINE void frame_current_call(struct hd_header *h)
{
	__u32 number, via;

	call_current(&number, &via);
	h->via = via;
	h->syscall = number;
}

/* A signal interrupted it, and it will be made again. */
INLINE bool call_restarts(long result)
{
	return result <= -512 && result >= -516;
}

INLINE void frame_call(struct hd_header *h, const struct call *c)
{
	h->via = c->via;
	h->syscall = c->number == NR_NONE ? HD_NO_SYSCALL : c->number;
}

#endif
