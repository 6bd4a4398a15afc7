/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is it true? Each case puts a process into a cgroup with a limit and into some state, reads its vitals, and lets it
 * take memory page by page until the kernel kills it. What it got is compared with what was promised. Needs root and a
 * memory controller; takes version 1 where that has it, else version 2.
 *
 *   honest [--limit MIB] [--only CASE] [--list]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "base/macro.h"
#include "vitals/source.h"

#define PAGE 4096
#define MIB (UINT64_C(1) << 20)
#define WAIT_S 60

static uint64_t limit = 64 * MIB;
static bool v1;
static char top[PATH_MAX - 256];     /* where our cgroups are made */
static char mount_point[PATH_MAX];
static char base[PATH_MAX - 128];    /* our own: top/heddle-honest-PID */
static char scratch[] = "/tmp/honest-XXXXXX";

/* What a case's process shares with us. */
struct shared {
	_Atomic uint64_t pages; /* it got */
	_Atomic int failed;	/* errno of a state that could not be made */
};
static struct shared *shared;

static _Noreturn void die(const char *what)
{
	(void)printf("Bail out! %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* --- states: made by the process that will take memory --------------------------------------------------------- */

static void need(bool good)
{
	if (good)
		return;
	shared->failed = errno ? errno : EIO;
	_exit(1);
}

static char *take(uint64_t bytes, int advice)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED);
	(void)madvise(p, bytes, advice);
	for (uint64_t i = 0; i < bytes; i += PAGE)
		p[i] = 1;
	return p;
}

static int scratch_file(const char *name, int flags)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	need(fd >= 0);
	return fd;
}

static void write_zeros(int fd, uint64_t bytes)
{
	static char zeros[65536];

	errno = 0;
	for (uint64_t done = 0; done < bytes; done += sizeof(zeros))
		need(write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros));
}

static void read_all(int fd)
{
	static char data[65536];
	ssize_t n;

	need(lseek(fd, 0, SEEK_SET) == 0);
	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	need(n == 0);
}

static void nothing(void)
{
}

static void anonymous(void)
{
	(void)take(limit / 2, MADV_NOHUGEPAGE);
}

/* So little that it can be had beside whatever is being read. */
static void a_quarter(void)
{
	(void)take(limit / 4, MADV_NOHUGEPAGE);
}

static void huge_pages(void)
{
	(void)take(limit / 2, MADV_HUGEPAGE);
}

/* Read twice, so that half of it is active. */
static void clean_cache(void)
{
	int fd = scratch_file("clean", O_RDONLY);

	read_all(fd);
	read_all(fd);
}

static void mapped_cache(void)
{
	int fd = scratch_file("clean", O_RDONLY);
	const volatile char *p = mmap(NULL, limit / 2, PROT_READ, MAP_SHARED, fd, 0);

	need(p != MAP_FAILED);
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0; i < limit / 2; i += PAGE)
			(void)p[i];
}

static void dirty_cache(void)
{
	write_zeros(scratch_file("dirty", O_WRONLY | O_CREAT | O_TRUNC), limit * 3 / 4);
}

static void tmpfs(void)
{
	int fd = memfd_create("honest", MFD_CLOEXEC);

	need(fd >= 0);
	write_zeros(fd, limit / 2);
}

static void locked(void)
{
	int fd = scratch_file("clean", O_RDONLY);
	char *p = mmap(NULL, limit / 4, PROT_READ, MAP_SHARED, fd, 0);

	need(p != MAP_FAILED && mlock(p, limit / 4) == 0);
	need(mlock(take(limit / 4, MADV_NOHUGEPAGE), limit / 4) == 0);
	read_all(fd);
}

static void given_up(void)
{
	need(madvise(take(limit / 2, MADV_NOHUGEPAGE), limit / 2, MADV_FREE) == 0);
}

/* Names that do not exist: a dentry each. */
static void dentries(void)
{
	char path[PATH_MAX];
	struct stat st;

	for (uint64_t i = 0; i < limit / 4 / 192; i++) {
		(void)snprintf(path, sizeof(path), "%s/n%lu", scratch, (unsigned long)i);
		need(stat(path, &st) < 0 && errno == ENOENT);
	}
}

