/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a task does to get away, it stays in the workload; what comes in joins it; what is outside never shows. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char mount_point[512]; /* of the v2 hierarchy */
static char own[512];	      /* this task's path in it */

/* The path of a hierarchy's line in /proc/self/cgroup: "0::" is v2, ":memory:" a v1 controller. */
static bool own_cgroup(const char *mark, char *ret, size_t size)
{
	char line[1024];
	FILE *f = fopen("/proc/self/cgroup", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *p = strstr(line, mark);

		if (!p || (mark[0] == '0' && p != line))
			continue;
		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(ret, size, "%s", p + strlen(mark));
		found = true;
	}
	if (f)
		(void)fclose(f);
	return found;
}

static bool find_cgroup2(void)
{
	char line[1024], type[64];
	FILE *f = fopen("/proc/self/mounts", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %511s %63s", mount_point, type) == 2 && strcmp(type, "cgroup2") == 0)
			break;
		else
			mount_point[0] = '\0';
	if (f)
		(void)fclose(f);
	if (*mount_point && own_cgroup("0::", own, sizeof(own)))
		return true;
	(void)must(false, "no cgroup v2 hierarchy: the workload must have one");
	return false;
}

static bool move(const char *directory, pid_t pid)
{
	char path[1200], text[16];

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	(void)snprintf(text, sizeof(text), "%d", pid);
	errno = 0;
	write_file(path, text);
	return errno == 0;
}

static void leave_trace(const char *name, const char *what, const char *cgroup)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	expect("file_open", what, "@path=%s|cgroup=%s|%s", at(name), cgroup, ok(fd));
	(void)close(fd);
}

static int in_child_cgroup(void *context)
{
	char cgroup[600];

	if (!must(move(context, getpid()), "into a child cgroup"))
		return 1;
	(void)snprintf(cgroup, sizeof(cgroup), "%s/inner", own);
	leave_trace("child", "seen in a child cgroup", cgroup);
	expect_none("sandbox_escape", "into a child cgroup is none", "+type");
	return 0;
}

static void case_child_cgroup(void)
{
	char path[1100];

	if (!find_cgroup2())
		return;
	leave_trace("home", "seen at home", own);
	(void)snprintf(path, sizeof(path), "%s%s/inner", mount_point, own);
	(void)must(mkdir(path, 0755) == 0, "mkdir");
	(void)in_child(in_child_cgroup, path);
}

static int walks_out(void *context)
{
	if (!must(move(context, getpid()), "out of the cgroup"))
		return 1;
	expect("sandbox_escape", "leaving the cgroup",
	       "@category=container|@target~/kernel-test-out|mover=%d|result=0|+detail|cgroup=/kernel-test-out",
	       getpid());
	leave_trace("outside", "seen after leaving", "/kernel-test-out");
	return 0;
}

