/* SPDX-License-Identifier: Apache-2.0 */
/* DNS by whichever call carried it, honest and hostile; names that connections get from it. */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define A 1
#define AAAA 28
#define TXT 16
#define HTTPS 65

struct query {
	uint8_t bytes[512];
	size_t length;
	unsigned id;
};

/* name: labels divided by dots */
static struct query query_of(const char *name, unsigned type)
{
	static unsigned next_id = 0x1000;
	struct query q = { .id = ++next_id };
	uint8_t *p = q.bytes;

	*p++ = (uint8_t)(q.id >> 8);
	*p++ = (uint8_t)q.id;
	memcpy(p, "\1\0\0\1\0\0\0\0\0\0", 10);
	p += 10;
	while (*name) {
		size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		name += n + (name[n] == '.');
	}
	*p++ = 0;
	*p++ = (uint8_t)(type >> 8);
	*p++ = (uint8_t)type;
	*p++ = 0;
	*p++ = 1;
	q.length = (size_t)(p - q.bytes);
	return q;
}

static struct sockaddr_in server_address(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				     .sin_port = htons((uint16_t)act_dns_port) };
}

static int to_server(int type)
{
	struct sockaddr_in a = server_address();
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "the DNS server answers");
	return fd;
}

static void expect_query(const char *what, const char *name, const char *type, unsigned id, const char *transport)
{
	expect("dns_query", what,
	       "@transaction=%u|name=%s|query_type=%s|server=127.0.0.1|server_port=%u|transport=%s|-role|-malformed|"
	       "-answers|-response_code|tid=*",
	       id, name, type, act_dns_port, transport);
}

/* fields: what the answer holds */
static void expect_response(const char *what, const char *name, const char *type, unsigned id, const char *transport,
			    const char *fields)
{
	expect("dns_response", what,
	       "@transaction=%u|name=%s|query_type=%s|server=127.0.0.1|server_port=%u|transport=%s|-role|tid=*|%s", id,
	       name, type, act_dns_port, transport, fields);
}

static void await(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	(void)must(poll(&p, 1, 5000) == 1, "an answer comes");
}

