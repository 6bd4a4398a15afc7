/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io_uring, the half that asks. When a ring takes a request its arguments are the kernel's own copies, and whoever
 * asks is current (SQPOLL's thread is a thread of the process whose ring it is). So the frame is begun here, and kept
 * until the request is done (uring-done.h), in whichever task that happens. What needs no more than the file that
 * the request still holds then (reads, writes, splices) is kept only when its success will be told to nobody.
 */
#ifndef HEDDLE_BPF_URING_H
#define HEDDLE_BPF_URING_H

#include "calls.h"
#include "file.h"
#include "metadata.h"
#include "net.h"
#include "uring-types.h"

/* Set before load: which bits of io_kiocb.flags these are on this kernel, and how it hands over a completion. */
const volatile __u8 cfg_uring_creds_bit = NO_BIT;
const volatile __u8 cfg_uring_refcount_bit = NO_BIT;
const volatile __u8 cfg_uring_cleanup_bit = NO_BIT;
const volatile bool cfg_uring_cqe = false; /* as the ring's entry (6.8) in place of numbers */

/* How an operation is handled; up to K_CLOSE nothing is kept of an ordinary one. */
#define K_NONE 0
#define K_READ 1
#define K_WRITE 2
#define K_SPLICE 3
#define K_CLOSE 4
#define K_OPEN 5
#define K_NAMES 6
#define K_FILE 7
#define K_SOCKET 8
#define K_CONNECT 9
#define K_BIND 10
#define K_LISTEN 11
#define K_ACCEPT 12
#define K_SEND 13

/* The system call that does the same, the kind, the type of the events: in one number, which a skeleton can declare. */
#define OP(call, kind, type) ((call) | (kind) << 16 | (type) << 24)
#define OP_CALL(opcode) (uring_ops[(opcode) & (URING_OPS - 1)] & 0xffff)
#define OP_KIND(opcode) (uring_ops[(opcode) & (URING_OPS - 1)] >> 16 & 0xff)
#define OP_TYPE(opcode) (uring_ops[(opcode) & (URING_OPS - 1)] >> 24)

#define URING_OPS 64
const volatile __u32 uring_ops[URING_OPS] = {
	[URING_READV] = OP(NR_preadv2, K_READ, HD_FILE_READ),
	[URING_READ_FIXED] = OP(NR_pread64, K_READ, HD_FILE_READ),
	[URING_READ] = OP(NR_pread64, K_READ, HD_FILE_READ),
	[URING_READ_MULTISHOT] = OP(NR_read, K_READ, HD_FILE_READ),
	[URING_READV_FIXED] = OP(NR_preadv2, K_READ, HD_FILE_READ),
	[URING_WRITEV] = OP(NR_pwritev2, K_WRITE, HD_FILE_WRITE),
	[URING_WRITE_FIXED] = OP(NR_pwrite64, K_WRITE, HD_FILE_WRITE),
	[URING_WRITE] = OP(NR_pwrite64, K_WRITE, HD_FILE_WRITE),
	[URING_WRITEV_FIXED] = OP(NR_pwritev2, K_WRITE, HD_FILE_WRITE),
	[URING_SPLICE] = OP(NR_splice, K_SPLICE, HD_FILE_WRITE),
	[URING_CLOSE] = OP(NR_close, K_CLOSE, 0),
	[URING_OPENAT] = OP(NR_openat, K_OPEN, HD_FILE_OPEN),
	[URING_OPENAT2] = OP(NR_openat2, K_OPEN, HD_FILE_OPEN),
	[URING_UNLINKAT] = OP(NR_unlinkat, K_NAMES, HD_FILE_METADATA),
	[URING_RENAMEAT] = OP(NR_renameat2, K_NAMES, HD_FILE_METADATA),
	[URING_LINKAT] = OP(NR_linkat, K_NAMES, HD_FILE_METADATA),
	[URING_SYMLINKAT] = OP(NR_symlinkat, K_NAMES, HD_FILE_METADATA),
	[URING_MKDIRAT] = OP(NR_mkdirat, K_NAMES, HD_FILE_METADATA),
	[URING_SETXATTR] = OP(NR_setxattr, K_NAMES, HD_FILE_METADATA),
	[URING_FSETXATTR] = OP(NR_fsetxattr, K_FILE, HD_FILE_METADATA),
	[URING_FALLOCATE] = OP(NR_fallocate, K_FILE, HD_FILE_METADATA),
	[URING_FTRUNCATE] = OP(NR_ftruncate, K_FILE, HD_FILE_METADATA),
	[URING_SOCKET] = OP(NR_socket, K_SOCKET, HD_NETWORK_SOCKET),
	[URING_CONNECT] = OP(NR_connect, K_CONNECT, HD_NETWORK_CONNECT),
	[URING_BIND] = OP(NR_bind, K_BIND, HD_NETWORK_LISTEN),
	[URING_LISTEN] = OP(NR_listen, K_LISTEN, HD_NETWORK_LISTEN),
	[URING_ACCEPT] = OP(NR_accept4, K_ACCEPT, HD_NETWORK_ACCEPT),
	[URING_SENDMSG] = OP(NR_sendmsg, K_SEND, HD_NETWORK_CONNECT),
	[URING_SENDMSG_ZC] = OP(NR_sendmsg, K_SEND, HD_NETWORK_CONNECT),
	[URING_SEND] = OP(NR_sendto, K_SEND, HD_NETWORK_CONNECT),
	[URING_SEND_ZC] = OP(NR_sendto, K_SEND, HD_NETWORK_CONNECT),
};

/* ---- what is kept ---- */

#define SHORT_BYTES 704
#define LONG_BYTES (4 * HD_PATH_MAX + 1024)

struct short_request {
	struct request r;
	__u64 frame[SHORT_BYTES / 8];
};

struct long_request {
	struct request r;
	__u64 frame[LONG_BYTES / 8];
};

/* By the request's address. Nearly all names fit into the first. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct short_request);
} short_requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct long_request);
} long_requests SEC(".maps");

/* Rings with requests whose success is told to nobody: what looks for finished ones begins here. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u32); /* tgid */
} silent_rings SEC(".maps");

