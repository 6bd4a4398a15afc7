/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opens, reads and writes, descriptors that close or change their file. */
#ifndef HEDDLE_BPF_FILE_H
#define HEDDLE_BPF_FILE_H

#include "task.h"
#include "escape.h"

struct open_how_user {
	__u64 flags, mode, resolve;
};

/* ---- open ---- */

INLINE void open_asked(const struct call *c, struct hd_open *o, int *dirfd, const void **name)
{
	struct open_how_user how = {};

	*dirfd = AT_FDCWD;
	o->mode = 0;
	o->resolve = 0;
	switch (c->number) {
	case NR_open:
		*name = (void *)c->a[0];
		o->flags = c->a[1];
		o->mode = c->a[2];
		break;
	case NR_creat:
		*name = (void *)c->a[0];
		o->flags = O_CREAT | O_WRONLY | O_TRUNC;
		o->mode = c->a[1];
		break;
	case NR_openat2:
		*dirfd = c->a[0];
		*name = (void *)c->a[1];
		bpf_probe_read_user(&how, sizeof(how), (void *)c->a[2]);
		o->flags = how.flags;
		o->mode = how.mode;
		o->resolve = how.resolve;
		break;
	case NR_open_by_handle_at:
		*name = NULL;
		*dirfd = c->a[0];
		o->flags = c->a[2];
		break;
	default:
		*dirfd = c->a[0];
		*name = (void *)c->a[1];
		o->flags = c->a[2];
		o->mode = c->a[3];
		break;
	}
}

/* Without creation there is no mode: what the register holds then is left over from something else. */
#define O_TMPFILE_BIT 020000000

INLINE void open_drop_mode(struct hd_open *o)
{
	if (!(o->flags & (O_CREAT | O_TMPFILE_BIT)))
		o->mode = 0;
}

INLINE void open_name_file(struct file *file, const struct object *o)
{
	struct named *n = named_get(file);

	if (!n)
		return;
	n->file = (__u64)file;
	n->dentry = (__u64)KREAD(file, f_path.dentry);
	n->inode = o->inode;
}

/* Returns true when the descriptor's file was there to read. */
INLINE bool open_succeeded(struct slot *s, const struct call *c, struct hd_open *o, struct object *obj)
{
	struct file *file = fd_file(c->result);
	unsigned int kernel_flags;

	if (!file)
		return false;
	object_of_inode(KREAD(file, f_inode), obj);
	kernel_flags = KREAD(file, f_flags);
	/* The kernel drops the creation flags from f_flags; those are the call's registers' word. */
	if (c->number == NR_openat2)
		o->flags = (kernel_flags & ~O_LARGEFILE) |
			   (o->flags & (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_LARGEFILE));
	o->h.flags |= HD_F_VERIFIED;
	o->inode = obj->inode;
	o->dev = obj->dev;
	o->mode = obj->mode;
	o->file_id = (obj->mode & S_IFMT) == S_IFREG ? (__u64)file : 0;
	item_file_path(s, HD_I_PATH, file);
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_open, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	const void *name = NULL;
	struct object obj = {};
	struct hd_open *o;
	struct call c;
	bool named = false;
	__u64 id;
	int dirfd;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	o = (struct hd_open *)frame_begin(s, HD_FILE_OPEN, sizeof(*o));
	frame_call(&o->h, &c);
	o->result = ret;
	o->file_id = 0;
	o->inode = 0;
	o->dev = 0;
	open_asked(&c, o, &dirfd, &name);
	open_drop_mode(o);
	if (ret >= 0)
		named = open_succeeded(s, &c, o, &obj);
	if (!named && name)
		item_user_path(s, HD_I_NAME, HD_I_BASE, dirfd, name);
	id = o->file_id;
	count_made(s, HD_FILE_OPEN, 1);
	if (frame_submit_n(s, HD_LANE_BULK, 1, false) && id)
		open_name_file((struct file *)id, &obj);
	escape_of_open(s, &c, &obj, name);
	return 0;
}

/* ---- read and write ---- */

SEC("tp_btf/sys_exit")
int BPF_PROG(on_rw, struct pt_regs *regs, long ret)
{
	struct call c;
	__u32 side;

	if (ret < 0)
		return 0;
	call_read(&c, regs, ret);
	side = c.number == NR_write || c.number == NR_pwrite64 || c.number == NR_writev || c.number == NR_pwritev ||
	       c.number == NR_pwritev2;
	fold_count(c.a[0], side, ret);
	return 0;
}

/* From one descriptor to another: both ends count. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_copy, struct pt_regs *regs, long ret)
{
	__u32 from, to;
	struct call c;

	if (ret < 0)
		return 0;
	call_read(&c, regs, ret);
	if (c.number == NR_sendfile) {
		to = c.a[0];
		from = c.a[1];
	} else {
		from = c.a[0];
		to = c.a[2];
	}
	fold_count(from, 0, ret);
	fold_count(to, 1, ret);
	return 0;
}

/* ---- close ---- */

struct close_span {
	struct slot *s;
	__u32 first, last;
};

static long close_one(__u32 i, void *context)
{
	struct close_span *w = context;

	if (w->first + i > w->last)
		return 1;
	fold_close(w->s, w->first + i);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_close, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct close_span w = {};
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	switch (c.number) {
	case NR_close:
		fold_close(s, c.a[0]);
		break;
	case NR_dup2:
	case NR_dup3:
		if (ret >= 0 && c.a[0] != c.a[1])
			fold_close(s, c.a[1]);
		break;
	default:
		if (ret < 0)
			break;
		w.s = s;
		w.first = c.a[0];
		w.last = c.a[1];
		/* Nothing past the table was ever open, but where the call has just made a smaller one (UNSHARE). */
		if (!(c.a[2] & 2) && w.last >= KREAD(current_task(), files, fdt, max_fds))
			w.last = KREAD(current_task(), files, fdt, max_fds) - 1;
		if (!(c.a[2] & 4))
			bpf_loop(65536, close_one, &w, 0);
		break;
	}
	return 0;
}

#endif
