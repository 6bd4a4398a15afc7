/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that observes parses what a hostile command chose: names, packets, paths. Should that ever lead to more
 * than a wrong line, there is nothing to start, load, mount or connect with. See harden.h.
 */
#include "cli/harden.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/capability.h"

#define CLONE_NAMESPACES                                                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* What this program, its C library and SQLite need from here to the end, whatever the arguments. */
static const int calls[] = {
	/* files */
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(pwrite64),
	SCMP_SYS(writev), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close),
	SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
	SCMP_SYS(getcwd), SCMP_SYS(chdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir), SCMP_SYS(rename),
	SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(open_by_handle_at),
	/* memory, threads */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setscheduler), SCMP_SYS(setpriority), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(wait4), SCMP_SYS(capget), SCMP_SYS(capset),
	/* signals: kill is for the command */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal),
	/* time, waiting, talking with the launcher and the guard of throttle.c */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(socketpair), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	/* who and where */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrusage),
	SCMP_SYS(prlimit64),
};

/* Allowed where one argument is this, or has none of these bits. */
static const struct {
	int call;
	unsigned argument;
	enum { IS, WITHOUT } how;
	unsigned long value;
} partly[] = {
	/* Maps and programs that are loaded; none is loaded or attached any more. */
	{ SCMP_SYS(bpf), 0, IS, BPF_MAP_LOOKUP_ELEM },
	{ SCMP_SYS(bpf), 0, IS, BPF_PROG_TEST_RUN },
	/* A link of a tracepoint, when it is closed. */
	{ SCMP_SYS(ioctl), 1, IS, PERF_EVENT_IOC_DISABLE },
	{ SCMP_SYS(ioctl), 1, IS, SIOCOUTQ },
	{ SCMP_SYS(ioctl), 1, IS, TCGETS },
	{ SCMP_SYS(ioctl), 1, IS, TIOCGWINSZ },
	{ SCMP_SYS(prctl), 0, IS, PR_SET_NAME },
	{ SCMP_SYS(prctl), 0, IS, PR_CAPBSET_READ },
	{ SCMP_SYS(prctl), 0, IS, PR_CAPBSET_DROP },
	{ SCMP_SYS(mmap), 2, WITHOUT, PROT_EXEC },
	{ SCMP_SYS(mprotect), 2, WITHOUT, PROT_EXEC },
	{ SCMP_SYS(clone), 0, WITHOUT, CLONE_NAMESPACES },
};

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(partly); i++) {
		struct scmp_arg_cmp arg = { .arg = partly[i].argument, .op = SCMP_CMP_EQ, .datum_a = partly[i].value };

		if (partly[i].how == WITHOUT) {
			arg.op = SCMP_CMP_MASKED_EQ;
			arg.datum_b = 0;
		}
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, partly[i].call, 1, &arg);
	}
	/* Its flags are in memory, where no filter looks: the C library then takes clone. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

static int load_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	/* All threads, also those of the store and of the throttle. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Kernels before 5.16 would slow down all of the process, against an attack on what shares its memory. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	if (r == 0)
		r = add_rules(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int harden(struct err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "the sensor can't forbid itself new privileges");
	r = capability_reduce();
	if (r < 0)
		return err_errno(err, -r, "the sensor can't give up its capabilities");
	r = load_filter();
	return r < 0 ? err_errno(err, -r, "the sensor can't limit its system calls") : 0;
}
