/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file by many names. However it is spelled, open, read, write and a change by descriptor name one device and
 * inode and one path; a hard link and a bind mount have a path of their own, and the same device and inode.
 * Each spelling is used by a process of its own, so that its events can't be mistaken for another's.
 */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_TREE_CLONE_ 1

struct spelling {
	const char *what;
	int dir; /* what `name` is relative to */
	const char *name;
	const char *path; /* as it must be printed */
	const struct stat *file;
	const char *overlay; /* what the open says of it */
	int (*before)(void); /* not NULL: runs in the process first */
};

/* Opens it, writes, reads and changes its mode; four events that must agree. */
static int spelled(void *context)
{
	const struct spelling *s = context;
	const char *result, *changed;
	char object[9000], what[128], text[4];
	struct stat st = { 0 };
	int fd;

	if (s->before && s->before() < 0)
		return 1;
	fd = openat(s->dir, s->name, O_RDWR | O_CLOEXEC);
	result = ok(fd);
	if (!must(fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == s->file->st_ino && st.st_dev == s->file->st_dev,
		  s->what))
		return 1;
	(void)must(write(fd, "written", 7) == 7 && pread(fd, text, 3, 0) == 3, "write and read");
	changed = ok(fchmod(fd, 0640));
	(void)close(fd);
	(void)snprintf(object, sizeof(object), "path=%s|inode=%llu|device=%s|%s|-deleted|-truncated", s->path,
		       (unsigned long long)st.st_ino, device(st.st_dev), s->overlay ? s->overlay : "-overlay");
	(void)snprintf(what, sizeof(what), "%s, opened", s->what);
	expect("file_open", what, "@flags=O_RDWR,O_CLOEXEC|%s|%s", object, result);
	(void)snprintf(what, sizeof(what), "%s, its mode changed by descriptor", s->what);
	expect("file_metadata", what, "@operation=chmod|%s|%s", object, changed);
	(void)snprintf(what, sizeof(what), "%s, written", s->what);
	expect("file_write", what, "bytes=7|%s|verified=true", object);
	(void)snprintf(what, sizeof(what), "%s, read", s->what);
	expect("file_read", what, "bytes=3|%s|verified=true", object);
	return 0;
}

static void spell(const struct spelling *s)
{
	(void)in_child(spelled, (void *)s);
	(void)must(act_status == 0, s->what);
}

static int private_mounts(void)
{
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -1 : 0;
}

/* "dir/file" with some bytes in it; what stat says of it. */
static struct stat new_file(const char *dir, const char *path)
{
	struct stat st = { 0 };

	(void)mkdir(dir, 0755);
	make_file(path, "0123456789");
	(void)must(stat(path, &st) == 0, path);
	return st;
}

