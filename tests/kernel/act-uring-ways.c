/* SPDX-License-Identifier: Apache-2.0 */
/* The ways in which a ring can be asked and can answer: who does the work, who tells, and whose doing it is. */
#include "act-uring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define META "file_metadata"

/*
 * The same small history in each kind of ring: a directory, a file in it, read and written, and what fails. A file that
 * a worker opened and another task tells may be doubted.
 */
static void history(struct uring *u, const char *dir, unsigned flags)
{
	/* An open that may make a file is always a worker's. */
	bool doubt = flags & IOSQE_ASYNC || u->params.flags & IORING_SETUP_DEFER_TASKRUN;
	const char *sure = doubt ? "result=0|-error" : "result=0|-error|verified=true";
	char name[64], bytes[64] = "", label[96];
	struct io_uring_sqe e;
	long fd;

#define LABEL(text) ((void)snprintf(label, sizeof(label), "%s: %s", dir, text), label)
	(void)snprintf(name, sizeof(name), "%s/f", dir);
	e = uring_name(IORING_OP_MKDIRAT, dir);
	e.len = 0700;
	e.flags = (uint8_t)flags;
	expect(META, LABEL("mkdirat"), "@operation=mkdir|@path=%s|%%path|" BY_URING "%s", at(dir), ok(uring_do(u, e)));
	e = uring_openat(name, O_RDWR | O_CREAT, 0600);
	e.flags = (uint8_t)flags;
	fd = uring_do(u, e);
	(void)must(fd >= 0, "open");
	expect("file_open", LABEL("openat"), "@path=%s|@result=0|" BY_URING "%s", at(name), sure);
	e = uring_rw(IORING_OP_WRITE, fd, bytes, 20);
	e.flags = (uint8_t)flags;
	(void)must(uring_do(u, e) == 20, "write");
	e = uring_rw(IORING_OP_READ, fd, bytes, 7);
	e.flags = (uint8_t)flags;
	(void)must(uring_do(u, e) == 7, "read");
	expect_n(-1, "file_write", LABEL("write"), "@path=%s|" BY_URING "bytes:=20|operations:=1|%%late", at(name));
	expect_n(-1, "file_read", LABEL("read"), "@path=%s|" BY_URING "bytes:=7|operations:=1|%%late", at(name));
	e = uring_name(IORING_OP_UNLINKAT, name);
	e.flags = (uint8_t)flags;
	expect(META, LABEL("unlinkat"), "@operation=unlink|@path=%s|%%path|" BY_URING "%s", at(name),
	       ok(uring_do(u, e)));
	e = uring_openat(name, O_RDONLY, 0);
	e.flags = (uint8_t)flags;
	expect("file_open", LABEL("openat that fails"), "@path=%s|@result=-2|" BY_URING "%s", at(name),
	       no(uring_do(u, e), ENOENT));
#undef LABEL
}

static void case_sqpoll(void)
{
	struct uring u;

	if (uring_open(&u, "SQPOLL", IORING_SETUP_SQPOLL))
		history(&u, "sqpoll", 0);
}

static void case_sqpoll_async(void)
{
	struct uring u;

	if (uring_open(&u, "SQPOLL with workers", IORING_SETUP_SQPOLL))
		history(&u, "sqpoll-async", IOSQE_ASYNC);
}

static void case_async(void)
{
	struct uring u;

	if (uring_open(&u, "workers", 0))
		history(&u, "async", IOSQE_ASYNC);
}

static void case_drain(void)
{
	struct uring u;

	if (uring_open(&u, "drained requests", 0))
		history(&u, "drain", IOSQE_IO_DRAIN);
}

static void case_single(void)
{
	struct uring u;

	if (uring_open(&u, "SINGLE_ISSUER", IORING_SETUP_SINGLE_ISSUER))
		history(&u, "single", 0);
}

#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

static void case_defer(void)
{
	struct uring u;

	if (!uring_open(&u, "DEFER_TASKRUN", DEFER))
		return;
	history(&u, "defer", 0);
	history(&u, "defer-async", IOSQE_ASYNC);
}

/* ---- the ring's own table of files ---- */

