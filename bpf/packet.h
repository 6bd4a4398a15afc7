/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets at the root of the cgroup tree: DNS on port 53 whichever call carried it, and the first datagram of a
 * socket to each destination. The program leaves at its second test for any other packet.
 */
#ifndef HEDDLE_BPF_PACKET_H
#define HEDDLE_BPF_PACKET_H

#include "net.h"

/* By cookie: learnt when a socket is made or sends, for what it receives. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct hd_header);
} owners SEC(".maps");

struct packet {
	__u8 local[16], remote[16];
	__u32 payload;     /* offset of the UDP or TCP payload */
	__u32 payload_bytes;
	__u32 tcp_seq;
	__u16 local_port, remote_port; /* host order */
	__u8 family, protocol, tcp_flags, egress;
};

INLINE bool dns_port(__u16 port)
{
	if (port == 53)
		return true;
	for (int i = 0; i < HD_MAX_DNS_PORTS; i++)
		if (cfg_dns_ports[i] && cfg_dns_ports[i] == port)
			return true;
	return false;
}

/* IP and transport headers; extension headers of IPv6 are not followed, a DNS packet has none. */
INLINE bool packet_parse(struct __sk_buff *skb, struct packet *p)
{
	__u8 head[40];
	__be16 ports[2];
	__u32 transport, src, dst;

	if (bpf_skb_load_bytes(skb, 0, head, 20))
		return false;
	if ((head[0] >> 4) == 4) {
		p->family = AF_INET;
		p->protocol = head[9];
		transport = (head[0] & 15) * 4;
		__builtin_memcpy(p->egress ? p->local : p->remote, head + 12, 4);
		__builtin_memcpy(p->egress ? p->remote : p->local, head + 16, 4);
	} else {
		if (bpf_skb_load_bytes(skb, 0, head, 40))
			return false;
		p->family = AF_INET6;
		p->protocol = head[6];
		transport = 40;
		__builtin_memcpy(p->egress ? p->local : p->remote, head + 8, 16);
		__builtin_memcpy(p->egress ? p->remote : p->local, head + 24, 16);
	}
	if (p->protocol != IPPROTO_UDP && p->protocol != IPPROTO_TCP) {
		p->payload = transport;
		return true;
	}
	if (bpf_skb_load_bytes(skb, transport, ports, 4))
		return false;
	src = __builtin_bswap16(ports[0]);
	dst = __builtin_bswap16(ports[1]);
	p->local_port = p->egress ? src : dst;
	p->remote_port = p->egress ? dst : src;
	if (p->protocol == IPPROTO_UDP) {
		p->payload = transport + 8;
	} else {
		__be32 seq = 0;
		__u8 bits[2] = {};

		bpf_skb_load_bytes(skb, transport + 4, &seq, 4);
		bpf_skb_load_bytes(skb, transport + 12, bits, 2);
		p->tcp_seq = __builtin_bswap32(seq);
		p->tcp_flags = bits[1];
		p->payload = transport + (bits[0] >> 4) * 4;
	}
	p->payload_bytes = skb->len > p->payload ? skb->len - p->payload : 0;
	return true;
}

/* Is the current task a member? A datagram, and the first segment of a stream, leave in their sender's context. */
INLINE bool packet_sender_in_scope(struct task_struct *t)
{
	__u32 tgid;

	if (task_in_cgroup(t))
		return true;
	if (!stray_tasks)
		return false;
	tgid = KREAD(t, tgid);
	return bpf_map_lookup_elem(&stray_processes, &tgid) != NULL;
}

