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

#include "base/cgroup.h"
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

static int on_id(void *context, uint32_t id)
{
	struct walk *w = context;

	return w->count++ >= WALK_MAX ? 1 : MIN(w->fn(id, w->group, w->name, w->context), 0);
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
	int r = cgroup_each_id(directory, w->file, on_id, w);
	struct stat st;

	if (r < 0 || depth >= DEPTH_MAX)
		return MIN(r, 0);
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
