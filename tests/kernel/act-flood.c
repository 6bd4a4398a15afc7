/* SPDX-License-Identifier: Apache-2.0 */
/* A bulk lane of one page overflows: the loss is counted, and no critical event is lost. */
#include "kernel-test.h"

#include <fcntl.h>
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

static const struct act_case cases[] = { { "flood", case_flood }, { 0 } };
static const char *const options[] = { "--bulk-bytes", "4096", NULL };

const struct act_family family_flood = {
	.name = "flood",
	.proves = "no silent loss: ledger, gap, and the critical lane under a flood",
	.cases = cases,
	.heddle_options = options,
	.lossy = true,
};
