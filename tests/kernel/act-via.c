/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other ways into the kernel: 32-bit calls of a 64-bit program, those that only i386 has, a 32-bit program's own, and
 * the x32 ABI's.
 */
#include "kernel-test.h"

#include "act32.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- int 0x80 ---- */

#ifdef __x86_64__
static long int80(long number, long a, long b, long c)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(number), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	if ((int)ret < 0) {
		errno = -(int)ret;
		return -1;
	}
	return (int)ret;
}

/* With all six; the last goes in %ebp, which is the compiler's. Gives addresses too. */
static long int80_6(long number, long a, long b, long c, long d, long e, long f)
{
	register long sixth asm("r12") = f;
	long ret;

	asm volatile("xchg %%rbp, %%r12\n\tint $0x80\n\txchg %%rbp, %%r12"
		     : "=a"(ret), "+r"(sixth)
		     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		     : "memory", "r8", "r9", "r10", "r11");
	if ((int)ret < 0 && (int)ret >= -4095) {
		errno = -(int)ret;
		return -1;
	}
	return (unsigned)ret;
}

/* A string where 32 bits can reach it. */
static long low(const char *text)
{
	static char *page;
	static size_t used;
	char *ret;

	if (!page)
		page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (!must(page != MAP_FAILED, "memory below 4 GiB"))
		_exit(1);
	ret = page + used;
	(void)snprintf(ret, 512, "%s", text);
	used += strlen(text) + 1;
	return (long)ret;
}

static int probe(void *context)
{
	return int80(20, 0, 0, 0) == getpid() ? 0 : 1;
}

static int has_int80(void)
{
	(void)in_child(probe, NULL);
	if (act_status == 0)
		return 1;
	skip("32-bit calls", "the kernel takes no int 0x80");
	return 0;
}

static void case_compat_files(void)
{
	long fd;

	if (!has_int80())
		return;
	fd = int80(5, low("f"), O_WRONLY | O_CREAT, 0640);
	expect("file_open", "open", "@path=%s|via=compat|flags=O_WRONLY,O_CREAT|mode=0640|%s", at("f"), ok(fd));
	(void)must(int80(4, fd, low("12345"), 5) == 5 && int80(6, fd, 0, 0) == 0, "write");
	expect_n(-1, "file_write", "write", "@path=%s|bytes:=5|operations:=1|via=compat", at("f"));
	expect("file_metadata", "mkdir", "@operation=mkdir|@path=%s|%%path|mode=0700|via=compat|%s", at("d"),
	       ok(int80(39, low("d"), 0700, 0)));
	expect("file_metadata", "rename", "@operation=rename|@path=%s|%%path|+new_path|via=compat|%s", at("f"),
	       ok(int80(38, low("f"), low("g"), 0)));
	expect("file_metadata", "chmod", "@operation=chmod|@path=%s|%%path|mode=0604|via=compat|%s", at("g"),
	       ok(int80(15, low("g"), 0604, 0)));
	expect("file_metadata", "unlink", "@operation=unlink|@path=%s|%%path|via=compat|%s", at("g"),
	       ok(int80(10, low("g"), 0, 0)));
	expect("file_open", "openat that fails", "@path=%s|via=compat|verified=false|-mode|%s", at("none"),
	       no(int80(295, AT_FDCWD, low("none"), 0), ENOENT));
}