/* The latest open of each ring, direct-mapped: told at the ring's next request if it is done by then. */
struct last_open {
	__u64 ring, request;
};

#define LAST_OPENS 256
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LAST_OPENS);
	__type(key, __u32);
	__type(value, struct last_open);
} last_opens SEC(".maps");

/* A multishot accept tells each connection by its user data alone. */
struct accept_key {
	__u64 ring, user_data;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct accept_key);
	__type(value, __u64); /* the request */
} accepts SEC(".maps");

INLINE struct last_open *last_open_of(__u64 ring)
{
	__u32 index = (ring >> 11) & (LAST_OPENS - 1);

	return bpf_map_lookup_elem(&last_opens, &index);
}

INLINE struct request *request_find(__u64 request)
{
	struct request *r = bpf_map_lookup_elem(&short_requests, &request);

	return r ? r : bpf_map_lookup_elem(&long_requests, &request);
}

/* Keeps the slot's frame and what is beside it. */
INLINE void request_keep(struct slot *s, __u64 request, __u32 type)
{
	struct hd_header *h = (struct hd_header *)s->frame;
	struct request *r = &s->request;
	__u64 ring = r->ring;
	__u32 tgid = h->pid;
	long e;

	r->size = h->size;
	if (h->size <= SHORT_BYTES)
		e = bpf_map_update_elem(&short_requests, &request, r, BPF_ANY);
	else
		e = bpf_map_update_elem(&long_requests, &request, r, BPF_ANY);
	if (e) {
		count_made(s, type, 1);
		s->counters[type & (COUNTERS - 1)].lost++;
		__sync_fetch_and_add(&requests.untold, 1);
		return;
	}
	__sync_fetch_and_add(&requests.kept, 1);
	if (r->silent) {
		__sync_fetch_and_add(&requests.silent, 1);
		bpf_map_update_elem(&silent_rings, &ring, &tgid, BPF_ANY);
	}
}

INLINE void request_uncount(const struct request *r)
{
	__sync_fetch_and_sub(&requests.kept, 1);
	if (r->silent)
		__sync_fetch_and_sub(&requests.silent, 1);
}

