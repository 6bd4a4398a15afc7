/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and their images. See process-table.h. */
#include "track/process-table.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>

void process_table_init(struct process_table *t, size_t cap)
{
	*t = (struct process_table){ .map = MAP_INIT(cap) };
	list_init(&t->live);
	list_init(&t->exited);
}

static void process_free(struct process *p)
{
	for (unsigned i = 0; i < p->before_n; i++)
		shared_path_unref(p->before[i].exe);
	free(p->before);
	shared_path_unref(p->now.exe);
	free(p);
}

void process_table_done(struct process_table *t)
{
	LIST_FOREACH (it, &t->live)
		process_free(LIST_ENTRY(it, struct process, age));
	LIST_FOREACH (it, &t->exited)
		process_free(LIST_ENTRY(it, struct process, age));
	map_done(&t->map);
}

struct process *process_find(struct process_table *t, uint32_t pid, uint64_t start_ns)
{
	struct process_key key = { start_ns, pid };
	struct process *p = t->latest;

	if (p && p->key.start_ns == start_ns && p->key.pid == pid)
		return p;
	p = map_get_bytes(&t->map, &key, sizeof(key));
	if (p)
		t->latest = p;
	return p;
}

static struct process *process_add(struct process_table *t, uint32_t pid, uint64_t start_ns)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->key = (struct process_key){ start_ns, pid };
	list_init(&p->folds);
	list_init(&p->floods);
	if (map_put_bytes(&t->map, &p->key, sizeof(p->key), p) < 0) {
		free(p);
		return NULL;
	}
	list_append(&t->live, &p->age);
	return p;
}

struct process *process_get(struct process_table *t, const struct hd_header *h)
{
	struct process *p = process_find(t, h->pid, h->start_ns);

	if (!p) {
		p = process_add(t, h->pid, h->start_ns);
		/* One that nobody told of begins here: with the image it has, or with the one that its first exec
		 * replaced. */
		if (p)
			p->image_base = h->image - (h->type == HD_PROCESS_EXEC && h->image > 0);
	}
	if (!p)
		return NULL;
	if (!p->exited) {
		list_remove(&p->age);
		list_append(&t->live, &p->age);
	}
	if (h->ppid)
		p->ppid = h->ppid;
	if (h->comm[0])
		memcpy(p->comm, h->comm, sizeof(p->comm));
	return p;
}

uint32_t process_image_number(const struct process *p, uint32_t kernel_image)
{
	return kernel_image > p->image_base ? kernel_image - p->image_base : 0;
}

struct process *process_fork(struct process_table *t, struct process *parent, const struct hd_fork *f)
{
	struct process *p = process_find(t, f->child_pid, f->child_start_ns);

	if (!p) {
		p = process_add(t, f->child_pid, f->child_start_ns);
		/* The kernel's count goes on from the parent's. */
		if (p)
			p->image_base = (parent ? parent->image_base : 0) + f->h.image;
	}
	if (!p)
		return NULL;
	p->introduced = true;
	p->ppid = f->clone_flags & CLONE_PARENT ? f->h.ppid : f->h.pid;
	memcpy(p->comm, f->h.comm, sizeof(p->comm));
	/* A child whose exec was told before its fork keeps what the exec said. */
	if (!p->has_image && parent) {
		p->now = (struct process_image){ 0, shared_path_ref(process_exe(parent, f->h.image)) };
		p->has_image = true;
	}
	return p;
}

/* Keeps the image that ends, dropping the oldest when there are too many. */
static int process_keep_image(struct process_table *t, struct process *p)
{
	if (!p->before) {
		p->before = calloc(PROCESS_IMAGES_MAX, sizeof(*p->before));
		if (!p->before)
			return -ENOMEM;
	}
	if (p->before_n == PROCESS_IMAGES_MAX) {
		shared_path_unref(p->before[0].exe);
		memmove(p->before, p->before + 1, (PROCESS_IMAGES_MAX - 1) * sizeof(*p->before));
		p->before_n--;
		t->images_evicted++;
	}
	p->before[p->before_n++] = p->now;
	return 0;
}

int process_set_image(struct process_table *t, struct process *p, uint32_t image, const struct event_path *exe)
{
	struct shared_path *path = NULL;
	int r = 0;

	if (bytes_set(exe->path)) {
		path = shared_path_new(exe);
		if (!path)
			r = -ENOMEM;
	}
	if (!p->has_image || p->now.image >= image || process_keep_image(t, p) < 0)
		shared_path_unref(p->now.exe);
	p->now = (struct process_image){ image, path };
	p->has_image = true;
	return r;
}

struct shared_path *process_exe(const struct process *p, uint32_t image)
{
	if (!p->has_image)
		return NULL;
	if (image >= p->now.image)
		return p->now.exe;
	for (unsigned i = p->before_n; i > 0; i--)
		if (p->before[i - 1].image <= image)
			return p->before[i - 1].exe;
	return NULL;
}

void process_exit(struct process_table *t, struct process *p, uint64_t now_ns)
{
	if (p->exited)
		return;
	p->exited = true;
	p->exit_ns = now_ns;
	list_remove(&p->age);
	list_append(&t->exited, &p->age);
}

static bool process_expired(const struct process *p, uint64_t now_ns)
{
	return p->exited && now_ns > p->exit_ns && now_ns - p->exit_ns > PROCESS_GRACE_NS;
}

struct process *process_victim(const struct process_table *t, uint64_t now_ns, size_t room)
{
	struct process *p = LIST_FIRST(&t->exited, struct process, age);

	if (p && process_expired(p, now_ns))
		return p;
	if (t->map.count == 0 || t->map.count + room <= t->map.cap)
		return NULL;
	return p ?: LIST_FIRST(&t->live, struct process, age);
}

void process_remove(struct process_table *t, struct process *p, uint64_t now_ns)
{
	if (!process_expired(p, now_ns))
		t->evicted++;
	if (t->latest == p)
		t->latest = NULL;
	map_remove_bytes(&t->map, &p->key, sizeof(p->key));
	list_remove(&p->age);
	process_free(p);
}
