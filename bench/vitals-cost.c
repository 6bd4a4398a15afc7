/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probes cost. Workers that live through the whole run do the same piece of work again and again, each time
 * with another set of programs attached, in turns; what counts is the CPU time that the kernel charges them, and the
 * median of its ratios to the piece without programs of the same round. Other work on the machine then only widens the
 * spread. Prints the tables of docs/benchmarks.md. Needs root.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "bench/look-after.h"
#include "sensor/system.h"
#include "sensor/vitals-probes.h"

#define ROUNDS_MAX 2000u
#define IDLE_CGROUPS 100u

enum condition { NOTHING, EMPTY, OUTSIDE, ONLY, ALL, SCHED, TICKED, CONDITIONS };
static const char *const condition_names[CONDITIONS] = {
	[NOTHING] = "nothing",
	[EMPTY] = "an empty program on sched_switch",
	[OUTSIDE] = "all probes, for another cgroup",
	[ONLY] = "all probes, for this cgroup",
	[ALL] = "all probes, for every cgroup",
	[SCHED] = "the scheduler's alone, for this cgroup",
	[TICKED] = "all probes, for this cgroup, looked after",
};

/* Each piece for itself; and pieces so long that the windows in which a storm is counted come many times. */
static const enum condition in_short[] = { NOTHING, EMPTY, OUTSIDE, ONLY, ALL, SCHED };
static const enum condition in_long[] = { NOTHING, ONLY, TICKED };

static char mount[128], busy[256], idle[256];
static uint64_t busy_id, idle_id;
static unsigned level;
static const char *empty_path;