/* Puts what is kept of a request into the slot. False: there is nothing, or somebody else was quicker. */
INLINE bool request_take(struct slot *s, __u64 request)
{
	void *r = bpf_map_lookup_elem(&short_requests, &request);
	bool taken;

	if (r) {
		bpf_probe_read_kernel(&s->request, sizeof(struct short_request), r);
		taken = !bpf_map_delete_elem(&short_requests, &request);
	} else {
		r = bpf_map_lookup_elem(&long_requests, &request);
		if (!r)
			return false;
		bpf_probe_read_kernel(&s->request, sizeof(struct long_request), r);
		taken = !bpf_map_delete_elem(&long_requests, &request);
	}
	if (taken)
		request_uncount(&s->request);
	return taken;
}

/* Is told otherwise. */
INLINE void request_drop(__u64 request)
{
	struct request *r = request_find(request), copy = {};

	if (!r)
		return;
	copy.silent = r->silent;
	if (!bpf_map_delete_elem(&short_requests, &request) || !bpf_map_delete_elem(&long_requests, &request))
		request_uncount(&copy);
}

/* ---- files ---- */

INLINE struct file *files_file(__u64 files, __u32 fd)
{
	struct files_struct *fs = (struct files_struct *)files;
	struct fdtable *fdt = KREAD(fs, fdt);
	struct file **array, *file = NULL;

	if (!files || fd >= KREAD(fdt, max_fds))
		return NULL;
	array = KREAD(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), array + fd);
	return file;
}

/* The file at an index of the ring's own table. */
INLINE struct file *ring_file(__u64 ring, __u32 index)
{
	struct io_ring_ctx *c = (struct io_ring_ctx *)ring;
	struct io_rsrc_node **nodes, *node = NULL;
	unsigned long p = 0;

	if (bpf_core_field_exists(c->file_table.data)) {
		if (index >= KREAD(c, file_table.data.nr))
			return NULL;
		nodes = KREAD(c, file_table.data.nodes);
		bpf_probe_read_kernel(&node, sizeof(node), nodes + index);
		if (node)
			p = KREAD(node, file_ptr);
	} else {
		if (index >= KREAD(c, nr_user_files))
			return NULL;
		bpf_probe_read_kernel(&p, sizeof(p), (void *)KREAD(c, file_table.files) + index * sizeof(p));
	}
	/* The low bits are the kernel's notes. */
	return (struct file *)(p & ~7UL);
}

INLINE bool flag_set(__u64 flags, const __u8 bit)
{
	return bit < 32 && (flags >> (bit & 31) & 1);
}

/* A ring knows files, not descriptors: the number is made of the file's address. */
INLINE __u32 ring_descriptor(__u64 file)
{
	return 0x80000000u | (__u32)(file >> 8);
}

/*
 * No close ends what a ring has counted, so the file's address may be another file's by the time it is told, named
 * anew by an open: the id says which inode it was, and is no open's (those are even).
 */
INLINE __u64 ring_file_id(__u64 file, __u64 inode)
{
	return (file ^ inode * 0x9e3779b97f4a7c15ULL) | 1;
}

/* What the request's descriptor stands for now. */
INLINE void request_file(struct slot *s, struct io_kiocb *req)
{
	struct file *file;
	__u32 fd = KREAD(req, cqe.fd);

	if (flag_set(KREAD(req, flags), REQ_FIXED_FILE))
		file = ring_file(s->request.ring, fd);
	else
		file = fd_file(fd);
	s->request.file = (__u64)file;
	s->request.inode = file ? (__u64)KREAD(file, f_inode) : 0;
}

/* ---- the frame of a request ---- */

/*
 * May there be less room for completions than requests are under way, or than one call can hand over? Then some may go
 * where no hook sees them, and a request is kept as one that tells nobody. Entries that gave no completion, or several,
 * make the difference too large. The head is the workload's to write, but the kernel goes by it as well.
 */
INLINE bool ring_crowded(__u64 ring)
{
	struct io_ring_ctx *r = (struct io_ring_ctx *)ring;
	struct io_rings *rings = KREAD(r, rings);
	__u32 head = KREAD(rings, cq.head), room = KREAD(r, cq_entries);

	return KREAD(r, check_cq) & 1 || KREAD(r, cached_sq_head) - head > room ||
	       KREAD(r, cached_cq_tail) - head + KREAD(r, sq_entries) > room;
}

