/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sampling costs: cgroups with a process each are read N times a second, and the CPU time that it took is printed
 * as a share of one core. Needs root. Without options 100 cgroups at 10 Hz for 10 s, each way in turns.
 *
 *   sampling [CGROUPS [HZ [SECONDS [MOVING]]]]
 *
 * The first MOVING of the processes (all) take a page and give one back between any two samples; the others sleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "vitals/source.h"
#include "vitals/tree.h"

#define CGROUPS_MAX 1000
#define SLICES 10 /* each way is measured in so many turns */

enum way {
	READ,	   /* vitals_source_read, states from elsewhere */
	READ_TASKS, /* and with states from procfs */
	TREE,	   /* vitals_tree_look alone */
	USAGE,	   /* vitals_source_usage, at ten times the rate */
	WAY_MAX,
};

static const char *const way_names[WAY_MAX] = {
	[READ] = "source_read, states counted elsewhere",
	[READ_TASKS] = "source_read, states from procfs",
	[TREE] = "tree_look",
	[USAGE] = "source_usage, ten times as often",
};

static struct workload {
	char memory[PATH_MAX], cgroup[PATH_MAX];
	pid_t pid;
	struct vitals_source *source;
	struct vitals_tree *tree;
} workloads[CGROUPS_MAX];
static size_t workloads_n = 100, moving = CGROUPS_MAX;
static unsigned hz = 10;
static struct vitals_sample sample;

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "vitals: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *directory, pid_t pid)
{
	char path[PATH_MAX + 16], text[16];

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		die(path);
}

/* Until the other end is closed: a page more, a page less, twice in the time of a sample. */
static _Noreturn void move(int held)
{
	struct pollfd end = { .fd = held, .events = POLLIN };
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (bool more = true; page != MAP_FAILED && poll(&end, 1, (int)(500 / hz)) == 0; more = !more) {
		if (more)
			page[0] = page[4096] = 1;
		else
			(void)madvise(page, 8192, MADV_DONTNEED);
	}
	_exit(0);
}

static void make(struct workload *w, size_t i, const struct vitals_places *ours, const char *unified, const int held[2])
{
	struct vitals_places places = { .proc = "/proc", .memory_v1 = ours->memory_v1, .memory_root = ours->memory_root,
					.cgroup_root = unified };
	struct vitals_tree_options options = { .proc = "/proc" };
	struct err err = { 0 };
	char byte;

	(void)snprintf(w->cgroup, sizeof(w->cgroup), "%.3000s/heddle-bench-%d-%zu", unified, (int)getpid(), i);
	if (mkdir(w->cgroup, 0755) < 0)
		die(w->cgroup);
	places.cgroup = places.memory = options.cgroup = w->cgroup;
	if (ours->memory_v1) {
		(void)snprintf(w->memory, sizeof(w->memory), "%.3000s/heddle-bench-%d-%zu", ours->memory, (int)getpid(),
			       i);
		if (mkdir(w->memory, 0755) < 0)
			die(w->memory);
		places.memory = w->memory;
	}
	w->pid = fork();
	if (w->pid < 0)
		die("fork");
	if (w->pid == 0) {
		(void)close(held[1]);
		if (i < moving)
			move(held[0]);
		_exit(read(held[0], &byte, 1) == 0 ? 0 : 1);
	}
	enter(w->cgroup, w->pid);
	if (*w->memory)
		enter(w->memory, w->pid);
	if (vitals_source_open(&places, &w->source, &err) < 0 || vitals_tree_new(&options, &w->tree, &err) < 0) {
		(void)fprintf(stderr, "vitals: %s\n", err.text);
		exit(1);
	}
}

static void unmake(struct workload *w)
{
	/* Empty once its process has ended. */
	vitals_source_free(w->source);
	vitals_tree_free(w->tree);
	(void)waitpid(w->pid, NULL, 0);
	(void)rmdir(w->cgroup);
	if (*w->memory)
		(void)rmdir(w->memory);
}

