/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's hands: runs each family under heddle, with its DNS server and a noisy neighbour outside the workload. */
#include "judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	(void)st;
	(void)kind;
	(void)f;
	(void)remove(path);
	return 0;
}

void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Opens, forks and connects all the time; nothing of it may ever show. */
static pid_t neighbour_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(9),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "neighbour");
	for (;;) {
		int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		(void)connect(s, (struct sockaddr *)&a, sizeof(a));
		(void)close(fd);
		(void)close(s);
		(void)waitpid(child, NULL, 0);
		(void)usleep(1000);
	}
}

static bool in_workload(void)
{
	char text[4096];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "0::/heddle/") != NULL;
}

/* Waits until the workload has moved it into its cgroup, and then makes its file. */
static pid_t outsider_start(const char *mark, const int *pipes)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "outsider");
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	while (!in_workload())
		(void)usleep(5000);
	(void)close(open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	_exit(0);
}

void run_arguments(struct run *r, const char *what, const char *const *options, const char **argv)
{
	size_t n = 0;

	(void)snprintf(r->port, sizeof(r->port), "%u", r->dns_port);
	(void)snprintf(r->outsider_text, sizeof(r->outsider_text), "%d", r->outsider);
	argv[n++] = r->options->heddle;
	argv[n++] = "run";
	argv[n++] = "--json";
	argv[n++] = r->json;
	argv[n++] = "--quiet";
	argv[n++] = "--no-store";
	if (r->options->tier) {
		argv[n++] = "--tier";
		argv[n++] = r->options->tier;
	}
	if (r->dns_port != 53) {
		argv[n++] = "--dns-port";
		argv[n++] = r->port;
	}
	for (size_t i = 0; options && options[i]; i++)
		argv[n++] = options[i];
	argv[n++] = "--";
	argv[n++] = r->options->self;
	argv[n++] = "--base";
	argv[n++] = r->work;
	argv[n++] = "--dns-port";
	argv[n++] = r->port;
	argv[n++] = "--outsider";
	argv[n++] = r->outsider_text;
	argv[n++] = "--outsider-mark";
	argv[n++] = r->mark;
	argv[n++] = "--act";
	argv[n++] = what;
	argv[n] = NULL;
}

void run_exec(const struct run *r, const char **argv, int out)
{
	int err = open(r->complaints, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(err, STDERR_FILENO);
	(void)execv(argv[0], (char *const *)argv);
	(void)dprintf(STDERR_FILENO, "can't execute %s: %s\n", argv[0], strerror(errno));
	_exit(125);
}

int run_prepare(struct run *r, const char *name)
{
	(void)snprintf(r->facts, sizeof(r->facts), "%s/%s.facts", r->base, name);
	(void)snprintf(r->json, sizeof(r->json), "%s/%s.json", r->base, name);
	(void)snprintf(r->complaints, sizeof(r->complaints), "%s/%s.stderr", r->base, name);
	(void)snprintf(r->mark, sizeof(r->mark), "%s/%s.mark", r->base, name);
	(void)snprintf(r->work, sizeof(r->work), "%s/work-%s", r->base, name);
	if ((mkdir(r->work, 0755) < 0 && errno != EEXIST) || chmod(r->work, 0755) < 0)
		return -1;
	return 0;
}

static int64_t monotonic_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

bool run_collect(int in, const char *path, unsigned limit)
{
	int64_t end = monotonic_ms() + limit * 1000LL, left;
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct pollfd p = { in, POLLIN, 0 };
	bool done = false;
	char block[65536];
	ssize_t n;

	while (!done && (left = end - monotonic_ms()) > 0) {
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(in, block, sizeof(block));
		done = n <= 0;
		if (n > 0 && write(out, block, (size_t)n) != n)
			break;
	}
	(void)close(out);
	return done;
}

void run_show_complaints(const struct run *r)
{
	char line[400];
	FILE *f = fopen(r->complaints, "re");

	for (int i = 0; f && i < 20 && fgets(line, sizeof(line), f); i++) {
		line[strcspn(line, "\n")] = '\0';
		(void)printf("# heddle: %s\n", line);
	}
	if (f)
		(void)fclose(f);
}

int run_reap(pid_t pid, unsigned limit)
{
	int64_t end = monotonic_ms() + limit * 1000LL;
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (monotonic_ms() > end) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return -1;
		}
		(void)poll(NULL, 0, 5);
	}
	return status;
}

/* The workload leaves its cgroups for the sensor to look at. */
static void remove_cgroups(void)
{
	static const char *const names[] = { "out", "away", "moved", "into", "oom" };
	char line[1024], point[512], type[64], path[640];
	FILE *f = fopen("/proc/self/mounts", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %511s %63s", point, type) != 2 || strncmp(type, "cgroup", 6) != 0)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			(void)snprintf(path, sizeof(path), "%s/kernel-test-%s", point, names[i]);
			(void)rmdir(path);
		}
	}
	if (f)
		(void)fclose(f);
}

