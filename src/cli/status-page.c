/* SPDX-License-Identifier: Apache-2.0 */
/* See status-page.h. */
#include "cli/status-page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define MARK (UINT64_C(0x4865646c65537400) + sizeof(struct status_page))
#define MARK_KIND (~UINT64_C(0xffffff))
#define READ_TRIES 4
/* Each a millisecond: a reader that takes ours for an abandoned one holds the lock for less. */
#define LOCK_TRIES 100

struct status_writer {
	int directory, fd;
	uint64_t written;
	char name[37];
};

int status_directory(char *ret, size_t size)
{
	const char *set = getenv("HEDDLE_RUN"), *user = getenv("XDG_RUNTIME_DIR");
	int n;

	if (set && *set)
		n = snprintf(ret, size, "%s", set);
	else if (geteuid() == 0)
		n = snprintf(ret, size, "/run/heddle");
	else if (user && *user)
		n = snprintf(ret, size, "%s/heddle", user);
	else
		return -ENOENT;
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* A directory that others may write to, or own, is none: whoever can make files there could lie to us. */
static int open_run(bool make)
{
	char path[PATH_MAX];
	struct stat st;
	int r = status_directory(path, sizeof(path));

	if (r < 0)
		return r;
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	return TAKE_FD(fd);
}

static int lock(int fd)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return -errno;
}

int status_open(const char *session, struct status_writer **ret)
{
	_cleanup_(status_close_p) struct status_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = -1;
	w->directory = open_run(true);
	if (w->directory < 0)
		return w->directory;
	(void)snprintf(w->name, sizeof(w->name), "%s", session);
	w->fd = openat(w->directory, w->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (w->fd < 0)
		return -errno;
	int r = lock(w->fd);
	if (r >= 0)
		*ret = TAKE_PTR(w);
	return r;
}

int status_write(struct status_writer *w, struct status_page *page)
{
	page->mark = MARK;
	page->written = page->written_too = ++w->written;
	ssize_t n = pwrite(w->fd, page, sizeof(*page), 0);

	return n < 0 ? -errno : n == (ssize_t)sizeof(*page) ? 0 : -ENOSPC;
}

void status_close(struct status_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		(void)unlinkat(w->directory, w->name, 0);
		(void)close(w->fd);
	}
	close_fd(&w->directory);
	free(w);
}

/* The text of a page is the writer's own, but a page that was cut or is of another version is passed over. */
static bool read_page(int fd, struct status_page *ret)
{
	for (int i = 0; i < READ_TRIES; i++) {
		if (pread(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret) || ret->mark != MARK)
			return false;
		if (ret->written != ret->written_too)
			continue;
		ret->session[sizeof(ret->session) - 1] = ret->command[sizeof(ret->command) - 1] = '\0';
		ret->act[sizeof(ret->act) - 1] = ret->forecast[sizeof(ret->forecast) - 1] = '\0';
		ret->places.cgroup[sizeof(ret->places.cgroup) - 1] = '\0';
		ret->places.memory[sizeof(ret->places.memory) - 1] = '\0';
		return true;
	}
	return false;
}

/* A file in the directory, which has become a page's only if a sensor wrote to it. -1: it is something else. */
static int open_page(int directory, const char *name)
{
	struct stat st;
	/* Not to wait at a FIFO. */
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -1;
	return TAKE_FD(fd);
}

/* One that nobody writes any more, whichever version wrote it. Another file that lies here is not ours to remove. */
static void sweep_page(int directory, const char *name, int fd)
{
	uint64_t mark;

	if (pread(fd, &mark, sizeof(mark), 0) == (ssize_t)sizeof(mark) && (mark & MARK_KIND) == (MARK & MARK_KIND))
		(void)unlinkat(directory, name, 0);
}

int status_each(void (*fn)(void *context, const struct status_page *page), void *context)
{
	int directory = open_run(false);

	if (directory == -ENOENT)
		return 0;
	if (directory < 0)
		return directory;
	_cleanup_closedir_ DIR *d = fdopendir(directory);
	if (!d) {
		(void)close(directory);
		return -ENOMEM;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		struct status_page page;

		_cleanup_close_ int fd = open_page(directory, entry->d_name);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_SH | LOCK_NB) == 0)
			sweep_page(directory, entry->d_name, fd);
		else if (read_page(fd, &page))
			fn(context, &page);
	}
	return 0;
}
