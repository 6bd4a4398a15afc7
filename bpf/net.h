/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets: addresses come from the kernel's socket. A TCP connect is told when it is decided: at the call's exit,
 * or, for a non-blocking one, from the state change of the socket, by whoever's softirq that happens in.
 */
#ifndef HEDDLE_BPF_NET_H
#define HEDDLE_BPF_NET_H

#include "address.h"
#include "task.h"

#define SOCK_DONE 1 /* bit of skc_flags: the other side has ended its stream */
#define MSG_FASTOPEN 0x20000000
#define SOCK_TYPE_MASK 0xf

/* A connect under way: who called, where to. */
struct pending {
	struct hd_net net;
	__u64 socket; /* its cookie: another socket may get this one's memory */
	struct sockaddr_any remote, local;
	__u32 remote_bytes, local_bytes;
	__u32 waiting;  /* the call returned, the outcome is open */
	__u32 decided;
	__s32 result;
	__u32 restarts; /* a signal interrupted the call: it may be made again, and then told is how it ended */
	__u32 told;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct pending);
} pendings SEC(".maps");

static const volatile struct pending pending_fresh = {};

/* The connect under way on this very socket, not on one that had its memory before. */
INLINE struct pending *pending_of(__u64 key)
{
	struct pending *p = bpf_map_lookup_elem(&pendings, &key);

	return p && p->socket == KREAD((struct sock *)key, __sk_common.skc_cookie.counter) ? p : NULL;
}