static void case_table(void)
{
	char bytes[64] = "";
	struct io_uring_sqe e;
	struct uring u;
	int none = -1, pipes[2], fd = open("registered", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct io_uring_files_update put = { .offset = 2, .fds = ADDRESS(&fd) },
				     gone = { .offset = 2, .fds = ADDRESS(&none) };

	if (!uring_open(&u, "registered files", 0) || !uring_table(&u))
		return;
	(void)must(syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_FILES_UPDATE, &put, 1) == 1, "register");
	(void)close(fd);
	e = uring_rw(IORING_OP_WRITE, 2, bytes, 33);
	e.flags = IOSQE_FIXED_FILE;
	(void)must(uring_do(&u, e) == 33, "write");
	e.opcode = IORING_OP_READ;
	e.len = 11;
	(void)must(uring_do(&u, e) == 11, "read");
	expect_n(-1, "file_write", "write to a registered file", "@path=%s|" BY_URING "bytes:=33|operations:=1|%%late",
		 at("registered"));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_FALLOCATE, .flags = IOSQE_FIXED_FILE, .fd = 2, .addr = 64 };
	if (uring_do(&u, e) < 0 && errno == EOPNOTSUPP)
		skip("fallocate of a registered file", "the filesystem has no fallocate");
	else
		expect(META, "fallocate of a registered file", "@operation=fallocate|@path=%s|" BY_URING "%s",
		       at("registered"), ok(0));
	(void)must(pipe(pipes) == 0, "pipe");
	e = (struct io_uring_sqe){ .opcode = IORING_OP_SPLICE,
				   .splice_fd_in = 2,
				   .splice_flags = SPLICE_F_FD_IN_FIXED,
				   .splice_off_in = 0,
				   .fd = pipes[1],
				   .off = (uint64_t)-1,
				   .len = 5 };
	(void)must(uring_do(&u, e) == 5, "splice");
	expect_n(-1, "file_read", "read of a registered file, and splice from it",
		 "@path=%s|" BY_URING "bytes:=16|operations:=2|%%late", at("registered"));
	(void)must(syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_FILES_UPDATE, &gone, 1) == 1, "unregister");
}

static void case_direct(void)
{
	char bytes[64] = "";
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	struct io_uring_sqe e;
	struct uring u;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	long r;

	if (!uring_open(&u, "direct descriptors", 0) || !uring_table(&u))
		return;
	e = uring_openat("direct", O_RDWR | O_CREAT, 0600);
	e.file_index = 3 + 1;
	expect("file_open", "an open into the ring's table", "@path=%s|" BY_URING "%s", at("direct"),
	       ok(uring_do(&u, e)));
	e = uring_rw(IORING_OP_WRITE, 3, bytes, 9);
	e.flags = IOSQE_FIXED_FILE;
	(void)must(uring_do(&u, e) == 9, "write");
	expect_n(-1, "file_write", "write to what was opened into the table",
		 "@path=%s|" BY_URING "bytes:=9|operations:=1|%%late", at("direct"));
	e = uring_openat("direct-any", O_RDWR | O_CREAT, 0600);
	e.file_index = ~0U;
	r = uring_do(&u, e);
	(void)must(r >= 0, "open");
	expect("file_open", "an open into whichever slot is free", "@path=%s|" BY_URING "%s", at("direct-any"), ok(r));
	(void)must(uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .file_index = 3 + 1 }) == 0,
		   "close of a slot");
	/* The slot, not descriptor 3, was closed. */
	e = uring_rw(IORING_OP_WRITE, 3, bytes, 9);
	e.flags = IOSQE_FIXED_FILE;
	(void)must(uring_do(&u, e) < 0 && errno == EBADF, "the slot is empty");
	(void)must(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 5) == 0 &&
		       getsockname(listener, (struct sockaddr *)&a, &n) == 0,
		   "a listener");
	e = (struct io_uring_sqe){ .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM, .file_index = 5 + 1 };
	r = uring_do(&u, e);
	if (r < 0 && errno == EINVAL) {
		skip("a socket in the ring's table", "the kernel's io_uring has no socket");
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		(void)must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	} else {
		expect("network_socket", "a socket in the ring's table",
		       "@family=AF_INET|@via=io_uring|socket_type=SOCK_STREAM|" BY_URING "%s", ok(r));
		e = (struct io_uring_sqe){ .opcode = IORING_OP_CONNECT,
					   .flags = IOSQE_FIXED_FILE,
					   .fd = 5,
					   .addr = ADDRESS(&a),
					   .off = sizeof(a) };
		expect("network_connect", "connect of a slot",
		       "@destination_port=%u|destination=127.0.0.1|" BY_URING "%s", ntohs(a.sin_port),
		       ok(uring_do(&u, e)));
	}
	e = (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = listener, .file_index = 6 + 1 };
	expect("network_accept", "accept into the ring's table", "@port=%u|peer=127.0.0.1|" BY_URING "%s",
	       ntohs(a.sin_port), ok(uring_do(&u, e)));
}

