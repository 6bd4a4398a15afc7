/* SPDX-License-Identifier: Apache-2.0 */
#include "act-uring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

bool uring_map(struct uring *u)
{
	unsigned entries = u->params.sq_entries;

	u->sq = mmap(NULL, u->params.sq_off.array + entries * sizeof(uint32_t), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, u->params.cq_off.cqes + u->params.cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, entries * sizeof(*u->sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
		       IORING_OFF_SQES);
	return must(u->sq != MAP_FAILED && u->cq != MAP_FAILED && (void *)u->sqes != MAP_FAILED, "map the rings");
}

bool uring_open_of(struct uring *u, const char *what, unsigned flags, unsigned entries, unsigned completions)
{
	memset(u, 0, sizeof(*u));
	u->params.flags = flags | IORING_SETUP_CQSIZE;
	u->params.cq_entries = completions;
	u->params.sq_thread_idle = 1000;
	u->fd = (int)syscall(SYS_io_uring_setup, entries, &u->params);
	if (u->fd < 0) {
		skip(what, errno == ENOSYS   ? "the kernel has no io_uring"
			   : errno == EINVAL ? "the kernel has no such ring"
					     : strerror(errno));
		return false;
	}
	return uring_map(u);
}

bool uring_open(struct uring *u, const char *what, unsigned flags)
{
	return uring_open_of(u, what, flags, 16, 32);
}

void uring_close(struct uring *u)
{
	(void)munmap(u->sq, u->params.sq_off.array + u->params.sq_entries * sizeof(uint32_t));
	(void)munmap(u->cq, u->params.cq_off.cqes + u->params.cq_entries * sizeof(struct io_uring_cqe));
	(void)munmap(u->sqes, u->params.sq_entries * sizeof(*u->sqes));
	(void)close(u->fd);
}

void uring_put(struct uring *u, struct io_uring_sqe e)
{
	uint32_t *tail = (uint32_t *)(u->sq + u->params.sq_off.tail),
		 *array = (uint32_t *)(u->sq + u->params.sq_off.array);
	uint32_t i = *tail & (u->params.sq_entries - 1);

	u->sqes[i] = e;
	array[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	u->queued++;
}

bool uring_go(struct uring *u, unsigned wait)
{
	unsigned flags = wait ? IORING_ENTER_GETEVENTS : 0, n = u->queued;
	long r;

	/* Wakes the ring's thread needlessly at times, never too late. */
	if (u->params.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	u->queued = 0;
	r = syscall(SYS_io_uring_enter, u->fd, n, wait, flags, NULL, 0);
	return must(r >= 0, "io_uring_enter");
}

bool uring_next(struct uring *u, uint64_t *ret_data, long *ret)
{
	uint32_t *head = (uint32_t *)(u->cq + u->params.cq_off.head);
	uint32_t tail = __atomic_load_n((uint32_t *)(u->cq + u->params.cq_off.tail), __ATOMIC_ACQUIRE);
	const struct io_uring_cqe *cqe = (struct io_uring_cqe *)(u->cq + u->params.cq_off.cqes);

	if (*head == tail)
		return false;
	cqe += *head & (u->params.cq_entries - 1);
	if (ret_data)
		*ret_data = cqe->user_data;
	*ret = cqe->res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

long uring_do(struct uring *u, struct io_uring_sqe e)
{
	long result = -EIO;

	uring_put(u, e);
	if (!uring_go(u, 1) || !uring_next(u, NULL, &result)) {
		errno = EIO;
		return -1;
	}
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

bool uring_table(struct uring *u)
{
	int none[URING_SLOTS];

	for (int i = 0; i < URING_SLOTS; i++)
		none[i] = -1;
	return must(syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_FILES, none, URING_SLOTS) == 0,
		    "a table of files");
}

struct io_uring_sqe uring_openat(const char *name, int flags, unsigned mode)
{
	return (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT,
				      .fd = AT_FDCWD,
				      .addr = ADDRESS(name),
				      .len = mode,
				      .open_flags = (uint32_t)flags };
}

struct io_uring_sqe uring_rw(unsigned opcode, long fd, const void *bytes, unsigned n)
{
	return (struct io_uring_sqe){
		.opcode = (uint8_t)opcode, .fd = (int)fd, .addr = ADDRESS(bytes), .len = n, .off = 0
	};
}

struct io_uring_sqe uring_name(unsigned opcode, const char *name)
{
	return (struct io_uring_sqe){ .opcode = (uint8_t)opcode, .fd = AT_FDCWD, .addr = ADDRESS(name) };
}

/* The second directory lies in `len`, which symlinkat leaves alone. */
struct io_uring_sqe uring_names(unsigned opcode, const char *name, const char *new_name)
{
	struct io_uring_sqe e = uring_name(opcode, name);

	e.addr2 = ADDRESS(new_name);
	if (opcode != IORING_OP_SYMLINKAT)
		e.len = (uint32_t)AT_FDCWD;
	return e;
}
