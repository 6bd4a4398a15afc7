/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that changes credentials, done and refused, and programs that bring their own. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHANGE(operation, what, fields, result)                                                                        \
	expect("privilege_change", what, "@operation=" operation "|@result=0|syscall=" operation "|" fields "|%s",     \
	       result)
#define REFUSED(operation, what, fields, call)                                                                         \
	expect("privilege_change", what, "@operation=" operation "|@result=-1|syscall=" operation "|" fields "|%s",    \
	       no(call, EPERM))

/* The calls themselves: libc's would change every thread. */
static int set_uid(void *context)
{
	CHANGE(
	    "setuid", "setuid",
	    "before.uid=0|before.euid=0|before.suid=0|before.fsuid=0|after.uid=1234|after.euid=1234|after.suid=1234|"
	    "after.fsuid=1234|before.effective~CAP_SYS_ADMIN|after.effective=|after.permitted=|-before.gid|-after.gid",
	    ok(syscall(SYS_setuid, 1234)));
	return 0;
}

static int set_gid(void *context)
{
	CHANGE("setgid", "setgid",
	       "before.gid=0|after.gid=55|after.egid=55|after.sgid=55|after.fsgid=55|-after.uid|-after.effective",
	       ok(syscall(SYS_setgid, 55)));
	return 0;
}

static int set_reuid(void *context)
{
	CHANGE("setreuid", "setreuid",
	       "before.uid=0|before.euid=0|after.uid=11|after.euid=12|after.suid=12|after.fsuid=12",
	       ok(syscall(SYS_setreuid, 11, 12)));
	return 0;
}

static int set_regid(void *context)
{
	CHANGE("setregid", "setregid", "before.gid=0|before.egid=0|after.gid=13|after.egid=14|after.sgid=14",
	       ok(syscall(SYS_setregid, 13, 14)));
	return 0;
}

static int set_resuid(void *context)
{
	CHANGE("setresuid", "setresuid", "before.uid=0|after.uid=21|after.euid=22|after.suid=23|after.fsuid=22",
	       ok(syscall(SYS_setresuid, 21, 22, 23)));
	return 0;
}

static int set_resuid_one(void *context)
{
	CHANGE("setresuid", "setresuid of the effective id alone", "before.euid=0|after.euid=24|-after.uid|-after.suid",
	       ok(syscall(SYS_setresuid, -1, 24, -1)));
	return 0;
}

static int set_resgid(void *context)
{
	CHANGE("setresgid", "setresgid", "before.gid=0|after.gid=31|after.egid=32|after.sgid=33|after.fsgid=32",
	       ok(syscall(SYS_setresgid, 31, 32, 33)));
	return 0;
}

static int set_fs(void *context)
{
	CHANGE("setfsuid", "setfsuid", "before.fsuid=0|after.fsuid=77|-after.uid|-after.euid",
	       ok(syscall(SYS_setfsuid, 77)));
	CHANGE("setfsgid", "setfsgid", "before.fsgid=0|after.fsgid=78|-after.gid|-after.egid",
	       ok(syscall(SYS_setfsgid, 78)));
	return 0;
}

static int set_groups(void *context)
{
	gid_t some[] = { 10, 20, 30 };

	expect("privilege_change", "setgroups",
	       "@operation=setgroups|@after.groups=10,20,30|+before.groups|-after.uid|%s",
	       ok(syscall(SYS_setgroups, 3, some)));
	expect("privilege_change", "setgroups to none", "@operation=setgroups|@before.groups=10,20,30|after.groups=|%s",
	       ok(syscall(SYS_setgroups, 0, NULL)));
	return 0;
}

static int (*const id_calls[])(void *) = { set_uid,	   set_gid,    set_reuid, set_regid, set_resuid,
					   set_resuid_one, set_resgid, set_fs,	  set_groups };

static void case_ids(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(id_calls); i++)
		(void)in_child(id_calls[i], NULL);
}

static long caps_get(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	return syscall(SYS_capget, &header, data);
}

static long caps_set(const struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	return syscall(SYS_capset, &header, data);
}

static void case_capset(void)
{
	struct __user_cap_data_struct c[2];

	(void)must(caps_get(c) == 0, "capget");
	c[0].effective &= ~(1U << CAP_NET_RAW);
	expect("privilege_change", "capset drops one from the effective set",
	       "@operation=capset|@before.effective~CAP_NET_RAW|after.effective!~CAP_NET_RAW|after.effective~CAP_CHOWN|"
	       "-after.permitted|-after.uid|-after.no_new_privs|%s",
	       ok(caps_set(c)));
	c[0].inheritable = 1U << CAP_NET_BIND_SERVICE;
	expect("privilege_change", "capset raises an inheritable one",
	       "@operation=capset|@after.inheritable=CAP_NET_BIND_SERVICE|before.inheritable=|%s", ok(caps_set(c)));
	memset(c, 0, sizeof(c));
	expect("privilege_change", "capset drops all",
	       "@operation=capset|@after.permitted=|after.effective=|before.permitted~CAP_SYS_ADMIN|%s",
	       ok(caps_set(c)));
	c[0].effective = c[0].permitted = 1U << CAP_SYS_ADMIN;
	expect("privilege_change", "capset that wants more than there is",
	       "@operation=capset|@result=-1|after.effective~CAP_SYS_ADMIN|%s", no(caps_set(c), EPERM));
}