/* The header says who asks: SQPOLL's thread has its process's name, and a personality its own credentials. */
INLINE struct hd_header *request_begin(struct slot *s, struct io_kiocb *req, __u32 type, __u32 size)
{
	struct hd_header *h = frame_begin(s, type, size);
	struct request *r = &s->request;
	__u64 flags = KREAD(req, flags);
	struct task_struct *t = current_task();
	const struct cred *cred;
	__u32 opcode = KREAD(req, opcode);

	h->via = HD_VIA_IO_URING;
	h->syscall = OP_CALL(opcode);
	if (t->flags & PF_IO_WORKER)
		bpf_core_read(h->comm, sizeof(h->comm), &t->group_leader->comm);
	if (flag_set(flags, cfg_uring_creds_bit)) {
		cred = KREAD(req, creds);
		h->uid = KREAD(cred, euid.val);
		h->gid = KREAD(cred, egid.val);
	}
	r->ring = (__u64)KREAD(req, ctx);
	r->user_data = KREAD(req, cqe.user_data);
	r->files = (__u64)t->files;
	r->file = r->inode = r->address = 0;
	r->bare = size;
	r->slot = 0;
	r->fd = KREAD(req, cqe.fd);
	r->opcode = opcode;
	r->silent = flag_set(flags, REQ_CQE_SKIP) || ring_crowded(r->ring);
	r->cleanup = flag_set(flags, cfg_uring_cleanup_bit);
	r->seen = r->late = 0;
	return h;
}

/* A name at an address of the kernel's, with what it is relative to. Global: verified once, not at each of its uses. */
__noinline int uring_item_name(__u32 kind, __u32 base_kind, int dirfd, __u64 text)
{
	struct slot *s = slot_get(SLOT_TASK);
	char first = 0;

	if (!s || bpf_probe_read_kernel(&first, 1, (void *)text))
		return 0;
	item_kernel_string(s, kind, (void *)text);
	item_base(s, base_kind, dirfd, first);
	return 0;
}

INLINE void item_copied_path(struct slot *s, __u16 kind, __u16 base_kind, int dirfd, struct filename *name)
{
	__u64 text = 0;

	/* As a number, for the global function. */
	bpf_core_read(&text, sizeof(text), &name->name);
	if (text)
		uring_item_name(kind, base_kind, dirfd, text);
}

INLINE void ask_open(struct slot *s, struct io_kiocb *req)
{
	struct hd_open *o = (struct hd_open *)request_begin(s, req, HD_FILE_OPEN, sizeof(*o));
	struct io_open *cmd = (struct io_open *)req;
	struct last_open *last;

	o->result = 0;
	o->file_id = o->inode = 0;
	o->dev = 0;
	/* The kernel adds O_LARGEFILE by itself. */
	o->flags = KREAD(cmd, how.flags) & ~O_LARGEFILE;
	o->mode = KREAD(cmd, how.mode);
	o->resolve = KREAD(cmd, how.resolve);
	open_drop_mode(o);
	s->request.slot = KREAD(cmd, file_slot);
	item_copied_path(s, HD_I_NAME, HD_I_BASE, KREAD(cmd, dfd), KREAD(cmd, filename));
	last = last_open_of(s->request.ring);
	if (last) {
		last->ring = s->request.ring;
		last->request = (__u64)req;
	}
}

INLINE struct hd_meta *ask_meta(struct slot *s, struct io_kiocb *req, __u32 operation)
{
	struct hd_meta *h = (struct hd_meta *)request_begin(s, req, HD_FILE_METADATA, sizeof(*h));

	h->result = 0;
	h->operation = operation;
	h->has = h->mode = h->owner_uid = h->owner_gid = h->flags = h->dev = 0;
	h->inode = h->size = 0;
	return h;
}

INLINE void ask_one_name(struct slot *s, struct io_kiocb *req)
{
	struct io_unlink *u = (struct io_unlink *)req;
	struct io_mkdir *m = (struct io_mkdir *)req;
	struct io_xattr *x = (struct io_xattr *)req;
	__u32 opcode = KREAD(req, opcode);
	struct filename *name;
	struct hd_meta *h;
	int dirfd = AT_FDCWD;

	if (opcode == URING_UNLINKAT) {
		ask_meta(s, req, KREAD(u, flags) & AT_REMOVEDIR ? HD_META_RMDIR : HD_META_UNLINK);
		dirfd = KREAD(u, dfd);
		name = KREAD(u, filename);
	} else if (opcode == URING_MKDIRAT) {
		h = ask_meta(s, req, HD_META_MKDIR);
		h->has = HD_META_HAS_MODE;
		h->mode = KREAD(m, mode);
		dirfd = KREAD(m, dfd);
		name = KREAD(m, filename);
	} else {
		ask_meta(s, req, HD_META_SETXATTR);
		name = KREAD(x, filename);
	}
	item_copied_path(s, HD_I_NAME, HD_I_BASE, dirfd, name);
}

