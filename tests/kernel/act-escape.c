/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts on the sandbox by calls that are one in themselves: namespaces, seccomp, ptrace, modules, mounts, bpf, perf.
 */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ESCAPE(category, syscall, what, fields, result)                                                                \
	expect("sandbox_escape", what, "@category=" category "|@syscall=" syscall "|+detail|%%path|%s|%s", fields,     \
	       result)

static int become_nobody(void)
{
	return must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "become nobody") ? 0 : -1;
}

/* ---- namespace ---- */

static const struct {
	int flag;
	const char *name;
} spaces[] = {
	{ CLONE_NEWUTS, "CLONE_NEWUTS" },	{ CLONE_NEWNS, "CLONE_NEWNS" },	  { CLONE_NEWIPC, "CLONE_NEWIPC" },
	{ CLONE_NEWNET, "CLONE_NEWNET" },	{ CLONE_NEWPID, "CLONE_NEWPID" }, { CLONE_NEWUSER, "CLONE_NEWUSER" },
	{ CLONE_NEWCGROUP, "CLONE_NEWCGROUP" },
};

static int unshares(void *context)
{
	size_t i = *(size_t *)context;
	char fields[64];
	const char *result = any(unshare(spaces[i].flag));

	if (spaces[i].flag == CLONE_NEWUSER)
		act_uid = act_gid = 0;
	(void)snprintf(fields, sizeof(fields), "target~%s", spaces[i].name);
	ESCAPE("namespace", "unshare", spaces[i].name, fields, result);
	return 0;
}

static int unshare_refused(void *context)
{
	if (become_nobody() < 0)
		return 1;
	ESCAPE("namespace", "unshare", "unshare refused", "target~CLONE_NEWNET", no(unshare(CLONE_NEWNET), EPERM));
	ESCAPE("namespace", "chroot", "chroot refused", "target=/|uid=65534", no(chroot("/"), EPERM));
	return 0;
}

static int unshare_harmless(void *context)
{
	(void)must(unshare(CLONE_FILES | CLONE_FS) == 0, "unshare");
	expect_none("sandbox_escape", "unshare of files is none", "+type");
	return 0;
}

static void case_unshare(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		(void)in_child(unshares, &i);
	(void)in_child(unshare_refused, NULL);
	(void)in_child(unshare_harmless, NULL);
}

static int just_ends(void *context)
{
	return 0;
}

static void case_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct clone_args a = { .flags = CLONE_NEWIPC | CLONE_NEWNS, .exit_signal = SIGCHLD };
	pid_t pid = clone(just_ends, stack + sizeof(stack), CLONE_NEWUTS | SIGCHLD, NULL);

	ESCAPE("namespace", "clone", "clone with CLONE_NEWUTS", "target~CLONE_NEWUTS", any(pid));
	if (pid > 0)
		(void)wait_for(pid);
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(0);
	ESCAPE("namespace", "clone3", "clone3 with CLONE_NEWIPC and CLONE_NEWNS",
	       "target~CLONE_NEWIPC|target~CLONE_NEWNS", any(pid));
	if (pid > 0)
		(void)wait_for(pid);
}

static void case_setns(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	ESCAPE("namespace", "setns", "setns", "@result=0|+target", any(setns(fd, CLONE_NEWUTS)));
	ESCAPE("namespace", "setns", "setns of no descriptor", "@result=-9", no(setns(999, CLONE_NEWNET), EBADF));
}

static void case_roots(void)
{
	char fields[600];

	(void)mkdir("jail", 0755);
	ESCAPE("namespace", "pivot_root", "pivot_root", "+target", any(syscall(SYS_pivot_root, "jail", "jail")));
	(void)snprintf(fields, sizeof(fields), "target=%s", at("jail"));
	ESCAPE("namespace", "chroot", "chroot", fields, ok(chroot("jail")));
}

/* ---- seccomp ---- */

static struct sock_filter allow[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };
static struct sock_fprog program = { 1, allow };

static int by_prctl(void *context)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	ESCAPE("seccomp", "prctl", "prctl sets a filter", "detail~SECCOMP",
	       ok(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)));
	return 0;
}

static int by_seccomp(void *context)
{
	ESCAPE("seccomp", "seccomp", "seccomp sets a filter", "detail~SECCOMP_SET_MODE_FILTER|@result=0",
	       ok(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)));
	ESCAPE("seccomp", "seccomp", "seccomp with a filter that can't be read", "@result=-14",
	       no(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 8), EFAULT));
	return 0;
}

static int seccomp_refused(void *context)
{
	if (become_nobody() < 0)
		return 1;
	ESCAPE("seccomp", "seccomp", "seccomp refused", "uid=65534",
	       no(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), EACCES));
	return 0;
}

static int no_seccomp(void *context)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "renamed");
	expect_none("sandbox_escape", "other uses of prctl are none", "+type");
	return 0;
}

static void case_seccomp(void)
{
	(void)in_child(by_prctl, NULL);
	(void)in_child(by_seccomp, NULL);
	(void)in_child(seccomp_refused, NULL);
	(void)in_child(no_seccomp, NULL);
}

