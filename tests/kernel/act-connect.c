/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: what became of them, and datagrams that carry their own address. */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in v4_port(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				     .sin_port = htons((uint16_t)port) };
}

static unsigned port_of(int fd)
{
	struct sockaddr_in6 a = { 0 };
	socklen_t n = sizeof(a);

	(void)getsockname(fd, (struct sockaddr *)&a, &n);
	return ntohs(a.sin6_port);
}

static int listener_of(int family, int backlog, unsigned *port)
{
	struct sockaddr_in v4 = v4_port(0);
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)must(
	    bind(fd, family == AF_INET ? (void *)&v4 : (void *)&v6, family == AF_INET ? sizeof(v4) : sizeof(v6)) == 0 &&
		listen(fd, backlog) == 0,
	    "a listener");
	*port = port_of(fd);
	return fd;
}

/* A port that nobody listens on, kept by a bound socket. */
static unsigned closed_port(void)
{
	struct sockaddr_in a = v4_port(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	return port_of(fd);
}

#define TCP4 "family=AF_INET|socket_type=SOCK_STREAM|protocol=tcp|"

static void case_tcp(void)
{
	unsigned port, closed = closed_port();
	struct sockaddr_in a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)listener_of(AF_INET, 5, &port);
	a = v4_port(port);
	(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	expect("network_connect", "TCP",
	       "@destination=127.0.0.1|@destination_port=%u|source=127.0.0.1|source_port=%u|" TCP4 "%s", port,
	       port_of(fd), ok(0));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a = v4_port(closed);
	expect("network_connect", "TCP refused", "@destination=127.0.0.1|@destination_port=%u|" TCP4 "%s", closed,
	       no(connect(fd, (struct sockaddr *)&a, sizeof(a)), ECONNREFUSED));
}

static void case_tcp6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT },
			    mapped = { .sin6_family = AF_INET6 };
	unsigned port;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)listener_of(AF_INET6, 5, &port);
	a.sin6_port = htons((uint16_t)port);
	(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	expect("network_connect", "TCP over IPv6",
	       "@destination=::1|@destination_port=%u|source=::1|source_port=%u|family=AF_INET6|protocol=tcp|%s", port,
	       port_of(fd), ok(0));
	(void)listener_of(AF_INET, 5, &port);
	mapped.sin6_port = htons((uint16_t)port);
	(void)inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(connect(fd, (struct sockaddr *)&mapped, sizeof(mapped)) == 0, "connect");
	expect("network_connect", "a v4-mapped address prints as IPv4",
	       "@destination=127.0.0.1|@destination_port=%u|source=127.0.0.1|source_port=%u|%s", port, port_of(fd),
	       ok(0));
}

static int nonblocking(unsigned port)
{
	struct sockaddr_in a = v4_port(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS || errno == ECONNREFUSED,
		   "connect");
	return fd;
}

static int decided(int fd)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	int error = -1;
	socklen_t n = sizeof(error);

	(void)must(poll(&p, 1, 20000) == 1, "the connection is decided");
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	return error;
}

static void on_alarm(int number)
{
	(void)number;
}

/* The call ends by a signal, the connection is made all the same: that must not go untold. Then with a restart. */
static void case_interrupted(void)
{
	static const int flags[] = { 0, SA_RESTART };
	static const char *const words[] = { "interrupted by a signal", "made again after a signal" };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct sigaction act = { .sa_handler = on_alarm, .sa_flags = flags[i] };
		struct itimerval soon = { .it_value.tv_usec = 50000 }, never = { 0 };
		int full, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct sockaddr_in a;
		unsigned port;
		pid_t child;

		/* One waits to be accepted, there is room for no other: the kernel drops the second's first packets. */
		full = listener_of(AF_INET, 0, &port);
		a = v4_port(port);
		(void)must(connect(first, (struct sockaddr *)&a, sizeof(a)) == 0, "the first connection");
		child = fork();
		if (child == 0) {
			(void)usleep(200000);
			_exit(accept(full, NULL, NULL) < 0);
		}
		(void)sigaction(SIGALRM, &act, NULL);
		(void)setitimer(ITIMER_REAL, &soon, NULL);
		int r = connect(fd, (struct sockaddr *)&a, sizeof(a));

		(void)must(flags[i] ? r == 0 : r < 0 && errno == EINTR, "the call meets the signal");
		(void)setitimer(ITIMER_REAL, &never, NULL);
		(void)must(decided(fd) == 0, "connected in the end");
		(void)wait_for(child);
		expect("network_connect", words[i],
		       "@destination_port=%u|@source_port=%u|destination=127.0.0.1|" TCP4
		       "result=0|verified=true|%%late",
		       port, port_of(fd));
		(void)close(full);
	}
}

