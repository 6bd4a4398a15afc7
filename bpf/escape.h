/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sandbox escapes: the calls that are one by themselves, opens of what a sandboxed program has no business with,
 * and leaving the cgroup. The kernel side is generous where a path must be judged (the reader has the table of
 * full paths and drops what does not match), so that the critical lane carries them even under a flood of opens.
 */
#ifndef HEDDLE_BPF_ESCAPE_H
#define HEDDLE_BPF_ESCAPE_H

#include "path.h"
#include "task.h"

#define PR_SET_SECCOMP 22

struct proc_inode {
	struct pid *pid;
	void *sysctl;
	struct inode vfs_inode;
} __attribute__((preserve_access_index));

INLINE struct hd_escape *escape_begin(struct slot *s, const struct call *c, __u32 category, __u32 rule)
{
	struct hd_escape *e = (struct hd_escape *)frame_begin(s, HD_SANDBOX_ESCAPE, sizeof(*e));

	if (c) {
		frame_call(&e->h, c);
		e->result = c->result;
		e->args[0] = c->a[0];
		e->args[1] = c->a[1];
		e->args[2] = c->a[2];
		e->args[3] = c->a[3];
	} else {
		e->result = 0;
		e->args[0] = e->args[1] = e->args[2] = e->args[3] = 0;
	}
	e->category = category;
	e->target_kind = HD_TGT_NONE;
	e->rule = rule;
	e->mover_pid = 0;
	return e;
}

/* ---- opens ---- */

INLINE int proc_pid_of(struct inode *inode)
{
	struct proc_inode *pi = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	struct pid *pid = KREAD(pi, pid);
	int nr = 0;

	if (pid)
		bpf_core_read(&nr, sizeof(nr), &pid->numbers[0].nr);
	return nr;
}

INLINE bool proc_is_sysctl(struct inode *inode)
{
	struct proc_inode *pi = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);

	return KREAD(pi, sysctl) != NULL;
}

#define LEAF(leaf, text) (!__builtin_memcmp(leaf, text, sizeof(text)))

struct leaf {
	char name[32];
};

/* A file's own name, wherever it is mounted: the path may end in the name of a mount point. */
INLINE void leaf_read(struct leaf *leaf, struct dentry *d)
{
	const unsigned char *name = KREAD(d, d_name.name);

	if (HD_CAST) {
		load16(leaf->name, name);
		load16(leaf->name + 16, name + 16);
	} else {
		bpf_probe_read_kernel_str(leaf->name, sizeof(leaf->name), name);
	}
}

/* tgid and tid: whoever opens it. */
INLINE __u32 rule_of_proc(const char *leaf, struct inode *inode, bool write, int tgid, int tid)
{
	int pid = proc_pid_of(inode);

	if (pid) {
		if (LEAF(leaf, "uid_map") || LEAF(leaf, "gid_map") || LEAF(leaf, "setgroups"))
			return write ? HD_RULE_SENSITIVE_PROC : 0;
		if (pid == tgid || pid == tid)
			return 0;
		if (LEAF(leaf, "mem"))
			return HD_RULE_PROC_MEM;
		if (LEAF(leaf, "environ") || LEAF(leaf, "maps") || LEAF(leaf, "auxv") || LEAF(leaf, "stack") ||
		    LEAF(leaf, "syscall") || LEAF(leaf, "pagemap"))
			return HD_RULE_SENSITIVE_PROC;
		return 0;
	}
	if (LEAF(leaf, "core_pattern"))
		return write ? HD_RULE_CORE_PATTERN : 0;
	if (proc_is_sysctl(inode))
		return write ? HD_RULE_SENSITIVE_PROC : 0;
	if (LEAF(leaf, "kcore") || LEAF(leaf, "kmem") || LEAF(leaf, "kallsyms") || LEAF(leaf, "kmsg") ||
	    LEAF(leaf, "sysrq-trigger") || LEAF(leaf, "kpageflags") || LEAF(leaf, "kpagecount") || LEAF(leaf, "keys") ||
	    LEAF(leaf, "timer_list") || LEAF(leaf, "sched_debug") || LEAF(leaf, "vmcore") || LEAF(leaf, "mtrr"))
		return HD_RULE_SENSITIVE_PROC;
	return write ? HD_RULE_SENSITIVE_PROC : 0;
}

