/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, clone, clone3, threads, and every way a process ends. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect_fork(const char *what, pid_t child, const char *flags)
{
	expect("process_fork", what, "@child_pid=%d|thread!=true%s%s", child, *flags ? "|" : "", flags);
}

static void expect_code(pid_t pid, const char *what, int code)
{
	expect("process_exit", what,
	       "@pid=%d|tid=*|ppid=%d|exit_code=%d|-signal|-core_dumped|oom_killed!=true|duration_ns>=1|"
	       "max_rss_bytes>=4096",
	       pid, getpid(), code);
}

static void case_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(11);
	(void)wait_for(pid);
	expect_fork("fork", pid, "clone_flags~CLONE_CHILD_SETTID|clone_flags!~CLONE_VM");
	expect_code(pid, "exit_group with a code", 11);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(255);
	(void)wait_for(pid);
	expect_fork("raw clone", pid, "clone_flags!~CLONE_VM|clone_flags!~CLONE_THREAD");
	expect_code(pid, "exit code 255", 255);
#ifdef SYS_fork
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0)
		_exit(0);
	(void)wait_for(pid);
	expect_fork("raw fork", pid, "");
	expect_code(pid, "exit code 0", 0);
#endif
}

/* The raw call must not return into a frame that the child has used: nothing but registers. */
static pid_t raw_vfork(void)
{
#ifdef __x86_64__
	register long ret asm("rax") = SYS_vfork;

	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "mov $13, %%edi\n\t"
		     "mov %[end], %%eax\n\t"
		     "syscall\n"
		     "1:"
		     : "+r"(ret)
		     : [end] "i"(SYS_exit_group)
		     : "rcx", "r11", "rdi", "memory");
	return (pid_t)ret;
#else
	return -1;
#endif
}

static void case_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(12);
	(void)wait_for(pid);
	expect_fork("vfork", pid, "clone_flags~CLONE_VFORK|clone_flags~CLONE_VM");
	expect_code(pid, "exit of a vfork child", 12);
	pid = raw_vfork();
	if (pid < 0) {
		skip("raw vfork", "this architecture has no such call");
		return;
	}
	(void)wait_for(pid);
	expect_fork("raw vfork", pid, "clone_flags~CLONE_VFORK|clone_flags~CLONE_VM");
	expect_code(pid, "exit of a raw vfork child", 13);
}

static int clone_body(void *context)
{
	(void)context;
	_exit(14);
}

static void case_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct clone_args a = { .flags = CLONE_FS, .exit_signal = SIGCHLD };
	pid_t pid = clone(clone_body, stack + sizeof(stack), CLONE_FILES | CLONE_FS | SIGCHLD, NULL);

	(void)wait_for(pid);
	expect_fork("clone", pid, "clone_flags=CLONE_FILES,CLONE_FS");
	expect_code(pid, "exit of a clone child", 14);
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(15);
	if (!must(pid > 0, "clone3"))
		return;
	(void)wait_for(pid);
	expect_fork("clone3", pid, "clone_flags=CLONE_FS");
	expect_code(pid, "exit of a clone3 child", 15);
	a.exit_signal = 0;
	a.flags = CLONE_PARENT;
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(16);
	expect_fork("clone3 with CLONE_PARENT", pid, "clone_flags=CLONE_PARENT");
	expect("process_exit", "exit of a CLONE_PARENT child", "@pid=%d|tid=*|ppid=%d|exit_code=16", pid, getppid());
	/* Not ours to wait for: the family's parent must not see it as the case. */
}

static void *thread_body(void *context)
{
	*(pid_t *)context = (pid_t)syscall(SYS_gettid);
	return NULL;
}

static void case_thread(void)
{
	pthread_t t;
	pid_t tid = 0;

	(void)must(pthread_create(&t, NULL, thread_body, &tid) == 0, "pthread_create");
	(void)pthread_join(t, NULL);
	expect("process_fork", "a thread",
	       "@child_tid=%d|child_pid=%d|thread=true|clone_flags~CLONE_THREAD|clone_flags~CLONE_VM|clone_flags~CLONE_"
	       "SIGHAND",
	       tid, getpid());
	expect_none("process_exit", "a thread's end is no process_exit", "tid=%d", tid);
}

static void case_many_threads(void)
{
	pthread_t t[50];
	pid_t tid[50];

	for (int i = 0; i < 50; i++)
		(void)must(pthread_create(&t[i], NULL, thread_body, &tid[i]) == 0, "pthread_create");
	for (int i = 0; i < 50; i++)
		(void)pthread_join(t[i], NULL);
	expect_n(50, "process_fork", "50 threads", "@thread=true|child_pid=%d", getpid());
}

static int kill_self(void *context)
{
	struct rlimit none = { 0, 0 };
	int number = *(int *)context;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(number, SIG_DFL);
	(void)kill(getpid(), number);
	(void)pause();
	return 1;
}

