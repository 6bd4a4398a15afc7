/* SPDX-License-Identifier: Apache-2.0 */
/* The session's cgroup: made, counted, killed, removed. Everything goes through directory descriptors. */
#include "workload/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cgroup.h"

#define PARENT "heddle"
#define LEAF "agent"
#define DEPTH_MAX 64
#define CREATE_TRIES 8

int workload_cgroup2_mount(char *ret, size_t size)
{
	struct cgroup_mount mount;
	int r = cgroup_find_mount("/proc", NULL, &mount);

	if (r < 0)
		return r;
	return snprintf(ret, size, "%s", mount.at) < (int)size ? 0 : -ENAMETOOLONG;
}

static int write_at(int directory, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int cgroup_enter(int fd, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return write_at(fd, "cgroup.procs", text);
}

static int open_directory(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* A sweep may remove a new directory between mkdir and the lock; then the name leads elsewhere or nowhere. */
static bool still_there(const char *path, int fd)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino;
}

int cgroup_open(const char *path, bool lock, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = open_directory(AT_FDCWD, path);

	if (fd < 0)
		return err_errno(err, -fd, "can't open the cgroup %s", path);
	if (lock && flock(fd, LOCK_SH) < 0)
		return err_errno(err, errno, "can't lock the cgroup %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void offer(int fd);

int cgroup_create(const char *session, char *ret_path, size_t size, int *ret_fd, struct err *err)
{
	char mount[PATH_MAX], path[PATH_MAX + 64];
	int r = workload_cgroup2_mount(mount, sizeof(mount));

	if (r < 0)
		return err_errno(err, -r, "no cgroup v2 hierarchy");
	int n = snprintf(path, sizeof(path), "%s/" PARENT "/%s", mount, session);
	if (n < 0 || (size_t)n >= MIN(size, sizeof(path)))
		return err_set(err, ENAMETOOLONG, "the path of the session's cgroup is too long");

	for (int i = 0; i < CREATE_TRIES; i++) {
		_cleanup_close_ int fd = -1;
		char *slash = strrchr(path, '/');

		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_errno(err, errno, "can't create the cgroup %s", path);
		/* What the hierarchy does not offer there is not to be had here. */
		fd = open_directory(AT_FDCWD, path);
		if (fd >= 0)
			offer(fd);
		close_fd(&fd);
		fd = -1;
		*slash = '/';
		if (mkdir(path, 0755) < 0) {
			if (errno == ENOENT)
				continue;
			return err_errno(err, errno, "can't create the cgroup %s", path);
		}
		if (cgroup_open(path, true, &fd, NULL) == 0 && still_there(path, fd)) {
			memcpy(ret_path, path, (size_t)n + 1);
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
	return err_set(err, EBUSY, "can't create the cgroup %s: something removes it", path);
}

/* Calls fn for each child cgroup of directory. */
static int each_child(int directory, int (*fn)(int parent, const char *name, unsigned depth, void *context),
		      unsigned depth, void *context)
{
	int copy = open_directory(directory, ".");

	if (copy < 0)
		return copy;
	_cleanup_closedir_ DIR *d = fdopendir(copy);
	if (!d) {
		(void)close(copy);
		return -ENOMEM;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		int r = fn(directory, entry->d_name, depth, context);
		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_child(int parent, const char *name, unsigned depth, void *context)
{
	_cleanup_close_ int fd = depth < DEPTH_MAX ? open_directory(parent, name) : -1;

	if (fd >= 0)
		(void)each_child(fd, remove_child, depth + 1, NULL);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
	return 0;
}

static int signal_one(void *context, uint32_t pid)
{
	const int *signal = context;

	if (*signal)
		(void)kill((pid_t)pid, *signal);
	return 0;
}

/* Counts the processes and, with a signal, sends it to each. */
static int processes(int directory, int signal)
{
	return cgroup_each_id(directory, "cgroup.procs", signal_one, &signal);
}

struct tally {
	int signal;
	int found;
};

static int tally_child(int parent, const char *name, unsigned depth, void *context)
{
	struct tally *tally = context;
	_cleanup_close_ int fd = depth < DEPTH_MAX ? open_directory(parent, name) : -1;
	/* Gone meanwhile, or a threaded one, whose processes its parent has counted. */
	int n = fd < 0 ? 0 : processes(fd, tally->signal);

	tally->found += MAX(n, 0);
	if (fd >= 0)
		(void)each_child(fd, tally_child, depth + 1, tally);
	return 0;
}

static int tally_all(int fd, int signal)
{
	struct tally tally = { .signal = signal };
	int n = processes(fd, signal);

	if (n < 0)
		return n;
	tally.found = n;
	(void)each_child(fd, tally_child, 0, &tally);
	return tally.found;
}

int cgroup_count(int fd)
{
	return tally_all(fd, 0);
}

int cgroup_remove(const char *path, int fd)
{
	/* What still runs may have uses for its empty cgroups. */
	if (cgroup_count(fd) > 0)
		return -EBUSY;
	(void)each_child(fd, remove_child, 0, NULL);
	if (rmdir(path) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int sweep_child(int parent, const char *name, unsigned depth, void *context)
{
	const char *prefix = context;
	_cleanup_close_ int fd = strncmp(name, prefix, strlen(prefix)) ? -1 : open_directory(parent, name);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || cgroup_count(fd) > 0)
		return 0;
	(void)each_child(fd, remove_child, 0, NULL);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
	return 0;
}

void cgroup_sweep_in(const char *directory, const char *prefix)
{
	_cleanup_close_ int fd = open_directory(AT_FDCWD, directory);

	if (fd >= 0)
		(void)each_child(fd, sweep_child, 0, (void *)prefix);
}

void cgroup_sweep(void)
{
	char mount[PATH_MAX], path[PATH_MAX + 16];

	if (workload_cgroup2_mount(mount, sizeof(mount)) < 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/" PARENT, mount);
	cgroup_sweep_in(path, "");
}

static const char *const controllers[] = { "+memory", "+cpu", "+io", "+pids" };

/* Each by itself: one that is not to be had must not take the others along. */
static void offer(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		(void)write_at(fd, "cgroup.subtree_control", controllers[i]);
}

void cgroup_offer_controllers(void)
{
	char mount[PATH_MAX];

	if (workload_cgroup2_mount(mount, sizeof(mount)) < 0)
		return;
	_cleanup_close_ int fd = open_directory(AT_FDCWD, mount);
	if (fd >= 0)
		offer(fd);
}

int cgroup_make_leaf(int fd, int *ret_fd)
{
	int leaf;

	if (mkdirat(fd, LEAF, 0755) < 0 && errno != EEXIST)
		return -errno;
	offer(fd);
	leaf = open_directory(fd, LEAF);
	if (leaf < 0)
		return leaf;
	*ret_fd = leaf;
	return 0;
}

bool cgroup_has(int fd, const char *file)
{
	return faccessat(fd, file, F_OK, 0) == 0;
}

int cgroup_kill(int fd)
{
	int found = cgroup_count(fd);

	if (found <= 0)
		return found;
	if (write_at(fd, "cgroup.kill", "1") < 0) {
		/* Kernels before 5.14. The second pass takes what the first one's victims forked meanwhile. */
		(void)tally_all(fd, SIGKILL);
		(void)tally_all(fd, SIGKILL);
	}
	return found;
}

int cgroup_freeze(int fd, bool on)
{
	return write_at(fd, "cgroup.freeze", on ? "1" : "0");
}

uint64_t cgroup_memory_peak(int fd)
{
	_cleanup_close_ int file = openat(fd, "memory.peak", O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}
