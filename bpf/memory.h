/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory made executable that was no read-only code of a file, and shared writable mappings of files. */
#ifndef HEDDLE_BPF_MEMORY_H
#define HEDDLE_BPF_MEMORY_H

#include "fold.h"
#include "task.h"

#define SHM_EXEC 0100000
#define READ_IMPLIES_EXEC 0x0400000
#define MAP_ANONYMOUS 0x20

struct vma_view {
	__u64 start, end, flags;
	struct file *file;
	__u64 anon; /* has pages of its own: it was written to */
	bool found;
};

static long vma_look(struct task_struct *task, struct vm_area_struct *vma, struct vma_view *v)
{
	v->start = KREAD(vma, vm_start);
	v->end = KREAD(vma, vm_end);
	v->flags = KREAD(vma, vm_flags);
	v->file = KREAD(vma, vm_file);
	v->anon = (__u64)KREAD(vma, anon_vma);
	v->found = true;
	return 0;
}

/*
 * What was writable once and may be made executable later, when nothing in the mapping tells any more: a file that
 * was mapped shared and writable (by inode), and a private mapping that was writable (by address).
 */
struct writable_key {
	__u64 start_ns; /* the process, and the image within it */
	__u64 what;
	__u32 image;
	__u32 by_address;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct writable_key);
	__type(value, __u64);
} writable SEC(".maps");

INLINE void writable_key(struct writable_key *k, __u64 what, bool by_address)
{
	struct task_struct *t = current_task();

	k->start_ns = KREAD(t, group_leader, start_boottime);
	k->what = what;
	k->image = t->self_exec_id;
	k->by_address = by_address;
}

INLINE void writable_note(__u64 what, bool by_address)
{
	struct writable_key k;
	__u64 one = 1;

	writable_key(&k, what, by_address);
	bpf_map_update_elem(&writable, &k, &one, BPF_ANY);
}

INLINE bool writable_known(__u64 what, bool by_address)
{
	struct writable_key k;

	writable_key(&k, what, by_address);
	return bpf_map_lookup_elem(&writable, &k) != NULL;
}

INLINE void writable_forget(__u64 address)
{
	struct writable_key k;

	writable_key(&k, address, true);
	bpf_map_delete_elem(&writable, &k);
}

INLINE __u64 file_inode_number(struct file *file)
{
	return KREAD(file, f_inode, i_ino);
}

INLINE __u32 backing_of(const struct vma_view *v, const struct call *c, struct object *o, bool *memfd)
{
	struct mm_struct *mm = current_task()->mm;
	struct file *file = v->file;
	struct dentry *d;
	char name[8] = {};

	*memfd = false;
	if (file) {
		object_of_inode(KREAD(file, f_inode), o);
		d = KREAD(file, f_path.dentry);
		bpf_probe_read_kernel(name, 6, KREAD(d, d_name.name));
		if (o->magic == TMPFS_MAGIC || o->magic == 0x958458f6 /* hugetlbfs */) {
			if (!__builtin_memcmp(name, "memfd:", 6)) {
				*memfd = true;
				return HD_BACK_MEMFD;
			}
			if (!__builtin_memcmp(name, "SYSV", 4))
				return HD_BACK_SHM;
			if (!__builtin_memcmp(name, "dev/ze", 6)) /* shared anonymous memory */
				return HD_BACK_ANONYMOUS;
		}
		return HD_BACK_FILE;
	}
	if (v->flags & VM_GROWSDOWN || (v->start <= mm->start_stack && v->end >= mm->start_stack))
		return HD_BACK_STACK;
	if (v->start < mm->brk && v->end > mm->start_brk)
		return HD_BACK_HEAP;
	return HD_BACK_ANONYMOUS;
}

/* 0 where this is ordinary loading of code. */
INLINE __u32 reason_of(__u32 backing, const struct vma_view *v, bool was_writable)
{
	switch (backing) {
	case HD_BACK_MEMFD:
		return HD_MEM_MEMFD_EXEC;
	case HD_BACK_SHM:
		return HD_MEM_SHM_EXEC;
	case HD_BACK_STACK:
		return HD_MEM_STACK_EXEC;
	case HD_BACK_HEAP:
		return HD_MEM_HEAP_EXEC;
	}
	if (v->flags & VM_WRITE)
		return HD_MEM_WRITABLE_EXEC;
	if (backing == HD_BACK_ANONYMOUS)
		return was_writable || v->anon ? HD_MEM_WAS_WRITABLE : HD_MEM_ANONYMOUS_EXEC;
	return was_writable || v->anon ? HD_MEM_WAS_WRITABLE : 0;
}

