// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What only the kernel can count of a workload: context switches and waits for a CPU, block requests, threads by state,
 * OOM kills. No event leaves the kernel: counts lie in maps that the reader has in its memory.
 *
 * The switch hook runs for every task of the machine, so it is one test or two for whoever is not counted, and a
 * handful of loads and additions for who is: the few helpers in it are inlined by the kernel, nothing is stored with a
 * task, and nothing is hooked at wake-ups. Since when a task is runnable the scheduler has written down itself.
 */
#define HD_BPF
#include "vitals-kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "wire/vitals.h"

#define INLINE static __always_inline

/* Set before load. */
const volatile bool cfg_cast = false;	  /* the kernel has bpf_rdonly_cast (6.2) */
const volatile bool cfg_one = false;	  /* one cgroup counts, with all below it (only); else each by itself */
const volatile __u32 cfg_columns = 2;	  /* of sched_counts: one for each CPU, and one for the reader */

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

/* For reading fields: each pointer loaded from a *trusted* one costs the verifier a search of the kernel's BTF. */
#define PLAIN(p) \
	(cfg_cast ? (__typeof__(p))bpf_rdonly_cast((p), bpf_core_type_id_kernel(__typeof__(*(p)))) : (p))

/* Whose slot it is, by cgroup id; 0: free. With cfg_one there is one slot and it is not looked at. */
__u64 owners[HV_SLOTS] = {};
__u64 unplaced = 0;    /* times that no slot was free */
__u64 only = ~0ULL;	/* its id, told when it is known; before that one that no cgroup has */
__u32 only_level = 0;
__u64 only_address = 0; /* of its struct cgroup, once seen: the quickest test there is */
__u64 pass = 0;	       /* of the iterator; the reader counts it up */
__u64 weight = 1;      /* so many times counts a switch: the reader lets some go by uncounted */
__u64 switched[HV_CPUS] = {}; /* the kernel's own count for each CPU, as of the last pass */
bool wait_known = false;
struct hv_victim victims[HV_VICTIMS] = {};
__u64 victims_n = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct hv_sched);
} sched_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hv_slot);
} slots SEC(".maps");

/* Requests under way, by the bio that they were made for. */
struct request_made {
	__u64 time_ns;
	__u32 slot;
	__u32 write;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct request_made);
} requests SEC(".maps");

/* ---- whose it is ---- */

/* Any kernel struct that begins with a word will do to have one loaded. */
struct timespec64 {
	__s64 tv_sec;
} __attribute__((preserve_access_index));

INLINE __u64 ancestor(__u64 cgroup, __u32 level)
{
	const struct cgroup *c = (const struct cgroup *)cgroup;
	__u64 at = cgroup + bpf_core_field_offset(c->ancestors) + level * sizeof(__u64), found = 0;

	if (cfg_cast)
		return ((struct timespec64 *)bpf_rdonly_cast((void *)at,
							     bpf_core_type_id_kernel(struct timespec64)))->tv_sec;
	bpf_probe_read_kernel(&found, sizeof(found), (const void *)at);
	return found;
}

INLINE __u64 cgroup_id(__u64 cgroup)
{
	return BPF_CORE_READ((struct cgroup *)cgroup, kn, id);
}

/* `level` is the cgroup's own. */
INLINE bool in_only(__u64 cgroup, __u32 level)
{
	if (level < only_level)
		return false;
	if (level > only_level)
		cgroup = ancestor(cgroup, only_level);
	if (only_address)
		return cgroup == only_address;
	if (cgroup_id(cgroup) != only)
		return false;
	only_address = cgroup;
	return true;
}

INLINE void path_fill(struct hv_path *p, __u64 cgroup, __u32 level)
{
	if (level > HV_DEPTH)
		level = HV_DEPTH;
	for (__u32 i = 1; i < HV_DEPTH; i++)
		if (i < level)
			p->above[i - 1] = cgroup_id(ancestor(cgroup, i));
	/* An exchange is a barrier. */
	__sync_lock_test_and_set(&p->levels, level);
}