static ssize_t send_by(int fd, unsigned way, struct query *q)
{
	struct iovec v[2] = { { q->bytes, 5 }, { q->bytes + 5, q->length - 5 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr mm = { .msg_hdr = m };

	switch (way) {
	case 0:
		return send(fd, q->bytes, q->length, 0);
	case 1:
		return write(fd, q->bytes, q->length);
	case 2:
		return writev(fd, v, 2);
	case 3:
		return sendmsg(fd, &m, 0);
	default:
		return sendmmsg(fd, &mm, 1, 0) == 1 ? (ssize_t)mm.msg_len : -1;
	}
}

static ssize_t receive_by(int fd, unsigned way)
{
	static uint8_t bytes[512];
	struct iovec v[2] = { { bytes, 10 }, { bytes + 10, sizeof(bytes) - 10 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr mm = { .msg_hdr = m };

	await(fd);
	switch (way) {
	case 0:
		return recv(fd, bytes, sizeof(bytes), 0);
	case 1:
		return read(fd, bytes, sizeof(bytes));
	case 2:
		return readv(fd, v, 2);
	case 3:
		return recvmsg(fd, &m, 0);
	case 4:
		return recvmmsg(fd, &mm, 1, 0, NULL) == 1 ? (ssize_t)mm.msg_len : -1;
	default:
		return recvfrom(fd, bytes, sizeof(bytes), 0, NULL, NULL);
	}
}

static void case_calls(void)
{
	static const struct {
		unsigned send, receive;
		const char *query, *response;
	} ways[] = {
		{ 0, 0, "query by send", "response by recv" },
		{ 1, 1, "query by write", "response by read" },
		{ 2, 2, "query by writev", "response by readv" },
		{ 3, 3, "query by sendmsg", "response by recvmsg" },
		{ 4, 4, "query by sendmmsg", "response by recvmmsg" },
	};
	char name[32], fields[200];

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		int fd = to_server(SOCK_DGRAM);
		struct query q;

		(void)snprintf(name, sizeof(name), "host%u.call.test", 20 + i);
		q = query_of(name, A);
		(void)must(send_by(fd, ways[i].send, &q) == (ssize_t)q.length, ways[i].query);
		expect_query(ways[i].query, name, "A", q.id, "udp");
		(void)must(receive_by(fd, ways[i].receive) > 12, ways[i].response);
		(void)snprintf(
		    fields, sizeof(fields),
		    "response_code=NOERROR|answers[0].data=127.0.0.%u|answers[0].ttl=300|answers[0].type=A|-malformed",
		    20 + i);
		expect_response(ways[i].response, name, "A", q.id, "udp", fields);
		(void)close(fd);
	}
}

static void case_sendto(void)
{
	struct sockaddr_in a = server_address();
	struct query q = query_of("host30.sendto.test", A), m = query_of("host31.sendmsg.test", A);
	struct iovec v = { m.bytes, m.length };
	struct msghdr msg = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)must(sendto(fd, q.bytes, q.length, 0, (struct sockaddr *)&a, sizeof(a)) == (ssize_t)q.length, "sendto");
	expect_query("query by sendto, not connected", "host30.sendto.test", "A", q.id, "udp");
	(void)must(receive_by(fd, 5) > 12, "recvfrom");
	expect_response("response by recvfrom", "host30.sendto.test", "A", q.id, "udp", "answers[0].data=127.0.0.30");
	(void)must(sendmsg(fd, &msg, 0) == (ssize_t)m.length, "sendmsg");
	expect_query("query by sendmsg with an address", "host31.sendmsg.test", "A", m.id, "udp");
	(void)must(receive_by(fd, 3) > 12, "recvmsg");
	expect_response("response by recvmsg with an address", "host31.sendmsg.test", "A", m.id, "udp",
			"answers[0].data=127.0.0.31");
}

static void ask(const char *name, unsigned type, unsigned *id)
{
	struct query q = query_of(name, type);
	int fd = to_server(SOCK_DGRAM);

	(void)must(send(fd, q.bytes, q.length, 0) == (ssize_t)q.length && receive_by(fd, 0) > 0, name);
	(void)close(fd);
	*id = q.id;
}

static void case_answers(void)
{
	unsigned id;

	ask("alias.cname.test", A, &id);
	expect_query("query for an alias", "alias.cname.test", "A", id, "udp");
	expect_response("a CNAME chain", "alias.cname.test", "A", id, "udp",
			"answers>=2|answers[0].type=CNAME|answers[0].data=target.cname.test|answers[1].type=A|"
			"answers[1].data=127.0.0.200|answers[1].name=target.cname.test");
	ask("six.test", AAAA, &id);
	expect_query("query for IPv6", "six.test", "AAAA", id, "udp");
	expect_response("an IPv6 answer", "six.test", "AAAA", id, "udp",
			"answers[0].type=AAAA|answers[0].data=2001:db8::53|response_code=NOERROR");
	ask("nothing.test", A, &id);
	expect_response("NXDOMAIN", "nothing.test", "A", id, "udp", "response_code=NXDOMAIN|answers=");
	ask("text.test", TXT, &id);
	expect_response("a text with hostile bytes", "text.test", "TXT", id, "udp",
			"answers[0].type=TXT|answers[0].data~say");
	ask("HOST40.MiXeD.Test", A, &id);
	expect_query("names are printed in lower case", "host40.mixed.test", "A", id, "udp");
	expect_response("names in answers too", "host40.mixed.test", "A", id, "udp",
			"answers[0].name=host40.mixed.test");
	ask("svc.test", HTTPS, &id);
	expect_query("query for HTTPS", "svc.test", "HTTPS", id, "udp");
}

/* The length, then what it says, however the stream is cut. */
static void read_message(int fd)
{
	static uint8_t reply[1024];
	size_t have = 0;

	while (have < 2 || have < 2U + (size_t)(reply[0] << 8 | reply[1])) {
		ssize_t got = read(fd, reply + have, have < 2 ? 2 - have : sizeof(reply) - have);

		if (!must(got > 0, "a response over TCP"))
			return;
		have += (size_t)got;
	}
}

static void case_tcp(void)
{
	static uint8_t stream[600];
	struct query one = query_of("host50.stream.test", A), two = query_of("alias.stream.test", A);
	int fd = to_server(SOCK_STREAM);
	size_t n = 0;

	stream[n++] = 0;
	stream[n++] = (uint8_t)one.length;
	memcpy(stream + n, one.bytes, one.length);
	n += one.length;
	/* The length alone, then the message in two pieces. */
	(void)must(write(fd, stream, 2) == 2 && send(fd, stream + 2, 9, 0) == 9 && write(fd, stream + 11, n - 11) > 0,
		   "TCP query");
	expect_query("query over TCP in three pieces", "host50.stream.test", "A", one.id, "tcp");
	read_message(fd);
	expect_response("response over TCP in pieces", "host50.stream.test", "A", one.id, "tcp",
			"answers[0].data=127.0.0.50");
	stream[1] = (uint8_t)two.length;
	memcpy(stream + 2, two.bytes, two.length);
	(void)must(send(fd, stream, two.length + 2, 0) > 0, "TCP query");
	expect_query("a second query on the stream", "alias.stream.test", "A", two.id, "tcp");
	read_message(fd);
	expect_response("a second response on the stream", "alias.stream.test", "A", two.id, "tcp",
			"answers[0].data=target.stream.test|answers[1].data=127.0.0.200");
}

static void case_malformed(void)
{
	static const char loop[] = "\x77\x01\1\0\0\1\0\0\0\0\0\0\300\14\0\1\0\1";
	static const char cut[] = "\x77\x02\1\0\0\1\0\0\0\0\0\0\12abc";
	static const char lies[] = "\x77\x03\1\0\377\377\377\377\377\377\377\377\1a\0\0\1\0\1";
	static const char tiny[] = "\x77\x04\1";
	static const char label[] = "\x77\x05\1\0\0\1\0\0\0\0\0\0\7a\nb\33\"\\\xff\4test\0\0\1\0\1";
	unsigned id;
	int fd = to_server(SOCK_DGRAM);

	(void)must(send(fd, loop, sizeof(loop) - 1, 0) > 0, "send");
	expect("dns_query", "a name that points at itself",
	       "@transaction=30465|malformed=true|+reason|server=127.0.0.1|tid=*");
	(void)must(send(fd, cut, sizeof(cut) - 1, 0) > 0, "send");
	expect("dns_query", "a label that is cut short", "@transaction=30466|malformed=true|+reason|tid=*");
	(void)must(send(fd, lies, sizeof(lies) - 1, 0) > 0, "send");
	expect("dns_query", "counts that lie", "@transaction=30467|malformed=true|+reason|tid=*");
	(void)must(send(fd, tiny, sizeof(tiny) - 1, 0) > 0, "send");
	expect_n(-1, "dns_query", "a message of three bytes", "@malformed=true|+reason|tid=*|%%late");
	(void)must(send(fd, label, sizeof(label) - 1, 0) > 0, "send");
	expect("dns_query", "hostile bytes in a label", "@transaction=30469|name~test|query_type=A|-malformed|tid=*");
	ask("loop.test", A, &id);
	expect("dns_response", "an answer whose name points at itself",
	       "@transaction=%u|malformed=true|+reason|server=127.0.0.1|tid=*", id);
}

static void try_connect(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, address, &a.sin_addr);
	(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == ECONNREFUSED, "connect is refused");
	(void)close(fd);
}

static void case_hostname(void)
{
	unsigned id;

	ask("host77.name.test", A, &id);
	try_connect("127.0.0.77");
	expect("network_connect", "a connection has the name that was asked for",
	       "@destination=127.0.0.77|hostname=host77.name.test|result=-111");
	ask("alias.name.test", A, &id);
	try_connect("127.0.0.200");
	expect("network_connect", "over a CNAME: the name that was asked for",
	       "@destination=127.0.0.200|hostname=alias.name.test");
	try_connect("127.0.0.78");
	expect("network_connect", "an address that nobody asked for has no name", "@destination=127.0.0.78|-hostname");
}

/* Binds, says so, and answers one question. */
static int resolver(int ready)
{
	struct sockaddr_in a = server_address(), peer;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t in[512], out[512];
	socklen_t n = sizeof(peer);
	ssize_t got;
	size_t m;

	(void)inet_pton(AF_INET, "127.0.0.2", &a.sin_addr);
	(void)must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && write(ready, "x", 1) == 1, "bind the resolver");
	await(fd);
	got = recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&peer, &n);
	m = got > 0 ? dns_answer(in, (size_t)got, out, sizeof(out)) : 0;
	(void)must(m && sendto(fd, out, m, 0, (struct sockaddr *)&peer, n) == (ssize_t)m, "the resolver answers");
	expect("dns_query", "a resolver in the workload is asked",
	       "@name=host99.inside.test|role=server|server=127.0.0.2|server_port=%u|query_type=A|transport=udp|tid=*",
	       act_dns_port);
	expect("dns_response", "a resolver in the workload answers",
	       "@name=host99.inside.test|role=server|server=127.0.0.2|server_port=%u|answers[0].data=127.0.0.99|tid=*",
	       act_dns_port);
	return 0;
}

