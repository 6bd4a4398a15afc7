/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls that change credentials, what they changed, and what a refused one had asked for. */
#ifndef HEDDLE_BPF_PRIVILEGE_H
#define HEDDLE_BPF_PRIVILEGE_H

#include "task.h"

#define PR_CAPBSET_DROP 24
#define PR_SET_SECUREBITS 28
#define PR_SET_NO_NEW_PRIVS 38
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_LOWER 3
#define PR_CAP_AMBIENT_CLEAR_ALL 4

/* -1 leaves an id as it is. */
INLINE void asked_id(struct hd_privilege *p, __u32 bit, __u32 *field, unsigned long value)
{
	if ((__u32)value == 0xffffffff)
		return;
	*field = value;
	p->changed |= bit;
}

INLINE void asked_capset(struct hd_privilege *p, const struct call *c)
{
	struct {
		__u32 effective, permitted, inheritable;
	} data[2] = {};

	if (bpf_probe_read_user(data, sizeof(data), (void *)c->a[1]))
		return;
	p->after.effective = data[0].effective | (__u64)data[1].effective << 32;
	p->after.permitted = data[0].permitted | (__u64)data[1].permitted << 32;
	p->after.inheritable = data[0].inheritable | (__u64)data[1].inheritable << 32;
	p->changed |= p->after.effective != p->before.effective ? HD_CRED_EFFECTIVE : 0;
	p->changed |= p->after.permitted != p->before.permitted ? HD_CRED_PERMITTED : 0;
	p->changed |= p->after.inheritable != p->before.inheritable ? HD_CRED_INHERITABLE : 0;
}

INLINE void asked_prctl(struct hd_privilege *p, const struct call *c)
{
	__u64 bit = 1ULL << (c->a[1] & 63);

	switch (c->a[0]) {
	case PR_CAPBSET_DROP:
		p->after.bounding = p->before.bounding & ~bit;
		p->changed |= HD_CRED_BOUNDING;
		break;
	case PR_SET_SECUREBITS:
		p->after.securebits = c->a[1];
		p->changed |= HD_CRED_SECUREBITS;
		break;
	case PR_SET_NO_NEW_PRIVS:
		p->after.no_new_privs = 1;
		p->changed |= HD_CRED_NO_NEW_PRIVS;
		break;
	case PR_CAP_AMBIENT:
		bit = 1ULL << (c->a[2] & 63);
		if (c->a[1] == PR_CAP_AMBIENT_RAISE)
			p->after.ambient = p->before.ambient | bit;
		else if (c->a[1] == PR_CAP_AMBIENT_LOWER)
			p->after.ambient = p->before.ambient & ~bit;
		else
			p->after.ambient = 0;
		p->changed |= HD_CRED_AMBIENT;
		break;
	}
}

INLINE void asked(struct hd_privilege *p, const struct call *c)
{
	struct hd_creds *a = &p->after;

	switch (c->number) {
	case NR_setuid:
		asked_id(p, HD_CRED_UID, &a->uid, c->a[0]);
		asked_id(p, HD_CRED_EUID, &a->euid, c->a[0]);
		break;
	case NR_setgid:
		asked_id(p, HD_CRED_GID, &a->gid, c->a[0]);
		asked_id(p, HD_CRED_EGID, &a->egid, c->a[0]);
		break;
	case NR_setresuid:
		asked_id(p, HD_CRED_SUID, &a->suid, c->a[2]);
	case NR_setreuid:
		asked_id(p, HD_CRED_UID, &a->uid, c->a[0]);
		asked_id(p, HD_CRED_EUID, &a->euid, c->a[1]);
		break;
	case NR_setresgid:
		asked_id(p, HD_CRED_SGID, &a->sgid, c->a[2]);
	case NR_setregid:
		asked_id(p, HD_CRED_GID, &a->gid, c->a[0]);
		asked_id(p, HD_CRED_EGID, &a->egid, c->a[1]);
		break;
	case NR_setfsuid:
		asked_id(p, HD_CRED_FSUID, &a->fsuid, c->a[0]);
		break;
	case NR_setfsgid:
		asked_id(p, HD_CRED_FSGID, &a->fsgid, c->a[0]);
		break;
	case NR_setgroups:
		p->changed |= HD_CRED_GROUPS;
		break;
	case NR_capset:
		asked_capset(p, c);
		break;
	case NR_prctl:
		asked_prctl(p, c);
		break;
	}
}

INLINE void privilege_refused(struct slot *s, const struct call *c)
{
	struct task_state *st = state_current();
	struct hd_privilege *p;
	__u64 n;
	__u32 at;

	if (!st)
		return;
	p = (struct hd_privilege *)frame_begin(s, HD_PRIVILEGE_CHANGE, sizeof(*p));
	frame_call(&p->h, c);
	p->result = c->result;
	p->flags = HD_PRIV_ASKED;
	p->changed = 0;
	p->pad0 = 0;
	p->before = st->creds;
	p->after = st->creds;
	asked(p, c);
	/* What a call asks for in registers can't have changed since; lists lie in the caller's memory. */
	if (c->number != NR_capset && c->number != NR_setgroups)
		p->h.flags |= HD_F_VERIFIED;
	if (c->number == NR_setgroups && c->form != HD_FORM_IDS16) {
		item_groups(s, HD_I_GROUPS_BEFORE, st);
		at = item_open(s, HD_I_GROUPS_AFTER);
		n = c->a[0] > HD_GROUPS_MAX ? HD_GROUPS_MAX : c->a[0];
		n = masked(n * 4, 0x1ff);
		if (at && at <= FRAME_BYTES - FRAME_SLACK) {
			if (bpf_probe_read_user((void *)s->frame + at + sizeof(struct hd_item), n, (void *)c->a[1]))
				n = 0;
			item_close(s, at, n, 0);
		}
	}
	frame_submit(s, HD_LANE_CRITICAL);
}

INLINE bool prctl_is_privilege(const struct call *c)
{
	switch (c->a[0]) {
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
	case PR_SET_NO_NEW_PRIVS:
		return true;
	case PR_CAP_AMBIENT:
		return c->a[1] >= PR_CAP_AMBIENT_RAISE && c->a[1] <= PR_CAP_AMBIENT_CLEAR_ALL;
	}
	return false;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_privilege, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct task_struct *t = current_task();
	struct task_state *st;
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	if (c.number == NR_prctl && !prctl_is_privilege(&c)) {
		if (c.a[0] == PR_SET_SECCOMP)
			bpf_tail_call(ctx, &handlers, CLASS_ESCAPE);
		return 0;
	}
	/* setfsuid and setfsgid return the old id and never fail: refused is what changed nothing but asked to. */
	if (c.number == NR_setfsuid || c.number == NR_setfsgid) {
		st = state_current();
		if (st && st->cred == (__u64)t->cred) {
			__u32 now = c.number == NR_setfsuid ? t->cred->fsuid.val : t->cred->fsgid.val;

			if ((__u32)c.a[0] != now && (__u32)c.a[0] != 0xffffffff) {
				c.result = -1;
				privilege_refused(s, &c);
			}
			return 0;
		}
	} else if (ret < 0) {
		if (c.number != NR_keyctl)
			privilege_refused(s, &c);
		return 0;
	}
	creds_check(s, &c, 0);
	return 0;
}

#endif