/* Names that must all come out as the one path of `dir`/file. */
static void spell_all(const char *dir, const struct stat *file, const char *overlay)
{
	char name[300], path[8192], root[8300], by_fd[64], by_dir[64], cwd[300];
	int fd, at_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)snprintf(name, sizeof(name), "%s/file", dir);
	(void)snprintf(path, sizeof(path), "%s", at(name));
	fd = open(name, O_PATH | O_CLOEXEC);
	(void)must(at_dir >= 0 && fd >= 0, "open");
	(void)must(symlink(path, "link") == 0 && symlink(dir, "link-dir") == 0, "symlink");
	(void)snprintf(root, sizeof(root), "/proc/self/root%s", path);
	(void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
	(void)snprintf(by_dir, sizeof(by_dir), "/proc/self/fd/%d/file", at_dir);
	(void)snprintf(cwd, sizeof(cwd), "/proc/self/cwd/./%s/..//%s/file", dir,
		       strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir);
	const struct spelling all[] = {
		{ "an absolute name", AT_FDCWD, path, path, file, overlay },
		{ "a relative name", AT_FDCWD, name, path, file, overlay },
		{ "a name relative to a descriptor", at_dir, "file", path, file, overlay },
		{ "a symlink", AT_FDCWD, "link", path, file, overlay },
		{ "a symlink on the way", AT_FDCWD, "link-dir/file", path, file, overlay },
		{ "/proc/self/root", AT_FDCWD, root, path, file, overlay },
		{ "/proc/self/cwd, dots and slashes", AT_FDCWD, cwd, path, file, overlay },
		{ "/proc/self/fd of the file", AT_FDCWD, by_fd, path, file, overlay },
		{ "/proc/self/fd of its directory", AT_FDCWD, by_dir, path, file, overlay },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		spell(&all[i]);
	(void)close(at_dir);
	(void)close(fd);
}

static void case_names(void)
{
	struct stat file = new_file("real", "real/file");

	spell_all("real", &file, NULL);
}

/* Those that have a path of their own: it is the one that is printed, and the object is the same. */
static void case_own_paths(void)
{
	struct stat file = new_file("real", "real/file");
	char path[8192], by_fd[64];
	int fd;

	(void)must(link("real/file", "hard") == 0, "link");
	(void)snprintf(path, sizeof(path), "%s", at("hard"));
	fd = open("hard", O_PATH | O_CLOEXEC);
	(void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
	spell(&(struct spelling){ "a hard link", AT_FDCWD, "hard", path, &file });
	spell(&(struct spelling){ "/proc/self/fd of a hard link", AT_FDCWD, by_fd, path, &file });
	(void)close(fd);
	(void)mkdir("bound", 0755);
	make_file("bound-file", "");
	if (private_mounts() < 0) {
		skip("bind mounts", strerror(errno));
		return;
	}
	(void)must(mount("real", "bound", NULL, MS_BIND, NULL) == 0 &&
		       mount("real/file", "bound-file", NULL, MS_BIND, NULL) == 0,
		   "bind mounts");
	(void)snprintf(path, sizeof(path), "%s", at("bound/file"));
	spell(&(struct spelling){ "a bind mount of its directory", AT_FDCWD, "bound/file", path, &file });
	(void)snprintf(path, sizeof(path), "%s", at("bound-file"));
	spell(&(struct spelling){ "a bind mount of the file", AT_FDCWD, "bound-file", path, &file });
	spell_all("real", &file, NULL);
}

/* One process, two names at once: what goes through either descriptor is told by its own name. */
static void case_at_once(void)
{
	struct stat st = new_file("real", "real/file");
	int one = open("real/file", O_WRONLY | O_CLOEXEC), other;

	(void)must(link("real/file", "hard") == 0, "link");
	other = open("hard", O_WRONLY | O_CLOEXEC);
	(void)must(write(one, "12345", 5) == 5 && write(other, "123", 3) == 3 && write(one, "12", 2) == 2, "write");
	(void)close(one);
	(void)close(other);
	expect_n(-1, "file_write", "by the one name", "@path=%s|bytes:=17|inode=%llu|device=%s|verified=true",
		 at("real/file"), (unsigned long long)st.st_ino, device(st.st_dev));
	expect_n(-1, "file_write", "by the other", "@path=%s|bytes:=3|inode=%llu|device=%s|verified=true", at("hard"),
		 (unsigned long long)st.st_ino, device(st.st_dev));
}

/* ---- other roots ---- */

static int bind_inside(void)
{
	bool bound = private_mounts() == 0 && mount("real", "inner", NULL, MS_BIND, NULL) == 0;

	return must(bound, "a mount inside") ? 0 : -1;
}

static int leave_mounts(void)
{
	return must(unshare(CLONE_NEWNS) == 0, "unshare") ? 0 : -1;
}

static void case_namespace(void)
{
	struct stat file = new_file("real", "real/file");
	char path[8192], inner[8192], root[8300];

	if (private_mounts() < 0) {
		skip("another mount namespace", strerror(errno));
		return;
	}
	(void)mkdir("inner", 0755);
	(void)snprintf(path, sizeof(path), "%s", at("real/file"));
	(void)snprintf(inner, sizeof(inner), "%s", at("inner/file"));
	(void)snprintf(root, sizeof(root), "/proc/%d/root%s", getpid(), path);
	spell(&(struct spelling){ "in a copy of the mounts", AT_FDCWD, path, path, &file, .before = leave_mounts });
	spell(&(struct spelling){ "through /proc/PID/root of another namespace", AT_FDCWD, root, path, &file,
				  .before = leave_mounts });
	spell(&(struct spelling){ "a mount that this namespace alone has", AT_FDCWD, "inner/file", inner, &file,
				  .before = bind_inside });
}

/* ".", with the file in it, becomes the root; what was the root before is below /old. */
static int pivots(void)
{
	if (private_mounts() < 0 || mount("jail", "jail", NULL, MS_BIND, NULL) < 0 || chdir("jail") < 0 ||
	    syscall(SYS_pivot_root, ".", "old") < 0 || chdir("/") < 0)
		return must(false, "pivot_root") - 1;
	return 0;
}

static void case_pivot(void)
{
	struct stat file = new_file("jail", "jail/file");
	char old[8300];

	(void)mkdir("jail/old", 0755);
	(void)snprintf(old, sizeof(old), "/old%s", at("jail/file"));
	spell(&(struct spelling){ "after pivot_root, from that root", AT_FDCWD, "/file", "/file", &file,
				  .before = pivots });
	spell(&(struct spelling){ "after pivot_root, below the old root", AT_FDCWD, old, old, &file,
				  .before = pivots });
}

static int chroots(void)
{
	return must(chroot("jail") == 0 && chdir("/") == 0, "chroot") ? 0 : -1;
}

static int misses(void *context)
{
	if (chroots() < 0)
		return 1;
	expect("file_open", "a missing name in a chroot", "@path=%s|verified=false|%s", at("jail/missing"),
	       no(open("/../missing", O_RDONLY | O_CLOEXEC), ENOENT));
	return 0;
}

static void case_chroot(void)
{
	struct stat file = new_file("jail", "jail/file");
	int outside = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[8192];

	(void)snprintf(path, sizeof(path), "%s", at("jail/file"));
	spell(&(struct spelling){ "in a chroot", AT_FDCWD, "/file", path, &file, .before = chroots });
	spell(&(struct spelling){ "above a chroot's root", AT_FDCWD, "/../../file", path, &file, .before = chroots });
	spell(&(struct spelling){ "out of a chroot by a descriptor", outside, "jail/file", path, &file,
				  .before = chroots });
	(void)in_child(misses, NULL);
	(void)close(outside);
}

/* A program there is a file like any other, no fileless one. */
static int runs_detached(void *context)
{
	char *argv[] = { "prog", "--helper", "exit", "0", NULL };

	expect("process_exec", "a program of such a mount",
	       "@path=prog|exe=prog|comm=*|-fileless|result=0|verified=true");
	(void)syscall(SYS_execveat, *(int *)context, "prog", argv, NULL, 0);
	return 1;
}

/* Mounts that are attached nowhere: no root above them, so their paths begin without a slash. */
static void case_detached(void)
{
	struct stat file = new_file("real", "real/file"), below = new_file("real/sub", "real/sub/file");
	int tree, lazy, fd;

	(void)mkdir("bound", 0755);
	if (private_mounts() < 0) {
		skip("mounts that are attached nowhere", strerror(errno));
		return;
	}
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "real", OPEN_TREE_CLONE_ | O_CLOEXEC);
	(void)must(mount("real", "bound", NULL, MS_BIND, NULL) == 0, "bind mount");
	lazy = open("bound", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)must(tree >= 0 && lazy >= 0 && umount2("bound", MNT_DETACH) == 0, "detached mounts");
	spell(&(struct spelling){ "a mount never attached", tree, "file", "file", &file });
	spell(&(struct spelling){ "deep in a mount never attached", tree, "sub/file", "sub/file", &below });
	spell(&(struct spelling){ "a mount lazily unmounted", lazy, "file", "file", &file });
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect("file_open", "the top of such a mount", "@flags=O_RDONLY,O_DIRECTORY,O_CLOEXEC|path=.|%s", ok(fd));
	(void)close(fd);
	expect("file_open", "a missing name in such a mount", "@path=missing|verified=false|%s",
	       no(openat(tree, "./missing", O_RDONLY | O_CLOEXEC), ENOENT));
	copy_file(act_self, "real/prog", 0755);
	(void)in_child(runs_detached, &tree);
	(void)must(act_status == 0, "execveat");
	(void)close(tree);
	(void)close(lazy);
}

/* ---- overlay ---- */

static int overlay_mount(void)
{
	char options[24000];

	if (private_mounts() < 0 || mkdir("layers", 0755) < 0 || mount("tmpfs", "layers", "tmpfs", 0, NULL) < 0)
		return -errno;
	(void)must(mkdir("layers/lower", 0755) == 0 && mkdir("layers/upper", 0755) == 0 &&
		       mkdir("layers/work", 0755) == 0 && mkdir("merged", 0755) == 0 && mkdir("bound", 0755) == 0,
		   "mkdir");
	(void)new_file("layers/lower/below", "layers/lower/below/file");
	(void)new_file("layers/upper/above", "layers/upper/above/file");
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", at("layers/lower"),
		       at("layers/upper"), at("layers/work"));
	if (mount("overlay", "merged", "overlay", 0, options) < 0 ||
	    mount("merged", "bound", NULL, MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}

static struct stat stat_of(const char *path)
{
	struct stat st = { 0 };

	(void)must(stat(path, &st) == 0, path);
	return st;
}

static int reads_below(void *context)
{
	const struct stat *st = context;
	int fd = open("merged/below/file", O_RDONLY | O_CLOEXEC);
	char text[4], object[9000];

	(void)snprintf(object, sizeof(object), "path=%s|inode=%llu|device=%s|overlay=lower", at("merged/below/file"),
		       (unsigned long long)st->st_ino, device(st->st_dev));
	expect("file_open", "a file of the lower layer", "@flags=O_RDONLY,O_CLOEXEC|%s|%s", object, ok(fd));
	(void)must(read(fd, text, 4) == 4, "read");
	(void)close(fd);
	expect("file_read", "a file of the lower layer, read", "bytes=4|%s|verified=true", object);
	return 0;
}

static void case_overlay(void)
{
	int r = overlay_mount();
	char path[8192];
	struct stat above, below, layer;

	if (r < 0) {
		skip("overlay", strerror(-r));
		return;
	}
	above = stat_of("merged/above/file");
	below = stat_of("merged/below/file");
	layer = stat_of("layers/upper/above/file");
	spell_all("merged/above", &above, "overlay=upper");
	(void)snprintf(path, sizeof(path), "%s", at("bound/above/file"));
	spell(&(struct spelling){ "a bind mount of an overlay", AT_FDCWD, "bound/above/file", path, &above,
				  "overlay=upper" });
	(void)must(link("merged/above/file", "merged/hard") == 0, "link");
	(void)snprintf(path, sizeof(path), "%s", at("merged/hard"));
	spell(&(struct spelling){ "a hard link in an overlay", AT_FDCWD, "merged/hard", path, &above,
				  "overlay=upper" });
	/* The layer itself is another filesystem: its own device, and, all layers being on one, the same inode. */
	(void)must(layer.st_ino == above.st_ino && layer.st_dev != above.st_dev, "inode and device of a layer");
	(void)snprintf(path, sizeof(path), "%s", at("layers/upper/above/file"));
	spell(&(struct spelling){ "the layer's own file", AT_FDCWD, "layers/upper/above/file", path, &layer });
	(void)in_child(reads_below, &below);
	(void)snprintf(path, sizeof(path), "%s", at("merged/below/file"));
	spell(&(struct spelling){ "a file that the open copies up", AT_FDCWD, "merged/below/file", path, &below,
				  "overlay=upper" });
	(void)snprintf(path, sizeof(path), "%s", at("bound/below/file"));
	spell(&(struct spelling){ "a file that was copied up", AT_FDCWD, "bound/below/file", path, &below,
				  "overlay=upper" });
}

static const struct act_case cases[] = {
	{ "names", case_names },
	{ "own-paths", case_own_paths },
	{ "at-once", case_at_once },
	{ "namespace", case_namespace },
	{ "pivot", case_pivot },
	{ "chroot", case_chroot },
	{ "detached", case_detached },
	{ "overlay", case_overlay },
	{ 0 },
};

const struct act_family family_spelling = {
	.name = "spelling",
	.proves = "many names, one file: file_open, file_read, file_write, file_metadata",
	.cases = cases
};