/* ---- ptrace ---- */

static int waits(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static int ptrace_refused(void *context)
{
	pid_t victim = *(pid_t *)context;
	char fields[64];

	if (become_nobody() < 0)
		return 1;
	(void)snprintf(fields, sizeof(fields), "target=pid %d|detail~PTRACE_ATTACH", victim);
	ESCAPE("ptrace", "ptrace", "ptrace refused", fields, no(ptrace(PTRACE_ATTACH, victim, 0, 0), EPERM));
	return 0;
}

static int traced(void *context)
{
	ESCAPE("ptrace", "ptrace", "PTRACE_TRACEME", "detail~PTRACE_TRACEME", ok(ptrace(PTRACE_TRACEME, 0, 0, 0)));
	return 0;
}

static void case_ptrace(void)
{
	pid_t pid = waits();
	char fields[96];

	(void)snprintf(fields, sizeof(fields), "target=pid %d|@detail~PTRACE_ATTACH", pid);
	ESCAPE("ptrace", "ptrace", "PTRACE_ATTACH", fields, ok(ptrace(PTRACE_ATTACH, pid, 0, 0)));
	(void)must(waitpid(pid, NULL, __WALL) == pid, "it stops");
	(void)snprintf(fields, sizeof(fields), "target=pid %d|@detail~PTRACE_DETACH", pid);
	ESCAPE("ptrace", "ptrace", "PTRACE_DETACH", fields, ok(ptrace(PTRACE_DETACH, pid, 0, 0)));
	(void)snprintf(fields, sizeof(fields), "target=pid %d|@detail~PTRACE_SEIZE", pid);
	ESCAPE("ptrace", "ptrace", "PTRACE_SEIZE", fields, ok(ptrace(PTRACE_SEIZE, pid, 0, 0)));
	(void)in_child(ptrace_refused, &pid);
	(void)in_child(traced, NULL);
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
}

static void case_vm(void)
{
	static char here[16] = "here", there[16] = "there";
	struct iovec local = { here, 16 }, remote = { there, 16 };
	pid_t pid = waits();
	char fields[96], path[64];
	int fd;

	(void)snprintf(fields, sizeof(fields), "target=pid %d", pid);
	ESCAPE("ptrace", "process_vm_readv", "process_vm_readv", fields,
	       ok(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
	ESCAPE("ptrace", "process_vm_writev", "process_vm_writev", fields,
	       ok(process_vm_writev(pid, &local, 1, &remote, 1, 0)));
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	(void)snprintf(fields, sizeof(fields), "target=%s", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ESCAPE("ptrace", "openat", "another's /proc/PID/mem", fields, ok(fd));
	expect("file_open", "and the plain event of the same call", "@path=%s|flags=O_RDWR,O_CLOEXEC|%s|%%late", path,
	       ok(fd));
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	ESCAPE("ptrace", "pidfd_getfd", "pidfd_getfd", "+target", any(syscall(SYS_pidfd_getfd, fd, 0, 0)));
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
}

static void case_own_memory(void)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	(void)must(fd >= 0, "open");
	(void)close(fd);
	fd = open("/proc/thread-self/mem", O_RDONLY | O_CLOEXEC);
	(void)close(fd);
	fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	(void)close(fd);
	expect_none("sandbox_escape", "one's own memory is none", "+type");
}

/* ---- module_load ---- */

static int module_refused(void *context)
{
	if (become_nobody() < 0)
		return 1;
	ESCAPE("module_load", "init_module", "init_module as nobody", "uid=65534",
	       any(syscall(SYS_init_module, "junk", 4, "")));
	return 0;
}

static void case_module(void)
{
	int fd;

	make_file("module.ko", "junk");
	fd = open("module.ko", O_RDONLY | O_CLOEXEC);
	ESCAPE("module_load", "init_module", "init_module", "+result", any(syscall(SYS_init_module, "junk", 4, "")));
	ESCAPE("module_load", "finit_module", "finit_module", "+result", any(syscall(SYS_finit_module, fd, "", 0)));
	ESCAPE("module_load", "delete_module", "delete_module", "+result",
	       any(syscall(SYS_delete_module, "kernel_test_none", O_NONBLOCK)));
	ESCAPE("module_load", "kexec_load", "kexec_load", "+result", any(syscall(SYS_kexec_load, 0, 99, NULL, 0)));
#ifdef SYS_kexec_file_load
	ESCAPE("module_load", "kexec_file_load", "kexec_file_load", "+result",
	       any(syscall(SYS_kexec_file_load, fd, -1, 1, "", 0)));
#endif
	(void)in_child(module_refused, NULL);
}

/* ---- mount ---- */

static int mount_refused(void *context)
{
	if (become_nobody() < 0)
		return 1;
	ESCAPE("mount", "mount", "mount refused", "uid=65534", no(mount("none", "/", "tmpfs", 0, NULL), EPERM));
	ESCAPE("mount", "umount2", "umount2 refused", "target=/", no(umount2("/", 0), EPERM));
	return 0;
}

static void case_mount(void)
{
	char fields[600];

	if (unshare(CLONE_NEWNS) < 0) {
		skip("mounts", strerror(errno));
		return;
	}
	ESCAPE("mount", "mount", "mounts made private", "@target=/|detail~MS_PRIVATE",
	       ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)));
	(void)mkdir("point", 0755);
	(void)snprintf(fields, sizeof(fields), "@target=%s", at("point"));
	ESCAPE("mount", "mount", "mount", fields, ok(mount("tmpfs", "point", "tmpfs", 0, NULL)));
	ESCAPE("mount", "umount2", "umount2", fields, ok(umount2("point", MNT_DETACH)));
	(void)snprintf(fields, sizeof(fields), "@target=%s", at("missing"));
	ESCAPE("mount", "mount", "mount on nothing", fields, no(mount("tmpfs", "missing", "tmpfs", 0, NULL), ENOENT));
	(void)in_child(mount_refused, NULL);
}

static void case_new_mount(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOEXEC };
	int context, fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		skip("mounts by descriptor", strerror(errno));
		return;
	}
	(void)mkdir("point", 0755);
	context = (int)syscall(SYS_fsopen, "tmpfs", 0);
	ESCAPE("mount", "fsopen", "fsopen", "+result", any(context));
	ESCAPE("mount", "fsconfig", "fsconfig", "+result",
	       any(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0)));
	fd = (int)syscall(SYS_fsmount, context, 0, 0);
	ESCAPE("mount", "fsmount", "fsmount", "+result", any(fd));
	ESCAPE("mount", "mount_setattr", "mount_setattr", "+result",
	       any(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr))));
	ESCAPE("mount", "move_mount", "move_mount", "+target",
	       any(syscall(SYS_move_mount, fd, "", AT_FDCWD, "point", MOVE_MOUNT_F_EMPTY_PATH)));
	ESCAPE("mount", "open_tree", "open_tree", "+target",
	       any(syscall(SYS_open_tree, AT_FDCWD, "point", OPEN_TREE_CLONE)));
	ESCAPE("mount", "fspick", "fspick", "+result", any(syscall(SYS_fspick, AT_FDCWD, "point", 0)));
}

