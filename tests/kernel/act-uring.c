/* SPDX-License-Identifier: Apache-2.0 */
/* What io_uring does to files and names, operation by operation. */
#include "act-uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static void case_files(void)
{
	char bytes[64] = "";
	struct uring u;
	long fd;

	if (!uring_open(&u, "files", 0))
		return;
	fd = uring_do(&u, uring_openat("f", O_RDWR | O_CREAT, 0604));
	expect("file_open", "openat", "@path=%s|" BY_URING "flags~O_RDWR|flags~O_CREAT|%s", at("f"), ok(fd));
	(void)must(uring_do(&u, uring_rw(IORING_OP_WRITE, fd, bytes, 64)) == 64, "write");
	(void)must(uring_do(&u, uring_rw(IORING_OP_READ, fd, bytes, 30)) == 30, "read");
	(void)close((int)fd);
	expect_n(-1, "file_write", "write", "@path=%s|" BY_URING "bytes:=64|operations:=1", at("f"));
	expect_n(-1, "file_read", "read", "@path=%s|" BY_URING "bytes:=30|operations:=1", at("f"));
	expect("file_open", "openat that fails", "@path=%s|" BY_URING "%s", at("none"),
	       no(uring_do(&u, uring_openat("none", O_RDONLY, 0)), ENOENT));
	fd = uring_do(&u, uring_openat("/proc/kallsyms", O_RDONLY, 0));
	expect("sandbox_escape", "a sensitive file", "@category=proc_sys|@target=/proc/kallsyms|" BY_URING "%s",
	       any(fd));
	fd = uring_do(&u, uring_openat("/proc/1/mem", O_RDWR, 0));
	expect("sandbox_escape", "another process's memory", "@category=ptrace|@target=/proc/1/mem|" BY_URING "%s",
	       any(fd));
}

static struct io_uring_sqe openat2_of(const char *name, struct open_how *how)
{
	struct io_uring_sqe e = uring_name(IORING_OP_OPENAT2, name);

	e.len = sizeof(*how);
	e.off = ADDRESS(how);
	return e;
}

static void case_openat2(void)
{
	struct open_how how = { .flags = O_WRONLY | O_CREAT, .mode = 0640 };
	struct uring u;
	long fd;

	if (!uring_open(&u, "openat2", 0))
		return;
	fd = uring_do(&u, openat2_of("f", &how));
	expect("file_open", "openat2", "@path=%s|@result=0|" BY_URING "flags~O_WRONLY|flags~O_CREAT|mode=0640|%s",
	       at("f"), ok(fd));
	(void)must(symlink("f", "link") == 0, "symlink");
	how = (struct open_how){ .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };
	expect("file_open", "openat2 that resolves no links", "@path=%s|" BY_URING "resolve=RESOLVE_NO_SYMLINKS|%s",
	       at("link"), no(uring_do(&u, openat2_of("link", &how)), ELOOP));
	make_file("g", "x");
	how.resolve = RESOLVE_BENEATH;
	fd = uring_do(&u, openat2_of("g", &how));
	expect("file_open", "openat2 beneath", "@path=%s|flags=O_RDONLY|" BY_URING "%s", at("g"), ok(fd));
	expect("file_open", "openat2 beneath that would leave", "@path~kernel-test-none|" BY_URING "%s",
	       no(uring_do(&u, openat2_of("../kernel-test-none", &how)), EXDEV));
}

