/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the kernel allows LSM and fentry programs: the object of a call that names a path, seen by the kernel's own
 * hook while the call runs, kept for the handler at the call's exit. Runs in the caller's context, maybe preempted,
 * so it writes only to the task's own storage.
 */
#ifndef HEDDLE_BPF_LSM_H
#define HEDDLE_BPF_LSM_H

#include "metadata.h"

struct mount_note {
	__u64 mnt;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mount_note);
} mount_notes SEC(".maps");

/* The class of the call that the current task is in; hooks run for others' business too. */
INLINE __u32 current_class(void)
{
	__u32 number, via;

	call_current(&number, &via);
	return number > 511 ? CLASS_NONE : call_class[number];
}

static long walk_seen(__u32 i, void *context)
{
	return walk_one(context, PENDING_BYTES);
}

INLINE struct seen *seen_begin(__u32 operation, struct dentry *object)
{
	struct inode *inode;
	struct seen *seen;

	/* A worker of io_uring is in no call. */
	if (!in_scope() || (!(current_task()->flags & PF_IO_WORKER) && current_class() != CLASS_METADATA))
		return NULL;
	seen = bpf_task_storage_get(&seen_objects, current_trusted(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!seen)
		return NULL;
	seen->operation = operation;
	seen->sb = object ? (__u64)KREAD(object, d_sb) : 0;
	seen->doubt = 0;
	seen->inode = 0;
	seen->dev = 0;
	seen->length = seen->length2 = 0;
	inode = object ? KREAD(object, d_inode) : NULL;
	if (inode) {
		seen->inode = KREAD(inode, i_ino);
		seen->dev = KREAD(inode, i_sb, s_dev);
	}
	return seen;
}

/* The path of (mnt, dentry) into the storage behind what is there; returns its length and flags in one number. */
static __noinline __u64 seen_walk(struct seen *seen, __u32 start, struct vfsmount *mnt, struct dentry *dentry)
{
	struct walk w = {};
	__u32 end;

	if (!seen || start > HD_PATH_MAX)
		return 0;
	w.to = seen->bytes;
	w.place = &seen->walk;
	w.trail = &seen->trail;
	seen->walk.mount = (__u64)mnt;
	seen->walk.dentry = (__u64)dentry;
	walk_begin(&w, start);
	bpf_loop(2 * HD_PATH_MAX, walk_seen, &w, 0);
	if (trail_moved(&seen->trail))
		seen->doubt = 1;
	end = seen->walk.at;
	/* The name is about to go: what is gone afterwards was there when it was named. */
	return (__u64)(end - start) << 16 | (seen->walk.flags & ~HD_P_DELETED);
}

/* In a worker of io_uring the object waits with the request, since another task may tell it. */
INLINE void seen_keep(struct seen *seen)
{
	struct task_struct *t = current_task();
	struct io_worker *worker;
	__u64 work = 0;

	if (!(t->flags & PF_IO_WORKER))
		return;
	worker = KREAD(t, worker_private);
	if (worker)
		bpf_core_read(&work, sizeof(work), &worker->cur_work);
	if (!work)
		return;
	work -= bpf_core_field_offset(struct io_kiocb, work);
	bpf_map_update_elem(&seen_requests, &work, seen, BPF_ANY);
}

INLINE void seen_path(struct seen *seen, struct vfsmount *mnt, struct dentry *dentry)
{
	__u64 r = seen_walk(seen, 0, mnt, dentry);

	seen->length = r >> 16;
	seen->flags = r;
	seen_keep(seen);
}

INLINE void seen_path2(struct seen *seen, struct vfsmount *mnt, struct dentry *dentry)
{
	__u64 r = seen_walk(seen, seen->length, mnt, dentry);

	seen->length2 = r >> 16;
	seen->flags2 = r;
	seen_keep(seen);
}

INLINE void see_in_dir(__u32 operation, const struct path *dir, struct dentry *dentry)
{
	struct seen *seen = seen_begin(operation, dentry);

	if (seen)
		seen_path(seen, KREAD(dir, mnt), dentry);
}

INLINE void see_path(__u32 operation, const struct path *path)
{
	struct dentry *dentry = KREAD(path, dentry);
	struct seen *seen = seen_begin(operation, dentry);

	if (seen)
		seen_path(seen, KREAD(path, mnt), dentry);
}

/* Several in one call: a layered filesystem opens the layer's file inside, and a stale handle is tried again. */
SEC("lsm/file_open")
int BPF_PROG(lsm_open, struct file *file)
{
	struct opened *seen;
	struct inode *inode;
	__u64 i;

	if (!in_scope() || current_class() != CLASS_OPEN)
		return 0;
	seen = bpf_task_storage_get(&opened_files, current_trusted(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!seen)
		return 0;
	i = seen->n;
	if (i >= OPENED)
		return 0;
	i = masked(i, OPENED - 1);
	inode = KREAD(file, f_inode);
	seen->one[i].file = (__u64)file;
	seen->one[i].dentry = (__u64)KREAD(file, f_path.dentry);
	seen->one[i].inode = KREAD(inode, i_ino);
	seen->one[i].dev = KREAD(inode, i_sb, s_dev);
	seen->n++;
	return 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(lsm_unlink, const struct path *dir, struct dentry *dentry)
{
	see_in_dir(HD_META_UNLINK, dir, dentry);
	return 0;
}

SEC("lsm/path_rmdir")
int BPF_PROG(lsm_rmdir, const struct path *dir, struct dentry *dentry)
{
	see_in_dir(HD_META_RMDIR, dir, dentry);
	return 0;
}

SEC("lsm/path_mkdir")
int BPF_PROG(lsm_mkdir, const struct path *dir, struct dentry *dentry)
{
	see_in_dir(HD_META_MKDIR, dir, dentry);
	return 0;
}

SEC("lsm/path_mknod")
int BPF_PROG(lsm_mknod, const struct path *dir, struct dentry *dentry)
{
	see_in_dir(HD_META_MKNOD, dir, dentry);
	return 0;
}

SEC("lsm/path_symlink")
int BPF_PROG(lsm_symlink, const struct path *dir, struct dentry *dentry)
{
	see_in_dir(HD_META_SYMLINK, dir, dentry);
	return 0;
}

SEC("lsm/path_link")
int BPF_PROG(lsm_link, struct dentry *old_dentry, const struct path *dir, struct dentry *new_dentry)
{
	struct vfsmount *mnt = KREAD(dir, mnt);
	struct seen *seen = seen_begin(HD_META_LINK, old_dentry);

	if (seen) {
		/* A hard link can't cross a mount, so the new name's mount is the old one's. */
		seen_path(seen, mnt, old_dentry);
		seen_path2(seen, mnt, new_dentry);
	}
	return 0;
}

SEC("lsm/path_rename")
int BPF_PROG(lsm_rename, const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
	     struct dentry *new_dentry)
{
	struct seen *seen = seen_begin(HD_META_RENAME, old_dentry);

	if (seen) {
		seen_path(seen, KREAD(old_dir, mnt), old_dentry);
		seen_path2(seen, KREAD(new_dir, mnt), new_dentry);
	}
	return 0;
}

SEC("lsm/path_truncate")
int BPF_PROG(lsm_truncate, const struct path *path)
{
	see_path(HD_META_TRUNCATE, path);
	return 0;
}

SEC("lsm/path_chmod")
int BPF_PROG(lsm_chmod, const struct path *path)
{
	see_path(HD_META_CHMOD, path);
	return 0;
}

SEC("lsm/path_chown")
int BPF_PROG(lsm_chown, const struct path *path)
{
	see_path(HD_META_CHOWN, path);
	return 0;
}

/* Times and extended attributes are changed on a bare dentry; the mount was asked for just before. */
SEC("fentry/mnt_want_write")
int BPF_PROG(fentry_want_write, struct vfsmount *mnt)
{
	struct mount_note *note;

	if (!in_scope())
		return 0;
	note = bpf_task_storage_get(&mount_notes, current_trusted(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (note)
		note->mnt = (__u64)mnt;
	return 0;
}

INLINE void see_dentry(__u32 operation, struct dentry *dentry)
{
	struct mount_note *note = bpf_task_storage_get(&mount_notes, current_trusted(), NULL, 0);
	struct seen *seen;

	if (!note || !note->mnt)
		return;
	/*
	 * A layered filesystem changes the layer's object inside the same call: the first one is what the call named.
	 * On the same filesystem it is a second try, of a stale handle say, and the last one counts.
	 */
	seen = bpf_task_storage_get(&seen_objects, current_trusted(), NULL, 0);
	if (seen && seen->operation && seen->sb != (__u64)KREAD(dentry, d_sb))
		return;
	seen = seen_begin(operation, dentry);
	if (seen)
		seen_path(seen, (struct vfsmount *)note->mnt, dentry);
}

/* Mode, owner and size come by here too, after a hook that had the path: only times are left to this one. */
#define ATTR_NOT_TIMES 0x0f /* ATTR_MODE, ATTR_UID, ATTR_GID, ATTR_SIZE */

INLINE void see_times(struct dentry *dentry, struct iattr *attr)
{
	if (!(KREAD(attr, ia_valid) & ATTR_NOT_TIMES))
		see_dentry(HD_META_UTIMES, dentry);
}

/* The idmap argument came with 6.3 (5.12 for the attribute hooks): two forms, one of which the sensor loads. */
SEC("lsm/inode_setattr")
int BPF_PROG(lsm_setattr, struct dentry *dentry, struct iattr *attr)
{
	see_times(dentry, attr);
	return 0;
}

SEC("lsm/inode_setattr")
int BPF_PROG(lsm_setattr_idmap, void *idmap, struct dentry *dentry, struct iattr *attr)
{
	see_times(dentry, attr);
	return 0;
}

SEC("lsm/inode_setxattr")
int BPF_PROG(lsm_setxattr, void *idmap, struct dentry *dentry)
{
	see_dentry(HD_META_SETXATTR, dentry);
	return 0;
}

SEC("lsm/inode_removexattr")
int BPF_PROG(lsm_removexattr, void *idmap, struct dentry *dentry)
{
	see_dentry(HD_META_REMOVEXATTR, dentry);
	return 0;
}

#endif
