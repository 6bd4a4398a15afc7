/* SPDX-License-Identifier: Apache-2.0 */
/* A bulk lane of one page overflows: the loss is counted, and no critical event is lost. */
#include "kernel-test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int ends(void *context)
{
	return 41;
}

static void case_flood(void)
{
	pid_t pid[40];

	make_file("f", "x");
	for (int i = 0; i < 40; i++) {
		for (int k = 0; k < 500; k++)
			(void)close(open("f", O_RDONLY | O_CLOEXEC));
		pid[i] = in_child(ends, NULL);
	}
	for (int i = 0; i < 40; i++) {
		expect("process_fork", "a fork in the flood", "@child_pid=%d|%%late", pid[i]);
		expect("process_exit", "an exit in the flood", "@pid=%d|tid=*|ppid=%d|exit_code=41|%%late", pid[i],
		       getpid());
	}
}

/* Each file is written and read once, on one descriptor after another: what was lost of one is not the next one's. */
static void case_files(void)
{
	make_file("f", "x");
	for (int i = 0; i < 1000; i++) {
		char name[16], byte = 'x';
		int fd;

		(void)snprintf(name, sizeof(name), "file-%d", i);
		fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		(void)must(pwrite(fd, &byte, 1, 0) == 1 && pread(fd, &byte, 1, 0) == 1, "a byte");
		/* The lane is full when the descriptor closes. */
		for (int k = 0; k < 20; k++)
			(void)close(open("f", O_RDONLY | O_CLOEXEC));
		(void)close(fd);
	}
	expect_none("file_read", "no file has another's reads", "operations>=2");
	expect_none("file_write", "nor another's writes", "operations>=2");
}

static const struct act_case cases[] = { { "flood", case_flood }, { "files", case_files }, { 0 } };
static const char *const options[] = { "--bulk-bytes", "4096", NULL };

const struct act_family family_flood = {
	.name = "flood",
	.proves = "no silent loss: ledger, gap, and the critical lane under a flood",
	.cases = cases,
	.heddle_options = options,
	.lossy = true,
};
