/* SPDX-License-Identifier: Apache-2.0 */
/* What io_uring does, without any library: raw calls and the mapped rings. */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct uring {
	int fd;
	struct io_uring_params params;
	struct io_uring_sqe *sqes;
	char *sq, *cq;
};

static bool uring_open(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = (int)syscall(SYS_io_uring_setup, 8, &u->params);
	if (u->fd < 0) {
		skip("io_uring", errno == ENOSYS ? "the kernel has no io_uring" : strerror(errno));
		return false;
	}
	u->sq = mmap(NULL, u->params.sq_off.array + 8 * sizeof(uint32_t), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, u->params.cq_off.cqes + 16 * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_CQ_RING);
	u->sqes =
	    mmap(NULL, 8 * sizeof(*u->sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQES);
	return must(u->sq != MAP_FAILED && u->cq != MAP_FAILED && (void *)u->sqes != MAP_FAILED, "map the rings");
}

/* One request to its end: what it gave, as a call would have. */
static long uring_do(struct uring *u, const struct io_uring_sqe *sqe)
{
	uint32_t *tail = (uint32_t *)(u->sq + u->params.sq_off.tail),
		 *array = (uint32_t *)(u->sq + u->params.sq_off.array);
	uint32_t *head = (uint32_t *)(u->cq + u->params.cq_off.head), mask = u->params.sq_entries - 1;
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(u->cq + u->params.cq_off.cqes);
	uint32_t cq_mask = u->params.cq_entries - 1;
	long result;

	u->sqes[*tail & mask] = *sqe;
	array[*tail & mask] = *tail & mask;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	result = cqes[*head & cq_mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

/* A worker thread of the kernel may do the work: the process counts. */
#define BY_URING "tid=*|comm=*|via=io_uring|"

static long uring_open_at(struct uring *u, const char *name, int flags, unsigned mode)
{
	struct io_uring_sqe e = { .opcode = IORING_OP_OPENAT,
				  .fd = AT_FDCWD,
				  .addr = (uint64_t)(uintptr_t)name,
				  .len = mode,
				  .open_flags = (uint32_t)flags };

	return uring_do(u, &e);
}

static void case_uring_files(void)
{
	struct io_uring_sqe e;
	char bytes[64] = "";
	struct uring u;
	long fd;

	if (!uring_open(&u))
		return;
	fd = uring_open_at(&u, "f", O_RDWR | O_CREAT, 0604);
	expect("file_open", "openat", "@path=%s|" BY_URING "flags~O_RDWR|flags~O_CREAT|%s", at("f"), ok(fd));
	e = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = (int)fd, .addr = (uint64_t)(uintptr_t)bytes, .len = 64, .off = 0
	};
	(void)must(uring_do(&u, &e) == 64, "write");
	e = (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = (int)fd, .addr = (uint64_t)(uintptr_t)bytes, .len = 30, .off = 0
	};
	(void)must(uring_do(&u, &e) == 30, "read");
	(void)close((int)fd);
	expect_n(-1, "file_write", "write", "@path=%s|" BY_URING "bytes:=64|operations:=1", at("f"));
	expect_n(-1, "file_read", "read", "@path=%s|" BY_URING "bytes:=30|operations:=1", at("f"));
	expect("file_open", "openat that fails", "@path=%s|" BY_URING "%s", at("none"),
	       no(uring_open_at(&u, "none", O_RDONLY, 0), ENOENT));
	fd = uring_open_at(&u, "/proc/kallsyms", O_RDONLY, 0);
	expect("sandbox_escape", "a sensitive file", "@category=proc_sys|@target=/proc/kallsyms|" BY_URING "%s",
	       any(fd));
}

static void case_uring_metadata(void)
{
	static const char d[] = "d", f[] = "f", g[] = "g", h[] = "h", s[] = "s";
	struct io_uring_sqe e;
	struct uring u;

	if (!uring_open(&u))
		return;
	make_file("f", "x");
	e = (struct io_uring_sqe){
		.opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = (uint64_t)(uintptr_t)d, .len = 0700
	};
	expect("file_metadata", "mkdirat", "@operation=mkdir|@path=%s|%%path|" BY_URING "%s", at("d"),
	       ok(uring_do(&u, &e)));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_RENAMEAT,
				   .fd = AT_FDCWD,
				   .addr = (uint64_t)(uintptr_t)f,
				   .len = (uint32_t)AT_FDCWD,
				   .addr2 = (uint64_t)(uintptr_t)g };
	expect("file_metadata", "renameat", "@operation=rename|@path=%s|%%path|+new_path|" BY_URING "%s", at("f"),
	       ok(uring_do(&u, &e)));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_LINKAT,
				   .fd = AT_FDCWD,
				   .addr = (uint64_t)(uintptr_t)g,
				   .len = (uint32_t)AT_FDCWD,
				   .addr2 = (uint64_t)(uintptr_t)h };
	expect("file_metadata", "linkat", "@operation=link|@path=%s|%%path|+new_path|" BY_URING "%s", at("g"),
	       ok(uring_do(&u, &e)));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_SYMLINKAT,
				   .fd = AT_FDCWD,
				   .addr = (uint64_t)(uintptr_t)g,
				   .addr2 = (uint64_t)(uintptr_t)s };
	expect("file_metadata", "symlinkat", "@operation=symlink|@new_path=%s|%%path|" BY_URING "%s", at("s"),
	       ok(uring_do(&u, &e)));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uint64_t)(uintptr_t)g };
	expect("file_metadata", "unlinkat", "@operation=unlink|@path=%s|%%path|" BY_URING "%s", at("g"),
	       ok(uring_do(&u, &e)));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT,
				   .fd = AT_FDCWD,
				   .addr = (uint64_t)(uintptr_t)d,
				   .unlink_flags = AT_REMOVEDIR };
	expect("file_metadata", "unlinkat with AT_REMOVEDIR", "@operation=rmdir|@path=%s|%%path|" BY_URING "%s",
	       at("d"), ok(uring_do(&u, &e)));
}

static void case_uring_network(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	struct io_uring_sqe e;
	struct uring u;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long fd;

	if (!uring_open(&u))
		return;
	(void)must(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 5) == 0 &&
		       getsockname(listener, (struct sockaddr *)&a, &n) == 0,
		   "a listener");
	e = (struct io_uring_sqe){ .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM };
	fd = uring_do(&u, &e);
	if (fd < 0 && errno == EINVAL) {
		skip("socket by io_uring", "the kernel's io_uring has no socket");
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	} else {
		expect("network_socket", "socket",
		       "@family=AF_INET|@via=io_uring|socket_type=SOCK_STREAM|protocol=tcp|tid=*|comm=*|%s", ok(fd));
	}
	e = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT, .fd = (int)fd, .addr = (uint64_t)(uintptr_t)&a, .off = sizeof(a)
	};
	expect("network_connect", "connect", "@destination_port=%u|destination=127.0.0.1|" BY_URING "%s",
	       ntohs(a.sin_port), ok(uring_do(&u, &e)));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = listener };
	expect("network_accept", "accept", "@port=%u|peer=127.0.0.1|address=127.0.0.1|" BY_URING "%s",
	       ntohs(a.sin_port), ok(uring_do(&u, &e)));
}

static const struct act_case cases[] = {
	{ "files", case_uring_files },
	{ "metadata", case_uring_metadata },
	{ "network", case_uring_network },
	{ 0 },
};

const struct act_family family_uring = { "uring", "via: io_uring, over the types", cases, NULL };
