/* SPDX-License-Identifier: Apache-2.0 */
/* What a hardened process can and can't do; it is for good, so each test has a child. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/harden.h"

/* fn gives 0 or the number of what went wrong. */
static void hardened(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(harden(NULL) < 0 ? 100 : fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int refuses(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	if (execv("/bin/true", argv) != -1 || errno != EPERM)
		return 1;
	if (socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM)
		return 2;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
	    errno != EPERM)
		return 3;
	if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 4;
	if (syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) != -1 || errno != EPERM)
		return 5;
	if (syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0) != -1 || errno != EPERM)
		return 6;
	return 0;
}

static void *nothing(void *context)
{
	return context;
}

static int allows(void)
{
	pthread_t thread;
	int pair[2], status;

	if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 || send(pair[0], "x", 1, 0) != 1)
		return 2;
	pid_t pid = _Fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 3;
	return open("/proc/self/stat", O_RDONLY | O_CLOEXEC) < 0 ? 4 : 0;
}

static void what_it_refuses(void **state)
{
	hardened(refuses);
}

static void what_it_allows(void **state)
{
	hardened(allows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_refuses),
		cmocka_unit_test(what_it_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
