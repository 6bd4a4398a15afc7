/* SPDX-License-Identifier: Apache-2.0 */
/* Every change of metadata, by name, by *at and by descriptor, done and refused. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define SYS_SETXATTRAT 463
#define SYS_REMOVEXATTRAT 466
#define RENAME_NOREPLACE_ 1
#define RENAME_EXCHANGE_ 2

/* By name, and by descriptor: there the object is always the kernel's. */
#define BY_NAME(operation, what, path, fields, result)                                                                 \
	expect("file_metadata", what, "@operation=" operation "|@path=%s|%%path|%s|@%s", path, fields, result)
#define BY_FD(operation, what, path, fields, result)                                                                   \
	expect("file_metadata", what, "@operation=" operation "|@path=%s|%s|@%s", path, fields, result)

static int dir_fd(void)
{
	return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const char *new_path(const char *name)
{
	static char text[4096];

	(void)snprintf(text, sizeof(text), "new_path=%s", at(name));
	return text;
}

static void case_unlink(void)
{
	int dir = dir_fd();

	make_file("a", "x");
	make_file("b", "x");
	BY_NAME("unlink", "unlink", at("a"), "-new_path", ok(unlink("a")));
	BY_NAME("unlink", "unlinkat", at("b"), "-new_path", ok(unlinkat(dir, "b", 0)));
	BY_NAME("unlink", "unlink ENOENT", at("c"), "-new_path", no(unlink("c"), ENOENT));
	BY_NAME("unlink", "unlinkat EISDIR", at(""), "-new_path", no(unlinkat(AT_FDCWD, at(""), 0), EISDIR));
}

static void case_directories(void)
{
	int dir = dir_fd();

	BY_NAME("mkdir", "mkdir", at("one"), "mode=0750", ok(mkdir("one", 0750)));
	BY_NAME("mkdir", "mkdirat", at("two"), "mode=0700", ok(mkdirat(dir, "two", 0700)));
	expect("file_metadata", "mkdir EEXIST", "@operation=mkdir|@path=%s|@result=-17|error=EEXIST|%s", at("one"),
	       no(mkdir("one", 0700), EEXIST));
	BY_NAME("mkdir", "mkdirat ENOENT", at("no/sub"), "mode=0700", no(mkdirat(dir, "no/sub", 0700), ENOENT));
	make_file("two/full", "x");
	BY_NAME("rmdir", "rmdir", at("one"), "-new_path", ok(rmdir("one")));
	expect("file_metadata", "rmdir ENOTEMPTY", "@operation=rmdir|@path=%s|@result=-39|error=ENOTEMPTY|%s",
	       at("two"), no(rmdir("two"), ENOTEMPTY));
	(void)must(unlink("two/full") == 0, "unlink");
	expect("file_metadata", "unlinkat with AT_REMOVEDIR", "@operation=rmdir|@path=%s|@result=0|%%path|%s",
	       at("two"), ok(unlinkat(dir, "two", AT_REMOVEDIR)));
}

static void case_rename(void)
{
	int dir = dir_fd();

	for (const char *n = "abcdefgh"; *n; n++)
		make_file((char[]){ *n, 0 }, "x");
	BY_NAME("rename", "rename", at("a"), new_path("a2"), ok(rename("a", "a2")));
	BY_NAME("rename", "renameat", at("b"), new_path("b2"), ok(renameat(dir, "b", AT_FDCWD, at("b2"))));
	BY_NAME("rename", "renameat2", at("c"), new_path("c2"), ok(renameat2(dir, "c", dir, "c2", 0)));
	expect("file_metadata", "renameat2 with RENAME_EXCHANGE",
	       "@operation=rename|@path=%s|%%path|flags=RENAME_EXCHANGE|%s|%s", at("d"), new_path("e"),
	       ok(renameat2(dir, "d", dir, "e", RENAME_EXCHANGE_)));
	expect("file_metadata", "renameat2 with RENAME_NOREPLACE",
	       "@operation=rename|@path=%s|%%path|flags=RENAME_NOREPLACE|%s|%s", at("f"), new_path("f2"),
	       ok(renameat2(dir, "f", dir, "f2", RENAME_NOREPLACE_)));
	BY_NAME("rename", "rename over a file", at("g"), new_path("h"), ok(rename("g", "h")));
	BY_NAME("rename", "RENAME_NOREPLACE EEXIST", at("h"), new_path("f2"),
		no(renameat2(dir, "h", dir, "f2", RENAME_NOREPLACE_), EEXIST));
	BY_NAME("rename", "rename ENOENT", at("z"), new_path("y"), no(rename("z", "y"), ENOENT));
	(void)mkdir("dir", 0755);
	(void)mkdir("other", 0755);
	BY_NAME("rename", "a directory moved into another", at("dir"), new_path("other/dir"),
		ok(rename("dir", "other/dir")));
}

static void case_links(void)
{
	int dir = dir_fd(), file;
	char path[64];

	make_file("f", "x");
	expect("file_metadata", "link", "@operation=link|@new_path=%s|path=%s|%%path|@%s", at("l1"), at("f"),
	       ok(link("f", "l1")));
	expect("file_metadata", "linkat", "@operation=link|@new_path=%s|path=%s|%%path|%s", at("l2"), at("f"),
	       ok(linkat(dir, "f", dir, "l2", 0)));
	file = open("f", O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	expect("file_metadata", "linkat of a descriptor", "@operation=link|@new_path=%s|+path|%%path|%s", at("l3"),
	       ok(linkat(AT_FDCWD, path, dir, "l3", AT_SYMLINK_FOLLOW)));
	expect("file_metadata", "link EEXIST", "@operation=link|@new_path=%s|@result=-17|%s", at("l1"),
	       no(link("f", "l1"), EEXIST));
	expect("file_metadata", "symlink", "@operation=symlink|@new_path=%s|path=/absolute/target|%%path|@%s", at("s1"),
	       ok(symlink("/absolute/target", "s1")));
	expect("file_metadata", "symlinkat", "@operation=symlink|@new_path=%s|path~target|%%path|%s", at("s2"),
	       ok(symlinkat("relative/target", dir, "s2")));
	expect("file_metadata", "symlink EEXIST", "@operation=symlink|@new_path=%s|@result=-17|%s", at("s1"),
	       no(symlink("/x", "s1"), EEXIST));
}

static void case_mode(void)
{
	int dir = dir_fd(), fd;
	struct stat st;
	char fields[64];

	make_file("f", "x");
	BY_NAME("chmod", "chmod", at("f"), "@mode=0604", ok(chmod("f", 0604)));
	make_file("g", "x");
	fd = open("g", O_RDONLY | O_CLOEXEC);
	(void)fstat(fd, &st);
	(void)snprintf(fields, sizeof(fields), "mode=4755|inode=%llu|device=%s", (unsigned long long)st.st_ino,
		       device(st.st_dev));
	BY_FD("chmod", "fchmod, a set-id bit", at("g"), fields, ok(fchmod(fd, 04755)));
	make_file("h", "x");
	BY_NAME("chmod", "fchmodat", at("h"), "mode=1600", ok(fchmodat(dir, "h", 01600, 0)));
	make_file("i", "x");
	BY_NAME("chmod", "fchmodat2", at("i"), "mode=0611",
		any(syscall(SYS_fchmodat2, dir, "i", 0611, AT_SYMLINK_NOFOLLOW)));
	make_file("j", "x");
	fd = open("j", O_RDONLY | O_CLOEXEC);
	expect("file_metadata", "fchmodat2 of a descriptor", "@operation=chmod|@mode=0622|%%path|%s",
	       any(syscall(SYS_fchmodat2, fd, "", 0622, AT_EMPTY_PATH)));
	BY_NAME("chmod", "chmod ENOENT", at("none"), "mode=0600", no(chmod("none", 0600), ENOENT));
	expect("file_metadata", "fchmod EBADF", "@operation=chmod|@result=-9|error=EBADF|%s",
	       no(fchmod(999, 0600), EBADF));
	(void)must(symlink("f", "link") == 0, "symlink");
	expect("file_metadata", "chmod through a symlink", "@operation=chmod|@mode=0666|%%path|%s",
	       ok(chmod("link", 0666)));
}

static void case_owner(void)
{
	int dir = dir_fd(), fd;

	make_file("a", "x");
	BY_NAME("chown", "chown", at("a"), "owner=12:34", ok(chown("a", 12, 34)));
	(void)must(symlink("a", "l") == 0, "symlink");
	BY_NAME("chown", "lchown of a link", at("l"), "owner=13:35", ok(lchown("l", 13, 35)));
	make_file("b", "x");
	fd = open("b", O_RDONLY | O_CLOEXEC);
	BY_FD("chown", "fchown", at("b"), "owner=14:36", ok(fchown(fd, 14, 36)));
	make_file("c", "x");
	BY_NAME("chown", "fchownat", at("c"), "owner=15:37", ok(fchownat(dir, "c", 15, 37, AT_SYMLINK_NOFOLLOW)));
	make_file("d", "x");
	fd = open("d", O_RDONLY | O_CLOEXEC);
	expect("file_metadata", "fchownat of a descriptor", "@operation=chown|@owner=16:38|%%path|%s",
	       ok(fchownat(fd, "", 16, 38, AT_EMPTY_PATH)));
	BY_NAME("chown", "chown ENOENT", at("none"), "owner=1:2", no(chown("none", 1, 2), ENOENT));
	make_file("e", "x");
	expect("file_metadata", "chown of the owner alone", "@operation=chown|@path=%s|%%path|owner^77|%s", at("e"),
	       ok(chown("e", 77, (gid_t)-1)));
}

static void case_truncate(void)
{
	int fd;

	make_file("f", "0123456789");
	BY_NAME("truncate", "truncate", at("f"), "size=4", ok(truncate("f", 4)));
	make_file("g", "0123456789");
	fd = open("g", O_RDWR | O_CLOEXEC);
	BY_FD("truncate", "ftruncate", at("g"), "size=123456", ok(ftruncate(fd, 123456)));
	BY_NAME("truncate", "truncate ENOENT", at("none"), "size=1", no(truncate("none", 1), ENOENT));
	fd = open("f", O_RDONLY | O_CLOEXEC);
	expect("file_metadata", "ftruncate EINVAL on a reader", "@operation=truncate|@result=-22|size=9|%s",
	       no(ftruncate(fd, 9), EINVAL));
	make_file("h", "0123456789");
	fd = open("h", O_RDWR | O_CLOEXEC);
	expect("file_metadata", "fallocate", "@operation=fallocate|@path=%s|size=8192|flags=FALLOC_FL_KEEP_SIZE|%s",
	       at("h"), any(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192)));
	expect("file_metadata", "fallocate EBADF", "@operation=fallocate|@result=-9|%s",
	       no(fallocate(999, 0, 0, 1), EBADF));
}

static void case_xattr(void)
{
	int dir = dir_fd(), fd;
	struct {
		uint64_t value;
		uint32_t size, flags;
	} args = { (uint64_t)(uintptr_t) "v", 1, 0 };

	make_file("a", "x");
	(void)must(symlink("a", "l") == 0, "symlink");
	fd = open("a", O_RDONLY | O_CLOEXEC);
	expect("file_metadata", "setxattr", "@operation=setxattr|@path=%s|%%path|%s", at("a"),
	       any(setxattr("a", "trusted.kt", "v", 1, 0)));
	expect("file_metadata", "lsetxattr", "@operation=setxattr|@path=%s|%%path|%s", at("l"),
	       any(lsetxattr("l", "trusted.kt", "v", 1, 0)));
	expect("file_metadata", "removexattr", "@operation=removexattr|@path=%s|%%path|%s", at("a"),
	       any(removexattr("a", "trusted.kt")));
	expect("file_metadata", "lremovexattr", "@operation=removexattr|@path=%s|%%path|%s", at("l"),
	       any(lremovexattr("l", "trusted.kt")));
	make_file("b", "x");
	fd = open("b", O_RDONLY | O_CLOEXEC);
	expect("file_metadata", "fsetxattr", "@operation=setxattr|@path=%s|%s", at("b"),
	       any(fsetxattr(fd, "trusted.kt", "v", 1, 0)));
	expect("file_metadata", "fremovexattr", "@operation=removexattr|@path=%s|%s", at("b"),
	       any(fremovexattr(fd, "trusted.kt")));
	BY_NAME("setxattr", "setxattr ENOENT", at("none"), "-new_path",
		no(setxattr("none", "trusted.kt", "v", 1, 0), ENOENT));
	BY_NAME("removexattr", "removexattr ENOENT", at("none"), "-new_path",
		no(removexattr("none", "trusted.kt"), ENOENT));
	make_file("c", "x");
	expect("file_metadata", "setxattrat", "@operation=setxattr|@path=%s|%%path|%s", at("c"),
	       any(syscall(SYS_SETXATTRAT, dir, "c", 0, "trusted.kt", &args, sizeof(args))));
	expect("file_metadata", "removexattrat", "@operation=removexattr|@path=%s|%%path|%s", at("c"),
	       any(syscall(SYS_REMOVEXATTRAT, dir, "c", 0, "trusted.kt")));
}

static void case_times(void)
{
	struct timespec now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
	struct timeval old[2] = { { 1, 0 }, { 2, 0 } };
	struct utimbuf buf = { 1, 2 };
	int dir = dir_fd(), fd;

	for (const char *n = "abcdef"; *n; n++)
		make_file((char[]){ *n, 0 }, "x");
#ifdef SYS_utime
	BY_NAME("utimes", "utime", at("a"), "-new_path", ok(syscall(SYS_utime, "a", &buf)));
	BY_NAME("utimes", "utimes", at("b"), "-new_path", ok(syscall(SYS_utimes, "b", old)));
	BY_NAME("utimes", "futimesat", at("c"), "-new_path", ok(syscall(SYS_futimesat, dir, "c", old)));
#else
	(void)buf;
	(void)old;
#endif
	BY_NAME("utimes", "utimensat", at("d"), "-new_path", ok(utimensat(dir, "d", now, 0)));
	fd = open("e", O_RDONLY | O_CLOEXEC);
	BY_FD("utimes", "utimensat of a descriptor", at("e"), "-new_path", ok(futimens(fd, now)));
	(void)must(symlink("f", "l") == 0, "symlink");
	BY_NAME("utimes", "utimensat of a link", at("l"), "-new_path",
		ok(utimensat(dir, "l", now, AT_SYMLINK_NOFOLLOW)));
	BY_NAME("utimes", "utimensat ENOENT", at("none"), "-new_path", no(utimensat(dir, "none", now, 0), ENOENT));
}

static void case_nodes(void)
{
	int dir = dir_fd();

	BY_NAME("mknod", "mknod of a fifo", at("fifo"), "mode~600", ok(mknod("fifo", S_IFIFO | 0600, 0)));
	BY_NAME("mknod", "mknodat of a socket", at("sock"), "mode~640", ok(mknodat(dir, "sock", S_IFSOCK | 0640, 0)));
	BY_NAME("mknod", "mknod of a plain file", at("plain"), "mode~604", ok(mknod("plain", S_IFREG | 0604, 0)));
	BY_NAME("mknod", "mknod ENOENT", at("no/where"), "mode~600", no(mknod("no/where", S_IFIFO | 0600, 0), ENOENT));
}

static int nobody(void *context)
{
	int fd = open("theirs", O_RDONLY | O_CLOEXEC);

	if (!must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "become nobody"))
		return 1;
	BY_NAME("unlink", "unlink EACCES", at("theirs"), "uid=65534", no(unlink("theirs"), EACCES));
	BY_NAME("rename", "rename EACCES", at("theirs"), new_path("mine"), no(rename("theirs", "mine"), EACCES));
	expect("file_metadata", "link EPERM or EACCES", "@operation=link|@path=%s|%s|%s", at("theirs"),
	       new_path("mine"), any(link("theirs", "mine")));
	expect("file_metadata", "symlink EACCES", "@operation=symlink|@new_path=%s|%s", at("mine"),
	       no(symlink("/x", "mine"), EACCES));
	BY_NAME("mkdir", "mkdir EACCES", at("mine"), "mode=0700", no(mkdir("mine", 0700), EACCES));
	BY_NAME("rmdir", "rmdir EACCES", at("dir"), "-new_path", no(rmdir("dir"), EACCES));
	BY_NAME("chmod", "chmod EPERM", at("theirs"), "@mode=0777", no(chmod("theirs", 0777), EPERM));
	BY_FD("chmod", "fchmod EPERM", at("theirs"), "@mode=0776", no(fchmod(fd, 0776), EPERM));
	BY_NAME("chown", "chown EPERM", at("theirs"), "@owner=1:1", no(chown("theirs", 1, 1), EPERM));
	BY_FD("chown", "fchown EPERM", at("theirs"), "@owner=2:2", no(fchown(fd, 2, 2), EPERM));
	BY_NAME("truncate", "truncate EACCES", at("theirs"), "size=1", no(truncate("theirs", 1), EACCES));
	BY_NAME("utimes", "utimensat EPERM", at("theirs"), "-new_path",
		no(utimensat(AT_FDCWD, "theirs", (struct timespec[]){ { 1, 1 }, { 1, 1 } }, 0), EPERM));
	BY_NAME("mknod", "mknod EACCES", at("mine"), "mode~600", no(mknod("mine", S_IFIFO | 0600, 0), EACCES));
	expect("file_metadata", "setxattr refused", "@operation=setxattr|@path=%s|%s", at("theirs"),
	       any(setxattr("theirs", "trusted.kt", "v", 1, 0)));
	expect("file_metadata", "removexattr refused", "@operation=removexattr|@path=%s|%s", at("theirs"),
	       any(removexattr("theirs", "trusted.kt")));
	return 0;
}

