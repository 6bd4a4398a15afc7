/* SPDX-License-Identifier: Apache-2.0 */
/* Who acted, where the usual names for it mislead: a pid that comes again, other parents, other names. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json-read.h"

#define LAST_PID "/proc/sys/kernel/ns_last_pid"
#define AGAIN 3000 /* a pid that is free in a new namespace, and in the microVM */

static void touch(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)must(fd >= 0, "open");
	(void)close(fd);
}

static void act_as(int pid, const char *file, bool inside)
{
	if (inside)
		expect("file_open", "a process whose pid came again",
		       "@path=%s|pid=*|tid=*|ppid=*|@pid_in_namespace=%d|result=0", at(file), pid);
	else
		expect("file_open", "a process whose pid came again", "@path=%s|pid=%d|result=0", at(file), pid);
	touch(file);
}

/* A child that gets this pid, as its namespace numbers it. Somebody else's fork may come first: then once more. */
static void child_of_pid(int pid, const char *file, bool inside)
{
	char text[16];
	pid_t got = -1;

	(void)snprintf(text, sizeof(text), "%d", pid - 1);
	for (int i = 0; i < 1000 && got != pid; i++) {
		errno = 0;
		write_file(LAST_PID, text);
		if (!must(errno == 0, "write to ns_last_pid"))
			return;
		got = fork();
		if (got == 0) {
			if (getpid() == pid)
				act_as(pid, file, inside);
			_exit(0);
		}
		(void)wait_for(got);
	}
	(void)must(got == pid, "a child has the wanted pid");
}

static int reuses(void *context)
{
	child_of_pid(AGAIN, "inside-1", true);
	child_of_pid(AGAIN, "inside-2", true);
	return 0;
}

static int in_namespace(void *context)
{
	if (!must(unshare(CLONE_NEWPID) == 0, "unshare"))
		return 1;
	(void)in_child(reuses, NULL);
	return act_status != 0;
}

static void case_reuse(void)
{
	(void)at("");
	(void)in_child(in_namespace, NULL);
	(void)must(act_status == 0, "a pid came again in a namespace");
	if (act_emulated()) {
		child_of_pid(AGAIN, "outside-1", false);
		child_of_pid(AGAIN, "outside-2", false);
	} else {
		skip("the same pid in the initial namespace", "the machine's pids are steered in the microVM alone");
	}
}

static void *execs(void *context)
{
	char fd[16];
	char *argv[] = { "threaded", "--helper", "write", fd, NULL };

	(void)snprintf(fd, sizeof(fd), "%d", *(int *)context);
	(void)execv(act_self, argv);
	return NULL;
}

static int exec_from_thread(void *context)
{
	int fd = open("written", O_WRONLY | O_CREAT, 0644);
	pthread_t t;

	(void)must(pthread_create(&t, NULL, execs, &fd) == 0, "pthread_create");
	(void)pthread_join(t, NULL);
	return 1;
}

/* The thread becomes the leader, and the process is the one it was. */
static void case_thread_exec(void)
{
	pid_t pid = in_child(exec_from_thread, NULL);

	(void)must(act_status == 0, "the program ran");
	expect("process_exec", "exec from a thread that is not the leader",
	       "@pid=%d|tid=*|ppid=%d|comm=*|@path=%s|image=1|result=0", pid, getpid(), act_self);
	expect("file_write", "what the new image does is the same process's",
	       "@pid=%d|tid=%d|ppid=%d|comm=*|@path=%s|image=1|bytes=4", pid, pid, getpid(), at("written"));
	expect("process_exit", "and so is its end", "@pid=%d|tid=*|ppid=%d|comm=*|image=1|exit_code=0", pid, getpid());
}

/* Forks twice, the middle one ends: the grandchild has another parent when it acts. */
static pid_t orphan(const char *file, pid_t new_parent)
{
	pid_t seen = -1;
	int pipes[2];
	pid_t middle;

	(void)must(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
	middle = fork();
	if (middle == 0) {
		pid_t self = getpid();

		if (fork() != 0)
			_exit(0);
		while (getppid() == self)
			(void)sched_yield();
		expect("file_open", "an orphan has the parent that took it in", "@path=%s|ppid=%d|result=0", at(file),
		       getppid());
		touch(file);
		seen = getppid();
		(void)must(write(pipes[1], &seen, sizeof(seen)) == sizeof(seen), "pipe");
		_exit(0);
	}
	(void)wait_for(middle);
	(void)close(pipes[1]);
	(void)must(read(pipes[0], &seen, sizeof(seen)) == sizeof(seen), "the orphan acted");
	(void)close(pipes[0]);
	(void)must(new_parent ? seen == new_parent : seen != middle, "the orphan's new parent");
	return middle;
}

static void case_double_fork(void)
{
	pid_t middle = orphan("orphan", 0);

	expect_none("file_open", "the orphan is not told with the parent that is gone", "pid!=0|path=%s|ppid=%d",
		    at("orphan"), middle);
}

static void case_subreaper(void)
{
	(void)must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "PR_SET_CHILD_SUBREAPER");
	(void)orphan("taken-in", getpid());
	(void)must(wait(NULL) > 0, "the subreaper waits for it");
}