static __noinline __u32 slot_claim(__u64 cgroup, __u64 id, __u32 level)
{
	__u64 hash = hv_hash(id);

	for (__u32 i = 0; i < HV_PLACES; i++) {
		__u32 at = hv_place(hash, i);
		struct hv_slot *s;

		if (owners[at] || __sync_val_compare_and_swap(&owners[at], 0, id))
			continue;
		s = bpf_map_lookup_elem(&slots, &at);
		if (s)
			path_fill(&s->path, cgroup, level);
		return at;
	}
	__sync_fetch_and_add(&unplaced, 1);
	return HV_NONE;
}

/* Two that come at once may both find a place for one cgroup: the reader adds them up. */
static __noinline __u32 slot_find(__u64 cgroup, __u64 id, __u32 level)
{
	__u64 hash = hv_hash(id);

	for (__u32 i = 0; i < HV_PLACES; i++)
		if (owners[hv_place(hash, i)] == id)
			return hv_place(hash, i);
	return slot_claim(cgroup, id, level);
}

/* The root is no workload, and all the kernel's own threads are in it. */
static __noinline __u32 slot_of(__u64 cgroup)
{
	__u32 level = BPF_CORE_READ((struct cgroup *)cgroup, level);

	if (cfg_one)
		return in_only(cgroup, level) ? 0 : HV_NONE;
	return level ? slot_find(cgroup, cgroup_id(cgroup), level) : HV_NONE;
}

/* The same where it is asked at every switch. */
INLINE __u32 slot_now(struct cgroup *cgroup)
{
	__u32 level, home;
	__u64 id;

	if (cfg_one) {
		if ((__u64)cgroup == only_address)
			return 0;
		level = cgroup->level;
		if (level < only_level || (level == only_level && cgroup->kn->id != only))
			return HV_NONE;
		return in_only((__u64)cgroup, level) ? 0 : HV_NONE;
	}
	level = cgroup->level;
	if (!level)
		return HV_NONE;
	id = cgroup->kn->id;
	home = hv_place(hv_hash(id), 0);
	return owners[home] == id ? home : slot_find((__u64)cgroup, id, level);
}

/* The test for the verifier's eyes: the compiler knows better and would leave it out. */
INLINE void count_in(__u64 *buckets, __u64 ns, __u64 times, bool atomically)
{
	__u32 b = hv_bucket(ns);

	asm volatile("" : "+r"(b));
	if (b >= HV_BUCKETS)
		return;
	if (atomically)
		__sync_fetch_and_add(&buckets[b], times);
	else
		buckets[b] += times;
}

/* ---- the scheduler ---- */

INLINE struct hv_sched *sched_of(__u32 slot)
{
	__u32 at = slot * cfg_columns + bpf_get_smp_processor_id();

	return slot < HV_SLOTS ? bpf_map_lookup_elem(&sched_counts, &at) : NULL;
}

/* CONFIG_SCHED_INFO and CONFIG_FAIR_GROUP_SCHED. */
INLINE bool wait_is_known(struct task_struct *t)
{
	return bpf_core_field_exists(t->sched_info.last_queued) && bpf_core_field_exists(t->se.cfs_rq) &&
	       bpf_core_field_exists(t->se.cfs_rq->rq) && bpf_core_field_exists(t->se.cfs_rq->rq->clock);
}