_Noreturn static void die(const char *what)
{
	(void)fprintf(stderr, "vitals-cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void enter(const char *cgroup)
{
	char path[320];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	(void)close(fd);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* ---- what is attached ---- */

struct attached {
	struct vitals_probes *probes, *ticked;
	struct bpf_object *object;
	struct bpf_link *link;
};

static struct attached attach(enum condition c)
{
	struct vitals_probes_options o = { .probes = c == SCHED ? VITALS_PROBE_SCHED : VITALS_PROBE_ALL };
	struct attached a = { 0 };
	struct err err = { 0 };

	/*
	 * Loading leaves caches cold, and unloading kernel threads busy: without both here, a compile without programs
	 * was measured by 1 to 2 % too cheap.
	 */
	if (c == NOTHING || c == EMPTY) {
		if (vitals_probes_open(&o, &a.probes, &err) < 0) {
			(void)fprintf(stderr, "vitals-cost: %s\n", err.text);
			exit(1);
		}
		vitals_probes_ops.free(TAKE_PTR(a.probes));
	}
	if (c == NOTHING)
		return a;
	if (c == EMPTY) {
		a.object = bpf_object__open_file(empty_path, NULL);
		if (!a.object || bpf_object__load(a.object) < 0)
			die(empty_path);
		a.link = bpf_program__attach(bpf_object__next_program(a.object, NULL));
		if (!a.link)
			die("attach");
		return a;
	}
	if (c != ALL) {
		o.only = c == OUTSIDE ? idle_id : busy_id;
		o.only_level = level;
	}
	if (vitals_probes_open(&o, &a.probes, &err) < 0) {
		(void)fprintf(stderr, "vitals-cost: %s\n", err.text);
		exit(1);
	}
	a.ticked = c == TICKED ? a.probes : NULL;
	return a;
}

static void detach(struct attached *a)
{
	if (a->probes)
		vitals_probes_ops.free(a->probes);
	if (a->link)
		(void)bpf_link__destroy(a->link);
	bpf_object__close(a->object);
}

/* ---- workers ---- */

struct worker {
	pid_t pid;
	int go, done;
};

typedef double piece_fn(unsigned n, const int *pipes);

/* Tells how much CPU time each piece took: its own and its children's. */
static void worker_start(struct worker *w, piece_fn *piece, unsigned n, int cpu, const int *pipes)
{
	int go[2], done[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(done, O_CLOEXEC))
		die("pipe");
	w->pid = fork();
	if (w->pid < 0)
		die("fork");
	if (w->pid == 0) {
		char c;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		enter(busy);
		if (cpu >= 0)
			pin(cpu);
		while (read(go[0], &c, 1) == 1 && c == 'g') {
			double spent = piece(n, pipes);

			(void)!write(done[1], &spent, sizeof(spent));
		}
		_exit(0);
	}
	w->go = go[1];
	w->done = done[0];
	(void)close(go[0]);
	(void)close(done[1]);
}

static void worker_end(struct worker *w)
{
	(void)!write(w->go, "e", 1);
	(void)waitpid(w->pid, NULL, 0);
	(void)close(w->go);
	(void)close(w->done);
}

static double ping(unsigned n, const int *pipes)
{
	double began = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	char c = 0;

	for (unsigned i = 0; i < n; i++)
		if (write(pipes[1], &c, 1) != 1 || read(pipes[2], &c, 1) != 1)
			return -1;
	return now_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
}

static double pong(unsigned n, const int *pipes)
{
	double began = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	char c = 0;

	for (unsigned i = 0; i < n; i++)
		if (read(pipes[0], &c, 1) != 1 || write(pipes[3], &c, 1) != 1)
			return -1;
	return now_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
}

static double children_ns(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

/* Two compilers at a time, as make -j2 has it: from source text on standard input to an object. */
static double compile(unsigned n, const int *pipes)
{
	double began = children_ns() + now_ns(CLOCK_PROCESS_CPUTIME_ID);

	for (unsigned i = 0; i < n; i += 2) {
		for (unsigned k = 0; k < 2; k++) {
			if (fork() == 0) {
				execlp("sh", "sh", "-c",
				       "echo '#include <stdio.h>\nint f(int x) { return printf(\"%d\", x * 7); }' | "
				       "cc -O1 -x c -c -o /dev/null -", (char *)NULL);
				_exit(127);
			}
		}
		while (wait(NULL) > 0)
			;
	}
	return children_ns() + now_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
}

/* ---- rounds ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double at(double *sorted, size_t n, double share)
{
	return sorted[(size_t)(share * (double)(n - 1) + 0.5)];
}

static double round_once(struct worker *w, size_t n, const struct attached *a)
{
	double sum = 0, spent;

	for (size_t i = 0; i < n; i++)
		(void)!write(w[i].go, "g", 1);
	for (size_t i = 0; i < n; i++) {
		if (a && a->ticked)
			look_after(a->ticked, busy_id, CLOCK_SECOND_NS, w[i].done);
		if (read(w[i].done, &spent, sizeof(spent)) != sizeof(spent) || spent < 0)
			die("a worker failed");
		sum += spent;
	}
	return sum;
}

/* per: operations in a piece. The spread of the median is that of its order statistics, 19 times of 20. */
static void measure(const char *title, struct worker *w, size_t n, unsigned per, const char *what, unsigned rounds,
		    const enum condition *which, size_t which_n)
{
	static double spent[CONDITIONS][ROUNDS_MAX], ratio[CONDITIONS][ROUNDS_MAX], added[CONDITIONS][ROUNDS_MAX];
	static double sorted[ROUNDS_MAX];
	const struct timespec settle = { .tv_nsec = 30000000 };

	(void)round_once(w, n, NULL);
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned k = 0; k < which_n; k++) {
			enum condition c = which[(k + r) % which_n];
			struct attached a = attach(c);

			(void)nanosleep(&settle, NULL);
			(void)round_once(w, n, &a);
			spent[c][r] = round_once(w, n, &a) / per;
			detach(&a);
		}
	}
	printf("\n%s, %u rounds in turns:\n\n| attached | CPU time of %s | ratio | 95 %% interval | added |\n"
	       "| --- | --- | --- | --- | --- |\n", title, rounds, what);
	for (unsigned k = 0; k < which_n; k++) {
		enum condition c = which[k];
		/* 1.96 standard deviations of where the median's rank is. */
		double half = 0.98, root = 1;

		while (root * root < (double)rounds)
			root += 0.01;
		half /= root;
		for (unsigned r = 0; r < rounds; r++) {
			ratio[c][r] = spent[c][r] / spent[NOTHING][r];
			added[c][r] = spent[c][r] - spent[NOTHING][r];
		}
		memcpy(sorted, spent[c], rounds * sizeof(double));
		qsort(sorted, rounds, sizeof(double), by_value);
		qsort(ratio[c], rounds, sizeof(double), by_value);
		qsort(added[c], rounds, sizeof(double), by_value);
		half = half < 0.5 ? half : 0.5;
		printf("| %s | %.0f ns | %.4f | %.4f to %.4f | %+.0f ns |\n", condition_names[c],
		       at(sorted, rounds, 0.5), at(ratio[c], rounds, 0.5), at(ratio[c], rounds, 0.5 - half),
		       at(ratio[c], rounds, 0.5 + half), at(added[c], rounds, 0.5));
	}
	(void)fflush(stdout);
}

static void ping_pong(const char *title, int cpu_a, int cpu_b, unsigned n, unsigned rounds,
		      const enum condition *which, size_t which_n)
{
	struct worker w[2];
	int pipes[4];

	if (pipe(pipes) || pipe(pipes + 2))
		die("pipe");
	worker_start(&w[0], ping, n, cpu_a, pipes);
	worker_start(&w[1], pong, n, cpu_b, pipes);
	measure(title, w, 2, n, "a round trip", rounds, which, which_n);
	for (size_t i = 0; i < 2; i++)
		worker_end(&w[i]);
	for (size_t i = 0; i < 4; i++)
		(void)close(pipes[i]);
}

/* ---- reading ---- */

static void reading_once(const char *what, bool only, const uint64_t *ids, size_t n)
{
	struct vitals_probes_options o = {
		.probes = VITALS_PROBE_ALL,
		.only = only ? busy_id : 0,
		.only_level = level,
	};
	struct vitals_probes *p;
	struct vitals_probed probed;
	struct vitals_tasks tasks;
	struct err err = { 0 };
	double began = now_ns(CLOCK_MONOTONIC), opened, cpu, read_ns, tasks_ns;

	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (vitals_probes_open(&o, &p, &err) < 0) {
		(void)fprintf(stderr, "vitals-cost: %s\n", err.text);
		exit(1);
	}
	opened = now_ns(CLOCK_MONOTONIC) - began;
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	/* Slots are made by the first pass. */
	(void)vitals_probes_ops.tasks(p, ids, n, &tasks);
	began = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < 20000; i++)
		(void)vitals_probes_ops.read(p, ids, n, &probed);
	read_ns = (now_ns(CLOCK_PROCESS_CPUTIME_ID) - began) / 20000;
	began = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < 2000; i++)
		(void)vitals_probes_ops.tasks(p, ids, n, &tasks);
	tasks_ns = (now_ns(CLOCK_PROCESS_CPUTIME_ID) - began) / 2000;
	printf("| %s | %.1f ms (%.1f ms CPU) | %.2f us | %.2f us |\n", what, opened / 1e6, cpu / 1e6, read_ns / 1e3,
	       tasks_ns / 1e3);
	vitals_probes_ops.free(p);
}

