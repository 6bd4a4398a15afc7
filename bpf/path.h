/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths from the kernel's own dentries and mounts: components leaf first, each followed by '/', up to PATH_MAX
 * bytes, through every mount point up to the root of the mount namespace. The reader turns them round.
 *
 * Nothing is locked meanwhile, so a rename might leave a path that never was: half the old one, half the new one. Each
 * dentry has a sequence that a rename of it moves on; it is noted before the name and the parent are read, and looked
 * at again at the end. If none has moved, all of it was true at that moment; else the event is not verified.
 */
#ifndef HEDDLE_BPF_PATH_H
#define HEDDLE_BPF_PATH_H

#include "core.h"

struct walk {
	void *to; /* the destination's first byte */
	struct walk_place *place;
	struct trail *trail;
	__u32 start;
};

INLINE struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

INLINE void trail_note(struct trail *trail, __u64 at, __u64 mark)
{
	__u64 n = trail->n++;

	if (n >= TRAIL)
		return;
	n = masked(n, TRAIL - 1);
	trail->step[n].at = at;
	trail->step[n].mark = mark;
}

struct trail_look {
	struct trail *trail;
	__u32 moved;
};

static long trail_one(__u32 i, void *context)
{
	struct trail_look *w = context;
	__u64 n = i, at, mark;

	if (n >= w->trail->n || n >= TRAIL)
		return 1;
	n = masked(n, TRAIL - 1);
	at = w->trail->step[n].at;
	mark = w->trail->step[n].mark;
	if (at & 1) {
		if ((__u64)KREAD((struct mount *)(at - 1), mnt_mountpoint) == mark)
			return 0;
	} else if (!(mark & 1)) { /* an odd one: a rename was under way */
		if (KREAD((struct dentry *)at, d_seq.seqcount.sequence) == mark)
			return 0;
	}
	w->moved = 1;
	return 1;
}

/* Returns true when what was walked may not have been so at any one moment. */
static __noinline int trail_moved(struct trail *trail)
{
	struct trail_look w = {};

	if (!trail || trail->n > TRAIL)
		return 1;
	w.trail = trail;
	bpf_loop(TRAIL, trail_one, &w, 0);
	return w.moved;
}

/*
 * The top of a tree that no namespace has: lazily unmounted (no namespace at all), or cloned and never attached (a
 * namespace without a number). Its root is no root, and anybody can put an etc/passwd below one.
 */
INLINE bool mount_detached(struct mount *m)
{
	struct mnt_namespace *ns = KREAD(m, mnt_ns);

	if (!ns)
		return true;
	if (bpf_core_field_exists(struct mnt_namespace, seq))
		return !KREAD(ns, seq);
	return !KREAD(ns, ns.ns_id);
}

/* One component or one mount point; 1 ends the walk. `room` is the destination's size; 512 bytes of it stay free. */
INLINE long walk_one(struct walk *w, const __u32 room)
{
	struct walk_place *p = w->place;
	struct dentry *d = (struct dentry *)p->dentry, *parent;
	struct mount *m = (struct mount *)p->mount;
	__u64 sequence = KREAD(d, d_seq.seqcount.sequence);
	struct {
		__u32 hash, length;
		const unsigned char *text;
	} name; /* as struct qstr has it */
	__u64 length;
	__u32 at;

	parent = KREAD(d, d_parent);
	if ((__u64)d == p->mount_root || d == parent) {
		struct mount *up = KREAD(m, mnt_parent);

		if ((__u64)d == p->mount_root) {
			if (up == m) {
				if (mount_detached(m))
					p->flags |= HD_P_DETACHED;
				return 1;
			}
			p->dentry = (__u64)KREAD(m, mnt_mountpoint);
			trail_note(w->trail, (__u64)((void *)m + 1), p->dentry);
			p->mount = (__u64)up;
			p->mount_root = (__u64)KREAD(up, mnt.mnt_root);
			return 0;
		}
		/* A pseudo file (memfd, an anonymous inode) is a root of its own with nothing above it. */
		p->flags |= HD_P_DETACHED;
		if (p->at != w->start)
			return 1;
		p->flags |= HD_P_MEMFD;
	}
	trail_note(w->trail, (__u64)d, sequence);
	load16(&name, (void *)d + bpf_core_field_offset(struct dentry, d_name));
	length = name.length;
	if (length > 255)
		length = 255;
	at = p->at;
	if (at > room - 512 || at - w->start + length + 1 > HD_PATH_MAX) {
		p->flags |= HD_P_TRUNCATED;
		return 1;
	}
	length = masked(length, 0xff);
	/* Most names are short, and a name's room is a multiple of eight: loads are cheaper than a helper's copy. */
	if (HD_CAST && length <= 16)
		load16(w->to + at, name.text);
	else if (HD_CAST && length <= 32) {
		load16(w->to + at, name.text);
		load16(w->to + at + 16, name.text + 16);
	} else if (bpf_probe_read_kernel(w->to + at, length, name.text))
		return 1;
	at += length;
	*(char *)(w->to + at) = '/';
	p->at = at + 1;
	p->dentry = (__u64)parent;
	return p->flags & HD_P_DETACHED ? 1 : 0;
}

