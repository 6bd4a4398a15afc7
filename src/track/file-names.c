/* SPDX-License-Identifier: Apache-2.0 */
/* file_id to path. See file-names.h. */
#include "track/file-names.h"

#include <errno.h>

struct file_name {
	uint64_t file_id;
	uint64_t inode;
	uint32_t dev;
	struct list age;
	struct shared_path *path;
};

void file_names_init(struct file_names *n, size_t cap, size_t bytes_cap)
{
	*n = (struct file_names){ .map = MAP_INIT(cap), .bytes_cap = bytes_cap };
	list_init(&n->age);
}

static void file_name_free(struct file_names *n, struct file_name *f)
{
	n->bytes -= f->path->path.path.length;
	shared_path_unref(f->path);
	list_remove(&f->age);
	free(f);
}

void file_names_done(struct file_names *n)
{
	LIST_FOREACH (it, &n->age)
		file_name_free(n, LIST_ENTRY(it, struct file_name, age));
	map_done(&n->map);
}

static void file_names_drop(struct file_names *n, uint64_t file_id)
{
	struct file_name *f = map_remove(&n->map, file_id);

	if (f)
		file_name_free(n, f);
}

void file_names_close(struct file_names *n, uint64_t file_id)
{
	struct file_name *f = map_get(&n->map, file_id);

	if (!f)
		return;
	list_remove(&f->age);
	list_prepend(&n->age, &f->age);
}

int file_names_set(struct file_names *n, uint64_t file_id, uint64_t inode, uint32_t dev, const struct event_path *path)
{
	struct file_name *f, *oldest;

	file_names_drop(n, file_id);
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->file_id = file_id;
	f->inode = inode;
	f->dev = dev;
	f->path = shared_path_new(path);
	if (!f->path) {
		free(f);
		return -ENOMEM;
	}
	list_append(&n->age, &f->age);
	n->bytes += path->path.length;
	while ((n->map.count >= n->map.cap || n->bytes > n->bytes_cap) &&
	       (oldest = LIST_FIRST(&n->age, struct file_name, age)) != f) {
		file_names_drop(n, oldest->file_id);
		n->evicted++;
	}
	if (map_put(&n->map, file_id, f) < 0) {
		file_name_free(n, f);
		return -ENOMEM;
	}
	return 0;
}

struct shared_path *file_names_get(struct file_names *n, uint64_t file_id, uint64_t inode, uint32_t dev)
{
	struct file_name *f = map_get(&n->map, file_id);

	if (!f || f->inode != inode || f->dev != dev)
		return NULL;
	list_remove(&f->age);
	list_append(&n->age, &f->age);
	return f->path;
}
