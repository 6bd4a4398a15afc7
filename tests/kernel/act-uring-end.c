/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose end nobody is told: completions without room, rings that close and processes that end meanwhile. */
#include "act-uring.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define META "file_metadata"
#define MANY 12

static char *named(char *ret, size_t size, const char *stem, int i)
{
	(void)snprintf(ret, size, "%s%d", stem, i);
	return ret;
}

/* Waits for what nobody tells of. */
static bool gone_in_time(const char *name)
{
	struct stat st;

	for (int i = 0; stat(name, &st) == 0 && i < 20000; i++)
		(void)usleep(500);
	return stat(name, &st) < 0;
}

/* The ring's thread, where there is one, takes entries in its own time. */
static void taken_in_time(const struct uring *u)
{
	while (u->params.flags & IORING_SETUP_SQPOLL &&
	       __atomic_load_n((uint32_t *)(u->sq + u->params.sq_off.head), __ATOMIC_ACQUIRE) !=
		   *(uint32_t *)(u->sq + u->params.sq_off.tail))
		(void)usleep(200);
}

/* Four completions have room, and nobody takes them. */
static void overflow(struct uring *u, const char *stem, unsigned flags)
{
	static char names[MANY][64], in[8], out[8];
	char label[96], file[64];
	struct io_uring_sqe e;
	char first = '0';
	int fd;

#define LABEL(text) ((void)snprintf(label, sizeof(label), "%s: %s", stem, text), label)
	for (int i = 0; i < MANY; i++) {
		make_file(named(names[i], sizeof(names[i]), stem, i), "0123456789");
		e = i & 1 ? uring_openat(names[i], O_RDWR, 0) : uring_name(IORING_OP_UNLINKAT, names[i]);
		e.flags = (uint8_t)flags;
		uring_put(u, e);
		(void)uring_go(u, 0);
		taken_in_time(u);
	}
	make_file(named(file, sizeof(file), stem, MANY), "0123456789");
	fd = open(file, O_RDWR | O_CLOEXEC);
	e = uring_rw(IORING_OP_READ, fd, in, 7);
	e.flags = (uint8_t)flags;
	uring_put(u, e);
	e = uring_rw(IORING_OP_WRITE, fd, out, 5);
	e.flags = (uint8_t)flags;
	e.off = 2;
	uring_put(u, e);
	(void)uring_go(u, 0);
	for (int i = 0; i < 20000 && (!*(volatile char *)in || (pread(fd, &first, 1, 2) == 1 && first)); i++)
		(void)usleep(500);
	(void)must(*in && !first, "read and written");
	for (int i = 0; i < MANY; i += 2)
		(void)must(gone_in_time(names[i]), "unlinked");
	for (int i = 0; i < MANY; i++)
		if (i & 1)
			expect("file_open", LABEL("openat without room"),
			       "@path=%s|" BY_URING "flags~O_RDWR|result=0|%%late", at(names[i]));
		else
			expect(META, LABEL("unlinkat without room"),
			       "@operation=unlink|@path=%s|%%path|" BY_URING "result=0|%%late", at(names[i]));
	(void)named(file, sizeof(file), stem, MANY);
	expect_n(-1, "file_read", LABEL("read without room"), "@path=%s|" BY_URING "bytes:=7|operations:=1|%%late",
		 at(file));
	expect_n(-1, "file_write", LABEL("write without room"), "@path=%s|" BY_URING "bytes:=5|operations:=1|%%late",
		 at(file));
#undef LABEL
}

static void case_overflow(void)
{
	struct uring u;

	if (uring_open_of(&u, "completions without room", 0, 4, 4))
		overflow(&u, "over", 0);
}

static void case_overflow_async(void)
{
	struct uring u;

	if (uring_open_of(&u, "completions without room, of workers", 0, 4, 4))
		overflow(&u, "over-async", IOSQE_ASYNC);
}

static void case_overflow_sqpoll(void)
{
	struct uring u;

	if (uring_open_of(&u, "completions without room, SQPOLL", IORING_SETUP_SQPOLL, 4, 4))
		overflow(&u, "over-sqpoll", 0);
}

/* ---- the ring or the process ends before the requests do ---- */

struct ending {
	const char *stem;
	unsigned setup, flags;
	enum { BY_EXIT, BY_KILL, BY_CLOSE, BY_EXEC } how;
	pid_t pid;
};

