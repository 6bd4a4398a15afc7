/* SPDX-License-Identifier: Apache-2.0 */
/* Opening files: every call, every kind of path, and what fails. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel knows of the file behind a descriptor. */
static const char *identity(int fd)
{
	static char text[4][96];
	static unsigned next;
	char *ret = text[next++ % 4];
	struct stat st = { 0 };

	(void)fstat(fd, &st);
	(void)snprintf(ret, sizeof(text[0]), "inode=%llu|device=%s|mode=%04o", (unsigned long long)st.st_ino,
		       device(st.st_dev), st.st_mode & 07777);
	return ret;
}

static void case_calls(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	expect("file_open", "a directory", "@path=%s|%s|flags=O_RDONLY,O_DIRECTORY,O_CLOEXEC|%s", at(""), ok(dir),
	       identity(dir));
	fd = open("made", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	expect("file_open", "open with O_CREAT", "@path=%s|%s|flags=O_WRONLY,O_CREAT,O_EXCL,O_CLOEXEC|mode=0640|%s",
	       at("made"), ok(fd), identity(fd));
	(void)close(fd);
	make_file("b", "text");
#ifdef SYS_open
	fd = (int)syscall(SYS_open, "b", O_RDWR | O_APPEND);
	expect("file_open", "the call open", "@path=%s|@flags=O_RDWR,O_APPEND|%s|%s", at("b"), ok(fd), identity(fd));
	(void)close(fd);
	fd = (int)syscall(SYS_creat, "c", 0600);
	expect("file_open", "creat", "@path=%s|%s|flags=O_WRONLY,O_CREAT,O_TRUNC|%s", at("c"), ok(fd), identity(fd));
	(void)close(fd);
#endif
	fd = openat(dir, "b", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOATIME | O_NOCTTY);
	expect("file_open", "openat relative to a directory",
	       "@path=%s|@flags=O_RDONLY,O_NONBLOCK,O_NOFOLLOW,O_NOATIME,O_NOCTTY|%s|%s", at("b"), ok(fd),
	       identity(fd));
	(void)close(fd);
	fd = open(at("b"), O_PATH | O_CLOEXEC);
	expect("file_open", "O_PATH", "@path=%s|@flags=O_RDONLY,O_PATH,O_CLOEXEC|%s|%s", at("b"), ok(fd), identity(fd));
	(void)close(fd);
	fd = open(at("b"), O_RDWR | O_TRUNC | O_SYNC);
	expect("file_open", "an absolute path, O_TRUNC, O_SYNC",
	       "@path=%s|@flags=O_RDWR,O_TRUNC,O_SYNC|%s|-deleted|-truncated|-overlay", at("b"), ok(fd));
	(void)close(fd);
	fd = open(".", O_RDWR | O_TMPFILE, 0600);
	expect("file_open", "O_TMPFILE", "@flags=O_RDWR,O_TMPFILE|@result=0|%s|path^%s", identity(fd), at(""));
	(void)must(fd >= 0, "O_TMPFILE");
	(void)close(fd);
}

static int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static void case_openat2(void)
{
	int fd, dir = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)mkdir("sub", 0755);
	make_file("sub/f", "x");
	(void)must(symlink("sub/f", "link") == 0 && symlink("/etc", "sub/out") == 0, "symlink");
	fd = sys_openat2(dir, "sub/f", O_RDONLY, 0, RESOLVE_BENEATH);
	expect("file_open", "openat2 RESOLVE_BENEATH", "@path=%s|@flags=O_RDONLY|%s|%s|-resolve",
	       at("sub/f"), ok(fd), identity(fd));
	(void)close(fd);
	fd = sys_openat2(dir, "/sub/new", O_WRONLY | O_CREAT, 0604, RESOLVE_IN_ROOT);
	expect("file_open", "openat2 RESOLVE_IN_ROOT",
	       "@path=%s|%s|flags=O_WRONLY,O_CREAT|mode=0604|-resolve", at("sub/new"), ok(fd));
	(void)close(fd);
	expect("file_open", "openat2 RESOLVE_NO_SYMLINKS fails",
	       "@path=%s|verified=false|%s|resolve=RESOLVE_NO_SYMLINKS", at("link"),
	       no(sys_openat2(dir, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP));
	expect("file_open", "openat2 that would leave its directory fails", "@path=%s|verified=false|%s",
	       at("sub/out/passwd"), no(sys_openat2(dir, "sub/out/passwd", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV));
	expect("file_open", "openat2 with unknown flags fails", "@path=%s|@result=-22|error=EINVAL|verified=false",
	       at("sub/q"));
	(void)must(sys_openat2(dir, "sub/q", O_RDONLY, 0777, 0) < 0 && errno == EINVAL, "EINVAL");
}

static int nobody_opens(void *context)
{
	if (!must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "become nobody"))
		return 1;
	expect("file_open", "EACCES", "@path=%s|verified=false|flags=O_RDONLY|%s|uid=65534", at("secret"),
	       no(open("secret", O_RDONLY), EACCES));
	expect("file_open", "EACCES when creating", "@path=%s|verified=false|flags=O_WRONLY,O_CREAT|%s", at("new"),
	       no(open("new", O_WRONLY | O_CREAT, 0644), EACCES));
	return 0;
}

static void case_failed(void)
{
	int file = -1;

	expect("file_open", "ENOENT", "@path=%s|verified=false|flags=O_RDONLY,O_CLOEXEC|%s|-inode|-device|-mode",
	       at("missing"), no(open("missing", O_RDONLY | O_CLOEXEC), ENOENT));
	make_file("file", "x");
	expect("file_open", "ENOTDIR", "@path=%s|verified=false|%s", at("file/below"),
	       no(open("file/below", O_RDONLY), ENOTDIR));
	(void)must(symlink("loop", "loop") == 0, "symlink");
	expect("file_open", "ELOOP", "@path=%s|verified=false|%s", at("loop"), no(open("loop", O_RDONLY), ELOOP));
	expect("file_open", "EEXIST",
	       "@path=%s|@result=-17|error=EEXIST|verified=false|flags=O_WRONLY,O_CREAT,O_EXCL|%s", at("file"),
	       no(open("file", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST));
	expect("file_open", "EISDIR", "@path=%s|@flags=O_WRONLY|verified=false|%s", at(""),
	       no(open(at(""), O_WRONLY), EISDIR));
	file = open("file", O_RDONLY | O_CLOEXEC);
	expect("file_open", "a file as dirfd", "@path=%s|@result=-20|verified=false|%s", at("file/x"),
	       no(openat(file, "x", O_RDONLY), ENOTDIR));
	expect("file_open", "a closed dirfd: the name alone is known", "@result=-9|verified=false|%s",
	       no(openat(999, "x", O_RDONLY), EBADF));
	expect("file_open", "an empty name", "@result=-2|@flags=O_RDWR|verified=false|%s",
	       no(open("", O_RDWR), ENOENT));
	expect("file_open", "a name that can't be read", "@result=-14|error=EFAULT|-path|verified=false");
	(void)must(syscall(SYS_openat, AT_FDCWD, (char *)8, O_RDONLY) < 0 && errno == EFAULT, "EFAULT");
	make_file("secret", "x");
	(void)chmod("secret", 0600);
	(void)in_child(nobody_opens, NULL);
}

static void case_flood(void)
{
	for (int i = 0; i < 5; i++)
		(void)must(open("absent", O_RDONLY) < 0, "ENOENT");
	expect_n(-1, "file_open", "identical failed opens", "@path=%s|%s|verified=false", at("absent"),
		 "result=-2|error=ENOENT");
}

static void case_links(void)
{
	int fd, dir;

	(void)mkdir("real", 0755);
	make_file("real/file", "x");
	(void)must(symlink("real", "dir") == 0 && symlink("dir/file", "link") == 0, "symlink");
	fd = open("link", O_RDONLY);
	expect("file_open", "symlinks are resolved", "@path=%s|@flags=O_RDONLY|%s|%s", at("real/file"), ok(fd),
	       identity(fd));
	(void)close(fd);
	expect_none("file_open", "the link's own name does not show", "path=%s|flags=O_RDONLY", at("link"));
	fd = open("./real/../dir//./file", O_RDWR);
	expect("file_open", "dots and doubled slashes are resolved", "@path=%s|@flags=O_RDWR|%s", at("real/file"),
	       ok(fd));
	(void)close(fd);
	fd = open("link", O_PATH | O_NOFOLLOW);
	expect("file_open", "a link itself", "@path=%s|@flags=O_RDONLY,O_PATH,O_NOFOLLOW|%s", at("link"), ok(fd));
	(void)close(fd);
	dir = open("dir", O_RDONLY | O_DIRECTORY);
	(void)must(rename("real", "moved") == 0, "rename");
	fd = openat(dir, "file", O_WRONLY);
	expect("file_open", "a directory that has moved", "@path=%s|flags=O_WRONLY|%s", at("moved/file"), ok(fd));
	(void)close(fd);
}

static void case_deleted(void)
{
	char path[64], *name = at("gone");
	int first, fd;

	make_file("gone", "x");
	first = open("gone", O_RDWR | O_CLOEXEC);
	(void)must(unlink("gone") == 0, "unlink");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", first);
	fd = open(path, O_RDONLY);
	expect("file_open", "a deleted file through /proc/self/fd", "@path=%s|@deleted=true|flags=O_RDONLY|%s|%s", name,
	       ok(fd), identity(fd));
	(void)close(fd);
	make_file("again (deleted)", "x");
	fd = open("again (deleted)", O_RDONLY);
	expect("file_open", "a name that looks deleted", "@path=%s|@flags=O_RDONLY|%s|-deleted", at("again (deleted)"),
	       ok(fd));
	(void)close(fd);
}

static void case_handle(void)
{
	struct {
		struct file_handle h;
		char bytes[128];
	} handle = { .h.handle_bytes = 128 };
	int mount_id, fd, dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	make_file("handled", "x");
	if (name_to_handle_at(AT_FDCWD, "handled", &handle.h, &mount_id, 0) < 0) {
		skip("open_by_handle_at", strerror(errno));
		return;
	}
	fd = open_by_handle_at(dir, &handle.h, O_RDWR);
	expect("file_open", "open_by_handle_at", "@flags=O_RDWR|@result=0|%s|%s|path=%s|%%way=handle", ok(fd),
	       identity(fd), at("handled"));
	(void)close(fd);
	memset(handle.h.f_handle, 0xee, handle.h.handle_bytes);
	fd = open_by_handle_at(dir, &handle.h, O_WRONLY);
	expect("file_open", "open_by_handle_at of a stale handle", "@flags=O_WRONLY|%s|-path|verified=false", any(fd));
}

/* 300 parts of 12 bytes with their slashes: longer than a call may name, but not than the kernel may print. */
static void case_deep(void)
{
	static char path[8192];
	size_t start = strlen(at("")), n = start, parts = 0;
	int fd = -1;

	memcpy(path, at(""), start);
	while (n + 14 < 4000 && parts < 300) {
		char name[16];
		size_t want = (4000 - start) / 300 - 1;

		(void)snprintf(name, sizeof(name), "p%0*zu", (int)(want > 12 ? 12 : want < 5 ? 5 : want) - 1, parts);
		if (!must(mkdir(name, 0755) == 0 && chdir(name) == 0, "a deep directory"))
			return;
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/%s", name);
		parts++;
	}
	(void)must(parts == 300, "300 parts");
	fd = open("leaf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	expect("file_open", "a path of 300 parts", "@path=%s/leaf|%s|-truncated|%s", path, ok(fd), identity(fd));
	(void)close(fd);
	expect("file_open", "a failed open below 300 parts", "@path=%s/none|verified=false|%s", path,
	       no(open("none", O_RDONLY), ENOENT));
	expect("file_open", "a name of 4,095 bytes that fails", "@result=-36|error=ENAMETOOLONG|verified=false|+path");
	memset(path, 'n', 4095);
	path[4095] = '\0';
	(void)must(open(path, O_RDONLY) < 0 && errno == ENAMETOOLONG, "ENAMETOOLONG");
}

static void case_deeper(void)
{
	int fd;

	for (int i = 0; i < 30; i++) {
		char name[256];

		memset(name, 'a' + i % 26, 250);
		name[250] = '\0';
		if (!must(mkdir(name, 0755) == 0 && chdir(name) == 0, "a deep directory"))
			return;
	}
	fd = open("leaf", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	/* The leaf counts: what is cut is cut at the root's end. */
	expect("file_open", "a path longer than PATH_MAX says so",
	       "@flags=O_RDWR,O_CREAT,O_CLOEXEC|@result=0|truncated=true|path~/leaf|%s", identity(fd));
	(void)close(fd);
}

static const char hostile[] = "q\"uo'te \\ back\nline \33[2J \xff\xfe \xc3\xa9 \x7f\1 \\x41 \xe2\x80\xae";

static void case_hostile(void)
{
	char *path = at(hostile);
	int fd = open(hostile, O_RDWR | O_CREAT, 0644);

	expect("file_open", "hostile bytes in a name", "@path=%s|escaped~path|%s", hex(path, strlen(path)), ok(fd));
	(void)close(fd);
	path = at("\xff\n\"never");
	expect("file_open", "hostile bytes in a failed name", "@path=%s|escaped~path|%s", hex(path, strlen(path)),
	       no(open("\xff\n\"never", O_RDONLY), ENOENT));
	fd = open("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\xa7\xb5", O_RDWR | O_CREAT, 0644);
	expect("file_open", "good UTF-8 stays as it is", "@path=%s|-escaped|%s",
	       at("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\xa7\xb5"), ok(fd));
	(void)close(fd);
	fd = open("back\\slash", O_RDWR | O_CREAT, 0644);
	path = at("back\\slash");
	expect("file_open", "a backslash can be undone", "@path=%s|%s", hex(path, strlen(path)), ok(fd));
	(void)close(fd);
}

static int private_mounts(void)
{
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -1 : 0;
}

static void case_overlay(void)
{
	char options[2048];
	int fd;

	(void)mkdir("disk", 0755);
	if (private_mounts() < 0 || mount("tmpfs", "disk", "tmpfs", 0, NULL) < 0) {
		skip("overlay files", "no private mounts or tmpfs here");
		return;
	}
	(void)mkdir("disk/low", 0755);
	(void)mkdir("disk/up", 0755);
	(void)mkdir("disk/work", 0755);
	(void)mkdir("merged", 0755);
	make_file("disk/low/below", "x");
	make_file("disk/low/both", "x");
	make_file("disk/up/above", "x");
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", at("disk/low"), at("disk/up"),
		       at("disk/work"));
	if (mount("overlay", "merged", "overlay", 0, options) < 0) {
		skip("overlay files",
		     errno == ENODEV ? "the kernel has no overlay filesystem (module overlay)" : strerror(errno));
		return;
	}
	fd = open("merged/below", O_RDONLY);
	expect("file_open", "a file of overlay's lower layer", "@path=%s|overlay=lower|%s", at("merged/below"), ok(fd));
	(void)close(fd);
	fd = open("merged/above", O_RDONLY);
	expect("file_open", "a file of overlay's upper layer", "@path=%s|overlay=upper|%s", at("merged/above"), ok(fd));
	(void)close(fd);
	fd = open("merged/both", O_RDWR);
	expect("file_open", "a file that was copied up", "@path=%s|@flags=O_RDWR|overlay=upper|%s", at("merged/both"),
	       ok(fd));
	(void)close(fd);
	fd = open("merged/new", O_WRONLY | O_CREAT, 0644);
	expect("file_open", "a file made in overlay", "@path=%s|overlay=upper|%s", at("merged/new"), ok(fd));
	(void)close(fd);
}

static void case_mounts(void)
{
	int fd;

	(void)mkdir("source", 0755);
	(void)mkdir("source/deep", 0755);
	(void)mkdir("target", 0755);
	(void)mkdir("tmp", 0755);
	make_file("source/deep/f", "x");
	if (private_mounts() < 0 || mount("source/deep", "target", NULL, MS_BIND, NULL) < 0) {
		skip("a bind mount", strerror(errno));
		return;
	}
	fd = open("target/f", O_RDWR);
	expect("file_open", "a file below a bind mount has its name there", "@path=%s|flags=O_RDWR|%s|%s",
	       at("target/f"), ok(fd), identity(fd));
	(void)close(fd);
	(void)must(mount("tmpfs", "tmp", "tmpfs", 0, NULL) == 0 && mkdir("tmp/a", 0755) == 0, "tmpfs");
	fd = open("tmp/a/new", O_RDWR | O_CREAT, 0600);
	expect("file_open", "a file on another filesystem", "@path=%s|%s|%s", at("tmp/a/new"), ok(fd), identity(fd));
	(void)close(fd);
	fd = open("/proc/self/status", O_RDONLY);
	expect("file_open", "a file of procfs", "@path=/proc/%d/status|%s", getpid(), ok(fd));
	(void)close(fd);
}

static void case_chroot(void)
{
	char *inside;
	int fd;

	(void)mkdir("jail", 0755);
	(void)mkdir("jail/etc", 0755);
	make_file("jail/etc/f", "x");
	inside = at("jail/etc/f");
	(void)must(chroot("jail") == 0 && chdir("/") == 0, "chroot");
	fd = open("/etc/f", O_RDWR);
	expect("file_open", "a chrooted opener's path starts at the sensor's root", "@path=%s|@flags=O_RDWR|%s|%s",
	       inside, ok(fd), identity(fd));
	(void)close(fd);
	expect("file_open", "a chrooted opener's failed path", "@path~/etc/none|verified=false|%s",
	       no(open("/etc/none", O_RDONLY), ENOENT));
}

static void case_special(void)
{
	int fd = open("/dev/null", O_RDWR);

	expect("file_open", "a device", "@path=/dev/null|flags=O_RDWR|%s|%s", ok(fd), identity(fd));
	(void)close(fd);
	(void)must(mkfifo("fifo", 0600) == 0, "mkfifo");
	fd = open("fifo", O_RDWR | O_NONBLOCK);
	expect("file_open", "a fifo", "@path=%s|flags=O_RDWR,O_NONBLOCK|%s", at("fifo"), ok(fd));
	(void)close(fd);
}

static const struct act_case cases[] = {
	{ "calls", case_calls },     { "openat2", case_openat2 }, { "failed", case_failed },
	{ "flood", case_flood },     { "links", case_links },	  { "deleted", case_deleted },
	{ "handle", case_handle },   { "deep", case_deep },	  { "deeper", case_deeper },
	{ "hostile", case_hostile }, { "overlay", case_overlay }, { "mounts", case_mounts },
	{ "chroot", case_chroot },   { "special", case_special }, { 0 },
};

const struct act_family family_open = { "open", "file_open", cases, NULL };