/* 64- and 32-bit calls on one descriptor, in turns: each way has its own sum. */
static void case_mixed(void)
{
	enum { TURNS = 50 };
	long into = low("        "), three = low("abc");
	char buffer[8];
	int fd, from;

	if (!has_int80())
		return;
	fd = open("mixed", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < TURNS; i++)
		(void)must(write(fd, "12345", 5) == 5 && int80(4, fd, three, 3) == 3, "write");
	expect_n(-1, "file_write", "by 64-bit calls", "@path=%s|@via=syscall|bytes:=%d|operations:=%d", at("mixed"),
		 5 * TURNS, TURNS);
	expect_n(-1, "file_write", "by 32-bit calls", "@path=%s|@via=compat|bytes:=%d|operations:=%d", at("mixed"),
		 3 * TURNS + 7, TURNS + 1);
	(void)must(lseek(fd, 0, SEEK_SET) == 0, "lseek");
	for (int i = 0; i < TURNS; i++)
		(void)must(read(fd, buffer, 4) == 4 && int80(3, fd, into, 2) == 2, "read");
	expect_n(-1, "file_read", "by 64-bit calls", "@path=%s|@via=syscall|bytes:=%d|operations:=%d", at("mixed"),
		 4 * TURNS, TURNS);
	expect_n(-1, "file_read", "by 32-bit calls", "@path=%s|@via=compat|bytes:=%d|operations:=%d", at("mixed"),
		 2 * TURNS, TURNS);
	/* i386's sendfile: both ends are a 32-bit call's. */
	make_file("source", "1234567");
	from = open("source", O_RDONLY | O_CLOEXEC);
	(void)must(int80_6(187, fd, from, 0, 7, 0, 0) == 7 && close(from) == 0 && close(fd) == 0, "sendfile");
	expect_n(-1, "file_read", "sendfile, the one end", "@path=%s|via=compat|bytes:=7|operations:=1", at("source"));
}

static int compat_exec(void *context)
{
	uint32_t argv[5] = { (uint32_t)low("compat"), (uint32_t)low("--helper"), (uint32_t)low("exit"),
			     (uint32_t)low("5"), 0 };
	long list;

	/* The list itself must be in reach too. */
	list = (low("............................") + 3) & ~3L;
	memcpy((void *)list, argv, sizeof(argv));
	expect("process_exec", "execve of a 64-bit program",
	       "@path=%s|args[0]=compat|args_count=4|via=compat|comm=*|result=0|verified=true", act_self);
	(void)must(int80(11, low(act_self), list, 0) == 0, "execve");
	return 1;
}

static int compat_ids(void *context)
{
	expect("privilege_change", "setresuid32",
	       "@operation^setresuid|after.uid=5|after.euid=6|after.suid=7|via=compat|%s", ok(int80(208, 5, 6, 7)));
	return 0;
}

static int compat_space(void *context)
{
	expect("sandbox_escape", "unshare", "@category=namespace|@syscall=unshare|via=compat|target~CLONE_NEWUTS|%s",
	       ok(int80(310, CLONE_NEWUTS, 0, 0)));
	return 0;
}

static void case_compat_others(void)
{
	struct sockaddr_in *a;
	void *p;
	long fd;

	if (!has_int80())
		return;
	(void)in_child(compat_exec, NULL);
	(void)must(WEXITSTATUS(act_status) == 5, "the program ran");
	(void)in_child(compat_ids, NULL);
	(void)in_child(compat_space, NULL);
	fd = int80(359, AF_INET, SOCK_DGRAM, 0);
	expect("network_socket", "socket", "@family=AF_INET|socket_type=SOCK_DGRAM|protocol=udp|via=compat|%s", ok(fd));
	a = (struct sockaddr_in *)low("................................");
	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons(2099) };
	expect("network_connect", "connect", "@destination_port=2099|destination=127.0.0.1|via=compat|%s",
	       ok(int80(362, fd, (long)a, sizeof(*a))));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	(void)must(p != MAP_FAILED, "mmap");
	*(char *)p = 1;
	expect("memory_exec", "mprotect", "@operation=mprotect|@address=%p|reason=was_writable|via=compat|%s", p,
	       ok(int80(125, (long)p, 4096, PROT_READ | PROT_EXEC)));
}

/* ---- calls that only i386 has ---- */

/* Up to six words where 32 bits can reach them. */
static long words(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f)
{
	uint32_t list[6] = { a, b, c, d, e, f };
	long ret = (low("........................") + 3) & ~3L;

	memcpy((void *)ret, list, sizeof(list));
	(void)low("....");
	return ret;
}

static long socketcall(int number, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return int80(102, number, words(a, b, c, d, 0, 0), 0);
}