static double cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void once(enum way way, struct workload *w)
{
	uint64_t usage;
	int r = 0;

	switch (way) {
	case READ:
	case READ_TASKS:
		r = vitals_source_read(w->source, false, &sample);
		break;
	case TREE:
		r = vitals_tree_look(w->tree, clock_boottime_ns());
		break;
	case USAGE:
		r = vitals_source_usage(w->source, &usage);
		break;
	case WAY_MAX:
		break;
	}
	if (r < 0) {
		errno = -r;
		die(way_names[way]);
	}
}

/* CPU seconds for that many seconds of sampling, as a sampler does it: all of them, then asleep to the next tick. */
static double measure(enum way way, double seconds)
{
	unsigned rate = way == USAGE ? hz * 10 : hz, ticks = (unsigned)((double)rate * seconds);
	struct timespec at;
	double before;

	/* What was not read for seconds would be read now; the sampler has been at it all the time. */
	for (size_t i = 0; i < workloads_n; i++) {
		vitals_source_count_tasks(workloads[i].source, way == READ_TASKS);
		(void)vitals_source_read(workloads[i].source, true, &sample);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	before = cpu_seconds();
	for (unsigned tick = 0; tick < ticks; tick++) {
		for (size_t i = 0; i < workloads_n; i++)
			once(way, &workloads[i]);
		at.tv_nsec += (long)(CLOCK_SECOND_NS / rate);
		if (at.tv_nsec >= CLOCK_SECOND_NS) {
			at.tv_nsec -= (long)CLOCK_SECOND_NS;
			at.tv_sec++;
		}
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	return cpu_seconds() - before;
}

static void report(double seconds, const double *spent)
{
	(void)printf("%zu cgroups of which %zu move, %u times a second, %.0f s each\n\n", workloads_n,
		     MIN(moving, workloads_n), hz, seconds);
	(void)printf("| way | share of a core | each |\n| --- | --- | --- |\n");
	for (int way = 0; way < WAY_MAX; way++) {
		double count = (double)workloads_n * hz * (way == USAGE ? 10 : 1) * seconds;

		(void)printf("| %s | %.2f %% | %.1f us |\n", way_names[way], spent[way] * 100 / seconds,
			     spent[way] * 1e6 / count);
	}
}

int main(int argc, char **argv)
{
	static char room[4 * PATH_MAX];
	struct rlimit files;
	struct vitals_places ours;
	double seconds = 10, spent[WAY_MAX] = { 0 };
	int held[2];

	if (argc > 1)
		workloads_n = MIN(MAX(strtoul(argv[1], NULL, 10), 1UL), (unsigned long)CGROUPS_MAX);
	if (argc > 2)
		hz = (unsigned)MIN(MAX(strtoul(argv[2], NULL, 10), 1UL), 100UL);
	if (argc > 3)
		seconds = MAX(strtod(argv[3], NULL), 1.0);
	if (argc > 4)
		moving = strtoul(argv[4], NULL, 10);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("the limit of open files");
	if (vitals_places_of_pid((uint32_t)getpid(), &ours, room, sizeof(room)) < 0 || pipe2(held, O_CLOEXEC) < 0)
		die("no cgroup");
	struct cgroup_mount unified;
	if (cgroup_find_mount("/proc", NULL, &unified) < 0)
		die("no cgroup v2 hierarchy");
	for (size_t i = 0; i < workloads_n; i++)
		make(&workloads[i], i, &ours, unified.at, held);
	for (int slice = 0; slice < SLICES; slice++)
		for (int way = 0; way < WAY_MAX; way++)
			spent[way] += measure((enum way)way, seconds / SLICES);
	report(seconds, spent);
	(void)close(held[1]);
	for (size_t i = 0; i < workloads_n; i++)
		unmake(&workloads[i]);
	return 0;
}
