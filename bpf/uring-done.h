/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io_uring, the half that tells. A request is done in its asker's context or another's (a worker, SQPOLL's thread, the
 * kernel's own at the ring's end): identity comes from what was kept, or from the request, never from current.
 */
#ifndef HEDDLE_BPF_URING_DONE_H
#define HEDDLE_BPF_URING_DONE_H

#include "uring.h"

/* What has happened between a request's end and its telling: uring_finish's `sure`. */
#define SURE_IF_ALONE 0 /* its batch may say */
#define SURE 1          /* nothing that could make its descriptor another file */
#define SURE_NOT 2      /* anything: neither its descriptor nor its file means anything, the caller's words do */

/* ---- may the table of descriptors be believed ---- */

struct completions {
	__u64 node, request;
	__u32 found, doubt;
};

INLINE __u64 node_request(__u64 node)
{
	return node - bpf_core_field_offset(struct io_kiocb, comp_list);
}

/* As a number: a pointer that was loaded with its type can't be given to a global function. */
INLINE __u64 node_next(__u64 node)
{
	return load8((void *)node); /* ->next */
}

INLINE bool changes_files(__u32 opcode)
{
	return opcode == URING_OPENAT || opcode == URING_OPENAT2 || opcode == URING_CLOSE || opcode == URING_ACCEPT ||
	       opcode == URING_SOCKET || opcode == URING_FILES_UPDATE || opcode == URING_MSG_RING ||
	       opcode == URING_FIXED_FD_INSTALL || opcode == URING_PIPE;
}

static long completion_one(__u32 i, void *context)
{
	struct completions *c = context;
	struct io_kiocb *r;

	if (!c->node)
		return 1;
	r = (struct io_kiocb *)node_request(c->node);
	if (!c->found)
		c->found = (__u64)r == c->request;
	else if (changes_files(KREAD(r, opcode)))
		c->doubt = 1;
	c->node = node_next(c->node);
	return 0;
}

/*
 * A batch of requests is told when it is over. What an open gave may have been closed and given again by a later one
 * of the batch, or, when a worker did it and another task tells it, by anyone.
 */
static __noinline int files_doubtful(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct io_ring_ctx *ring = KREAD(req, ctx);
	struct completions c = {};

	if (flag_set(KREAD(req, flags), cfg_uring_refcount_bit) && !(current_task()->flags & PF_IO_WORKER))
		return 1;
	c.request = request;
	bpf_core_read(&c.node, sizeof(c.node), &ring->submit_state.compl_reqs.first);
	bpf_loop(512, completion_one, &c, 0);
	return c.doubt || (c.found && c.node);
}

/* May another thread have put another file at the number that a request gave? */
INLINE bool number_doubted(__u32 fd)
{
	bool doubted = fd_doubted(fd, 0);

	/* What was noted for a worker concerned the request that is told here. */
	if (current_task()->flags & PF_IO_WORKER)
		note_drop();
	return doubted;
}

/* The file that a request's result stands for. */
INLINE struct file *result_file(struct slot *s, __s64 result)
{
	__u32 slot = s->request.slot;

	if (!slot)
		return files_file(s->request.files, result);
	return ring_file(s->request.ring, slot == ~0U ? (__u32)result : slot - 1);
}

/* The caller's words go, for what the kernel knows. */
INLINE void frame_cut(struct slot *s)
{
	((struct hd_header *)s->frame)->size = s->request.bare;
}

INLINE void frame_done(struct slot *s)
{
	struct hd_header *h = (struct hd_header *)s->frame;

	if (!s->request.late)
		h->time_ns = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	s->doubt = 0;
}

/* ---- opens ---- */

/* Where the name waits while the frame is told: far behind any frame of this file. */
#define NAME_AT (FRAME_BYTES - 2 * HD_PATH_MAX)

