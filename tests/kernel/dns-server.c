/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DNS server for the tests, on 127.0.0.1 over UDP and TCP. Names decide the answer, see dns_answer.
 * It belongs to the judge and runs outside the workload; the workload's own resolver uses dns_answer too.
 */
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
#include <unistd.h>

#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_TXT 16
#define TYPE_AAAA 28
#define TTL 300

struct message {
	uint8_t *bytes;
	size_t at, size;
};

static void put_bytes(struct message *m, const void *bytes, size_t n)
{
	if (m->at + n <= m->size) {
		memcpy(m->bytes + m->at, bytes, n);
		m->at += n;
	}
}

static void put16(struct message *m, unsigned v)
{
	put_bytes(m, (uint8_t[]){ (uint8_t)(v >> 8), (uint8_t)v }, 2);
}

/* owner: 0xc00c points at the question's name */
static void put_record(struct message *m, unsigned owner, unsigned type, const void *data, size_t n)
{
	put16(m, owner);
	put16(m, type);
	put16(m, 1);
	put16(m, 0);
	put16(m, TTL);
	put16(m, (unsigned)n);
	put_bytes(m, data, n);
}

/* First label of the question, lower case; gives the question's end or 0. */
static size_t question(const uint8_t *query, size_t length, char *label, unsigned *type)
{
	size_t at = 12, n;

	*label = '\0';
	while (at < length && query[at]) {
		n = query[at];
		if (n > 63 || at + 1 + n >= length)
			return 0;
		if (at == 12) {
			memcpy(label, query + at + 1, n);
			label[n] = '\0';
			for (char *p = label; *p; p++)
				*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		}
		at += 1 + n;
	}
	if (at + 5 > length)
		return 0;
	*type = (unsigned)(query[at + 1] << 8 | query[at + 2]);
	return at + 5;
}

static unsigned answers(struct message *m, const char *label, unsigned type)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x53 };
	static const uint8_t target[] = "\6target\300\20"; /* target + pointer past the question's first label */
	uint8_t v4[4] = { 127, 0, 0, 1 };
	unsigned at;

	if (strcmp(label, "loop") == 0) {
		/* The owner is a pointer to itself. */
		put_record(m, 0xc000 | (unsigned)m->at, type, v4, 4);
		return 1;
	}
	if (strcmp(label, "alias") == 0) {
		uint8_t cname[9];

		memcpy(cname, target, 9);
		cname[8] = 12 + 6; /* the label after "alias" */
		at = (unsigned)m->at + 12;
		v4[3] = 200;
		put_record(m, 0xc00c, TYPE_CNAME, cname, 9);
		put_record(m, 0xc000 | at, TYPE_A, v4, 4);
		return 2;
	}
	if (strcmp(label, "text") == 0) {
		put_record(m, 0xc00c, TYPE_TXT, "\13say \"hi\"\33[m", 12);
		return 1;
	}
	if (type == TYPE_AAAA) {
		put_record(m, 0xc00c, TYPE_AAAA, v6, 16);
		return 1;
	}
	/* "host7" is 127.0.0.7 */
	if (strncmp(label, "host", 4) == 0 && label[4])
		v4[3] = (uint8_t)strtoul(label + 4, NULL, 10);
	put_record(m, 0xc00c, TYPE_A, v4, 4);
	return 1;
}

size_t dns_answer(const uint8_t *query, size_t length, uint8_t *ret, size_t size)
{
	struct message m = { ret, 0, size };
	unsigned type = 0, rcode = 0, n = 0;
	char label[64];
	size_t end;

	if (length < 12 || size < 512)
		return 0;
	end = question(query, length, label, &type);
	if (!end || end > 400)
		return 0;
	put_bytes(&m, query, end);
	ret[2] = (uint8_t)(0x84 | (query[2] & 1)); /* response, authoritative, recursion as asked */
	memset(ret + 6, 0, 6);
	if (strcmp(label, "nothing") == 0)
		rcode = 3;
	else
		n = answers(&m, label, type);
	ret[3] = (uint8_t)(0x80 | rcode);
	ret[7] = (uint8_t)n;
	return m.at;
}

static void serve_udp(int fd)
{
	uint8_t query[1500], reply[1500];
	struct sockaddr_storage peer;
	socklen_t peer_length = sizeof(peer);
	ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&peer, &peer_length);
	size_t m = n > 0 ? dns_answer(query, (size_t)n, reply, sizeof(reply)) : 0;

	if (m)
		(void)sendto(fd, reply, m, 0, (struct sockaddr *)&peer, peer_length);
}

static bool read_all(int fd, uint8_t *ret, size_t n)
{
	while (n) {
		ssize_t have = recv(fd, ret, n, 0);

		if (have <= 0)
			return false;
		ret += have;
		n -= (size_t)have;
	}
	return true;
}

static void serve_tcp(int listener)
{
	uint8_t query[1500], reply[1502];
	int fd = accept(listener, NULL, NULL);
	size_t n, m;

	while (fd >= 0 && read_all(fd, query, 2)) {
		n = (size_t)(query[0] << 8 | query[1]);
		if (n > sizeof(query) || !read_all(fd, query, n))
			break;
		m = dns_answer(query, n, reply + 2, sizeof(reply) - 2);
		if (!m)
			break;
		reply[0] = (uint8_t)(m >> 8);
		reply[1] = (uint8_t)m;
		/* In two pieces: the stream must be put together. */
		if (send(fd, reply, 7, MSG_NOSIGNAL) != 7)
			break;
		if (send(fd, reply + 7, m + 2 - 7, MSG_NOSIGNAL) < 0)
			break;
	}
	if (fd >= 0)
		(void)close(fd);
}

static bool bind_both(unsigned port, int *udp, int *tcp)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	a.sin_port = htons((uint16_t)port);
	*udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*tcp >= 0)
		(void)setsockopt(*tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (*udp >= 0 && *tcp >= 0 && bind(*udp, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    bind(*tcp, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(*tcp, 16) == 0)
		return true;
	(void)close(*udp);
	(void)close(*tcp);
	return false;
}

pid_t dns_server_start(unsigned *port)
{
	static const unsigned tries[] = { 53, 5353, 15353, 25353, 35353 };
	int udp = -1, tcp = -1;
	bool bound = false;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(tries) && !bound; i++) {
		unsigned p = *port ? *port : tries[i];

		bound = bind_both(p, &udp, &tcp);
		if (bound)
			*port = p;
	}
	if (!bound)
		return -EADDRINUSE;
	pid = fork();
	if (pid == 0) {
		struct pollfd p[2] = { { udp, POLLIN, 0 }, { tcp, POLLIN, 0 } };

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (poll(p, 2, -1) > 0) {
			if (p[0].revents)
				serve_udp(udp);
			if (p[1].revents)
				serve_tcp(tcp);
		}
		_exit(1);
	}
	(void)close(udp);
	(void)close(tcp);
	return pid;
}