static void case_leave(void)
{
	char path[1100];

	if (!find_cgroup2())
		return;
	(void)snprintf(path, sizeof(path), "%s/kernel-test-out", mount_point);
	(void)must(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir");
	(void)in_child(walks_out, path);
}

static int forks_outside(void *context)
{
	char cgroup[] = "/kernel-test-away";
	pid_t pid;

	if (!must(move(context, getpid()), "out of the cgroup"))
		return 1;
	pid = fork();
	if (pid == 0) {
		leave_trace("born-outside", "a child that was born outside", cgroup);
		_exit(0);
	}
	(void)wait_for(pid);
	return 0;
}

static void case_born_outside(void)
{
	char path[1100];

	if (!find_cgroup2())
		return;
	(void)snprintf(path, sizeof(path), "%s/kernel-test-away", mount_point);
	(void)must(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir");
	(void)in_child(forks_outside, path);
}

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

static void case_moved(void)
{
	char path[1100];
	pid_t pid;

	if (!find_cgroup2())
		return;
	(void)snprintf(path, sizeof(path), "%s/kernel-test-moved", mount_point);
	(void)must(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir");
	pid = waits();
	(void)must(move(path, pid), "move a child");
	expect("sandbox_escape", "moved by another: told of the one that moved",
	       "@category=container|@target~/kernel-test-moved|@pid=%d|tid=%d|ppid=%d|mover=%d|result=0", pid, pid,
	       getpid(), getpid());
	expect_none("sandbox_escape", "the mover itself did not leave", "target~kernel-test-moved");
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
}

/* Leaves a v1 controller's cgroup, where the workload started in one. */
static int leaves_v1(void *context)
{
	const char *controller = context;
	char path[128];

	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", controller);
	if (!must(move(path, getpid()), "into the root of a v1 hierarchy"))
		return 1;
	expect("sandbox_escape", "leaving a cgroup of a v1 hierarchy",
	       "@category=container|+target|mover=%d|result=0|+detail", getpid());
	return 0;
}

static void case_leave_v1(void)
{
	static const char *const controllers[] = { "memory", "cpu", "pids", "freezer" };
	char mark[32], path[512];

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		(void)snprintf(mark, sizeof(mark), ":%s:", controllers[i]);
		if (!own_cgroup(mark, path, sizeof(path)) || strcmp(path, "/") == 0)
			continue;
		(void)in_child(leaves_v1, (void *)controllers[i]);
		return;
	}
	skip("leaving a cgroup of a v1 hierarchy",
	     "the workload is in the root of each v1 hierarchy, or there is none");
}

static void case_daemon(void)
{
	int pipes[2];
	char c;
	pid_t middle;

	(void)must(pipe(pipes) == 0, "pipe");
	middle = fork();
	if (middle == 0) {
		if (fork() != 0)
			_exit(0);
		(void)setsid();
		while (getppid() == middle)
			(void)sched_yield();
		if (fork() != 0)
			_exit(0);
		(void)close(pipes[0]);
		expect("file_open", "a daemon that has forked twice", "@path=%s|ppid=*|result=0", at("daemon"));
		(void)close(open("daemon", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		(void)must(write(pipes[1], "x", 1) == 1, "pipe");
		_exit(0);
	}
	(void)at("");
	(void)close(pipes[1]);
	(void)must(read(pipes[0], &c, 1) == 1, "the daemon ran");
	/* To its very end: the pipe closes with it. */
	(void)must(read(pipes[0], &c, 1) == 0, "the daemon ended");
	(void)wait_for(middle);
	(void)usleep(20000);
}

static pid_t clone_into(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args a = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)fd };
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));

	if (pid != 0)
		(void)close(fd);
	return pid;
}

static void case_clone_into(void)
{
	char inner[1100], outer[600], cgroup[600];
	pid_t pid;

	if (!find_cgroup2())
		return;
	(void)snprintf(inner, sizeof(inner), "%s%s/into", mount_point, own);
	(void)snprintf(outer, sizeof(outer), "%s/kernel-test-into", mount_point);
	(void)snprintf(cgroup, sizeof(cgroup), "%s/into", own);
	(void)must(mkdir(inner, 0755) == 0 && (mkdir(outer, 0755) == 0 || errno == EEXIST), "mkdir");
	pid = clone_into(inner);
	if (pid == 0) {
		leave_trace("cloned-in", "cloned into a child cgroup", cgroup);
		expect_none("sandbox_escape", "cloned into a child cgroup is none", "+type");
		_exit(0);
	}
	if (!must(pid > 0, "clone3 with CLONE_INTO_CGROUP"))
		return;
	(void)wait_for(pid);
	expect("process_fork", "clone3 into a child cgroup", "@child_pid=%d|clone_flags~CLONE_INTO_CGROUP", pid);
	pid = clone_into(outer);
	if (pid == 0) {
		leave_trace("cloned-out", "cloned into a cgroup outside", "/kernel-test-into");
		_exit(0);
	}
	(void)must(pid > 0, "clone3 with CLONE_INTO_CGROUP");
	(void)wait_for(pid);
	expect("process_fork", "clone3 into a cgroup outside", "@child_pid=%d|clone_flags~CLONE_INTO_CGROUP", pid);
	expect_n(-1, "sandbox_escape", "born outside the cgroup is leaving it",
		 "@category=container|@target~kernel-test-into|pid=*|tid=*|ppid=*");
}

