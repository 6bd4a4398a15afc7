/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads and writes of regular files, folded per process and descriptor; the reader merges further by process and
 * file. An entry outlives its close so that the next file on the same descriptor costs no map update.
 */
#ifndef HEDDLE_BPF_FOLD_H
#define HEDDLE_BPF_FOLD_H

#include "doubt.h"
#include "path.h"

struct fold_side {
	__u64 bytes, operations, first_ns, last_ns;
};

struct fold {
	__u64 lock;  /* whoever finds it taken counts nothing here but sends a frame of its own */
	__u64 file;  /* address of the struct file; 0: idle */
	__u64 start_ns;
	__u64 inode;
	__u32 tgid, fd;
	__u32 dev;
	__u32 mode;
	__u32 via, pad; /* of all that it counts */
	struct fold_side side[2]; /* read, write */
	/* who, for a flush from outside the process */
	__u64 cgroup_id;
	__u32 tid, uid, gid, ppid, ns_pid, image;
	char comm[16];
};

/*
 * Direct-mapped by process and descriptor: two that meet in one entry take turns, and what the first had counted goes
 * out early (the reader merges it). So an entry costs an array look-up, and the table is never full.
 */
#define FOLDS 8192
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FOLDS);
	__type(key, __u32);
	__type(value, struct fold);
} folds SEC(".maps");

INLINE struct fold *fold_at(__u32 tgid, __u32 fd)
{
	/* Neighbouring descriptors of a process lie side by side; processes are spread by a multiplicative hash. */
	__u32 index = (tgid * 2654435761u >> 19 & (FOLDS - 64)) + (fd & 63);

	index = (index ^ (fd >> 6) * 64) & (FOLDS - 1);
	return bpf_map_lookup_elem(&folds, &index);
}

INLINE bool fold_lock(struct fold *f)
{
	return !__sync_lock_test_and_set(&f->lock, 1);
}

INLINE void fold_unlock(struct fold *f)
{
	barrier();
	*(volatile __u64 *)&f->lock = 0;
}

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

/* Makes sure that the reader knows the path of this file by its id. The current task uses it, or `who` unless NULL. */
INLINE void file_name_once(struct slot *s, struct file *file, __u64 id, const struct object *o,
			   const struct hd_header *who)
{
	struct named *n = named_get(file);
	__u64 dentry = (__u64)KREAD(file, f_path.dentry);
	struct hd_fold *f;

	if (!n || (n->file == id && n->dentry == dentry && n->inode == o->inode))
		return;
	if (who)
		f = (struct hd_fold *)frame_of(s, who, HD_FILE_NAME, sizeof(*f));
	else
		f = (struct hd_fold *)frame_begin(s, HD_FILE_NAME, sizeof(*f));
	f->h.flags = HD_F_VERIFIED;
	f->file_id = id;
	f->inode = o->inode;
	f->dev = o->dev;
	f->mode = o->mode;
	f->bytes = f->operations = f->first_ns = f->last_ns = 0;
	f->flags = f->fd = 0;
	item_file_path(s, HD_I_PATH, file);
	count_made(s, HD_FILE_NAME, 1);
	if (!frame_submit_n(s, HD_LANE_BULK, 1, false))
		return;
	n->file = id;
	n->dentry = dentry;
	n->inode = o->inode;
}

#define FOLD_STAYS 0 /* the entry goes on: where the lane is full its counts stay, and go out later */
#define FOLD_ENDS 1  /* it does not: then they are lost */
#define FOLD_LAST 2  /* nor does another frame of this file follow */

/* One side of a fold as a frame. Returns false when the lane was full and the counts stay where they are. */
__noinline int fold_emit(struct slot *s, struct fold *f, __u32 side, __u32 how)
{
	struct fold_side *d;
	struct hd_fold *o;
	__u64 operations;

	if (!s || !f)
		return 0;
	d = &f->side[side & 1];
	operations = d->operations;
	if (!operations)
		return 1;
	o = (struct hd_fold *)s->frame;
	s->doubt = 0;
	o->h.type = side ? HD_FILE_WRITE : HD_FILE_READ;
	o->h.size = sizeof(*o);
	o->h.time_ns = d->last_ns;
	o->h.pid = f->tgid;
	o->h.tid = f->tid;
	o->h.uid = f->uid;
	o->h.gid = f->gid;
	o->h.start_ns = f->start_ns;
	o->h.cgroup_id = f->cgroup_id;
	o->h.ppid = f->ppid;
	o->h.ns_pid = f->ns_pid;
	o->h.image = f->image;
	o->h.cpu = bpf_get_smp_processor_id();
	o->h.via = f->via;
	o->h.flags = HD_F_VERIFIED;
	o->h.syscall = HD_NO_SYSCALL;
	o->h.pad0 = 0;
	__builtin_memcpy(o->h.comm, f->comm, sizeof(f->comm));
	o->file_id = f->file;
	o->inode = f->inode;
	o->bytes = d->bytes;
	o->operations = operations;
	o->first_ns = d->first_ns;
	o->last_ns = d->last_ns;
	o->dev = f->dev;
	o->flags = how == FOLD_LAST ? HD_FOLD_CLOSED : 0;
	o->mode = f->mode;
	o->fd = f->fd;
	if (!frame_submit_n(s, HD_LANE_BULK, operations, how == FOLD_STAYS) && how == FOLD_STAYS)
		return 0;
	d->operations = 0;
	d->bytes = 0;
	return 1;
}

