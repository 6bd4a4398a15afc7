/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of names and metadata. By descriptor the object is at hand afterwards; by path it is what an LSM hook saw
 * during the call (lsm.h), and in the tier without those the caller's words against the kernel's directory.
 */
#ifndef HEDDLE_BPF_METADATA_H
#define HEDDLE_BPF_METADATA_H

#include "task.h"

#define AT_REMOVEDIR 0x200

/* What a call means, from its registers. */
struct meta_call {
	__u32 operation;
	__u32 has, mode, uid, gid, flags;
	__u64 size;
	int fd;           /* the object's own descriptor, -1: by path */
	int dir, dir2;
	const void *name, *name2;
	bool name_is_text; /* symlink's target: a text, no path of ours */
};

/* What an LSM hook saw: paths already in the form of the wire, leaf first. */
#define PENDING_BYTES (2 * HD_PATH_MAX + 1024)
struct seen {
	__u32 operation;
	__u32 dev;
	__u64 inode;
	__u32 length, length2; /* path, then path2 right behind it */
	__u16 flags, flags2;
	__u32 doubt; /* a path did not hold while it was read */
	__u64 sb;    /* the object's filesystem, by address */
	struct walk_place walk;
	struct trail trail;
	__u64 bytes[PENDING_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct seen);
} seen_objects SEC(".maps");

INLINE void meta_two(struct meta_call *m, __u32 operation, int dir, const void *name, int dir2, const void *name2)
{
	m->operation = operation;
	m->dir = dir;
	m->name = name;
	m->dir2 = dir2;
	m->name2 = name2;
}

INLINE void meta_path(struct meta_call *m, __u32 operation, int dir, unsigned long name)
{
	m->operation = operation;
	m->dir = dir;
	m->name = (void *)name;
}

INLINE void meta_fd(struct meta_call *m, __u32 operation, int fd)
{
	m->operation = operation;
	m->fd = fd;
}

INLINE void meta_mode(struct meta_call *m, unsigned long mode)
{
	m->has |= HD_META_HAS_MODE;
	m->mode = mode;
}

INLINE void meta_owner(struct meta_call *m, unsigned long uid, unsigned long gid)
{
	m->uid = uid;
	m->gid = gid;
	m->has |= (__u32)uid != 0xffffffff ? HD_META_HAS_UID : 0;
	m->has |= (__u32)gid != 0xffffffff ? HD_META_HAS_GID : 0;
}

INLINE void meta_size(struct meta_call *m, unsigned long size)
{
	m->has |= HD_META_HAS_SIZE;
	m->size = size;
}

INLINE void meta_flags(struct meta_call *m, unsigned long flags)
{
	m->has |= HD_META_HAS_FLAGS;
	m->flags = flags;
}

static __noinline int meta_names(struct meta_call *m, const struct call *c)
{
	const unsigned long *a = c->a;

	switch (c->number) {
	case NR_unlink:
		meta_path(m, HD_META_UNLINK, AT_FDCWD, a[0]);
		break;
	case NR_unlinkat:
		meta_path(m, a[2] & AT_REMOVEDIR ? HD_META_RMDIR : HD_META_UNLINK, a[0], a[1]);
		break;
	case NR_rmdir:
		meta_path(m, HD_META_RMDIR, AT_FDCWD, a[0]);
		break;
	case NR_rename:
		meta_two(m, HD_META_RENAME, AT_FDCWD, (void *)a[0], AT_FDCWD, (void *)a[1]);
		break;
	case NR_renameat2:
		meta_flags(m, a[4]);
		meta_two(m, HD_META_RENAME, a[0], (void *)a[1], a[2], (void *)a[3]);
		break;
	case NR_renameat:
		meta_two(m, HD_META_RENAME, a[0], (void *)a[1], a[2], (void *)a[3]);
		break;
	case NR_link:
		meta_two(m, HD_META_LINK, AT_FDCWD, (void *)a[0], AT_FDCWD, (void *)a[1]);
		break;
	case NR_linkat:
		meta_two(m, HD_META_LINK, a[0], (void *)a[1], a[2], (void *)a[3]);
		break;
	case NR_symlink:
		m->name_is_text = true;
		meta_two(m, HD_META_SYMLINK, AT_FDCWD, (void *)a[0], AT_FDCWD, (void *)a[1]);
		break;
	case NR_symlinkat:
		m->name_is_text = true;
		meta_two(m, HD_META_SYMLINK, AT_FDCWD, (void *)a[0], a[1], (void *)a[2]);
		break;
	case NR_mkdir:
		meta_path(m, HD_META_MKDIR, AT_FDCWD, a[0]);
		meta_mode(m, a[1]);
		break;
	case NR_mkdirat:
		meta_path(m, HD_META_MKDIR, a[0], a[1]);
		meta_mode(m, a[2]);
		break;
	case NR_mknod:
		meta_path(m, HD_META_MKNOD, AT_FDCWD, a[0]);
		meta_mode(m, a[1]);
		break;
	case NR_mknodat:
		meta_path(m, HD_META_MKNOD, a[0], a[1]);
		meta_mode(m, a[2]);
		break;
	}
	return 0;
}