/* The judge's outsider waits to be taken in, and then leaves its mark. */
static void case_joins(void)
{
	char path[1100];

	if (!find_cgroup2())
		return;
	if (act_outsider <= 0) {
		skip("a task from outside joins", "the judge sent no outsider");
		return;
	}
	joined(act_outsider);
	(void)snprintf(path, sizeof(path), "%s%s", mount_point, own);
	(void)must(move(path, act_outsider), "take the outsider in");
	for (int i = 0; i < 2000 && access(act_outsider_mark, F_OK) < 0; i++)
		(void)poll(NULL, 0, 5);
	expect("file_open", "a task from outside joins the workload",
	       "@pid=%d|tid=%d|ppid=*|comm=*|exe=*|@path=%s|cgroup=%s|result=0|flags~O_CREAT|verified=true",
	       act_outsider, act_outsider, act_outsider_mark, own);
}

static void case_outside(void)
{
	/* The neighbour and the sensor are busy all the time; the judge looks for strangers in every run. */
	(void)usleep(200000);
	expect_none("file_open", "the neighbour does not show", "pid=*|comm=neighbour");
	expect_none("process_fork", "the neighbour's children do not show", "pid=*|comm=neighbour");
	expect_none("file_open", "the sensor does not show", "pid=*|comm=heddle");
	expect_none("file_write", "the sensor's writing does not show", "pid=*|comm=heddle");
}

static int eats(void *context)
{
	size_t size = 512UL << 20;
	char *p;

	if (!must(move(context, getpid()), "into a cgroup with a limit"))
		return 1;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; p != MAP_FAILED && i < size; i += 4096)
		p[i] = 1;
	return 0;
}

/* v1 has its memory hierarchy; in v2 a cgroup right below the root may have the controller. */
static bool limited_cgroup(char *path, size_t size)
{
	char of_memory[512], file[1400];

	if (own_cgroup(":memory:", of_memory, sizeof(of_memory)) && access("/sys/fs/cgroup/memory", F_OK) == 0) {
		(void)snprintf(path, size, "/sys/fs/cgroup/memory%s/kernel-test-oom", of_memory);
		(void)snprintf(file, sizeof(file), "%s/memory.limit_in_bytes", path);
	} else {
		(void)snprintf(file, sizeof(file), "%s/cgroup.subtree_control", mount_point);
		write_file(file, "+memory");
		(void)snprintf(path, size, "%s/kernel-test-oom", mount_point);
		(void)snprintf(file, sizeof(file), "%s/memory.max", path);
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return false;
	errno = 0;
	write_file(file, "33554432");
	if (errno)
		return false;
	(void)snprintf(file, sizeof(file), "%s/memory.swap.max", path);
	write_file(file, "0");
	return true;
}

static void case_oom(void)
{
	char path[1100];
	pid_t pid;

	if (!find_cgroup2())
		return;
	if (!limited_cgroup(path, sizeof(path))) {
		skip("killed for memory", "no memory controller to set a limit with");
		return;
	}
	pid = in_child(eats, path);
	(void)must(WIFSIGNALED(act_status) && WTERMSIG(act_status) == SIGKILL, "it was killed for memory");
	expect("process_exit", "killed for memory", "@pid=%d|tid=*|ppid=%d|signal=SIGKILL|oom_killed=true|-exit_code",
	       pid, getpid());
	/* The judge removes those of v2, whose paths the sensor still wants. */
	if (strncmp(path, mount_point, strlen(mount_point)) != 0)
		(void)rmdir(path);
}

static const struct act_case cases[] = {
	{ "child-cgroup", case_child_cgroup },
	{ "leave", case_leave },
	{ "born-outside", case_born_outside },
	{ "moved", case_moved },
	{ "leave-v1", case_leave_v1 },
	{ "daemon", case_daemon },
	{ "clone-into", case_clone_into },
	{ "joins", case_joins },
	{ "outside", case_outside },
	{ "oom", case_oom },
	{ 0 },
};

const struct act_family family_scope = { "scope", "scope by cgroup and by descent, oom_killed", cases, NULL };