static int listener(struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	(void)must(fd >= 0 && bind(fd, (struct sockaddr *)a, sizeof(*a)) == 0 &&
		       getsockname(fd, (struct sockaddr *)a, &n) == 0,
		   "a socket to listen on");
	return fd;
}

static void case_socketcall(void)
{
	struct sockaddr_in a, *address;
	int server;
	long fd;

	if (!has_int80())
		return;
	expect("network_socket", "socket", "@family=AF_INET|@socket_type=SOCK_STREAM|@protocol=tcp|@via=compat|%s",
	       ok(fd = socketcall(1, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0)));
	expect("network_socket", "socket that fails", "@result=-93|@via=compat|verified=false|%s",
	       no(socketcall(1, AF_INET, SOCK_STREAM, 250, 0), EPROTONOSUPPORT));
	server = listener(&a);
	expect("network_listen", "listen", "@port=%u|backlog=7|via=compat|verified=false|result=0", ntohs(a.sin_port));
	(void)must(socketcall(4, (uint32_t)server, 7, 0, 0) == 0, "listen");
	address = (struct sockaddr_in *)low("................................");
	*address = a;
	expect("network_connect", "connect: the kernel's socket is the witness",
	       "@destination_port=%u|destination=127.0.0.1|protocol=tcp|+source_port|via=compat|%s", ntohs(a.sin_port),
	       ok(socketcall(3, (uint32_t)fd, (uint32_t)(long)address, sizeof(a), 0)));
	expect("network_accept", "accept", "@port=%u|address=127.0.0.1|+peer_port|via=compat|%s", ntohs(a.sin_port),
	       ok(socketcall(5, (uint32_t)server, 0, 0, 0)));
	fd = socketcall(1, AF_INET, SOCK_DGRAM, 0, 0);
	address->sin_port = htons(2098);
	expect("network_connect", "connect of a datagram socket: no witness",
	       "@destination_port=2098|destination=127.0.0.1|protocol=udp|via=compat|verified=false|result=0");
	(void)must(socketcall(3, (uint32_t)fd, (uint32_t)(long)address, sizeof(a), 0) == 0, "connect");
	expect_none("network_connect", "getsockname", "via=compat|result!=0");
	(void)socketcall(6, (uint32_t)fd, 0, 0, 0);
}

static void case_narrow_message(void)
{
	static const char name[] = "\0narrow-message";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int box = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1);
	long where = low("................................................................"), message;
	uint32_t head[7] = { (uint32_t)where, length, 0, 0, 0, 0, 0 };

	if (!has_int80())
		return;
	memcpy(a.sun_path, name, sizeof(name));
	memcpy((void *)where, &a, length);
	(void)must(bind(box, (struct sockaddr *)&a, length) == 0, "bind");
	message = words(head[0], head[1], head[2], head[3], head[4], head[5]);
	memcpy((void *)message, head, sizeof(head));
	expect("network_connect", "sendmsg with a 32-bit header",
	       "@path=@narrow-message|family=AF_UNIX|socket_type=SOCK_DGRAM|via=compat|verified=*|result=0");
	(void)must(int80(370, fd, message, 0) == 0, "sendmsg");
}

static int old_ids(void *context)
{
	expect("privilege_change", "setgroups16", "@operation=setgroups|after.groups=7,8|via=compat|%s",
	       ok(int80(81, 2, words(7 | 8 << 16, 0, 0, 0, 0, 0), 0)));
	expect("privilege_change", "setresgid16",
	       "@operation=setresgid|after.gid=65533|after.egid=9|-after.sgid|via=compat|gid=9|%s",
	       ok(int80(170, 65533, 9, 0xffff)));
	expect("privilege_change", "setresuid16",
	       "@operation=setresuid|after.uid=5|after.euid=6|via=compat|uid=6|gid=9|%s", ok(int80(164, 5, 6, 0xffff)));
	expect("privilege_change", "setreuid16 that is refused",
	       "@operation=setreuid|-after.uid|after.euid=77|via=compat|uid=6|gid=9|%s",
	       no(int80(70, 0xffff, 77, 0), EPERM));
	return 0;
}

