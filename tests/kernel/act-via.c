/* SPDX-License-Identifier: Apache-2.0 */
/* The other way into the kernel: 32-bit calls of a 64-bit program. */
#include "kernel-test.h"

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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
	expect_n(-1, "file_write", "write", "@path=%s|bytes:=5|operations:=1", at("f"));
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

static int compat_exec(void *context)
{
	uint32_t argv[5] = { (uint32_t)low("compat"), (uint32_t)low("--helper"), (uint32_t)low("exit"),
			     (uint32_t)low("5"), 0 };
	long list;

	/* The list itself must be in reach too. */
	list = (low("............................") + 3) & ~3L;
	memcpy((void *)list, argv, sizeof(argv));
	/* A 64-bit image wipes what told that the call was a 32-bit one, so via is the new image's. */
	expect("process_exec", "execve",
	       "@path=%s|args[0]=compat|args_count=4|via=syscall|comm=*|result=0|verified=true", act_self);
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
#else
static void case_compat_files(void)
{
	skip("32-bit calls", "another architecture");
}

static void case_compat_others(void)
{
	skip("32-bit calls", "another architecture");
}
#endif

static const struct act_case cases[] = {
	{ "compat-files", case_compat_files },
	{ "compat-others", case_compat_others },
	{ 0 },
};

const struct act_family family_via = { "via", "via: compat, over the types", cases, NULL };
