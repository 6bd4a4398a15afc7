/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second thread changes what a call is about while the call runs, many times: the words in memory, the file or socket
 * at a descriptor, the names on a path. What each call really did is asked of the kernel at once and written down, try
 * by try, for judge-race.c to hold against the events. The storm has nobody who cheats: it shows how often there is
 * doubt without need.
 */
#include "judge-race.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHORT 2000
#define LONG 100000
#define SLOW_EMULATED 10000 /* of calls that take up to 40 ms there */
#define EXEC_SHORT 400
#define EXEC_LONG 100000
#define EXEC_EMULATED 2000 /* a quarter of a second each */
#define STORM_THREADS 4
#define WORD 24   /* bytes that a try's truth takes at most */
#define HIGH 100  /* descriptors from here up are out of the race */
#define EXCHANGE 2 /* RENAME_EXCHANGE */

struct race {
	const char *name, *type, *fields;
	unsigned tries;
	bool slow;     /* where the CPU is emulated */
	bool children; /* the events are those of the process's children */
	void *(*cheat)(void *);
	void (*attempt)(struct race *r, unsigned i); /* one call, and told() what it did */

	volatile unsigned char *at; /* the byte that the second thread rewrites */
	unsigned char byte[2];
	int number; /* the descriptor that it replaces */
	int fd[2];  /* what it puts there */
	unsigned long long inode[2];
	unsigned port[2];
	char value[2][1200]; /* what truths of "@0" and "@1" stand for */

	atomic_bool stop;
	struct timespec begun;
	pthread_t thread, second;
	long tid;
	unsigned hits;
	char *truth;
	size_t used;
};

/* ---- the second thread ---- */

static bool going(struct race *r)
{
	return !atomic_load_explicit(&r->stop, memory_order_relaxed);
}

static void *rewrites(void *context)
{
	struct race *r = context;

	while (going(r)) {
		*r->at = r->byte[1];
		*r->at = r->byte[0];
	}
	return NULL;
}

static void *replaces(void *context)
{
	struct race *r = context;

	while (going(r)) {
		(void)dup2(r->fd[1], r->number);
		(void)close(r->number);
	}
	return NULL;
}

static void *alternates(void *context)
{
	struct race *r = context;

	while (going(r)) {
		(void)dup2(r->fd[1], r->number);
		(void)dup2(r->fd[0], r->number);
	}
	return NULL;
}

static void *closes_and_opens(void *context)
{
	struct race *r = context;

	while (going(r)) {
		int fd;

		(void)close(r->number);
		fd = open("other", O_RDONLY | O_CLOEXEC);
		if (fd != r->number)
			(void)close(fd);
	}
	return NULL;
}

static void *exchanges(void *context)
{
	struct race *r = context;

	while (going(r))
		(void)renameat2(AT_FDCWD, "link", AT_FDCWD, "spare", EXCHANGE);
	return NULL;
}

static void *renames(void *context)
{
	struct race *r = context;

	while (going(r)) {
		(void)rename("one/inner", "two/moved");
		(void)rename("two/moved", "one/inner");
	}
	return NULL;
}

/* ---- the run ---- */

/* What this try did: "@0", "@1" or the value itself; "*": either of the two; "-": the call failed. */
static void told(struct race *r, bool hit, const char *truth)
{
	r->hits += hit;
	r->used += (size_t)snprintf(r->truth + r->used, WORD, " %.20s", truth);
}

/* The same by number; -1: failed. */
static void told_one(struct race *r, bool hit, int which)
{
	told(r, hit, which < 0 ? "-" : which ? "@1" : "@0");
}

static void *victim(void *context)
{
	struct race *r = context;

	r->tid = r->children ? getpid() : syscall(SYS_gettid);
	for (unsigned i = 0; i < r->tries; i++)
		r->attempt(r, i);
	return NULL;
}

