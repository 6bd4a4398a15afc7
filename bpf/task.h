/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Processes: who is a member, fork, exec, exit, credentials. */
#ifndef HEDDLE_BPF_TASK_H
#define HEDDLE_BPF_TASK_H

#include "path.h"
#include "fold.h"

/* ---- credentials ---- */

#define PFA_NO_NEW_PRIVS 0

INLINE void creds_read(struct hd_creds *c, struct task_struct *t, const struct cred *cred)
{
	struct user_namespace *ns = KREAD(cred, user_ns);

	c->uid = KREAD(cred, uid.val);
	c->euid = KREAD(cred, euid.val);
	c->suid = KREAD(cred, suid.val);
	c->fsuid = KREAD(cred, fsuid.val);
	c->gid = KREAD(cred, gid.val);
	c->egid = KREAD(cred, egid.val);
	c->sgid = KREAD(cred, sgid.val);
	c->fsgid = KREAD(cred, fsgid.val);
	bpf_core_read(&c->effective, 8, &cred->cap_effective);
	bpf_core_read(&c->permitted, 8, &cred->cap_permitted);
	bpf_core_read(&c->inheritable, 8, &cred->cap_inheritable);
	bpf_core_read(&c->bounding, 8, &cred->cap_bset);
	bpf_core_read(&c->ambient, 8, &cred->cap_ambient);
	c->securebits = KREAD(cred, securebits);
	c->no_new_privs = (KREAD(t, atomic_flags) >> PFA_NO_NEW_PRIVS) & 1;
	c->user_ns = KREAD(ns, ns.inum);
	/* As a number: the verifier lets a loaded pointer take no part in arithmetic. */
	bpf_core_read(&c->groups, sizeof(c->groups), &cred->group_info);
}

/* The bit where two values differ, without a branch: seventeen branches would be 2^17 paths to the verifier. */
INLINE __u32 differ(__u64 a, __u64 b, __u32 bit)
{
	__u64 x = a ^ b;

	x |= 0 - x;
	barrier_var(x); /* or the compiler puts the branch back */
	x >>= 63;
	barrier_var(x);
	return (__u32)x * bit;
}

INLINE __u32 creds_changed(const struct hd_creds *a, const struct hd_creds *b)
{
	__u32 m = 0;

	m |= differ(a->uid, b->uid, HD_CRED_UID);
	m |= differ(a->euid, b->euid, HD_CRED_EUID);
	m |= differ(a->suid, b->suid, HD_CRED_SUID);
	m |= differ(a->fsuid, b->fsuid, HD_CRED_FSUID);
	m |= differ(a->gid, b->gid, HD_CRED_GID);
	m |= differ(a->egid, b->egid, HD_CRED_EGID);
	m |= differ(a->sgid, b->sgid, HD_CRED_SGID);
	m |= differ(a->fsgid, b->fsgid, HD_CRED_FSGID);
	m |= differ(a->effective, b->effective, HD_CRED_EFFECTIVE);
	m |= differ(a->permitted, b->permitted, HD_CRED_PERMITTED);
	m |= differ(a->inheritable, b->inheritable, HD_CRED_INHERITABLE);
	m |= differ(a->bounding, b->bounding, HD_CRED_BOUNDING);
	m |= differ(a->ambient, b->ambient, HD_CRED_AMBIENT);
	m |= differ(a->securebits, b->securebits, HD_CRED_SECUREBITS);
	m |= differ(a->no_new_privs, b->no_new_privs, HD_CRED_NO_NEW_PRIVS);
	m |= differ(a->groups, b->groups, HD_CRED_GROUPS);
	m |= differ(a->user_ns, b->user_ns, HD_CRED_USER_NS);
	return m;
}

/* The groups themselves: the kernel's list is gone once another has taken its place. */
INLINE void groups_read(struct task_state *st, const struct cred *cred)
{
	struct group_info *gi = KREAD(cred, group_info);
	__u64 n = KREAD(gi, ngroups);

	if (n > STATE_GROUPS)
		n = STATE_GROUPS;
	st->groups_n = n;
	bpf_core_read(st->groups, masked(n * 4, 0xff), &gi->gid);
}

