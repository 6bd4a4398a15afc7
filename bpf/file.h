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

/* What an LSM hook saw being opened in the current call: the file itself, and what a layered one opens below it. */
#define OPENED 4
struct opened {
	__u32 n;
	__u32 pad;
	struct {
		__u64 file, dentry, inode;
		__u32 dev, pad;
	} one[OPENED];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct opened);
} opened_files SEC(".maps");

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

/* Tells of the file that the call opened. */
INLINE void open_succeeded(struct slot *s, const struct call *c, struct hd_open *o, struct object *obj,
			   struct file *file)
{
	unsigned int kernel_flags;

	object_of_inode(KREAD(file, f_inode), obj);
	kernel_flags = KREAD(file, f_flags);
	/*
	 * The kernel drops the creation flags from f_flags; those are the call's registers' word. What openat2 was
	 * asked lies in memory, which may have changed since: only what the file itself tells is left.
	 */
	if (c->number == NR_openat2) {
		o->flags = (kernel_flags & ~O_LARGEFILE) | (KREAD(file, f_mode) & FMODE_CREATED ? O_CREAT : 0);
		o->resolve = 0;
	}
	o->h.flags |= HD_F_VERIFIED;
	o->inode = obj->inode;
	o->dev = obj->dev;
	o->mode = obj->mode;
	o->file_id = (obj->mode & S_IFMT) == S_IFREG ? (__u64)file : 0;
	item_file_path(s, HD_I_PATH, file);
}

#define OPENED_OURS 0  /* what is at the descriptor is what this call opened */
#define OPENED_DOUBT 1 /* it may be */
#define OPENED_OTHER 2 /* it is not */

/*
 * Is the file that was found at the descriptor the one that the call opened? Where there is an LSM hook it has seen
 * that one, but for O_PATH, which opens nothing; then the identity is known even where the descriptor is lost.
 */
INLINE __u32 open_judge(const struct call *c, struct hd_open *o, struct file *file)
{
	struct opened *seen = cfg_lsm ? bpf_task_storage_get(&opened_files, current_trusted(), NULL, 0) : NULL;
	__u32 n = seen ? seen->n : 0;

	if (!n)
		return !file ? OPENED_OTHER : fd_doubted(c->result, 0) ? OPENED_DOUBT : OPENED_OURS;
	for (int i = 0; i < OPENED; i++)
		if (i < n && file && seen->one[i].file == (__u64)file &&
		    seen->one[i].dentry == (__u64)KREAD(file, f_path.dentry)) {
			o->h.flags |= HD_F_SEEN;
			return OPENED_OURS;
		}
	o->inode = seen->one[0].inode;
	o->dev = seen->one[0].dev;
	return OPENED_OTHER;
}

INLINE void open_done(void)
{
	struct opened *seen = cfg_lsm ? bpf_task_storage_get(&opened_files, current_trusted(), NULL, 0) : NULL;

	if (seen)
		seen->n = 0;
	note_drop();
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_open, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	const void *name = NULL;
	struct object obj = {};
	struct file *file = NULL;
	struct hd_open *o;
	struct call c;
	__u32 judged = OPENED_OTHER;
	__u64 id;
	int dirfd;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	if (call_restarts(ret)) {
		open_done();
		return 0;
	}
	o = (struct hd_open *)frame_begin(s, HD_FILE_OPEN, sizeof(*o));
	frame_call(&o->h, &c);
	o->result = ret;
	o->file_id = 0;
	o->inode = 0;
	o->dev = 0;
	open_asked(&c, o, &dirfd, &name);
	open_drop_mode(o);
	if (ret >= 0) {
		file = fd_file(ret);
		judged = open_judge(&c, o, file);
	}
	if (judged != OPENED_OTHER)
		open_succeeded(s, &c, o, &obj, file);
	else if (name)
		item_user_path(s, HD_I_NAME, HD_I_BASE, dirfd, name);
	id = o->file_id;
	if (judged == OPENED_DOUBT)
		s->doubt = 1;
	count_made(s, HD_FILE_OPEN, 1);
	if (frame_submit_n(s, HD_LANE_BULK, 1, false) && id)
		open_name_file((struct file *)id, &obj);
	escape_of_open(s, &c, &obj, name, judged == OPENED_OTHER ? NULL : file, judged == OPENED_DOUBT);
	open_done();
	return 0;
}

/* ---- read and write ---- */

SEC("tp_btf/sys_exit")
int BPF_PROG(on_rw, struct pt_regs *regs, long ret)
{
	struct call c;
	__u32 side;

	if (ret < 0) {
		note_drop();
		return 0;
	}
	call_read(&c, regs, ret);
	side = c.number == NR_write || c.number == NR_pwrite64 || c.number == NR_writev || c.number == NR_pwritev ||
	       c.number == NR_pwritev2;
	fold_count(c.a[0], side, ret, c.via);
	note_drop();
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
	fold_count(from, 0, ret, c.via);
	fold_count(to, 1, ret, c.via);
	note_drop();
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
		if (ret != -EBADF)
			fd_vacated(c.a[0], c.a[0]);
		fold_close(s, c.a[0]);
		break;
	case NR_dup2:
	case NR_dup3:
		if (ret < 0 || c.a[0] == c.a[1])
			break;
		fd_vacated(c.a[1], c.a[1]);
		fold_close(s, c.a[1]);
		break;
	default:
		if (ret < 0)
			break;
		fd_vacated(c.a[0], c.a[1]);
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
	/* A ring may have gone, and with it soon its memory: what it has done in silence is to be learnt now. */
	if (requests.silent) {
		uring_late(SLOT_TASK, current_task()->tgid, 0, LATE_LOOK);
		uring_late(SLOT_TASK, current_task()->tgid, 0, LATE_LOOK);
	}
	return 0;
}

#endif