/* A thread of its own for the calls: then every event of the type and thread is a try. */
static void race_start(struct race *r)
{
	atomic_init(&r->stop, false);
	(void)clock_gettime(CLOCK_MONOTONIC, &r->begun);
	if (!r->tries)
		r->tries = race_tries(SHORT, LONG, r->slow ? SLOW_EMULATED : LONG);
	r->truth = calloc(r->tries + 1, WORD);
	if (!must(r->truth != NULL, "memory for the truth"))
		_exit(1);
	if (r->cheat)
		(void)must(pthread_create(&r->second, NULL, r->cheat, r) == 0, "pthread_create");
	(void)must(pthread_create(&r->thread, NULL, victim, r) == 0, "pthread_create");
}

static void race_end(struct race *r)
{
	struct timespec t;

	(void)pthread_join(r->thread, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	atomic_store(&r->stop, true);
	if (r->cheat)
		(void)pthread_join(r->second, NULL);
	(void)dprintf(STDOUT_FILENO, "V\t%s\t%d\t%s\t%ld\t%s\t%s\t%u\t%u\t%lld\n", r->name, getpid(),
		      r->children ? "ppid" : "tid", r->tid, r->type, r->fields, r->tries, r->hits,
		      (t.tv_sec - r->begun.tv_sec) * 1000LL + (t.tv_nsec - r->begun.tv_nsec) / 1000000);
	for (int i = 0; i < 2; i++)
		(void)dprintf(STDOUT_FILENO, "W\t%s\n", r->value[i]);
	(void)dprintf(STDOUT_FILENO, "T%s\n", r->truth);
	free(r->truth);
}

static void race_run(struct race *r)
{
	race_start(r);
	race_end(r);
}

static unsigned long long inode_of(int fd)
{
	struct stat st = { 0 };

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static int high(int fd)
{
	int ret = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

	(void)must(ret >= HIGH, "a descriptor out of the way");
	(void)close(fd);
	return ret;
}

/* Makes the two files and says how an event must name each: by inode and path. */
static void two_files(struct race *r, const char *first, const char *second)
{
	const char *names[2] = { first, second };

	for (int i = 0; i < 2; i++) {
		make_file(names[i], "x");
		r->fd[i] = high(open(names[i], O_RDWR | O_CLOEXEC));
		r->inode[i] = inode_of(r->fd[i]);
		(void)snprintf(r->value[i], sizeof(r->value[i]), "%llu:%s", r->inode[i], at(names[i]));
	}
}

static int which_inode(const struct race *r, unsigned long long inode)
{
	return inode == r->inode[0] ? 0 : inode == r->inode[1] ? 1 : -1;
}

/* What a second reading of the memory would say, now that the call is over, is not what it did. */
static bool misread(const struct race *r, unsigned char after, int which)
{
	return which >= 0 && after != r->byte[which];
}

/* ---- words in memory: files ---- */

static char word[] = "file-a";

static void open_word(struct race *r, unsigned i)
{
	int fd = open(word, O_RDONLY | O_CLOEXEC);
	unsigned char after = *r->at;
	int which = which_inode(r, inode_of(fd));

	told_one(r, misread(r, after, which), which);
	(void)close(fd);
}

static void case_open_name(void)
{
	struct race r = { .name = "open-name", .type = "file_open", .fields = "inode,path", .cheat = rewrites,
			  .attempt = open_word, .at = (unsigned char *)&word[5], .byte = { 'a', 'b' } };

	two_files(&r, "file-a", "file-b");
	race_run(&r);
}

static struct open_how how;

static void open_how(struct race *r, unsigned i)
{
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "file-a", &how, sizeof(how));
	unsigned char after = *r->at;
	int mode = fcntl(fd, F_GETFL), which = mode < 0 ? -1 : (mode & O_ACCMODE) == O_RDWR;

	told_one(r, misread(r, after, which), which);
	(void)close(fd);
}

static void case_openat2(void)
{
	struct race r = { .name = "openat2-how", .type = "file_open", .fields = "flags", .cheat = rewrites,
			  .attempt = open_how, .at = (unsigned char *)&how.flags,
			  .byte = { O_RDONLY, O_RDWR | O_CREAT },
			  /*
			   * The kernel's file keeps neither that it was to be closed at exec nor, as it was there
			   * already, that it would have been made.
			   */
			  .value = { "O_RDONLY|O_RDONLY+O_CLOEXEC",
				     "O_RDWR|O_RDWR+O_CREAT|O_RDWR+O_CLOEXEC|O_RDWR+O_CREAT+O_CLOEXEC" } };

	make_file("file-a", "x");
	how.flags = O_RDONLY | O_CLOEXEC;
	race_run(&r);
}

static void again(const char *name)
{
	(void)close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

/* The one of the two that is no longer there; it is made anew. */
static int gone(void)
{
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "file-b" : "file-a";

		if (access(name, F_OK) == 0)
			continue;
		again(name);
		return i;
	}
	return -1;
}

static void unlink_word(struct race *r, unsigned i)
{
	int failed = unlink(word), which;
	unsigned char after = *r->at;

	which = failed ? -1 : gone();
	told_one(r, misread(r, after, which), which);
}

static void rename_word(struct race *r, unsigned i)
{
	int failed = rename(word, "target"), which;
	unsigned char after = *r->at;

	which = failed ? -1 : gone();
	told_one(r, misread(r, after, which), which);
}

static mode_t mode_of(int fd)
{
	struct stat st = { 0 };

	return fstat(fd, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void chmod_word(struct race *r, unsigned i)
{
	static mode_t mode;
	int failed, which = -1;
	unsigned char after;

	/* One that neither file has. */
	do
		mode = mode % 500 + 1;
	while (mode == mode_of(r->fd[0]) || mode == mode_of(r->fd[1]));
	failed = chmod(word, mode);
	after = *r->at;
	for (int k = 0; k < 2 && !failed; k++)
		if (mode_of(r->fd[k]) == mode)
			which = k;
	told_one(r, misread(r, after, which), which);
}

static void by_path(const char *name, void (*attempt)(struct race *, unsigned), const char *fields, const char *target)
{
	struct race r = { .name = name, .type = "file_metadata", .fields = fields, .slow = true, .cheat = rewrites,
			  .attempt = attempt, .at = (unsigned char *)&word[5], .byte = { 'a', 'b' } };

	two_files(&r, "file-a", "file-b");
	for (int i = 0; i < 2; i++)
		(void)snprintf(r.value[i], sizeof(r.value[i]), "%s%s%s", at(i ? "file-b" : "file-a"),
			       target ? ":" : "", target ? at(target) : "");
	race_run(&r);
}

static void case_unlink(void)
{
	by_path("unlink-path", unlink_word, "path", NULL);
}

static void case_rename(void)
{
	by_path("rename-path", rename_word, "path,new_path", "target");
}

static void case_chmod(void)
{
	by_path("chmod-path", chmod_word, "path", NULL);
}

/* ---- words in memory: addresses ---- */

static struct sockaddr_in to;
static int receiver[2];

static struct sockaddr_in loopback(unsigned last, unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last),
				     .sin_port = htons((uint16_t)port) };
}

static unsigned own_port(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t n = sizeof(a);

	(void)getsockname(fd, (struct sockaddr *)&a, &n);
	return ntohs(a.sin_port);
}

static unsigned peer_port(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t n = sizeof(a);

	return getpeername(fd, (struct sockaddr *)&a, &n) == 0 ? ntohs(a.sin_port) : 0;
}

static int bound(int type, struct sockaddr_in a)
{
	int fd = high(socket(AF_INET, type | SOCK_CLOEXEC, 0));

	(void)must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	return fd;
}

static int listener(struct sockaddr_in a)
{
	int fd = bound(SOCK_STREAM, a);

	(void)must(listen(fd, 64) == 0, "listen");
	return fd;
}

/* Its close resets the connection, so that no port stays in TIME_WAIT. */
static int client(void)
{
	struct linger reset = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void connect_word(struct race *r, unsigned i)
{
	struct sockaddr_in peer = { 0 };
	socklen_t n = sizeof(peer);
	int fd = client(), which = -1;
	int failed = connect(fd, (struct sockaddr *)&to, sizeof(to));
	unsigned char after = *r->at;

	if (!failed && getpeername(fd, (struct sockaddr *)&peer, &n) == 0)
		which = (ntohl(peer.sin_addr.s_addr) & 0xff) == 2;
	told_one(r, misread(r, after, which), which);
	(void)close(fd);
	if (!failed)
		(void)close(accept(receiver[0], NULL, NULL));
}

static void case_connect_address(void)
{
	struct race r = { .name = "connect-address", .type = "network_connect", .fields = "destination",
			  .cheat = rewrites, .attempt = connect_word, .at = (unsigned char *)&to.sin_addr + 3,
			  .byte = { 1, 2 }, .value = { "127.0.0.1", "127.0.0.2" } };

	receiver[0] = listener((struct sockaddr_in){ .sin_family = AF_INET });
	to = loopback(1, own_port(receiver[0]));
	race_run(&r);
}

static void send_word(struct race *r, unsigned i)
{
	struct pollfd p[2] = { { receiver[0], POLLIN, 0 }, { receiver[1], POLLIN, 0 } };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), which = -1;
	ssize_t sent = sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	unsigned char after = *r->at;
	char c;

	if (sent == 1 && must(poll(p, 2, 5000) == 1, "the datagram arrives")) {
		which = (p[1].revents & POLLIN) != 0;
		(void)must(recv(receiver[which], &c, 1, MSG_DONTWAIT) == 1, "recv");
	}
	told_one(r, misread(r, after, which), which);
	(void)close(fd);
}

static void case_sendto_address(void)
{
	struct race r = { .name = "sendto-address", .type = "network_connect", .fields = "destination",
			  .cheat = rewrites, .attempt = send_word, .at = (unsigned char *)&to.sin_addr + 3,
			  .byte = { 1, 2 }, .value = { "127.0.0.1", "127.0.0.2" } };

	receiver[0] = bound(SOCK_DGRAM, loopback(1, 0));
	to = loopback(1, own_port(receiver[0]));
	receiver[1] = bound(SOCK_DGRAM, loopback(2, own_port(receiver[0])));
	race_run(&r);
}

/* ---- what stands at a descriptor ---- */

static void open_mine(struct race *r, unsigned i)
{
	int fd = open("mine", O_RDONLY | O_CLOEXEC);

	told_one(r, fd >= 0 && inode_of(fd) != r->inode[0], fd < 0 ? -1 : 0);
	(void)close(fd);
}

static void opens(const char *name, void *(*cheat)(void *))
{
	struct race r = { .name = name, .type = "file_open", .fields = "inode,path", .cheat = cheat,
			  .attempt = open_mine };

	two_files(&r, "mine", "other");
	/* The lowest that is free is what an open gives. */
	r.number = open("mine", O_RDONLY | O_CLOEXEC);
	(void)close(r.number);
	race_run(&r);
}

static void case_open_replace(void)
{
	opens("open-replace", replaces);
}

static void case_open_reopen(void)
{
	opens("open-reopen", closes_and_opens);
}

static unsigned long long directory[2];

static void open_below(struct race *r, unsigned i)
{
	int fd = openat(r->number, "f", O_RDONLY | O_CLOEXEC), which;
	unsigned long long after = inode_of(r->number);

	which = which_inode(r, inode_of(fd));
	told_one(r, which >= 0 && after != directory[which], which);
	(void)close(fd);
}

static void case_dirfd(void)
{
	struct race r = { .name = "dirfd-swap", .type = "file_open", .fields = "inode,path", .cheat = alternates,
			  .attempt = open_below };

	(void)must(mkdir("one", 0755) == 0 && mkdir("two", 0755) == 0, "mkdir");
	two_files(&r, "one/f", "two/f");
	for (int i = 0; i < 2; i++) {
		r.fd[i] = high(open(i ? "two" : "one", O_PATH | O_DIRECTORY | O_CLOEXEC));
		directory[i] = inode_of(r.fd[i]);
	}
	r.number = dup(r.fd[0]);
	race_run(&r);
}

/* One socket or the other is connected to a port of its own: the one that has that peer now was. */
static void connect_either(struct race *r, unsigned i)
{
	struct sockaddr_in a = loopback(1, 20000 + i % 20000);
	int failed = connect(r->number, (struct sockaddr *)&a, sizeof(a)), which = -1;
	unsigned long long after = inode_of(r->number);
	char text[WORD];

	for (int k = 0; k < 2 && !failed; k++)
		if (peer_port(r->fd[k]) == ntohs(a.sin_port))
			which = k;
	(void)snprintf(text, sizeof(text), "%u:%u", ntohs(a.sin_port), which < 0 ? 0 : r->port[which]);
	told(r, which >= 0 && after != r->inode[which], which < 0 ? "-" : text);
}

static void case_connect_swap(void)
{
	struct race r = { .name = "connect-swap", .type = "network_connect", .fields = "destination_port,source_port",
			  .cheat = alternates, .attempt = connect_either };

	for (int i = 0; i < 2; i++) {
		r.fd[i] = bound(SOCK_DGRAM, loopback(1, 0));
		r.port[i] = own_port(r.fd[i]);
		r.inode[i] = inode_of(r.fd[i]);
	}
	r.number = dup(r.fd[0]);
	race_run(&r);
}

/* ---- names on the way ---- */

static void open_link(struct race *r, unsigned i)
{
	char text[16] = "";
	int fd = open("link", O_RDONLY | O_CLOEXEC), which;

	(void)must(readlink("link", text, sizeof(text) - 1) == 6, "readlink");
	which = which_inode(r, inode_of(fd));
	told_one(r, which >= 0 && text[5] != "ab"[which], which);
	(void)close(fd);
}

static void case_symlink(void)
{
	struct race r = { .name = "open-symlink-flip", .type = "file_open", .fields = "inode,path",
			  .cheat = exchanges, .attempt = open_link };

	two_files(&r, "file-a", "file-b");
	(void)must(symlink("file-a", "link") == 0 && symlink("file-b", "spare") == 0, "symlink");
	race_run(&r);
}

/* The path is one of the two at any time; which one it was during the call, nobody can say. */
static void open_deep(struct race *r, unsigned i)
{
	struct stat before, after;
	int none = stat("one/inner", &before), fd = openat(r->number, "f", O_RDONLY | O_CLOEXEC);

	told(r, none != stat("one/inner", &after), fd < 0 ? "-" : "*");
	(void)close(fd);
}

static void case_walk(void)
{
	struct race r = { .name = "rename-walk", .type = "file_open", .fields = "inode,path", .cheat = renames,
			  .attempt = open_deep };

	(void)must(mkdir("one", 0755) == 0 && mkdir("two", 0755) == 0 && mkdir("one/inner", 0755) == 0 &&
		       mkdir("one/inner/deep", 0755) == 0,
		   "mkdir");
	two_files(&r, "one/inner/deep/f", "other");
	(void)snprintf(r.value[1], sizeof(r.value[1]), "%llu:%s", r.inode[0], at("two/moved/deep/f"));
	r.number = high(open("one/inner/deep", O_PATH | O_DIRECTORY | O_CLOEXEC));
	race_run(&r);
}

/* ---- programs and processes ---- */

static char program[] = "./prog-a", argument[] = "0";

/* The child shares its parent's memory until it has executed. Its exit status says which it was: 0 or 1. */
static void spawn(struct race *r, const char *path, char **argv)
{
	pid_t pid = 0;
	int failed = posix_spawn(&pid, path, NULL, NULL, argv, environ), which = -1, status;
	unsigned char after = *r->at;

	if (!failed) {
		status = wait_for(pid);
		which = WIFEXITED(status) && WEXITSTATUS(status) < 2 ? WEXITSTATUS(status) : -1;
		(void)must(which >= 0, "the program ran");
	}
	told_one(r, misread(r, after, which), which);
}

static void spawn_program(struct race *r, unsigned i)
{
	char *argv[] = { "prog", NULL };

	spawn(r, program, argv);
}

static void spawn_shell(struct race *r, unsigned i)
{
	char *argv[] = { "sh", "-c", "exit \"$0\"", argument, NULL };

	spawn(r, "/bin/sh", argv);
}

static void case_exec_path(void)
{
	struct race r = { .name = "exec-path", .type = "process_exec", .fields = "path,exe", .children = true,
			  .tries = race_tries(EXEC_SHORT, EXEC_LONG, EXEC_EMULATED), .cheat = rewrites,
			  .attempt = spawn_program, .at = (unsigned char *)&program[7], .byte = { 'a', 'b' } };

	copy_file("/usr/bin/true", "prog-a", 0755);
	copy_file("/usr/bin/false", "prog-b", 0755);
	for (int i = 0; i < 2; i++) {
		const char *path = at(i ? "prog-b" : "prog-a");

		(void)snprintf(r.value[i], sizeof(r.value[i]), "%s:%s", path, path);
	}
	race_run(&r);
}

static void case_exec_argv(void)
{
	struct race r = { .name = "exec-argv", .type = "process_exec", .fields = "args[3]", .children = true,
			  .tries = race_tries(EXEC_SHORT, EXEC_LONG, EXEC_EMULATED), .cheat = rewrites,
			  .attempt = spawn_shell, .at = (unsigned char *)argument, .byte = { '0', '1' },
			  .value = { "0", "1" } };

	race_run(&r);
}

/* The first eight fields of the kernel's struct clone_args. */
static struct {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
} clone_words;

/* A child that shares the working directory shares the umask with it, and changes it. */
static void clone_word(struct race *r, unsigned i)
{
	long pid = syscall(SYS_clone3, &clone_words, sizeof(clone_words));
	unsigned char after;
	int which = -1;

	if (pid == 0) {
		(void)umask(077);
		_exit(0);
	}
	after = *r->at;
	if (pid > 0) {
		(void)wait_for((pid_t)pid);
		which = umask(022) != 077;
	}
	told_one(r, misread(r, after, which), which);
}

static void case_clone3(void)
{
	struct race r = { .name = "clone3-flags", .type = "process_fork", .fields = "clone_flags", .slow = true,
			  .cheat = rewrites,
			  .attempt = clone_word, .at = (unsigned char *)&clone_words.flags + 1,
			  .byte = { CLONE_FS >> 8, CLONE_FILES >> 8 }, .value = { "CLONE_FS", "CLONE_FILES" } };

	clone_words.flags = CLONE_FS;
	clone_words.exit_signal = SIGCHLD;
	race_run(&r);
}

/* ---- nobody cheats ---- */

static void open_own(struct race *r, unsigned i)
{
	int fd = open(r->value[1], O_RDONLY | O_CLOEXEC);

	told_one(r, false, which_inode(r, inode_of(fd)));
	(void)close(fd);
}

static void case_storm(void)
{
	static struct race r[STORM_THREADS];

	for (int i = 0; i < STORM_THREADS; i++) {
		char name[16];

		r[i] = (struct race){ .name = "honest-storm", .type = "file_open", .fields = "inode,path",
				      .tries = race_tries(SHORT, LONG / STORM_THREADS, LONG / STORM_THREADS),
				      .attempt = open_own };
		(void)snprintf(name, sizeof(name), "file-%d", i);
		two_files(&r[i], name, "unused");
		(void)snprintf(r[i].value[1], sizeof(r[i].value[1]), "%s", name);
	}
	for (int i = 0; i < STORM_THREADS; i++)
		race_start(&r[i]);
	for (int i = 0; i < STORM_THREADS; i++)
		race_end(&r[i]);
}

static const struct act_case cases[] = {
	{ "open-name", case_open_name },
	{ "open-symlink-flip", case_symlink },
	{ "open-replace", case_open_replace },
	{ "open-reopen", case_open_reopen },
	{ "openat2-how", case_openat2 },
	{ "dirfd-swap", case_dirfd },
	{ "rename-walk", case_walk },
	{ "connect-address", case_connect_address },
	{ "connect-swap", case_connect_swap },
	{ "sendto-address", case_sendto_address },
	{ "exec-path", case_exec_path },
	{ "exec-argv", case_exec_argv },
	{ "unlink-path", case_unlink },
	{ "rename-path", case_rename },
	{ "chmod-path", case_chmod },
	{ "clone3-flags", case_clone3 },
	{ "honest-storm", case_storm },
	{ 0 },
};

/* Room for what the second thread makes besides. */
static const char *const options[] = { "--bulk-bytes", "128M", "--critical-bytes", "32M", NULL };

const struct act_family family_stress_race = {
	.name = "stress_race",
	.proves = "no second reading: nothing wrong is verified while a second thread changes what a call is about",
	.cases = cases,
	.heddle_options = options,
	.stress = true,
	.check = race_check,
};
