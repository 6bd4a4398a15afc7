/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a process reads and writes without having opened them: the descriptor came from elsewhere. Programs past
 * the loader, memfd, handles, other processes' memory and mounts have cases of their own in exec, container and escape.
 */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT "12345"

/* Reads what is there through the descriptor, writes as much behind it, and says so. */
static void use(int fd, const char *path, const char *way, const char *how)
{
	char text[sizeof(TEXT)];

	(void)must(read(fd, text, 5) == 5 && memcmp(text, TEXT, 5) == 0 && write(fd, "678", 3) == 3, how);
	(void)close(fd);
	expect_n(-1, "file_read", how, "@path=%s|bytes:=5|operations:=1|verified=true|%%way=%s", path, way);
	expect_n(-1, "file_write", how, "@path=%s|bytes:=3|operations:=1|verified=true|%%way=%s", path, way);
	expect_none("file_open", how, "path=%s", path);
}

static int inherits(void *context)
{
	use(*(int *)context, at("inherited"), "inherited", "a descriptor that was inherited");
	return 0;
}

static void case_inherited(void)
{
	int fd;

	make_file("inherited", TEXT);
	fd = open("inherited", O_RDWR | O_CLOEXEC);
	(void)in_child(inherits, &fd);
	(void)close(fd);
}

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void message(struct msghdr *m, struct iovec *v, union control *c, char *byte)
{
	*v = (struct iovec){ byte, 1 };
	*m = (struct msghdr){ .msg_iov = v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(*c) };
}

static int receives(void *context)
{
	union control c = { 0 };
	struct msghdr m;
	struct iovec v;
	char byte;
	int fd;

	message(&m, &v, &c, &byte);
	if (!must(recvmsg(*(int *)context, &m, 0) == 1 && c.head.cmsg_type == SCM_RIGHTS, "recvmsg"))
		return 1;
	memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
	use(fd, at("passed"), "passed", "a descriptor that was passed over a unix socket");
	return 0;
}

static void case_passed(void)
{
	union control c = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr m;
	struct iovec v;
	char byte = 'x';
	int pair[2], fd;
	pid_t pid;

	make_file("passed", TEXT);
	(void)must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	pid = fork();
	if (pid == 0)
		_exit(receives(&pair[1]));
	/* Opened only now, so that nothing of it was inherited. */
	fd = open("passed", O_RDWR | O_CLOEXEC);
	memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	message(&m, &v, &c, &byte);
	(void)must(sendmsg(pair[0], &m, 0) == 1, "sendmsg");
	(void)must(wait_for(pid) == 0, "the receiver");
	(void)close(fd);
}

static void case_taken(void)
{
	int ready[2], fd = -1, pidfd, taken;
	pid_t pid;

	(void)must(pipe2(ready, O_CLOEXEC) == 0, "pipe");
	pid = fork();
	if (pid == 0) {
		make_file("taken", TEXT);
		fd = open("taken", O_RDWR | O_CLOEXEC);
		(void)must(write(ready[1], &fd, sizeof(fd)) == sizeof(fd), "write");
		(void)pause();
		_exit(0);
	}
	(void)must(read(ready[0], &fd, sizeof(fd)) == sizeof(fd) && fd >= 0, "the owner");
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	taken = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	expect("sandbox_escape", "pidfd_getfd", "@category=ptrace|@syscall=pidfd_getfd|+target|%s", ok(taken));
	use(taken, at("taken"), "pidfd_getfd", "a descriptor that was taken by pidfd_getfd");
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
}

static const struct act_case cases[] = {
	{ "inherited", case_inherited },
	{ "passed", case_passed },
	{ "taken", case_taken },
	{ 0 },
};

const struct act_family family_door = { "door", "files through descriptors that came from elsewhere", cases, NULL };