static void case_nonblocking(void)
{
	unsigned port, closed = closed_port();
	int fd;

	(void)listener_of(AF_INET, 5, &port);
	fd = nonblocking(port);
	(void)must(decided(fd) == 0, "connected");
	expect("network_connect", "non-blocking",
	       "@destination_port=%u|destination=127.0.0.1|source_port=%u|" TCP4 "%s", port, port_of(fd), ok(0));
	fd = nonblocking(closed);
	expect("network_connect", "non-blocking, refused",
	       "@destination_port=%u|destination=127.0.0.1|" TCP4 "result=-111|error=ECONNREFUSED", closed);
	(void)decided(fd);
}

/* Fills the queue of a listener that takes one, so that the next handshake waits for its repetition. */
static int full_listener(unsigned *port)
{
	int fd = listener_of(AF_INET, 0, port), first = nonblocking(*port);

	(void)must(decided(first) == 0, "the first fills the queue");
	return fd;
}

static void case_pending(void)
{
	unsigned port, other;
	int listener = full_listener(&port), fd = nonblocking(port), second = full_listener(&other), late;

	late = nonblocking(other);
	(void)usleep(50000);
	(void)must(accept(listener, NULL, NULL) >= 0, "accept");
	/* The reset comes in answer to the repeated SYN. */
	(void)close(second);
	(void)must(decided(fd) == 0, "connected late");
	expect_n(2, "network_connect", "decided later: one event each",
		 "@destination_port=%u|@destination=127.0.0.1|" TCP4 "result=0", port);
	(void)must(decided(late) == ECONNREFUSED, "refused late");
	expect("network_connect", "refused later",
	       "@destination_port=%u|@result=-111|%%late|error=ECONNREFUSED|destination=127.0.0.1|" TCP4 "+source_port",
	       other);
	expect_none("network_connect", "no event before the decision", "result=-115");
}

/*
 * A closed socket's memory goes to the next one. Here the first socket's call was interrupted, how the connection ended
 * was told, and the call was never made again: that must not be taken for the next one's.
 */
static void case_reused(void)
{
	enum { ROUNDS = 16 };
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 10000, .it_interval.tv_usec = 10000 }, never = { 0 };
	struct sockaddr_in a;
	unsigned port;

	(void)must(full_listener(&port) >= 0, "listen");
	a = v4_port(port);
	(void)sigaction(SIGALRM, &act, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)setitimer(ITIMER_REAL, &soon, NULL);
		(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == EINTR,
			   "the signal comes first");
		(void)setitimer(ITIMER_REAL, &never, NULL);
		(void)close(fd);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		(void)must(connect(fd, (struct sockaddr *)&a, 4) < 0 && errno == EINVAL, "an address cut short");
		(void)close(fd);
	}
	expect_n(ROUNDS, "network_connect", "in the memory of a socket whose call was interrupted",
		 "@result=-22|error=EINVAL|-destination|" TCP4);
}

static void case_undecided(void)
{
	unsigned port, other;
	int listener = full_listener(&port), fd = nonblocking(port);

	(void)must(listener >= 0, "listen");
	(void)close(fd);
	expect("network_connect", "closed before the decision",
	       "@destination_port=%u|@result=-115|error=EINPROGRESS|destination=127.0.0.1|" TCP4 "+source_port", port);
	(void)full_listener(&other);
	(void)nonblocking(other);
	expect("network_connect", "left undecided at exit",
	       "@destination_port=%u|@result=-115|error=EINPROGRESS|" TCP4 "+source_port", other);
}

#define UDP4 "family=AF_INET|socket_type=SOCK_DGRAM|protocol=udp|"