/* The descriptor no longer means that file: whatever was counted goes out. The entry is locked. */
INLINE void fold_end(struct slot *s, struct fold *f)
{
	bool both = f->side[0].operations && f->side[1].operations;

	fold_emit(s, f, 0, both ? FOLD_ENDS : FOLD_LAST);
	fold_emit(s, f, 1, FOLD_LAST);
	f->file = 0;
}

INLINE void fold_close_of(struct slot *s, __u32 tgid, __u32 fd)
{
	struct fold *f = fold_at(tgid, fd);

	if (!f || !f->file || f->tgid != tgid || f->fd != fd || !fold_lock(f))
		return;
	if (f->file && f->tgid == tgid && f->fd == fd)
		fold_end(s, f);
	fold_unlock(f);
}

INLINE void fold_close(struct slot *s, __u32 fd)
{
	fold_close_of(s, current_task()->tgid, fd);
}

struct fold_sweep {
	struct slot *s;
	__u64 bits;
	__u32 tgid; /* 0: everyone's */
	__u32 last;
};

static long fold_sweep_one(struct bpf_map *map, __u32 *index, struct fold *f, struct fold_sweep *w)
{
	if (!f->file || (w->tgid && f->tgid != w->tgid) || !fold_lock(f))
		return 0;
	if (w->last) {
		fold_end(w->s, f);
	} else {
		fold_emit(w->s, f, 0, FOLD_STAYS);
		fold_emit(w->s, f, 1, FOLD_STAYS);
	}
	fold_unlock(f);
	return 0;
}

static long fold_close_bit(__u32 i, void *context)
{
	struct fold_sweep *w = context;

	if ((w->bits >> (i & 63)) & 1)
		fold_close(w->s, i);
	return 0;
}

/* Exec and exit: everything this process has counted. */
static __noinline int fold_flush_process(struct slot *s, __u32 tgid)
{
	__u32 index = tgid & (FOLD_MASKS - 1);
	struct fold_mask *m = bpf_map_lookup_elem(&fold_masks, &index);
	struct fold_sweep w = { .s = s, .tgid = tgid, .last = 1 };

	if (!m || !s || !(m->bits | m->high))
		return 0;
	w.bits = m->bits;
	if (m->high)
		bpf_for_each_map_elem(&folds, fold_sweep_one, &w, 0);
	else
		bpf_loop(64, fold_close_bit, &w, 0);
	m->bits = 0;
	m->high = 0;
	return 0;
}

/* Who counts here: filled again only when it is someone else than the last time. */
INLINE void fold_who(struct fold *f, __u32 fd)
{
	struct task_struct *t = current_task();
	__u64 start_ns = t->group_leader->start_boottime;
	__u32 tid = t->pid, uid = t->cred->euid.val, image = t->self_exec_id;

	if (f->start_ns == start_ns && f->tid == tid && f->uid == uid && f->image == image && f->fd == fd)
		return;
	f->fd = fd;
	f->tgid = t->tgid;
	f->start_ns = start_ns;
	f->tid = tid;
	f->uid = uid;
	f->gid = t->cred->egid.val;
	f->ppid = t->real_parent->tgid;
	f->image = image;
	f->cgroup_id = current_cgroup_id();
	f->ns_pid = task_ns_pid(t);
	current_comm(f->comm);
}

INLINE void fold_mark(__u32 tgid, __u32 fd)
{
	__u32 index = tgid & (FOLD_MASKS - 1);
	struct fold_mask *m = bpf_map_lookup_elem(&fold_masks, &index);

	if (!m)
		return;
	if (fd >= 64)
		m->high = 1;
	else if (!(m->bits >> fd & 1))
		__sync_fetch_and_or(&m->bits, 1ULL << fd);
}