static __noinline int meta_attributes(struct meta_call *m, const struct call *c)
{
	const unsigned long *a = c->a;

	switch (c->number) {
	case NR_chmod:
		meta_path(m, HD_META_CHMOD, AT_FDCWD, a[0]);
		meta_mode(m, a[1]);
		break;
	case NR_fchmod:
		meta_fd(m, HD_META_CHMOD, a[0]);
		meta_mode(m, a[1]);
		break;
	case NR_fchmodat:
	case NR_fchmodat2:
		meta_path(m, HD_META_CHMOD, a[0], a[1]);
		meta_mode(m, a[2]);
		break;
	case NR_chown:
	case NR_lchown:
		meta_path(m, HD_META_CHOWN, AT_FDCWD, a[0]);
		meta_owner(m, a[1], a[2]);
		break;
	case NR_fchown:
		meta_fd(m, HD_META_CHOWN, a[0]);
		meta_owner(m, a[1], a[2]);
		break;
	case NR_fchownat:
		meta_path(m, HD_META_CHOWN, a[0], a[1]);
		meta_owner(m, a[2], a[3]);
		break;
	case NR_truncate:
		meta_path(m, HD_META_TRUNCATE, AT_FDCWD, a[0]);
		meta_size(m, a[1]);
		break;
	case NR_ftruncate:
		meta_fd(m, HD_META_TRUNCATE, a[0]);
		meta_size(m, a[1]);
		break;
	case NR_fallocate:
		meta_fd(m, HD_META_FALLOCATE, a[0]);
		meta_flags(m, a[1]);
		meta_size(m, a[3]);
		break;
	case NR_setxattr:
	case NR_lsetxattr:
		meta_path(m, HD_META_SETXATTR, AT_FDCWD, a[0]);
		break;
	case NR_fsetxattr:
		meta_fd(m, HD_META_SETXATTR, a[0]);
		break;
	case NR_setxattrat:
		meta_path(m, HD_META_SETXATTR, a[0], a[1]);
		break;
	case NR_removexattr:
	case NR_lremovexattr:
		meta_path(m, HD_META_REMOVEXATTR, AT_FDCWD, a[0]);
		break;
	case NR_fremovexattr:
		meta_fd(m, HD_META_REMOVEXATTR, a[0]);
		break;
	case NR_removexattrat:
		meta_path(m, HD_META_REMOVEXATTR, a[0], a[1]);
		break;
	case NR_utime:
	case NR_utimes:
		meta_path(m, HD_META_UTIMES, AT_FDCWD, a[0]);
		break;
	case NR_futimesat:
	case NR_utimensat:
		/* Without a name the descriptor itself is meant. */
		if (a[1])
			meta_path(m, HD_META_UTIMES, a[0], a[1]);
		else
			meta_fd(m, HD_META_UTIMES, a[0]);
		break;
	}
	return 0;
}