static void case_forms(void)
{
	void *p;
	long fd;
	int id;

	if (!has_int80())
		return;
	fd = int80(8, low("f"), 0640, 0);
	expect("file_open", "creat", "@path=%s|via=compat|flags=O_WRONLY,O_CREAT,O_TRUNC|%s", at("f"), ok(fd));
	expect("file_metadata", "chown16", "@operation=chown|@path=%s|%%path|@owner=65533:8|via=compat|%s", at("f"),
	       ok(int80(182, low("f"), 65533, 8)));
	expect("file_metadata", "fchown16 of the group", "@operation=chown|@path=%s|@owner=:9|via=compat|%s", at("f"),
	       ok(int80(95, fd, 0xffff, 9)));
	expect("file_metadata", "ftruncate64", "@operation=truncate|@path=%s|@size=4294967297|via=compat|%s", at("f"),
	       ok(int80(194, fd, 1, 1)));
	expect("file_metadata", "truncate64", "@operation=truncate|@path=%s|@size=8589934592|%%path|via=compat|%s",
	       at("f"), ok(int80(193, low("f"), 0, 2)));
	expect("file_metadata", "fallocate", "@operation=fallocate|@path=%s|@size=4096|via=compat|%s", at("f"),
	       ok(int80_6(324, fd, 1, 0, 3, 4096, 0)));
	(void)in_child(old_ids, NULL);
	p = (void *)int80_6(90, words(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1U, 0),
			    0, 0, 0, 0, 0);
	(void)must(p != (void *)-1, "old mmap");
	expect("memory_exec", "old mmap",
	       "@operation=mmap|@address=%p|backing=anonymous|reason=writable_exec|via=compat|length>=8192|%s", p,
	       ok(0));
	id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0700);
	if (id < 0) {
		skip("shmat through ipc", errno == ENOSYS ? "the kernel has no SysV shared memory" : strerror(errno));
		return;
	}
	fd = words(0, 0, 0, 0, 0, 0);
	(void)must(int80_6(117, 21, id, SHM_EXEC, fd, 0, 0) == 0, "shmat");
	expect("memory_exec", "shmat through ipc",
	       "@operation=shmat|address=0x%x|backing=shm|reason=shm_exec|via=compat|%s", *(uint32_t *)fd, ok(0));
	(void)shmctl(id, IPC_RMID, NULL);
	expect("sandbox_escape", "umount",
	       "@category=mount|@syscall=umount2|%%path|via=compat|target=%s|verified=false|%s", at("none"),
	       no(int80(22, low("none"), 0xff, 0), ENOENT));
	expect_none("file_open", "no i386 call has such a number", "result=-38");
	(void)int80(512 + 5, low("f"), 0, 0);
}

/* ---- a 32-bit program ---- */

static int thirtytwo(void *context)
{
	const char *way = context, *name = *way == 'g' ? "by-gate" : "by-int80", *file = at(name);
	char *argv[] = { "act32", (char *)way, (char *)file, "abc", (char *)act_self, NULL };
	const char *self = at("act32");

	expect("process_exec", "a 32-bit program by a 64-bit call",
	       "@path=%s|args[1]=%s|via=syscall|comm=*|exe=%s|result=0|verified=true", self, way, self);
	expect("file_open", "creat", "@path=%s|@via=compat|comm=*|exe=%s|result=0|verified=true", file, self);
	expect_n(-1, "file_write", "write", "@path=%s|bytes:=3|operations:=1|via=compat|comm=*|exe=%s", file, self);
	expect("network_socket", "socketcall",
	       "@socket_type=SOCK_DGRAM|@via=compat|comm=*|exe=%s|result=0|verified=true", self);
	expect("process_exec", "a 64-bit program by a 32-bit call",
	       "@path=%s|args[3]=6|via=compat|comm=*|result=0|verified=true", act_self);
	(void)execv(self, argv);
	return 99;
}