/* ---- chains ---- */

/* The second fails: a hard link goes on, a soft one gives up the third. */
static void chain(struct uring *u, const char *what, const char *made, const char *open_too, unsigned flags)
{
	struct io_uring_sqe e[3] = { uring_name(IORING_OP_MKDIRAT, made), uring_openat("missing", O_RDONLY, 0),
				     uring_openat(open_too, O_RDONLY, 0) };
	long r[3] = { 0 }, one;
	uint64_t which;

	make_file(open_too, "x");
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++) {
		e[i].flags = i == 2 ? 0 : (uint8_t)flags;
		e[i].user_data = i;
		uring_put(u, e[i]);
	}
	if (!uring_go(u, ARRAY_SIZE(e)))
		return;
	while (uring_next(u, &which, &one))
		r[which % 3] = one;
	(void)must(r[0] == 0 && r[1] == -ENOENT, what);
	expect(META, what, "@operation=mkdir|@path=%s|%%path|" BY_URING "result=0", at(made));
	if (flags == IOSQE_IO_HARDLINK)
		expect("file_open", what, "@path=%s|" BY_URING "%%late|%s", at(open_too),
		       r[2] < 0 ? no(-1, 0) : "result=0");
	else
		expect("file_open", what, "@path=%s|" BY_URING "%%late|result=-125|error=ECANCELED", at(open_too));
}

static void case_chain(void)
{
	char bytes[64] = "";
	struct io_uring_sqe e;
	struct uring u;

	if (!uring_open(&u, "chains", 0) || !uring_table(&u))
		return;
	chain(&u, "linked requests", "la", "lb", IOSQE_IO_LINK);
	chain(&u, "hard-linked requests", "ha", "hb", IOSQE_IO_HARDLINK);
	expect_n(2, "file_open", "the members that failed", "@path=%s|" BY_URING "%%late|result=-2", at("missing"));
	/* Open, write, close without a number that the process ever sees. */
	e = uring_openat("chained", O_RDWR | O_CREAT, 0600);
	e.file_index = 1 + 1;
	e.flags = IOSQE_IO_LINK;
	uring_put(&u, e);
	e = uring_rw(IORING_OP_WRITE, 1, bytes, 21);
	e.flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	uring_put(&u, e);
	uring_put(&u, (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .file_index = 1 + 1 });
	if (!uring_go(&u, 3))
		return;
	for (long r; uring_next(&u, NULL, &r);)
		(void)must(r >= 0, "a chain over the table");
	expect("file_open", "an open that heads a chain", "@path=%s|" BY_URING "result=0", at("chained"));
	expect_n(-1, "file_write", "a write in the middle of a chain",
		 "@path=%s|" BY_URING "bytes:=21|operations:=1|%%late", at("chained"));
}

/* ---- requests that tell nobody when they succeed ---- */

static void silent_history(struct uring *u, const char *dir, unsigned flags)
{
	static char in[8], out[8];
	char names[3][64], label[96], first = '7';
	struct stat st;
	struct io_uring_sqe e[4];
	int fd, opened;

	for (int i = 0; i < 3; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%s%d", dir, i);
		make_file(names[i], "0123456789");
	}
	fd = open(names[0], O_RDWR | O_CLOEXEC);
	for (opened = fd + 1; fcntl(opened, F_GETFD) >= 0; opened++)
		;
	e[0] = uring_rw(IORING_OP_READ, fd, in, 7);
	e[1] = uring_rw(IORING_OP_WRITE, fd, out, 5);
	e[1].off = 7;
	e[2] = uring_openat(names[1], O_RDWR, 0);
	e[3] = uring_name(IORING_OP_UNLINKAT, names[2]);
	for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
		e[i].flags = (uint8_t)(flags | IOSQE_CQE_SKIP_SUCCESS);
		uring_put(u, e[i]);
	}
	(void)uring_go(u, 0);
	/* Nobody is told, but each leaves something to see. What a worker has not begun by the end is given up. */
	for (int i = 0; i < 10000 && (!*(volatile char *)in || (pread(fd, &first, 1, 7) == 1 && first) ||
				      fcntl(opened, F_GETFD) < 0 || stat(names[2], &st) == 0);
	     i++)
		(void)usleep(500);
	(void)must(*in && !first && fcntl(opened, F_GETFD) >= 0, "read, written and opened in silence");
	(void)must(stat(names[2], &st) < 0, "unlinked in silence");
