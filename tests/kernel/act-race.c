/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second thread rewrites what a call was given while the call runs. What was really opened, reached or run is
 * asked of the kernel afterwards, and the events must say the same.
 */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 400

struct flip {
	volatile unsigned char *at;
	unsigned char one, other;
	atomic_bool stop;
	pthread_t thread;
};

static void *flips(void *context)
{
	struct flip *f = context;

	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		*f->at = f->other;
		*f->at = f->one;
	}
	return NULL;
}

static void flip_start(struct flip *f)
{
	atomic_init(&f->stop, false);
	(void)must(pthread_create(&f->thread, NULL, flips, f) == 0, "pthread_create");
}

static void flip_stop(struct flip *f)
{
	atomic_store(&f->stop, true);
	(void)pthread_join(f->thread, NULL);
}

static void case_open(void)
{
	static char name[] = "file-a";
	struct flip f = { .at = (unsigned char *)&name[5], .one = 'a', .other = 'b' };
	struct stat a, b, st;
	int seen_a = 0, seen_b = 0;

	make_file("file-a", "x");
	make_file("file-b", "x");
	(void)must(stat("file-a", &a) == 0 && stat("file-b", &b) == 0, "stat");
	flip_start(&f);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);

		(void)must(fd >= 0 && fstat(fd, &st) == 0, "open");
		seen_a += st.st_ino == a.st_ino;
		seen_b += st.st_ino == b.st_ino;
		(void)close(fd);
	}
	flip_stop(&f);
	(void)must(seen_a + seen_b == ROUNDS, "every open gave one of the two");
	expect_n(seen_a, "file_open", "opens of the one file",
		 "@path=%s|@flags=O_RDONLY,O_CLOEXEC|inode=%llu|result=0|verified=true|%%late", at("file-a"),
		 (unsigned long long)a.st_ino);
	expect_n(seen_b, "file_open", "opens of the other file",
		 "@path=%s|@flags=O_RDONLY,O_CLOEXEC|inode=%llu|result=0|verified=true|%%late", at("file-b"),
		 (unsigned long long)b.st_ino);
}

static void case_connect(void)
{
	static struct sockaddr_in a = { .sin_family = AF_INET };
	struct flip f = { .at = (unsigned char *)&a.sin_port + 1, .one = 1, .other = 2 };
	int seen[3] = { 0, 0, 0 };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(0x1001);
	flip_start(&f);
	for (int i = 0; i < ROUNDS; i++) {
		struct sockaddr_in peer = { 0 };
		socklen_t n = sizeof(peer);
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
			       getpeername(fd, (struct sockaddr *)&peer, &n) == 0,
			   "connect");
		seen[ntohs(peer.sin_port) & 3]++;
		(void)close(fd);
	}
	flip_stop(&f);
	(void)must(seen[1] + seen[2] == ROUNDS, "every connect reached one of the two");
	expect_n(seen[1], "network_connect", "connections to the one port",
		 "@destination_port=4097|destination=127.0.0.1|result=0|verified=true|%%late");
	expect_n(seen[2], "network_connect", "connections to the other port",
		 "@destination_port=4098|destination=127.0.0.1|result=0|verified=true|%%late");
}

static int runs(void *context)
{
	static char told[] = "told-a";
	struct flip f = { .at = (unsigned char *)&told[5], .one = 'a', .other = 'b' };
	char *argv[] = { "race", "--helper", "tell", told, NULL };

	flip_start(&f);
	(void)execv(act_self, argv);
	return 1;
}

static void case_exec(void)
{
	for (int i = 0; i < 20; i++) {
		(void)in_child(runs, NULL);
		(void)must(act_status == 0, "the program ran");
	}
}

static const struct act_case cases[] = {
	{ "open", case_open },
	{ "connect", case_connect },
	{ "exec", case_exec },
	{ 0 },
};

const struct act_family family_race = {
	.name = "race",
	.proves = "the kernel's word, not the caller's: file_open, network_connect, process_exec",
	.cases = cases
};