static int ends(void *context)
{
	struct ending *w = context;
	static char names[MANY][64];
	struct uring u;

	w->pid = getpid();
	if (!uring_open(&u, w->stem, w->setup))
		return 77;
	for (int i = 0; i < MANY; i++) {
		struct io_uring_sqe e = uring_name(IORING_OP_UNLINKAT, named(names[i], sizeof(names[i]), w->stem, i));

		e.flags = (uint8_t)w->flags;
		uring_put(&u, e);
	}
	(void)uring_go(&u, 0);
	taken_in_time(&u);
	switch (w->how) {
	case BY_KILL:
		(void)raise(SIGKILL);
		return 1;
	case BY_EXEC:
		(void)execl(act_self, act_self, "--helper", "exit", "0", NULL);
		return 1;
	case BY_CLOSE:
		/* The first at least is done, the others are or are given up. The process goes on for a while. */
		(void)must(gone_in_time(names[0]), "the first is done");
		uring_close(&u);
		(void)usleep(100000);
		return 0;
	case BY_EXIT:
		break;
	}
	return 0;
}

/* Whichever names are gone, each is told; whichever are there, none is told to be gone. */
static void ending(const char *stem, unsigned setup, unsigned flags, int how)
{
	struct ending w = { .stem = stem, .setup = setup, .flags = flags, .how = how };
	char name[64];
	struct stat st;
	int gone = 0;

	for (int i = 0; i < MANY; i++)
		make_file(named(name, sizeof(name), stem, i), "x");
	w.pid = in_child(ends, &w);
	if (WIFEXITED(act_status) && WEXITSTATUS(act_status) == 77)
		return;
	/* A worker of a ring that was closed may be at one still, but its process has waited for it when it ended. */
	for (int i = 0; i < MANY; i++) {
		bool there = stat(named(name, sizeof(name), stem, i), &st) == 0;

		gone += !there;
		expect_n(!there, META, there ? "a request that was given up" : "a request that outlived its ring",
			 "@operation=unlink|@path=%s|@pid=%d|@result=0|%%path|%%late|ppid=*|exe=*|image=*|" BY_URING
			 "-error",
			 at(name), w.pid);
	}
	(void)must(how != BY_CLOSE || gone > 0, "some were done");
}

static void case_exit(void)
{
	ending("exit", 0, IOSQE_ASYNC, BY_EXIT);
	ending("exit-defer", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IOSQE_ASYNC, BY_EXIT);
	ending("exit-sqpoll", IORING_SETUP_SQPOLL, 0, BY_EXIT);
	ending("exit-silent", 0, IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS, BY_EXIT);
	ending("exit-sqpoll-silent", IORING_SETUP_SQPOLL, IOSQE_CQE_SKIP_SUCCESS, BY_EXIT);
}

static void case_kill(void)
{
	ending("kill", 0, IOSQE_ASYNC, BY_KILL);
	ending("kill-silent", 0, IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS, BY_KILL);
}

static void case_close(void)
{
	ending("close", 0, IOSQE_ASYNC, BY_CLOSE);
	ending("close-defer", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IOSQE_ASYNC, BY_CLOSE);
	ending("close-sqpoll", IORING_SETUP_SQPOLL, 0, BY_CLOSE);
}

static void case_exec(void)
{
	ending("exec", 0, IOSQE_ASYNC, BY_EXEC);
	ending("exec-silent", 0, IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS, BY_EXEC);
}

/* Rings one after the other, the kernel's memory of the one being that of the next: nothing of the one is the other's.
 */
static void case_again(void)
{
	char name[64];
	struct uring u;

	for (int i = 0; i < MANY; i++) {
		make_file(named(name, sizeof(name), "again", i), "x");
		if (!uring_open(&u, "rings one after the other", 0))
			return;
		struct io_uring_sqe e = uring_openat(name, O_RDONLY, 0);

		e.flags = IOSQE_CQE_SKIP_SUCCESS;
		uring_put(&u, e);
		(void)uring_go(&u, 0);
		uring_close(&u);
		expect("file_open", "a ring's silent openat", "@path=%s|" BY_URING "result=0|%%late", at(name));
	}
	expect_n(MANY, "file_open", "as many as there were", BY_URING "result=0|%%late");
}

static const struct act_case cases[] = {
	{ "overflow", case_overflow },
	{ "overflow-async", case_overflow_async },
	{ "overflow-sqpoll", case_overflow_sqpoll },
	{ "exit", case_exit },
	{ "kill", case_kill },
	{ "close", case_close },
	{ "exec", case_exec },
	{ "again", case_again },
	{ 0 },
};

const struct act_family family_uring_end = { "uring-end", "via: io_uring, requests whose end nobody is told", cases,
					     NULL };