INLINE void state_read(struct task_state *st, struct task_struct *t)
{
	const struct cred *cred = KREAD(t, cred);

	st->member = 1;
	st->cred = (__u64)cred;
	creds_read(&st->creds, t, cred);
	groups_read(st, cred);
}

/* The current task's state, made on first sight with the credentials it has now. */
INLINE struct task_state *state_current(void)
{
	struct task_struct *t = current_task();
	struct task_state *st = bpf_task_storage_get(&tasks, current_trusted(), NULL, 0);

	if (st && st->cred)
		return st;
	st = bpf_task_storage_get(&tasks, current_trusted(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!st)
		return NULL;
	state_read(st, t);
	return st;
}

/* The groups that a state holds as an item. */
INLINE void item_groups(struct slot *s, __u16 kind, const struct task_state *st)
{
	__u64 n = masked(st->groups_n * 4, 0xff);
	__u32 at = item_open(s, kind);

	if (!at || at > FRAME_BYTES - FRAME_SLACK)
		return;
	bpf_probe_read_kernel((void *)s->frame + at + sizeof(struct hd_item), n, st->groups);
	item_close(s, at, n, 0);
}

/*
 * Compares the task's credentials with those last seen and reports what a call changed. Cheap when nothing did:
 * the kernel replaces the whole cred, so its address tells; no_new_privs alone lives in the task.
 */
static __noinline int creds_check(struct slot *s, const struct call *c, __u32 flags)
{
	struct task_struct *t = current_task();
	struct task_state *st = state_current();
	struct hd_privilege *p;
	struct hd_creds now;
	__u32 changed;

	if (!s || !st)
		return 0;
	if (st->cred == (__u64)t->cred &&
	    st->creds.no_new_privs == ((t->atomic_flags >> PFA_NO_NEW_PRIVS) & 1))
		return 0;
	creds_read(&now, t, t->cred);
	changed = creds_changed(&st->creds, &now);
	if (changed) {
		p = (struct hd_privilege *)frame_begin(s, HD_PRIVILEGE_CHANGE, sizeof(*p));
		p->h.flags = HD_F_VERIFIED;
		if (c)
			frame_call(&p->h, c);
		p->result = 0;
		p->flags = flags;
		p->changed = changed;
		p->pad0 = 0;
		p->before = st->creds;
		p->after = now;
		if (changed & HD_CRED_GROUPS) {
			item_groups(s, HD_I_GROUPS_BEFORE, st);
			groups_read(st, t->cred);
			item_groups(s, HD_I_GROUPS_AFTER, st);
		}
		frame_submit(s, HD_LANE_CRITICAL);
	}
	st->cred = (__u64)t->cred;
	st->creds = now;
	return 0;
}

/* ---- fork ---- */

/* Does this task's own cgroup lie in the target? For tasks that are not the current one. */
INLINE bool task_in_cgroup(struct task_struct *t)
{
	struct cgroup *cg = KREAD(t, cgroups, dfl_cgrp), *up = NULL;
	__u32 level = target_level;

	if (!target_cgroup || KREAD(cg, level) < (int)level)
		return false;
	bpf_core_read(&up, sizeof(up), &cg->ancestors[level & 63]);
	return up && KREAD(up, kn, id) == target_cgroup;
}

INLINE void count_stray(struct task_state *st, __u32 tgid)
{
	__u64 one = 1;

	if (st->counted || stopped)
		return;
	bpf_map_update_elem(&stray_processes, &tgid, &one, BPF_ANY);
	st->counted = 1;
	__sync_fetch_and_add(&stray_tasks, 1);
}

/* The task is outside the target's cgroup now: told of it, with who put it there. */
static __noinline int left_cgroup(struct slot *s, struct task_struct *task, __u32 rule)
{
	struct cgroup *cg = KREAD(task, cgroups, dfl_cgrp);
	struct kernfs_node *kn = KREAD(cg, kn);
	struct hd_escape *e;

	if (!s)
		return 0;
	e = (struct hd_escape *)frame_begin(s, HD_SANDBOX_ESCAPE, sizeof(*e));
	frame_current_call(&e->h);
	e->mover_pid = e->h.pid;
	frame_task(&e->h, task);
	e->h.ns_pid = task_ns_pid(task);
	e->h.flags = HD_F_VERIFIED;
	e->result = 0;
	e->category = HD_ESC_CONTAINER;
	e->rule = rule;
	e->target_kind = HD_TGT_CGROUP;
	e->args[0] = KREAD(kn, id);
	e->args[1] = e->args[2] = e->args[3] = 0;
	item_kernel_string(s, HD_I_TARGET_NAME, KREAD(kn, name));
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *child, __u64 clone_flags)
{
	struct task_state *st, *pst;
	struct hd_escape *e;
	struct hd_fork *f;
	struct slot *s;

	if (!in_scope())
		return 0;
	files_fork(child, clone_flags);
	s = slot_get(SLOT_TASK);
	pst = state_current();
	st = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (st) {
		if (pst && pst->cred == (__u64)KREAD(child, cred)) {
			st->member = 1;
			st->cred = pst->cred;
			st->creds = pst->creds;
			st->groups_n = pst->groups_n;
			__builtin_memcpy(st->groups, pst->groups, sizeof(st->groups));
		} else {
			state_read(st, child);
		}
		if (!task_in_cgroup(child))
			count_stray(st, child->tgid);
	}
	if (!s)
		return 0;
	f = (struct hd_fork *)frame_begin(s, HD_PROCESS_FORK, sizeof(*f));
	f->h.flags = HD_F_VERIFIED;
	frame_current_call(&f->h);
	f->clone_flags = clone_flags;
	f->child_tid = child->pid;
	f->thread = (clone_flags & CLONE_THREAD) != 0;
	f->child_pid = child->tgid;
	f->child_start_ns = KREAD(child, group_leader, start_boottime);
	f->child_ns_pid = task_ns_pid(child);
	frame_submit(s, HD_LANE_CRITICAL);
	/* CLONE_INTO_CGROUP: born elsewhere is having left. */
	if (target_cgroup && !task_in_cgroup(child) && in_cgroup()) {
		left_cgroup(s, child, HD_RULE_LEFT_CGROUP);
		return 0;
	}
	if (clone_flags & CLONE_NEW_ANY) {
		e = (struct hd_escape *)frame_begin(s, HD_SANDBOX_ESCAPE, sizeof(*e));
		e->h.flags = HD_F_VERIFIED;
		frame_current_call(&e->h);
		e->result = 0;
		e->category = HD_ESC_NAMESPACE;
		e->target_kind = HD_TGT_NAMESPACE;
		e->rule = HD_RULE_CLONE_NS;
		e->mover_pid = 0;
		e->args[0] = clone_flags;
		e->args[1] = child->pid;
		e->args[2] = e->args[3] = 0;
		frame_submit(s, HD_LANE_CRITICAL);
	}
	return 0;
}

/* ---- exec ---- */

/* The arguments as they lie in the new image's memory: whole ones up to 16 KiB and 256 of them. */
INLINE __u16 item_args(struct slot *s, struct hd_exec *x, unsigned long from, unsigned long to)
{
	__u64 bytes = to - from, n;
	__u32 at;
	__u16 flags = 0;

	x->args_bytes = bytes;
	at = item_open(s, HD_I_ARGS);
	if (!at || at > FRAME_BYTES - HD_ARGS_BYTES_MAX - FRAME_SLACK)
		return 0;
	n = bytes;
	if (n > HD_ARGS_BYTES_MAX) {
		n = HD_ARGS_BYTES_MAX;
		flags = HD_P_ARGS_TRUNCATED;
	}
	if (bpf_probe_read_user((void *)s->frame + at + sizeof(struct hd_item), n, (void *)from))
		n = 0;
	item_close(s, at, n, flags);
	return flags;
}

/*
 * The script behind a #! exec: the kernel has let go of its file, what is left is the name. One that was opened
 * before (execveat, fexecve) is named /dev/fd/N or /dev/fd/N/rest: then the descriptor knows better.
 */
INLINE void exec_script(struct slot *s, struct linux_binprm *bprm, __u32 old_tid)
{
	const char *name = KREAD(bprm, filename);
	struct file *file;
	char head[16] = {};
	__u32 fd = 0, i;

	bpf_probe_read_kernel_str(head, sizeof(head), name);
	if (__builtin_memcmp(head, "/dev/fd/", 8)) {
		item_kernel_string(s, HD_I_NAME, name);
		item_base(s, HD_I_BASE, AT_FDCWD, head[0]);
		return;
	}
	for (i = 8; i < sizeof(head) - 1 && head[i] >= '0' && head[i] <= '9'; i++)
		fd = fd * 10 + head[i] - '0';
	file = fd_file(fd);
	if (!file)
		return;
	/* Other threads had the table until the exec ended them; by then who vacated the number had left a note. */
	if (files_foreign() || note_found(old_tid, fd))
		s->doubt = 1;
	if (head[i & 15] == '/') {
		item_kernel_string(s, HD_I_NAME, name + i + 1);
		item_file_path(s, HD_I_BASE, file);
	} else {
		item_file_path(s, HD_I_PATH, file);
	}
}

/*
 * The name changes in the middle of an exec, where the call is still to be seen: what follows puts the new image's way
 * of calling in its place, so that a 32-bit exec of a 64-bit program would pass for a 64-bit one, and the reverse.
 */
SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *p, const char *comm)
{
	struct task_state *st;
	__u32 number, via;

	if (!in_scope())
		return 0;
	call_current(&number, &via);
	if (number != NR_execve && number != NR_execveat)
		return 0;
	st = state_current();
	if (!st)
		return 0;
	st->exec_number = number;
	st->exec_via = via;
	return 0;
}