INLINE void open_escape(struct slot *s, __u32 flags, const struct object *obj, struct file *file, const char *head,
			bool verified)
{
	struct leaf *leaf = (struct leaf *)s->words;
	struct hd_escape *e;
	bool write = KREAD(file, f_mode) & FMODE_WRITE;
	__u32 rule;

	leaf_read(leaf, KREAD(file, f_path.dentry));
	rule = rule_of_open(obj, leaf->name, KREAD(file, f_inode), write, s->who.pid, s->who.tid);
	if (!rule && head_is_magic(head, obj))
		rule = HD_RULE_MAGIC_LINK;
	if (!rule)
		return;
	e = (struct hd_escape *)frame_of(s, &s->who, HD_SANDBOX_ESCAPE, sizeof(*e));
	e->result = 0;
	e->args[0] = e->args[1] = e->args[3] = 0;
	e->args[2] = flags;
	e->category = category_of_rule(rule);
	e->target_kind = HD_TGT_PATH;
	e->rule = rule;
	e->mover_pid = 0;
	if (rule == HD_RULE_MAGIC_LINK) {
		item_kernel_string(s, HD_I_TARGET_NAME, (void *)s->frame + NAME_AT);
	} else {
		e->h.flags = verified ? HD_F_VERIFIED : 0;
		item_file_path(s, HD_I_TARGET_PATH, file);
	}
	frame_submit(s, HD_LANE_CRITICAL);
}

__noinline int uring_tell_open(__u64 request, __s64 result, __u32 sure)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct file *file = NULL;
	struct hd_item *item;
	struct object *obj;
	struct hd_open *o;
	bool verified = false;
	__u32 flags, id;
	char *head;

	if (!s)
		return 0;
	/* In the slot: a sweep comes here with little of the stack left. */
	_Static_assert(sizeof(struct leaf) + 8 + sizeof(*obj) <= sizeof(s->words), "the words are too few");
	head = (char *)&s->words[4];
	obj = (struct object *)&s->words[5];
	s->words[4] = 0;
	o = (struct hd_open *)s->frame;
	frame_done(s);
	o->result = result;
	flags = o->flags;
	if (result >= 0 && sure != SURE_NOT)
		file = result_file(s, result);
	if (file) {
		verified = sure || !files_doubtful(request);
		if (!s->request.slot && number_doubted(result))
			verified = false;
		item = (struct hd_item *)(o + 1);
		if (o->h.size > sizeof(*o) && item->kind == HD_I_NAME && item->length < HD_PATH_MAX) {
			__u64 n = masked(item->length, HD_PATH_MAX - 1);

			__builtin_memcpy(head, item + 1, 8);
			bpf_probe_read_kernel((void *)s->frame + NAME_AT, n, item + 1);
			*((char *)s->frame + NAME_AT + n) = 0;
		}
		frame_cut(s);
		object_of_inode(KREAD(file, f_inode), obj);
		o->inode = obj->inode;
		o->dev = obj->dev;
		o->mode = obj->mode;
		if (verified) {
			o->h.flags |= HD_F_VERIFIED;
			o->file_id = (obj->mode & S_IFMT) == S_IFREG ? (__u64)file : 0;
		}
		item_file_path(s, HD_I_PATH, file);
	}
	id = o->file_id != 0;
	count_made(s, HD_FILE_OPEN, 1);
	if (frame_submit_n(s, HD_LANE_BULK, 1, false) && id)
		open_name_file(file, obj);
	if (file)
		open_escape(s, flags, obj, file, head, verified);
	return 0;
}

/* ---- names and metadata ---- */