INLINE void seen_item(struct slot *s, __u16 kind, struct seen *seen, __u32 from, __u32 length, __u16 flags)
{
	__u32 at = item_open(s, kind);

	if (!at || at > FRAME_BYTES - HD_PATH_MAX - FRAME_SLACK || from > HD_PATH_MAX)
		return;
	if (length > HD_PATH_MAX)
		length = HD_PATH_MAX;
	bpf_probe_read_kernel((void *)s->frame + at + sizeof(struct hd_item), length, (void *)seen->bytes + from);
	item_close(s, at, length, flags);
}

/* Returns true when an LSM hook of this very call had the object in hand. */
INLINE bool meta_seen(struct slot *s, struct hd_meta *h, const struct meta_call *m)
{
	struct seen *seen;

	if (!cfg_lsm)
		return false;
	seen = bpf_task_storage_get(&seen_objects, current_trusted(), NULL, 0);
	/* A refused call may have been refused for another object than it would have come to. */
	if (!seen || seen->operation != m->operation || h->result)
		return false;
	if (seen->doubt)
		s->doubt = 1;
	h->inode = seen->inode;
	h->dev = seen->dev;
	if (seen->inode)
		h->has |= HD_META_HAS_INODE;
	if (m->name_is_text) {
		item_user_string(s, HD_I_NAME, m->name);
		seen_item(s, HD_I_PATH2, seen, 0, seen->length, seen->flags);
		return true;
	}
	seen_item(s, HD_I_PATH, seen, 0, seen->length, seen->flags);
	if (m->name2)
		seen_item(s, HD_I_PATH2, seen, seen->length, seen->length2, seen->flags2);
	return true;
}

/* The call is over: nothing of it may be taken for the next one's. */
INLINE void meta_done(void)
{
	struct seen *seen = cfg_lsm ? bpf_task_storage_get(&seen_objects, current_trusted(), NULL, 0) : NULL;

	if (seen)
		seen->operation = 0;
	note_drop();
}

INLINE void meta_by_name(struct slot *s, const struct meta_call *m)
{
	if (m->name_is_text)
		item_user_string(s, HD_I_NAME, m->name);
	else if (m->name)
		item_user_path(s, HD_I_NAME, HD_I_BASE, m->dir, m->name);
	if (m->name2)
		item_user_path(s, HD_I_NAME2, HD_I_BASE2, m->dir2, m->name2);
}

INLINE bool meta_by_fd(struct slot *s, struct hd_meta *h, int fd)
{
	struct file *file = fd_file(fd);
	struct object o = {};

	if (!file)
		return false;
	if (fd_doubted(fd, 0))
		s->doubt = 1;
	object_of_inode(KREAD(file, f_inode), &o);
	h->inode = o.inode;
	h->dev = o.dev;
	h->has |= HD_META_HAS_INODE;
	item_file_path(s, HD_I_PATH, file);
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_metadata, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct meta_call m = {};
	struct hd_meta *h;
	bool verified;
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	m.fd = -1;
	m.dir = m.dir2 = AT_FDCWD;
	meta_names(&m, &c);
	if (!m.operation)
		meta_attributes(&m, &c);
	if (!m.operation || call_restarts(ret)) {
		meta_done();
		return 0;
	}
	h = (struct hd_meta *)frame_begin(s, HD_FILE_METADATA, sizeof(*h));
	frame_call(&h->h, &c);
	h->result = ret;
	h->operation = m.operation;
	h->has = m.has;
	h->mode = m.mode;
	h->owner_uid = m.uid;
	h->owner_gid = m.gid;
	h->flags = m.flags;
	h->dev = 0;
	h->inode = 0;
	h->size = m.size;
	if (m.fd >= 0)
		verified = meta_by_fd(s, h, m.fd);
	else
		verified = meta_seen(s, h, &m);
	if (verified)
		h->h.flags |= HD_F_VERIFIED;
	else if (m.fd < 0)
		meta_by_name(s, &m);
	frame_submit(s, HD_LANE_BULK);
	meta_done();
	return 0;
}

#endif