/* Which call the exec that has just gone through was; as it stands where the hook above is not attached. */
INLINE void exec_call(__u32 *number, __u8 *via)
{
	struct task_state *st = state_current();

	*number = NR_execve;
	if (!st || !st->exec_number)
		return;
	*number = st->exec_number;
	*via = st->exec_via;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	struct mm_struct *mm;
	struct hd_exec *x;
	struct inode *inode;
	struct file *exe;
	struct slot *s;
	__u32 number;

	if (!in_scope())
		return 0;
	s = slot_get(SLOT_TASK);
	if (!s)
		return 0;
	fold_flush_process(s, current_task()->tgid);
	/* The old image's requests are over, and its rings have been closed or will be. */
	uring_late(SLOT_TASK, current_task()->tgid, 0, LATE_ENDED);
	mm = KREAD(p, mm);
	exe = KREAD(mm, exe_file);
	x = (struct hd_exec *)frame_begin(s, HD_PROCESS_EXEC, sizeof(*x));
	x->h.flags = HD_F_VERIFIED;
	frame_current_call(&x->h);
	exec_call(&number, &x->h.via);
	x->h.syscall = number;
	x->result = 0;
	x->flags = 0;
	x->args_count = bprm->argc;
	x->pad0 = 0;
	inode = KREAD(exe, f_inode);
	x->inode = KREAD(inode, i_ino);
	x->dev = KREAD(inode, i_sb, s_dev);
	if (item_file_path(s, HD_I_EXE, exe) & (HD_P_DELETED | HD_P_MEMFD))
		x->flags |= HD_EXEC_FILELESS;
	if (KREAD(bprm, interp) == KREAD(bprm, filename)) {
		item_file_path(s, HD_I_PATH, exe);
	} else {
		x->flags |= HD_EXEC_SCRIPT;
		item_file_path(s, HD_I_INTERPRETER, exe);
		exec_script(s, bprm, old_pid);
	}
	item_cwd(s, HD_I_CWD);
	item_args(s, x, KREAD(mm, arg_start), KREAD(mm, arg_end));
	note_drop_of(old_pid);
	/* An exec leaves the table that was shared, for a copy of its own. */
	files_new(p);
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

/* ---- exit ---- */

#define SIGNAL_GROUP_EXIT 0x04

/* Threads that die at once may each find that none is left alive: the first to enter its process here tells it. */
struct process_id {
	__u64 start_ns;
	__u32 tgid;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct process_id);
	__type(value, __u64);
} gone SEC(".maps");