static void case_udp(void)
{
	struct sockaddr_in a = v4_port(2001), b = v4_port(2002), c = v4_port(2003), d = v4_port(2004),
			   e = v4_port(2005);
	struct iovec v = { "text", 4 };
	struct msghdr m = { .msg_name = &c, .msg_namelen = sizeof(c), .msg_iov = &v, .msg_iovlen = 1 };
	struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	expect("network_connect", "UDP connect",
	       "@destination_port=2001|destination=127.0.0.1|source=127.0.0.1|+source_port|" UDP4 "%s",
	       ok(connect(fd, (struct sockaddr *)&a, sizeof(a))));
	(void)send(fd, "x", 1, 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 5; i++)
		(void)sendto(fd, "x", 1, 0, (struct sockaddr *)&b, sizeof(b));
	expect("network_connect", "sendto, five times: one event",
	       "@destination_port=2002|destination=127.0.0.1|" UDP4 "%s", ok(0));
	(void)must(sendmsg(fd, &m, 0) >= 0 || errno == ECONNREFUSED, "sendmsg");
	expect("network_connect", "sendmsg", "@destination_port=2003|destination=127.0.0.1|" UDP4 "+result");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	mm[0].msg_hdr.msg_name = &d;
	mm[1].msg_hdr.msg_name = &e;
	(void)must(sendmmsg(fd, mm, 2, 0) == 2, "sendmmsg");
	expect("network_connect", "sendmmsg, first address", "@destination_port=2004|destination=127.0.0.1|" UDP4 "%s",
	       ok(0));
	expect("network_connect", "sendmmsg, second address", "@destination_port=2005|destination=127.0.0.1|" UDP4 "%s",
	       ok(0));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	b.sin_port = htons(2006);
	(void)must(sendto(fd, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)) == 1, "sendto");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)must(sendto(fd, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)) == 1, "sendto");
	expect_n(2, "network_connect", "the same address from two sockets",
		 "@destination_port=2006|destination=127.0.0.1|" UDP4 "result=0");
}

static void case_udp6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				  .sin6_port = htons(2010) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)must(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1, "sendto");
	expect("network_connect", "sendto over IPv6",
	       "@destination_port=2010|destination=::1|family=AF_INET6|protocol=udp|%s", ok(0));
}

static struct sockaddr_un un_path(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

static socklen_t un_length(const char *name)
{
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static void case_unix(void)
{
	struct sockaddr_un a = un_path("server"), gone = un_path("missing"), dead = un_path("dead");
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)must(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 5) == 0, "a unix listener");
	expect("network_connect", "a unix path",
	       "@family=AF_UNIX|@path=%s|socket_type=SOCK_STREAM|-destination|-destination_port|%s", at("server"),
	       ok(connect(fd, (struct sockaddr *)&a, sizeof(a))));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("network_connect", "a unix path that is missing", "@family=AF_UNIX|@path~missing|%s",
	       no(connect(fd, (struct sockaddr *)&gone, sizeof(gone)), ENOENT));
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(bind(server, (struct sockaddr *)&dead, sizeof(dead)) == 0, "bind");
	(void)close(server);
	expect("network_connect", "a unix path that nobody serves", "@family=AF_UNIX|@path~dead|%s",
	       no(connect(fd, (struct sockaddr *)&dead, sizeof(dead)), ECONNREFUSED));
}

static void case_abstract(void)
{
	static const char hostile[] = "kt\n\"\33\xff";
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0kernel-test" }, b = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0),
	    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char shown[16];

	(void)must(bind(server, (struct sockaddr *)&a, un_length("kernel-test")) == 0 && listen(server, 5) == 0,
		   "an abstract listener");
	expect("network_connect", "an abstract name",
	       "@family=AF_UNIX|@path=@kernel-test|socket_type=SOCK_SEQPACKET|%s",
	       ok(connect(fd, (struct sockaddr *)&a, un_length("kernel-test"))));
	memcpy(b.sun_path + 1, hostile, sizeof(hostile));
	(void)snprintf(shown, sizeof(shown), "@%s", hostile);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("network_connect", "an abstract name of hostile bytes", "@family=AF_UNIX|@path=%s|%s",
	       hex(shown, strlen(shown)), no(connect(fd, (struct sockaddr *)&b, un_length(hostile)), ECONNREFUSED));
}

