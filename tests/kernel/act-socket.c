/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of every family, who listens, who is let in. */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void case_families(void)
{
	static const struct {
		int family, type, protocol;
		const char *what, *fields;
	} table[] = {
		{ AF_INET, SOCK_STREAM, 0, "TCP", "@family=AF_INET|@socket_type=SOCK_STREAM|@protocol=tcp" },
		{ AF_INET, SOCK_DGRAM, 0, "UDP", "@family=AF_INET|@socket_type=SOCK_DGRAM|@protocol=udp" },
		{ AF_INET, SOCK_RAW, IPPROTO_ICMP, "ICMP", "@family=AF_INET|@socket_type=SOCK_RAW|@protocol=icmp" },
		{ AF_INET, SOCK_RAW, 99, "a raw protocol without a name",
		  "@family=AF_INET|@socket_type=SOCK_RAW|@protocol=99" },
		{ AF_INET6, SOCK_STREAM, IPPROTO_TCP, "TCP over IPv6",
		  "@family=AF_INET6|@socket_type=SOCK_STREAM|@protocol=tcp" },
		{ AF_INET6, SOCK_DGRAM, 0, "UDP over IPv6", "@family=AF_INET6|@socket_type=SOCK_DGRAM|@protocol=udp" },
		{ AF_UNIX, SOCK_STREAM, 0, "a unix stream", "@family=AF_UNIX|@socket_type=SOCK_STREAM" },
		{ AF_UNIX, SOCK_DGRAM, 0, "unix datagrams", "@family=AF_UNIX|@socket_type=SOCK_DGRAM" },
		{ AF_UNIX, SOCK_SEQPACKET, 0, "unix packets", "@family=AF_UNIX|@socket_type=SOCK_SEQPACKET" },
		{ AF_NETLINK, SOCK_RAW, 0, "netlink", "@family=AF_NETLINK|@socket_type=SOCK_RAW" },
		{ AF_PACKET, SOCK_RAW, 0, "packet", "@family=AF_PACKET|@socket_type=SOCK_RAW" },
		{ AF_VSOCK, SOCK_STREAM, 0, "vsock", "@family=AF_VSOCK|@socket_type=SOCK_STREAM" },
		{ AF_ALG, SOCK_SEQPACKET, 0, "kernel crypto", "@family=AF_ALG|@socket_type=SOCK_SEQPACKET" },
		{ AF_CAN, SOCK_RAW, 1, "CAN", "@family=AF_CAN|@socket_type=SOCK_RAW" },
		{ AF_BLUETOOTH, SOCK_RAW, 1, "Bluetooth", "@family=AF_BLUETOOTH|@socket_type=SOCK_RAW" },
		{ AF_TIPC, SOCK_RDM, 0, "TIPC", "@family=AF_TIPC|@socket_type=SOCK_RDM" },
		{ AF_XDP, SOCK_RAW, 0, "XDP", "@family=AF_XDP|@socket_type=SOCK_RAW" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect("network_socket", table[i].what, "%s|%s", table[i].fields,
		       any(socket(table[i].family, table[i].type | SOCK_CLOEXEC | SOCK_NONBLOCK, table[i].protocol)));
}

static int nobody(void *context)
{
	if (!must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "become nobody"))
		return 1;
	expect("network_socket", "a raw socket as nobody",
	       "@family=AF_INET|socket_type=SOCK_RAW|protocol=icmp|uid=65534|%s",
	       no(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM));
	expect("network_socket", "a packet socket as nobody", "@family=AF_PACKET|socket_type=SOCK_RAW|%s",
	       no(socket(AF_PACKET, SOCK_RAW, 0), EPERM));
	return 0;
}

static void case_refused(void)
{
	expect("network_socket", "a family that is none", "@result=-97|error=EAFNOSUPPORT|+family|%s",
	       no(socket(63, SOCK_STREAM, 0), EAFNOSUPPORT));
	expect("network_socket", "a type that is none", "@result=-22|error=EINVAL|family=AF_INET|%s",
	       no(socket(AF_INET, 11, 0), EINVAL));
	expect("network_socket", "a protocol that does not fit",
	       "@result=-93|error=EPROTONOSUPPORT|family=AF_INET|protocol=udp|%s",
	       no(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT));
	(void)in_child(nobody, NULL);
}

static unsigned port_of(int fd)
{
	struct sockaddr_in6 a = { 0 };
	socklen_t n = sizeof(a);

	(void)getsockname(fd, (struct sockaddr *)&a, &n);
	return ntohs(a.sin6_port);
}

static int bound(int family, int type)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	(void)must(
	    bind(fd, family == AF_INET ? (void *)&v4 : (void *)&v6, family == AF_INET ? sizeof(v4) : sizeof(v6)) == 0,
	    "bind");
	return fd;
}