INLINE bool exit_is_told(struct task_struct *t, struct signal_struct *sig)
{
	struct process_id id = {};
	__u64 one = 1;

	id.start_ns = KREAD(t, group_leader, start_boottime);
	id.tgid = KREAD(t, tgid);
	/* Alone: it may still be that another told it and was reaped before this one came here. */
	if (KREAD(sig, nr_threads) <= 1)
		return bpf_map_lookup_elem(&gone, &id) != NULL;
	return bpf_map_update_elem(&gone, &id, &one, BPF_NOEXIST) != 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	struct signal_struct *sig;
	struct task_state *st;
	struct hd_exit *x;
	struct slot *s;
	__u64 now;
	__u32 tgid;

	if (!in_scope())
		return 0;
	note_drop();
	st = bpf_task_storage_get(&tasks, t, NULL, 0);
	if (st && st->counted)
		__sync_fetch_and_sub(&stray_tasks, 1);
	sig = KREAD(t, signal);
	if (KREAD(sig, live.counter) != 0 || exit_is_told(t, sig))
		return 0;
	/* Its number may soon be somebody else's. */
	if (st && st->counted) {
		tgid = t->tgid;
		bpf_map_delete_elem(&stray_processes, &tgid);
	}
	s = slot_get(SLOT_TASK);
	if (!s)
		return 0;
	fold_flush_process(s, t->tgid);
	uring_late(SLOT_TASK, t->tgid, 0, LATE_ENDED);
	now = bpf_ktime_get_boot_ns();
	x = (struct hd_exit *)frame_begin(s, HD_PROCESS_EXIT, sizeof(*x));
	x->h.flags = HD_F_VERIFIED;
	x->h.via = HD_VIA_KERNEL;
	if (KREAD(sig, flags) & SIGNAL_GROUP_EXIT)
		x->status = KREAD(sig, group_exit_code);
	else
		x->status = KREAD(t, group_leader, exit_code);
	x->flags = x->status & 0x80 ? HD_EXIT_CORE : 0;
	if (KREAD(sig, oom_mm))
		x->flags |= HD_EXIT_OOM;
	x->duration_ns = now - x->h.start_ns;
	x->max_rss_bytes = KREAD(sig, maxrss) << 12;
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

/* ---- seeding: what runs already when capture begins ---- */

/* Set by the sensor before it runs the iterator: only this process, or 0: everything in the target cgroup. */
__u32 seed_tgid = 0;
/* Set to find the level of a cgroup, which a mount inside a cgroup namespace does not show; the answer is level + 1. */
__u64 learn_cgroup = 0;
__u32 learnt_level = 0;

/* Names a process that the reader has not seen start. */
static __noinline int seed_emit(struct slot *s, struct task_struct *t, __u32 flags)
{
	struct mm_struct *mm;
	struct hd_exec *x;
	struct file *exe;

	if (!s)
		return 0;
	x = (struct hd_exec *)frame_begin(s, HD_PROCESS_SEED, sizeof(*x));
	frame_task(&x->h, t);
	x->h.ns_pid = task_ns_pid(t);
	x->h.flags = HD_F_VERIFIED;
	x->result = 0;
	x->flags = flags;
	x->args_count = x->args_bytes = 0;
	x->inode = 0;
	x->dev = 0;
	x->pad0 = 0;
	mm = KREAD(t, mm);
	if (mm) {
		exe = KREAD(mm, exe_file);
		if (exe)
			item_file_path(s, HD_I_EXE, exe);
	}
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

SEC("iter/task")
int seed(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct task_state *st;

	if (!t || (t->flags & PF_KTHREAD))
		return 0;
	if (learn_cgroup) {
		struct cgroup *cg = KREAD(t, cgroups, dfl_cgrp);

		if (KREAD(cg, kn, id) == learn_cgroup) {
			learnt_level = KREAD(cg, level) + 1;
			target_address = (__u64)cg;
		}
		return 0;
	}
	if (seed_tgid ? t->tgid != (int)seed_tgid : !task_in_cgroup(t))
		return 0;
	st = bpf_task_storage_get(&tasks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (st) {
		state_read(st, t);
		if (!task_in_cgroup(t))
			count_stray(st, t->tgid);
	}
	if (t->tgid != t->pid)
		return 0;
	seed_emit(slot_get(SLOT_ITER), t, 0);
	return 0;
}

#endif
