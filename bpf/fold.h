/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Reads and writes of regular files, folded per process and descriptor; the reader merges further by process and
 * file. An entry outlives its close so that the next file on the same descriptor costs no map update.
 */
#ifndef HEDDLE_BPF_FOLD_H
#define HEDDLE_BPF_FOLD_H

#include "path.h"

struct fold_key {
	__u32 tgid;
	__u32 fd;
};

struct fold_side {
	__u64 bytes, operations, first_ns, last_ns;
};

struct fold {
	__u64 file;  /* address of the struct file; 0: idle */
	__u64 start_ns;
	__u64 inode;
	__u32 dev;
	__u32 mode;
	struct fold_side side[2]; /* read, write */
	__u64 touched_ns;
	/* who, for a flush from outside the process */
	__u64 cgroup_id;
	__u32 tid, uid, gid, ppid, ns_pid, image;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct fold_key);
	__type(value, struct fold);
} folds SEC(".maps");

/* Which descriptors (modulo 64) of a process (modulo the table) may have a fold: a superset, for exit and exec. */
#define FOLD_MASKS 4096
struct fold_mask {
	__u64 bits;
	__u64 high; /* any descriptor of 64 and above */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FOLD_MASKS);
	__type(key, __u32);
	__type(value, struct fold_mask);
} fold_masks SEC(".maps");

/* Files whose path went out with an open: direct-mapped, so a miss only costs a frame that names the file again. */
#define NAMED 4096
struct named {
	__u64 file, dentry;
	__u64 inode;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMED);
	__type(key, __u32);
	__type(value, struct named);
} named_files SEC(".maps");

INLINE struct named *named_get(struct file *file)
{
	__u32 index = ((__u64)file >> 6) & (NAMED - 1);

	return bpf_map_lookup_elem(&named_files, &index);
}

/* Makes sure that the reader knows the path of this file. */
INLINE void file_name_once(struct slot *s, struct file *file, const struct object *o)
{
	struct named *n = named_get(file);
	__u64 dentry = (__u64)KREAD(file, f_path.dentry);
	struct hd_fold *f;

	if (!n || (n->file == (__u64)file && n->dentry == dentry && n->inode == o->inode))
		return;
	f = (struct hd_fold *)frame_begin(s, HD_FILE_NAME, sizeof(*f));
	f->h.flags = HD_F_VERIFIED;
	f->file_id = (__u64)file;
	f->inode = o->inode;
	f->dev = o->dev;
	f->mode = o->mode;
	f->bytes = f->operations = f->first_ns = f->last_ns = 0;
	f->flags = f->fd = 0;
	item_file_path(s, HD_I_PATH, file);
	count_made(s, HD_FILE_NAME, 1);
	if (!frame_submit_n(s, HD_LANE_BULK, 1, false))
		return;
	n->file = (__u64)file;
	n->dentry = dentry;
	n->inode = o->inode;
}

/* One side of a fold as a frame. Returns false when the lane was full and the counts stay where they are. */
INLINE bool fold_emit(struct slot *s, const struct fold_key *k, struct fold *f, __u32 side, bool last)
{
	struct fold_side *d = &f->side[side & 1];
	__u32 type = side ? HD_FILE_WRITE : HD_FILE_READ;
	struct hd_fold *o;
	__u64 operations = d->operations;

	if (!operations)
		return true;
	o = (struct hd_fold *)frame_begin(s, type, sizeof(*o));
	o->h.flags = HD_F_VERIFIED;
	o->h.time_ns = d->last_ns;
	o->h.pid = k->tgid;
	o->h.start_ns = f->start_ns;
	o->h.tid = f->tid;
	o->h.uid = f->uid;
	o->h.gid = f->gid;
	o->h.ppid = f->ppid;
	o->h.ns_pid = f->ns_pid;
	o->h.image = f->image;
	o->h.cgroup_id = f->cgroup_id;
	__builtin_memcpy(o->h.comm, f->comm, sizeof(f->comm));
	o->file_id = f->file;
	o->inode = f->inode;
	o->bytes = d->bytes;
	o->operations = operations;
	o->first_ns = d->first_ns;
	o->last_ns = d->last_ns;
	o->dev = f->dev;
	o->flags = last ? HD_FOLD_CLOSED : 0;
	o->mode = f->mode;
	o->fd = k->fd;
	if (!frame_submit_n(s, HD_LANE_BULK, operations, !last))
		if (!last)
			return false;
	d->operations = 0;
	d->bytes = 0;
	return true;
}

/* The descriptor no longer means that file: whatever was counted goes out. */
INLINE void fold_close_entry(struct slot *s, const struct fold_key *k, struct fold *f)
{
	bool both = f->side[0].operations && f->side[1].operations;

	fold_emit(s, k, f, 0, !both);
	fold_emit(s, k, f, 1, true);
	f->file = 0;
}

INLINE void fold_close(struct slot *s, __u32 fd)
{
	struct fold_key k = { current_task()->tgid, fd };
	struct fold *f = bpf_map_lookup_elem(&folds, &k);

	if (f && f->file)
		fold_close_entry(s, &k, f);
}

struct fold_sweep {
	struct slot *s;
	__u32 tgid;
	__u32 all;
	__u64 before_ns;
};

static long fold_sweep_process(struct bpf_map *map, struct fold_key *k, struct fold *f, struct fold_sweep *w)
{
	struct fold_key key = *k;

	if (key.tgid == w->tgid && f->file)
		fold_close_entry(w->s, &key, f);
	return 0;
}

