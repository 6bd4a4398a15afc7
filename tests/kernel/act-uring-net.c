/* SPDX-License-Identifier: Apache-2.0 */
/* What io_uring does to sockets, and what leads out of the sandbox that way. */
#include "act-uring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				     .sin_port = htons((uint16_t)port) };
}

static struct sockaddr_un unix_name(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

static unsigned port_of(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t n = sizeof(a);

	(void)getsockname(fd, (struct sockaddr *)&a, &n);
	return ntohs(a.sin_port);
}

static int listener_at(unsigned *port)
{
	struct sockaddr_in a = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 5) == 0, "a listener");
	*port = port_of(fd);
	return fd;
}

static struct io_uring_sqe connect_of(long fd, const void *address, socklen_t n)
{
	return (struct io_uring_sqe){ .opcode = IORING_OP_CONNECT, .fd = (int)fd, .addr = ADDRESS(address), .off = n };
}

static void case_stream(void)
{
	struct uring u;
	struct sockaddr_in a;
	unsigned port;
	int listener = listener_at(&port);
	long fd;

	if (!uring_open(&u, "stream sockets", 0))
		return;
	fd = uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM });
	if (fd < 0 && errno == EINVAL) {
		skip("socket by io_uring", "the kernel's io_uring has no socket");
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	} else {
		expect("network_socket", "socket",
		       "@family=AF_INET|@via=io_uring|socket_type=SOCK_STREAM|protocol=tcp|tid=*|comm=*|%s", ok(fd));
	}
	a = loopback(port);
	expect("network_connect", "connect", "@destination_port=%u|destination=127.0.0.1|+source_port|" BY_URING "%s",
	       port, ok(uring_do(&u, connect_of(fd, &a, sizeof(a)))));
	expect("network_accept", "accept", "@port=%u|peer=127.0.0.1|address=127.0.0.1|" BY_URING "%s", port,
	       ok(uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = listener })));
}

/* A connection that is there before the accept, and several after it, from one request. */
static void case_multishot(void)
{
	struct io_uring_sqe e = { .opcode = IORING_OP_ACCEPT, .ioprio = IORING_ACCEPT_MULTISHOT, .user_data = 77 };
	struct sockaddr_in a;
	struct uring u;
	unsigned port;
	long r = 0;

	if (!uring_open(&u, "multishot accept", 0))
		return;
	e.fd = listener_at(&port);
	a = loopback(port);
	uring_put(&u, e);
	(void)uring_go(&u, 0);
	for (int i = 0; i < 3; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
		(void)must(uring_go(&u, 1) && uring_next(&u, NULL, &r) && r >= 0, "accepted");
		expect("network_accept", "multishot accept",
		       "@port=%u|@peer_port=%u|peer=127.0.0.1|address=127.0.0.1|" BY_URING "%s", port, port_of(fd),
		       ok(r));
	}
}

static void case_listen(void)
{
	struct sockaddr_in a = loopback(0);
	struct uring u;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), dgram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct io_uring_sqe e = { .opcode = OP_BIND, .addr = ADDRESS(&a), .addr2 = sizeof(a) };
	long r;

	if (!uring_open(&u, "bind and listen", 0))
		return;
	e.fd = fd;
	r = uring_do(&u, e);
	if (r < 0 && errno == EINVAL) {
		skip("bind and listen by io_uring", "the kernel's io_uring has neither (6.11)");
		return;
	}
	(void)must(r == 0, "bind");
	e = (struct io_uring_sqe){ .opcode = OP_LISTEN, .fd = fd, .len = 7 };
	r = uring_do(&u, e);
	expect("network_listen", "bind and listen", "@port=%u|address=127.0.0.1|backlog=7|" BY_URING "%s", port_of(fd),
	       ok(r));
	e = (struct io_uring_sqe){ .opcode = OP_BIND, .fd = dgram, .addr = ADDRESS(&a), .addr2 = sizeof(a) };
	r = uring_do(&u, e);
	expect("network_listen", "bind of a datagram socket",
	       "@port=%u|@result=0|address=127.0.0.1|socket_type=SOCK_DGRAM|" BY_URING "%s", port_of(dgram), ok(r));
	e.fd = fd;
	(void)must(uring_do(&u, e) < 0, "a second bind is refused");
	e = (struct io_uring_sqe){ .opcode = OP_LISTEN, .fd = dgram, .len = 7 };
	expect("network_listen", "listen that fails", "@backlog=7|@result=-95|" BY_URING "%s",
	       no(uring_do(&u, e), EOPNOTSUPP));
}