static void case_program(void)
{
	int fd = open("act32", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	if (!has_int80())
		return;
	(void)must(fd >= 0 && write(fd, act32, sizeof(act32)) == (ssize_t)sizeof(act32) && close(fd) == 0, "act32");
	(void)in_child(thirtytwo, "i");
	(void)must(WIFEXITED(act_status) && WEXITSTATUS(act_status) == 6, "the program by int 0x80");
	(void)in_child(thirtytwo, "g");
	(void)must(WIFEXITED(act_status) && WEXITSTATUS(act_status) == 6, "the program by the kernel's gate");
}

/* ---- x32 ---- */

#define X32(number) (0x40000000L | (number))

static int x32_exec(void *context)
{
	uint32_t argv[5] = { (uint32_t)low("x32"), (uint32_t)low("--helper"), (uint32_t)low("exit"), (uint32_t)low("8"),
			     0 };
	long list = (low("............................") + 3) & ~3L;

	memcpy((void *)list, argv, sizeof(argv));
	expect("process_exec", "execve",
	       "@path=%s|args[0]=x32|args_count=4|via=compat|%%way=x32|comm=*|result=*|verified=*",
	       act_self);
	(void)syscall(X32(520), low(act_self), list, 0);
	return 9;
}

/* Where the kernel has no x32, or has it switched off, each of these is an attempt that fails with ENOSYS. */
static void case_x32(void)
{
	/* A call that the kernel does not have touches no memory: what it never looked at may not be there to read. */
	char name[] = "x";
	long fd = syscall(X32(SYS_open), name, O_WRONLY | O_CREAT, 0600), r;
	uint32_t piece[2] = { (uint32_t)low("abc"), 3 };

	expect("file_open", "open", "@path=%s|via=compat|%%way=x32|flags=O_WRONLY,O_CREAT|%s", at("x"), any(fd));
	/* No kernel of the tests has it: there the calls are attempts, and that is what is held against the events. */
	if (fd < 0)
		(void)must(errno == ENOSYS, "a kernel without x32 says so");
	if (fd >= 0) {
		r = syscall(X32(516), fd, words(piece[0], piece[1], 0, 0, 0, 0), 1); /* writev, of the ABI's own */
		expect_n(-1, "file_write", "writev", "@path=%s|bytes:=3|operations:=1|via=compat|%%way=x32", at("x"));
		(void)must(r == 3 && close((int)fd) == 0, "writev");
	}
	expect("file_metadata", "unlink", "@operation=unlink|@path=%s|%%path|via=compat|%%way=x32|%s", at("x"),
	       any(syscall(X32(SYS_unlink), name)));
	expect("network_socket", "socket", "@family=AF_INET|@socket_type=SOCK_DGRAM|via=compat|%%way=x32|%s",
	       any(syscall(X32(SYS_socket), AF_INET, SOCK_DGRAM, 0)));
	expect("sandbox_escape", "ptrace", "@category=ptrace|@syscall=ptrace|via=compat|%%way=x32|%s",
	       any(syscall(X32(521), 16 /* PTRACE_ATTACH */, 0, 0, 0)));
	(void)in_child(x32_exec, NULL);
	(void)must(WIFEXITED(act_status) && WEXITSTATUS(act_status) == (fd < 0 ? 9 : 8), "exec");
}
#else
static void case_compat_files(void)
{
	skip("32-bit calls", "another architecture");
}

static void case_compat_others(void)
{
	skip("32-bit calls", "another architecture");
}
#define case_mixed case_compat_others
#define case_socketcall case_compat_others
#define case_narrow_message case_compat_others
#define case_forms case_compat_others
#define case_program case_compat_others
#define case_x32 case_compat_others
#endif

static const struct act_case cases[] = {
	{ "compat-files", case_compat_files },
	{ "mixed", case_mixed },
	{ "compat-others", case_compat_others },
	{ "socketcall", case_socketcall },
	{ "narrow-message", case_narrow_message },
	{ "forms", case_forms },
	{ "program", case_program },
	{ "x32", case_x32 },
	{ 0 },
};

const struct act_family family_via = { "via", "via: compat, over the types", cases, NULL };