#define LABEL(text) ((void)snprintf(label, sizeof(label), "%s: %s", dir, text), label)
	expect_n(-1, "file_read", LABEL("read"), "@path=%s|" BY_URING "bytes:=7|operations:=1|%%late", at(names[0]));
	expect_n(-1, "file_write", LABEL("write"), "@path=%s|" BY_URING "bytes:=5|operations:=1|%%late", at(names[0]));
	expect("file_open", LABEL("openat"), "@path=%s|" BY_URING "flags~O_RDWR|result=0|%%late", at(names[1]));
	expect(META, LABEL("unlinkat"), "@operation=unlink|@path=%s|%%path|" BY_URING "result=0|%%late", at(names[2]));
#undef LABEL
}

static void case_silent(void)
{
	struct uring u;

	if (uring_open(&u, "silent requests", 0))
		silent_history(&u, "silent", 0);
}

static void case_silent_async(void)
{
	struct uring u;

	if (uring_open(&u, "silent requests in workers", 0))
		silent_history(&u, "silent-async", IOSQE_ASYNC);
}

static void case_silent_defer(void)
{
	struct uring u;

	if (uring_open(&u, "silent requests, DEFER_TASKRUN", DEFER))
		silent_history(&u, "silent-defer", 0);
}

static void case_silent_sqpoll(void)
{
	struct uring u;

	if (uring_open(&u, "silent requests, SQPOLL", IORING_SETUP_SQPOLL))
		silent_history(&u, "silent-sqpoll", 0);
}

/* A worker's silent open, told late: by its words alone, but judged by them. */
static void case_silent_escape(void)
{
	struct io_uring_sqe e = uring_openat("/proc/kallsyms", O_RDONLY, 0);
	struct stat st;
	struct uring u;

	if (!uring_open(&u, "a sensitive file in silence", 0))
		return;
	make_file("after", "x");
	e.flags = IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
	uring_put(&u, e);
	uring_put(&u, uring_name(IORING_OP_UNLINKAT, "after"));
	(void)uring_go(&u, 1);
	(void)must(stat("after", &st) < 0, "both are done");
	expect("file_open", "a silent open of a sensitive file", "@path=/proc/kallsyms|" BY_URING "result=0|%%late");
	expect("sandbox_escape", "a sensitive file in silence",
	       "@category=proc_sys|@target=/proc/kallsyms|" BY_URING "result=0|%%late");
}

/* ---- whose doing it is ---- */

static int as_another(void *context)
{
	struct io_uring_sqe e;
	struct uring u;
	long id;

	if (!uring_open(&u, "personalities", 0))
		return 0;
	(void)must(mkdir("theirs", 0700) == 0, "mkdir");
	make_file("theirs/a", "x");
	make_file("theirs/b", "x");
	id = syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	(void)must(id > 0 && setegid(NOBODY) == 0 && seteuid(NOBODY) == 0, "become nobody");
	e = uring_name(IORING_OP_UNLINKAT, "theirs/a");
	expect(META, "without a personality",
	       "@operation=unlink|@path=%s|@result=-13|uid=65534|gid=65534|" BY_URING "%s", at("theirs/a"),
	       no(uring_do(&u, e), EACCES));
	e.personality = (uint16_t)id;
	expect(META, "with another's credentials",
	       "@operation=unlink|@path=%s|%%path|@result=0|uid=0|gid=0|" BY_URING "%s", at("theirs/a"),
	       ok(uring_do(&u, e)));
	e = uring_openat("theirs/b", O_RDONLY, 0);
	e.personality = (uint16_t)id;
	expect("file_open", "an open with another's credentials", "@path=%s|uid=0|gid=0|" BY_URING "%s", at("theirs/b"),
	       ok(uring_do(&u, e)));
	return 0;
}

static void case_personality(void)
{
	(void)in_child(as_another, NULL);
}

static int inherits(void *context)
{
	struct uring *u = context;

	history(u, "inherited", 0);
	return 0;
}

/* A ring that came by fork: who asks has done it. */
static void case_inherited(void)
{
	struct uring u;

	if (uring_open(&u, "a ring by fork", 0))
		(void)in_child(inherits, &u);
}

