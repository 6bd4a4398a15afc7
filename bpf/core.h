/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every family of hooks stands on: configuration, maps, the scope test, the frame under construction and its
 * way into a lane. All handlers run with preemption off (tracepoints) or use a slot of their own, so a slot's frame
 * has one writer at a time.
 */
#ifndef HEDDLE_BPF_CORE_H
#define HEDDLE_BPF_CORE_H

#define HD_BPF
#include "kernel.h"
#include "request.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "wire/event.h"
#include "calls.h"

#define INLINE static __always_inline

/* A length that the verifier believes: the compiler may not move or widen this mask. */
INLINE __u64 masked(__u64 x, const __u64 mask)
{
	asm volatile("%0 &= %1" : "+r"(x) : "i"(mask));
	return x;
}

/* Set before load. */
const volatile __u32 cfg_self_tgid = 0; /* the sensor, which never sees itself */
const volatile __u64 cfg_wake[HD_LANE_MAX] = {}; /* by lane: bytes waiting that make it wake its reader */
/*
 * By lane: whoever waits for it has been woken, and has not looked since; they clear it. In a flood one frame in
 * sixteen would wake somebody who is awake, and an interrupt to another processor costs as much as several events.
 */
__u32 woken[HD_LANE_MAX];
/*
 * By lane, bytes: while more wait to be read a call that makes frames waits itself for a while; 0: none does. Set where
 * the workload is to be slowed, which the throttle's freezing does, too, but not at once.
 */
__u64 brake[HD_LANE_MAX];
__u32 braking = 0; /* a frame was made while more waited; calls wait until one of them has seen room */
const volatile __u16 cfg_dns_ports[HD_MAX_DNS_PORTS] = {};
const volatile bool cfg_lsm = false;

/*
 * 1: for kernels with bpf_rdonly_cast (6.2), 0: for those without. Compiled twice, not chosen by a variable: the kernel
 * takes out dead code piece by piece, and each piece moves all the code that is behind it.
 */
#ifndef HD_CAST
#define HD_CAST 1
#endif

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

/*
 * Reads a field through kernel pointers: with the cast a plain load that a fault turns into 0 (about 1 ns), without
 * it a probe read (about 30 ns here). KREAD(p, a, b.c) is p->a->b.c.
 */
#define KREAD1(p, f)                                                                                         \
	({                                                                                                   \
		__typeof__(p) _p = (p);                                                                      \
		__typeof__(({ _p->f; })) _v;                                                                 \
		if (HD_CAST)                                                                                \
			_v = ((__typeof__(_p))bpf_rdonly_cast(_p, bpf_core_type_id_kernel(__typeof__(*_p))))->f; \
		else                                                                                         \
			bpf_core_read(&_v, sizeof(_v), &_p->f);                                              \
		_v;                                                                                          \
	})
#define KREAD2(p, a, b) KREAD1(KREAD1(p, a), b)
#define KREAD3(p, a, b, c) KREAD1(KREAD2(p, a, b), c)
#define KREAD4(p, a, b, c, d) KREAD1(KREAD3(p, a, b, c), d)
#define KREAD_PICK(_1, _2, _3, _4, name, ...) name
#define KREAD(p, ...) KREAD_PICK(__VA_ARGS__, KREAD4, KREAD3, KREAD2, KREAD1)(p, __VA_ARGS__)

/*
 * Words of kernel memory by plain loads: any kernel struct that begins with two scalars will do to say so to the
 * verifier. Each type costs the start nearly a millisecond, so it is one that is needed anyway.
 */
INLINE __u64 load8(const void *from)
{
	__u64 word = 0;

	if (HD_CAST)
		return ((struct pt_regs *)bpf_rdonly_cast(from, bpf_core_type_id_kernel(struct pt_regs)))->r15;
	bpf_probe_read_kernel(&word, sizeof(word), from);
	return word;
}

