/* SPDX-License-Identifier: Apache-2.0 */
/* What runs when heddle attaches: its open files, its children and its names must be known. */
#include "kernel-test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int early_file = -1, orders[2], thread_orders[2];
static pid_t early_child;

static int obeys(int in)
{
	char c;
	int fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(in, &c, 1) != 1)
		return 1;
	fd = open("from-child", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	(void)close(fd);
	return 31;
}

static void *thread_obeys(void *context)
{
	char c;

	if (read(thread_orders[0], &c, 1) == 1)
		(void)close(open("from-thread", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	return NULL;
}

static pthread_t early_thread;

static void prelude(void)
{
	(void)must(chdir(act_base) == 0, "chdir");
	early_file = open("early", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	(void)must(early_file >= 0 && pipe2(orders, O_CLOEXEC) == 0 && pipe2(thread_orders, O_CLOEXEC) == 0, "pipes");
	early_child = fork();
	if (early_child == 0)
		_exit(obeys(orders[0]));
	(void)must(pthread_create(&early_thread, NULL, thread_obeys, NULL) == 0, "pthread_create");
}

static void case_files(void)
{
	(void)must(write(early_file, "12345", 5) == 5, "write");
	(void)close(early_file);
	expect("file_write", "a file that was open before", "@path=%s/early|bytes=5|operations=1|verified=true",
	       act_base);
}

static void case_children(void)
{
	joined(early_child);
	(void)must(write(orders[1], "x", 1) == 1, "the child's order");
	/* It is a sibling here: its end shows in its pid. */
	for (int i = 0; i < 2000 && kill(early_child, 0) == 0; i++) {
		siginfo_t info = { 0 };

		(void)poll(NULL, 0, 5);
		if (access("../from-child", F_OK) == 0 &&
		    waitid(P_PID, (id_t)early_child, &info, WEXITED | WNOHANG) < 0)
			break;
	}
	expect("file_open", "a child that ran before",
	       "@pid=%d|tid=%d|ppid=%d|@path=%s/from-child|result=0|verified=true", early_child, early_child, getppid(),
	       act_base);
	expect("process_exit", "its end", "@pid=%d|tid=%d|ppid=%d|exit_code=31|duration_ns>=1", early_child,
	       early_child, getppid());
}

static void case_threads(void)
{
	/* The thread works where its process does: in this case's directory. */
	char *path = at("from-thread");

	(void)must(write(thread_orders[1], "x", 1) == 1, "the thread's order");
	for (int i = 0; i < 2000 && access(path, F_OK) < 0; i++)
		(void)poll(NULL, 0, 5);
	expect("file_open", "a thread that ran before", "@pid=%d|tid!=%d|ppid=*|@path=%s|result=0|verified=true",
	       getppid(), getppid(), path);
}

static int ends(void *context)
{
	return 7;
}

static void case_new(void)
{
	pid_t pid = in_child(ends, NULL);

	expect("process_fork", "a child born after", "@child_pid=%d|thread!=true", pid);
	expect("process_exit", "its end", "@pid=%d|tid=*|ppid=%d|exit_code=7", pid, getpid());
}

static const struct act_case cases[] = {
	{ "files", case_files }, { "children", case_children }, { "threads", case_threads }, { "new", case_new }, { 0 },
};

const struct act_family family_attach = { "attach", "heddle attach seeds from what runs already", cases, NULL,
					  prelude };