static long fold_close_bit(__u32 i, void *context)
{
	struct fold_sweep *w = context;
	struct fold_key k = { w->tgid, i };
	struct fold *f;

	if (!((w->before_ns >> (i & 63)) & 1))
		return 0;
	f = bpf_map_lookup_elem(&folds, &k);
	if (f) {
		if (f->file)
			fold_close_entry(w->s, &k, f);
		if (w->all)
			bpf_map_delete_elem(&folds, &k);
	}
	return 0;
}

/* Exec and exit: everything this process has counted. */
static __noinline int fold_flush_process(struct slot *s, __u32 tgid)
{
	__u32 index = tgid & (FOLD_MASKS - 1);
	struct fold_mask *m = bpf_map_lookup_elem(&fold_masks, &index);
	struct fold_sweep w = { s, tgid, 1, 0 };

	if (!m || !s || !(m->bits | m->high))
		return 0;
	w.before_ns = m->bits;
	if (m->high) {
		bpf_for_each_map_elem(&folds, fold_sweep_process, &w, 0);
	} else {
		bpf_loop(64, fold_close_bit, &w, 0);
	}
	m->bits = 0;
	m->high = 0;
	return 0;
}

static const volatile struct fold fold_fresh = {};

INLINE void fold_start(struct fold *f, struct file *file, const struct object *o)
{
	struct task_struct *t = current_task();

	f->file = (__u64)file;
	f->inode = o->inode;
	f->dev = o->dev;
	f->mode = o->mode;
	f->start_ns = t->group_leader->start_boottime;
	f->tid = t->pid;
	f->uid = t->cred->euid.val;
	f->gid = t->cred->egid.val;
	f->ppid = t->real_parent->tgid;
	f->image = t->self_exec_id;
	f->cgroup_id = bpf_get_current_cgroup_id();
	f->ns_pid = task_ns_pid(t);
	bpf_get_current_comm(f->comm, sizeof(f->comm));
}

/* The entry of a descriptor, made when this is the first operation on that file. */
INLINE struct fold *fold_entry(struct slot *s, __u32 fd, struct file *file)
{
	struct fold_key k = { current_task()->tgid, fd };
	struct fold *f = bpf_map_lookup_elem(&folds, &k);
	__u32 index = k.tgid & (FOLD_MASKS - 1);
	struct fold_mask *m;
	struct object o;
	struct inode *inode;

	if (f && f->file == (__u64)file)
		return f;
	inode = KREAD(file, f_inode);
	if ((KREAD(inode, i_mode) & S_IFMT) != S_IFREG)
		return NULL;
	if (f && f->file)
		fold_close_entry(s, &k, f);
	object_of_inode(inode, &o);
	file_name_once(s, file, &o);
	if (!f) {
		bpf_map_update_elem(&folds, &k, (void *)&fold_fresh, BPF_NOEXIST);
		f = bpf_map_lookup_elem(&folds, &k);
		if (!f)
			return NULL;
	}
	fold_start(f, file, &o);
	m = bpf_map_lookup_elem(&fold_masks, &index);
	if (m) {
		if (fd < 64)
			__sync_fetch_and_or(&m->bits, 1ULL << fd);
		else
			m->high = 1;
	}
	return f;
}

/* One operation of `bytes` on descriptor fd: side 0 read, 1 write. Files that are not regular are not files here. */
static __noinline int fold_count(struct slot *s, __u32 fd, __u32 side, __u64 bytes)
{
	struct fold_side *d;
	struct file *file;
	struct fold *f;
	__u64 now;

	if (!s)
		return 0;
	file = fd_file(fd);
	if (!file)
		return 0;
	f = fold_entry(s, fd, file);
	if (!f) {
		/* Not regular, or the table is full: only the second is a loss, and then it is counted. */
		struct inode *inode = KREAD(file, f_inode);

		if ((KREAD(inode, i_mode) & S_IFMT) == S_IFREG) {
			count_made(s, side ? HD_FILE_WRITE : HD_FILE_READ, 1);
			s->counters[side ? HD_FILE_WRITE : HD_FILE_READ].lost++;
		}
		return 0;
	}
	count_made(s, side ? HD_FILE_WRITE : HD_FILE_READ, 1);
	now = bpf_ktime_get_boot_ns();
	d = &f->side[side & 1];
	if (!d->operations)
		d->first_ns = now;
	d->last_ns = now;
	f->touched_ns = now;
	__sync_fetch_and_add(&d->bytes, bytes);
	__sync_fetch_and_add(&d->operations, 1);
	return 0;
}

/* ---- the sensor's timer ---- */

struct flush_args {
	__u32 all;
	__u32 emitted;
};

static long fold_sweep_old(struct bpf_map *map, struct fold_key *k, struct fold *f, struct fold_sweep *w)
{
	struct fold_key key = *k;

	if (!f->file) {
		if (f->touched_ns < w->before_ns)
			bpf_map_delete_elem(&folds, &key);
		return 0;
	}
	fold_emit(w->s, &key, f, 0, w->all);
	fold_emit(w->s, &key, f, 1, w->all);
	return 0;
}

SEC("syscall")
int flush(struct flush_args *args)
{
	struct fold_sweep w = {};

	w.s = slot_get(SLOT_ITER);
	if (!w.s)
		return 0;
	w.all = args->all;
	w.before_ns = bpf_ktime_get_boot_ns() - 1000000000ULL;
	bpf_for_each_map_elem(&folds, fold_sweep_old, &w, 0);
	return 0;
}

#endif
