/* SPDX-License-Identifier: Apache-2.0 */
/* empty OBJECT COMMAND...: loads and attaches every program of OBJECT, runs COMMAND, and exits with its status. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: empty OBJECT COMMAND...\n");
		return 125;
	}
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object) < 0) {
		fprintf(stderr, "empty: can't load %s\n", argv[1]);
		return 125;
	}
	bpf_object__for_each_program(program, object) {
		if (!bpf_program__attach(program)) {
			fprintf(stderr, "empty: can't attach %s\n", bpf_program__name(program));
			return 125;
		}
	}
	pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