/* What LSM hooks saw in a worker: the request is told by another task, so the object waits with it (lsm.h). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct seen);
} seen_requests SEC(".maps");

INLINE bool names_seen(struct slot *s, struct hd_meta *h, __u64 request)
{
	struct seen *seen;
	__u32 operation = h->operation;

	if (!cfg_lsm)
		return false;
	seen = bpf_map_lookup_elem(&seen_requests, &request);
	if (!seen || seen->operation != operation)
		return false;
	seen->operation = 0;
	if (h->result)
		return false;
	s->doubt = seen->doubt;
	h->inode = seen->inode;
	h->dev = seen->dev;
	if (seen->inode)
		h->has |= HD_META_HAS_INODE;
	/* The text of a symbolic link is the first item of the frame, and stays. */
	if (operation == HD_META_SYMLINK) {
		struct hd_item *item = (struct hd_item *)(h + 1);

		h->h.size = sizeof(*h) + sizeof(*item) + (item->length & (HD_PATH_MAX - 1));
		seen_item(s, HD_I_PATH2, seen, 0, seen->length, seen->flags);
		return true;
	}
	frame_cut(s);
	seen_item(s, HD_I_PATH, seen, 0, seen->length, seen->flags);
	if (seen->length2)
		seen_item(s, HD_I_PATH2, seen, seen->length, seen->length2, seen->flags2);
	return true;
}

__noinline int uring_tell_meta(__u64 request, __s64 result, __u32 by_file)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct object o = {};
	struct file *file;
	struct hd_meta *h;

	if (!s)
		return 0;
	h = (struct hd_meta *)s->frame;
	frame_done(s);
	h->result = result;
	if (!by_file) {
		if (names_seen(s, h, request))
			h->h.flags |= HD_F_VERIFIED;
		bpf_map_delete_elem(&seen_requests, &request);
	} else {
		file = (struct file *)s->request.file;
		if (file && KREAD(file, f_inode) == (struct inode *)s->request.inode) {
			object_of_inode(KREAD(file, f_inode), &o);
			h->inode = o.inode;
			h->dev = o.dev;
			h->has |= HD_META_HAS_INODE;
			h->h.flags |= HD_F_VERIFIED;
			item_file_path(s, HD_I_PATH, file);
		}
	}
	frame_submit(s, HD_LANE_BULK);
	return 0;
}

/* ---- sockets ---- */

/* A connect that failed, or whose outcome is open: apart from the others, for the stack is short below a sweep. */
__noinline int uring_tell_refused(__u64 request, __s64 result)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock = file_socket(KREAD(req, file));
	struct pending *p;
	struct hd_net *n;
	__u64 key;

	if (!s || !sock)
		return 0;
	n = (struct hd_net *)s->frame;
	key = (__u64)KREAD(sock, sk);
	net_fill(n, sock, (struct sock *)key);
	n->result = result;
	if (result == -EINPROGRESS && n->protocol == IPPROTO_TCP) {
		frame_cut(s);
		connect_wait(s, n, key, result);
		return 0;
	}
	p = pending_of(key);
	if (p && !p->waiting) {
		frame_cut(s);
		n->h.flags |= HD_F_VERIFIED;
		item_address(s, HD_I_SOCKADDR, &p->remote, p->remote_bytes);
		item_address(s, HD_I_SOCKADDR2, &p->local, p->local_bytes);
	}
	frame_submit(s, HD_LANE_CRITICAL);
	if (p)
		bpf_map_delete_elem(&pendings, &key);
	return 0;
}

INLINE void tell_connect(struct slot *s, struct socket *sock)
{
	struct hd_net *n = (struct hd_net *)s->frame;
	struct sock *sk = KREAD(sock, sk);
	__u64 key = (__u64)sk;

	net_fill(n, sock, sk);
	n->result = 0;
	if (n->family != AF_UNIX || KREAD((struct unix_sock *)sk, peer)) {
		frame_cut(s);
		if (item_ends(s, sk, n->family))
			n->h.flags |= HD_F_VERIFIED;
	}
	frame_submit(s, HD_LANE_CRITICAL);
	if (n->protocol == IPPROTO_TCP)
		connection_open(s, sk, 0);
	bpf_map_delete_elem(&pendings, &key);
}