/* Preemption and interrupts are off, so a CPU's counts have one writer. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct task_struct *task = PLAIN(next);
	struct cgroup *from = PLAIN(prev)->cgroups->dfl_cgrp, *to = task->cgroups->dfl_cgrp;
	__u32 slot = slot_now(from);
	struct hv_sched *c = sched_of(slot);
	__u64 since, now, times = weight;

	if (c) {
		if (!preempt && prev_state)
			c->voluntary += times;
		else
			c->forced += times;
	}
	if (to != from)
		c = sched_of(slot_now(to));
	if (!c || !wait_is_known(task))
		return 0;
	/*
	 * How long the next has waited, as the kernel is about to add it to its run_delay. The way to this CPU's run
	 * queue is through the task: the variable `runqueues` is not in every kernel's symbol table.
	 */
	since = task->sched_info.last_queued;
	if (!since)
		return 0;
	now = task->se.cfs_rq->rq->clock;
	now = now > since ? now - since : 0;
	c->wait_ns += now * times;
	count_in(c->wait, now, times, false);
	return 0;
}

/* ---- block requests ---- */

/*
 * Whose a request is: the cgroup that the block layer charges, where that is in the v2 hierarchy and says more than who
 * is running; else the one who asks. The one who asks is deeper where the io controller ends above its cgroup.
 */
INLINE __u64 bio_owner(struct bio *bio)
{
	struct task_struct *t = (struct task_struct *)bpf_get_current_task();
	__u64 mine = (__u64)BPF_CORE_READ(t, cgroups, dfl_cgrp);
	struct cgroup *theirs = BPF_CORE_READ(bio, bi_blkg, blkcg, css.cgroup);
	__u32 level;

	/* The v2 hierarchy's number is 0. */
	if (!theirs || BPF_CORE_READ(theirs, root, hierarchy_id))
		return mine;
	level = BPF_CORE_READ(theirs, level);
	if (!level)
		return mine;
	if (BPF_CORE_READ(t, flags) & PF_KTHREAD)
		return (__u64)theirs;
	if (level <= (__u32)BPF_CORE_READ((struct cgroup *)mine, level) && ancestor(mine, level) == (__u64)theirs)
		return mine;
	return (__u64)theirs;
}

/* In the context of who submits. */
SEC("tp_btf/block_getrq")
int BPF_PROG(on_request, struct bio *bio)
{
	struct request_made made = {};
	__u64 key = (__u64)bio;
	__u32 op;

	bio = PLAIN(bio);
	op = bio->bi_opf & REQ_OP_MASK;
	if (op != REQ_OP_READ && op != REQ_OP_WRITE)
		return 0;
	if (!bio->bi_iter.bi_size) /* a flush */
		return 0;
	made.slot = slot_of(bio_owner(bio));
	if (made.slot >= HV_SLOTS)
		return 0;
	made.write = op == REQ_OP_WRITE;
	made.time_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&requests, &key, &made, BPF_ANY);
	return 0;
}

/* Anywhere: an interrupt, as a rule. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(on_complete, struct request *rq, int error, unsigned int bytes)
{
	struct request *r = PLAIN(rq);
	__u64 key = (__u64)r->bio, took;
	struct request_made *made;
	struct hv_slot *s;
	__u32 slot;

	if (!key)
		return 0;
	made = bpf_map_lookup_elem(&requests, &key);
	if (!made)
		return 0;
	slot = made->slot;
	s = bpf_map_lookup_elem(&slots, &slot);
	if (s) {
		if (!(error & 0xff))
			__sync_fetch_and_add(made->write ? &s->block.write_bytes : &s->block.read_bytes, bytes);
		/* A part of it: the rest follows. */
		if (bytes < r->__data_len)
			return 0;
		took = bpf_ktime_get_ns() - made->time_ns;
		__sync_fetch_and_add(made->write ? &s->block.writes : &s->block.reads, 1);
		__sync_fetch_and_add(&s->block.took_ns, took);
		count_in(s->block.took, took, 1, true);
	}
	bpf_map_delete_elem(&requests, &key);
	return 0;
}

/* ---- tasks ---- */