INLINE void packet_dns(struct __sk_buff *skb, struct slot *s, const struct packet *p, const struct hd_header *who,
		       __u64 cookie)
{
	struct hd_dns *d = (struct hd_dns *)s->frame;
	__u64 n = p->payload_bytes;
	__u32 at;
	__u8 third[1] = {};

	__builtin_memcpy(&d->h, who, sizeof(d->h));
	bpf_skb_load_bytes(skb, p->payload + 2, third, 1);
	if (p->protocol == IPPROTO_UDP)
		d->h.type = third[0] & 0x80 ? HD_DNS_RESPONSE : HD_DNS_QUERY;
	else
		d->h.type = dns_port(p->remote_port) == p->egress ? HD_DNS_QUERY : HD_DNS_RESPONSE;
	d->h.size = sizeof(*d);
	d->h.time_ns = bpf_ktime_get_boot_ns();
	d->h.cpu = bpf_get_smp_processor_id();
	d->h.flags = HD_F_VERIFIED;
	d->h.syscall = HD_NO_SYSCALL;
	d->h.via = HD_VIA_SYSCALL;
	d->socket = cookie;
	d->tcp_seq = p->tcp_seq;
	d->local_port = p->local_port;
	d->remote_port = p->remote_port;
	__builtin_memcpy(d->local, p->local, 16);
	__builtin_memcpy(d->remote, p->remote, 16);
	d->family = p->family;
	d->protocol = p->protocol;
	d->egress = p->egress;
	d->tcp_flags = p->tcp_flags;
	d->payload_bytes = n;
	at = item_open(s, HD_I_PACKET);
	if (!at || at > FRAME_BYTES - HD_PACKET_MAX - FRAME_SLACK)
		return;
	if (n > HD_PACKET_MAX)
		n = HD_PACKET_MAX;
	n = masked(n - 1, HD_PACKET_MAX - 1) + 1; /* the callers give no empty payload */
	if (bpf_skb_load_bytes(skb, p->payload, (void *)s->frame + at + sizeof(struct hd_item), n))
		n = 0;
	item_close(s, at, n, 0);
	frame_submit(s, HD_LANE_CRITICAL);
}

/* The first datagram of an unconnected socket to a destination stands for a connect. */
INLINE void packet_datagram(struct slot *s, const struct packet *p, const struct hd_header *who, __u64 cookie,
			    __u32 type)
{
	struct sockaddr_any a = {}, b = {};
	struct destination k = {};
	struct hd_net *n;

	k.socket = cookie;
	__builtin_memcpy(k.address, p->remote, 16);
	k.port = p->remote_port;
	if (!destination_new(&k))
		return;
	n = (struct hd_net *)s->frame;
	__builtin_memcpy(&n->h, who, sizeof(n->h));
	n->h.type = HD_NETWORK_CONNECT;
	n->h.size = sizeof(*n);
	n->h.flags = HD_F_VERIFIED;
	n->h.via = HD_VIA_SYSCALL;
	n->h.syscall = HD_NO_SYSCALL;
	n->result = 0;
	n->socket = cookie;
	n->family = p->family;
	n->socket_type = type;
	n->protocol = p->protocol;
	n->flags = HD_NET_DATAGRAM;
	n->backlog = n->pad0 = 0;
	a.family = b.family = p->family;
	a.port = __builtin_bswap16(p->remote_port);
	b.port = __builtin_bswap16(p->local_port);
	if (p->family == AF_INET) {
		__builtin_memcpy(&a.v4, p->remote, 4);
		__builtin_memcpy(&b.v4, p->local, 4);
	} else {
		__builtin_memcpy(a.v6, p->remote, 16);
		__builtin_memcpy(b.v6, p->local, 16);
	}
	item_address(s, HD_I_SOCKADDR, &a, p->family == AF_INET ? 8 : 28);
	item_address(s, HD_I_SOCKADDR2, &b, p->family == AF_INET ? 8 : 28);
	frame_submit(s, HD_LANE_CRITICAL);
}

/* Neither DNS nor a datagram: nothing here. Decided from the socket alone, before any byte of the packet is read. */
INLINE bool packet_wanted(const struct bpf_sock *sk, bool egress)
{
	bool dns = dns_port(sk->src_port) || dns_port(__builtin_bswap16(sk->dst_port));

	if (sk->protocol == IPPROTO_TCP)
		return dns;
	return egress || dns || sk->protocol == IPPROTO_UDP;
}