/* ---- datagrams, which carry their own address ---- */

static struct io_uring_sqe send_of(unsigned opcode, int fd, const void *address, socklen_t n)
{
	struct io_uring_sqe e = uring_rw(opcode, fd, "x", 1);

	/* addr2 and addr_len: headers before 6.0 have no name for them. */
	e.off = ADDRESS(address);
	e.splice_fd_in = (int)n;
	return e;
}

#define UDP "family=AF_INET|socket_type=SOCK_DGRAM|protocol=udp|destination=127.0.0.1|tid=*|comm=*|"

static void sent(struct uring *u, const char *what, unsigned opcode, unsigned port)
{
	struct sockaddr_in a = loopback(port);
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct io_uring_sqe e = send_of(opcode, fd, &a, sizeof(a));
	long r;

	if (opcode == IORING_OP_SENDMSG || opcode == IORING_OP_SENDMSG_ZC)
		e = uring_rw(opcode, fd, &m, 1);
	r = uring_do(u, e);
	/* The kernel tells zero-copy's end apart. */
	if (opcode == IORING_OP_SEND_ZC || opcode == IORING_OP_SENDMSG_ZC)
		(void)(r < 0 || (uring_go(u, 1) && uring_next(u, NULL, &(long){ 0 })));
	if (r < 0 && errno == EINVAL) {
		skip(what, "the kernel's io_uring has no address for it");
		return;
	}
	/* Told from its packet, whichever call it was. */
	expect("network_connect", what, "@destination_port=%u|" UDP "%s", port, ok(r));
}

static void case_datagram(void)
{
	struct uring u;

	if (!uring_open(&u, "datagrams", 0))
		return;
	sent(&u, "send to an address", IORING_OP_SEND, 2101);
	sent(&u, "sendmsg to an address", IORING_OP_SENDMSG, 2102);
	sent(&u, "send_zc to an address", IORING_OP_SEND_ZC, 2103);
	sent(&u, "sendmsg_zc to an address", IORING_OP_SENDMSG_ZC, 2104);
}

static void case_unix(void)
{
	struct sockaddr_un a = unix_name("server"), gone = unix_name("missing"), s = unix_name("stream");
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1 };
	int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct uring u;

	if (!uring_open(&u, "unix sockets", 0))
		return;
	(void)must(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		       bind(stream, (struct sockaddr *)&s, sizeof(s)) == 0 && listen(stream, 5) == 0,
		   "servers");
	(void)must(uring_do(&u, uring_rw(IORING_OP_SENDMSG, fd, &m, 1)) == 1, "sendmsg");
	expect("network_connect", "a unix datagram",
	       "@family=AF_UNIX|@path=%s|socket_type=SOCK_DGRAM|verified=false|result=0|" BY_URING "-destination",
	       at("server"));
	m.msg_name = &gone;
	expect("network_connect", "a unix datagram to a path that is missing",
	       "@family=AF_UNIX|@path~missing|socket_type=SOCK_DGRAM|" BY_URING "%s",
	       no(uring_do(&u, uring_rw(IORING_OP_SENDMSG, fd, &m, 1)), ENOENT));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("network_connect", "a unix path", "@family=AF_UNIX|@path=%s|socket_type=SOCK_STREAM|" BY_URING "%s",
	       at("stream"), ok(uring_do(&u, connect_of(fd, &s, sizeof(s)))));
	expect("network_accept", "accept of a unix connection", "@family=AF_UNIX|@path=%s|" BY_URING "%s", at("stream"),
	       ok(uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = stream })));
}