static void *other_thread(void *context)
{
	(void)must(prctl(PR_SET_NAME, "second") == 0, "PR_SET_NAME");
	expect("file_open", "a thread with a name of its own", "@path=%s|result=0", at("by-thread"));
	touch("by-thread");
	return NULL;
}

/* comm is what the thread says; exe stays what it is. */
static void case_name(void)
{
	pthread_t t;

	(void)must(prctl(PR_SET_NAME, "systemd") == 0, "PR_SET_NAME");
	expect("file_open", "somebody else's name", "@path=%s|comm=systemd|exe=%s|result=0", at("renamed"), act_self);
	touch("renamed");
	(void)must(prctl(PR_SET_NAME, "a\033[2J\nb") == 0, "PR_SET_NAME");
	expect("file_open", "a name of control characters", "@path=%s|exe=%s|escaped~comm|result=0", at("controls"),
	       act_self);
	touch("controls");
	(void)must(prctl(PR_SET_NAME, "first") == 0, "PR_SET_NAME");
	(void)must(pthread_create(&t, NULL, other_thread, NULL) == 0, "pthread_create");
	(void)pthread_join(t, NULL);
	expect("file_open", "the first thread keeps its name", "@path=%s|comm=first|result=0", at("by-first"));
	touch("by-first");
}

/* Where this process's argv lies in its own memory. */
static char *argv_memory(size_t *ret_length)
{
	unsigned long start = 0, end = 0;
	char text[2048] = "", *p;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	(void)must(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "stat");
	(void)close(fd);
	/* Fields 48 and 49; the third begins after the name. */
	p = strrchr(text, ')');
	for (int field = 2; p && field < 48; field++)
		p = strchr(p + 1, ' ');
	(void)must(p && sscanf(p, "%lu %lu", &start, &end) == 2 && start && end > start, "fields of stat");
	*ret_length = end - start;
	return (char *)start;
}

/* Its command line, as ps shows it, is of its own making from here on. */
static void case_argv(void)
{
	static const char lie[] = "/usr/sbin/sshd\0-D";
	char text[64] = "", *mine;
	size_t length;
	int fd;

	(void)at("");
	mine = argv_memory(&length);
	if (!must(length > sizeof(lie), "room for the lie"))
		return;
	memset(mine, 0, length);
	memcpy(mine, lie, sizeof(lie));
	fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	(void)must(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && memcmp(text, lie, sizeof(lie)) == 0,
		   "ps would show the lie");
	(void)close(fd);
	expect("file_open", "a process that rewrote its command line", "@path=%s|exe=%s|result=0", at("lied"),
	       act_self);
	touch("lied");
	expect_none("process_exec", "and no exec is made of it", "args[0]=%s", lie);
}

/* One open by path in the JSON file: the key and the numbers of who did it. */
struct opener {
	char key[64];
	long long pid, inner;
};

static struct opener opener_of(const struct lines *lines, const char *file)
{
	struct opener ret = { .pid = -1 };
	size_t n = strlen(file);

	for (size_t i = 0; i < lines->n; i++) {
		const struct json *e = lines->line[i].json;
		const char *path = json_text(e, "path");

		if (strcmp(lines->line[i].type, "file_open") != 0 || strlen(path) < n ||
		    strcmp(path + strlen(path) - n, file) != 0)
			continue;
		(void)snprintf(ret.key, sizeof(ret.key), "%s", json_text(e, "process"));
		ret.pid = lines->line[i].pid;
		ret.inner = json_int(e, "pid_in_namespace", -1);
	}
	return ret;
}

/* What no expectation can say: that two events have the same pid, and not the same process. */
static void check(const struct act_family *family, const char *facts, const char *json, const char *tier)
{
	struct opener a, b;
	struct lines lines;

	judge_check(family->name, facts, json, tier, false);
	if (lines_read(json, &lines, family->name) < 0)
		return;
	a = opener_of(&lines, "/inside-1");
	b = opener_of(&lines, "/inside-2");
	if (*a.key || *b.key)
		tap(*a.key && *b.key && a.inner == AGAIN && b.inner == AGAIN && strcmp(a.key, b.key) != 0,
		    "who: the same pid in a namespace, two keys", a.key, b.key);
	a = opener_of(&lines, "/outside-1");
	b = opener_of(&lines, "/outside-2");
	if (*a.key || *b.key)
		tap(*a.key && *b.key && a.pid == AGAIN && b.pid == AGAIN && strcmp(a.key, b.key) != 0,
		    "who: the same pid, two keys", a.key, b.key);
	lines_free(&lines);
}

static const struct act_case cases[] = {
	{ "reuse", case_reuse },
	{ "thread-exec", case_thread_exec },
	{ "double-fork", case_double_fork },
	{ "subreaper", case_subreaper },
	{ "name", case_name },
	{ "argv", case_argv },
	{ 0 },
};

const struct act_family family_who = {
	.name = "who",
	.proves = "one key is one life of one process, whatever its pid, parent and names",
	.cases = cases,
	.check = check,
};
