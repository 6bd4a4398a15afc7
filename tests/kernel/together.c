/* SPDX-License-Identifier: Apache-2.0 */
/* The judge, where one run does not show it: two runs at once, and attaching to what runs already. */
#include "judge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct one {
	struct run run;
	const char *name, *family;
	const char *argv[RUN_ARGUMENTS];
	int pipes[2];
	pid_t heddle;
};

static bool start(struct one *o, const struct run *r)
{
	o->run = *r;
	o->run.outsider = 0;
	if (run_prepare(&o->run, o->name) < 0 || pipe2(o->pipes, O_CLOEXEC) < 0) {
		tap(false, o->name, strerror(errno), NULL);
		return false;
	}
	run_arguments(&o->run, o->family, NULL, o->argv);
	o->heddle = fork();
	if (o->heddle == 0)
		run_exec(&o->run, o->argv, o->pipes[1]);
	(void)close(o->pipes[1]);
	return true;
}

static void finish(struct one *o)
{
	char name[128], why[64] = "";
	bool in_time = run_collect(o->pipes[0], o->run.facts, o->run.options->limit);
	int status = run_reap(o->heddle, in_time ? o->run.options->limit : 1);

	(void)close(o->pipes[0]);
	if (status != 0)
		(void)snprintf(why, sizeof(why), "wait status 0x%x", (unsigned)status);
	(void)snprintf(name, sizeof(name), "%s: heddle run ends with the workload's 0", o->name);
	tap(!*why, name, why, NULL);
	run_show_complaints(&o->run);
	judge_check(o->name, o->run.facts, o->run.json, o->run.options->tier, false);
	remove_tree(o->run.work);
}

void judge_two_runs(struct run *r)
{
	struct one a = { .name = "together-1", .family = "fork" }, b = { .name = "together-2", .family = "rw" };

	(void)printf("# together: two runs at once, each sees its own\n");
	if (start(&a, r) && start(&b, r)) {
		finish(&a);
		finish(&b);
	}
}

/* Starts the workload and lets it come to its gate; the facts so far are in the pipe. */
static pid_t start_target(struct run *r, int *facts, int *gate)
{
	int out[2], in[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)execl(r->options->self, r->options->self, "--base", r->work, "--act", "attach", NULL);
		_exit(125);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	*facts = out[0];
	*gate = in[1];
	return pid;
}

/* The workload has said that it waits: "G" at a line's start. What came goes to the facts file by the caller. */
static bool at_gate(int facts, char *text, size_t size, unsigned limit)
{
	size_t n = 0;

	for (unsigned i = 0; i < limit * 10 && n + 1 < size; i++) {
		struct pollfd p = { facts, POLLIN, 0 };
		ssize_t got = poll(&p, 1, 100) == 1 ? read(facts, text + n, size - n - 1) : 0;

		n += got > 0 ? (size_t)got : 0;
		text[n] = '\0';
		if (strstr(text, "\nG\n"))
			return true;
	}
	return false;
}

/* heddle says on stderr that it follows the target: from then on all counts. */
static bool follows(const struct run *r, unsigned limit)
{
	char text[512];

	for (unsigned i = 0; i < limit * 100; i++) {
		int fd = open(r->complaints, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

		if (fd >= 0)
			(void)close(fd);
		text[n > 0 ? n : 0] = '\0';
		if (strstr(text, "following"))
			return true;
		(void)poll(NULL, 0, 10);
	}
	return false;
}

static pid_t start_attach(struct run *r, pid_t target)
{
	const char *argv[12];
	char number[16];
	size_t n = 0;
	pid_t pid;

	(void)snprintf(number, sizeof(number), "%d", target);
	argv[n++] = r->options->heddle;
	argv[n++] = "attach";
	argv[n++] = "--pid";
	argv[n++] = number;
	argv[n++] = "--json";
	argv[n++] = r->json;
	argv[n++] = "--no-store";
	if (r->options->tier) {
		argv[n++] = "--tier";
		argv[n++] = r->options->tier;
	}
	argv[n] = NULL;
	pid = fork();
	if (pid == 0)
		run_exec(r, argv, STDERR_FILENO);
	return pid;
}

static void append(const char *path, const char *text)
{
	char more[65536];
	ssize_t n;
	int in = open(path, O_RDONLY | O_CLOEXEC), out;

	n = in >= 0 ? read(in, more, sizeof(more)) : 0;
	(void)close(in);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (write(out, text, strlen(text)) < 0 || write(out, more, (size_t)(n > 0 ? n : 0)) < 0)
		tap(false, "attach: facts", strerror(errno), NULL);
	(void)close(out);
}

void judge_attach(struct run *r)
{
	unsigned limit = r->options->limit;
	int facts, gate, status;
	char before[4096] = "";
	pid_t target, heddle;
	bool ready, following, in_time;

	if (run_prepare(r, "attach") < 0 || (target = start_target(r, &facts, &gate)) < 0) {
		tap(false, "attach: start the target", strerror(errno), NULL);
		return;
	}
	ready = at_gate(facts, before, sizeof(before), limit);
	heddle = start_attach(r, target);
	following = follows(r, limit);
	tap(ready && following, "attach: heddle follows what runs",
	    following ? "the target is not ready" : "it does not say so", NULL);
	if (write(gate, "x", 1) != 1)
		tap(false, "attach: open the gate", strerror(errno), NULL);
	in_time = run_collect(facts, r->facts, limit);
	append(r->facts, before);
	(void)run_reap(target, in_time ? limit : 1);
	status = run_reap(heddle, in_time ? limit : 1);
	tap(status == 0, "attach: heddle ends with its target", "wait status is not 0", NULL);
	(void)close(facts);
	(void)close(gate);
	if (status != 0)
		run_show_complaints(r);
	judge_check("attach", r->facts, r->json, r->options->tier, false);
	remove_tree(r->work);
}
