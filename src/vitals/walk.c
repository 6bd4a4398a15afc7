/* SPDX-License-Identifier: Apache-2.0 */
/* See walk.h. */
#include "vitals/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"

#define DEPTH_MAX 32
#define NAME_MAX_ 1024

struct walk {
	const char *file;
	int (*fn)(uint32_t id, uint64_t group, const char *name, void *context);
	void *context;
	uint64_t group;
	unsigned count;
	char name[NAME_MAX_];
};

/* Feeds whole numbers to fn; what is left of one at the end of a chunk is kept for the next. */
static int numbers(struct walk *w, int fd)
{
	char text[4096];
	uint64_t value = 0;
	bool digits = false;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) != 0) {
		if (n < 0)
			return errno == ENODEV ? -ENOENT : errno == EOPNOTSUPP ? 0 : -errno;
		for (ssize_t i = 0; i < n; i++) {
			char c = text[i];

			if (c >= '0' && c <= '9') {
				value = MIN(value * 10 + (uint64_t)(c - '0'), (uint64_t)UINT32_MAX + 1);
				digits = true;
				continue;
			}
			/* 0: a process that our pid namespace can't name. */
			if (digits && value > 0 && value <= UINT32_MAX) {
				if (w->count++ >= WALK_MAX)
					return 0;
				int r = w->fn((uint32_t)value, w->group, w->name, w->context);
				if (r < 0)
					return r;
			}
			value = 0;
			digits = false;
		}
	}
	return 0;
}

static int walk(struct walk *w, int directory, unsigned depth);

static int children(struct walk *w, int directory, unsigned depth)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t length = strlen(w->name);
	uint64_t group = w->group;
	int r = 0;

	if (copy < 0)
		return 0;
	_cleanup_closedir_ DIR *d = fdopendir(copy);
	if (!d) {
		(void)close(copy);
		return -ENOMEM;
	}
	for (struct dirent *entry; r >= 0 && w->count < WALK_MAX && (entry = readdir(d));) {
		size_t more = strlen(entry->d_name);

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    length + more + 2 > sizeof(w->name))
			continue;
		_cleanup_close_ int fd =
			openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		(void)snprintf(w->name + length, sizeof(w->name) - length, "%s%s", length ? "/" : "", entry->d_name);
		w->group = entry->d_ino;
		r = walk(w, fd, depth + 1);
		w->name[length] = '\0';
		/* Removed meanwhile. */
		if (r == -ENOENT)
			r = 0;
	}
	w->group = group;
	return MIN(r, 0);
}

static int walk(struct walk *w, int directory, unsigned depth)
{
	_cleanup_close_ int fd = openat(directory, w->file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	int r = numbers(w, fd);
	if (r < 0 || depth >= DEPTH_MAX)
		return r;
	/* Most have none below them, and the number of links says so: two and one a child. One: it does not say. */
	if (fstat(directory, &st) == 0 && st.st_nlink == 2)
		return 0;
	return children(w, directory, depth);
}

int walk_cgroup(int directory, const char *file,
		int (*fn)(uint32_t id, uint64_t group, const char *name, void *context), void *context)
{
	struct walk w = { .file = file, .fn = fn, .context = context };

	return walk(&w, directory, 0);
}