static void run_family(struct run *r, const struct act_family *family, const char *what)
{
	char name[128], files[128], why[160] = "";
	const char *argv[RUN_ARGUMENTS];
	int pipes[2], status;
	bool in_time;
	pid_t pid, neighbour;

	/* Before the pipe is made, so that it does not keep the pipe open. */
	neighbour = neighbour_start();
	(void)snprintf(files, sizeof(files), "%s", family->apart ? what : family->name);
	for (char *p = files; *p; p++)
		*p = *p == '/' ? '-' : *p;
	if (run_prepare(r, files) < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
		tap(false, family->name, strerror(errno), NULL);
		return;
	}
	r->outsider = outsider_start(r->mark, pipes);
	run_arguments(r, what, family->heddle_options, argv);
	pid = fork();
	if (pid == 0)
		run_exec(r, argv, pipes[1]);
	(void)close(pipes[1]);
	in_time = run_collect(pipes[0], r->facts, r->options->limit);
	status = run_reap(pid, in_time ? r->options->limit : 1);
	(void)close(pipes[0]);
	(void)kill(neighbour, SIGKILL);
	(void)waitpid(neighbour, NULL, 0);
	(void)kill(r->outsider, SIGKILL);
	(void)waitpid(r->outsider, NULL, 0);
	if (!in_time || status < 0)
		(void)snprintf(why, sizeof(why), "not done within %u seconds", r->options->limit);
	else if (status != 0)
		(void)snprintf(why, sizeof(why), "wait status 0x%x", (unsigned)status);
	(void)snprintf(name, sizeof(name), "%s: heddle run ends with the workload's 0",
		       family->apart ? what : family->name);
	tap(!*why, name, why, NULL);
	run_show_complaints(r);
	if (family->check)
		family->check(family, r->facts, r->json, r->options->tier);
	else
		judge_check(family->name, r->facts, r->json, r->options->tier, family->lossy);
	remove_tree(r->work);
	remove_cgroups();
}

static void run_apart(struct run *r, const struct act_family *family)
{
	for (const struct act_case *c = family->cases; c->name; c++) {
		char what[64];

		(void)snprintf(what, sizeof(what), "%s/%s", family->name, c->name);
		run_family(r, family, what);
	}
}

/* Does it start at all? If not, one line says why, rather than every family. */
static bool starts(struct run *r)
{
	const char *argv[RUN_ARGUMENTS];
	char why[64] = "";
	int status;
	pid_t pid;

	if (run_prepare(r, "start") < 0)
		return false;
	run_arguments(r, "", NULL, argv);
	for (size_t i = 0; argv[i]; i++)
		if (strcmp(argv[i], r->options->self) == 0)
			memcpy(&argv[i + 1], (const char *[]){ "--helper", "exit", "0", NULL }, 4 * sizeof(argv[0]));
	pid = fork();
	if (pid == 0)
		run_exec(r, argv, STDOUT_FILENO);
	status = run_reap(pid, r->options->limit);
	if (status != 0)
		(void)snprintf(why, sizeof(why), "wait status 0x%x", (unsigned)status);
	tap(!*why, "start: heddle runs a command", why, NULL);
	run_show_complaints(r);
	remove_tree(r->work);
	return !*why;
}

static void run_all(struct run *r)
{
	const char *only = r->options->only;
	size_t n = only ? strcspn(only, "/") : 0;

	for (size_t i = 0; act_families[i]; i++) {
		const struct act_family *f = act_families[i];

		bool named = only && strlen(f->name) == n && strncmp(f->name, only, n) == 0;

		if (only ? !named : f->stress != (r->options->stress != NULL))
			continue;
		(void)printf("# %s: %s\n", f->name, f->proves);
		if (f->prelude)
			judge_attach(r);
		else if (f->apart && !(only && strchr(only, '/')))
			run_apart(r, f);
		else
			run_family(r, f, only ? only : f->name);
	}
	if (only ? strcmp(only, "together") == 0 : !r->options->stress)
		judge_two_runs(r);
}

static void free_text(char **text)
{
	free(*text);
}

int judge_run(const struct judge_options *options)
{
	struct run r = { .options = options, .dns_port = options->dns_port };
	const char *tmp = getenv("TMPDIR");
	char scratch[256];
	_cleanup_(free_text) char *real = NULL;
	pid_t dns;

	(void)snprintf(scratch, sizeof(scratch), "%s/kernel-test.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!options->keep && !mkdtemp(scratch))
		return (void)fprintf(stderr, "kernel-test: no scratch directory: %s\n", strerror(errno)), 1;
	real = realpath(options->keep ? options->keep : scratch, NULL);
	if (!real || strlen(real) >= sizeof(r.base))
		return (void)fprintf(stderr, "kernel-test: the scratch directory's path does not do\n"), 1;
	memcpy(r.base, real, strlen(real) + 1);
	/* Cases that drop to nobody must reach their directories. */
	(void)chmod(r.base, 0755);
	loopback_up();
	dns = dns_server_start(&r.dns_port);
	if (dns < 0)
		tap(false, "dns server of the tests", strerror(-dns), NULL);
	if (starts(&r))
		run_all(&r);
	if (dns > 0) {
		(void)kill(dns, SIGKILL);
		(void)waitpid(dns, NULL, 0);
	}
	if (!options->keep)
		remove_tree(r.base);
	return tap_end();
}
