/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit program without a library, which kernel-test carries in itself: "act32 WAY FILE SOCKET PROGRAM" makes FILE,
 * asks for a socket through socketcall and becomes PROGRAM, by the gate that the kernel gives 32-bit programs (WAY
 * 'g': sysenter or syscall, as the processor has it) or by int 0x80 (WAY 'i'). Exits with 1 to 4 where one goes wrong.
 */
#define AT_SYSINFO 32

static unsigned gate; /* 0: int 0x80 */

static int call(int number, unsigned a, unsigned b, unsigned c)
{
	int ret;

	if (gate)
		__asm__ volatile("call *%5"
				 : "=a"(ret)
				 : "0"(number), "b"(a), "c"(b), "d"(c), "m"(gate)
				 : "memory");
	else
		__asm__ volatile("int $0x80" : "=a"(ret) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return ret;
}

static void leave(int status)
{
	for (;;)
		(void)call(1, (unsigned)status, 0, 0);
}

__attribute__((used)) static void act(unsigned *stack)
{
	unsigned argc = stack[0], *argv = stack + 1, *p = argv + argc + 1;
	unsigned socket[3] = { 2, 2, 0 }; /* AF_INET, SOCK_DGRAM */
	unsigned next[5] = { argv[4], (unsigned)"--helper", (unsigned)"exit", (unsigned)"6", 0 };
	int fd;

	if (argc < 5)
		leave(1);
	while (*p++)
		;
	if (*(char *)argv[1] == 'g') {
		while (*p && *p != AT_SYSINFO)
			p += 2;
		gate = *p ? p[1] : 0;
		if (!gate)
			leave(1);
	}
	fd = call(8, argv[2], 0600, 0); /* creat */
	if (fd < 0 || call(4, (unsigned)fd, argv[3], 3) != 3 || call(6, (unsigned)fd, 0, 0) != 0)
		leave(2);
	if (call(102, 1, (unsigned)socket, 0) < 0)
		leave(3);
	(void)call(11, argv[4], (unsigned)next, 0);
	leave(4);
}

__asm__(".globl _start\n_start:\n\tmovl %esp, %eax\n\tandl $-16, %esp\n\tsubl $12, %esp\n\tpushl %eax\n\tcall act\n");
