/* SPDX-License-Identifier: Apache-2.0 */
/* See vitals-link.h. */
#include "cli/vitals-link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

/* A guard is ready in milliseconds; what takes longer hangs. */
#define READY_MS 20000
/* It says something every second. */
#define SILENT_NS (4 * CLOCK_SECOND_NS)
/* What it took back when its socket was closed it has taken back by then; the rest does heddle-release. */
#define EXIT_TRIES 400
#define EXIT_PAUSE_NS (5 * 1000000L)

bool vitals_limits(const struct vitals_options *o)
{
	return o->limit || o->guarded || o->tools;
}

static size_t size_of(const struct vitals_message *m)
{
	if (m->kind == VITALS_BEGIN)
		return sizeof(*m);
	return offsetof(struct vitals_message, text) + strnlen(m->text, sizeof(m->text) - 1) + 1;
}

struct vitals_places vitals_link_places(const struct workload_places *places, const char *v2, const char *v1)
{
	return (struct vitals_places){
		.cgroup = text_or_null(places->cgroup),
		.memory = text_or_null(places->memory),
		.memory_v1 = places->memory_v1,
		.cgroup_root = v2,
		.memory_root = places->memory_v1 ? v1 : v2,
		.proc = "/proc",
	};
}

int vitals_send(int fd, const struct vitals_message *message, int flags)
{
	ssize_t n;

	do
		n = send(fd, message, size_of(message), MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int vitals_receive(int fd, struct vitals_message *ret, int flags)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof(*ret), flags);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if (n <= (ssize_t)offsetof(struct vitals_message, text) ||
	    (ret->kind == VITALS_BEGIN && n != (ssize_t)sizeof(*ret)))
		return -EBADMSG;
	if (ret->kind != VITALS_BEGIN)
		((char *)ret)[n - 1] = '\0';
	ret->type[sizeof(ret->type) - 1] = ret->words[sizeof(ret->words) - 1] = '\0';
	return 1;
}

int vitals_link_start(const struct vitals_options *options, struct vitals_link *ret)
{
	int pair[2];

	*ret = VITALS_LINK_INIT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0) {
		int code = errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		return -code;
	}
	if (pid == 0) {
		(void)close(pair[0]);
		vitals_process(options, pair[1]);
	}
	(void)close(pair[1]);
	*ret = (struct vitals_link){ .fd = pair[0], .pid = pid, .heard_ns = clock_monotonic_ns() };
	return 0;
}

int vitals_link_begin(struct vitals_link *l, const struct workload_places *places, uint32_t pid, struct err *err)
{
	struct vitals_message m = { .kind = VITALS_BEGIN, .begin = { .places = *places, .pid = pid } };
	struct pollfd one = { .fd = l->fd, .events = POLLIN };
	int r = vitals_send(l->fd, &m, 0);

	if (r >= 0) {
		do
			r = poll(&one, 1, READY_MS);
		while (r < 0 && errno == EINTR);
		r = r == 1 ? vitals_receive(l->fd, &m, 0) : r == 0 ? -ETIMEDOUT : -errno;
	}
	l->heard_ns = clock_monotonic_ns();
	if (r == 1 && m.kind == VITALS_READY)
		return 0;
	if (r == 1 && m.kind == VITALS_FAILED)
		return err_set(err, m.value ? m.value : EIO, "%s", m.text);
	return err_errno(err, r < 0 ? -r : EPIPE, "the process that reads vitals does not answer");
}

int vitals_link_next(struct vitals_link *l, struct vitals_message *ret)
{
	int r = l->fd < 0 ? -EPIPE : vitals_receive(l->fd, ret, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return 0;
	l->heard_ns = clock_monotonic_ns();
	l->reminded = false;
	if (r == 1)
		return 1;
	vitals_link_close(l);
	return -EPIPE;
}

bool vitals_link_watch(struct vitals_link *l)
{
	int64_t now = clock_monotonic_ns();

	if (l->fd < 0 || now - l->heard_ns < SILENT_NS)
		return false;
	(void)kill(l->pid, l->reminded ? SIGKILL : SIGCONT);
	l->reminded = true;
	l->heard_ns = now;
	return true;
}

static void order(struct vitals_link *l, enum vitals_message_kind kind)
{
	const struct vitals_message m = { .kind = (uint32_t)kind };

	if (l->fd >= 0)
		(void)vitals_send(l->fd, &m, MSG_DONTWAIT);
}

void vitals_link_end(struct vitals_link *l)
{
	order(l, VITALS_END);
}

void vitals_link_yield(struct vitals_link *l)
{
	order(l, VITALS_YIELD);
}

void vitals_link_close(struct vitals_link *l)
{
	close_fd(&l->fd);
	l->fd = -1;
	if (l->pid <= 0)
		return;
	/* Its socket is closed: it takes back what it did and exits, unless somebody has stopped it. */
	(void)kill(l->pid, SIGCONT);
	for (int i = 0; i < 2 * EXIT_TRIES && waitpid(l->pid, NULL, WNOHANG) == 0; i++) {
		const struct timespec pause = { .tv_nsec = EXIT_PAUSE_NS };

		if (i == EXIT_TRIES)
			(void)kill(l->pid, SIGKILL);
		(void)nanosleep(&pause, NULL);
	}
	l->pid = 0;
}