/* Vectors, and registered buffers. */
static void case_vectors(void)
{
	static char bytes[4096];
	struct iovec two[2] = { { bytes, 10 }, { bytes + 10, 20 } }, whole = { bytes, sizeof(bytes) };
	struct uring u;
	long fd;

	if (!uring_open(&u, "vectors", 0))
		return;
	fd = uring_do(&u, uring_openat("v", O_RDWR | O_CREAT, 0600));
	(void)must(uring_do(&u, uring_rw(IORING_OP_WRITEV, fd, two, 2)) == 30, "writev");
	(void)must(uring_do(&u, uring_rw(IORING_OP_READV, fd, two, 1)) == 10, "readv");
	expect_n(-1, "file_write", "writev", "@path=%s|" BY_URING "bytes:=30|operations:=1|%%late", at("v"));
	expect_n(-1, "file_read", "readv", "@path=%s|" BY_URING "bytes:=10|operations:=1|%%late", at("v"));
	fd = uring_do(&u, uring_openat("b", O_RDWR | O_CREAT, 0600));
	(void)must(syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_BUFFERS, &whole, 1) == 0, "a buffer");
	(void)must(uring_do(&u, uring_rw(IORING_OP_WRITE_FIXED, fd, bytes, 100)) == 100, "write_fixed");
	(void)must(uring_do(&u, uring_rw(IORING_OP_READ_FIXED, fd, bytes, 40)) == 40, "read_fixed");
	expect_n(-1, "file_write", "write from a registered buffer",
		 "@path=%s|" BY_URING "bytes:=100|operations:=1|%%late", at("b"));
	expect_n(-1, "file_read", "read to a registered buffer", "@path=%s|" BY_URING "bytes:=40|operations:=1|%%late",
		 at("b"));
}

/* Multishot reads are for what can be polled, so no regular file is read by one. */
static void case_read_multishot(void)
{
	struct io_uring_sqe e = { .opcode = OP_READ_MULTISHOT, .flags = IOSQE_BUFFER_SELECT };
	struct uring u;
	long fd;

	if (!uring_open(&u, "read_multishot", 0))
		return;
	fd = uring_do(&u, uring_openat("f", O_RDWR | O_CREAT, 0600));
	e.fd = (int)fd;
	(void)must(uring_do(&u, e) < 0 && (errno == EINVAL || errno == EBADFD), "no file is read multishot");
	expect_none("file_read", "read_multishot of a file reads nothing", "path=%s", at("f"));
}

static struct io_uring_sqe splice_of(unsigned opcode, int from, int to, unsigned n)
{
	return (struct io_uring_sqe){ .opcode = (uint8_t)opcode,
				      .splice_fd_in = from,
				      .splice_off_in = opcode == IORING_OP_SPLICE ? (uint64_t)-1 : 0,
				      .fd = to,
				      .off = opcode == IORING_OP_SPLICE ? (uint64_t)-1 : 0,
				      .len = n };
}

static void case_splice(void)
{
	int in[2], out[2], from, to;
	struct uring u;

	if (!uring_open(&u, "splice", 0))
		return;
	make_file("from", "0123456789");
	from = open("from", O_RDONLY | O_CLOEXEC);
	to = open("to", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)must(pipe(in) == 0 && pipe(out) == 0, "pipes");
	(void)must(uring_do(&u, splice_of(IORING_OP_SPLICE, from, in[1], 10)) == 10, "splice from a file");
	(void)must(uring_do(&u, splice_of(IORING_OP_TEE, in[0], out[1], 10)) == 10, "tee");
	(void)must(uring_do(&u, splice_of(IORING_OP_SPLICE, out[0], to, 6)) == 6, "splice to a file");
	expect_n(-1, "file_read", "splice from a file", "@path=%s|" BY_URING "bytes:=10|operations:=1|%%late",
		 at("from"));
	expect_n(-1, "file_write", "splice, of what tee gave, to a file",
		 "@path=%s|" BY_URING "bytes:=6|operations:=1|%%late", at("to"));
}

#define META "file_metadata"