static void case_listen(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "listener" };
	struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0kernel-test-abstract" };
	int fd = bound(AF_INET, SOCK_STREAM);

	expect("network_listen", "TCP", "@family=AF_INET|@address=127.0.0.1|port=%u|backlog=7|protocol=tcp|%s",
	       port_of(fd), ok(listen(fd, 7)));
	fd = bound(AF_INET6, SOCK_STREAM);
	expect("network_listen", "TCP over IPv6", "@family=AF_INET6|@address=::1|port=%u|backlog=8|%s", port_of(fd),
	       ok(listen(fd, 8)));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(listen(fd, 9) == 0, "listen");
	expect("network_listen", "a listener that the kernel gives a port",
	       "@family=AF_INET|@address=0.0.0.0|port=%u|backlog=9|%s", port_of(fd), ok(0));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0, "bind");
	expect("network_listen", "a unix path", "@family=AF_UNIX|@path=%s|backlog=3|-port|%s", at("listener"),
	       ok(listen(fd, 3)));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(bind(fd, (struct sockaddr *)&abstract, (socklen_t)(sizeof(sa_family_t) + 21)) == 0, "bind");
	expect("network_listen", "an abstract unix name", "@family=AF_UNIX|@path=@kernel-test-abstract|backlog=4|%s",
	       ok(listen(fd, 4)));
}

static void case_listen_datagram(void)
{
	struct sockaddr_in taken = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = bound(AF_INET, SOCK_DGRAM);

	expect("network_listen", "a bound datagram socket",
	       "@family=AF_INET|@address=127.0.0.1|@result=0|port=%u|protocol=udp|-backlog|%s", port_of(fd), ok(0));
	taken.sin_port = htons((uint16_t)port_of(fd));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	expect("network_listen", "a datagram port that is taken",
	       "@result=-98|error=EADDRINUSE|address=127.0.0.1|port=%u|%s", ntohs(taken.sin_port),
	       no(bind(fd, (struct sockaddr *)&taken, sizeof(taken)), EADDRINUSE));
	fd = bound(AF_INET6, SOCK_DGRAM);
	expect("network_listen", "a bound datagram socket over IPv6",
	       "@family=AF_INET6|@address=::1|port=%u|protocol=udp|%s", port_of(fd), ok(0));
}

static void case_listen_refused(void)
{
	int fd = bound(AF_INET, SOCK_DGRAM), two;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	expect("network_listen", "listen on datagrams", "@result=-95|error=EOPNOTSUPP|%s",
	       no(listen(fd, 1), EOPNOTSUPP));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	two = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(two, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	a.sin_port = htons((uint16_t)port_of(fd));
	(void)must(bind(two, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0, "bind twice");
	expect("network_listen", "a port that another listens on", "@result=-98|error=EADDRINUSE|protocol=tcp|%s",
	       no(listen(two, 1), EADDRINUSE));
}

static void accept_one(int listener, const char *what, const char *address, int flags)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	int client, server;

	(void)getsockname(listener, (struct sockaddr *)&a, &n);
	client = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(connect(client, (struct sockaddr *)&a, n) == 0, "connect");
	server = flags < 0 ? accept(listener, NULL, NULL) : accept4(listener, NULL, NULL, flags);
	expect("network_accept", what, "@peer=%s|@peer_port=%u|address=%s|port=%u|family=%s|protocol=tcp|%s", address,
	       port_of(client), address, port_of(listener), a.ss_family == AF_INET ? "AF_INET" : "AF_INET6",
	       ok(server));
	(void)close(client);
	(void)close(server);
}

static void case_accept(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "door" };
	int fd = bound(AF_INET, SOCK_STREAM), six = bound(AF_INET6, SOCK_STREAM), client;

	(void)must(listen(fd, 5) == 0 && listen(six, 5) == 0, "listen");
	accept_one(fd, "accept", "127.0.0.1", -1);
	accept_one(fd, "accept4", "127.0.0.1", SOCK_CLOEXEC);
	accept_one(six, "accept4 over IPv6", "::1", SOCK_NONBLOCK);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0 && listen(fd, 1) == 0 &&
		       connect(client, (struct sockaddr *)&un, sizeof(un)) == 0,
		   "a unix listener");
	expect("network_accept", "a unix socket", "@family=AF_UNIX|path=%s|-port|%s", at("door"),
	       ok(accept(fd, NULL, NULL)));
}

static void case_accept_mapped(void)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	(void)must(bind(fd, (struct sockaddr *)&any6, sizeof(any6)) == 0 && listen(fd, 1) == 0, "listen");
	v4.sin_port = htons((uint16_t)port_of(fd));
	(void)must(connect(client, (struct sockaddr *)&v4, sizeof(v4)) == 0, "connect");
	expect("network_accept", "a v4-mapped peer prints as IPv4",
	       "@peer=127.0.0.1|peer_port=%u|address=127.0.0.1|port=%u|%s", port_of(client), port_of(fd),
	       ok(accept(fd, NULL, NULL)));
}

static const struct act_case cases[] = {
	{ "families", case_families },
	{ "refused", case_refused },
	{ "listen", case_listen },
	{ "listen-datagram", case_listen_datagram },
	{ "listen-refused", case_listen_refused },
	{ "accept", case_accept },
	{ "accept-mapped", case_accept_mapped },
	{ 0 },
};

const struct act_family family_socket = { "socket", "network_socket, network_listen, network_accept", cases, NULL };
