/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io_uring, what no completion tells: requests that succeeded in silence, whose completion found no room, or whose ring
 * ended. A request's result takes the place of its descriptor in the kernel's own memory, so what is kept can be held
 * against that at any time: when its process ends, and every so often. What is found is noted here, since each of the
 * programs that look would need the half that tells, and told when the sensor comes by (src/sensor/late.c).
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
	__uint(max_entries, 16384); /* as many as are kept */
	__type(key, __u64);
	__type(value, struct late);
} late_requests SEC(".maps");

/* What is noted of a kept request. A note on what was kept at its address before is none. */
INLINE struct late *late_noted(__u64 request, const struct short_request *k)
{
	struct late *l = bpf_map_lookup_elem(&late_requests, &request);

	return l && l->asked_ns == ((const struct hd_header *)k->frame)->time_ns ? l : NULL;
}

/* The first result stays: the memory may have become another request's since. */
INLINE void late_note(__u64 request, const struct short_request *k, __s64 result)
{
	struct late l = { .result = result, .asked_ns = ((const struct hd_header *)k->frame)->time_ns };

	if (!bpf_map_update_elem(&late_requests, &request, &l, BPF_NOEXIST))
		__sync_fetch_and_add(&requests.late, 1);
	else if (!late_noted(request, k))
		bpf_map_update_elem(&late_requests, &request, &l, BPF_EXIST);
}

#define LATE_OTHER 0 /* the memory is another request's */
#define LATE_DONE 1
#define LATE_OPEN 2   /* under way still, so that it has done nothing yet */
#define LATE_UNKNOWN 3

/*
 * How the request is doing. A name that is still to be used is marked, and the mark goes when it is. The result of what
 * works on a descriptor takes that one's place, and there is nothing to be seen of a descriptor 0 or of a new socket.
 * Global, so that to the verifier the answer is one number and not as many paths as there are answers.
 */
__noinline int late_state(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct request *r = request_find(request);
	__u32 kind;

	if (!r)
		return LATE_OTHER;
	kind = OP_KIND(r->opcode);
	if ((__u64)KREAD(req, ctx) != r->ring || KREAD(req, opcode) != r->opcode ||
	    KREAD(req, cqe.user_data) != r->user_data)
		return LATE_OTHER;
	if (r->cleanup && (kind == K_OPEN || kind == K_NAMES))
		return flag_set(KREAD(req, flags), cfg_uring_cleanup_bit) ? LATE_OPEN : LATE_DONE;
	if (kind == K_OPEN || kind == K_NAMES || kind == K_SOCKET || !r->fd)
		return LATE_UNKNOWN;
	return KREAD(req, cqe.fd) == r->fd ? LATE_OPEN : LATE_DONE;
}

/* Apart, by its address, so that it is verified once and not in both searches. `kind` is the slot's. */
__noinline int late_one(__u64 request, __u32 kind, __u64 ring, __u32 mode)
{
	struct short_request *k = (struct short_request *)request_find(request);
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct slot *s = slot_get(kind & (SLOT_KINDS - 1));
	__u32 state, type;

	if (!k || !s || (ring && k->r.ring != ring))
		return 0;
	state = late_state(request);
	/* The mark may go a moment before the result is there: at the second look it is. */
	if (state == LATE_DONE && mode == LATE_LOOK && !k->r.seen)
		k->r.seen = 1;
	else if (state == LATE_DONE && (mode != LATE_LOSE || ring))
		late_note(request, k, KREAD(req, cqe.res));
	if (mode != LATE_LOSE)
		return 0;
	/* Of a ring that is gone what is noted will be told. At the end nothing will. */
	if (ring ? late_noted(request, k) != NULL :
		   state == LATE_OPEN || (state == LATE_UNKNOWN && !k->r.silent))
		return 0;
	type = OP_TYPE(k->r.opcode);
	count_made(s, type, 1);
	s->counters[type & (COUNTERS - 1)].lost++;
	__sync_fetch_and_add(&requests.untold, 1);
	request_drop(request);
	return 0;
}

struct late_search {
	__u64 ring; /* of this ring alone; 0: of all */
	__u32 tgid; /* of this process alone; 0: of all */
	__u32 kind, mode;
};

/* The head of what is kept is the same in both maps. */
static long late_look(struct bpf_map *map, __u64 *key, struct short_request *k, struct late_search *w)
{
	const struct hd_header *h = (const struct hd_header *)k->frame;

	if ((!w->tgid || h->pid == w->tgid) && (!w->ring || k->r.ring == w->ring))
		late_one(*key, w->kind, w->ring, w->mode);
	return 0;
}

/* Finds what is done of a process's (0: everyone's) or a ring's (0: any) requests. `kind` is the slot's. */
__noinline int uring_late(__u32 kind, __u32 tgid, __u64 ring, __u32 mode)
{
	struct late_search w = { .ring = ring, .tgid = tgid, .kind = kind, .mode = mode };

	if (!requests.kept)
		return 0;
	bpf_for_each_map_elem(&short_requests, late_look, &w, 0);
	bpf_for_each_map_elem(&long_requests, late_look, &w, 0);
	return 0;
}

/* ---- noted, when a call returns ---- */

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
	/* Not what another ring has left there. */
	if (k && k->r.ring == (__u64)KREAD(req, ctx))
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

/* A new ring, maybe where another one was: what is kept of that one would be taken for this one's. */
INLINE void late_new_ring(__s64 fd)
{
	struct io_uring_task *u = KREAD(current_task(), io_uring);
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

/* ---- told ---- */

/* A kept request whose memory is used again, by another ring maybe: by what is noted of it, if anything is. */
INLINE void late_reused(__u64 request)
{
	struct short_request *k = (struct short_request *)request_find(request);
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct late *l;

	if (!k)
		return;
	l = late_noted(request, k);
	uring_finish(request, l ? l->result : KREAD(req, cqe.res), SURE_NOT);
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
		uring_finish(request, result, SURE_NOT);
	return 0;
}

#endif