/* Pages in pipes are the kernel's, and can't be had back. */
static void pipes(void)
{
	static char data[65536];
	int fds[2];

	for (uint64_t i = 0; i < limit / 4 / sizeof(data); i++) {
		need(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
		need(write(fds[1], data, sizeof(data)) == (ssize_t)sizeof(data));
	}
}

static void some_of_all(void)
{
	int fd = memfd_create("honest", MFD_CLOEXEC);

	need(fd >= 0);
	write_zeros(fd, limit / 8);
	(void)take(limit / 8, MADV_NOHUGEPAGE);
	write_zeros(scratch_file("dirty", O_WRONLY | O_CREAT | O_TRUNC), limit / 8);
	clean_cache();
}

/* --- siblings: processes in a cgroup beside --------------------------------------------------------------------- */

static void reads_on(void)
{
	int fd = scratch_file("other", O_RDONLY);

	(void)take(limit / 4, MADV_NOHUGEPAGE);
	read_all(fd);
	shared->pages = 1;
	for (;;)
		read_all(fd);
}

static void holds_cache(void)
{
	int fd = scratch_file("other", O_RDONLY);

	read_all(fd);
	shared->pages = 1;
	for (;;)
		(void)pause();
}

/* --- cases ------------------------------------------------------------------------------------------------------ */

/* Where the limit is, and who else is there. */
enum place {
	ALONE,	/* the cgroup has the limit */
	BELOW,	/* its parent has it, and it a larger one */
	BESIDE, /* the same, and a sibling is there */
};

/*
 * Bounds in thousandths of the limit: how much more than the fact `clean` may promise, and how much less. `all` must be
 * as near, but where the state has dirty pages `clean` leaves those out on purpose.
 */
static const struct test_case {
	const char *name;
	void (*state)(void);
	enum place place;
	void (*sibling)(void);
	unsigned sibling_min; /* memory.min of the sibling, in eighths of the limit */
	unsigned over, under;
	unsigned under_v1; /* where that is another */
	bool dirty;
	bool reads; /* meanwhile: up to two read-aheads of the disk are on their way, which nobody can drop */
	bool swap; /* a quarter of the limit may be swapped */
} cases[] = {
	{ "nothing", nothing, .over = 20, .under = 20 },
	{ "anonymous", anonymous, .over = 20, .under = 20 },
	{ "huge-pages", huge_pages, .over = 20, .under = 20 },
	{ "clean-cache", clean_cache, .over = 30, .under = 30 },
	{ "mapped-cache", mapped_cache, .over = 30, .under = 30 },
	{ "dirty-cache", dirty_cache, .over = 30, .under = 1000, .dirty = true },
	{ "tmpfs", tmpfs, .over = 30, .under = 30 },
	{ "locked", locked, .over = 30, .under = 30 },
	{ "given-up", given_up, .over = 30, .under = 30 },
	/* The kernel frees them a grace period after it let go of them: who allocates may be at the limit before. */
	{ "dentries", dentries, .over = 60, .under = 30, .under_v1 = 300 },
	{ "pipes", pipes, .over = 30, .under = 30 },
	{ "some-of-all", some_of_all, .over = 30, .under = 160, .dirty = true },
	{ "swap", anonymous, .over = 30, .under = 300, .dirty = true, .swap = true },
	{ "ancestor", anonymous, BELOW, .over = 20, .under = 20 },
	{ "ancestor-cache", clean_cache, BELOW, .over = 30, .under = 30 },
	{ "busy-sibling", a_quarter, BESIDE, reads_on, .over = 50, .under = 50, .reads = true },
	{ "sibling-cache", anonymous, BESIDE, holds_cache, .over = 30, .under = 30 },
	{ "sibling-min", nothing, BESIDE, holds_cache, .sibling_min = 4, .over = 30, .under = 30 },
};

static void put_text(const char *directory, const char *file, const char *text)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, file);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
}

static void put(const char *directory, const char *file, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lu", (unsigned long)value);
	put_text(directory, file, text);
}

static void make_cgroup(const char *path, bool parent)
{
	if (mkdir(path, 0755) < 0)
		die(path);
	if (!v1 && parent)
		put_text(path, "cgroup.subtree_control", "+memory");
}

static void set_limit(const char *path, uint64_t bytes, uint64_t swap)
{
	char file[PATH_MAX];

	put(path, v1 ? "memory.limit_in_bytes" : "memory.max", bytes);
	(void)snprintf(file, sizeof(file), "%s/memory.swap.max", path);
	if (!v1 && access(file, F_OK) == 0)
		put(path, "memory.swap.max", swap);
}

/* Enough for the case that swaps. */
static bool has_swap(void)
{
	unsigned long size, used;
	_cleanup_fclose_ FILE *f = fopen("/proc/swaps", "re");
	bool enough = false;

	/* A line of headings, then a line each. */
	for (char line[512]; f && !enough && fgets(line, sizeof(line), f);)
		enough = sscanf(line, "%*s %*s %lu %lu", &size, &used) == 2 && (size - used) * 1024 >= limit / 4;
	return enough;
}

/* Removed once what was killed is gone from it. */
static void remove_cgroup(const char *path)
{
	for (int i = 0; i < WAIT_S * 100; i++) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return;
		if (errno != EBUSY)
			break;
		(void)usleep(10000);
	}
	die(path);
}

