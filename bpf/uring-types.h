/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* io_uring's own types: what is read of a request, its ring and the command that each operation makes of its entry. */
#ifndef HEDDLE_BPF_URING_TYPES_H
#define HEDDLE_BPF_URING_TYPES_H

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_wq_work_node {
	struct io_wq_work_node *next;
};

struct io_wq_work_list {
	struct io_wq_work_node *first, *last;
};

struct io_wq_work {
	struct io_wq_work_node list;
};

struct io_worker {
	struct io_wq_work *cur_work;
};

struct io_uring_task {
	struct task_struct *task;
	struct file *registered_rings[16];
};

struct io_rsrc_node {
	unsigned long file_ptr;
};

struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};

/* Until 6.12. */
struct io_fixed_file {
	unsigned long file_ptr;
};

/* The one since 6.13, the other before. */
struct io_file_table {
	struct io_rsrc_data data;
	struct io_fixed_file *files;
};

struct io_submit_state {
	struct io_wq_work_node free_list;
	struct io_wq_work_list compl_reqs;
};

struct io_uring {
	__u32 head;
};

struct io_rings {
	struct io_uring cq;
};

struct io_ring_ctx {
	struct io_file_table file_table;
	struct io_submit_state submit_state;
	struct io_rings *rings;
	unsigned int cached_sq_head, cached_cq_tail, cq_entries, sq_entries;
	unsigned long check_cq; /* the lowest bit: completions wait for room */
	unsigned int nr_user_files;              /* until 6.12 */
	struct io_wq_work_list locked_free_list; /* no longer */
};

struct io_cqe {
	__u64 user_data;
	__s32 res;
	int fd;
};

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u64 flags; /* 32 bits wide until 6.7: nothing above is looked at */
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	struct io_uring_task *tctx; /* since 6.13, the task itself before */
	struct task_struct *task;
	struct io_wq_work_node comp_list;
	void *async_data;
	const struct cred *creds;
	struct io_wq_work work;
};

struct filename {
	const char *name;
};

struct open_how {
	__u64 flags, mode, resolve;
};

struct io_open {
	int dfd;
	__u32 file_slot;
	struct filename *filename;
	struct open_how how;
};

struct io_close {
	int fd;
	__u32 file_slot;
};

struct io_rename {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
	int flags;
};

struct io_unlink {
	int dfd, flags;
	struct filename *filename;
};

struct io_mkdir {
	int dfd;
	unsigned short mode;
	struct filename *filename;
};

struct io_link {
	int old_dfd, new_dfd;
	struct filename *oldpath, *newpath;
};

struct io_xattr {
	struct filename *filename;
};

struct io_splice {
	struct file *file_out;
	int splice_fd_in;
	unsigned int flags;
};

struct io_sync {
	__s64 len;
	int mode;
};

struct io_ftrunc {
	__s64 len;
};

struct io_accept {
	__u32 file_slot;
};

struct io_socket {
	int domain, type, protocol;
};

struct io_connect {
	void *addr;
	int addr_len;
};

struct io_bind {
	int addr_len;
};

struct io_listen {
	int backlog;
};

struct io_sr_msg {
	void *umsg;
	unsigned int msg_flags;
	/* Until 6.11 the address was copied when the message was sent. */
	void *addr;
	__u16 addr_len;
};

struct msghdr {
	void *msg_name;
	int msg_namelen;
};

struct __kernel_sockaddr_storage {
	__u16 ss_family;
};

struct io_async_msghdr {
	struct msghdr msg;
	struct __kernel_sockaddr_storage addr;
};

#pragma clang attribute pop

/* A ring's entry, which is for programs to read and so is the same on every kernel. */
struct io_uring_cqe {
	__u64 user_data;
	__s32 res;
	__u32 flags;
};

#define URING_NOP 0
#define URING_READV 1
#define URING_WRITEV 2
#define URING_READ_FIXED 4
#define URING_WRITE_FIXED 5
#define URING_SENDMSG 9
#define URING_ACCEPT 13
#define URING_CONNECT 16
#define URING_FALLOCATE 17
#define URING_OPENAT 18
#define URING_CLOSE 19
#define URING_FILES_UPDATE 20
#define URING_READ 22
#define URING_WRITE 23
#define URING_SEND 26
#define URING_OPENAT2 28
#define URING_SPLICE 30
#define URING_RENAMEAT 35
#define URING_UNLINKAT 36
#define URING_MKDIRAT 37
#define URING_SYMLINKAT 38
#define URING_LINKAT 39
#define URING_MSG_RING 40
#define URING_FSETXATTR 41
#define URING_SETXATTR 42
#define URING_SOCKET 45
#define URING_SEND_ZC 47
#define URING_SENDMSG_ZC 48
#define URING_READ_MULTISHOT 49
#define URING_FIXED_FD_INSTALL 54
#define URING_FTRUNCATE 55
#define URING_BIND 56
#define URING_LISTEN 57
#define URING_READV_FIXED 60
#define URING_WRITEV_FIXED 61
#define URING_PIPE 62

/* The bits of io_kiocb.flags that kernels agree on: those of the entry, and the first of the kernel's own. */
#define REQ_FIXED_FILE 0
#define REQ_CQE_SKIP 6
#define REQ_FAIL 8
#define NO_BIT 64

#define SPLICE_FD_IN_FIXED 0x80000000u

#endif