static int inherits_sqpoll(void *context)
{
	struct uring *u = context;
	struct io_uring_sqe e = uring_name(IORING_OP_MKDIRAT, "by-parent");

	(void)must(uring_do(u, e) == 0, "mkdirat");
	/* The thread that takes the entry from shared memory is its process's: who put it there, nothing knows. */
	expect(META, "SQPOLL's ring by fork: its thread's process",
	       "@operation=mkdir|@path=%s|@pid=%d|ppid=*|%%path|" BY_URING "result=0", at("by-parent"), getppid());
	return 0;
}

static void case_inherited_sqpoll(void)
{
	struct uring u;

	if (uring_open(&u, "SQPOLL's ring by fork", IORING_SETUP_SQPOLL))
		(void)in_child(inherits_sqpoll, &u);
}

/* By pidfd_getfd; over a unix socket none goes. */
static void case_passed(void)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = "";
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct uring u;
	int pair[2], status = 0;
	pid_t child;

	if (!uring_open(&u, "a ring over a unix socket", 0))
		return;
	(void)must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(c), &u.fd, sizeof(int));
	/* Since 6.7, and in stable trees since: a kernel that does send one wants a test of what comes of it. */
	(void)must(sendmsg(pair[0], &m, 0) < 0 && errno == EINVAL, "a ring over a unix socket is refused");
	child = fork();
	if (child == 0) {
		int pidfd = (int)syscall(SYS_pidfd_open, getppid(), 0), parents = u.fd;

		(void)close(u.fd);
		u.fd = (int)syscall(SYS_pidfd_getfd, pidfd, parents, 0);
		if (must(u.fd >= 0, "pidfd_getfd") && uring_map(&u))
			history(&u, "taken", 0);
		_exit(0);
	}
	status = wait_for(child);
	(void)must(status == 0, "the child");
}

/* ---- a descriptor that another thread replaces ---- */

static int swapped_fd, swapped_for;
static bool swapped_enough;

/* Whatever comes to the number is replaced at once. */
static void *swap(void *context)
{
	while (!__atomic_load_n(&swapped_enough, __ATOMIC_RELAXED))
		if (fcntl(swapped_fd, F_GETFD) >= 0)
			(void)dup2(swapped_for, swapped_fd);
	return NULL;
}

static void swapped(const char *what, unsigned flags, unsigned asynchronously)
{
	struct io_uring_sqe e = uring_openat("one", O_RDONLY, 0);
	struct uring u;
	pthread_t thread;
	int right = 0, tries = act_emulated() ? 20 : 2000;

	if (!uring_open(&u, what, flags))
		return;
	make_file("one", "x");
	make_file("other", "x");
	e.flags = (uint8_t)asynchronously;
	swapped_for = open("other", O_RDONLY | O_CLOEXEC);
	swapped_fd = (int)uring_do(&u, e);
	(void)close(swapped_fd);
	swapped_enough = false;
	(void)must(pthread_create(&thread, NULL, swap, NULL) == 0, "a thread");
	for (int i = 0; i < tries; i++) {
		long fd = uring_do(&u, e);

		right += fd >= 0;
		(void)close((int)fd);
	}
	__atomic_store_n(&swapped_enough, true, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	(void)must(right == tries, "every open opened");
	expect_none("file_open", what, "path=%s|via=io_uring|verified=true", at("other"));
	uring_close(&u);
}

static void case_swapped(void)
{
	swapped("an open, its descriptor replaced", 0, 0);
	swapped("a worker's open, its descriptor replaced", 0, IOSQE_ASYNC);
	swapped("a worker's open that another tells, its descriptor replaced", DEFER, IOSQE_ASYNC);
	swapped("SQPOLL's open, its descriptor replaced", IORING_SETUP_SQPOLL, 0);
}

static const struct act_case cases[] = {
	{ "sqpoll", case_sqpoll },
	{ "sqpoll-async", case_sqpoll_async },
	{ "async", case_async },
	{ "drain", case_drain },
	{ "single", case_single },
	{ "defer", case_defer },
	{ "table", case_table },
	{ "direct", case_direct },
	{ "chain", case_chain },
	{ "silent", case_silent },
	{ "silent-async", case_silent_async },
	{ "silent-defer", case_silent_defer },
	{ "silent-sqpoll", case_silent_sqpoll },
	{ "silent-escape", case_silent_escape },
	{ "personality", case_personality },
	{ "inherited", case_inherited },
	{ "inherited-sqpoll", case_inherited_sqpoll },
	{ "passed", case_passed },
	{ "swapped", case_swapped },
	{ 0 },
};

const struct act_family family_uring_ways = { "uring-ways", "via: io_uring, each way to ask and be told", cases, NULL };