/* ---- bpf, perf_event ---- */

static int bpf_refused(void *context)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	if (become_nobody() < 0)
		return 1;
	ESCAPE("bpf", "bpf", "bpf as nobody", "detail~BPF_MAP_CREATE|uid=65534",
	       any(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr))));
	return 0;
}

static void case_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	ESCAPE("bpf", "bpf", "a BPF map", "@detail~BPF_MAP_CREATE",
	       any(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr))));
	memset(&attr, 0, sizeof(attr));
	ESCAPE("bpf", "bpf", "a BPF program", "@detail~BPF_PROG_LOAD",
	       any(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr))));
	(void)in_child(bpf_refused, NULL);
}

static void case_perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_TASK_CLOCK };

	ESCAPE("perf_event", "perf_event_open", "a performance event", "@result=0",
	       any(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0)));
	attr.type = 9999;
	ESCAPE("perf_event", "perf_event_open", "a performance event that there is not", "@result=-2",
	       no(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), ENOENT));
}

/* ---- what files under /dev and /proc would do too ---- */

static int machine_calls(void *context)
{
	char name[16] = "heddle-test";

	ESCAPE("container", "iopl", "iopl", "result=*", any(syscall(SYS_iopl, 1)));
	ESCAPE("container", "ioperm", "ioperm", "result=*", any(syscall(SYS_ioperm, 0x80, 1, 1)));
	(void)syscall(SYS_syslog, 10, NULL, 0); /* only asks: the next one is the one event of this call */
	ESCAPE("proc_sys", "syslog", "reading the kernel's log", "result=*", any(syscall(SYS_syslog, 3, name, 4)));
	if (!must(unshare(CLONE_NEWUTS) == 0, "unshare"))
		return 1;
	ESCAPE("proc_sys", "sethostname", "sethostname", "result=0", ok(syscall(SYS_sethostname, name, 11)));
	ESCAPE("proc_sys", "setdomainname", "setdomainname", "result=0", ok(syscall(SYS_setdomainname, name, 11)));
	return 0;
}

static void case_machine(void)
{
	(void)in_child(machine_calls, NULL);
}

static const struct act_case cases[] = {
	{ "unshare", case_unshare },
	{ "clone", case_clone },
	{ "setns", case_setns },
	{ "roots", case_roots },
	{ "seccomp", case_seccomp },
	{ "ptrace", case_ptrace },
	{ "vm", case_vm },
	{ "own-memory", case_own_memory },
	{ "module", case_module },
	{ "mount", case_mount },
	{ "new-mount", case_new_mount },
	{ "bpf", case_bpf },
	{ "perf", case_perf },
	{ "machine", case_machine },
	{ 0 },
};

const struct act_family family_escape = {
	"escape", "sandbox_escape: namespace, seccomp, ptrace, module_load, mount, bpf, perf_event", cases, NULL
};
