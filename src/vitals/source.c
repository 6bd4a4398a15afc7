/* SPDX-License-Identifier: Apache-2.0 */
/* See source.h: one workload's files, kept open. */
#include "vitals/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "vitals/cgroup-files.h"
#include "vitals/places.h"
#include "vitals/siblings.h"
#include "vitals/tasks.h"

/* memory.stat has some 2 KiB, io.stat a line a device. */
#define TEXT_MAX 32768
#define TASKS_EVERY_NS CLOCK_SECOND_NS
#define TASKS_SHARE 500
/*
 * Most of a sample's cost is the number of files: each is read from memory that no cache has any more. So what is
 * rarely changed is read about once a second, and of a calm workload, which is far from its limit and moves slowly, all
 * but the use and memory.stat; of one that has not moved by a page all but the use.
 */
#define SLOW_EVERY_NS (CLOCK_SECOND_NS * 9 / 10)
/* The machine's figures serve all workloads that are sampled in one go. */
#define HOST_FOR_NS (CLOCK_SECOND_NS / 100)

enum {
	FILE_CURRENT,
	FILE_LIMIT,
	FILE_HIGH,
	FILE_MIN,
	FILE_LOW,
	FILE_PEAK,
	FILE_STAT,
	FILE_EVENTS,
	FILE_SWAP,
	FILE_SWAP_LIMIT, /* v1: of memory and swap together */
	FILE_KERNEL,
	FILE_FAILS,
	FILE_MAX,
};

static const char *const names[2][FILE_MAX] = {
	{
		[FILE_CURRENT] = "memory.current",
		[FILE_LIMIT] = "memory.max",
		[FILE_HIGH] = "memory.high",
		[FILE_MIN] = "memory.min",
		[FILE_LOW] = "memory.low",
		[FILE_PEAK] = "memory.peak",
		[FILE_STAT] = "memory.stat",
		[FILE_EVENTS] = "memory.events",
		[FILE_SWAP] = "memory.swap.current",
		[FILE_SWAP_LIMIT] = "memory.swap.max",
	},
	{
		[FILE_CURRENT] = "memory.usage_in_bytes",
		[FILE_LIMIT] = "memory.limit_in_bytes",
		[FILE_PEAK] = "memory.max_usage_in_bytes",
		[FILE_STAT] = "memory.stat",
		[FILE_EVENTS] = "memory.oom_control",
		[FILE_SWAP_LIMIT] = "memory.memsw.limit_in_bytes",
		[FILE_KERNEL] = "memory.kmem.usage_in_bytes",
		[FILE_FAILS] = "memory.failcnt",
	},
};

/* An opened file's descriptor, or one of these. */
#define NOT_TRIED (-1)
#define NOT_THERE (-2)

struct level {
	char *path; /* in its hierarchy, "/" for its root; owned */
	int directory;
	bool matters;		   /* above the workload: it has a limit, or a min */
	struct siblings *siblings; /* once they matter; owned */
	int files[FILE_MAX];
};

struct vitals_source {
	struct level levels[VITALS_LEVELS_MAX];
	size_t levels_n;
	bool memory_v1, has_memory;
	int cgroup; /* v2 */
	int cpu, cpu_user, cpu_system, io, io_operations; /* the v1 forms where there is no v2 */
	bool cpu_v1, io_v1;
	int pressure[3]; /* cpu, memory, io */
	int meminfo;
	dev_t meminfo_device;
	ino_t meminfo_inode;
	char *proc; /* owned */
	bool count_tasks;
	uint64_t tasks_due_ns;
	struct vitals_tasks tasks;
	uint64_t slow_due_ns;
	bool slow; /* this sample reads all */
	bool calm;
	bool swap; /* the machine has some */
	uint64_t clean, limit; /* of the last */
	/* As last read, for what this sample leaves out. */
	struct vitals_memory memory;
	uint64_t hierarchical;
	struct vitals_pressure pressures;
};