/* Datagrams that the kernel let out are told from the packet itself; here are unix ones and failures. */
INLINE void tell_send(struct slot *s, struct socket *sock, __s64 result)
{
	struct hd_net *n = (struct hd_net *)s->frame;
	struct destination *k = (struct destination *)s->words; /* the stack is short here */
	struct sock *sk;

	sk = KREAD(sock, sk);
	n->flags = HD_NET_DATAGRAM;
	net_fill(n, sock, sk);
	if (result >= 0 && (n->family == AF_INET || n->family == AF_INET6))
		return;
	if (result >= 0) {
		__builtin_memset(k, 0, sizeof(*k));
		destination_from(k, sock);
		__builtin_memcpy(k->address, &s->request.address, 8);
		if (!destination_new(k))
			return;
	}
	n->result = result < 0 ? result : 0;
	frame_submit(s, HD_LANE_CRITICAL);
}

INLINE void tell_listen(struct slot *s, struct socket *sock, __s64 result)
{
	struct hd_net *n = (struct hd_net *)s->frame;
	bool bound = n->flags & HD_NET_BIND;
	struct sock *sk;

	if (!sock)
		return;
	sk = KREAD(sock, sk);
	net_fill(n, sock, sk);
	n->result = result;
	if (bound && (n->socket_type != SOCK_DGRAM ||
		      (n->family != AF_INET && n->family != AF_INET6 && n->family != AF_UNIX)))
		return;
	if (!bound || !result) {
		frame_cut(s);
		n->h.flags |= HD_F_VERIFIED;
		item_near(s, sk, n->family);
	}
	frame_submit(s, HD_LANE_CRITICAL);
	if (!result && n->protocol == IPPROTO_TCP)
		listener_note(s, sk);
}

/* The frame is an accept's, not yet told; the file is what it gave. */
INLINE void tell_accept(struct slot *s, struct file *file, bool verified)
{
	struct hd_net *n = (struct hd_net *)s->frame;
	struct socket *sock = file_socket(file);
	struct sock *sk, *peer;

	if (!sock)
		return;
	sk = KREAD(sock, sk);
	net_fill(n, sock, sk);
	frame_done(s);
	n->h.flags = verified ? HD_F_VERIFIED : 0;
	if (n->family == AF_UNIX) {
		peer = KREAD((struct unix_sock *)sk, peer);
		item_unix(s, sk, HD_I_PATH, HD_I_SOCKADDR2);
		if (peer)
			item_unix(s, peer, HD_I_PATH2, HD_I_SOCKADDR);
	} else {
		item_ends(s, sk, n->family);
	}
	frame_submit(s, HD_LANE_CRITICAL);
	if (n->protocol == IPPROTO_TCP)
		connection_open(s, sk, 1);
}

__noinline int uring_tell_datagram(__u64 request, __s64 result)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock = file_socket(KREAD(req, file));

	if (s && sock)
		tell_send(s, sock, result);
	return 0;
}

/* Several functions side by side: the stack that one takes for all kinds of request is too much below a sweep. */
__noinline int uring_tell_connect(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock = file_socket(KREAD(req, file));

	if (s && sock)
		tell_connect(s, sock);
	return 0;
}

#define WAY_NONE 0
#define WAY_NO_SOCKET 1
#define WAY_DATAGRAM 2
#define WAY_STREAM 3

/* How a connect or a send that names an address is told. */
__noinline int uring_way(__u64 request, __u32 kind)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock = file_socket(KREAD(req, file));

	if (!s)
		return WAY_NONE;
	frame_done(s);
	if (kind == K_CONNECT)
		return sock ? WAY_STREAM : WAY_NO_SOCKET;
	if (!sock)
		return WAY_NONE;
	if (KREAD(sock, type) != SOCK_STREAM)
		return WAY_DATAGRAM;
	/* A stream's address counts with TCP fast open alone. */
	return ((struct hd_net *)s->frame)->flags & HD_NET_FASTOPEN ? WAY_STREAM : WAY_NONE;
}