static void reading(void)
{
	uint64_t ids[IDLE_CGROUPS];
	pid_t pids[IDLE_CGROUPS];
	char path[300];

	for (unsigned i = 0; i < IDLE_CGROUPS; i++) {
		unsigned unused;

		(void)snprintf(path, sizeof(path), "%s/%u", idle, i);
		if (mkdir(path, 0755) || system_cgroup_id(path, &ids[i], &unused))
			die(path);
		pids[i] = fork();
		if (pids[i] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			enter(path);
			for (;;)
				(void)pause();
		}
	}
	printf("\nBeside %u cgroups with a process each:\n\n", IDLE_CGROUPS);
	printf("| | opening | read | tasks |\n| --- | --- | --- | --- |\n");
	reading_once("one cgroup alone", true, &busy_id, 1);
	reading_once("every cgroup, a workload of one", false, ids, 1);
	reading_once("every cgroup, a workload of 100", false, &idle_id, 1);
	for (unsigned i = 0; i < IDLE_CGROUPS; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
		(void)snprintf(path, sizeof(path), "%s/%u", idle, i);
		while (rmdir(path) && errno == EBUSY)
			(void)usleep(1000);
	}
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 200, unused;
	const char *part = argc > 3 ? argv[3] : "";
	struct worker w;

	if (argc < 2 || argc > 4 || rounds < 3 || rounds > ROUNDS_MAX ||
	    (*part && strcmp(part, "one") && strcmp(part, "storm") && strcmp(part, "two") &&
	     strcmp(part, "compile") && strcmp(part, "read"))) {
		(void)fprintf(stderr,
			      "usage: vitals-cost EMPTY-OBJECT [ROUNDS [one|storm|two|compile|read]]   3 to %u; 200\n",
			      ROUNDS_MAX);
		return 2;
	}
	empty_path = argv[1];
	if (!system_cgroup2_mount(mount, sizeof(mount)))
		die("no cgroup v2 hierarchy is mounted");
	(void)snprintf(busy, sizeof(busy), "%s/heddle-cost-%d", mount, (int)getpid());
	(void)snprintf(idle, sizeof(idle), "%s/heddle-idle-%d", mount, (int)getpid());
	if (mkdir(busy, 0755) || mkdir(idle, 0755) || system_cgroup_id(busy, &busy_id, &level) ||
	    system_cgroup_id(idle, &idle_id, &unused))
		die(busy);
	if (!*part || !strcmp(part, "one"))
		ping_pong("Pipe ping-pong on one CPU", 0, 0, 6000, rounds, in_short, ARRAY_SIZE(in_short));
	if (!*part || !strcmp(part, "storm"))
		ping_pong("Pipe ping-pong on one CPU, two million switches at a time", 0, 0, 1000000,
			  MAX(rounds / 10, 3U), in_long, ARRAY_SIZE(in_long));
	if (!*part || !strcmp(part, "two"))
		ping_pong("Pipe ping-pong across two CPUs", 0, 1, 400, rounds, in_short,
			  ARRAY_SIZE(in_short));
	if (!*part || !strcmp(part, "compile")) {
		worker_start(&w, compile, 8, -1, NULL);
		measure("Short compiles, two at a time", &w, 1, 8, "a compile", rounds, in_short,
			ARRAY_SIZE(in_short));
		worker_end(&w);
	}
	if (!*part || !strcmp(part, "read"))
		reading();
	while (rmdir(busy) && errno == EBUSY)
		(void)usleep(1000);
	(void)rmdir(idle);
	return 0;
}
