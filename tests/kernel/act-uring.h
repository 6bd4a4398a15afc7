/* SPDX-License-Identifier: Apache-2.0 */
/* A ring by raw calls and mapped memory, for the cases about io_uring: no library, so that each way is as it says. */
#pragma once

#include "kernel-test.h"

#include <linux/io_uring.h>

/* Operations that the headers of the machine that builds this may not know. */
#define OP_READ_MULTISHOT 49
#define OP_FTRUNCATE 55
#define OP_BIND 56
#define OP_LISTEN 57

#define URING_SLOTS 8 /* of the ring's own table of files */

struct uring {
	int fd;
	struct io_uring_params params;
	struct io_uring_sqe *sqes;
	char *sq, *cq;
	unsigned queued; /* put, and not yet handed over */
};

/* Sixteen entries; skips `what` and gives false where the kernel has no such ring. */
bool uring_open(struct uring *u, const char *what, unsigned flags);
/* The same with room for `entries` requests and `completions`. */
bool uring_open_of(struct uring *u, const char *what, unsigned flags, unsigned entries, unsigned completions);
/* Another process's ring, or one that came by fork: maps what it has. */
bool uring_map(struct uring *u);
void uring_close(struct uring *u);

/* Puts an entry into the ring; uring_go hands over what was put and waits for so many completions. */
void uring_put(struct uring *u, struct io_uring_sqe e);
bool uring_go(struct uring *u, unsigned wait);
/* The next completion's result; false: there is none. */
bool uring_next(struct uring *u, uint64_t *ret_data, long *ret);
/* One request to its end: what it gave, as a call would have. */
long uring_do(struct uring *u, struct io_uring_sqe e);
/* A table of URING_SLOTS empty slots. */
bool uring_table(struct uring *u);

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))

struct io_uring_sqe uring_openat(const char *name, int flags, unsigned mode);
struct io_uring_sqe uring_rw(unsigned opcode, long fd, const void *bytes, unsigned n);
struct io_uring_sqe uring_name(unsigned opcode, const char *name);
struct io_uring_sqe uring_names(unsigned opcode, const char *name, const char *new_name);

/* A thread of the kernel may do the work: the process counts. */
#define BY_URING "tid=*|comm=*|@via=io_uring|"