__noinline int uring_tell_accept(__u64 request, __s64 result, __u32 sure)
{
	struct slot *s = slot_get(SLOT_TASK);

	struct file *file;
	bool verified;

	if (!s || result < 0)
		return 0;
	file = result_file(s, result);
	verified = sure != SURE_NOT && !files_doubtful(request);
	if (!s->request.slot && number_doubted(result))
		verified = false;
	tell_accept(s, file, verified);
	return 0;
}

/* By the caller's words. A datagram that was let out is told from its packet. */
__noinline int uring_tell_words(__s64 result)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct hd_net *n;

	if (!s)
		return 0;
	frame_done(s);
	n = (struct hd_net *)s->frame;
	if (n->flags & HD_NET_DATAGRAM && result >= 0) {
		if (n->family == AF_INET || n->family == AF_INET6)
			return 0;
		result = 0;
	}
	n->result = result;
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

__noinline int uring_tell_socket(__u64 request, __s64 result, __u32 kind)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);

	if (!s)
		return 0;
	frame_done(s);
	if (kind == K_SOCKET) {
		((struct hd_socket *)s->frame)->result = result;
		frame_submit(s, HD_LANE_CRITICAL);
		return 0;
	}
	tell_listen(s, file_socket(KREAD(req, file)), result);
	return 0;
}

/* ---- reads and writes ---- */

INLINE struct task_struct *request_owner(struct io_kiocb *req)
{
	if (bpf_core_field_exists(req->tctx))
		return KREAD(req, tctx, task);
	return KREAD(req, task);
}

INLINE bool request_in_scope(struct io_kiocb *req)
{
	struct task_struct *t = request_owner(req);
	__u32 tgid;

	if ((__u64)t == (__u64)bpf_get_current_task())
		return in_scope();
	if (task_in_cgroup(t))
		return true;
	if (!stray_tasks)
		return false;
	tgid = KREAD(t, tgid);
	return bpf_map_lookup_elem(&stray_processes, &tgid) != NULL;
}

/* Whose request it is, into the slot: from the request itself, which holds its task. */
INLINE void request_who(struct slot *s, struct io_kiocb *req)
{
	struct task_struct *t = request_owner(req), *leader;
	struct hd_header *h = &s->who;
	const struct cred *cred;
	__u32 opcode = KREAD(req, opcode);

	frame_task(h, t);
	h->ns_pid = task_ns_pid(t);
	h->via = HD_VIA_IO_URING;
	h->syscall = OP_CALL(opcode);
	if (KREAD(t, flags) & PF_IO_WORKER) {
		leader = KREAD(t, group_leader);
		bpf_core_read(h->comm, sizeof(h->comm), &leader->comm);
	}
	if (flag_set(KREAD(req, flags), cfg_uring_creds_bit)) {
		cred = KREAD(req, creds);
		h->uid = KREAD(cred, euid.val);
		h->gid = KREAD(cred, egid.val);
	}
}

/* Somebody else is at the entry at this very moment: one operation as a frame of its own. */
INLINE void ring_alone(struct slot *s, __u32 fd, struct file *file, __u64 id, __u32 side, __u64 bytes)
{
	struct hd_fold *o;
	struct object obj;

	object_of_inode(KREAD(file, f_inode), &obj);
	file_name_once(s, file, id, &obj, &s->who);
	o = (struct hd_fold *)frame_of(s, &s->who, side ? HD_FILE_WRITE : HD_FILE_READ, sizeof(*o));
	o->h.flags = HD_F_VERIFIED;
	o->file_id = id;
	o->inode = obj.inode;
	o->bytes = bytes;
	o->operations = 1;
	o->first_ns = o->last_ns = o->h.time_ns;
	o->dev = obj.dev;
	o->flags = 0;
	o->mode = obj.mode;
	o->fd = fd;
	frame_submit_n(s, HD_LANE_BULK, 1, false);
}