/* A process in the cgroup; it makes its state, says so, waits for the word, and takes what it can get. */
static pid_t start(const char *cgroup, void (*state)(void), int ready, int go)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	char byte;

	put(cgroup, "cgroup.procs", (uint64_t)getpid());
	/* The kernel must choose the one that takes. */
	put("/proc/self", "oom_score_adj", 1000);
	state();
	need(write(ready, "", 1) == 1 && read(go, &byte, 1) == 1);
	for (;;) {
		char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		need(p != MAP_FAILED);
		(void)madvise(p, MIB, MADV_NOHUGEPAGE);
		for (uint64_t i = 0; i < MIB; i += PAGE) {
			p[i] = 1;
			shared->pages++;
		}
	}
}

static pid_t start_sibling(const char *cgroup, void (*state)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		put(cgroup, "cgroup.procs", (uint64_t)getpid());
		state();
	}
	for (int i = 0; i < WAIT_S * 100 && !shared->pages; i++)
		(void)usleep(10000);
	if (!shared->pages)
		die("a sibling that is not ready");
	shared->pages = 0;
	return pid;
}

static void read_vitals(const char *cgroup, struct vitals_sample *ret, struct vitals_source **ret_source)
{
	struct vitals_places places = { .memory = cgroup, .memory_v1 = v1, .memory_root = mount_point,
					.cgroup = v1 ? NULL : cgroup, .cgroup_root = mount_point, .proc = "/proc" };
	_cleanup_(vitals_source_free_p) struct vitals_source *s = NULL;
	struct err err = { 0 };

	if (vitals_source_open(&places, &s, &err) < 0) {
		(void)printf("Bail out! %s\n", err.text);
		_exit(1);
	}
	vitals_source_count_tasks(s, false);
	/* As a sampler's second reading would have it. */
	if (vitals_source_read(s, false, ret) < 0 || vitals_source_read(s, false, ret) < 0)
		die("vitals");
	*ret_source = TAKE_PTR(s);
}

static double share(uint64_t promise, uint64_t got)
{
	return ((double)promise - (double)got) * 100 / (double)limit;
}

/* The file's pages must be charged to whoever reads it in the case. */
static void forget_cache(void)
{
	static const char *const files[] = { "clean", "other" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/%s", scratch, files[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fdatasync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
			die(path);
	}
}

/* In thousandths of the limit: pages that are being read are locked until the disk has answered. */
static unsigned read_ahead(void)
{
	unsigned long kib = 128;
	struct stat st;
	char path[64];

	if (stat(scratch, &st) < 0)
		die(scratch);
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%lu", &kib) != 1)
		kib = 128;
	return (unsigned)(2 * kib * 1024 * 1000 / limit);
}

static bool within(double error, unsigned over, unsigned under)
{
	return error * 10 <= over && error * 10 >= -(double)under;
}

static bool judge(const struct test_case *c, unsigned number, const struct vitals_sample *s, uint64_t got, int status)
{
	double clean = share(s->available.clean, got), all = share(s->available.all, got);
	unsigned under = v1 && c->under_v1 ? c->under_v1 : c->under;
	unsigned over = c->over + (c->reads ? read_ahead() : 0);
	bool good = within(clean, over, under) && within(all, MAX(over, 30U), c->dirty ? 50 : under) &&
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	const char *bound = *s->bound ? strrchr(s->bound, '/') + 1 : "the machine";

	(void)printf("# | %-14s | v%d | %4.0f | %6.1f | %6.1f | %6.1f | %6.1f | %+6.1f | %+6.1f | %s |\n", c->name,
		     v1 ? 1 : 2, (double)limit / MIB, (double)s->available.free / MIB, (double)s->available.clean / MIB,
		     (double)s->available.all / MIB, (double)got / MIB, clean, all, bound);
	if (!good)
		(void)printf("# allowed: %u over, %u under, in thousandths; status %#x, errno %d\n", over, under,
			     (unsigned)status, shared->failed);
	(void)printf("%s %u - %s\n", good ? "ok" : "not ok", number, c->name);
	(void)fflush(stdout);
	return good;
}

