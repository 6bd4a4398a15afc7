/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * io_uring's tracepoints: a request is taken, a request is done. Their programs only see whether there is something to
 * do; the half that tells and the half that asks are programs of their own, so that each is verified once. Programs of
 * different tracepoints can share what they call by tail call as raw tracepoints: those have no prototype to differ in.
 */
#ifndef HEDDLE_BPF_URING_HOOKS_H
#define HEDDLE_BPF_URING_HOOKS_H

#include "uring-late.h"

/* An open is told at the ring's next request, before that can change what its descriptor stands for. */
INLINE void tell_last_open(__u64 ring)
{
	struct io_ring_ctx *r = (struct io_ring_ctx *)ring;
	struct last_open *last = last_open_of(ring);
	struct io_kiocb *req;
	__u64 request;

	if (!last || last->ring != ring || !last->request)
		return;
	request = last->request;
	last->request = 0;
	req = (struct io_kiocb *)request;
	if (KREAD(r, submit_state.compl_reqs.first) &&
	    node_request((__u64)KREAD(r, submit_state.compl_reqs.last)) == request)
		uring_finish(request, KREAD(req, cqe.res), SURE);
}

/* Begins what is to be kept. Apart from what comes before it, for the stack. */
__noinline int uring_ask(__u64 request, __u32 kind)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	struct io_close *c = (struct io_close *)req;
	__u32 opcode = KREAD(req, opcode), type;
	struct slot *s = slot_get(SLOT_TASK);

	if (!s)
		return 0;
	if (kind == K_CLOSE && !KREAD(c, file_slot))
		ring_closes = 1;
	/* What was vacated before it is asked does not concern it, nor anything else that is still to be told. */
	if ((kind == K_OPEN || kind == K_ACCEPT) && !KREAD(req, ctx, submit_state.compl_reqs.first))
		note_drop();
	if (kind <= K_SPLICE && !flag_set(KREAD(req, flags), REQ_CQE_SKIP) && !ring_crowded((__u64)KREAD(req, ctx)))
		return 0;
	type = OP_TYPE(opcode);
	if (kind == K_CLOSE) {
		if (!flag_set(KREAD(req, flags), REQ_CQE_SKIP))
			return 0;
		if (!KREAD(c, file_slot))
			fold_close(s, KREAD(c, fd));
		return 0;
	}
	if (kind <= K_SPLICE) {
		uring_ask_silent(request, kind);
		request_begin(s, req, type, sizeof(struct hd_header));
	} else if (kind == K_OPEN || kind == K_NAMES)
		uring_ask_names(request);
	else if (kind == K_FILE)
		ask_file(s, req);
	else if (!uring_ask_socket(request))
		return 0;
	request_keep(s, request, type);
	return 0;
}

/* A request's memory is used again: what it was before is over, and told nobody. */
INLINE bool uring_reused(__u64 request)
{
	return requests.kept && request_find(request);
}

INLINE __u32 uring_kind(__u32 opcode)
{
	return opcode < URING_OPS ? OP_KIND(opcode) : K_NONE;
}

/* A multishot accept has one more connection. Its number was read from the workload's memory: the socket must fit. */
__noinline int uring_again(__u64 ring, __u64 user_data, __s64 result)
{
	struct accept_key key = { ring, user_data };
	__u64 *request = bpf_map_lookup_elem(&accepts, &key), k;
	struct slot *s = slot_get(SLOT_TASK);
	struct socket *listener, *sock;
	struct io_kiocb *req;
	struct file *file;
	struct sock *sk;
	void *r;

	if (!s || !request || result < 0)
		return 0;
	k = *request;
	req = (struct io_kiocb *)k;
	r = bpf_map_lookup_elem(&short_requests, &k);
	if (!r)
		return 0;
	bpf_probe_read_kernel(&s->request, sizeof(struct short_request), r);
	if (s->request.ring != ring || s->request.opcode != URING_ACCEPT)
		return 0;
	__builtin_memcpy(&s->who, s->frame, sizeof(s->who));
	file = result_file(s, result);
	sock = file_socket(file);
	listener = file_socket(KREAD(req, file));
	if (!sock || !listener || sock == listener)
		return 0;
	sk = KREAD(sock, sk);
	k = (__u64)sk;
	if (KREAD(sk, __sk_common.skc_num) != KREAD(listener, sk, __sk_common.skc_num) ||
	    bpf_map_lookup_elem(&connections, &k))
		return 0;
	tell_accept(s, file, true);
	return 0;
}

/* ---- the halves ---- */

int on_uring_tell(__u64 *ctx);
int on_uring_ask(__u64 *ctx);

#define URING_TELL 0
#define URING_ASK 1

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} uring_halves SEC(".maps") = {
	.values = {
		[URING_TELL] = (void *)&on_uring_tell,
		[URING_ASK] = (void *)&on_uring_ask,
	},
};

/* What there is to tell: in the slot's `telling`, its words and its argument. */
#define TELL_BEFORE 0 /* before the request in `argument` is asked */
#define TELL_DONE 1   /* the request in `argument` is done */
#define TELL_AGAIN 2  /* one more connection: the words are ring, user data, result */
#define TELL_LATE 3   /* all that is noted in late_requests */