INLINE void count_thread(struct hv_tasks *n, struct task_struct *t)
{
	unsigned int state = t->__state, gone = t->exit_state;

	if (gone) {
		/* A leader whose other threads go on is no zombie yet. */
		if ((gone & EXIT_ZOMBIE) && t->pid == t->tgid && t->signal->nr_threads == 1)
			n->zombie++;
		else if (t->pid == t->tgid && t->signal->nr_threads > 1)
			n->processes++;
		return;
	}
	n->threads++;
	n->processes += t->pid == t->tgid;
	if (state & (TASK_STOPPED | TASK_TRACED))
		n->stopped++;
	else if ((state & (TASK_RTLOCK_WAIT | TASK_FROZEN)) ||
		 ((state & TASK_UNINTERRUPTIBLE) && !(state & TASK_NOLOAD)))
		n->uninterruptible++;
	else if (state)
		n->sleeping++;
	else
		n->running++;
}

/* Whoever last ran on a CPU leads to its run queue; each has threads of the kernel's that never leave it. */
INLINE void note_switches(struct task_struct *t)
{
	struct rq *rq;

	if (!wait_is_known(t))
		return;
	rq = t->se.cfs_rq->rq;
	if ((__u32)rq->cpu < HV_CPUS)
		switched[rq->cpu & (HV_CPUS - 1)] = rq->nr_switches;
}

SEC("iter/task")
int count_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct hv_slot *s;
	__u32 slot;

	if (!t) {
		wait_known = wait_is_known(t);
		return 0;
	}
	t = PLAIN(t);
	note_switches(t);
	slot = slot_of((__u64)t->cgroups->dfl_cgrp);
	if (slot >= HV_SLOTS)
		return 0;
	s = bpf_map_lookup_elem(&slots, &slot);
	if (!s)
		return 0;
	if (s->tasks.pass != pass) {
		__builtin_memset(&s->tasks, 0, sizeof(s->tasks));
		s->tasks.pass = pass;
	}
	count_thread(&s->tasks, t);
	return 0;
}

/* ---- OOM kills ---- */

/* The index has to be a constant where it is written, or it would be multiplied by the size of the cut struct. */
#define PAGES_OF(mm, kind)                                                                                     \
	({                                                                                                     \
		__s64 _n = bpf_core_type_exists(struct mm_rss_stat) ?                                          \
				   BPF_CORE_READ((struct mm_struct___atomic *)(mm), rss_stat.count[kind].counter) : \
				   BPF_CORE_READ((struct mm_struct___percpu *)(mm), rss_stat[kind].count);      \
		!(mm) ? HV_UNKNOWN : _n > 0 ? (__u64)_n : 0;                                                   \
	})

/* Under the kernel's oom_lock, so there is one writer. */
SEC("tp_btf/mark_victim")
int on_victim(__u64 *ctx)
{
	struct hv_victim *v = &victims[victims_n % HV_VICTIMS];
	struct task_struct *t = (struct task_struct *)bpf_get_current_task();
	bool told = bpf_core_type_matches(btf_trace_mark_victim___task);
	__u64 cgroup, mm = 0;
	__u32 level;

	/* With a pid alone: who asked for memory is in the same workload, or the whole machine is out of it. */
	if (told)
		t = (struct task_struct *)ctx[0];
	cgroup = (__u64)BPF_CORE_READ(t, cgroups, dfl_cgrp);
	level = BPF_CORE_READ((struct cgroup *)cgroup, level);
	if (cfg_one ? !in_only(cgroup, level) : !level)
		return 0;
	v->time_ns = bpf_ktime_get_boot_ns();
	v->cgroup = cgroup_id(cgroup);
	path_fill(&v->path, cgroup, level);
	v->pid = told ? BPF_CORE_READ(t, tgid) : (__u32)ctx[0];
	v->comm[0] = 0;
	if (told) {
		BPF_CORE_READ_INTO(&v->comm, t, comm);
		mm = (__u64)BPF_CORE_READ(t, mm);
	}
	v->anon_pages = PAGES_OF(mm, MM_ANONPAGES);
	v->file_pages = PAGES_OF(mm, MM_FILEPAGES);
	v->shmem_pages = PAGES_OF(mm, MM_SHMEMPAGES);
	__sync_fetch_and_add(&victims_n, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