static bool run(const struct test_case *c, unsigned number)
{
	char parent[PATH_MAX - 64], own[PATH_MAX], beside[PATH_MAX], byte;
	_cleanup_(vitals_source_free_p) struct vitals_source *source = NULL;
	struct vitals_sample sample = { 0 }, after = { 0 }, gone = { 0 };
	int ready[2], go[2], status = 0;
	pid_t sibling = 0;

	if (c->swap && (v1 || !has_swap())) {
		(void)printf("ok %u - %s # SKIP %s\n", number, c->name,
			     v1 ? "v1 limits swap together with memory" : "this machine has no swap to spare");
		return true;
	}
	(void)snprintf(parent, sizeof(parent), "%s/parent", base);
	(void)snprintf(own, sizeof(own), "%s/%s", c->place == ALONE ? base : parent, "own");
	(void)snprintf(beside, sizeof(beside), "%s/beside", parent);
	forget_cache();
	if (c->place != ALONE) {
		make_cgroup(parent, true);
		set_limit(parent, limit, 0);
	}
	make_cgroup(own, false);
	set_limit(own, c->place == ALONE ? limit : limit * 4, c->swap ? limit / 4 : 0);
	*shared = (struct shared){ 0 };
	if (c->place == BESIDE) {
		make_cgroup(beside, false);
		if (c->sibling_min && !v1) {
			put(parent, "memory.min", limit);
			put(beside, "memory.min", limit / 8 * c->sibling_min);
		}
		sibling = start_sibling(beside, c->sibling);
	}
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		die("pipe");
	pid_t pid = start(own, c->state, ready[1], go[0]);

	(void)close(ready[1]);
	(void)close(go[0]);
	bool made = read(ready[0], &byte, 1) == 1;
	if (made)
		read_vitals(own, &sample, &source);
	if (made && write(go[1], "", 1) != 1)
		die("pipe");
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	(void)close(ready[0]);
	(void)close(go[1]);
	if (sibling) {
		(void)kill(sibling, SIGKILL);
		(void)waitpid(sibling, NULL, 0);
		remove_cgroup(beside);
	}
	/* It says that it was killed, and once the cgroup is gone, that it is gone. */
	int before = made ? vitals_source_read(source, true, &after) : 0;

	remove_cgroup(own);
	int later = made ? vitals_source_read(source, true, &gone) : -ENOENT;
	if (c->place != ALONE)
		remove_cgroup(parent);
	if (made && (before < 0 || later != -ENOENT || after.memory.oom_kills != sample.memory.oom_kills + 1)) {
		(void)printf("# %lu kills, and %lu before; read as %d, and as %d when gone\n",
			     (unsigned long)after.memory.oom_kills, (unsigned long)sample.memory.oom_kills, before,
			     later);
		(void)printf("not ok %u - %s\n", number, c->name);
		return false;
	}
	if (!made) {
		(void)printf("# no such state: %s, status %#x\n", strerror(shared->failed), (unsigned)status);
		(void)printf("not ok %u - %s\n", number, c->name);
		return false;
	}
	return judge(c, number, &sample, shared->pages * PAGE, status);
}

static int skip_all(const char *why)
{
	(void)printf("1..0 # SKIP %s\n", why);
	return 0;
}

/* Our own memory cgroup; where v2 has no room for one below it (it holds us), the hierarchy's root. */
static bool find_top(void)
{
	static char room[3 * PATH_MAX];
	struct vitals_places places;

	if (vitals_places_of_pid((uint32_t)getpid(), &places, room, sizeof(room)) < 0)
		return false;
	v1 = places.memory_v1;
	if (v1) {
		(void)snprintf(top, sizeof(top), "%s", places.memory);
		(void)snprintf(mount_point, sizeof(mount_point), "%s", places.memory_root);
		return true;
	}
	(void)snprintf(top, sizeof(top), "%s", places.cgroup_root);
	(void)snprintf(mount_point, sizeof(mount_point), "%s", places.cgroup_root);
	char path[PATH_MAX], text[256] = "";

	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", top);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "memory");
}

static void make_files(void)
{
	if (!mkdtemp(scratch))
		die(scratch);
	write_zeros(scratch_file("clean", O_WRONLY | O_CREAT), limit * 2);
	write_zeros(scratch_file("other", O_WRONLY | O_CREAT), limit * 3 / 4);
	sync();
}

static void remove_files(void)
{
	static const char *const files[] = { "clean", "other", "dirty" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", scratch, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(scratch);
}

static int list(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		(void)printf("%s\n", cases[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	unsigned number = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0)
			return list();
		if (strcmp(argv[i], "--limit") == 0 && i + 1 < argc)
			limit = strtoul(argv[++i], NULL, 10) * MIB;
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			only = argv[++i];
		else
			return (void)fprintf(stderr, "usage: honest [--limit MIB] [--only CASE] [--list]\n"), 2;
	}
	if (geteuid() != 0)
		return skip_all("making cgroups needs root");
	if (!find_top())
		return skip_all("no memory controller in either hierarchy");
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	make_files();
	(void)snprintf(base, sizeof(base), "%s/heddle-honest-%d", top, (int)getpid());
	make_cgroup(base, true);
	(void)printf("# | case           | cg | MiB  | free   | clean  | all    | got    | clean%% | all%%   |"
		     " bound |\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!only || strcmp(only, cases[i].name) == 0)
			failed |= !run(&cases[i], ++number);
	(void)printf("1..%u\n", number);
	remove_cgroup(base);
	remove_files();
	return failed;
}