static void case_no_new_privs(void)
{
	CHANGE("prctl", "PR_SET_NO_NEW_PRIVS",
	       "before.no_new_privs=false|after.no_new_privs=true|-after.uid|-after.effective",
	       ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
	expect_none("sandbox_escape", "no_new_privs is no escape", "+type");
}

static void case_prctl(void)
{
	struct __user_cap_data_struct c[2];

	expect("privilege_change", "PR_CAPBSET_DROP",
	       "@operation=prctl|@before.bounding~CAP_SYS_BOOT|after.bounding!~CAP_SYS_BOOT|-after.effective|%s",
	       ok(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0)));
	expect("privilege_change", "PR_SET_SECUREBITS",
	       "@operation=prctl|@after.securebits=SECBIT_NOROOT|before.securebits=|%s",
	       ok(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0)));
	(void)must(caps_get(c) == 0, "capget");
	c[0].inheritable = 1U << CAP_NET_RAW;
	(void)must(caps_set(c) == 0, "capset");
	expect("privilege_change", "PR_CAP_AMBIENT_RAISE",
	       "@operation=prctl|@after.ambient=CAP_NET_RAW|before.ambient=|%s",
	       ok(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0)));
	expect("privilege_change", "PR_CAP_AMBIENT_LOWER",
	       "@operation=prctl|@before.ambient=CAP_NET_RAW|after.ambient=|%s",
	       ok(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_NET_RAW, 0, 0)));
	expect_none("privilege_change", "reading is no change", "operation=prctl|before.bounding=|after.bounding=");
	(void)prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0);
}

static int refused_ids(void *context)
{
	if (!must(syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setgid, NOBODY) == 0 &&
		      syscall(SYS_setuid, NOBODY) == 0,
		  "become nobody"))
		return 1;
	REFUSED("setuid", "setuid refused", "after.euid=0|before.euid=65534", syscall(SYS_setuid, 0));
	REFUSED("setgid", "setgid refused", "after.egid=0|before.egid=65534", syscall(SYS_setgid, 0));
	REFUSED("setreuid", "setreuid refused", "after.uid=1|after.euid=2", syscall(SYS_setreuid, 1, 2));
	REFUSED("setregid", "setregid refused", "after.gid=3|after.egid=4", syscall(SYS_setregid, 3, 4));
	REFUSED("setresuid", "setresuid refused", "after.uid=5|after.euid=6|after.suid=7",
		syscall(SYS_setresuid, 5, 6, 7));
	REFUSED("setresgid", "setresgid refused", "after.gid=8|after.egid=9|after.sgid=10",
		syscall(SYS_setresgid, 8, 9, 10));
	REFUSED("setgroups", "setgroups refused", "+after", syscall(SYS_setgroups, 1, (gid_t[]){ 4 }));
	expect("privilege_change", "setfsuid refused, which gives no error",
	       "@operation=setfsuid|after.fsuid=0|before.fsuid=65534");
	(void)must(syscall(SYS_setfsuid, 0) == NOBODY, "setfsuid");
	expect("privilege_change", "setfsgid refused, which gives no error",
	       "@operation=setfsgid|after.fsgid=0|before.fsgid=65534");
	(void)must(syscall(SYS_setfsgid, 0) == NOBODY, "setfsgid");
	expect("privilege_change", "PR_CAPBSET_DROP refused",
	       "@operation=prctl|@before.bounding~CAP_SYS_TIME|@after.bounding!~CAP_SYS_TIME|%s",
	       no(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0), EPERM));
	expect("privilege_change", "PR_SET_SECUREBITS refused", "@operation=prctl|@after.securebits~SECBIT_NOROOT|%s",
	       no(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0), EPERM));
	expect("privilege_change", "PR_CAP_AMBIENT_RAISE refused", "@operation=prctl|@after.ambient~CAP_SYS_ADMIN|%s",
	       no(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0), EPERM));
	return 0;
}

static void case_refused(void)
{
	(void)in_child(refused_ids, NULL);
}

static bool may_set_id(void)
{
	struct statvfs v;

	if (statvfs(".", &v) == 0 && !(v.f_flag & ST_NOSUID))
		return true;
	skip("set-id programs", "the scratch directory is mounted nosuid");
	return false;
}

static int exec_it(void *context)
{
	char *argv[] = { "privileged", "--helper", "exit", "0", NULL };

	(void)execv(context, argv);
	return 1;
}

static int exec_as_nobody(void *context)
{
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 1;
	return exec_it(context);
}

static int exec_with_nnp(void *context)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return exec_as_nobody(context);
}

static void expect_exec(pid_t pid, const char *what, const char *fields)
{
	(void)must(act_status == 0, what);
	expect("privilege_change", what,
	       "@pid=%d|tid=%d|ppid=%d|@operation=exec|uid=*|gid=*|exe=*|comm=*|syscall=execve|%s|%s", pid, pid,
	       getpid(), fields, "result=0|-error|verified=true");
}

