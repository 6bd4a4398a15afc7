/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of reads and writes. See fold.h. */
#include "track/fold.h"

#include <errno.h>

void fold_table_init(struct fold_table *t, size_t cap)
{
	*t = (struct fold_table){ .map = MAP_INIT(cap) };
	list_init(&t->due);
}

static void fold_free(struct fold *f)
{
	list_remove(&f->due);
	list_remove(&f->of_process);
	shared_path_unref(f->path);
	shared_path_unref(f->exe);
	free(f);
}

void fold_table_done(struct fold_table *t)
{
	LIST_FOREACH (it, &t->due)
		fold_free(LIST_ENTRY(it, struct fold, due));
	map_done(&t->map);
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void fold_merge(struct fold *f, const struct hd_fold *frame)
{
	struct hd_fold sum = *frame;

	sum.bytes = add_capped(f->frame.bytes, frame->bytes);
	sum.operations = add_capped(f->frame.operations, frame->operations);
	sum.first_ns = MIN(f->frame.first_ns, frame->first_ns);
	sum.last_ns = MAX(f->frame.last_ns, frame->last_ns);
	sum.h.time_ns = MAX(f->frame.h.time_ns, frame->h.time_ns);
	/* Verified only when every part is. */
	sum.h.flags &= f->frame.h.flags | (uint16_t)~HD_F_VERIFIED;
	f->frame = sum;
}

int fold_add(struct fold_table *t, struct process *p, const struct hd_fold *frame, struct shared_path *path,
	     uint64_t now_ns, struct fold **ret)
{
	struct fold_key key = { p->key.start_ns, frame->inode, frame->h.pid, frame->dev,
				frame->h.type | (uint64_t)frame->h.via << 32 };
	struct fold *f = map_get_bytes(&t->map, &key, sizeof(key));
	int r;

	if (f) {
		fold_merge(f, frame);
		if (!f->path)
			f->path = shared_path_ref(path);
		*ret = f;
		return 1;
	}
	if (t->map.count >= t->map.cap)
		return -ENOSPC;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->key = key;
	r = map_put_bytes(&t->map, &f->key, sizeof(f->key), f);
	if (r < 0) {
		free(f);
		return r;
	}
	f->frame = *frame;
	f->since_ns = now_ns;
	f->path = shared_path_ref(path);
	f->exe = shared_path_ref(process_exe(p, frame->h.image));
	list_append(&t->due, &f->due);
	list_append(&p->folds, &f->of_process);
	*ret = f;
	return 0;
}

struct fold *fold_oldest(const struct fold_table *t)
{
	return LIST_FIRST(&t->due, struct fold, due);
}

void fold_remove(struct fold_table *t, struct fold *f)
{
	map_remove_bytes(&t->map, &f->key, sizeof(f->key));
	fold_free(f);
}
