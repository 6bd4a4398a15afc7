/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup id to path. See cgroup-path.h. */
#include "track/cgroup-path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILEID_KERNFS 0xfe

struct cgroup_path {
	uint64_t id;
	struct list age;
	bool known;
	size_t length;
	char path[];
};

/* The path behind a descriptor. Returns its length, or a negative errno. */
static ssize_t path_of_fd(int fd, char *room, size_t size)
{
	static const char gone[] = " (deleted)";
	char link[64];
	struct stat st;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, room, size - 1);
	if (n < 0)
		return -errno;
	room[n] = '\0';
	/* The directory went while it was being opened; a name that really ends so still exists. */
	if ((size_t)n > sizeof(gone) && strcmp(room + n - (sizeof(gone) - 1), gone) == 0 && lstat(room, &st) < 0) {
		n -= (ssize_t)sizeof(gone) - 1;
		room[n] = '\0';
	}
	return n;
}

int cgroup_paths_init(struct cgroup_paths *c, const char *root, size_t cap)
{
	char path[PATH_MAX];
	int r;

	*c = (struct cgroup_paths){ .mount_fd = -1, .map = MAP_INIT(cap) };
	list_init(&c->age);
	if (!root)
		return 0;
	c->mount_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->mount_fd < 0)
		return -errno;
	r = (int)path_of_fd(c->mount_fd, path, sizeof(path));
	if (r < 0)
		return r;
	c->root = strdup(strcmp(path, "/") == 0 ? "" : path);
	return c->root ? 0 : -ENOMEM;
}

void cgroup_paths_done(struct cgroup_paths *c)
{
	LIST_FOREACH (it, &c->age)
		free(LIST_ENTRY(it, struct cgroup_path, age));
	map_done(&c->map);
	c->latest = NULL;
	free(c->root);
	close_fd(&c->mount_fd);
	c->mount_fd = -1;
	c->root = NULL;
}

ssize_t cgroup_paths_ask(const struct cgroup_paths *c, uint64_t id, char *room, size_t size)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	size_t root = strlen(c->root);
	_cleanup_close_ int fd = -1;
	ssize_t n;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(c->mount_fd, &u.handle, O_RDONLY | O_CLOEXEC | O_PATH);
	if (fd < 0)
		return -errno;
	n = path_of_fd(fd, room, size);
	if (n < 0)
		return n;
	if ((size_t)n < root || memcmp(room, c->root, root) != 0 || (room[root] != '/' && room[root] != '\0'))
		return -EXDEV;
	memmove(room, room + root, (size_t)n - root + 1);
	n -= (ssize_t)root;
	if (n == 0) {
		room[0] = '/';
		n = 1;
	}
	return n;
}

struct bytes cgroup_paths_get(struct cgroup_paths *c, uint64_t id)
{
	struct cgroup_path *p, *oldest;
	char path[PATH_MAX];
	ssize_t n;

	if ((!c->root && !c->ask) || id == 0)
		return BYTES_NONE;
	p = c->latest && c->latest->id == id ? c->latest : map_get(&c->map, id);
	if (p) {
		list_remove(&p->age);
		list_append(&c->age, &p->age);
		c->latest = p;
		return p->known ? (struct bytes){ p->path, p->length } : BYTES_NONE;
	}
	n = c->ask ? c->ask(c->context, id, path, sizeof(path)) : cgroup_paths_ask(c, id, path, sizeof(path));
	if (c->map.count >= c->map.cap) {
		oldest = LIST_FIRST(&c->age, struct cgroup_path, age);
		if (c->latest == oldest)
			c->latest = NULL;
		map_remove(&c->map, oldest->id);
		list_remove(&oldest->age);
		free(oldest);
		c->evicted++;
	}
	p = calloc(1, sizeof(*p) + (n > 0 ? (size_t)n : 0));
	if (!p)
		return BYTES_NONE;
	p->id = id;
	p->known = n > 0;
	p->length = n > 0 ? (size_t)n : 0;
	memcpy(p->path, path, p->length);
	if (map_put(&c->map, id, p) < 0) {
		free(p);
		return BYTES_NONE;
	}
	list_append(&c->age, &p->age);
	c->latest = p;
	return p->known ? (struct bytes){ p->path, p->length } : BYTES_NONE;
}