static void case_server(void)
{
	struct sockaddr_in a = server_address();
	struct query q = query_of("host99.inside.test", A);
	int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ready[2];
	char c;
	pid_t pid;

	(void)inet_pton(AF_INET, "127.0.0.2", &a.sin_addr);
	(void)must(pipe(ready) == 0, "pipe");
	pid = fork();
	if (pid == 0)
		_exit(resolver(ready[1]));
	(void)must(read(ready[0], &c, 1) == 1, "the resolver is ready");
	(void)must(connect(client, (struct sockaddr *)&a, sizeof(a)) == 0 && send(client, q.bytes, q.length, 0) > 0,
		   "ask");
	(void)must(receive_by(client, 0) > 12, "the answer");
	(void)wait_for(pid);
	expect("dns_query", "the client's side has no role",
	       "@transaction=%u|@name=host99.inside.test|-role|server=127.0.0.2|tid=*", q.id);
	expect("dns_response", "the client's side of the answer",
	       "@transaction=%u|@name=host99.inside.test|-role|server=127.0.0.2|tid=*", q.id);
}

static void case_other_ports(void)
{
	struct sockaddr_in a = server_address();
	struct query q = query_of("not-dns.test", A);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	a.sin_port = htons(2053);
	(void)must(sendto(fd, q.bytes, q.length, 0, (struct sockaddr *)&a, sizeof(a)) > 0, "sendto");
	expect_none("dns_query", "a packet to another port is no query", "name=not-dns.test");
}

static void case_ipv6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct query q = query_of("host60.over-six.test", A);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	a.sin6_port = htons((uint16_t)act_dns_port);
	/* Nobody listens there: the query alone counts. */
	(void)must(sendto(fd, q.bytes, q.length, 0, (struct sockaddr *)&a, sizeof(a)) > 0, "sendto ::1");
	expect("dns_query", "query over IPv6",
	       "@name=host60.over-six.test|server=::1|server_port=%u|transport=udp|tid=*", act_dns_port);
}

static const struct act_case cases[] = {
	{ "calls", case_calls },	 { "sendto", case_sendto },
	{ "answers", case_answers },	 { "tcp", case_tcp },
	{ "malformed", case_malformed }, { "hostname", case_hostname },
	{ "server", case_server },	 { "other-ports", case_other_ports },
	{ "ipv6", case_ipv6 },		 { 0 },
};

const struct act_family family_dns = { "dns", "dns_query, dns_response, hostname of network_connect", cases, NULL };