INLINE void ask_two_names(struct slot *s, struct io_kiocb *req)
{
	struct io_rename *r = (struct io_rename *)req;
	struct io_link *l = (struct io_link *)req;
	__u32 opcode = KREAD(req, opcode);
	struct filename *name;
	struct hd_meta *h;

	if (opcode == URING_RENAMEAT) {
		h = ask_meta(s, req, HD_META_RENAME);
		h->has = HD_META_HAS_FLAGS;
		h->flags = KREAD(r, flags);
		item_copied_path(s, HD_I_NAME, HD_I_BASE, KREAD(r, old_dfd), KREAD(r, oldpath));
		item_copied_path(s, HD_I_NAME2, HD_I_BASE2, KREAD(r, new_dfd), KREAD(r, newpath));
		return;
	}
	name = KREAD(l, oldpath);
	if (opcode == URING_SYMLINKAT) {
		ask_meta(s, req, HD_META_SYMLINK);
		if (name)
			item_kernel_string(s, HD_I_NAME, KREAD(name, name));
	} else {
		ask_meta(s, req, HD_META_LINK);
		item_copied_path(s, HD_I_NAME, HD_I_BASE, KREAD(l, old_dfd), name);
	}
	item_copied_path(s, HD_I_NAME2, HD_I_BASE2, KREAD(l, new_dfd), KREAD(l, newpath));
}

/* Names: each form is verified by itself, since a path's walk is long. */
__noinline int uring_ask_names(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);
	__u32 opcode = KREAD(req, opcode);

	if (!s)
		return 0;
	if (opcode == URING_OPENAT || opcode == URING_OPENAT2)
		ask_open(s, req);
	else if (opcode == URING_RENAMEAT || opcode == URING_LINKAT || opcode == URING_SYMLINKAT)
		ask_two_names(s, req);
	else
		ask_one_name(s, req);
	return 0;
}

INLINE void ask_file(struct slot *s, struct io_kiocb *req)
{
	struct io_sync *y = (struct io_sync *)req;
	struct io_ftrunc *f = (struct io_ftrunc *)req;
	__u32 opcode = KREAD(req, opcode);
	struct hd_meta *h;

	if (opcode == URING_FALLOCATE) {
		h = ask_meta(s, req, HD_META_FALLOCATE);
		h->has = HD_META_HAS_SIZE | HD_META_HAS_FLAGS;
		h->size = KREAD(y, len);
		h->flags = KREAD(y, mode);
	} else if (opcode == URING_FTRUNCATE) {
		h = ask_meta(s, req, HD_META_TRUNCATE);
		h->has = HD_META_HAS_SIZE;
		/* Without the command's type there is no such operation. */
		h->size = bpf_core_type_exists(struct io_ftrunc) ? KREAD(f, len) : 0;
	} else {
		ask_meta(s, req, HD_META_SETXATTR);
	}
	request_file(s, req);
}

/* ---- sockets ---- */

INLINE void ask_socket(struct slot *s, struct io_kiocb *req)
{
	struct hd_socket *k = (struct hd_socket *)request_begin(s, req, HD_NETWORK_SOCKET, sizeof(*k));
	struct io_socket *cmd = (struct io_socket *)req;

	k->h.flags = HD_F_VERIFIED;
	k->result = 0;
	k->family = k->socket_type = k->protocol = k->pad0 = 0;
	if (bpf_core_type_exists(struct io_socket)) {
		k->family = KREAD(cmd, domain);
		k->socket_type = KREAD(cmd, type) & SOCK_TYPE_MASK;
		k->protocol = KREAD(cmd, protocol);
	}
}

INLINE struct hd_net *ask_net(struct slot *s, struct io_kiocb *req, __u32 type)
{
	struct hd_net *n = (struct hd_net *)request_begin(s, req, type, sizeof(*n));

	n->result = 0;
	n->socket = 0;
	n->family = n->socket_type = n->protocol = n->flags = n->backlog = n->pad0 = 0;
	return n;
}