INLINE int packet_egress(struct __sk_buff *skb, struct bpf_sock *sk, struct slot *s)
{
	struct task_struct *t = current_task();
	struct packet p = {};
	struct hd_header *owner, fresh = {};
	__u64 cookie;

	p.egress = 1;
	if (!packet_parse(skb, &p))
		return 1;
	cookie = bpf_get_socket_cookie(skb);
	owner = bpf_map_lookup_elem(&owners, &cookie);
	if (!owner || p.protocol != IPPROTO_TCP) {
		/* A segment may leave in anyone's context (an acknowledgement sends it): ask its socket. */
		if (p.protocol == IPPROTO_TCP ? bpf_skb_ancestor_cgroup_id(skb, target_level) != target_cgroup :
						!packet_sender_in_scope(t))
			return 1;
		frame_task(&fresh, t);
		fresh.ns_pid = task_ns_pid(t);
		fresh.time_ns = bpf_ktime_get_boot_ns();
		fresh.cpu = bpf_get_smp_processor_id();
		bpf_map_update_elem(&owners, &cookie, &fresh, BPF_ANY);
		owner = bpf_map_lookup_elem(&owners, &cookie);
		if (!owner)
			return 1;
	}
	/* A datagram socket that is connected has told so by its connect. */
	if (p.protocol != IPPROTO_TCP && sk->state != TCP_ESTABLISHED)
		packet_datagram(s, &p, owner, cookie, sk->type);
	if (p.payload_bytes && (dns_port(p.local_port) || dns_port(p.remote_port)))
		packet_dns(skb, s, &p, owner, cookie);
	return 1;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct slot *s;

	if (!target_cgroup && !stray_tasks)
		return 1;
	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !packet_wanted(sk, true))
		return 1;
	s = slot_take(SLOT_EGRESS, HD_NETWORK_CONNECT);
	if (!s)
		return 1;
	packet_egress(skb, sk, s);
	slot_drop(s);
	return 1;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct packet p = {};
	struct hd_header *owner;
	struct slot *s;
	__u64 cookie;
	__u32 port;

	if (!target_cgroup && !stray_tasks)
		return 1;
	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !packet_wanted(sk, false))
		return 1;
	if (!packet_parse(skb, &p) || !p.payload_bytes)
		return 1;
	if (!dns_port(p.local_port) && !dns_port(p.remote_port))
		return 1;
	cookie = bpf_get_socket_cookie(skb);
	owner = bpf_map_lookup_elem(&owners, &cookie);
	if (!owner && p.protocol == IPPROTO_TCP &&
	    bpf_sk_ancestor_cgroup_id(sk, target_level) == target_cgroup) {
		port = p.local_port;
		owner = bpf_map_lookup_elem(&listeners, &port);
		if (owner)
			bpf_map_update_elem(&owners, &cookie, owner, BPF_ANY);
	}
	if (!owner)
		return 1;
	s = slot_take(SLOT_SOFTIRQ, HD_DNS_RESPONSE);
	if (s) {
		packet_dns(skb, s, &p, owner, cookie);
		slot_drop(s);
	}
	return 1;
}

/* A socket's owner from its first moment, so that a server is known before it has sent anything. */
SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *sk)
{
	struct task_struct *t = current_task();
	struct hd_header fresh = {};
	__u64 cookie;

	if (!target_cgroup && !stray_tasks)
		return 1;
	if (!packet_sender_in_scope(t))
		return 1;
	cookie = bpf_get_socket_cookie(sk);
	frame_task(&fresh, t);
	fresh.ns_pid = task_ns_pid(t);
	fresh.time_ns = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&owners, &cookie, &fresh, BPF_ANY);
	return 1;
}

#endif