static long walk_frame(__u32 i, void *context)
{
	return walk_one(context, FRAME_BYTES);
}

/* d_unlinked(): out of the hash and no root. */
INLINE bool dentry_deleted(struct dentry *d)
{
	return !KREAD(d, d_hash.pprev) && KREAD(d, d_parent) != d;
}

/* overlayfs keeps the upper dentry right behind the inode it embeds (struct ovl_inode, a module's type). */
INLINE __u32 overlay_flags(struct dentry *d)
{
	struct super_block *sb = KREAD(d, d_sb);
	struct inode *inode;
	void *upper = NULL;

	if (KREAD(sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return 0;
	inode = KREAD(d, d_inode);
	if (!inode)
		return 0;
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	return upper ? HD_P_OVL_UPPER : HD_P_OVL_LOWER;
}

INLINE void walk_begin(struct walk *w, __u32 start)
{
	struct walk_place *p = w->place;
	struct dentry *dentry = (struct dentry *)p->dentry;
	struct mount *m = mount_of((struct vfsmount *)p->mount);

	w->start = start;
	w->trail->n = 0;
	p->at = start;
	p->mount = (__u64)m;
	p->mount_root = (__u64)KREAD(m, mnt.mnt_root);
	p->flags = overlay_flags(dentry);
	if (dentry_deleted(dentry))
		p->flags |= HD_P_DELETED;
}

/*
 * The path that the slot names; an event with one that did not hold while it was walked is not verified. Not static: a
 * global function is verified once a program, not once a call, and nearly every handler wants several paths. Numbers
 * are all that may be passed, so the rest lies in the slot.
 */
__noinline int path_item(__u32 slot_kind, __u32 kind)
{
	struct slot *s = slot_get(slot_kind);
	struct walk w = {};
	__u32 at, end;

	if (!s)
		return 0;
	at = item_open(s, kind);
	if (!at || at > FRAME_BYTES - HD_PATH_MAX - FRAME_SLACK)
		return 0;
	w.to = s->frame;
	w.place = &s->walk;
	w.trail = &s->trail;
	walk_begin(&w, at + sizeof(struct hd_item));
	bpf_loop(2 * HD_PATH_MAX, walk_frame, &w, 0);
	end = s->walk.at;
	if (end < w.start || end > FRAME_BYTES)
		end = w.start;
	item_close(s, at, end - w.start, s->walk.flags);
	if (trail_moved(&s->trail))
		s->doubt = 1;
	return s->walk.flags;
}

/* Appends an item of `kind` with the path of (mnt, dentry) to the slot's frame. Returns its HD_P_ flags. */
INLINE __u32 item_path(struct slot *s, __u32 kind, struct vfsmount *mnt, struct dentry *dentry)
{
	s->walk.mount = (__u64)mnt;
	s->walk.dentry = (__u64)dentry;
	return path_item(s->kind, kind);
}

INLINE __u32 item_file_path(struct slot *s, __u16 kind, struct file *file)
{
	return item_path(s, kind, KREAD(file, f_path.mnt), KREAD(file, f_path.dentry));
}

INLINE void item_cwd(struct slot *s, __u16 kind)
{
	struct fs_struct *fs = KREAD(current_task(), fs);

	if (fs)
		item_path(s, kind, KREAD(fs, pwd.mnt), KREAD(fs, pwd.dentry));
}

/* What the caller's name is relative to: dirfd's directory, the working directory, or a root that chroot has set. */
INLINE void item_base(struct slot *s, __u16 kind, int dirfd, int first)
{
	struct fs_struct *fs;
	struct file *dir;

	if (first == '/') {
		fs = KREAD(current_task(), fs);
		if (fs)
			item_path(s, kind, KREAD(fs, root.mnt), KREAD(fs, root.dentry));
		return;
	}
	if (dirfd == AT_FDCWD) {
		item_cwd(s, kind);
		return;
	}
	dir = fd_file(dirfd);
	if (dir)
		item_file_path(s, kind, dir);
}

__noinline int user_path_item(__u32 slot_kind, __u32 kind, __u32 base_kind, int dirfd, __u64 name)
{
	struct slot *s = slot_get(slot_kind);
	int first;

	if (!s)
		return 0;
	first = item_user_string(s, kind, (void *)name);
	if (first >= 0)
		item_base(s, base_kind, dirfd, first);
	return 0;
}

/* A name of the caller with what it is relative to; nothing at all where it can't be read. */
INLINE void item_user_path(struct slot *s, __u16 kind, __u16 base_kind, int dirfd, const void *name)
{
	user_path_item(s->kind, kind, base_kind, dirfd, (__u64)name);
}

#endif
