/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Descriptors are read when a call returns. Where threads share a table, another one may have put another file at the
 * number by then. That takes a call that vacates the number (close, dup2, close_range), which is either still under
 * way when the first call returns, or has returned before. So there are two looks, and one of them meets it:
 *
 *   - a call that used or made a descriptor looks at the other threads' saved registers for one that vacates it now;
 *   - a call that vacated a number looks for threads that are in a call on it, and leaves each a note.
 *
 * The first looks at the threads before it looks for its note, the second leaves its note before it returns: whatever
 * the order, nothing is missed. Registers stay as they are until the next entry, so a thread that has left the kernel
 * may look as if it were about to: then there is doubt where none is needed, and the event is not verified.
 */
#ifndef HEDDLE_BPF_DOUBT_H
#define HEDDLE_BPF_DOUBT_H

#include "arguments.h"
#include "calls.h"
#include "uring-types.h"

#define CLONE_FILES 0x400
#define PF_IO_WORKER 0x10
#define ENOSYS 38
#define EBADF 9
#define THREADS_MAX 4096 /* looked at; a process of more is in doubt */

/* By thread: the numbers (modulo 64) that were vacated while it was in a call on them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} notes SEC(".maps");

__u64 notes_n = 0; /* at least as many as there are: none spares everyone the look-up */
__u32 notes_full = 0; /* one could not be left: from then on nothing shared is sure */

/* Tables that were ever shared with another process, by address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u64);
} foreign_tables SEC(".maps");

__u32 foreign_seen = 0;

/* A ring was asked to close a descriptor: from then on its thread and workers, and who is in a call to it, may. */
__u32 ring_closes = 0;

#define SCAN_FOR_VACATING 0
#define SCAN_TO_NOTE 1

/* What bpf_loop is given must be on the stack; the rest is in the slot, for what struct walk_place says. */
struct scan_at {
	struct scan *scan;
};

/* Another thread's call, from its saved registers. */
struct other_call {
	__u64 a[3];
	__s64 ax;
	__u32 number;
	__u32 tid;
};

INLINE int note_leave(__u32 tid, __u64 bits)
{
	__u64 *old = bpf_map_lookup_elem(&notes, &tid);

	if (!old) {
		__sync_fetch_and_add(&notes_n, 1);
		if (!bpf_map_update_elem(&notes, &tid, &bits, BPF_NOEXIST))
			return 0;
		__sync_fetch_and_add(&notes_n, -1);
		old = bpf_map_lookup_elem(&notes, &tid);
	}
	if (old)
		__sync_fetch_and_or(old, bits);
	else
		notes_full = 1;
	return 0;
}

/* Is there a note on this number for the thread? */
INLINE bool note_found(__u32 tid, __u32 fd)
{
	__u64 *bits;

	if (notes_full)
		return true;
	if (!notes_n)
		return false;
	bits = bpf_map_lookup_elem(&notes, &tid);
	return bits && (*bits >> (fd & 63) & 1);
}

INLINE void note_drop_of(__u32 tid)
{
	if (notes_n && !bpf_map_delete_elem(&notes, &tid))
		__sync_fetch_and_add(&notes_n, -1);
}

/* The current thread's call is over: what was noted concerned it alone. */
INLINE void note_drop(void)
{
	if (notes_n)
		note_drop_of(current_task()->pid);
}

INLINE bool in_span(const struct scan *w, __u64 fd)
{
	return (__u32)fd >= w->first && (__u32)fd <= w->last;
}

INLINE bool connects_file(const struct scan *w, const struct other_call *c)
{
	return w->file && c->number == NR_connect && (__u64)fd_file(c->a[0]) == w->file;
}

/* Does that call free the number, or has it just? One that failed did not. */
INLINE bool call_vacates(const struct scan *w, const struct other_call *c)
{
	if (c->ax < 0 && c->ax != -ENOSYS)
		return false;
	switch (c->number) {
	case NR_close:
		return in_span(w, c->a[0]);
	case NR_dup2:
	case NR_dup3:
		return in_span(w, c->a[1]);
	case NR_close_range:
		return (__u32)c->a[0] <= w->last && (__u32)c->a[1] >= w->first;
	case NR_io_uring_enter:
		return ring_closes && c->ax == -ENOSYS;
	}
	return connects_file(w, c);
}

/* Is that call one on a number of the span, or may it be about to return one? */
INLINE bool call_concerned(const struct scan *w, const struct other_call *c)
{
	__u32 class = call_class[c->number & 511];

	if (c->number > 511)
		return false;
	if (w->file)
		return connects_file(w, c);
	/* What is asked of a ring is done in it. */
	if (c->number == NR_io_uring_enter)
		return c->ax == -ENOSYS;
	switch (class) {
	case CLASS_NONE:
		return false;
	case CLASS_EXEC:
		return true;
	case CLASS_OPEN:
	case CLASS_ACCEPT:
		return c->ax == -ENOSYS || in_span(w, c->ax) || in_span(w, c->a[0]);
	case CLASS_COPY:
		return in_span(w, c->a[0]) || in_span(w, c->a[1]) || in_span(w, c->a[2]);
	}
	return in_span(w, c->a[0]);
}

/* Is a ring's worker at something that gives a number? Of SQPOLL's thread nothing says what it is at. */
INLINE bool worker_concerned(struct task_struct *t)
{
	struct io_worker *worker = KREAD(t, worker_private);
	struct io_kiocb *req;
	__u64 work = 0;
	__u32 opcode;

	if (!worker)
		return true;
	bpf_core_read(&work, sizeof(work), &worker->cur_work);
	if (!work)
		return false;
	req = (struct io_kiocb *)(work - bpf_core_field_offset(struct io_kiocb, work));
	opcode = KREAD(req, opcode);
	return opcode == URING_OPENAT || opcode == URING_OPENAT2 || opcode == URING_ACCEPT;
}