/* What was read last. One for all, so that it stays in the cache. */
static _Thread_local char text[TEXT_MAX];

/* --- opening --------------------------------------------------------------------------------------------------- */

static int open_file(int directory, const char *name)
{
	int fd = directory < 0 || !name ? -1 : openat(directory, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NOT_THERE : fd;
}

static int open_directory(const char *path)
{
	return path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static int add_level(struct vitals_source *s, const char *directory, const char *path)
{
	struct level *level = &s->levels[s->levels_n];
	int fd = open_directory(directory);

	if (fd < 0)
		return -errno;
	*level = (struct level){ .path = strdup(*path ? path : "/"), .directory = fd };
	for (int i = 0; i < FILE_MAX; i++)
		level->files[i] = NOT_TRIED;
	/* Counted also when there is no memory: then freeing it closes the directory. */
	s->levels_n++;
	return level->path ? 0 : -ENOMEM;
}

/* The directory itself and all above it up to `root`, which must be one of them, else the directory alone. */
static int add_levels(struct vitals_source *s, const char *directory, const char *root)
{
	_cleanup_free_ char *path = strdup(directory);

	if (!path)
		return -ENOMEM;
	size_t length = strlen(path), top = root ? strlen(root) : length;

	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
	while (root && top > 0 && root[top - 1] == '/')
		top--;
	if (!root || top > length || strncmp(path, root, top) != 0 || (path[top] && path[top] != '/'))
		top = length;
	while (s->levels_n < VITALS_LEVELS_MAX) {
		int r = add_level(s, path, path + top);

		/* Above the workload something may be hidden from us. */
		if (r < 0 && s->levels_n == 0)
			return r;
		if (r == -ENOMEM)
			return r;
		char *slash = strrchr(path + top, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return 0;
}

static void open_others(struct vitals_source *s, const struct vitals_places *places)
{
	static const char *const pressures[3] = { "cpu.pressure", "memory.pressure", "io.pressure" };
	_cleanup_close_ int cpuacct = open_directory(places->cpuacct), blkio = open_directory(places->blkio);

	s->cpu = open_file(s->cgroup, "cpu.stat");
	if (s->cpu < 0 && cpuacct >= 0) {
		s->cpu_v1 = true;
		s->cpu = open_file(cpuacct, "cpuacct.usage");
		s->cpu_user = open_file(cpuacct, "cpuacct.usage_user");
		s->cpu_system = open_file(cpuacct, "cpuacct.usage_sys");
	}
	s->io = open_file(s->cgroup, "io.stat");
	if (s->io < 0 && blkio >= 0) {
		s->io_v1 = true;
		s->io = open_file(blkio, "blkio.throttle.io_service_bytes_recursive");
		s->io_operations = open_file(blkio, "blkio.throttle.io_serviced_recursive");
	}
	for (size_t i = 0; i < ARRAY_SIZE(pressures); i++)
		s->pressure[i] = open_file(s->cgroup, pressures[i]);
}

static struct vitals_source *source_new(const char *proc)
{
	struct vitals_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cgroup = s->meminfo = s->cpu = s->cpu_user = s->cpu_system = s->io = s->io_operations = NOT_THERE;
	for (size_t i = 0; i < ARRAY_SIZE(s->pressure); i++)
		s->pressure[i] = NOT_THERE;
	s->count_tasks = true;
	s->hierarchical = VITALS_UNKNOWN;
	memset(&s->memory, 0xff, sizeof(s->memory));
	memset(&s->tasks, 0xff, sizeof(s->tasks));
	s->proc = strdup(proc ? proc : "/proc");
	if (!s->proc) {
		free(s);
		return NULL;
	}
	return s;
}

int vitals_source_open(const struct vitals_places *places, struct vitals_source **ret, struct err *err)
{
	_cleanup_(vitals_source_free_p) struct vitals_source *s = source_new(places->proc);
	const char *directory = places->memory ? places->memory : places->cgroup;
	char meminfo[PATH_MAX];
	struct stat st;

	if (!s)
		return err_errno(err, ENOMEM, "can't read vitals");
	if (!directory)
		return err_set(err, ENOENT, "can't read vitals: the workload has no cgroup");
	s->memory_v1 = places->memory && places->memory_v1;
	s->has_memory = places->memory;
	if (places->cgroup) {
		s->cgroup = open_directory(places->cgroup);
		if (s->cgroup < 0)
			return err_errno(err, errno, "can't read vitals of the cgroup %s", places->cgroup);
	}
	int r = add_levels(s, directory, places->memory ? places->memory_root : places->cgroup_root);
	if (r < 0)
		return err_errno(err, -r, "can't read vitals of the cgroup %s", directory);
	open_others(s, places);
	if ((size_t)snprintf(meminfo, sizeof(meminfo), "%s/meminfo", s->proc) < sizeof(meminfo))
		s->meminfo = open(meminfo, O_RDONLY | O_CLOEXEC);
	if (s->meminfo >= 0 && fstat(s->meminfo, &st) == 0) {
		s->meminfo_device = st.st_dev;
		s->meminfo_inode = st.st_ino;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

void vitals_source_free(struct vitals_source *s)
{
	if (!s)
		return;
	int others[] = { s->cgroup, s->cpu, s->cpu_user, s->cpu_system, s->io, s->io_operations, s->meminfo };

	for (size_t i = 0; i < s->levels_n; i++) {
		for (int j = 0; j < FILE_MAX; j++)
			close_fd(&s->levels[i].files[j]);
		siblings_free(s->levels[i].siblings);
		close_fd(&s->levels[i].directory);
		free(s->levels[i].path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		close_fd(&others[i]);
	for (size_t i = 0; i < ARRAY_SIZE(s->pressure); i++)
		close_fd(&s->pressure[i]);
	free(s->proc);
	free(s);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

/* The length, -ENOENT for a cgroup that is gone, another negative errno for what can't be read. */
static ssize_t read_fd(int fd)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, TEXT_MAX, 0);

	if (n >= 0)
		return n;
	/* What was removed while open has no device any more. */
	return fd < 0 ? -EBADF : errno == ENODEV ? -ENOENT : -errno;
}

static ssize_t read_level(struct vitals_source *s, struct level *level, int file)
{
	int *fd = &level->files[file];

	if (*fd == NOT_TRIED)
		*fd = open_file(level->directory, names[s->memory_v1][file]);
	return read_fd(*fd);
}

static uint64_t read_number(struct vitals_source *s, struct level *level, int file)
{
	ssize_t n = read_level(s, level, file);

	return n < 0 ? VITALS_UNKNOWN : cgroup_files_number(text, (size_t)n);
}

/* memory.min or memory.low: "max" is all that is there. */
static uint64_t read_protection(struct vitals_source *s, struct level *level, int file, uint64_t current)
{
	ssize_t n = read_level(s, level, file);

	if (n < 0)
		return VITALS_UNKNOWN;
	uint64_t value = cgroup_files_number(text, (size_t)n);
	return value == VITALS_UNKNOWN ? current : value;
}

/* What the availability of a level needs. */
static void read_gain(struct vitals_source *s, struct level *level, struct vitals_memory *m, uint64_t *ret_hierarchical)
{
	ssize_t n = read_level(s, level, FILE_STAT);

	*ret_hierarchical = VITALS_UNKNOWN;
	if (n >= 0 && s->memory_v1)
		cgroup_files_stat_v1(text, (size_t)n, m, ret_hierarchical);
	else if (n >= 0)
		cgroup_files_stat_v2(text, (size_t)n, m);
	if (level == &s->levels[0] && !s->slow) {
		m->swap_limit = s->memory.swap_limit;
		return;
	}
	m->swap_limit = read_number(s, level, FILE_SWAP_LIMIT);
	/* v1 limits memory and swap together: what may be swapped when memory is full is the rest. */
	if (s->memory_v1 && m->swap_limit != VITALS_UNKNOWN && m->limit != VITALS_UNKNOWN)
		m->swap_limit = m->swap_limit > m->limit ? m->swap_limit - m->limit : 0;
}

static void read_slow(struct vitals_source *s, struct vitals_memory *m)
{
	struct level *level = &s->levels[0];

	m->peak = read_number(s, level, FILE_PEAK);
	if (s->memory_v1) {
		m->min = m->low = 0;
		m->kernel = read_number(s, level, FILE_KERNEL);
		m->max_events = read_number(s, level, FILE_FAILS);
	} else {
		m->high = read_number(s, level, FILE_HIGH);
		m->min = read_protection(s, level, FILE_MIN, m->current);
		m->low = read_protection(s, level, FILE_LOW, m->current);
	}
}

static void read_events(struct vitals_source *s, struct vitals_memory *m)
{
	ssize_t n = read_level(s, &s->levels[0], FILE_EVENTS);

	if (n >= 0 && s->memory_v1)
		cgroup_files_oom_control(text, (size_t)n, m);
	else if (n >= 0)
		cgroup_files_events(text, (size_t)n, m);
}

static void read_own(struct vitals_source *s, struct vitals_memory *m, uint64_t *ret_hierarchical)
{
	struct level *level = &s->levels[0];

	if (s->calm)
		m->limit = s->memory.limit;
	else
		m->limit = read_number(s, level, FILE_LIMIT);
	read_gain(s, level, m, ret_hierarchical);
	if (!s->memory_v1)
		m->swap = s->slow || s->swap ? read_number(s, level, FILE_SWAP) : s->memory.swap;
	if (s->calm) {
		m->oom_kills = s->memory.oom_kills;
		m->high_events = s->memory.high_events;
		m->max_events = s->memory.max_events;
	} else {
		read_events(s, m);
	}
	if (s->slow) {
		read_slow(s, m);
		return;
	}
	m->peak = s->memory.peak == VITALS_UNKNOWN ? VITALS_UNKNOWN : MAX(s->memory.peak, m->current);
	m->high = s->memory.high;
	m->min = s->memory.min;
	m->low = s->memory.low;
	if (s->memory_v1) {
		m->kernel = s->memory.kernel;
		m->max_events = s->memory.max_events;
	}
}

/*
 * Most levels above have no limit; then nothing else of theirs matters, but the one below a limit needs its min.
 * Whether they have one is looked up with the slow part.
 */
static void read_above(struct vitals_source *s, size_t i, uint64_t now_ns, struct vitals_memory *m)
{
	struct level *level = &s->levels[i];
	uint64_t hierarchical = VITALS_UNKNOWN;

	if (!level->matters && !s->slow)
		return;
	m->limit = read_number(s, level, FILE_LIMIT);
	if (s->memory_v1 && m->limit == VITALS_UNKNOWN) {
		level->matters = false;
		return;
	}
	m->current = read_number(s, level, FILE_CURRENT);
	m->min = s->memory_v1 ? 0 : read_protection(s, level, FILE_MIN, m->current);
	level->matters = m->limit != VITALS_UNKNOWN || (m->min != 0 && m->min != VITALS_UNKNOWN);
	if (!level->matters)
		return;
	read_gain(s, level, m, &hierarchical);
	if (s->memory_v1 || m->limit == VITALS_UNKNOWN)
		return;
	if (!level->siblings)
		level->siblings = siblings_new(level->directory, strrchr(s->levels[i - 1].path, '/') + 1);
	if (level->siblings)
		m->kept = siblings_kept(level->siblings, now_ns);
}

/* The least of the limits, and of the machine's memory. */
static uint64_t least_limit(const struct vitals_memory *levels, size_t n, const struct vitals_host *host)
{
	uint64_t least = host->total;

	for (size_t i = 0; i < n; i++)
		least = MIN(least, levels[i].limit);
	return least;
}

/*
 * v1 tells the limit over all levels, also of those that a namespace hides from us. What is used there can't be seen:
 * the topmost that we see stands for it.
 */
static void use_hidden_limit(struct vitals_source *s, struct vitals_memory *levels, const struct vitals_host *host,
			     uint64_t now_ns)
{
	struct level *level = &s->levels[s->levels_n - 1];
	struct vitals_memory *top = &levels[s->levels_n - 1];
	uint64_t ignored;

	if (s->hierarchical >= least_limit(levels, s->levels_n, host))
		return;
	/* A limit that has just been changed looks the same. */
	s->slow = true;
	read_gain(s, &s->levels[0], &levels[0], &s->hierarchical);
	levels[0].limit = read_number(s, &s->levels[0], FILE_LIMIT);
	for (size_t i = 1; i < s->levels_n; i++)
		read_above(s, i, now_ns, &levels[i]);
	if (s->hierarchical >= least_limit(levels, s->levels_n, host))
		return;
	if (s->levels_n > 1) {
		top->current = read_number(s, level, FILE_CURRENT);
		read_gain(s, level, top, &ignored);
	}
	top->limit = s->hierarchical;
}

static bool is_calm(const struct vitals_source *s, uint64_t current)
{
	uint64_t before = s->memory.current, moved = current > before ? current - before : before - current;

	return !s->slow && s->has_memory && s->clean >= s->limit / 4 && moved < s->limit / 16;
}

/* Sets s->calm. */
static int read_memory(struct vitals_source *s, const struct vitals_host *host, struct vitals_sample *ret)
{
	struct vitals_memory levels[VITALS_LEVELS_MAX];
	ssize_t n = s->has_memory ? read_level(s, &s->levels[0], FILE_CURRENT) : -EBADF;
	uint64_t current = n < 0 ? VITALS_UNKNOWN : cgroup_files_number(text, (size_t)n);

	if (n == -ENOENT)
		return -ENOENT;
	s->calm = is_calm(s, current);
	memset(levels, 0xff, s->levels_n * sizeof(levels[0]));
	if (s->calm && current == s->memory.current) {
		levels[0] = s->memory;
	} else if (n >= 0) {
		levels[0].current = current;
		s->hierarchical = VITALS_UNKNOWN;
		read_own(s, &levels[0], &s->hierarchical);
		s->memory = levels[0];
	}
	for (size_t i = 1; i < s->levels_n; i++)
		read_above(s, i, ret->time_ns, &levels[i]);
	ret->memory = levels[0];
	use_hidden_limit(s, levels, host, ret->time_ns);
	ret->limit = least_limit(levels, s->levels_n, host);
	vitals_available(levels, s->levels_n, host, &ret->available);
	s->clean = ret->available.clean;
	s->limit = ret->limit;
	const char *bound = ret->available.bound == VITALS_BOUND_HOST ? "" : s->levels[ret->available.bound].path;
	(void)snprintf(ret->bound, sizeof(ret->bound), "%s", bound);
	return 0;
}

static int read_cpu(struct vitals_source *s, struct vitals_cpu *ret)
{
	ssize_t n = read_fd(s->cpu);

	if (n < 0)
		return n == -ENOENT ? -ENOENT : 0;
	if (!s->cpu_v1) {
		cgroup_files_cpu(text, (size_t)n, ret);
		return 0;
	}
	ret->usage_ns = cgroup_files_number(text, (size_t)n);
	n = read_fd(s->cpu_user);
	if (n >= 0)
		ret->user_ns = cgroup_files_number(text, (size_t)n);
	n = read_fd(s->cpu_system);
	if (n >= 0)
		ret->system_ns = cgroup_files_number(text, (size_t)n);
	return 0;
}

static void read_io(struct vitals_source *s, struct vitals_io *ret)
{
	ssize_t n = read_fd(s->io);

	if (n < 0)
		return;
	if (!s->io_v1) {
		cgroup_files_io(text, (size_t)n, ret);
		return;
	}
	cgroup_files_blkio(text, (size_t)n, false, ret);
	n = read_fd(s->io_operations);
	if (n >= 0)
		cgroup_files_blkio(text, (size_t)n, true, ret);
}

/* The kernel keeps the sums; only memory's is wanted at once, and only where it can be more than nothing. */
static void read_pressure(struct vitals_source *s, struct vitals_pressure *ret)
{
	struct vitals_stall *stalls[3] = { &ret->cpu, &ret->memory, &ret->io };

	if (s->slow)
		ret->known = false;
	else
		*ret = s->pressures;
	for (size_t i = 0; !s->calm && i < ARRAY_SIZE(stalls); i++) {
		bool wanted = s->slow || stalls[i] == &ret->memory;
		ssize_t n = wanted ? read_fd(s->pressure[i]) : 0;

		if (n > 0)
			ret->known |= cgroup_files_pressure(text, (size_t)n, stalls[i]);
	}
	s->pressures = *ret;
}

static int read_tasks(struct vitals_source *s, uint64_t now_ns, struct vitals_tasks *ret)
{
	int r = 0;

	if (s->count_tasks && now_ns >= s->tasks_due_ns) {
		if (s->cgroup >= 0)
			r = tasks_count(s->cgroup, "cgroup.threads", s->proc, &s->tasks);
		else
			r = tasks_count(s->levels[0].directory, "tasks", s->proc, &s->tasks);
		uint64_t took = clock_boottime_ns() - now_ns;

		s->tasks_due_ns = now_ns + MAX(TASKS_EVERY_NS, took * TASKS_SHARE);
	}
	*ret = s->tasks;
	return r == -ENOENT && s->cgroup >= 0 ? r : 0;
}

static struct vitals_host read_host(struct vitals_source *s, uint64_t now_ns)
{
	static _Thread_local struct {
		uint64_t time_ns;
		dev_t device;
		ino_t inode;
		struct vitals_host host;
	} last;

	if (now_ns - last.time_ns < HOST_FOR_NS && last.device == s->meminfo_device && last.inode == s->meminfo_inode)
		return last.host;
	memset(&last.host, 0xff, sizeof(last.host));
	last.time_ns = now_ns;
	last.device = s->meminfo_device;
	last.inode = s->meminfo_inode;
	ssize_t n = read_fd(s->meminfo);
	if (n > 0)
		cgroup_files_meminfo(text, (size_t)n, &last.host);
	return last.host;
}

int vitals_source_read(struct vitals_source *s, bool whole, struct vitals_sample *ret)
{
	struct vitals_probed probed = ret->probed;

	memset(ret, 0xff, sizeof(*ret));
	ret->probed = probed;
	ret->bound[0] = '\0';
	ret->time_ns = clock_boottime_ns();
	s->slow = whole || ret->time_ns >= s->slow_due_ns;
	if (s->slow)
		s->slow_due_ns = ret->time_ns + SLOW_EVERY_NS;
	struct vitals_host host = read_host(s, ret->time_ns);
	s->swap = host.swap_free != 0 && host.swap_free != VITALS_UNKNOWN;
	int r = read_memory(s, &host, ret);
	if (r == 0 && !s->calm)
		r = read_cpu(s, &ret->cpu);
	if (r < 0)
		return r;
	if (!s->calm)
		read_io(s, &ret->io);
	read_pressure(s, &ret->pressure);
	return read_tasks(s, ret->time_ns, &ret->tasks);
}

int vitals_source_usage(struct vitals_source *s, uint64_t *ret)
{
	ssize_t n = s->has_memory ? read_level(s, &s->levels[0], FILE_CURRENT) : -EBADF;

	if (n < 0)
		return n == -ENOENT ? -ENOENT : -EOPNOTSUPP;
	*ret = cgroup_files_number(text, (size_t)n);
	return *ret == VITALS_UNKNOWN ? -EIO : 0;
}

void vitals_source_count_tasks(struct vitals_source *s, bool on)
{
	s->count_tasks = on;
}