static void case_set_id(void)
{
	pid_t pid;

	if (!may_set_id())
		return;
	copy_file(act_self, "suid-root", 0755);
	(void)must(chmod("suid-root", 04755) == 0, "chmod");
	pid = in_child(exec_as_nobody, "./suid-root");
	expect_exec(pid, "a set-user-id program of root",
		    "before.euid=65534|after.euid=0|after.suid=0|-after.uid|after.effective~CAP_SYS_ADMIN");
	copy_file(act_self, "suid-other", 0755);
	(void)must(chown("suid-other", 1234, 0) == 0 && chmod("suid-other", 04755) == 0, "chmod");
	pid = in_child(exec_it, "./suid-other");
	expect_exec(pid, "a set-user-id program of another", "before.euid=0|after.euid=1234|-after.uid");
	copy_file(act_self, "sgid", 0755);
	(void)must(chown("sgid", 0, 4321) == 0 && chmod("sgid", 02755) == 0, "chmod");
	pid = in_child(exec_it, "./sgid");
	expect_exec(pid, "a set-group-id program", "before.egid=0|after.egid=4321|-after.gid|-after.uid");
	pid = in_child(exec_with_nnp, "./suid-root");
	expect_none("privilege_change", "no_new_privs keeps set-id out", "pid=%d|operation=exec", pid);
}

static void case_file_capability(void)
{
	struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE };
	pid_t pid;

	if (!may_set_id())
		return;
	copy_file(act_self, "capable", 0755);
	cap.data[0].permitted = 1U << CAP_NET_RAW;
	if (setxattr("capable", "security.capability", &cap, XATTR_CAPS_SZ_2, 0) < 0) {
		skip("a program with file capabilities", "the scratch directory keeps no security.capability");
		return;
	}
	pid = in_child(exec_as_nobody, "./capable");
	expect_exec(pid, "a program with file capabilities",
		    "before.permitted=|after.permitted=CAP_NET_RAW|after.effective=CAP_NET_RAW|-after.euid");
}

static void case_plain_exec(void)
{
	pid_t pid = in_child(exec_it, (void *)act_self);

	expect_none("privilege_change", "an ordinary program changes nothing", "pid=%d", pid);
}

static int new_user(void *context)
{
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 1;
	act_uid = act_gid = NOBODY;
	if (unshare(CLONE_NEWUSER) < 0) {
		skip("unshare(CLONE_NEWUSER) by nobody", strerror(errno));
		return 0;
	}
	expect("privilege_change", "a new user namespace gives every capability",
	       "@operation=unshare|syscall=unshare|before.effective=|after.effective~CAP_SYS_ADMIN|after.permitted~CAP_"
	       "SYS_MODULE|"
	       "+before.user_namespace|+after.user_namespace|%s",
	       ok(0));
	return 0;
}

static int waits_in_namespace(void *context)
{
	int *pipes = context;
	char c = 'x';

	if (unshare(CLONE_NEWUSER) < 0)
		c = 'n';
	(void)must(write(pipes[1], &c, 1) == 1, "pipe");
	(void)pause();
	return 0;
}

static int enters(void *context)
{
	int fd = *(int *)context;

	act_uid = act_gid = 0;
	expect("privilege_change", "setns into a user namespace",
	       "@operation=setns|syscall=setns|+before.user_namespace|+after.user_namespace|%s",
	       ok(setns(fd, CLONE_NEWUSER)));
	return 0;
}

static void case_user_namespace(void)
{
	char path[64], c = 0;
	int pipes[2], fd;
	pid_t pid;

	(void)in_child(new_user, NULL);
	(void)must(pipe(pipes) == 0, "pipe");
	pid = fork();
	if (pid == 0)
		_exit(waits_in_namespace(pipes));
	(void)must(read(pipes[0], &c, 1) == 1, "pipe");
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (c == 'x' && fd >= 0)
		(void)in_child(enters, &fd);
	else
		skip("setns into a user namespace", "no user namespaces here");
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
}

static void *thread_body(void *context)
{
	/* The call itself changes this thread alone. */
	expect("privilege_change", "one thread's own change",
	       "@operation=setresuid|uid=4|after.euid=4|before.euid=0|-after.uid|%s",
	       ok(syscall(SYS_setresuid, -1, 4, -1)));
	return NULL;
}

static void case_thread(void)
{
	pthread_t t;

	(void)must(pthread_create(&t, NULL, thread_body, NULL) == 0, "pthread_create");
	(void)pthread_join(t, NULL);
}

static const struct act_case cases[] = {
	{ "ids", case_ids },
	{ "capset", case_capset },
	{ "no-new-privs", case_no_new_privs },
	{ "prctl", case_prctl },
	{ "refused", case_refused },
	{ "set-id", case_set_id },
	{ "file-capability", case_file_capability },
	{ "plain-exec", case_plain_exec },
	{ "user-namespace", case_user_namespace },
	{ "thread", case_thread },
	{ 0 },
};

const struct act_family family_privilege = { "privilege", "privilege_change", cases, NULL };
