/* SPDX-License-Identifier: Apache-2.0 */
/* Floods of failed opens. See open-flood.h. */
#include "track/open-flood.h"

#include <string.h>

struct flood_key {
	uint64_t start_ns;
	uint32_t pid;
	int32_t error;
	uint32_t flags;
	uint32_t resolve;
};

void flood_table_init(struct flood_table *t, size_t cap)
{
	*t = (struct flood_table){ .map = MAP_INIT(cap) };
	list_init(&t->age);
}

static void flood_free(struct flood *f)
{
	list_remove(&f->age);
	list_remove(&f->of_process);
	shared_path_unref(f->exe);
	free(f);
}

void flood_table_done(struct flood_table *t)
{
	LIST_FOREACH (it, &t->age)
		flood_free(LIST_ENTRY(it, struct flood, age));
	map_done(&t->map);
}

struct flood *flood_get(struct flood_table *t, struct process *p, const struct event *e)
{
	const struct hd_open *o = &e->u.open;
	const struct flood_key fixed = { p->key.start_ns, e->h.pid, (int32_t)o->result, o->flags, o->resolve };
	unsigned char key[sizeof(fixed) + HD_PATH_MAX];
	size_t length = e->path.path.length;
	struct flood *f;

	if (!bytes_set(e->path.path) || length > HD_PATH_MAX)
		return NULL;
	memcpy(key, &fixed, sizeof(fixed));
	memcpy(key + sizeof(fixed), e->path.path.data, length);
	length += sizeof(fixed);
	f = map_get_bytes(&t->map, key, length);
	if (f) {
		list_remove(&f->age);
		list_append(&t->age, &f->age);
		return f;
	}
	if (flood_full(t))
		return NULL;
	f = calloc(1, sizeof(*f) + length);
	if (!f)
		return NULL;
	memcpy(f->key, key, length);
	f->key_length = length;
	f->window_ns = e->h.time_ns;
	if (map_put_bytes(&t->map, f->key, length, f) < 0) {
		free(f);
		return NULL;
	}
	f->path = e->path;
	f->path.path = (struct bytes){ (const char *)f->key + sizeof(fixed), length - sizeof(fixed) };
	list_append(&t->age, &f->age);
	list_append(&p->floods, &f->of_process);
	return f;
}

bool flood_window_over(const struct flood *f, uint64_t now_ns)
{
	return now_ns > f->window_ns && now_ns - f->window_ns >= FLOOD_WINDOW_NS;
}

bool flood_hold(struct flood *f, struct process *p, const struct event *e)
{
	if (f->held == 0 && flood_window_over(f, e->h.time_ns)) {
		f->window_ns = e->h.time_ns;
		f->seen = 0;
	}
	if (f->seen < FLOOD_PLAIN) {
		f->seen++;
		return false;
	}
	f->held++;
	f->frame = e->u.open;
	if (!f->exe)
		f->exe = shared_path_ref(process_exe(p, e->h.image));
	return true;
}

bool flood_full(const struct flood_table *t)
{
	return t->map.count >= t->map.cap;
}

struct flood *flood_oldest(const struct flood_table *t)
{
	return LIST_FIRST(&t->age, struct flood, age);
}

void flood_remove(struct flood_table *t, struct flood *f)
{
	map_remove_bytes(&t->map, f->key, f->key_length);
	flood_free(f);
}