INLINE __u32 rule_of_open(const struct object *o, const char *leaf, struct inode *inode, bool write, int tgid, int tid)
{
	__u32 kind = o->mode & S_IFMT;

	if (kind == S_IFBLK)
		return HD_RULE_HOST_DEVICE;
	if (kind == S_IFCHR) {
		/* 1:1 mem, 1:2 kmem, 1:4 port */
		if (o->rdev == (1 << 20 | 1) || o->rdev == (1 << 20 | 2) || o->rdev == (1 << 20 | 4))
			return HD_RULE_HOST_DEVICE;
		return 0;
	}
	if (kind == S_IFDIR)
		return 0;
	switch (o->magic) {
	case PROC_SUPER_MAGIC:
		return rule_of_proc(leaf, inode, write, tgid, tid);
	case SYSFS_MAGIC:
		return write ? HD_RULE_SENSITIVE_PROC : 0;
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case BPF_FS_MAGIC:
		return HD_RULE_SENSITIVE_PROC;
	case BINFMTFS_MAGIC:
		return write ? HD_RULE_SENSITIVE_PROC : 0;
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return write && LEAF(leaf, "release_agent") ? HD_RULE_RELEASE_AGENT : 0;
	}
	return LEAF(leaf, "token") ? HD_RULE_TOKEN : 0;
}

INLINE __u32 category_of_rule(__u32 rule)
{
	switch (rule) {
	case HD_RULE_SENSITIVE_PROC:
		return HD_ESC_PROC_SYS;
	case HD_RULE_PROC_MEM:
		return HD_ESC_PTRACE;
	}
	return HD_ESC_CONTAINER;
}

#define FMODE_WRITE 2

/* A name that went through /proc and came out at something that is not proc's: a magic link. */
INLINE bool head_is_magic(const char head[8], const struct object *o)
{
	return o->magic != PROC_SUPER_MAGIC && !__builtin_memcmp(head, "/proc/", 6) && head[6] >= '0' && head[6] <= '9';
}

INLINE bool name_is_magic(const void *name, const struct object *o)
{
	char head[8] = {};

	return name && !bpf_probe_read_user(head, 8, name) && head_is_magic(head, o);
}

INLINE void escape_of_open(struct slot *s, const struct call *c, const struct object *o, const void *name,
			   struct file *file, bool doubt)
{
	struct leaf leaf = {};
	struct inode *inode = NULL;
	struct hd_escape *e;
	__u32 rule = 0;
	bool write;

	if (c->number == NR_open_by_handle_at) {
		rule = HD_RULE_HANDLE;
	} else if (c->result >= 0) {
		if (!file || !o->inode)
			return;
		inode = KREAD(file, f_inode);
		write = KREAD(file, f_mode) & FMODE_WRITE;
		leaf_read(&leaf, KREAD(file, f_path.dentry));
		rule = rule_of_open(o, leaf.name, inode, write, current_task()->tgid, current_task()->pid);
		if (!rule && name_is_magic(name, o))
			rule = HD_RULE_MAGIC_LINK;
	}
	if (!rule)
		return;
	e = escape_begin(s, c, category_of_rule(rule), rule);
	e->target_kind = HD_TGT_PATH;
	if (c->result >= 0 && rule != HD_RULE_MAGIC_LINK) {
		if (file) {
			e->h.flags |= HD_F_VERIFIED;
			s->doubt = doubt;
			item_file_path(s, HD_I_TARGET_PATH, file);
		}
	} else if (rule == HD_RULE_HANDLE) {
		e->target_kind = HD_TGT_NONE;
	} else {
		item_user_string(s, HD_I_TARGET_NAME, name);
	}
	frame_submit(s, HD_LANE_CRITICAL);
}

/* ---- calls ---- */

INLINE int pid_of_pidfd(unsigned int fd)
{
	struct file *file = fd_file(fd);
	struct inode *inode;
	struct pid *pid;
	int nr = 0;

	if (!file)
		return 0;
	pid = KREAD(file, private_data);
	if (!pid) {
		inode = KREAD(file, f_inode);
		bpf_core_read(&pid, sizeof(pid), &inode->i_private);
	}
	if (pid)
		bpf_core_read(&nr, sizeof(nr), &pid->numbers[0].nr);
	return nr;
}

