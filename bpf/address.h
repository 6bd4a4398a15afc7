/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of sockets as items: the kernel's, by family, and the caller's. */
#ifndef HEDDLE_BPF_ADDRESS_H
#define HEDDLE_BPF_ADDRESS_H

#include "path.h"

struct vsock_sock {
	struct vsock_address local_addr, remote_addr;
} __attribute__((preserve_access_index));

struct sockaddr_any {
	__u16 family;
	__be16 port;
	union {
		__be32 v4;
		struct {
			__u32 flow;
			__u8 v6[16];
			__u32 scope;
		} __attribute__((packed));
	};
} __attribute__((packed));

/* Fills an inet address of the socket; returns its size, 0 for another family. */
INLINE __u32 sock_address(struct sock *sk, bool remote, struct sockaddr_any *a)
{
	__u16 family = KREAD(sk, __sk_common.skc_family);

	a->family = family;
	if (remote)
		a->port = KREAD(sk, __sk_common.skc_dport);
	else
		a->port = KREAD((struct inet_sock *)sk, inet_sport); /* skc_num is gone by the time a socket closes */
	if (family == AF_INET) {
		a->v4 = remote ? KREAD(sk, __sk_common.skc_daddr) :
				 KREAD(sk, __sk_common.skc_rcv_saddr);
		return 8;
	}
	if (family != AF_INET6)
		return 0;
	a->flow = 0;
	a->scope = 0;
	if (remote)
		bpf_core_read(a->v6, 16, &sk->__sk_common.skc_v6_daddr);
	else
		bpf_core_read(a->v6, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	return 28;
}

/* The address in the slot's words. */
__noinline int address_item(__u32 slot_kind, __u32 kind, __u32 bytes)
{
	struct slot *s = slot_get(slot_kind);

	if (!s)
		return 0;
	if (bytes == 8) {
		/* The rest of a sockaddr_in is padding. */
		item_bytes(s, kind, s->words, 16);
	} else if (bytes == 28) {
		item_bytes(s, kind, s->words, 28);
	}
	return 0;
}

INLINE void item_address(struct slot *s, __u16 kind, const struct sockaddr_any *a, __u32 bytes)
{
	__builtin_memcpy(s->words, a, sizeof(*a));
	address_item(s->kind, kind, bytes);
}

/* The name of a unix socket: the kernel's path where it is bound to a file, else the abstract name. */
INLINE void item_unix(struct slot *s, struct sock *sk, __u16 path_kind, __u16 address_kind)
{
	struct unix_sock *u = (struct unix_sock *)sk;
	struct dentry *d = KREAD(u, path.dentry);
	struct unix_address *addr;

	if (d) {
		item_path(s, path_kind, KREAD(u, path.mnt), d);
		return;
	}
	addr = KREAD(u, addr);
	if (addr)
		item_kernel(s, address_kind, &addr->name, KREAD(addr, len));
}

INLINE bool item_vsock(struct slot *s, __u16 kind, struct sock *sk, bool remote)
{
	struct vsock_sock *v = (struct vsock_sock *)sk;
	struct vsock_address a = {};

	if (!bpf_core_field_exists(v->remote_addr))
		return false;
	if (remote)
		bpf_core_read(&a, sizeof(a), &v->remote_addr);
	else
		bpf_core_read(&a, sizeof(a), &v->local_addr);
	item_bytes(s, kind, &a, sizeof(a));
	return true;
}

INLINE bool item_netlink(struct slot *s, __u16 kind, struct sock *sk, bool remote)
{
	struct netlink_sock *n = (struct netlink_sock *)sk;
	struct {
		__u16 family, pad;
		__u32 portid, groups;
	} a = { AF_NETLINK, 0, 0, 0 };

	if (remote) {
		a.portid = KREAD(n, dst_portid);
		a.groups = KREAD(n, dst_group);
		if (a.groups)
			a.groups = 1U << ((a.groups - 1) & 31);
	} else {
		a.portid = KREAD(n, portid);
	}
	item_bytes(s, kind, &a, sizeof(a));
	return true;
}

/* The caller's sockaddr: what it asked for. The name of a unix socket goes out as a path of the caller's. */
__noinline int user_address_item(__u32 slot_kind, __u32 kind, __u64 address, __u64 bytes)
{
	struct slot *s = slot_get(slot_kind);
	const void *from = (const void *)address;
	struct {
		__u16 family;
		char first;
	} __attribute__((packed)) head = {};
	__u32 at;

	if (!s || !from || bytes < 2)
		return 0;
	if (bytes > 2 && !bpf_probe_read_user(&head, sizeof(head), from) && head.family == AF_UNIX && head.first) {
		item_user_path(s, HD_I_NAME, HD_I_BASE, AT_FDCWD, from + 2);
		return 0;
	}
	at = item_open(s, kind);
	if (!at || at > FRAME_BYTES - FRAME_SLACK)
		return 0;
	if (bytes > 128)
		bytes = 128;
	bytes = masked(bytes, 0xff);
	if (bpf_probe_read_user((void *)s->frame + at + sizeof(struct hd_item), bytes, from))
		bytes = 0;
	item_close(s, at, bytes, 0);
	return 0;
}

INLINE void item_user_address(struct slot *s, __u16 kind, const void *from, __u64 bytes)
{
	user_address_item(s->kind, kind, (__u64)from, bytes);
}

/* Both ends of a socket, as far as its family has them. Returns true when the remote end came from the kernel. */
__noinline int socket_ends(__u32 slot_kind, __u32 family)
{
	struct slot *s = slot_get(slot_kind);
	struct sockaddr_any *a;
	struct sock *sk, *peer;

	if (!s)
		return false;
	a = (struct sockaddr_any *)s->words; /* io_uring comes here with little stack left */
	sk = (struct sock *)s->argument;
	switch (family) {
	case AF_INET:
	case AF_INET6:
		item_address(s, HD_I_SOCKADDR, a, sock_address(sk, true, a));
		item_address(s, HD_I_SOCKADDR2, a, sock_address(sk, false, a));
		return true;
	case AF_UNIX:
		peer = KREAD((struct unix_sock *)sk, peer);
		if (peer)
			item_unix(s, peer, HD_I_PATH, HD_I_SOCKADDR);
		return peer != NULL;
	case AF_NETLINK:
		return item_netlink(s, HD_I_SOCKADDR, sk, true);
	case AF_VSOCK:
		return item_vsock(s, HD_I_SOCKADDR, sk, true);
	}
	return false;
}

INLINE bool item_ends(struct slot *s, struct sock *sk, __u32 family)
{
	s->argument = (__u64)sk;
	return socket_ends(s->kind, family);
}

/* The near end of a socket that is bound or listens. */
__noinline int socket_near(__u32 slot_kind, __u32 family)
{
	struct slot *s = slot_get(slot_kind);
	struct sockaddr_any *a;
	struct sock *sk;

	if (!s)
		return 0;
	a = (struct sockaddr_any *)s->words;
	sk = (struct sock *)s->argument;
	if (family == AF_UNIX)
		item_unix(s, sk, HD_I_PATH, HD_I_SOCKADDR2);
	else if (family == AF_VSOCK)
		item_vsock(s, HD_I_SOCKADDR2, sk, false);
	else
		item_address(s, HD_I_SOCKADDR2, a, sock_address(sk, false, a));
	return 0;
}

INLINE void item_near(struct slot *s, struct sock *sk, __u32 family)
{
	s->argument = (__u64)sk;
	socket_near(s->kind, family);
}

#endif
