/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that was no program's code and becomes executable; and ordinary loading, which is none of it. */
#include "kernel-test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

static void *anonymous(size_t length, int protection)
{
	void *p = mmap(NULL, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)must(p != MAP_FAILED, "mmap");
	return p;
}

static void case_mmap(void)
{
	void *p = anonymous(3 * PAGE, RWX);

	expect("memory_exec", "mmap of writable executable memory",
	       "@operation=mmap|@address=%p|length=12288|protection=PROT_READ,PROT_WRITE,PROT_EXEC|backing=anonymous|"
	       "reason=writable_exec|flags=MAP_PRIVATE,MAP_ANONYMOUS|%s",
	       p, ok(0));
	p = anonymous(PAGE, RX);
	expect("memory_exec", "mmap of executable memory",
	       "@operation=mmap|@address=%p|length=4096|protection=PROT_READ,PROT_EXEC|backing=anonymous|reason="
	       "anonymous_exec|%s",
	       p, ok(0));
	p = mmap(NULL, PAGE, RX, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect("memory_exec", "mmap of shared executable memory", "@operation=mmap|@address=%p|backing=anonymous|%s", p,
	       ok(0));
	expect("memory_exec", "a refused mapping",
	       "@operation=mmap|@result=-22|error=EINVAL|protection=PROT_READ,PROT_WRITE,PROT_EXEC|length=0");
	(void)must(mmap(NULL, 0, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL, "EINVAL");
}

static void case_mprotect(void)
{
	char *p = anonymous(2 * PAGE, RW);

	memset(p, 0xc3, 2 * PAGE);
	expect("memory_exec", "mprotect of what was written",
	       "@operation=mprotect|@address=%p|length=4096|protection=PROT_READ,PROT_EXEC|backing=anonymous|reason="
	       "was_writable|-flags|%s",
	       (void *)(p + PAGE), ok(mprotect(p + PAGE, PAGE, RX)));
	p = anonymous(PAGE, PROT_NONE);
	expect("memory_exec", "mprotect to all at once",
	       "@operation=mprotect|@address=%p|protection=PROT_READ,PROT_WRITE,PROT_EXEC|reason=writable_exec|backing="
	       "anonymous|%s",
	       (void *)p, ok(mprotect(p, PAGE, RWX)));
	p = anonymous(PAGE, RW);
	p[0] = 1;
	expect("memory_exec", "pkey_mprotect",
	       "@operation=pkey_mprotect|@address=%p|length=4096|protection=PROT_READ,PROT_EXEC|reason=was_writable|%s",
	       (void *)p, ok(syscall(SYS_pkey_mprotect, p, PAGE, RX, -1)));
	p = anonymous(PAGE, RW);
	(void)must(munmap(p, PAGE) == 0, "munmap");
	expect("memory_exec", "mprotect of nothing", "@operation=mprotect|@result=-12|address=%p|error=ENOMEM|%s",
	       (void *)p, no(mprotect(p, PAGE, RX), ENOMEM));
}

static void case_memfd(void)
{
	int fd = memfd_create("jit", MFD_CLOEXEC);
	void *p;

	(void)must(fd >= 0 && ftruncate(fd, PAGE) == 0 && write(fd, "\303", 1) == 1, "memfd");
	p = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0);
	expect("memory_exec", "a memfd mapped to run",
	       "@operation=mmap|@address=%p|length=4096|backing=memfd:jit|reason=memfd_exec|%%way=memfd|%s", p, ok(0));
	p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	(void)must(p != MAP_FAILED, "mmap");
	expect("memory_exec", "a memfd's mapping made executable",
	       "@operation=mprotect|@address=%p|backing=memfd:jit|reason=memfd_exec|%%way=memfd|%s", p,
	       ok(mprotect(p, PAGE, RX)));
}

static void case_shm(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
	void *p;

	if (id < 0) {
		skip("shmat with SHM_EXEC", errno == ENOSYS ? "the kernel has no SysV shared memory" : strerror(errno));
		return;
	}
	p = shmat(id, NULL, SHM_EXEC);
	(void)must(p != (void *)-1, "shmat");
	expect("memory_exec", "shmat with SHM_EXEC",
	       "@operation=shmat|address=%p|backing=shm|reason=shm_exec|protection~PROT_EXEC|%s", p, ok(0));
	(void)shmdt(p);
	p = shmat(id, NULL, 0);
	expect("memory_exec", "a SysV segment made executable",
	       "@operation=mprotect|address=%p|backing=shm|reason=shm_exec|%s", p, ok(mprotect(p, PAGE, RX)));
	(void)shmctl(id, IPC_RMID, NULL);
}

static void case_personality(void)
{
	expect("memory_exec", "READ_IMPLIES_EXEC", "@operation=personality|reason=read_implies_exec|%s",
	       ok(personality(READ_IMPLIES_EXEC)));
	(void)must(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, "mmap");
}

static void case_stack_and_heap(void)
{
	char on_stack[3 * PAGE], *p = (char *)(((uintptr_t)on_stack + PAGE) & ~(PAGE - 1)), *heap;

	memset(on_stack, 1, sizeof(on_stack));
	expect("memory_exec", "the stack made executable",
	       "@operation=mprotect|@address=%p|length=4096|backing=stack|reason=stack_exec|protection=PROT_READ,PROT_"
	       "WRITE,PROT_EXEC|%s",
	       (void *)p, ok(mprotect(p, PAGE, RWX)));
	(void)must(mprotect(p, PAGE, RW) == 0, "mprotect");
	heap = sbrk(0);
	heap = (char *)(((uintptr_t)heap + PAGE - 1) & ~(PAGE - 1));
	(void)must(brk(heap + 2 * PAGE) == 0, "brk");
	memset(heap, 1, 2 * PAGE);
	expect("memory_exec", "the heap made executable",
	       "@operation=mprotect|@address=%p|length=4096|backing=heap|reason=heap_exec|%s", (void *)heap,
	       ok(mprotect(heap, PAGE, RX)));
}

static void case_file(void)
{
	int fd;
	char *p, *q;

	copy_file(act_self, "code", 0755);
	fd = open("code", O_RDWR | O_CLOEXEC);
	p = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	(void)must(p != MAP_FAILED, "mmap");
	p[0] = 1;
	expect("memory_exec", "a file's mapping that was written",
	       "@operation=mprotect|@address=%p|backing=%s|reason=was_writable|%s", (void *)p, at("code"),
	       ok(mprotect(p, PAGE, RX)));
	p = mmap(NULL, PAGE, RWX, MAP_PRIVATE, fd, 0);
	expect("memory_exec", "a file's mapping with all rights",
	       "@operation=mmap|@address=%p|backing=%s|reason=writable_exec|%s", (void *)p, at("code"), ok(0));
	copy_file(act_self, "twin", 0755);
	fd = open("twin", O_RDWR | O_CLOEXEC);
	p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	q = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
	(void)must(p != MAP_FAILED && q != MAP_FAILED, "mmap");
	expect("memory_exec", "a file mapped to write and mapped to run",
	       "@operation=mmap|@address=%p|backing=%s|reason=was_writable|%s", (void *)q, at("twin"), ok(0));
}

static int run_program(void *context)
{
	char *argv[] = { "plain", "--helper", "exit", "0", NULL };

	(void)execv(act_self, argv);
	return 1;
}

static void case_ordinary(void)
{
	static const char *const libraries[] = { "libm.so.6", "libz.so.1", "libpthread.so.0" };
	int fd = open(act_self, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0);
	bool loaded = false;
	pid_t pid;

	(void)must(p != MAP_FAILED, "mmap");
	(void)must(mprotect(p, PAGE, PROT_READ) == 0, "mprotect");
	(void)anonymous(PAGE, RW);
	for (size_t i = 0; i < ARRAY_SIZE(libraries) && !loaded; i++)
		loaded = dlopen(libraries[i], RTLD_NOW) != NULL;
	if (!loaded)
		skip("dlopen is ordinary loading", "none of the usual libraries is here");
	expect_none("memory_exec", "mapping a program's code, dlopen, plain memory", "+type");
	pid = in_child(run_program, NULL);
	expect_none("memory_exec", "a program that starts", "pid=%d", pid);
}

static const struct act_case cases[] = {
	{ "mmap", case_mmap }, { "mprotect", case_mprotect },	    { "memfd", case_memfd },
	{ "shm", case_shm },   { "personality", case_personality }, { "stack-and-heap", case_stack_and_heap },
	{ "file", case_file }, { "ordinary", case_ordinary },	    { 0 },
};

const struct act_family family_memory = { "memory", "memory_exec", cases, NULL };
