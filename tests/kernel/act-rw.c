/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing files: every call, exact counts however they are folded, mappings, and what is no file. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void expect_io(const char *type, const char *what, const char *path, long bytes, long operations)
{
	expect_n(-1, type, what,
		 "@path=%s|bytes:=%ld|operations:=%ld|+first|+last|+inode|+device|verified=true|mapping!=true", path,
		 bytes, operations);
}

static int fresh(const char *name)
{
	return open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

/* A file of 1,000 bytes, written by one call that is not looked at. */
static int filled(const char *name)
{
	static char block[1000];
	int fd = fresh(name);

	(void)must(fd >= 0 && write(fd, block, sizeof(block)) == 1000, "a filled file");
	(void)close(fd);
	return open(name, O_RDWR | O_CLOEXEC);
}

static void case_writes(void)
{
	char a[100] = "", b[200] = "";
	struct iovec v[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	int fd = fresh("write");

	(void)must(write(fd, a, 100) == 100 && write(fd, a, 10) == 10, "write");
	(void)close(fd);
	expect("file_write", "write", "@path=%s|bytes=110|operations=2|+first|+last|verified=true|-result|-mapping",
	       at("write"));
	fd = fresh("pwrite");
	(void)must(pwrite(fd, a, 50, 1000) == 50, "pwrite");
	(void)close(fd);
	expect_io("file_write", "pwrite", at("pwrite"), 50, 1);
	fd = fresh("writev");
	(void)must(writev(fd, v, 2) == 300, "writev");
	(void)close(fd);
	expect_io("file_write", "writev", at("writev"), 300, 1);
	fd = fresh("pwritev");
	(void)must(pwritev(fd, v, 2, 5) == 300 && pwritev(fd, v, 1, 0) == 100, "pwritev");
	(void)close(fd);
	expect_io("file_write", "pwritev", at("pwritev"), 400, 2);
	fd = fresh("pwritev2");
	(void)must(pwritev2(fd, v, 2, 0, RWF_APPEND) == 300, "pwritev2");
	(void)close(fd);
	expect_io("file_write", "pwritev2", at("pwritev2"), 300, 1);
	fd = open("append", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)must(write(fd, a, 1) == 1, "write");
	(void)close(fd);
	expect_io("file_write", "O_APPEND", at("append"), 1, 1);
	expect_none("file_read", "writing is no reading", "+type");
}

static void case_reads(void)
{
	char a[100], b[200];
	struct iovec v[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	int fd = filled("read");

	(void)must(read(fd, a, 100) == 100 && read(fd, a, 7) == 7, "read");
	(void)close(fd);
	expect("file_read", "read", "@path=%s|bytes=107|operations=2|+first|+last|verified=true|-result|-mapping",
	       at("read"));
	fd = filled("pread");
	(void)must(pread(fd, a, 50, 970) == 30, "pread");
	(void)close(fd);
	expect_io("file_read", "pread cut by the file's end", at("pread"), 30, 1);
	fd = filled("readv");
	(void)must(readv(fd, v, 2) == 300, "readv");
	(void)close(fd);
	expect_io("file_read", "readv", at("readv"), 300, 1);
	fd = filled("preadv");
	(void)must(preadv(fd, v, 2, 5) == 300 && preadv(fd, v, 1, 0) == 100, "preadv");
	(void)close(fd);
	expect_io("file_read", "preadv", at("preadv"), 400, 2);
	fd = filled("preadv2");
	(void)must(preadv2(fd, v, 2, 0, 0) == 300, "preadv2");
	(void)close(fd);
	expect_io("file_read", "preadv2", at("preadv2"), 300, 1);
}

static void case_between(void)
{
	int in = filled("from-sendfile"), out = fresh("to-sendfile"), pipes[2], pair[2];
	loff_t zero = 0;

	(void)must(sendfile(out, in, NULL, 600) == 600, "sendfile");
	(void)close(in);
	(void)close(out);
	expect_io("file_read", "sendfile reads one end", at("from-sendfile"), 600, 1);
	expect_io("file_write", "sendfile writes the other", at("to-sendfile"), 600, 1);
	in = filled("from-range");
	out = fresh("to-range");
	(void)must(copy_file_range(in, NULL, out, NULL, 700, 0) == 700, "copy_file_range");
	(void)close(in);
	(void)close(out);
	expect_io("file_read", "copy_file_range reads one end", at("from-range"), 700, 1);
	expect_io("file_write", "copy_file_range writes the other", at("to-range"), 700, 1);
	(void)must(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
	in = filled("from-splice");
	out = fresh("to-splice");
	(void)must(splice(in, &zero, pipes[1], NULL, 800, 0) == 800, "splice");
	(void)must(splice(pipes[0], NULL, out, NULL, 800, 0) == 800, "splice");
	(void)close(in);
	(void)close(out);
	expect_io("file_read", "splice out of a file", at("from-splice"), 800, 1);
	expect_io("file_write", "splice into a file", at("to-splice"), 800, 1);
	(void)must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	in = filled("to-socket");
	(void)must(sendfile(pair[0], in, NULL, 300) == 300, "sendfile");
	(void)close(in);
	expect_io("file_read", "sendfile into a socket", at("to-socket"), 300, 1);
	expect_none("file_write", "the socket's end is no file", "path^socket");
}

static void case_many(void)
{
	char c = 'x';
	int fd = fresh("many");

	for (int i = 0; i < 5000; i++)
		(void)must(write(fd, &c, 1) == 1, "write");
	for (int i = 0; i < 3000; i++)
		(void)must(pread(fd, &c, 1, i) == 1, "pread");
	(void)close(fd);
	expect_io("file_write", "5,000 writes add up", at("many"), 5000, 5000);
	expect_io("file_read", "3,000 reads add up", at("many"), 3000, 3000);
}

static void case_many_files(void)
{
	char name[32], block[64] = "";

	for (int i = 0; i < 400; i++) {
		int fd;

		(void)snprintf(name, sizeof(name), "file-%d", i);
		fd = fresh(name);
		(void)must(write(fd, block, (size_t)(i % 64) + 1) == i % 64 + 1, "write");
		if (i % 2)
			(void)close(fd);
	}
	for (int i = 0; i < 400; i += 57) {
		(void)snprintf(name, sizeof(name), "file-%d", i);
		expect_io("file_write", i % 2 ? "one of 400 files, closed" : "one of 400 files, left open", at(name),
			  i % 64 + 1, 1);
	}
}

static int leaves_open(void *context)
{
	int fd = fresh("left-open");

	(void)must(write(fd, "12345", 5) == 5, "write");
	expect("file_write", "flushed at exit", "@path=%s|bytes=5|operations=1", at("left-open"));
	return 0;
}

static int execs(void *context)
{
	char *argv[] = { "x", "--helper", "exit", "0", NULL };
	int fd = fresh("before-exec");

	(void)must(write(fd, "123456", 6) == 6, "write");
	expect("file_write", "flushed at exec", "@path=%s|bytes=6|operations=1|exe=%s|image=0", at("before-exec"),
	       act_self);
	(void)execv(act_self, argv);
	return 1;
}

static int writes_inherited(void *context)
{
	int fd = *(int *)context;

	(void)must(write(fd, "1234567", 7) == 7, "write");
	expect("file_write", "a descriptor inherited over fork", "@path=%s|bytes=7|operations=1", at("inherited"));
	return 0;
}

static int exec_inherits(void *context)
{
	char number[16];
	char *argv[] = { "x", "--helper", "write", number, NULL };

	(void)snprintf(number, sizeof(number), "%d", *(int *)context);
	expect("file_write", "a descriptor inherited over exec", "@path=%s|bytes=4|operations=1|image=1|comm=*",
	       at("inherited"));
	(void)execv(act_self, argv);
	return 1;
}

static void case_flush(void)
{
	int fd, two;

	(void)in_child(leaves_open, NULL);
	(void)in_child(execs, NULL);
	fd = open("inherited", O_RDWR | O_CREAT, 0644);
	(void)must(write(fd, "123", 3) == 3, "write");
	(void)in_child(writes_inherited, &fd);
	(void)in_child(exec_inherits, &fd);
	(void)must(act_status == 0, "the heir wrote");
	(void)close(fd);
	expect_io("file_write", "the parent's own share", at("inherited"), 3, 1);
	fd = fresh("dup");
	two = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	(void)must(write(fd, "12", 2) == 2 && close(fd) == 0 && write(two, "345", 3) == 3 && close(two) == 0, "dup");
	expect_io("file_write", "two descriptors of one file", at("dup"), 5, 2);
	fd = fresh("dup2");
	two = fresh("over");
	(void)must(write(two, "9", 1) == 1 && dup2(fd, two) == two && write(two, "12", 2) == 2, "dup2");
	(void)close(two);
	(void)close(fd);
	expect_io("file_write", "what dup2 closes is flushed", at("over"), 1, 1);
	expect_io("file_write", "what dup2 puts there has its own name", at("dup2"), 2, 1);
	fd = fresh("range");
	(void)must(write(fd, "1", 1) == 1 && close_range((unsigned)fd, (unsigned)fd, 0) == 0, "close_range");
	expect_io("file_write", "close_range", at("range"), 1, 1);
}

static void case_long(void)
{
	char c;
	int fd = filled("long");

	for (int i = 0; i < 26; i++) {
		(void)must(read(fd, &c, 1) == 1, "read");
		(void)usleep(100000);
	}
	expect_io("file_read", "a long reader's counts add up", at("long"), 26, 26);
	expect_none("file_read", "a long reader does not wait for the close", "operations=26");
	(void)close(fd);
}

static void case_reuse(void)
{
	int fd = fresh("one"), again;

	(void)must(write(fd, "1", 1) == 1, "write");
	(void)close(fd);
	again = fresh("two");
	(void)must(again == fd && write(again, "22", 2) == 2, "the number is used again");
	(void)close(again);
	expect_io("file_write", "a descriptor number's first file", at("one"), 1, 1);
	expect_io("file_write", "a descriptor number's second file", at("two"), 2, 1);
	fd = fresh("old-name");
	(void)must(write(fd, "1", 1) == 1 && rename("old-name", "new-name") == 0 && write(fd, "1", 1) == 1, "rename");
	(void)close(fd);
	expect_n(-1, "file_write", "a file renamed while it is open", "@path~-name|bytes:=2|operations:=2");
	fd = fresh("unlinked");
	(void)must(unlink("unlinked") == 0 && write(fd, "123", 3) == 3, "unlink");
	(void)close(fd);
	expect_io("file_write", "a file deleted while it is open", at("unlinked"), 3, 1);
}

static void case_mapping(void)
{
	int fd = filled("shared"), ro;
	char *p = mmap(NULL, 1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (must(p != MAP_FAILED, "mmap"))
		p[0] = 1;
	expect("file_write", "a shared writable mapping", "@path=%s|@mapping=true|-bytes|verified=true", at("shared"));
	(void)close(fd);
	fd = filled("later");
	p = mmap(NULL, 1000, PROT_READ, MAP_SHARED, fd, 0);
	(void)must(mprotect(p, 1000, PROT_READ | PROT_WRITE) == 0, "mprotect");
	expect("file_write", "mprotect makes a shared mapping writable", "@path=%s|@mapping=true|-bytes", at("later"));
	(void)close(fd);
	fd = filled("read-only");
	p = mmap(NULL, 1000, PROT_READ, MAP_SHARED, fd, 0);
	(void)must(p != MAP_FAILED, "mmap");
	expect_none("file_write", "a shared mapping that only reads is none", "path=%s|mapping=true", at("read-only"));
	(void)close(fd);
	fd = filled("private");
	p = mmap(NULL, 1000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (must(p != MAP_FAILED, "mmap"))
		p[0] = 1;
	expect_none("file_write", "a private mapping writes no file", "path=%s|mapping=true", at("private"));
	(void)close(fd);
	ro = open("private", O_RDONLY | O_CLOEXEC);
	(void)must(mmap(NULL, 1000, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES,
		   "refused");
	expect_none("file_write", "a refused mapping is none", "path=%s|mapping=true", at("private"));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)must(p != MAP_FAILED, "mmap");
	expect_none("file_write", "shared anonymous memory is no file", "mapping=true|path^/dev/zero");
}

static void case_no_files(void)
{
	int pipes[2], pair[2], pty, event;
	char text[16];
	uint64_t one = 1;

	(void)must(pipe2(pipes, O_CLOEXEC) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0,
		   "pipe and socketpair");
	(void)must(write(pipes[1], "123", 3) == 3 && read(pipes[0], text, 3) == 3, "pipe");
	(void)must(write(pair[1], "123", 3) == 3 && read(pair[0], text, 3) == 3, "socketpair");
	event = eventfd(0, EFD_CLOEXEC);
	(void)must(write(event, &one, 8) == 8 && read(event, &one, 8) == 8, "eventfd");
	pty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (pty >= 0)
		(void)must(write(pty, "x", 1) == 1, "terminal");
	else
		skip("a terminal is no file here", "no /dev/ptmx");
	expect_none("file_read", "pipes, sockets, eventfds and terminals are not read as files", "+type");
	expect_none("file_write", "pipes, sockets, eventfds and terminals are not written as files", "+type");
}

static void case_failed(void)
{
	char c;
	int ro, wo;

	make_file("f", "text");
	ro = open("f", O_RDONLY | O_CLOEXEC);
	wo = open("f", O_WRONLY | O_CLOEXEC);
	(void)must(write(ro, "x", 1) < 0 && errno == EBADF && read(wo, &c, 1) < 0 && read(999, &c, 1) < 0, "refused");
	expect_none("file_read", "a refused read is none", "+type");
	expect_n(-1, "file_write", "a refused write adds nothing", "@path=%s|bytes:=4|operations:=1", at("f"));
}

static const struct act_case cases[] = {
	{ "writes", case_writes },     { "reads", case_reads },		  { "between", case_between },
	{ "many", case_many },	       { "many-files", case_many_files }, { "flush", case_flush },
	{ "long", case_long },	       { "reuse", case_reuse },		  { "mapping", case_mapping },
	{ "no-files", case_no_files }, { "failed", case_failed },	  { 0 },
};

const struct act_family family_rw = { "rw", "file_read, file_write", cases, NULL };
