/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the slots (core.h) hold for io_uring (uring.h). */
#ifndef HEDDLE_BPF_REQUEST_H
#define HEDDLE_BPF_REQUEST_H

#include "kernel.h"
#include "wire/event.h"

/* A file by what tells it: `id` as names and folds go by it, 0: not a regular file. */
struct request_object {
	__u64 id, inode;
	__u32 dev, mode;
};

/* What is kept of an io_uring request beside its frame, until it is done. */
struct request {
	__u64 ring;      /* address of its io_ring_ctx */
	__u64 user_data;
	__u64 files;     /* address of the asker's files_struct */
	__u64 file;      /* what its descriptor stood for, where that must be known beforehand; 0: nothing */
	__u64 inode;     /* address of that file's inode */
	__u64 address;   /* a hash of the destination's address */
	__u32 size;      /* of the frame */
	__u32 bare;      /* of its fixed part: what follows are the caller's words */
	__u32 slot;      /* the result goes there in the ring's own file table, plus one; 0: it is a descriptor */
	__u32 fd;        /* as asked: the request's result takes its place (uring-late.h) */
	__u8 opcode;
	__u8 silent;     /* tells nobody when it succeeds, or may find no room to tell */
	__u8 cleanup;    /* the kernel's mark that a name is still to be used was on it */
	__u8 seen;       /* done, at a first look (uring-late.h) */
	__u8 late;       /* told long after its end: the time stays that of its beginning */
	__u8 pad[3];
	struct request_object object[2]; /* what a read, write or splice reads, and what it writes */
};

/* 0 spares everyone the search. */
struct hd_requests requests = {};

/* How to look for requests that no completion tells (uring-late.h). */
#define LATE_LOOK 0  /* while they may be worked on: what is seen twice to be done is */
#define LATE_ENDED 1 /* nobody works on them any more */
#define LATE_LOSE 2  /* nothing can be learnt any more: the rest is lost */

int uring_late(__u32 kind, __u32 tgid, __u64 ring, __u32 mode);

#endif
