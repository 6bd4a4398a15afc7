/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the slots (core.h) hold for io_uring (uring.h). */
#ifndef HEDDLE_BPF_REQUEST_H
#define HEDDLE_BPF_REQUEST_H

#include "kernel.h"

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
	__u32 told;
	__u8 opcode;
	__u8 silent;     /* tells nobody when it succeeds */
	__u8 pad[6];
};

#endif