/* `request` is whose; 0: s->who says so already. */
__noinline int uring_count(__u64 request, __u64 address, __u32 side, __u64 bytes)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct file *file = (struct file *)address;
	struct slot *s = slot_get(SLOT_TASK);
	__u32 tgid, fd = ring_descriptor(address);
	struct inode *inode;
	struct object o;
	struct fold *f;
	__u64 id;

	if (!s || !file)
		return 0;
	inode = KREAD(file, f_inode);
	if ((KREAD(inode, i_mode) & S_IFMT) != S_IFREG)
		return 0;
	id = ring_file_id(address, KREAD(inode, i_ino));
	/* Two loads: in one the verifier would find pointers of two kinds. */
	tgid = s->who.pid;
	barrier_var(tgid);
	if (request)
		tgid = KREAD(request_owner(req), tgid);
	count_made(s, side ? HD_FILE_WRITE : HD_FILE_READ, 1);
	f = fold_at(tgid, fd);
	if (!f)
		return 0;
	if (!fold_lock(f)) {
		if (request)
			request_who(s, req);
		ring_alone(s, fd, file, id, side, bytes);
		return 0;
	}
	if (f->file != id || f->tgid != tgid || f->fd != fd) {
		if (request)
			request_who(s, req);
		if (f->file)
			fold_end(s, f);
		object_of_inode(inode, &o);
		file_name_once(s, file, id, &o, &s->who);
		f->fd = fd;
		f->tgid = tgid;
		f->start_ns = s->who.start_ns;
		f->tid = s->who.tid;
		f->uid = s->who.uid;
		f->gid = s->who.gid;
		f->ppid = s->who.ppid;
		f->image = s->who.image;
		f->cgroup_id = s->who.cgroup_id;
		f->ns_pid = s->who.ns_pid;
		__builtin_memcpy(f->comm, s->who.comm, sizeof(f->comm));
		f->via = HD_VIA_IO_URING;
		f->inode = o.inode;
		f->dev = o.dev;
		f->mode = o.mode;
		f->file = id;
		fold_mark(tgid, fd);
	}
	fold_add(f, side, bytes, bpf_ktime_get_boot_ns());
	fold_unlock(f);
	return 0;
}

__noinline int uring_moved(__u64 request, __s64 result, __u32 kind)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct io_splice *p = (struct io_splice *)req;
	struct io_close *c = (struct io_close *)req;
	struct task_struct *t = request_owner(req);
	struct slot *s = slot_get(SLOT_TASK);
	struct file *in;
	__u64 file = 0;

	if (!s || result < 0)
		return 0;
	/* As a number, for the global function. */
	bpf_core_read(&file, sizeof(file), &req->file);
	if (kind == K_CLOSE) {
		if (!KREAD(c, file_slot))
			fold_close_of(s, KREAD(t, tgid), KREAD(c, fd));
		return 0;
	}
	if (kind == K_SPLICE) {
		if (KREAD(p, flags) & SPLICE_FD_IN_FIXED)
			in = ring_file((__u64)KREAD(req, ctx), KREAD(p, splice_fd_in));
		else
			in = files_file((__u64)KREAD(t, files), KREAD(p, splice_fd_in));
		uring_count(request, (__u64)in, 0, result);
		uring_count(request, file, 1, result);
		return 0;
	}
	uring_count(request, file, kind == K_WRITE, result);
	return 0;
}

/* ---- a kept request is done ---- */

/*
 * Is it this request that is kept at its address? One that is still to be told late may have lost its memory to
 * another ring, and to a process that is none of ours.
 */
__noinline int request_own(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct short_request *k = (struct short_request *)request_find(request);

	return k && k->r.ring == (__u64)KREAD(req, ctx) && k->r.opcode == KREAD(req, opcode) &&
	       k->r.user_data == KREAD(req, cqe.user_data) &&
	       ((struct hd_header *)k->frame)->pid == KREAD(request_owner(req), tgid);
}