static void case_metadata(void)
{
	struct io_uring_sqe e;
	struct uring u;

	if (!uring_open(&u, "metadata", 0))
		return;
	make_file("f", "x");
	e = uring_name(IORING_OP_MKDIRAT, "d");
	e.len = 0700;
	expect(META, "mkdirat", "@operation=mkdir|@path=%s|%%path|mode=0700|" BY_URING "%s", at("d"),
	       ok(uring_do(&u, e)));
	expect(META, "renameat", "@operation=rename|@path=%s|%%path|new_path=%s|" BY_URING "%s", at("f"), at("g"),
	       ok(uring_do(&u, uring_names(IORING_OP_RENAMEAT, "f", "g"))));
	expect(META, "linkat", "@operation=link|@path=%s|%%path|new_path=%s|" BY_URING "%s", at("g"), at("h"),
	       ok(uring_do(&u, uring_names(IORING_OP_LINKAT, "g", "h"))));
	expect(META, "symlinkat", "@operation=symlink|@new_path=%s|%%path|path=g|" BY_URING "%s", at("s"),
	       ok(uring_do(&u, uring_names(IORING_OP_SYMLINKAT, "g", "s"))));
	expect(META, "unlinkat", "@operation=unlink|@path=%s|%%path|" BY_URING "%s", at("g"),
	       ok(uring_do(&u, uring_name(IORING_OP_UNLINKAT, "g"))));
	e = uring_name(IORING_OP_UNLINKAT, "d");
	e.unlink_flags = AT_REMOVEDIR;
	expect(META, "unlinkat with AT_REMOVEDIR", "@operation=rmdir|@path=%s|%%path|" BY_URING "%s", at("d"),
	       ok(uring_do(&u, e)));
}

static void case_attributes(void)
{
	static const char name[] = "user.kernel-test", value[] = "v";
	struct io_uring_sqe e = { .opcode = IORING_OP_FALLOCATE, .addr = 8192, .len = FALLOC_FL_KEEP_SIZE };
	struct uring u;
	int fd;
	long r;

	if (!uring_open(&u, "attributes", 0))
		return;
	make_file("f", "x");
	fd = open("f", O_RDWR | O_CLOEXEC);
	e.fd = fd;
	r = uring_do(&u, e);
	if (r < 0 && errno == EOPNOTSUPP)
		skip("fallocate by io_uring", "the filesystem has no fallocate");
	else
		expect(META, "fallocate",
		       "@operation=fallocate|@path=%s|size=8192|flags=FALLOC_FL_KEEP_SIZE|" BY_URING "%s", at("f"),
		       ok(r));
	e = (struct io_uring_sqe){ .opcode = OP_FTRUNCATE, .fd = fd, .off = 5 };
	r = uring_do(&u, e);
	if (r < 0 && errno == EINVAL)
		skip("ftruncate by io_uring", "the kernel's io_uring has no ftruncate (6.9)");
	else
		expect(META, "ftruncate", "@operation=truncate|@path=%s|size=5|" BY_URING "%s", at("f"), ok(r));
	/* Is it the filesystem that refuses? */
	if (fsetxattr(fd, "user.asked", "x", 1, 0) < 0) {
		skip("setxattr by io_uring", "the filesystem has no extended attributes of users");
		return;
	}
	e = (struct io_uring_sqe){
		.opcode = IORING_OP_FSETXATTR, .fd = fd, .addr = ADDRESS(name), .addr2 = ADDRESS(value), .len = 1
	};
	expect(META, "fsetxattr", "@operation=setxattr|@path=%s|@via=io_uring|" BY_URING "%s", at("f"),
	       ok(uring_do(&u, e)));
	make_file("g", "x");
	e = (struct io_uring_sqe){ .opcode = IORING_OP_SETXATTR,
				   .addr = ADDRESS(name),
				   .addr2 = ADDRESS(value),
				   .addr3 = ADDRESS("g"),
				   .len = 1 };
	expect(META, "setxattr", "@operation=setxattr|@path=%s|%%path|" BY_URING "%s", at("g"), ok(uring_do(&u, e)));
}