INLINE __u64 span_bits(const struct scan *w)
{
	return w->first == w->last ? 1ULL << (w->first & 63) : ~0ULL;
}

INLINE void other_call_read(struct other_call *c, struct task_struct *t, const struct scan *w)
{
	struct pt_regs *regs = (struct pt_regs *)((__u64)KREAD(t, stack) + w->regs);

	c->number = KREAD(regs, orig_ax);
	c->ax = KREAD(regs, ax);
	if (KREAD(t, thread_info.status) & TS_COMPAT) {
		c->number = compat_number(c->number) & NR_NONE;
		c->a[0] = (__u32)KREAD(regs, bx);
		c->a[1] = (__u32)KREAD(regs, cx);
		c->a[2] = (__u32)KREAD(regs, dx);
		c->ax = (__s32)c->ax;
	} else {
		if (c->number > 511)
			c->number = x32_number(c->number);
		c->a[0] = KREAD(regs, di);
		c->a[1] = KREAD(regs, si);
		c->a[2] = KREAD(regs, dx);
	}
}

static long scan_one(__u32 i, void *context)
{
	struct scan *w = ((struct scan_at *)context)->scan;
	struct other_call c = {};
	struct task_struct *t;

	if (w->at == w->head) {
		w->done = 1;
		return 1;
	}
	t = (void *)w->at - bpf_core_field_offset(struct task_struct, thread_node);
	w->at = load8((void *)w->at); /* ->next */
	if (KREAD(t, pid) == (int)w->self)
		return 0;
	/* A ring's worker has no registers to read. */
	if (KREAD(t, flags) & PF_IO_WORKER) {
		if (w->mode == SCAN_TO_NOTE && !w->file && worker_concerned(t))
			note_leave(KREAD(t, pid), span_bits(w));
		if (w->mode != SCAN_FOR_VACATING || !ring_closes)
			return 0;
		w->found = 1;
		return 1;
	}
	other_call_read(&c, t, w);
	if (w->mode == SCAN_FOR_VACATING) {
		if (!call_vacates(w, &c))
			return 0;
		w->found = 1;
		return 1;
	}
	if (call_concerned(w, &c))
		note_leave(KREAD(t, pid), span_bits(w));
	return 0;
}

INLINE bool files_shared(void)
{
	struct files_struct *files = KREAD(current_task(), files);

	return KREAD(files, count.counter) > 1;
}

/* Looks at the other threads of the current process. Returns true when one was found, or there are too many. */
INLINE int scan_threads(__u32 mode, __u32 first, __u32 last, __u64 file)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct task_struct *t = current_task();
	struct signal_struct *signal = KREAD(t, signal);
	struct scan_at at = {};
	struct scan *w;

	if (!s)
		return 1;
	at.scan = w = &s->scan;
	/* A pointer may take no part in arithmetic, but what comes back from a map is a number. */
	*(volatile __u64 *)&s->saved_regs = (__u64)bpf_task_pt_regs(current_trusted());
	w->regs = *(volatile __u64 *)&s->saved_regs - (__u64)KREAD(t, stack);
	w->head = (__u64)signal + bpf_core_field_offset(struct signal_struct, thread_head);
	w->at = (__u64)KREAD(signal, thread_head.next);
	w->self = KREAD(t, pid);
	w->mode = mode;
	w->first = first;
	w->last = last;
	w->file = file;
	w->found = w->done = 0;
	bpf_loop(THREADS_MAX, scan_one, &at, 0);
	if (mode == SCAN_TO_NOTE && !w->done)
		notes_full = 1;
	return w->found || !w->done;
}

/* The table is or was shared with another process, whose threads are not looked at. */
INLINE bool files_foreign(void)
{
	struct task_struct *t = current_task();
	__u64 files = (__u64)KREAD(t, files);

	return foreign_seen && bpf_map_lookup_elem(&foreign_tables, &files);
}

/*
 * May the file at this descriptor be another than the current call used or made? Ask after having read it. `file` is
 * not 0 for a socket that the call connected: then others that connect it count too.
 */
__noinline int fd_doubted(__u32 fd, __u64 file)
{
	struct task_struct *t = current_task();

	if (files_foreign())
		return 1;
	if (files_shared() && (KREAD(t, files, count.counter) > KREAD(t, signal, nr_threads) ||
			       scan_threads(SCAN_FOR_VACATING, fd, fd, file)))
		return 1;
	return note_found(t->pid, fd);
}

/* The current call freed these numbers, or put something else there. */
__noinline int fd_vacated(__u32 first, __u32 last)
{
	if (files_shared())
		scan_threads(SCAN_TO_NOTE, first, last, 0);
	return 0;
}

/* The current call connected this socket (a struct file's address): whoever connects it too must not take its word. */
__noinline int fd_connected(__u32 fd, __u64 file)
{
	if (file && files_shared())
		scan_threads(SCAN_TO_NOTE, fd, fd, file);
	return 0;
}

/* A table that is new, at an address where a shared one may have been. */
INLINE void files_new(struct task_struct *t)
{
	__u64 files = (__u64)KREAD(t, files);

	if (foreign_seen)
		bpf_map_delete_elem(&foreign_tables, &files);
}

/* A fork that may share the table with another process. */
INLINE void files_fork(struct task_struct *child, __u64 clone_flags)
{
	__u64 files = (__u64)KREAD(current_task(), files), one = 1;

	if (!(clone_flags & CLONE_FILES)) {
		files_new(child);
		return;
	}
	if (clone_flags & CLONE_THREAD)
		return;
	foreign_seen = 1;
	bpf_map_update_elem(&foreign_tables, &files, &one, BPF_ANY);
}

#endif