static void case_signals(void)
{
	static const struct {
		int number;
		const char *name;
	} signals[] = {
		{ SIGKILL, "SIGKILL" }, { SIGTERM, "SIGTERM" }, { SIGHUP, "SIGHUP" },	{ SIGPIPE, "SIGPIPE" },
		{ SIGALRM, "SIGALRM" }, { SIGUSR1, "SIGUSR1" }, { SIGABRT, "SIGABRT" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int number = signals[i].number;
		pid_t pid = in_child(kill_self, &number);

		expect("process_exit", signals[i].name, "@pid=%d|tid=*|ppid=%d|signal=%s|-exit_code|core_dumped!=true",
		       pid, getpid(), signals[i].name);
	}
}

static int crash(void *context)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)context;
	(void)setrlimit(RLIMIT_CORE, &all);
	(void)signal(SIGSEGV, SIG_DFL);
	*(volatile char *)mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
	return 1;
}

static void case_core(void)
{
	pid_t pid = in_child(crash, NULL);

	(void)must(WIFSIGNALED(act_status) && WTERMSIG(act_status) == SIGSEGV, "it crashed");
	if (WCOREDUMP(act_status))
		expect("process_exit", "SIGSEGV with a core",
		       "@pid=%d|tid=*|ppid=%d|signal=SIGSEGV|core_dumped=true|-exit_code", pid, getpid());
	else
		expect("process_exit", "SIGSEGV, core_pattern keeps no core here",
		       "@pid=%d|tid=*|ppid=%d|signal=SIGSEGV|core_dumped!=true|-exit_code", pid, getpid());
}

static void *ends_process(void *context)
{
	(void)context;
	(void)syscall(SYS_exit_group, 21);
	return NULL;
}

static int thread_ends(void *context)
{
	pthread_t t;

	(void)context;
	(void)pthread_create(&t, NULL, ends_process, NULL);
	(void)pthread_join(t, NULL);
	return 1;
}

static void *outlives(void *context)
{
	char state = 0, path[64], text[512];
	int fd;

	(void)context;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	/* Until the leader is a zombie. */
	while (state != 'Z') {
		ssize_t n;
		char *p;

		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
		if (n <= 0)
			break;
		text[n] = '\0';
		p = strrchr(text, ')');
		state = p ? p[2] : 'Z';
	}
	(void)syscall(SYS_exit_group, 22);
	return NULL;
}

static int leader_first(void *context)
{
	pthread_t t;

	(void)context;
	(void)pthread_create(&t, NULL, outlives, NULL);
	(void)syscall(SYS_exit, 0);
	return 1;
}

static void *quietly_last(void *context)
{
	(void)context;
	(void)usleep(20000);
	(void)syscall(SYS_exit, 9);
	return NULL;
}

static int leader_first_plain(void *context)
{
	pthread_t t;

	(void)context;
	(void)pthread_create(&t, NULL, quietly_last, NULL);
	(void)syscall(SYS_exit, 23);
	return 1;
}

static void case_last_thread(void)
{
	pid_t pid = in_child(thread_ends, NULL);

	(void)must(WEXITSTATUS(act_status) == 21, "a thread ended the process");
	expect_code(pid, "exit_group by a thread that is not the leader", 21);
	pid = in_child(leader_first, NULL);
	(void)must(WEXITSTATUS(act_status) == 22, "a thread outlived the leader");
	expect_code(pid, "a thread outlives the leader and ends the process", 22);
	pid = in_child(leader_first_plain, NULL);
	/* Kernels before 6.0 keep the leader's code, later ones the last thread's: the waiter's word counts. */
	(void)must(WIFEXITED(act_status), "it exited");
	expect_code(pid, "the leader exits first, the last thread just exits", WEXITSTATUS(act_status));
	expect("process_exit", "the duration lasts to the last thread", "@pid=%d|tid=*|ppid=*|duration_ns>=20000000",
	       pid);
}

static int heavy(void *context)
{
	size_t size = 48 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)context;
	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	(void)usleep(60000);
	return 0;
}

static void case_numbers(void)
{
	pid_t pid = in_child(heavy, NULL);
	struct rusage usage;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	expect("process_exit", "memory and time of a heavy process",
	       "@pid=%d|tid=*|ppid=%d|exit_code=0|duration_ns>=60000000|max_rss_bytes>=%d", pid, getpid(), 48 << 20);
}

static int returns(void *context)
{
	(void)context;
	exit(17);
}

static void case_returns(void)
{
	expect_code(in_child(returns, NULL), "exit by return", 17);
}

static void case_refused(void)
{
	struct clone_args a = { .flags = CLONE_THREAD, .exit_signal = 0 };

	(void)must(syscall(SYS_clone3, &a, sizeof(a)) < 0 && errno == EINVAL, "clone3 is refused");
	expect_none("process_fork", "a refused clone3 makes no process", "result=0");
	expect_none("process_fork", "a refused clone3 makes no thread", "thread=true");
}

static const struct act_case cases[] = {
	{ "fork", case_fork },
	{ "vfork", case_vfork },
	{ "clone", case_clone },
	{ "thread", case_thread },
	{ "many-threads", case_many_threads },
	{ "signals", case_signals },
	{ "core", case_core },
	{ "last-thread", case_last_thread },
	{ "numbers", case_numbers },
	{ "returns", case_returns },
	{ "refused", case_refused },
	{ 0 },
};

const struct act_family family_fork = { "fork", "process_fork, process_exit", cases, NULL };
