/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's types that only vitals read, cut by hand as those in kernel.h are. */
#ifndef HEDDLE_BPF_VITALS_KERNEL_H
#define HEDDLE_BPF_VITALS_KERNEL_H

#include "kernel.h"

#define BPF_F_MMAPABLE 1024
typedef __u32 uid_t;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bvec_iter {
	unsigned int bi_size;
};

struct bio {
	__u32 bi_opf;
	struct bvec_iter bi_iter;
	struct blkcg_gq *bi_blkg;
};

struct request {
	unsigned int __data_len;
	struct bio *bio;
};

/* Since 6.2: a process's pages by kind, as near as the kernel's own message has them. */
struct percpu_counter {
	__s64 count;
};

struct mm_struct___percpu {
	struct percpu_counter rss_stat[4];
};

/* Before. */
struct mm_rss_stat {
	atomic64_t count[4];
};

struct mm_struct___atomic {
	struct mm_rss_stat rss_stat;
};

#pragma clang attribute pop

/* The tracepoint's arguments: a pid alone on older kernels. */
typedef void (*btf_trace_mark_victim___task)(void *, struct task_struct *, uid_t);

#define MM_FILEPAGES 0
#define MM_ANONPAGES 1
#define MM_SHMEMPAGES 3

#define REQ_OP_MASK 0xff
#define REQ_OP_READ 0
#define REQ_OP_WRITE 1

/* task_struct.__state and exit_state, which share their numbers; TASK_REPORT is what procfs tells of them. */
#define TASK_UNINTERRUPTIBLE 0x02
#define TASK_STOPPED 0x04
#define TASK_TRACED 0x08
#define EXIT_DEAD 0x10
#define EXIT_ZOMBIE 0x20
#define TASK_NOLOAD 0x400
#define TASK_RTLOCK_WAIT 0x1000
#define TASK_FROZEN 0x8000

#endif