SEC("raw_tp")
int on_uring_ask(__u64 *ctx)
{
	__u64 request = ctx[0];
	struct io_kiocb *req = (struct io_kiocb *)request;
	__u32 kind = uring_kind(KREAD(req, opcode));

	if (kind != K_NONE)
		uring_ask(request, kind);
	return 0;
}

INLINE int uring_completed(__u64 request)
{
	struct io_kiocb *req = (struct io_kiocb *)request;
	__u32 kind = uring_kind(KREAD(req, opcode));

	if (requests.silent)
		tell_silent((__u64)KREAD(req, ctx));
	if (kind == K_NONE)
		return 0;
	/* Not the ring's entry: that is the workload's memory. */
	if (kind >= K_OPEN)
		return uring_finish(request, KREAD(req, cqe.res), SURE_IF_ALONE);
	if (requests.silent && request_own(request))
		request_drop(request);
	if (request_in_scope(req))
		uring_moved(request, KREAD(req, cqe.res), kind);
	return 0;
}

SEC("raw_tp")
int on_uring_tell(__u64 *ctx)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct io_kiocb *req;
	__u64 request;

	if (!s)
		return 0;
	if (s->telling == TELL_AGAIN) {
		uring_again(s->words[0], s->words[1], s->words[2]);
		return 0;
	}
	if (s->telling == TELL_LATE) {
		bpf_for_each_map_elem(&late_requests, late_tell, NULL, 0);
		return 0;
	}
	request = s->argument;
	if (s->telling == TELL_DONE) {
		uring_completed(request);
		return 0;
	}
	req = (struct io_kiocb *)request;
	tell_last_open((__u64)KREAD(req, ctx));
	if (requests.kept)
		late_reused(request);
	bpf_tail_call(ctx, &uring_halves, URING_ASK);
	return 0;
}

/* ---- the tracepoints ---- */

INLINE void uring_submitted(__u64 *ctx)
{
	__u64 request = ctx[0];
	struct io_kiocb *req = (struct io_kiocb *)request;
	/* As a number, whatever the compiler makes of the index. */
	__u64 ring = load8((void *)request + bpf_core_field_offset(req->ctx));
	struct last_open *last = last_open_of(ring);
	__u32 kind = uring_kind(KREAD(req, opcode));
	struct slot *s = slot_get(SLOT_TASK);

	if (!s)
		return;
	if ((last && last->ring == ring && last->request) || uring_reused(request)) {
		s->telling = TELL_BEFORE;
		s->argument = request;
		bpf_tail_call(ctx, &uring_halves, URING_TELL);
	}
	if (kind != K_NONE)
		bpf_tail_call(ctx, &uring_halves, URING_ASK);
}

SEC("raw_tp/io_uring_submit_req")
int on_uring_request(__u64 *ctx)
{
	if (in_scope())
		uring_submitted(ctx);
	return 0;
}

/* Its name until 6.2. */
SEC("raw_tp/io_uring_submit_sqe")
int on_uring_sqe(__u64 *ctx)
{
	if (in_scope())
		uring_submitted(ctx);
	return 0;
}

/* (ring, request, entry) since 6.8, (ring, request, user_data, result, ...) before. */
SEC("raw_tp/io_uring_complete")
int on_uring_complete(__u64 *ctx)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct io_uring_cqe cqe = {};
	struct io_kiocb *req;
	__u64 request = ctx[1];

	if (!s || (!target_cgroup && !stray_tasks))
		return 0;
	if (request) {
		req = (struct io_kiocb *)request;
		if (!requests.silent && uring_kind(KREAD(req, opcode)) == K_NONE)
			return 0;
		s->telling = TELL_DONE;
		s->argument = request;
	} else {
		s->telling = TELL_AGAIN;
		s->words[0] = ctx[0];
		if (cfg_uring_cqe) {
			bpf_probe_read_kernel(&cqe, sizeof(cqe), (void *)ctx[2]);
			s->words[1] = cqe.user_data;
			s->words[2] = (__s64)cqe.res;
		} else {
			s->words[1] = ctx[2];
			s->words[2] = (__s64)(__s32)ctx[3];
		}
	}
	bpf_tail_call(ctx, &uring_halves, URING_TELL);
	return 0;
}

/* Hangs on nothing: the sensor runs it, with preemption off as the tracepoints' programs have it. */
SEC("raw_tp")
int on_uring_late(__u64 *ctx)
{
	struct slot *s = slot_get(SLOT_TASK);

	if (!s)
		return 0;
	s->telling = TELL_LATE;
	bpf_tail_call(ctx, &uring_halves, URING_TELL);
	return 0;
}

/*
 * A call that submitted is over: what succeeded in it without a word lies in its rings' lists of free requests, and is
 * noted. Or it made a ring.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_uring_exit, struct pt_regs *regs, long ret)
{
	__u32 tgid = current_task()->tgid;

	note_drop();
	if (requests.kept && (__u32)regs->orig_ax == NR_io_uring_setup && ret >= 0)
		late_new_ring(ret);
	if (requests.silent)
		bpf_for_each_map_elem(&silent_rings, late_ring, &tgid, 0);
	return 0;
}

#endif