INLINE void memory_emit(struct slot *s, const struct call *c, __u64 address, __u64 length, __u32 protection)
{
	struct vma_view v = {};
	struct object o = {};
	struct hd_memory *m;
	__u32 backing = HD_BACK_UNKNOWN, reason = HD_MEM_ANONYMOUS_EXEC;
	bool memfd = false, known = false, was = false;

	if (c->result >= 0 || c->result < -4095) {
		bpf_find_vma(current_trusted(), address, vma_look, &v, 0);
		known = v.found;
	}
	if (known) {
		backing = backing_of(&v, c, &o, &memfd);
		if (v.file && backing == HD_BACK_FILE)
			was = writable_known(file_inode_number(v.file), false) ||
			      (c->number != NR_mmap && writable_known(v.start, true));
		reason = reason_of(backing, &v, was);
		/* Where ipc's shmat put it lies in memory: if that is not it, the call still happened. */
		if (c->memory && c->number == NR_shmat && (backing != HD_BACK_SHM || !(v.flags & PROT_EXEC))) {
			known = false;
			backing = HD_BACK_SHM;
			reason = HD_MEM_SHM_EXEC;
		}
		if (!reason)
			return;
	} else if (c->number == NR_mmap) {
		/* Refused, or the map could not be looked at: by the call's own words. */
		if (!(c->a[3] & MAP_ANONYMOUS) && !(protection & PROT_WRITE))
			return;
		backing = c->a[3] & MAP_ANONYMOUS ? HD_BACK_ANONYMOUS : HD_BACK_UNKNOWN;
		reason = protection & PROT_WRITE ? HD_MEM_WRITABLE_EXEC : HD_MEM_ANONYMOUS_EXEC;
	}
	m = (struct hd_memory *)frame_begin(s, HD_MEMORY_EXEC, sizeof(*m));
	frame_call(&m->h, c);
	m->h.flags = known ? HD_F_VERIFIED : 0;
	m->result = c->result < 0 && c->result >= -4095 ? c->result : 0;
	m->address = address;
	m->length = length;
	m->protection = protection;
	m->backing = backing;
	m->reason = reason;
	m->map_flags = c->number == NR_mmap ? c->a[3] : 0;
	m->inode = o.inode;
	m->dev = o.dev;
	m->pad0 = 0;
	if (known && v.file && (backing == HD_BACK_FILE || memfd))
		item_file_path(s, HD_I_PATH, v.file);
	frame_submit(s, HD_LANE_CRITICAL);
}

/* A shared writable mapping of a regular file is a write without bytes. */
INLINE void mapping_emit(struct slot *s, const struct call *c, struct file *file)
{
	struct object o = {};
	struct hd_fold *f;

	object_of_inode(KREAD(file, f_inode), &o);
	if ((o.mode & S_IFMT) != S_IFREG)
		return;
	f = (struct hd_fold *)frame_begin(s, HD_FILE_WRITE, sizeof(*f));
	frame_call(&f->h, c);
	f->h.flags = HD_F_VERIFIED;
	f->file_id = 0;
	f->inode = o.inode;
	f->dev = o.dev;
	f->mode = o.mode;
	f->bytes = 0;
	f->operations = 1;
	f->first_ns = f->last_ns = f->h.time_ns;
	f->flags = HD_FOLD_MAPPING;
	f->fd = c->a[4];
	item_file_path(s, HD_I_PATH, file);
	frame_submit(s, HD_LANE_BULK);
}

INLINE void mapping_note(struct slot *s, const struct call *c, __u64 address)
{
	struct vma_view v = {};
	struct file *file;

	bpf_find_vma(current_trusted(), address, vma_look, &v, 0);
	file = v.file;
	if (!v.found || !file)
		return;
	if (!(v.flags & VM_SHARED)) {
		writable_note(v.start, true);
	} else {
		char name[6] = {};

		writable_note(file_inode_number(file), false);
		bpf_probe_read_kernel(name, 6, KREAD(file, f_path.dentry, d_name.name));
		/* Memory that only looks like a file is none. */
		if (__builtin_memcmp(name, "dev/ze", 6) && __builtin_memcmp(name, "SYSV00", 6))
			mapping_emit(s, c, file);
	}
}

/* i386's old mmap has its arguments in memory: what came of them is in the mapping. Returns its protection. */
INLINE __u32 mapping_as_made(struct call *c)
{
	struct vma_view v = {};

	bpf_find_vma(current_trusted(), c->result, vma_look, &v, 0);
	if (!v.found)
		return c->a[2];
	c->a[1] = v.end - c->result;
	c->a[3] = (v.flags & VM_SHARED ? 1 : 2) | (v.file ? 0 : MAP_ANONYMOUS); /* MAP_SHARED or MAP_PRIVATE */
	return v.flags & (PROT_READ | PROT_WRITE | PROT_EXEC); /* VM_READ, VM_WRITE and VM_EXEC are the same bits */
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_memory, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	bool failed = ret < 0 && ret >= -4095;
	struct hd_memory *m;
	struct call c;
	__u32 prot;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	prot = c.a[2];
	switch (c.number) {
	case NR_mmap:
		if (c.memory && !failed)
			prot = mapping_as_made(&c);
		if (!failed && !(c.a[3] & MAP_ANONYMOUS)) {
			if (prot & PROT_WRITE)
				mapping_note(s, &c, ret);
			else
				writable_forget(ret);
		}
		if (prot & PROT_EXEC)
			memory_emit(s, &c, failed ? c.a[0] : (__u64)ret, c.a[1], prot);
		break;
	case NR_mprotect:
	case NR_pkey_mprotect:
		if (prot & PROT_WRITE && !failed)
			mapping_note(s, &c, c.a[0]);
		if (prot & PROT_EXEC)
			memory_emit(s, &c, c.a[0], c.a[1], prot);
		break;
	case NR_shmat:
		if (c.a[2] & SHM_EXEC)
			memory_emit(s, &c, failed ? c.a[1] : (__u64)c.result, 0, PROT_READ | PROT_EXEC);
		break;
	case NR_personality:
		if (failed || (__u32)c.a[0] == 0xffffffff || !(c.a[0] & READ_IMPLIES_EXEC))
			break;
		m = (struct hd_memory *)frame_begin(s, HD_MEMORY_EXEC, sizeof(*m));
		frame_call(&m->h, &c);
		m->h.flags = HD_F_VERIFIED;
		m->result = 0;
		m->address = m->length = 0;
		m->protection = PROT_READ | PROT_EXEC;
		m->backing = HD_BACK_UNKNOWN;
		m->reason = HD_MEM_READ_IMPLIES_EXEC;
		m->map_flags = 0;
		m->inode = 0;
		m->dev = m->pad0 = 0;
		frame_submit(s, HD_LANE_CRITICAL);
		break;
	}
	return 0;
}

#endif