static void case_failing(void)
{
	struct sockaddr_in a = loopback(0);
	struct sockaddr_un gone = unix_name("gone");
	struct uring u;
	int closed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r;

	if (!uring_open(&u, "failing sockets", 0))
		return;
	(void)must(bind(closed, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	a.sin_port = htons((uint16_t)port_of(closed));
	expect("network_connect", "connect refused",
	       "@destination_port=%u|@result=-111|destination=127.0.0.1|" BY_URING "%s", ntohs(a.sin_port),
	       no(uring_do(&u, connect_of(fd, &a, sizeof(a))), ECONNREFUSED));
	expect("network_connect", "connect of no socket", "@result=-9|" BY_URING "%s",
	       no(uring_do(&u, connect_of(999, &a, sizeof(a))), EBADF));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("network_connect", "a unix path that is missing", "@family=AF_UNIX|@path~gone|" BY_URING "%s",
	       no(uring_do(&u, connect_of(fd, &gone, sizeof(gone))), ENOENT));
	r = uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_SOCKET, .fd = 99, .off = SOCK_STREAM });
	if (r < 0 && errno == EINVAL)
		skip("socket that fails", "the kernel's io_uring has no socket");
	else
		expect("network_socket", "socket that fails", "@via=io_uring|@result=-97|" BY_URING "%s",
		       no(r, EAFNOSUPPORT));
	(void)must(uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = fd }) < 0, "accept fails");
	expect_none("network_accept", "an accept that failed is none", "via=io_uring");
}

/* ---- what leads out ---- */

static int metadata_service(void *context)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct ifreq request = { .ifr_name = "lo" };
	struct uring u;
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		skip("the cloud's metadata service", strerror(errno));
		return 0;
	}
	(void)inet_pton(AF_INET, "169.254.169.254", &a.sin_addr);
	loopback_up();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(&request.ifr_addr, &a, sizeof(a));
	(void)must(ioctl(fd, SIOCSIFADDR, &request) == 0, "an address of our own");
	if (!uring_open(&u, "the cloud's metadata service", 0))
		return 0;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("sandbox_escape", "the cloud's metadata service",
	       "@category=container|@syscall=connect|target=169.254.169.254:80|+detail|" BY_URING "%s",
	       no(uring_do(&u, connect_of(fd, &a, sizeof(a))), ECONNREFUSED));
	return 0;
}

static int runtime_socket(void *context)
{
	struct sockaddr_un a = unix_name("/run/docker.sock"), gone = unix_name("/run/k3s/containerd/containerd.sock");
	struct uring u;
	int fd, server;

	if (!uring_open(&u, "a container runtime's socket", 0))
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("sandbox_escape", "a runtime's socket that is missing",
	       "@category=container|@syscall=connect|@target=%s|+detail|" BY_URING "%s", gone.sun_path,
	       any(uring_do(&u, connect_of(fd, &gone, sizeof(gone)))));
	(void)mkdir("/run", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0) {
		skip("docker's socket", strerror(errno));
		return 0;
	}
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)must(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 5) == 0, "docker's socket");
	expect("sandbox_escape", "docker's socket",
	       "@category=container|@syscall=connect|@target=/run/docker.sock|+detail|" BY_URING "%s",
	       ok(uring_do(&u, connect_of(fd, &a, sizeof(a)))));
	return 0;
}

static void case_escapes(void)
{
	(void)in_child(runtime_socket, NULL);
	(void)in_child(metadata_service, NULL);
}

static const struct act_case cases[] = {
	{ "stream", case_stream },   { "multishot", case_multishot },
	{ "listen", case_listen },   { "datagram", case_datagram },
	{ "unix", case_unix },	     { "failing", case_failing },
	{ "escapes", case_escapes }, { 0 },
};

const struct act_family family_uring_net = { "uring-net", "via: io_uring, sockets and what leads out", cases, NULL };