static void case_refused(void)
{
	make_file("theirs", "x");
	(void)mkdir("dir", 0755);
	/* at() must know its directory before the right to look is gone. */
	(void)at("");
	/* Selection by result: each has the same path. */
	(void)in_child(nobody, NULL);
}

static const char hostile[] = "a\nb\33c\"d\\e\xff";

static void case_hostile(void)
{
	char *path = at(hostile), *two = at("second\r\xfe");

	make_file(hostile, "x");
	expect("file_metadata", "hostile names",
	       "@operation=rename|@path=%s|new_path=%s|%%path|escaped~path|escaped~new_path|%s",
	       hex(path, strlen(path)), hex(two, strlen(two)), ok(rename(hostile, "second\r\xfe")));
	expect("file_metadata", "a hostile name that is missing", "@operation=unlink|@path=%s|%s",
	       hex(path, strlen(path)), no(unlink(hostile), ENOENT));
}

static void case_resolved(void)
{
	int dir;

	(void)mkdir("real", 0755);
	(void)must(symlink("real", "dir") == 0, "symlink");
	make_file("real/f", "x");
	expect("file_metadata", "a name through a linked directory", "@operation=chmod|@mode=0601|%%path|%s",
	       ok(chmod("dir/f", 0601)));
	dir = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	BY_NAME("mkdir", "relative to a directory's descriptor", at("real/sub"), "mode=0700",
		ok(mkdirat(dir, "sub", 0700)));
	(void)must(chdir("real") == 0, "chdir");
	BY_NAME("mkdir", "relative to the working directory", at("real/cwd"), "mode=0700", ok(mkdir("cwd", 0700)));
	BY_NAME("mkdir", "an absolute name", at("absolute"), "mode=0700", ok(mkdir(at("absolute"), 0700)));
	(void)must(chdir("..") == 0, "chdir");
}

static const struct act_case cases[] = {
	{ "unlink", case_unlink },     { "directories", case_directories },
	{ "rename", case_rename },     { "links", case_links },
	{ "mode", case_mode },	       { "owner", case_owner },
	{ "truncate", case_truncate }, { "xattr", case_xattr },
	{ "times", case_times },       { "nodes", case_nodes },
	{ "refused", case_refused },   { "hostile", case_hostile },
	{ "resolved", case_resolved }, { 0 },
};

const struct act_family family_metadata = { "metadata", "file_metadata", cases, NULL };
