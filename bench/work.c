/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed workload of the benchmarks. work MODE N [MODE N]... times N operations of each and prints a line
 * "MODE N nanoseconds" of the loop alone; work --paced MODE N SECONDS spreads N a second over SECONDS and two
 * processes, and prints what it attained.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define NS_PER_S UINT64_C(1000000000)

extern char **environ;

struct state {
	char directory[4000];
	char file[4096];    /* read by open */
	char scratch[4096]; /* made and removed by file */
	char nop[4096];	    /* run by exec */
	struct sockaddr_in listener;
};

struct mode {
	const char *name;
	void (*once)(const struct state *s);
};

static void die(const char *what)
{
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void once_open(const struct state *s)
{
	char byte;
	int fd = open(s->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &byte, 1) != 1)
		die(s->file);
	close(fd);
}

static void once_exec(const struct state *s)
{
	char *argv[] = { (char *)s->nop, NULL };
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		execve(s->nop, argv, environ);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die(s->nop);
}

static void once_spawn(const struct state *s)
{
	char *argv[] = { (char *)s->nop, NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, s->nop, NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status)
		die(s->nop);
}

static void once_connect(const struct state *s)
{
	const struct linger abort_at_close = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&s->listener, sizeof(s->listener)) < 0)
		die("connect");
	/* Else 2,000 sockets a round rest in TIME_WAIT and the ports run out. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_at_close, sizeof(abort_at_close));
	close(fd);
}

static void once_file(const struct state *s)
{
	int fd = open(s->scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1)
		die(s->scratch);
	close(fd);
	if (unlink(s->scratch) < 0)
		die(s->scratch);
}

static void once_none(const struct state *s)
{
	(void)s;
	syscall(SYS_getppid);
}

static const struct mode modes[] = {
	{ "open", once_open },	     { "exec", once_exec }, { "spawn", once_spawn },
	{ "connect", once_connect }, { "file", once_file }, { "none", once_none },
};

/* A child that accepts and closes until we are gone. Only mode connect has one. */
static pid_t start_listener(struct state *s)
{
	socklen_t size = sizeof(s->listener);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	s->listener = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)&s->listener, size) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&s->listener, &size) < 0)
		die("listen");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0) {
		close(fd);
		return pid;
	}
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (peer >= 0)
			close(peer);
		else if (errno != ECONNABORTED && errno != EINTR)
			_exit(1);
	}
}

static void prepare(struct state *s)
{
	const char *directory = getenv("WORK_DIR");
	int fd;

	if (!directory || strlen(directory) >= sizeof(s->directory)) {
		fprintf(stderr, "work: set WORK_DIR to the directory with the program nop\n");
		exit(1);
	}
	snprintf(s->directory, sizeof(s->directory), "%s", directory);
	snprintf(s->file, sizeof(s->file), "%s/marker-open", s->directory);
	snprintf(s->scratch, sizeof(s->scratch), "%s/marker-file-%d", s->directory, (int)getpid());
	snprintf(s->nop, sizeof(s->nop), "%s/nop", s->directory);
	fd = open(s->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "heddle", 6) != 6)
		die(s->file);
	close(fd);
}

/* Does rate operations a second for seconds, a millisecond's share at a time; returns how many were done. */
static uint64_t paced(const struct mode *mode, const struct state *s, uint64_t rate, uint64_t seconds)
{
	const uint64_t start = now_ns(), end = start + seconds * NS_PER_S;
	uint64_t done = 0;

	for (uint64_t now = start; now < end; now = now_ns()) {
		uint64_t due = (now - start) * rate / NS_PER_S;

		if (done >= due) {
			struct timespec pause = { .tv_nsec = 1000000 };

			nanosleep(&pause, NULL);
			continue;
		}
		for (int i = 0; done < due && i < 1000; i++, done++)
			mode->once(s);
	}
	return done;
}

static void run_paced(const struct mode *mode, struct state *s, uint64_t rate, uint64_t seconds)
{
	int ends[2];
	uint64_t total = 0, part;

	if (pipe(ends) < 0)
		die("pipe");
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			snprintf(s->scratch, sizeof(s->scratch), "%s/marker-file-%d", s->directory, i);
			part = paced(mode, s, rate / WORKERS, seconds);
			_exit(write(ends[1], &part, sizeof(part)) == sizeof(part) ? 0 : 1);
		}
	}
	close(ends[1]);
	while (read(ends[0], &part, sizeof(part)) == sizeof(part))
		total += part;
	for (int i = 0; i < WORKERS; i++) {
		int status;

		if (wait(&status) < 0 || status != 0)
			die("a worker");
	}
	printf("%s %" PRIu64 " %" PRIu64 "\n", mode->name, total, seconds * NS_PER_S);
}

static void run_plain(const struct mode *mode, struct state *s, uint64_t n)
{
	pid_t listener = mode->once == once_connect ? start_listener(s) : 0;
	uint64_t start = now_ns(), end;

	for (uint64_t i = 0; i < n; i++)
		mode->once(s);
	end = now_ns();
	printf("%s %" PRIu64 " %" PRIu64 "\n", mode->name, n, end - start);
	if (listener > 0) {
		kill(listener, SIGKILL);
		waitpid(listener, NULL, 0);
	}
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(name, modes[i].name) == 0)
			return &modes[i];
	fprintf(stderr, "work: no mode %s\n", name);
	exit(1);
}

int main(int argc, char **argv)
{
	static struct state state;
	const bool is_paced = argc == 5 && strcmp(argv[1], "--paced") == 0;

	if (argc < 3 || (!is_paced && argc % 2 == 0)) {
		fprintf(stderr, "usage: work MODE N [MODE N]... | work --paced MODE N SECONDS\n"
				"modes: open exec spawn connect file none\n");
		return 1;
	}
	prepare(&state);
	if (is_paced) {
		run_paced(find_mode(argv[2]), &state, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
		return 0;
	}
	for (int i = 1; i < argc; i += 2)
		run_plain(find_mode(argv[i]), &state, strtoull(argv[i + 1], NULL, 10));
	return 0;
}