INLINE struct socket *file_socket(struct file *file)
{
	struct inode *inode;

	if (!file)
		return NULL;
	inode = KREAD(file, f_inode);
	if ((KREAD(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return KREAD(file, private_data);
}

INLINE void net_fill(struct hd_net *n, struct socket *sock, struct sock *sk)
{
	n->socket = KREAD(sk, __sk_common.skc_cookie.counter);
	n->family = KREAD(sk, __sk_common.skc_family);
	n->socket_type = KREAD(sock, type);
	n->protocol = KREAD(sk, sk_protocol);
}

/* The socket that the descriptor stands for now, in case the request's own can't be asked any more. */
__noinline int uring_ask_sock(__u64 request)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock;

	if (!s)
		return 0;
	request_file(s, (struct io_kiocb *)request);
	sock = file_socket((struct file *)s->request.file);
	if (sock)
		net_fill((struct hd_net *)s->frame, sock, KREAD(sock, sk));
	return 0;
}

/* The kernel's copy of an address, as item_user_address has the caller's own. */
__noinline int uring_item_address(__u32 kind, __u64 from, __u32 bytes)
{
	struct slot *s = slot_get(SLOT_TASK);
	__u16 family = 0;
	char first = 0;

	if (!s || !from || bytes < 2)
		return 0;
	bpf_probe_read_kernel(&family, sizeof(family), (void *)from);
	bpf_probe_read_kernel(&first, 1, (void *)from + 2);
	if (bytes > 2 && family == AF_UNIX && first)
		uring_item_name(HD_I_NAME, HD_I_BASE, AT_FDCWD, from + 2);
	else
		item_kernel(s, kind, (void *)from, bytes > 128 ? 128 : bytes);
	return 0;
}

INLINE void ask_connect(struct slot *s, struct io_kiocb *req)
{
	struct io_connect *cmd = (struct io_connect *)req;
	__u64 address = 0;

	ask_net(s, req, HD_NETWORK_CONNECT);
	bpf_core_read(&address, sizeof(address), &cmd->addr);
	item_user_address(s, HD_I_SOCKADDR, (void *)address, KREAD(cmd, addr_len));
}

INLINE void ask_bind(struct slot *s, struct io_kiocb *req)
{
	struct io_bind *cmd = (struct io_bind *)req;
	struct hd_net *n = ask_net(s, req, HD_NETWORK_LISTEN);
	__u64 m = 0;

	n->flags = HD_NET_BIND;
	bpf_core_read(&m, sizeof(m), &req->async_data);
	if (bpf_core_type_exists(struct io_bind) && m)
		uring_item_address(HD_I_SOCKADDR2, m + bpf_core_field_offset(struct io_async_msghdr, addr),
				   KREAD(cmd, addr_len));
}

INLINE void ask_listen(struct slot *s, struct io_kiocb *req)
{
	struct io_listen *cmd = (struct io_listen *)req;
	struct hd_net *n = ask_net(s, req, HD_NETWORK_LISTEN);

	if (bpf_core_type_exists(struct io_listen))
		n->backlog = KREAD(cmd, backlog);
}

INLINE void ask_accept(struct slot *s, struct io_kiocb *req)
{
	struct io_accept *cmd = (struct io_accept *)req;
	struct accept_key key;
	__u64 request = (__u64)req;

	ask_net(s, req, HD_NETWORK_ACCEPT);
	s->request.slot = KREAD(cmd, file_slot);
	key.ring = s->request.ring;
	key.user_data = s->request.user_data;
	bpf_map_update_elem(&accepts, &key, &request, BPF_ANY);
}

/* A hash of an address, as destination_of_user makes one. */
INLINE void request_address(struct slot *s, const void *address, __u64 bytes, bool of_user)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	__builtin_memset(s->words, 0, sizeof(s->words));
	if (of_user)
		bpf_probe_read_user(s->words, masked(bytes, sizeof(s->words) - 1), address);
	else
		bpf_probe_read_kernel(s->words, masked(bytes, sizeof(s->words) - 1), address);
	for (int i = 0; i < 16; i++)
		hash = (hash ^ s->words[i]) * 0x100000001b3ULL;
	s->request.address = hash;
}

/* Sends that name an address: false for the others. */
INLINE bool ask_send(struct slot *s, struct io_kiocb *req)
{
	struct io_async_msghdr *a;
	struct io_sr_msg *cmd = (struct io_sr_msg *)req;
	__u32 opcode = KREAD(req, opcode);
	struct msghdr_user m = {};
	bool of_user = bpf_core_field_exists(cmd->addr);
	struct hd_net *n;
	__u64 address = 0;

	if (!of_user) {
		bpf_core_read(&address, sizeof(address), &req->async_data);
		a = (struct io_async_msghdr *)address;
		if (!a || !KREAD(a, msg.msg_name))
			return false;
		m.name = address + bpf_core_field_offset(a->addr);
		m.name_bytes = KREAD(a, msg.msg_namelen);
	} else if (opcode == URING_SEND || opcode == URING_SEND_ZC) {
		bpf_core_read(&m.name, sizeof(m.name), &cmd->addr);
		m.name_bytes = KREAD(cmd, addr_len);
	} else {
		bpf_probe_read_user(&m, sizeof(m), KREAD(cmd, umsg));
	}
	if (!m.name || m.name_bytes < 2)
		return false;
	n = ask_net(s, req, HD_NETWORK_CONNECT);
	n->flags = KREAD(cmd, msg_flags) & MSG_FASTOPEN ? HD_NET_FASTOPEN : HD_NET_DATAGRAM;
	request_address(s, (void *)m.name, m.name_bytes, of_user);
	if (of_user)
		item_user_address(s, HD_I_SOCKADDR, (void *)m.name, m.name_bytes);
	else
		uring_item_address(HD_I_SOCKADDR, m.name, m.name_bytes);
	return true;
}

/* Sockets. Returns 0 when there is nothing to keep. */
__noinline int uring_ask_socket(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(SLOT_TASK);
	__u32 opcode = KREAD(req, opcode);

	if (!s)
		return 0;
	switch (OP_KIND(opcode)) {
	case K_SOCKET:
		ask_socket(s, req);
		return 1;
	case K_CONNECT:
		ask_connect(s, req);
		break;
	case K_BIND:
		ask_bind(s, req);
		break;
	case K_LISTEN:
		ask_listen(s, req);
		break;
	case K_ACCEPT:
		ask_accept(s, req);
		return 1;
	default:
		if (!ask_send(s, req))
			return 0;
	}
	uring_ask_sock(request);
	return 1;
}

/* Of a read, write or splice whose success will be told to nobody: its files, while the descriptors still say. */
__noinline int uring_ask_object(__u64 address, __u32 side)
{
	struct file *file = (struct file *)address;
	struct inode *inode = file ? KREAD(file, f_inode) : NULL;
	struct slot *s = slot_get(SLOT_TASK);
	struct request_object *k;
	struct object o;

	if (!s)
		return 0;
	k = &s->request.object[side & 1];
	k->id = 0;
	if (!inode || (KREAD(inode, i_mode) & S_IFMT) != S_IFREG)
		return 0;
	object_of_inode(inode, &o);
	k->id = ring_file_id((__u64)file, o.inode);
	k->inode = o.inode;
	k->dev = o.dev;
	k->mode = o.mode;
	/* Now: by the time that it is told the file may be gone. */
	file_name_once(s, file, k->id, &o, NULL);
	return 0;
}

/* Apart, for the walk of the names. */
__noinline int uring_ask_silent(__u64 request, __u32 kind)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct io_splice *p = (struct io_splice *)req;
	struct slot *s = slot_get(SLOT_TASK);
	struct file *file, *in = NULL;
	__u32 fd;

	if (!s)
		return 0;
	s->request.ring = (__u64)KREAD(req, ctx);
	request_file(s, req);
	file = (struct file *)s->request.file;
	if (kind == K_SPLICE) {
		fd = KREAD(p, splice_fd_in);
		in = KREAD(p, flags) & SPLICE_FD_IN_FIXED ? ring_file(s->request.ring, fd) : fd_file(fd);
	} else if (kind == K_READ) {
		in = file;
		file = NULL;
	}
	uring_ask_object((__u64)in, 0);
	uring_ask_object((__u64)file, 1);
	return 0;
}

#endif