static void case_unix_datagram(void)
{
	struct sockaddr_un a = un_path("box");
	int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)must(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	for (int i = 0; i < 3; i++)
		(void)must(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1, "sendto");
	expect("network_connect", "unix datagrams to a path: one event",
	       "@family=AF_UNIX|%%path|path=%s|socket_type=SOCK_DGRAM|%s", at("box"), ok(0));
}

/* Each is gone before the next, which gets its memory: that one is another socket all the same. */
static void case_unix_reused(void)
{
	enum { ROUNDS = 16 };
	struct sockaddr_un a = un_path("box");
	int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)must(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	for (int i = 0; i < ROUNDS; i++) {
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		(void)must(sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a)) == 1, "sendto");
		(void)recv(server, (char[1]){ 0 }, 1, 0);
		(void)close(fd);
	}
	expect_n(ROUNDS, "network_connect", "a datagram each from sockets in one memory",
		 "@family=AF_UNIX|@socket_type=SOCK_DGRAM|%%path|path=%s|result=0", at("box"));
}

static void case_others(void)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = 3, .svm_port = 99 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

	expect("network_connect", "netlink", "@family=AF_NETLINK|%s",
	       ok(connect(fd, (struct sockaddr *)&nl, sizeof(nl))));
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		skip("a packet socket can't connect", "the kernel has no packet sockets (module af_packet)");
	else
		expect("network_connect", "a packet socket can't connect", "@family=AF_PACKET|%s",
		       no(connect(fd, (struct sockaddr *)&ll, sizeof(ll)), EOPNOTSUPP));
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		skip("vsock", "the kernel has no vsock (module vsock)");
	else if (connect(fd, (struct sockaddr *)&vm, sizeof(vm)) == 0 || errno == EINPROGRESS)
		skip("vsock", "there is a host that answers");
	else
		expect("network_connect", "vsock", "@family=AF_VSOCK|%s", any(-1));
}

static int unreachable(void *context)
{
	struct sockaddr_in a = v4_port(80);
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		skip("an unreachable network", strerror(errno));
		return 0;
	}
	(void)inet_pton(AF_INET, "192.0.2.1", &a.sin_addr);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("network_connect", "ENETUNREACH", "@destination=192.0.2.1|destination_port=80|" TCP4 "%s",
	       no(connect(fd, (struct sockaddr *)&a, sizeof(a)), ENETUNREACH));
	return 0;
}

static void case_failed(void)
{
	struct sockaddr_in a = v4_port(99);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)in_child(unreachable, NULL);
	expect("network_connect", "an address cut short", "@result=-22|error=EINVAL|%s",
	       no(connect(fd, (struct sockaddr *)&a, 4), EINVAL));
	expect("network_connect", "an address that can't be read", "@result=-14|error=EFAULT|-destination|%s",
	       no(connect(fd, (void *)8, 16), EFAULT));
	a.sin_family = 63;
	expect("network_connect", "an address of another family", "@result=-97|error=EAFNOSUPPORT|%s",
	       no(connect(fd, (struct sockaddr *)&a, sizeof(a)), EAFNOSUPPORT));
}

static void case_fast_open(void)
{
	unsigned port;
	struct sockaddr_in a;
	int listener = listener_of(AF_INET, 5, &port), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	(void)setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &one, sizeof(one));
	a = v4_port(port);
	(void)must(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof(a)) == 1, "sendto with MSG_FASTOPEN");
	expect("network_connect", "TCP fast open",
	       "@destination_port=%u|destination=127.0.0.1|source_port=%u|" TCP4 "%s", port, port_of(fd), ok(0));
}

static const struct act_case cases[] = {
	{ "tcp", case_tcp },
	{ "tcp6", case_tcp6 },
	{ "interrupted", case_interrupted },
	{ "nonblocking", case_nonblocking },
	{ "pending", case_pending },
	{ "undecided", case_undecided },
	{ "reused", case_reused },
	{ "udp", case_udp },
	{ "udp6", case_udp6 },
	{ "unix", case_unix },
	{ "abstract", case_abstract },
	{ "unix-datagram", case_unix_datagram },
	{ "unix-reused", case_unix_reused },
	{ "others", case_others },
	{ "failed", case_failed },
	{ "fast-open", case_fast_open },
	{ 0 },
};

const struct act_family family_connect = { "connect", "network_connect", cases, NULL };
