/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words: to the terminal, to the agent by a signal or a hook, and, before a child is killed, down the child's own
 * standard error, which is where its agent reads what went wrong.
 *
 * That descriptor is the workload's, who may have put anything there. It is taken as it was opened (pidfd_getfd), never
 * opened anew by its name; only a pipe, a terminal or a connected stream socket will do, since what is written to other
 * files may be judged by who writes; and it is written by a child that has first become the victim's user. Its flags
 * are not ours to change, so the child may block, and then its deadline ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/text.h"
#include "vitals/act-internal.h"

#define WORD_NS (2 * INT64_C(1000000000)) /* who dies stands still meanwhile */
#define ROOM_MS 50			  /* for a full pipe to be read */
#define WORD_MAX_BYTES 1024

static void say(const struct act *a, const char *text)
{
	if (a->o.say)
		a->o.say(a->o.context, text);
}

/* The id that stands for a process that has it and no other after it. */
static int process_open(uint32_t pid, uint64_t start_ns)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);

	if (fd < 0)
		return -errno;
	/* Only now does the pid stand still. */
	if (!process_is(pid, start_ns)) {
		(void)close(fd);
		return -ESRCH;
	}
	return fd;
}

static int signal_agent(const struct act *a)
{
	uint64_t start_ns = 0;
	uint32_t pid = a->o.agent ? a->o.agent(a->o.context, &start_ns) : 0;

	if (!a->policy.signal || !pid)
		return 0;
	_cleanup_close_ int fd = process_open(pid, start_ns);
	if (fd < 0)
		return fd;
	return syscall(SYS_pidfd_send_signal, fd, a->policy.signal, NULL, 0) < 0 ? -errno : 0;
}

int tell(struct act *a, const struct guard_action *action)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1024);
	int task, r;

	buf_addf(&text, "%s: %s", action->undo ? "memory is well again" : "memory is short", action->why);
	say(a, text.data ?: "");
	r = action->undo ? 0 : signal_agent(a);
	if (!*a->policy.hook)
		return r;
	task = job_task(a, action);
	if (task < 0)
		return task;
	r = hook_start(a, (unsigned)task, a->policy.hook, NULL, a->policy.hook_deadline_ns);
	if (r < 0)
		a->tasks[task].used = false;
	return r < 0 ? r : 1;
}

/* --- the last word ----------------------------------------------------------------------------------------------- */

static bool may_write(int fd)
{
	int flags = fcntl(fd, F_GETFL), value = 0;
	socklen_t length = sizeof(value);
	struct sockaddr_storage peer;
	struct stat s;

	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY || fstat(fd, &s) < 0)
		return false;
	if (S_ISFIFO(s.st_mode))
		return true;
	if (S_ISCHR(s.st_mode))
		return isatty(fd);
	if (!S_ISSOCK(s.st_mode))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &length) < 0 || value != AF_UNIX)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length) < 0 || value != SOCK_STREAM)
		return false;
	length = sizeof(peer);
	return getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
}

/* Its effective ids, from the second number of the lines "Uid:" and "Gid:". */
static int ids_of(uint32_t pid, uid_t *ret_uid, gid_t *ret_gid)
{
	char path[32], text[4096], *uid, *gid;
	unsigned u, g;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	int n = file_read(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return n;
	uid = strstr(text, "\nUid:");
	gid = strstr(text, "\nGid:");
	if (!uid || !gid || sscanf(uid, "\nUid: %*u %u", &u) != 1 || sscanf(gid, "\nGid: %*u %u", &g) != 1)
		return -EBADMSG;
	*ret_uid = u;
	*ret_gid = g;
	return 0;
}

static void last_word_text(const struct act *a, const struct guard_action *action, struct buf *out)
{
	char held[TEXT_SIZE_MAX], limit[TEXT_SIZE_MAX];

	buf_adds(out, "killed `");
	(void)text_escape(out, action->command, strnlen(action->command, VITALS_COMMAND_MAX));
	buf_addf(out, "` (pid %" PRIu32 "): it held %s", action->pid, text_size(action->held_bytes, held));
	if (a->o.limit != VITALS_UNKNOWN)
		buf_addf(out, " of the %s that this session may use", text_size(a->o.limit, limit));
	buf_adds(out, ", and there was no more; nothing else was ended. Do it in smaller parts or with fewer workers.");
}

/* In the child. */
static _Noreturn void utter(int fd, uid_t uid, gid_t gid, const struct buf *text)
{
	struct pollfd out = { .fd = fd, .events = POLLOUT };
	struct iovec part = { .iov_base = text->data, .iov_len = MIN(text->length, (size_t)PIPE_BUF) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	(void)setpriority(PRIO_PROCESS, 0, -20);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
		_exit(EPERM);
	/* Who changes ids loses it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&out, 1, ROOM_MS) <= 0)
		_exit(EAGAIN);
	n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == ENOTSOCK)
		n = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
	if (n < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ESPIPE))
		n = write(fd, text->data, part.iov_len);
	_exit(n < 0 ? errno : 0);
}

int last_word(struct act *a, unsigned task, const struct guard_action *action)
{
	_cleanup_buf_ struct buf words = BUF_INIT(WORD_MAX_BYTES), text = BUF_INIT(WORD_MAX_BYTES);
	_cleanup_close_ int process = process_open(action->pid, action->start_ns);
	unsigned job = 0;
	bool child = false;
	uid_t uid;
	gid_t gid;

	last_word_text(a, action, &words);
	if (words.data)
		say(a, words.data);
	buf_addf(&text, "heddle: %s\n", words.data ? words.data : "");
	if (process < 0)
		return process;
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_getfd, process, 2, 0);
	if (fd < 0 || text.failed || !may_write(fd) || ids_of(action->pid, &uid, &gid) < 0)
		return -EOPNOTSUPP;
	int r = job_fork(a, task, JOB_LAST_WORD, WORD_NS, &job, &child);
	if (r >= 0 && child)
		utter(fd, uid, gid, &text);
	return r;
}