/* Makes the locked entry this file's, for calls that come in by `via`. */
INLINE void fold_start(struct slot *s, struct fold *f, __u32 fd, struct file *file, __u32 via)
{
	struct object o;

	if (f->file)
		fold_end(s, f);
	object_of_inode(KREAD(file, f_inode), &o);
	file_name_once(s, file, (__u64)file, &o, NULL);
	fold_who(f, fd);
	f->via = via;
	f->inode = o.inode;
	f->dev = o.dev;
	f->mode = o.mode;
	f->file = (__u64)file;
	fold_mark(f->tgid, fd);
}

INLINE void fold_add(struct fold *f, __u32 side, __u64 bytes, __u64 now)
{
	struct fold_side *d = &f->side[side & 1];

	if (!d->operations)
		d->first_ns = now;
	d->last_ns = now;
	d->bytes += bytes;
	d->operations++;
}

/*
 * The same file by the other way into the kernel: what one way did is never told as the other's, so what was counted
 * goes out first. False: the lane is full, and it stays.
 */
INLINE bool fold_turn(struct slot *s, struct fold *f, __u32 via)
{
	if (!fold_emit(s, f, 0, FOLD_STAYS) || !fold_emit(s, f, 1, FOLD_STAYS))
		return false;
	f->via = via;
	return true;
}

/* One operation as a frame of its own: the entry is in other hands just now, in doubt, or can't be emptied. */
#define SIDE_DOUBT 2 /* beside the side, and via above both */
#define SIDE_VIA 2   /* bits down from there */

static __noinline int fold_alone(struct slot *s, __u32 fd, struct file *file, __u32 side, __u64 bytes)
{
	struct hd_fold *o;
	struct object obj;

	if (!s)
		return 0;
	object_of_inode(KREAD(file, f_inode), &obj);
	file_name_once(s, file, (__u64)file, &obj, NULL);
	o = (struct hd_fold *)frame_begin(s, side & 1 ? HD_FILE_WRITE : HD_FILE_READ, sizeof(*o));
	o->h.flags = HD_F_VERIFIED;
	o->h.via = side >> SIDE_VIA;
	o->file_id = (__u64)file;
	o->inode = obj.inode;
	o->bytes = bytes;
	o->operations = 1;
	o->first_ns = o->last_ns = o->h.time_ns;
	o->dev = obj.dev;
	o->flags = 0;
	o->mode = obj.mode;
	o->fd = fd;
	s->doubt = side & SIDE_DOUBT;
	frame_submit_n(s, HD_LANE_BULK, 1, false);
	return 0;
}

/*
 * May the file that is at the descriptor now be another than the one that was read or written? What the entry knows
 * was settled before, and whoever vacates the number ends the entry: so the threads are only looked at for what is
 * new.
 */
INLINE bool fold_doubted(struct fold *f, __u32 tgid, __u32 fd, struct file *file)
{
	if (f->file == (__u64)file && f->tgid == tgid && f->fd == fd)
		return note_found(current_task()->pid, fd) || files_foreign();
	return fd_doubted(fd, 0);
}

/*
 * One operation of `bytes` on descriptor fd: side 0 read, 1 write. Files that are not regular are not files here.
 * via: how the call came in.
 */
__noinline int fold_count(__u32 fd, __u32 side, __u64 bytes, __u32 via)
{
	__u32 alone = (side & 1) | via << SIDE_VIA;
	struct slot *s = slot_get(SLOT_TASK);
	__u32 tgid = current_task()->tgid;
	struct inode *inode;
	struct file *file;
	struct fold *f;

	if (!s)
		return 0;
	file = fd_file(fd);
	if (!file)
		return 0;
	inode = KREAD(file, f_inode);
	if ((KREAD(inode, i_mode) & S_IFMT) != S_IFREG)
		return 0;
	count_made(s, side ? HD_FILE_WRITE : HD_FILE_READ, 1);
	f = fold_at(tgid, fd);
	if (!f)
		return 0;
	if (fold_doubted(f, tgid, fd, file)) {
		fold_alone(s, fd, file, alone | SIDE_DOUBT, bytes);
		return 0;
	}
	if (!fold_lock(f)) {
		fold_alone(s, fd, file, alone, bytes);
		return 0;
	}
	if (f->file != (__u64)file || f->tgid != tgid || f->fd != fd) {
		fold_start(s, f, fd, file, via);
	} else if (f->via != via && !fold_turn(s, f, via)) {
		fold_unlock(f);
		fold_alone(s, fd, file, alone, bytes);
		return 0;
	}
	fold_add(f, side, bytes, bpf_ktime_get_boot_ns());
	fold_unlock(f);
	return 0;
}

#endif