INLINE void load16(void *to, const void *from)
{
	if (HD_CAST) {
		struct pt_regs *w = bpf_rdonly_cast(from, bpf_core_type_id_kernel(struct pt_regs));

		((__u64 *)to)[0] = w->r15;
		((__u64 *)to)[1] = w->r14;
	} else {
		bpf_probe_read_kernel(to, 16, from);
	}
}

/* Set at run time by sensor_follow. No target: every test below is false and nothing is captured. */
__u64 target_cgroup = 0;
__u64 target_address = 0; /* of its struct cgroup, once learnt: the quickest test there is */
__u32 target_level = 0;
/*
 * Tasks of the workload that no cgroup test finds: those who left, and those attached by pid. 0 spares everyone the
 * look-up.
 */
__u32 stray_tasks = 0;
/* Set at the session's end: who leaves the cgroup from now on is no stray. */
bool stopped = false;
/* Where the workload began in each v1 hierarchy: cgroup id and level; 0 where at the root, which can't be left. */
__u64 home_cgroup[HD_MAX_HIERARCHIES] = {};
__u32 home_level[HD_MAX_HIERARCHIES] = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} critical SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bulk SEC(".maps");

/* What the sensor keeps of a task: filled in the fork hook from the parent, so that descent is membership. */
#define STATE_GROUPS 63
struct task_state {
	__u32 member;
	__u32 counted;      /* in stray_tasks */
	__u64 cred;         /* address of the cred that `creds` was read from */
	__u64 connecting;   /* address of the sock that the connect under way has sent out; 0: none */
	__u32 exec_number;  /* the call that an exec under way was made by, and its HD_VIA_ */
	__u32 exec_via;
	struct hd_creds creds;
	__u32 groups_n;
	__u32 groups[STATE_GROUPS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} tasks SEC(".maps");

/* Processes outside the cgroup that are members all the same, for hooks that can't ask task storage. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} stray_processes SEC(".maps");

#define SLOT_TASK 0    /* hooks in task context, preemption off */
#define SLOT_SOFTIRQ 1 /* hooks that may interrupt the first kind */
#define SLOT_ITER 2    /* iterators: preemptible, run by the sensor alone */
#define SLOT_EGRESS 3  /* cgroup egress: task context that softirq may interrupt */
#define SLOT_KINDS 4

#define FRAME_BYTES (56 * 1024)
#define FRAME_SLACK 1024

#define COUNTERS 32 /* HD_TYPE_MAX rounded up, so that a mask bounds the index on every kernel */

/* The dentries and mounts that a walk went through, so that it can tell whether one of them moved meanwhile. */
#define TRAIL 512
struct trail {
	__u64 n; /* more than TRAIL: too deep to say */
	struct {
		__u64 at;   /* a dentry's address; a mount's with its lowest bit set */
		__u64 mark; /* the dentry's sequence; what the mount was mounted on */
	} step[TRAIL];
};

/* Where a walk is. In a map, not on the stack, so that the verifier forgets each step and goes through one only. */
struct walk_place {
	__u64 at; /* offset of the next byte, beside the destination */
	__u64 flags; /* HD_P_ */
	__u64 dentry, mount, mount_root; /* addresses; before walk_begin `mount` is the struct vfsmount's */
};

/* A look at the other threads of a process (doubt.h). */
struct scan {
	__u64 at, head; /* addresses of list_heads */
	__u64 regs; /* of the saved registers, from the stack's base: the same for all */
	__u64 file; /* not 0: a socket's that is being connected */
	__u32 first, last;
	__u32 mode;
	__u32 self;
	__u32 found;
	__u32 done;
};

/* A system call's arguments, as x86-64 numbers and orders them. */
struct call {
	unsigned long a[6];
	long result;
	__u32 number; /* x86-64 numbering; NR_NONE: one that nothing here is about */
	__u8 via;
	__u8 form;    /* HD_FORM_* */
	bool memory;  /* arguments lay in the caller's memory, where another thread may have changed them since */
};

struct slot {
	struct hd_counter counters[COUNTERS];
	__u64 sequence[HD_LANE_MAX];
	struct walk_place walk; /* and what to walk: numbers, whatever the verifier thought they were */
	__u64 kind; /* SLOT_*, of this slot */
	__u64 busy; /* see slot_take */
	__u64 doubt; /* something in the frame may not be what the call acted on: it goes out unverified */
	__u64 saved_regs; /* an address, to be a number */
	struct trail trail;
	struct scan scan;
	struct call call; /* what call_compat has read */
	__u64 words[16]; /* a caller's sockaddr, to hash */
	__u64 telling;   /* TELL_* (uring-hooks.h) */
	__u64 argument;  /* a pointer on its way to a global function, which takes numbers only */
	struct hd_header who; /* who asked, for what another task finishes (uring.h) */
	struct request request; /* right before the frame: both are kept at once */
	__u64 frame[FRAME_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOT_KINDS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

INLINE struct slot *slot_get(__u32 kind)
{
	__u32 index = bpf_get_smp_processor_id() * SLOT_KINDS + kind;
	struct slot *s = bpf_map_lookup_elem(&slots, &index);

	if (s)
		s->kind = kind;
	return s;
}

/*
 * A slot that somebody else on this CPU may be in the middle of (softirq over a process's own path, a preempted
 * egress): then what was to be told is lost, and counted so. Give it back with slot_drop.
 */
INLINE struct slot *slot_take(__u32 kind, __u32 type)
{
	struct slot *s = slot_get(kind);

	if (!s)
		return NULL;
	if (__sync_lock_test_and_set(&s->busy, 1)) {
		__sync_fetch_and_add(&s->counters[type & (COUNTERS - 1)].made, 1);
		__sync_fetch_and_add(&s->counters[type & (COUNTERS - 1)].lost, 1);
		return NULL;
	}
	return s;
}

INLINE void slot_drop(struct slot *s)
{
	barrier();
	*(volatile __u64 *)&s->busy = 0;
}

/* For helpers that insist on a trusted pointer. */
INLINE struct task_struct *current_trusted(void)
{
	return (struct task_struct *)bpf_get_current_task_btf();
}

/* For reading fields: each pointer loaded from a *trusted* one costs the verifier a search of the kernel's BTF. */
INLINE struct task_struct *current_task(void)
{
	struct task_struct *t = (struct task_struct *)bpf_get_current_task_btf();

	return HD_CAST ? bpf_rdonly_cast(t, bpf_core_type_id_kernel(struct task_struct)) : t;
}

/*
 * The scope test. By cgroup first: one helper, no look-up. Only when some task of the workload is elsewhere is a
 * task's own storage asked.
 */
INLINE bool in_cgroup(void)
{
	struct task_struct *t = current_task();
	struct cgroup *cg;

	if (!target_cgroup || t->tgid == (int)cfg_self_tgid)
		return false;
	if (HD_CAST) {
		/* In it, or too high up to be below it: plain loads settle nearly every call of every process. */
		cg = t->cgroups->dfl_cgrp;
		if ((__u64)cg == target_address)
			return true;
		if (cg->level <= (int)target_level)
			return cg->level == (int)target_level && cg->kn->id == target_cgroup;
	}
	return bpf_get_current_ancestor_cgroup_id(target_level) == target_cgroup;
}

INLINE bool in_scope(void)
{
	struct task_state *st;

	if (in_cgroup())
		return true;
	if (!stray_tasks)
		return false;
	st = bpf_task_storage_get(&tasks, current_trusted(), NULL, 0);
	return st && st->member;
}

INLINE __u64 current_cgroup_id(void)
{
	return HD_CAST ? current_task()->cgroups->dfl_cgrp->kn->id : bpf_get_current_cgroup_id();
}

INLINE void current_comm(void *to)
{
	load16(to, (void *)current_task() + bpf_core_field_offset(struct task_struct, comm));
}

/*
 * The header of a frame, with the current task as the one who did it. This, what submits a frame and other things that
 * nearly every handler does several times are global functions: the kernel verifies those once a program, and not on
 * every path that comes to them.
 */
__noinline int frame_fill(__u32 kind, __u32 type, __u32 size)
{
	struct slot *s = slot_get(kind);
	struct task_struct *t = current_task();
	struct task_struct *leader = t->group_leader;
	struct hd_header *h;
	struct pid *p;
	unsigned int level;
	int nr = 0;

	if (!s)
		return 0;
	h = (struct hd_header *)s->frame;
	h->type = type;
	h->size = size;
	h->time_ns = bpf_ktime_get_boot_ns();
	h->pid = t->tgid;
	h->tid = t->pid;
	h->uid = t->cred->euid.val;
	h->gid = t->cred->egid.val;
	h->start_ns = leader->start_boottime;
	h->cgroup_id = current_cgroup_id();
	h->ppid = t->real_parent->tgid;
	h->image = t->self_exec_id;
	h->cpu = bpf_get_smp_processor_id();
	h->via = HD_VIA_SYSCALL;
	h->flags = 0;
	h->syscall = HD_NO_SYSCALL;
	h->pad0 = 0;
	s->doubt = 0;
	current_comm(h->comm);
	/* Only who is in a namespace of its own has a second number. */
	p = leader->thread_pid;
	level = p->level;
	h->ns_pid = h->pid;
	if (level) {
		bpf_core_read(&nr, sizeof(nr), &p->numbers[level & 31].nr);
		h->ns_pid = nr;
	}
	return 0;
}

INLINE struct hd_header *frame_begin(struct slot *s, __u32 type, __u32 size)
{
	frame_fill(s->kind, type, size);
	return (struct hd_header *)s->frame;
}

/* A task other than the current one: its identity in place of the current's. */
INLINE void frame_task(struct hd_header *h, struct task_struct *t)
{
	struct task_struct *leader = KREAD(t, group_leader);

	h->pid = KREAD(t, tgid);
	h->tid = KREAD(t, pid);
	h->uid = KREAD(t, cred, euid.val);
	h->gid = KREAD(t, cred, egid.val);
	h->start_ns = KREAD(leader, start_boottime);
	h->cgroup_id = KREAD(t, cgroups, dfl_cgrp, kn, id);
	h->ppid = KREAD(t, real_parent, tgid);
	h->image = KREAD(t, self_exec_id);
	bpf_core_read(h->comm, sizeof(h->comm), &t->comm);
}

/* A frame of somebody whose header was made before. */
INLINE struct hd_header *frame_of(struct slot *s, const struct hd_header *who, __u32 type, __u32 size)
{
	struct hd_header *h = (struct hd_header *)s->frame;

	__builtin_memcpy(h, who, sizeof(*h));
	h->type = type;
	h->size = size;
	h->time_ns = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	h->flags = 0;
	h->pad0 = 0;
	s->doubt = 0;
	return h;
}

INLINE __u32 task_ns_pid(struct task_struct *t)
{
	struct pid *p = KREAD(t, group_leader, thread_pid);
	unsigned int level = KREAD(p, level);
	int nr = 0;

	bpf_core_read(&nr, sizeof(nr), &p->numbers[level & 31].nr);
	return nr;
}

INLINE void count_made(struct slot *s, __u32 type, __u64 n)
{
	s->counters[masked(type, COUNTERS - 1)].made += n;
}

/* Types whose reader is woken at once, when it sleeps; the rest wait for the poll or for a fill level. */
INLINE bool wakes_now(__u32 type)
{
	return type == HD_SANDBOX_ESCAPE || type == HD_PRIVILEGE_CHANGE || type == HD_MEMORY_EXEC;
}

INLINE __u64 lane_waiting(__u32 lane)
{
	return lane == HD_LANE_CRITICAL ? bpf_ringbuf_query(&critical, BPF_RB_AVAIL_DATA) :
					  bpf_ringbuf_query(&bulk, BPF_RB_AVAIL_DATA);
}

/* Too much, by what the lane has for a brake. */
INLINE bool lane_crowded(__u32 lane, __u64 waiting)
{
	return brake[lane & 1] && waiting > brake[lane & 1];
}

/* Who is to be woken, and whether calls have to wait. Returns the frame's flags. */
INLINE __u64 lane_look(__u32 lane)
{
	__u64 waiting = lane_waiting(lane);

	if (lane_crowded(lane, waiting))
		braking = 1;
	if (*(volatile __u32 *)&woken[lane & 1] || waiting <= cfg_wake[lane & 1])
		return BPF_RB_NO_WAKEUP;
	woken[lane & 1] = 1;
	return BPF_RB_FORCE_WAKEUP;
}

/* So long a call is held up, with its CPU: a hundred calls of each CPU take longer than a look of the throttle's. */
#define BRAKE_NS 200000
#define BRAKE_LOOKS 16384

static long brake_step(__u32 i, __u64 *until)
{
	if (bpf_ktime_get_ns() > *until)
		return 1;
	if (i & 7)
		return 0;
	braking = lane_crowded(HD_LANE_CRITICAL, lane_waiting(HD_LANE_CRITICAL)) ||
		  lane_crowded(HD_LANE_BULK, lane_waiting(HD_LANE_BULK));
	return !braking;
}

/* Waits for room. At the end of a call, where the task holds nothing and will have to let others run. */
__noinline int call_brake(void)
{
	__u64 until = bpf_ktime_get_ns() + BRAKE_NS;

	bpf_loop(BRAKE_LOOKS, brake_step, &until, 0);
	return 0;
}

/*
 * Puts the slot's frame into its lane; `operations` is what the frame stands for in the ledger. Returns false when
 * the lane was full: the operations are then counted as lost, unless keep says that the caller keeps them.
 */
__noinline int frame_send(__u32 kind, __u32 lane, __u64 operations, __u32 keep)
{
	struct slot *s = slot_get(kind);
	struct slot *cpu = slot_get(SLOT_TASK); /* one count a CPU, whichever slot made the frame */
	__u64 type, size, flags = BPF_RB_NO_WAKEUP;
	struct hd_header *h;
	long r;

	if (!s)
		return false;
	h = (struct hd_header *)s->frame;
	type = masked(h->type, COUNTERS - 1);
	size = h->size;
	barrier_var(size); /* so that the very register that is tested is the one used, which 6.1 insists on */
	if (!cpu || size > FRAME_BYTES || size < sizeof(*h))
		return false;
	h->lane = lane;
	if (s->doubt) {
		h->flags &= ~HD_F_VERIFIED;
		s->doubt = 0;
	}
	h->lane_sequence = __sync_fetch_and_add(&cpu->sequence[lane & 1], 1) + 1;
	/*
	 * How full the lane is changes little from frame to frame: one look in sixteen. Flags of 0 would wake only a
	 * reader that has read all before this frame, which is what one in a flood never has.
	 */
	if (!(h->lane_sequence & 15))
		flags = lane_look(lane);
	if (flags == BPF_RB_NO_WAKEUP && wakes_now(type))
		flags = 0;
	r = lane == HD_LANE_CRITICAL ? bpf_ringbuf_output(&critical, s->frame, size, flags) :
				       bpf_ringbuf_output(&bulk, s->frame, size, flags);
	if (r) {
		if (keep)
			__sync_fetch_and_add(&cpu->sequence[lane & 1], -1);
		else
			s->counters[type].lost += operations;
		return false;
	}
	s->counters[type].submitted++;
	if (operations > 1)
		s->counters[type].folded += operations - 1;
	return true;
}

INLINE bool frame_submit_n(struct slot *s, __u32 lane, __u64 operations, bool keep)
{
	return frame_send(s->kind, lane, operations, keep);
}

INLINE void frame_submit(struct slot *s, __u32 lane)
{
	struct hd_header *h = (struct hd_header *)s->frame;

	count_made(s, h->type, 1);
	frame_submit_n(s, lane, 1, false);
}

/* ---- tail items ---- */

/* Opens an item: writes its header at the frame's end. Returns the offset of the header, 0 when the frame is full. */
INLINE __u32 item_open(struct slot *s, __u16 kind)
{
	struct hd_header *h = (struct hd_header *)s->frame;
	__u32 at = h->size;
	struct hd_item *item;

	if (at > FRAME_BYTES - FRAME_SLACK)
		return 0;
	item = (void *)s->frame + at;
	item->kind = kind;
	item->flags = 0;
	item->length = 0;
	h->size = at + sizeof(*item);
	return at;
}

INLINE void item_close(struct slot *s, __u32 at, __u32 length, __u16 flags)
{
	struct hd_header *h = (struct hd_header *)s->frame;
	struct hd_item *item;

	if (at > FRAME_BYTES - FRAME_SLACK)
		return;
	item = (void *)s->frame + at;
	item->length = length;
	item->flags = flags;
	h->size = at + sizeof(*item) + length;
}

/* Up to 255 bytes of kernel memory as an item. */
INLINE void item_kernel(struct slot *s, __u16 kind, const void *from, __u64 length)
{
	__u32 at = item_open(s, kind);

	if (!at || at > FRAME_BYTES - FRAME_SLACK)
		return;
	length = masked(length, 0xff);
	if (bpf_probe_read_kernel((void *)s->frame + at + sizeof(struct hd_item), length, from))
		length = 0;
	item_close(s, at, length, 0);
}

/* Bytes of the program's own stack or maps. */
#define item_bytes(s, kind, ptr, bytes)                                                       \
	({                                                                                    \
		__u32 _at = item_open(s, kind);                                               \
		if (_at && _at <= FRAME_BYTES - FRAME_SLACK) {                                \
			__builtin_memcpy((void *)(s)->frame + _at + sizeof(struct hd_item), ptr, bytes); \
			item_close(s, _at, bytes, 0);                                         \
		}                                                                             \
	})

/*
 * The caller's string, up to PATH_MAX: unverified by nature. Returns its first byte, or -1 when it can't be read: then
 * there is no item.
 */
INLINE int item_user_string(struct slot *s, __u16 kind, const void *from)
{
	struct hd_header *h = (struct hd_header *)s->frame;
	__u32 at = item_open(s, kind);
	char *to;
	long n;

	if (!at || at > FRAME_BYTES - HD_PATH_MAX - FRAME_SLACK)
		return -1;
	to = (void *)s->frame + at + sizeof(struct hd_item);
	n = bpf_probe_read_user_str(to, HD_PATH_MAX, from);
	if (n <= 0) {
		h->size = at;
		return -1;
	}
	item_close(s, at, (n - 1) & (HD_PATH_MAX - 1), 0);
	return (unsigned char)*to;
}

INLINE void item_kernel_string(struct slot *s, __u16 kind, const void *from)
{
	__u32 at = item_open(s, kind);
	long n;

	if (!at || at > FRAME_BYTES - HD_PATH_MAX - FRAME_SLACK)
		return;
	n = bpf_probe_read_kernel_str((void *)s->frame + at + sizeof(struct hd_item), HD_PATH_MAX, from);
	if (n <= 0)
		n = 1;
	item_close(s, at, (n - 1) & (HD_PATH_MAX - 1), 0);
}

/* ---- descriptors ---- */

/* The file behind a descriptor of the current process, or NULL; an untyped kernel pointer. */
INLINE struct file *fd_file(unsigned int fd)
{
	struct fdtable *fdt = current_task()->files->fdt;
	struct file **array, *file = NULL;

	if (fd >= fdt->max_fds)
		return NULL;
	array = fdt->fd;
	bpf_probe_read_kernel(&file, sizeof(file), array + fd);
	return file;
}

struct object {
	__u64 inode;
	__u64 magic;
	__u32 dev;
	__u32 rdev;
	__u16 mode;
};

INLINE void object_of_inode(struct inode *inode, struct object *o)
{
	struct super_block *sb = KREAD(inode, i_sb);

	o->inode = KREAD(inode, i_ino);
	o->mode = KREAD(inode, i_mode);
	o->rdev = KREAD(inode, i_rdev);
	o->dev = KREAD(sb, s_dev);
	o->magic = KREAD(sb, s_magic);
}

#endif