/* What a close ends goes out with it; what follows on the number is another file's. */
static void case_close(void)
{
	char bytes[8] = "";
	struct uring u;
	long fd;

	if (!uring_open(&u, "close", 0))
		return;
	fd = uring_do(&u, uring_openat("one", O_RDWR | O_CREAT, 0600));
	(void)must(write((int)fd, bytes, 3) == 3, "write");
	(void)must(uring_do(&u, (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .fd = (int)fd }) == 0, "close");
	(void)must(open("two", O_RDWR | O_CREAT | O_CLOEXEC, 0600) == fd && write((int)fd, bytes, 4) == 4,
		   "another file at the number");
	expect_n(-1, "file_write", "before the close", "@path=%s|bytes:=3|operations:=1|%%late", at("one"));
	expect_n(-1, "file_write", "after the close", "@path=%s|bytes:=4|operations:=1|%%late", at("two"));
}

/* A failing request of each kind that names or has an object. */
static void case_failing(void)
{
	struct io_uring_sqe e;
	struct uring u;
	int fd;

	if (!uring_open(&u, "failing requests", 0))
		return;
	make_file("f", "x");
	fd = open("f", O_RDONLY | O_CLOEXEC);
	expect(META, "mkdirat that fails", "@operation=mkdir|@path=%s|" BY_URING "%s", at("f"),
	       no(uring_do(&u, uring_name(IORING_OP_MKDIRAT, "f")), EEXIST));
	expect(META, "renameat that fails", "@operation=rename|@path=%s|new_path=%s|" BY_URING "%s", at("no1"), at("g"),
	       no(uring_do(&u, uring_names(IORING_OP_RENAMEAT, "no1", "g")), ENOENT));
	expect(META, "linkat that fails", "@operation=link|@path=%s|new_path=%s|" BY_URING "%s", at("no2"), at("g"),
	       no(uring_do(&u, uring_names(IORING_OP_LINKAT, "no2", "g")), ENOENT));
	expect(META, "symlinkat that fails", "@operation=symlink|@new_path=%s|path=g|" BY_URING "%s", at("f"),
	       no(uring_do(&u, uring_names(IORING_OP_SYMLINKAT, "g", "f")), EEXIST));
	expect(META, "unlinkat that fails", "@operation=unlink|@path=%s|" BY_URING "%s", at("no3"),
	       no(uring_do(&u, uring_name(IORING_OP_UNLINKAT, "no3")), ENOENT));
	e = uring_name(IORING_OP_UNLINKAT, "f");
	e.unlink_flags = AT_REMOVEDIR;
	expect(META, "unlinkat with AT_REMOVEDIR that fails", "@operation=rmdir|@path=%s|" BY_URING "%s", at("f"),
	       no(uring_do(&u, e), ENOTDIR));
	e = (struct io_uring_sqe){ .opcode = IORING_OP_FALLOCATE, .fd = fd, .addr = 8192 };
	expect(META, "fallocate that fails", "@operation=fallocate|@path=%s|" BY_URING "%s", at("f"),
	       no(uring_do(&u, e), EBADF));
	(void)must(uring_do(&u, uring_rw(IORING_OP_WRITE, fd, "x", 1)) < 0 && errno == EBADF,
		   "a write to a file that is open for reading");
	expect_none("file_write", "a write that failed is none", "path=%s|via=io_uring", at("f"));
	/* A bad address and unknown flags: the ring does not take the entry. */
	(void)must(uring_do(&u, uring_openat((const char *)8, O_RDONLY, 0)) < 0 && errno == EFAULT, "a bad address");
	expect_none("file_open", "an entry that the ring did not take is none", "result=-14");
}

static const struct act_case cases[] = {
	{ "files", case_files },	   { "openat2", case_openat2 },
	{ "vectors", case_vectors },	   { "read-multishot", case_read_multishot },
	{ "splice", case_splice },	   { "metadata", case_metadata },
	{ "attributes", case_attributes }, { "close", case_close },
	{ "failing", case_failing },	   { 0 },
};

const struct act_family family_uring = { "uring", "via: io_uring, files and names", cases, NULL };