INLINE struct socket *fd_socket(unsigned int fd)
{
	struct file *file = fd_file(fd);
	struct inode *inode;

	if (!file)
		return NULL;
	inode = KREAD(file, f_inode);
	if ((KREAD(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return KREAD(file, private_data);
}

INLINE struct hd_net *net_begin(struct slot *s, __u32 type, const struct call *c, struct sock *sk)
{
	struct hd_net *n = (struct hd_net *)frame_begin(s, type, sizeof(*n));

	frame_call(&n->h, c);
	n->result = c->result;
	n->socket = KREAD(sk, __sk_common.skc_cookie.counter);
	n->family = KREAD(sk, __sk_common.skc_family);
	n->socket_type = KREAD(sk, sk_type);
	n->protocol = KREAD(sk, sk_protocol);
	n->flags = 0;
	n->backlog = 0;
	n->pad0 = 0;
	return n;
}

/* ---- socket ---- */

/* What was asked for lay in memory: what came of it tells. */
INLINE void socket_made(struct hd_socket *k, long fd)
{
	struct socket *sock = fd_socket(fd);
	struct sock *sk;

	if (!sock)
		return;
	sk = KREAD(sock, sk);
	k->h.flags = HD_F_VERIFIED;
	k->family = KREAD(sk, __sk_common.skc_family);
	k->socket_type = KREAD(sk, sk_type);
	k->protocol = KREAD(sk, sk_protocol);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_socket, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct hd_socket *k;
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	k = (struct hd_socket *)frame_begin(s, HD_NETWORK_SOCKET, sizeof(*k));
	frame_call(&k->h, &c);
	k->h.flags = c.memory ? 0 : HD_F_VERIFIED;
	k->result = ret;
	k->family = c.a[0];
	k->socket_type = c.a[1] & SOCK_TYPE_MASK;
	k->protocol = c.a[2];
	k->pad0 = 0;
	if (c.memory && ret >= 0)
		socket_made(k, ret);
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

/* ---- what connections carry ---- */

/* TCP connections of the workload by socket, until they close: the header of the event that told of their beginning. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct hd_header);
} connections SEC(".maps");

/* The frame in the slot tells of this socket's beginning: whose it is stays with the socket. pad0 says: accepted. */
INLINE void connection_open(struct slot *s, struct sock *sk, __u32 accepted)
{
	struct hd_header *h = (struct hd_header *)s->frame;
	__u64 key = (__u64)sk;

	h->pad0 = accepted;
	bpf_map_update_elem(&connections, &key, h, BPF_ANY);
}

static __noinline int traffic_emit(struct slot *s, struct sock *sk, struct hd_header *c)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct hd_traffic *t;

	if (!s || !c)
		return 0;
	t = (struct hd_traffic *)s->frame;
	__builtin_memcpy(&t->h, c, sizeof(t->h));
	t->h.type = HD_TRAFFIC;
	t->h.size = sizeof(*t);
	t->h.time_ns = bpf_ktime_get_boot_ns();
	t->h.cpu = bpf_get_smp_processor_id();
	t->h.flags = HD_F_VERIFIED;
	t->socket = KREAD(sk, __sk_common.skc_cookie.counter);
	t->sent = KREAD(tp, bytes_sent) - KREAD(tp, bytes_retrans);
	/* The kernel counts the end of the stream as a byte. */
	t->received = KREAD(tp, bytes_received) - (KREAD(sk, __sk_common.skc_flags) >> SOCK_DONE & 1);
	t->family = KREAD(sk, __sk_common.skc_family);
	t->accepted = c->pad0;
	t->h.pad0 = 0;
	item_ends(s, sk, t->family);
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

/* ---- connect ---- */

INLINE void pending_emit(struct slot *s, struct pending *p, long result)
{
	struct hd_net *n = (struct hd_net *)s->frame;

	__builtin_memcpy(n, &p->net, sizeof(*n));
	n->h.type = HD_NETWORK_CONNECT;
	n->h.size = sizeof(*n);
	n->h.time_ns = bpf_ktime_get_boot_ns();
	n->h.cpu = bpf_get_smp_processor_id();
	n->h.flags = HD_F_VERIFIED;
	s->doubt = 0;
	n->result = result;
	item_address(s, HD_I_SOCKADDR, &p->remote, p->remote_bytes);
	item_address(s, HD_I_SOCKADDR2, &p->local, p->local_bytes);
	frame_submit(s, HD_LANE_CRITICAL);
}

/* The caller returned with the outcome open: keep who it was, or tell at once if softirq was quicker. */
INLINE void connect_wait(struct slot *s, struct hd_net *n, __u64 key, long result)
{
	struct pending *p = pending_of(key);

	if (!p) {
		/* No state change seen: not TCP; the caller's result is all there will be. */
		frame_submit(s, HD_LANE_CRITICAL);
		return;
	}
	__builtin_memcpy(&p->net, n, sizeof(*n));
	if (p->decided) {
		pending_emit(s, p, p->result);
		if (!p->result)
			connection_open(s, (struct sock *)key, 0);
		bpf_map_delete_elem(&pendings, &key);
		return;
	}
	p->waiting = 1;
}

/* Its struct file's address, as a number: pointers are no arguments of global functions. */
INLINE __u64 sock_file(struct socket *sock)
{
	__u64 file = 0;

	bpf_core_read(&file, sizeof(file), &sock->file);
	return file;
}

/*
 * The socket of the connect that has just returned. A TCP one is the one that went out during this very call; the
 * descriptor may be another thread's new file by now. `sure` is cleared where only the caller's memory said which.
 */
INLINE struct sock *connect_socket(const struct call *c, bool *sure)
{
	struct task_state *st = state_current();
	__u64 key = st ? st->connecting : 0;
	struct pending *p;
	struct socket *sock;

	*sure = true;
	if (key && c->number == NR_connect) {
		st->connecting = 0;
		p = pending_of(key);
		if (p && !p->waiting)
			return (struct sock *)key;
	}
	sock = fd_socket(c->a[0]);
	*sure = !c->memory && sock && !fd_doubted(c->a[0], sock_file(sock));
	return sock ? KREAD(sock, sk) : NULL;
}

/* A signal came while a blocking connect waited: the connection goes on, whether or not the call is made again. */
INLINE void connect_interrupted(struct hd_net *n, struct pending *p)
{
	if (!p || p->waiting)
		return;
	__builtin_memcpy(&p->net, n, sizeof(*n));
	p->restarts = 1;
	p->waiting = 1;
}

/*
 * Made again after a signal, and how it ended has been told. Another outcome is another call's. The kernel gives the
 * socket's error once: who comes later is told that the connection was aborted.
 */
INLINE bool connect_told(const struct pending *p, long result)
{
	return result == p->result || (p->result < 0 && result == -ECONNABORTED);
}

INLINE void connect_exit(struct slot *s, const struct call *c, const void *address, __u32 bytes, __u32 flags)
{
	struct pending *p;
	struct hd_net *n;
	struct sock *sk;
	__u32 protocol;
	bool sure;
	__u64 key;

	sk = connect_socket(c, &sure);
	if (!sk && call_restarts(c->result))
		return;
	if (!sk) {
		n = (struct hd_net *)frame_begin(s, HD_NETWORK_CONNECT, sizeof(*n));
		frame_call(&n->h, c);
		n->result = c->result;
		n->socket = 0;
		n->family = n->socket_type = n->protocol = n->backlog = n->pad0 = 0;
		n->flags = flags;
		item_user_address(s, HD_I_SOCKADDR, address, bytes);
		frame_submit(s, HD_LANE_CRITICAL);
		return;
	}
	key = (__u64)sk;
	n = net_begin(s, HD_NETWORK_CONNECT, c, sk);
	n->flags = flags;
	protocol = n->protocol;
	p = sure ? pending_of(key) : NULL;
	if (p && p->told) {
		bool same = connect_told(p, c->result);

		bpf_map_delete_elem(&pendings, &key);
		if (same)
			return;
		p = NULL;
	}
	if (call_restarts(c->result)) {
		connect_interrupted(n, p);
		return;
	}
	if (sure && c->result == -EINPROGRESS && n->protocol == IPPROTO_TCP) {
		connect_wait(s, n, key, c->result);
		return;
	}
	if (c->result < 0) {
		n->result = c->result;
		if (p && !p->waiting) {
			n->h.flags |= HD_F_VERIFIED;
			item_address(s, HD_I_SOCKADDR, &p->remote, p->remote_bytes);
			item_address(s, HD_I_SOCKADDR2, &p->local, p->local_bytes);
		} else {
			item_user_address(s, HD_I_SOCKADDR, address, bytes);
		}
	} else {
		n->result = 0;
		if (!item_ends(s, sk, n->family))
			item_user_address(s, HD_I_SOCKADDR, address, bytes);
		else if (sure)
			n->h.flags |= HD_F_VERIFIED;
	}
	frame_submit(s, HD_LANE_CRITICAL);
	if (sure && !c->result && n->protocol == IPPROTO_TCP)
		connection_open(s, sk, 0);
	if (p)
		bpf_map_delete_elem(&pendings, &key);
	if (protocol != IPPROTO_TCP)
		fd_connected(c->a[0], sock_file(KREAD(sk, sk_socket)));
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_connect, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	connect_exit(s, &c, (void *)c.a[1], c.a[2], 0);
	note_drop();
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *csk, const int old_state, const int new_state)
{
	struct sock *sk = (struct sock *)csk;
	__u64 key = (__u64)sk;
	struct task_state *st;
	__u32 number, via;
	struct pending *p;
	struct slot *s;
	long result = 0;

	if (new_state == TCP_SYN_SENT) {
		if (!in_scope())
			return 0;
		bpf_map_update_elem(&pendings, &key, (void *)&pending_fresh, BPF_ANY);
		p = bpf_map_lookup_elem(&pendings, &key);
		if (!p)
			return 0;
		p->socket = bpf_get_socket_cookie((void *)csk);
		call_current(&number, &via);
		st = number == NR_connect ? state_current() : NULL;
		if (st)
			st->connecting = key;
		p->remote_bytes = sock_address(sk, true, &p->remote);
		p->local_bytes = sock_address(sk, false, &p->local);
		return 0;
	}
	if (!target_cgroup && !stray_tasks)
		return 0;
	if (old_state != TCP_SYN_SENT) {
		struct hd_header *c;

		if (new_state != TCP_CLOSE)
			return 0;
		c = bpf_map_lookup_elem(&connections, &key);
		if (!c)
			return 0;
		s = slot_take(SLOT_SOFTIRQ, HD_TRAFFIC);
		if (s) {
			traffic_emit(s, sk, c);
			slot_drop(s);
		}
		bpf_map_delete_elem(&connections, &key);
		return 0;
	}
	p = bpf_map_lookup_elem(&pendings, &key);
	if (!p || p->decided)
		return 0;
	p->local_bytes = sock_address(sk, false, &p->local);
	if (new_state == TCP_CLOSE) {
		result = -KREAD(sk, sk_err);
		if (!result)
			result = -EINPROGRESS;
	}
	p->decided = 1;
	p->result = result;
	if (!p->waiting)
		return 0;
	s = slot_take(SLOT_SOFTIRQ, HD_NETWORK_CONNECT);
	if (s) {
		pending_emit(s, p, result);
		if (!result)
			connection_open(s, sk, 0);
		slot_drop(s);
	}
	if (p->restarts)
		p->told = 1;
	else
		bpf_map_delete_elem(&pendings, &key);
	return 0;
}

/* ---- bind, listen, accept ---- */

/* Who listens on a port: a connection's first segments come before anyone has accepted it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct hd_header);
} listeners SEC(".maps");

INLINE void listener_note(struct slot *s, struct sock *sk)
{
	__u32 port = KREAD(sk, __sk_common.skc_num);

	bpf_map_update_elem(&listeners, &port, s->frame, BPF_ANY);
}

/* It listens, but the descriptor that lay in memory is no socket any more. */
INLINE void listen_somewhere(struct slot *s, const struct call *c)
{
	struct hd_net *n = (struct hd_net *)frame_begin(s, HD_NETWORK_LISTEN, sizeof(*n));

	frame_call(&n->h, c);
	n->result = 0;
	n->socket = 0;
	n->family = n->socket_type = n->protocol = n->pad0 = 0;
	n->flags = c->number == NR_bind ? HD_NET_BIND : 0;
	n->backlog = c->number == NR_bind ? 0 : c->a[1];
	frame_submit(s, HD_LANE_CRITICAL);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_listen, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock;
	struct hd_net *n;
	struct sock *sk;
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	sock = fd_socket(c.a[0]);
	if (!sock) {
		if (c.memory && !ret)
			listen_somewhere(s, &c);
		return 0;
	}
	sk = KREAD(sock, sk);
	n = net_begin(s, HD_NETWORK_LISTEN, &c, sk);
	if (c.number == NR_bind) {
		/* Binding a datagram socket is all it takes to receive. */
		if (n->socket_type != SOCK_DGRAM ||
		    (n->family != AF_INET && n->family != AF_INET6 && n->family != AF_UNIX))
			return 0;
		n->flags = HD_NET_BIND;
	} else {
		n->backlog = c.a[1];
	}
	if (ret && c.number == NR_bind) {
		item_user_address(s, HD_I_SOCKADDR2, (void *)c.a[1], c.a[2]);
		frame_submit(s, HD_LANE_CRITICAL);
		return 0;
	}
	if (!c.memory)
		n->h.flags |= HD_F_VERIFIED;
	if (fd_doubted(c.a[0], 0))
		s->doubt = 1;
	note_drop();
	item_near(s, sk, n->family);
	frame_submit(s, HD_LANE_CRITICAL);
	if (!ret && n->protocol == IPPROTO_TCP)
		listener_note(s, sk);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_accept, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *sock;
	struct hd_net *n;
	struct sock *sk;
	struct call c;

	if (!s || ret < 0)
		return 0;
	call_read(&c, regs, ret);
	sock = fd_socket(ret);
	if (!sock) {
		/* Another thread has closed the new descriptor already: that somebody came is told all the same. */
		n = (struct hd_net *)frame_begin(s, HD_NETWORK_ACCEPT, sizeof(*n));
		frame_call(&n->h, &c);
		n->result = ret;
		n->socket = 0;
		n->family = n->socket_type = n->protocol = n->flags = n->backlog = n->pad0 = 0;
		note_drop();
		frame_submit(s, HD_LANE_CRITICAL);
		return 0;
	}
	sk = KREAD(sock, sk);
	n = net_begin(s, HD_NETWORK_ACCEPT, &c, sk);
	n->h.flags |= HD_F_VERIFIED;
	if (fd_doubted(ret, 0))
		s->doubt = 1;
	note_drop();
	if (n->family == AF_UNIX) {
		struct sock *peer = KREAD((struct unix_sock *)sk, peer);

		item_unix(s, sk, HD_I_PATH, HD_I_SOCKADDR2);
		if (peer)
			item_unix(s, peer, HD_I_PATH2, HD_I_SOCKADDR);
	} else {
		item_ends(s, sk, n->family);
	}
	frame_submit(s, HD_LANE_CRITICAL);
	if (n->protocol == IPPROTO_TCP)
		connection_open(s, sk, 1);
	return 0;
}

/* ---- sends that name an address ---- */

struct destination {
	__u64 socket;
	__u8 address[16];
	__u32 port;  /* 0: unix */
	__u32 inode; /* of a unix socket, whose memory may become another's */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct destination);
	__type(value, __u64);
} destinations SEC(".maps");

INLINE void destination_from(struct destination *k, struct socket *sock)
{
	k->socket = (__u64)KREAD(sock, sk);
	k->inode = KREAD(sock, file, f_inode, i_ino);
}

/* True the first time. A datagram socket and a destination give one event, as a connect would. */
INLINE bool destination_new(const struct destination *k)
{
	__u64 one = 1;

	if (bpf_map_lookup_elem(&destinations, k))
		return false;
	bpf_map_update_elem(&destinations, k, &one, BPF_ANY);
	return true;
}

/* FNV-1a over the caller's sockaddr, eight bytes at a time: tells destinations of one socket apart. */
INLINE void destination_of_user(struct slot *s, struct destination *k, const void *address, __u64 bytes)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	__builtin_memset(s->words, 0, sizeof(s->words));
	bpf_probe_read_user(s->words, masked(bytes, sizeof(s->words) - 1), address);
	for (int i = 0; i < 16; i++)
		hash = (hash ^ s->words[i]) * 0x100000001b3ULL;
	__builtin_memcpy(k->address, &hash, 8);
}

struct msghdr_user {
	__u64 name;
	__u32 name_bytes;
};

/* The destination that a struct msghdr names: 32-bit callers have a narrower one. */
INLINE long msghdr_read(struct msghdr_user *m, const struct call *c)
{
	struct {
		__u32 name, name_bytes;
	} narrow = {};
	long r;

	if (c->via != HD_VIA_COMPAT)
		return bpf_probe_read_user(m, sizeof(*m), (void *)c->a[1]);
	r = bpf_probe_read_user(&narrow, sizeof(narrow), (void *)c->a[1]);
	m->name = narrow.name;
	m->name_bytes = narrow.name_bytes;
	return r;
}

/* Datagrams that the kernel let out are told from the packet itself (packet.h); here are unix ones and failures. */
INLINE void send_to(struct slot *s, struct call *c, const void *address, __u32 bytes, __u32 message_flags)
{
	struct socket *sock;
	struct hd_net *n;
	struct sock *sk;
	__u16 type;

	if (!address || bytes < 2)
		return;
	sock = fd_socket(c->a[0]);
	if (!sock)
		return;
	type = KREAD(sock, type);
	sk = KREAD(sock, sk);
	if (type == SOCK_STREAM) {
		if (message_flags & MSG_FASTOPEN)
			connect_exit(s, c, address, bytes, HD_NET_FASTOPEN);
		return;
	}
	n = net_begin(s, HD_NETWORK_CONNECT, c, sk);
	if (c->result >= 0 && (n->family == AF_INET || n->family == AF_INET6))
		return;
	if (c->result >= 0) {
		struct destination k = {};

		destination_from(&k, sock);
		destination_of_user(s, &k, address, bytes);
		if (!destination_new(&k))
			return;
		n->result = 0;
	}
	n->flags = HD_NET_DATAGRAM;
	item_user_address(s, HD_I_SOCKADDR, address, bytes);
	frame_submit(s, HD_LANE_CRITICAL);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_send, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct msghdr_user m = {};
	struct call c;
	__u32 flags;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	if (c.number == NR_sendto) {
		m.name = c.a[4];
		m.name_bytes = c.a[5];
		flags = c.a[3];
	} else {
		/* struct mmsghdr begins with its msghdr; the first message stands for the call. */
		if (msghdr_read(&m, &c))
			return 0;
		flags = c.number == NR_sendmsg ? c.a[2] : c.a[3];
	}
	if (m.name)
		send_to(s, &c, (void *)m.name, m.name_bytes, flags);
	return 0;
}

#endif
