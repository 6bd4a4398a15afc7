/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io_uring, what no completion tells: requests that succeeded in silence, whose completion found no room, or whose ring
 * ended. A request's result takes the place of its descriptor in the kernel's own memory, so what is kept can be held
 * against that at any time: when its process ends, and every so often. What is found is noted here and told when a call
 * to io_uring_enter returns, the workload's or the sensor's own (src/sensor/late.c).
 */
#ifndef HEDDLE_BPF_URING_LATE_H
#define HEDDLE_BPF_URING_LATE_H

#include "uring-done.h"

struct late {
	__s64 result;
	__u64 asked_ns; /* another request may be kept at the address by the time it is told */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct late);
} late_requests SEC(".maps");

INLINE void late_note(__u64 request, const struct short_request *k, __s64 result)
{
	struct late l = { .result = result, .asked_ns = ((const struct hd_header *)k->frame)->time_ns };

	if (!bpf_map_update_elem(&late_requests, &request, &l, BPF_NOEXIST))
		__sync_fetch_and_add(&requests.late, 1);
}

#define LATE_OTHER 0 /* the memory is another request's */
#define LATE_DONE 1
#define LATE_OPEN 2   /* under way still, so that it has done nothing yet */
#define LATE_UNKNOWN 3

/*
 * How the request is doing. A name that is still to be used is marked, and the mark goes when it is. The result of what
 * works on a descriptor takes that one's place, and there is nothing to be seen of a descriptor 0 or of a new socket.
 */
INLINE __u32 late_state(__u64 request, const struct request *r)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	__u32 kind = OP_KIND(r->opcode);

	if ((__u64)KREAD(req, ctx) != r->ring || KREAD(req, opcode) != r->opcode ||
	    KREAD(req, cqe.user_data) != r->user_data)
		return LATE_OTHER;
	if (r->cleanup && (kind == K_OPEN || kind == K_NAMES))
		return flag_set(KREAD(req, flags), cfg_uring_cleanup_bit) ? LATE_OPEN : LATE_DONE;
	if (kind == K_OPEN || kind == K_NAMES || kind == K_SOCKET || !r->fd)
		return LATE_UNKNOWN;
	return KREAD(req, cqe.fd) == r->fd ? LATE_OPEN : LATE_DONE;
}

struct late_search {
	__u64 ring; /* of this ring alone; 0: of all */
	__u32 tgid; /* of this process alone; 0: of all */
	__u32 mode;
	struct slot *s;
};

/* The head of what is kept is the same in both maps. */
static long late_look(struct bpf_map *map, __u64 *key, struct short_request *k, struct late_search *w)
{
	struct io_kiocb *req = (struct io_kiocb *)*key;
	const struct hd_header *h = (const struct hd_header *)k->frame;
	__u64 request = *key;
	__u32 state, type;

	if ((w->tgid && h->pid != w->tgid) || (w->ring && k->r.ring != w->ring))
		return 0;
	state = late_state(request, &k->r);
	/* The mark may go a moment before the result is there: at the second look it is. */
	if (state == LATE_DONE && w->mode == LATE_LOOK && !k->r.seen)
		k->r.seen = 1;
	else if (state == LATE_DONE && (w->mode != LATE_LOSE || w->ring))
		late_note(request, k, KREAD(req, cqe.res));
	if (w->mode != LATE_LOSE || !w->s)
		return 0;
	/* Of a ring that is gone what is noted will be told. At the end nothing will. */
	if (w->ring ? bpf_map_lookup_elem(&late_requests, &request) != NULL :
		      state == LATE_OPEN || (state == LATE_UNKNOWN && !k->r.silent))
		return 0;
	type = OP_TYPE(k->r.opcode);
	count_made(w->s, type, 1);
	w->s->counters[type & (COUNTERS - 1)].lost++;
	__sync_fetch_and_add(&requests.untold, 1);
	request_drop(request);
	return 0;
}

/* Finds what is done of a process's (0: everyone's) or a ring's (0: any) requests. `kind` is the slot's. */
__noinline int uring_late(__u32 kind, __u32 tgid, __u64 ring, __u32 mode)
{
	struct late_search w = { .ring = ring, .tgid = tgid, .mode = mode };

	w.s = slot_get(kind & (SLOT_KINDS - 1));
	if (!requests.kept)
		return 0;
	bpf_for_each_map_elem(&short_requests, late_look, &w, 0);
	bpf_for_each_map_elem(&long_requests, late_look, &w, 0);
	return 0;
}

/* ---- told, when a call returns ---- */

static long late_free(__u32 i, void *context)
{
	struct completions *c = context;
	struct short_request *k;
	struct io_kiocb *req;
	__u64 request;

	if (!c->node)
		return 1;
	request = node_request(c->node);
	req = (struct io_kiocb *)request;
	c->node = node_next(c->node);
	k = (struct short_request *)request_find(request);
	if (k)
		late_note(request, k, KREAD(req, cqe.res));
	return 0;
}

static long late_ring(struct bpf_map *map, __u64 *ring, __u32 *tgid, __u32 *only)
{
	struct io_ring_ctx *r = (struct io_ring_ctx *)*ring;
	struct completions c = {};

	if (*tgid != *only)
		return 0;
	bpf_core_read(&c.node, sizeof(c.node), &r->submit_state.free_list.next);
	bpf_loop(4096, late_free, &c, 0);
	if (!bpf_core_field_exists(r->locked_free_list))
		return 0;
	bpf_core_read(&c.node, sizeof(c.node), &r->locked_free_list.first);
	bpf_loop(4096, late_free, &c, 0);
	return 0;
}

static long late_tell(struct bpf_map *map, __u64 *key, struct late *l, void *context)
{
	__u64 request = *key, asked_ns = l->asked_ns;
	__s64 result = l->result;
	struct short_request *k;

	if (bpf_map_delete_elem(&late_requests, &request))
		return 0;
	__sync_fetch_and_sub(&requests.late, 1);
	k = (struct short_request *)request_find(request);
	if (k && ((struct hd_header *)k->frame)->time_ns == asked_ns)
		request_finish(request, result, SURE_NOT);
	return 0;
}

/* A new ring, maybe where another one was: what is kept of that one would be taken for this one's. */
INLINE void late_new_ring(__s64 fd)
{
	struct task_struct___uring *t = (void *)current_task();
	struct io_uring_task *u = KREAD(t, io_uring);
	struct file *file = fd_file(fd);
	__u64 ring = 0;

	if (file)
		bpf_core_read(&ring, sizeof(ring), &file->private_data);
	if (ring)
		uring_late(SLOT_TASK, 0, ring, LATE_LOSE);
	/* Or an index of the task's own rings. */
	if (!u || fd > 15)
		return;
	file = NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &u->registered_rings[fd & 15]);
	ring = 0;
	if (file)
		bpf_core_read(&ring, sizeof(ring), &file->private_data);
	if (ring)
		uring_late(SLOT_TASK, 0, ring, LATE_LOSE);
}

#endif