/* One that is told late, by what its descriptor stood for when it was asked. */
INLINE void late_moved(struct slot *s, __s64 result, __u32 side)
{
	struct request_object *k = &s->request.object[side & 1];
	struct hd_fold *o;

	if (result < 0 || !k->id)
		return;
	o = (struct hd_fold *)frame_of(s, &s->who, side ? HD_FILE_WRITE : HD_FILE_READ, sizeof(*o));
	o->h.time_ns = s->who.time_ns;
	o->file_id = k->id;
	o->inode = k->inode;
	o->bytes = result;
	o->operations = 1;
	o->first_ns = o->last_ns = o->h.time_ns;
	o->dev = k->dev;
	o->flags = 0;
	o->mode = k->mode;
	o->fd = ring_descriptor(k->id);
	frame_submit(s, HD_LANE_BULK);
}

__noinline int uring_late_moved(__s64 result)
{
	struct slot *s = slot_get(SLOT_TASK);

	if (!s)
		return 0;
	late_moved(s, result, 0);
	late_moved(s, result, 1);
	return 0;
}

INLINE int finish_connect(struct slot *s, __u64 request, __s64 result, __u32 kind)
{
	switch (uring_way(request, kind)) {
	case WAY_NO_SOCKET:
		((struct hd_net *)s->frame)->result = result;
		frame_submit(s, HD_LANE_CRITICAL);
		break;
	case WAY_DATAGRAM:
		return uring_tell_datagram(request, result);
	case WAY_STREAM:
		return result < 0 ? uring_tell_refused(request, result) : uring_tell_connect(request);
	}
	return 0;
}

INLINE int request_finish(__u64 request, __s64 result, __u32 sure)
{
	struct slot *s = slot_get(SLOT_TASK);
	__u32 kind, opcode;

	if (!s || (sure != SURE_NOT && !request_own(request)) || !request_take(s, request))
		return 0;
	__builtin_memcpy(&s->who, s->frame, sizeof(s->who));
	opcode = s->request.opcode;
	/* The kernel's own threads tell what a ring did for a process that may be no more. */
	s->request.late = sure == SURE_NOT || current_task()->flags & PF_KTHREAD;
	kind = OP_KIND(opcode);
	if (kind == K_OPEN)
		return uring_tell_open(request, result, sure);
	if (kind == K_NAMES || kind == K_FILE)
		return uring_tell_meta(request, result, kind == K_FILE);
	if (kind == K_ACCEPT)
		return uring_tell_accept(request, result, sure);
	if (kind > K_SOCKET && sure == SURE_NOT)
		return uring_tell_words(result);
	if (kind == K_CONNECT || kind == K_SEND)
		return finish_connect(s, request, result, kind);
	if (kind >= K_SOCKET)
		return uring_tell_socket(request, result, kind);
	if (sure == SURE_NOT)
		return uring_late_moved(result);
	return uring_moved(request, result, kind);
}

__noinline int uring_finish(__u64 request, __s64 result, __u32 sure)
{
	return request_finish(request, result, sure);
}

static long silent_one(__u32 i, void *context)
{
	struct completions *c = context;
	struct io_kiocb *r;
	__u64 request;

	if (!c->node)
		return 1;
	request = node_request(c->node);
	r = (struct io_kiocb *)request;
	c->node = node_next(c->node);
	if (flag_set(KREAD(r, flags), REQ_CQE_SKIP))
		request_finish(request, KREAD(r, cqe.res), SURE_IF_ALONE);
	return 0;
}

/* Those of the batch at hand whose success nobody is told. */
INLINE void tell_silent(__u64 ring)
{
	struct io_ring_ctx *r = (struct io_ring_ctx *)ring;
	struct completions c = {};

	bpf_core_read(&c.node, sizeof(c.node), &r->submit_state.compl_reqs.first);
	bpf_loop(1024, silent_one, &c, 0);
}

#endif