INLINE void escape_names(struct slot *s, struct hd_escape *e, int target_dirfd, const void *target, const void *first,
			 const void *second)
{
	e->target_kind = HD_TGT_PATH;
	if (target)
		item_user_path(s, HD_I_TARGET_NAME, HD_I_BASE, target_dirfd, target);
	if (first)
		item_user_string(s, HD_I_TEXT, first);
	if (second)
		item_user_string(s, HD_I_NAME2, second);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_mount, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct hd_escape *e;
	struct call c;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	e = escape_begin(s, &c, HD_ESC_MOUNT, HD_RULE_SYSCALL);
	switch (c.number) {
	case NR_mount:
		escape_names(s, e, AT_FDCWD, (void *)c.a[1], (void *)c.a[0], (void *)c.a[2]);
		break;
	case NR_umount2:
		escape_names(s, e, AT_FDCWD, (void *)c.a[0], NULL, NULL);
		break;
	case NR_fsopen:
		escape_names(s, e, AT_FDCWD, NULL, NULL, (void *)c.a[0]);
		e->target_kind = HD_TGT_NONE;
		break;
	case NR_fsconfig:
		escape_names(s, e, AT_FDCWD, NULL, (void *)c.a[2], NULL);
		e->target_kind = HD_TGT_NONE;
		break;
	case NR_move_mount:
		escape_names(s, e, c.a[2], (void *)c.a[3], (void *)c.a[1], NULL);
		break;
	case NR_open_tree:
	case NR_open_tree_attr:
	case NR_fspick:
	case NR_mount_setattr:
		escape_names(s, e, c.a[0], (void *)c.a[1], NULL, NULL);
		break;
	case NR_pivot_root:
		e->category = HD_ESC_NAMESPACE;
		escape_names(s, e, AT_FDCWD, (void *)c.a[0], (void *)c.a[1], NULL);
		break;
	default:
		e->h.flags |= HD_F_VERIFIED;
		break;
	}
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

/* Calls whose arguments are numbers or a descriptor. */
INLINE __u32 category_of_call(const struct call *c)
{
	switch (c->number) {
	case NR_bpf:
		return HD_ESC_BPF;
	case NR_perf_event_open:
		return HD_ESC_PERF_EVENT;
	case NR_init_module:
	case NR_finit_module:
	case NR_delete_module:
	case NR_kexec_load:
	case NR_kexec_file_load:
		return HD_ESC_MODULE_LOAD;
	case NR_ptrace:
	case NR_process_vm_readv:
	case NR_process_vm_writev:
	case NR_pidfd_getfd:
		return HD_ESC_PTRACE;
	case NR_seccomp:
		/* 2 and 3 only ask what there is. */
		return c->a[0] != 2 && c->a[0] != 3 ? HD_ESC_SECCOMP : 0;
	case NR_prctl:
		return c->a[0] == PR_SET_SECCOMP ? HD_ESC_SECCOMP : 0;
	case NR_unshare:
		return c->a[0] & CLONE_NEW_ANY ? HD_ESC_NAMESPACE : 0;
	case NR_setns:
	case NR_chroot:
		return HD_ESC_NAMESPACE;
	case NR_iopl:
	case NR_ioperm:
		return HD_ESC_CONTAINER;
	case NR_sethostname:
	case NR_setdomainname:
		return HD_ESC_PROC_SYS;
	case NR_syslog:
		/* 0 and 1 do nothing, 9 and 10 only ask how much there is. */
		return c->a[0] >= 2 && c->a[0] <= 8 ? HD_ESC_PROC_SYS : 0;
	}
	return 0;
}

INLINE void escape_target(struct slot *s, struct hd_escape *e, const struct call *c)
{
	struct file *file;

	e->h.flags |= HD_F_VERIFIED;
	switch (c->number) {
	case NR_ptrace:
		e->target_kind = HD_TGT_PID;
		e->args[0] = c->a[1];
		e->args[1] = c->a[0];
		break;
	case NR_process_vm_readv:
	case NR_process_vm_writev:
		e->target_kind = HD_TGT_PID;
		break;
	case NR_pidfd_getfd:
		e->target_kind = HD_TGT_PID;
		e->args[0] = pid_of_pidfd(c->a[0]);
		if (fd_doubted(c->a[0], 0))
			s->doubt = 1;
		break;
	case NR_unshare:
		e->target_kind = HD_TGT_NAMESPACE;
		break;
	case NR_setns:
		e->target_kind = HD_TGT_NAMESPACE;
		e->args[0] = c->a[1];
		e->args[1] = c->a[0];
		break;
	case NR_chroot:
		e->target_kind = HD_TGT_PATH;
		if (c->result == 0) {
			struct fs_struct *fs = KREAD(current_task(), fs);

			/* Who shares it may have changed it since. */
			if (KREAD(fs, users) > 1)
				s->doubt = 1;
			item_path(s, HD_I_TARGET_PATH, KREAD(fs, root.mnt), KREAD(fs, root.dentry));
		} else {
			e->h.flags = 0;
			item_user_path(s, HD_I_TARGET_NAME, HD_I_BASE, AT_FDCWD, (void *)c->a[0]);
		}
		break;
	case NR_finit_module:
	case NR_kexec_file_load:
		file = fd_file(c->a[0]);
		if (file) {
			if (fd_doubted(c->a[0], 0))
				s->doubt = 1;
			e->target_kind = HD_TGT_PATH;
			item_file_path(s, HD_I_TARGET_PATH, file);
		}
		break;
	case NR_delete_module:
		e->h.flags = 0;
		e->target_kind = HD_TGT_PATH;
		item_user_string(s, HD_I_TARGET_NAME, (void *)c->a[0]);
		break;
	}
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_escape, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct hd_escape *e;
	struct call c;
	__u32 category;

	if (!s)
		return 0;
	call_read(&c, regs, ret);
	category = category_of_call(&c);
	if (category) {
		e = escape_begin(s, &c, category, HD_RULE_SYSCALL);
		escape_target(s, e, &c);
		frame_submit(s, HD_LANE_CRITICAL);
	}
	if (ret >= 0)
		creds_check(s, &c, 0);
	return 0;
}

/* clone and clone3 that failed: the successful ones are told by the fork hook, from the kernel's own flags. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_clone, struct pt_regs *regs, long ret)
{
	struct slot *s = slot_get(SLOT_TASK);
	struct hd_escape *e;
	__u64 flags = 0;
	struct call c;

	if (!s || ret >= 0)
		return 0;
	call_read(&c, regs, ret);
	if (c.number == NR_clone3)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)c.a[0]);
	else
		flags = c.a[0] & ~0xffULL;
	if (!(flags & CLONE_NEW_ANY))
		return 0;
	e = escape_begin(s, &c, HD_ESC_NAMESPACE, HD_RULE_CLONE_NS);
	if (c.number == NR_clone)
		e->h.flags |= HD_F_VERIFIED;
	e->target_kind = HD_TGT_NAMESPACE;
	e->args[0] = flags;
	e->args[1] = 0;
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

/* ---- leaving the cgroup ---- */

INLINE bool cgroup_below(struct cgroup *cg, __u64 home, __u32 level)
{
	struct cgroup *up = NULL;

	if (KREAD(cg, level) < (int)level)
		return false;
	bpf_core_read(&up, sizeof(up), &cg->ancestors[level & 63]);
	return up && KREAD(up, kn, id) == home;
}

/* A task was moved; this runs in the mover's context, after the move, in every hierarchy. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_attach, struct cgroup *dst, const char *path, struct task_struct *task, bool threadgroup)
{
	int hierarchy = KREAD(dst, root, hierarchy_id);
	struct task_state *st;
	struct hd_escape *e;
	struct slot *s;
	__u64 home;
	__u32 level;

	if (!target_cgroup && !stray_tasks)
		return 0;
	s = slot_get(SLOT_TASK);
	st = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (!st || !st->member) {
		/* One that comes in from outside joins, and has to be introduced. */
		if (hierarchy || !target_cgroup || !cgroup_below(dst, target_cgroup, target_level))
			return 0;
		st = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (st)
			state_read(st, task);
		return seed_emit(s, task, HD_SEED_JOINED);
	}
	if (!hierarchy) {
		home = target_cgroup;
		level = target_level;
	} else {
		home = home_cgroup[hierarchy & (HD_MAX_HIERARCHIES - 1)];
		level = home_level[hierarchy & (HD_MAX_HIERARCHIES - 1)];
	}
	if (!home || cgroup_below(dst, home, level))
		return 0;
	if (!hierarchy)
		count_stray(st, KREAD(task, tgid));
	if (!s)
		return 0;
	e = escape_begin(s, NULL, HD_ESC_CONTAINER, HD_RULE_LEFT_CGROUP);
	frame_current_call(&e->h);
	e->mover_pid = e->h.pid;
	frame_task(&e->h, task);
	e->h.ns_pid = task_ns_pid(task);
	e->h.flags = HD_F_VERIFIED;
	e->target_kind = HD_TGT_CGROUP;
	e->args[0] = KREAD(dst, kn, id);
	e->args[1] = hierarchy;
	item_kernel_string(s, HD_I_TARGET_NAME, path);
	frame_submit(s, HD_LANE_CRITICAL);
	return 0;
}

#endif
