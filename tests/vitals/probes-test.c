/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes against the kernel's own words: tasks in a scratch cgroup do what is known beforehand, and what was
 * counted must be what procfs says of them, to the last switch and nanosecond. TAP; needs root and BTF.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "harness.h"
#include "sensor/duty.h"
#include "sensor/system.h"

/* ---- cases: the scheduler ---- */

#define NAPS 200

static void act_nap(void *argument)
{
	const struct timespec nap = { .tv_nsec = 200000 };

	for (unsigned i = 0; i < NAPS; i++)
		(void)nanosleep(&nap, NULL);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* argument: the CPU to stay on, or -1. */
static void act_spin(void *argument)
{
	double end = now_s() + 0.4;

	if (*(int *)argument >= 0)
		pin(*(int *)argument);
	while (now_s() < end)
		;
}

static void act_hop(void *argument)
{
	double end = now_s() + 0.4;

	for (int cpu = 0; now_s() < end; cpu = !cpu) {
		double until = now_s() + 0.003;

		pin(cpu);
		while (now_s() < until)
			;
	}
}

static void say_sched(const struct vitals_probed *p, const struct truth *t)
{
	say("voluntary %llu of %llu, forced %llu of %llu, waits %llu of %llu, waited %llu of %llu ns\n",
	    (unsigned long long)p->voluntary, (unsigned long long)t->voluntary, (unsigned long long)p->forced,
	    (unsigned long long)t->forced, (unsigned long long)waits(&p->run_queue), (unsigned long long)t->waits,
	    (unsigned long long)p->run_queue.total_ns, (unsigned long long)t->wait_ns);
}

/*
 * On some machines switches away from certain threads of the host's own come without the tracepoint (ftrace misses the
 * same ones), and with them the wait of who comes next.
 */
static bool same_waits(const struct vitals_probed *p, const struct truth *t)
{
	uint64_t n = waits(&p->run_queue);

	if (n < t->waits)
		say("%llu of %llu waits came without the tracepoint\n", (unsigned long long)(t->waits - n),
		    (unsigned long long)t->waits);
	return n <= t->waits && t->waits - n <= 2 + t->waits / 10;
}

static void case_switches(bool only)
{
	int cpu = 0, nowhere = -1;
	struct actor a[4];
	struct vitals_probed p;
	struct truth t;
	struct watch w;

	watch_open(&w, scratch, only, VITALS_PROBE_SCHED);
	actor_start(&a[0], scratch, act_nap, NULL);
	act_once(&w, a, 1, &p, &t);
	say_sched(&p, &t);
	result(p.voluntary == t.voluntary && p.forced == t.forced && p.voluntary >= NAPS,
	       only ? "naps, one cgroup" : "naps, all cgroups");
	actor_end(&a[0]);

	for (size_t i = 0; i < 2; i++)
		actor_start(&a[i], scratch, act_spin, &cpu);
	/* The first turn brings them to the CPU, so that none moves while it waits in the second. */
	act_once(&w, a, 2, &p, &t);
	/* One more, should one have come without. */
	for (unsigned i = 0; i < 3; i++) {
		act_once(&w, a, 2, &p, &t);
		if (waits(&p.run_queue) == t.waits)
			break;
	}
	say_sched(&p, &t);
	result(p.voluntary == t.voluntary && p.forced == t.forced && p.forced >= 4,
	       only ? "two spinners on one CPU: switches, one cgroup"
		    : "two spinners on one CPU: switches, all cgroups");
	result(t.wait_ns > 300000000 && same_waits(&p, &t) &&
		   (p.run_queue.total_ns == t.wait_ns || waits(&p.run_queue) < t.waits),
	       only ? "the same: waits to the nanosecond, one cgroup"
		    : "the same: waits to the nanosecond, all cgroups");
	for (size_t i = 0; i < 2; i++)
		actor_end(&a[i]);

	for (size_t i = 0; i < 4; i++)
		actor_start(&a[i], scratch, i % 2 ? act_hop : act_spin, &nowhere);
	act_once(&w, a, 4, &p, &t);
	say_sched(&p, &t);
	say("moved between CPUs: %.2f %% of the waiting was seen\n",
	    100.0 * (double)p.run_queue.total_ns / (double)t.wait_ns);
	result(p.voluntary == t.voluntary && p.forced == t.forced, "four that move between CPUs: switches");
	result(same_waits(&p, &t) && p.run_queue.total_ns <= t.wait_ns && p.run_queue.total_ns > t.wait_ns / 4,
	       "the same: what was waited before a move is not seen, and nothing else is missing");
	for (size_t i = 0; i < 4; i++)
		actor_end(&a[i]);
	watch_close(&w);
}

struct ball {
	int take, give;
	bool first;
};

/* Two of them pass a byte back and forth, on one CPU, as fast as they can. */
static void act_ball(void *argument)
{
	const struct ball *b = argument;
	double end = now_s() + 6;
	char c = 1;

	pin(0);
	if (b->first)
		(void)!write(b->give, &c, 1);
	/* Who is over time says so, and neither waits for the other any more. */
	while (c && read(b->take, &c, 1) == 1 && c) {
		c = now_s() < end;
		(void)!write(b->give, &c, 1);
	}
}

/* What goes by after the last window, a second of the six at the most, is told by none. */
static bool near(uint64_t counted, uint64_t true_count)
{
	return counted > true_count / 100 * 72 && counted < true_count / 100 * 110;
}

/* Where switches come too often to be counted one by one they are estimated, said so, and exact again afterwards. */
static void case_storm(bool only)
{
	struct vitals_probed p;
	struct actor a[2], nap;
	struct truth t;
	struct watch w;
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		bail("pipe");
	struct ball balls[2] = { { back[0], there[1], true }, { there[0], back[1], false } };

	/* Started before, for with what they would inherit they would keep the switches counted. */
	for (size_t i = 0; i < 2; i++)
		actor_start(&a[i], scratch, act_ball, &balls[i]);
	actor_start(&nap, scratch, act_nap, NULL);
	watch_open(&w, scratch, only, VITALS_PROBE_SCHED);
	w.ticks = true;
	act_once(&w, &nap, 1, &p, &t);
	result(p.voluntary == t.voluntary && !p.estimated, "before a storm each switch is counted");
	act_once(&w, a, 2, &p, &t);
	say_sched(&p, &t);
	if (t.voluntary + t.forced < 6 * DUTY_RUNS_MAX) {
		skip("a storm is estimated", "this machine does not switch often enough in one second");
	} else {
		result(p.estimated && near(p.voluntary + p.forced, t.voluntary + t.forced) &&
			   near(waits(&p.run_queue), t.waits),
		       only ? "a storm is estimated, one cgroup" : "a storm is estimated, all cgroups");
	}
	/* Until the rate is known to have fallen. */
	for (int i = 0; i < 20; i++)
		act_once(&w, &nap, 1, &p, &t);
	say_sched(&p, &t);
	result(p.voluntary == t.voluntary && p.forced == t.forced, "and counted again when it is over");
	for (size_t i = 0; i < 2; i++)
		actor_end(&a[i]);
	actor_end(&nap);
	watch_close(&w);
	for (size_t i = 0; i < 2; i++) {
		(void)close(there[i]);
		(void)close(back[i]);
	}
}

/* Who is outside, beside or above is not counted; who is below is. */
static void case_scope(bool only)
{
	char inner[300], deep[340], beside[300];
	struct vitals_probed p;
	struct actor in, out;
	struct truth t;
	struct watch w;

	cgroup_make(inner, sizeof(inner), scratch, "inner");
	cgroup_make(deep, sizeof(deep), inner, "deep");
	cgroup_make(beside, sizeof(beside), scratch, "beside");
	watch_open(&w, inner, only, VITALS_PROBE_SCHED);
	actor_start(&in, deep, act_nap, NULL);
	actor_start(&out, beside, act_nap, NULL);
	act_once(&w, &out, 1, &p, &t);
	say_sched(&p, &t);
	result(p.voluntary == 0 && p.forced == 0 && waits(&p.run_queue) == 0 && t.voluntary >= NAPS,
	       only ? "a sibling is not counted, one cgroup" : "a sibling is not counted, all cgroups");
	act_once(&w, &in, 1, &p, &t);
	say_sched(&p, &t);
	result(p.voluntary == t.voluntary && t.voluntary >= NAPS,
	       only ? "a child cgroup is, one cgroup" : "a child cgroup is, all cgroups");
	actor_end(&in);
	actor_end(&out);
	watch_close(&w);
	cgroup_remove(deep);
	cgroup_remove(inner);
	cgroup_remove(beside);
}

/* More cgroups come and go than there are slots; what they counted stays in the workload's sum. */
#define GENERATIONS 2500u

static void case_generations(bool only)
{
	uint64_t expected = 0, least = 0;
	bool fell = false;
	struct watch w;
	struct vitals_probed p;

	watch_open(&w, scratch, false, VITALS_PROBE_SCHED);
	least = watch_read(&w).voluntary;
	for (unsigned i = 0; i < GENERATIONS; i++) {
		char child[300], name[32];
		struct timespec nap = { .tv_nsec = 100000 };
		pid_t pid;

		(void)snprintf(name, sizeof(name), "g%u", i);
		cgroup_make(child, sizeof(child), scratch, name);
		pid = fork();
		if (pid < 0)
			bail("fork");
		if (pid == 0) {
			cgroup_enter(child);
			(void)nanosleep(&nap, NULL);
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
		cgroup_remove(child);
		/* The nap, and the switch away at its end; one may be forced instead, right before. */
		expected += 2;
		if (i % 16)
			continue;
		p = watch_read(&w);
		fell = fell || p.voluntary < least;
		least = p.voluntary;
	}
	for (unsigned i = 0; i < 4; i++)
		p = watch_read(&w);
	say("%u cgroups in turn: voluntary %llu, at least %llu; unplaced %llu\n", GENERATIONS,
	    (unsigned long long)p.voluntary, (unsigned long long)expected,
	    (unsigned long long)vitals_probes_unplaced(w.probes));
	result(p.voluntary + p.forced >= expected && p.voluntary < expected + expected / 4 && !fell,
	       "what cgroups counted that are gone stays in the sum");
	result(vitals_probes_unplaced(w.probes) == 0, "cgroups that are gone make room");
	watch_close(&w);
}

/* ---- cases: block requests ---- */

#define BLOCKS 64
#define BLOCK_BYTES 8192

static void act_read_blocks(void *argument)
{
	void *room = NULL;

	if (posix_memalign(&room, 4096, BLOCK_BYTES))
		return;
	for (unsigned i = 0; i < BLOCKS; i++)
		(void)!pread(*(int *)argument, room, BLOCK_BYTES, (off_t)i * 3 * BLOCK_BYTES);
	free(room);
}

static void act_write_blocks(void *argument)
{
	void *room = NULL;

	if (posix_memalign(&room, 4096, BLOCK_BYTES))
		return;
	memset(room, 'w', BLOCK_BYTES);
	for (unsigned i = 0; i < BLOCKS; i++)
		(void)!pwrite(*(int *)argument, room, BLOCK_BYTES, (off_t)i * 3 * BLOCK_BYTES);
	free(room);
}

/* A loop device over a file in memory: any other may be in use, and not every machine has one. */
static int loop_device(char *ret, size_t size)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int file = memfd_create("blocks", MFD_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE), fd;

	if (number < 0 || ftruncate(file, BLOCKS * 3 * BLOCK_BYTES))
		return -1;
	(void)snprintf(ret, size, "/dev/loop%d", number);
	fd = open(ret, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_SET_FD, file)) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return fd;
}

static void case_block(bool only)
{
	struct vitals_probed p;
	char disk[64];
	int fd = loop_device(disk, sizeof(disk));
	struct actor a;
	struct truth t;
	struct watch w;

	if (fd < 0) {
		skip("direct reads and writes", "no loop device to be had");
		return;
	}
	watch_open(&w, scratch, only, VITALS_PROBE_BLOCK);
	actor_start(&a, scratch, act_read_blocks, &fd);
	act_once(&w, &a, 1, &p, &t);
	say("%s: %llu reads, %llu bytes of %llu, %llu writes, %.1f us each\n", disk, (unsigned long long)p.reads,
	    (unsigned long long)p.read_bytes, (unsigned long long)t.read_bytes, (unsigned long long)p.writes,
	    p.reads ? (double)p.block_latency.total_ns / 1e3 / (double)p.reads : 0.0);
	result(p.reads == BLOCKS && p.read_bytes == BLOCKS * BLOCK_BYTES && p.read_bytes == t.read_bytes &&
		   p.writes == 0,
	       only ? "direct reads, one cgroup" : "direct reads, all cgroups");
	result(waits(&p.block_latency) == BLOCKS && p.block_latency.total_ns > 0, "a latency for each");
	actor_end(&a);
	actor_start(&a, scratch, act_write_blocks, &fd);
	act_once(&w, &a, 1, &p, &t);
	say("%s: %llu writes, %llu bytes of %llu, %llu reads\n", disk, (unsigned long long)p.writes,
	    (unsigned long long)p.write_bytes, (unsigned long long)t.write_bytes, (unsigned long long)p.reads);
	result(p.writes == BLOCKS && p.write_bytes == BLOCKS * BLOCK_BYTES && p.write_bytes == t.write_bytes &&
		   p.reads == 0,
	       only ? "direct writes, one cgroup" : "direct writes, all cgroups");
	actor_end(&a);
	watch_close(&w);
	(void)ioctl(fd, LOOP_CLR_FD);
	(void)close(fd);
}

/* ---- cases: states ---- */

static void *sleep_for_ever(void *argument)
{
	for (;;)
		(void)pause();
	return NULL;
}

static pid_t spawn(const char *cgroup, act_fn *act)
{
	pid_t pid = fork();

	if (pid < 0)
		bail("fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		cgroup_enter(cgroup);
		act(NULL);
		_exit(0);
	}
	return pid;
}

static void be_asleep(void *argument)
{
	(void)sleep_for_ever(NULL);
}

static void be_stopped(void *argument)
{
	(void)raise(SIGSTOP);
}

static void be_busy(void *argument)
{
	for (;;)
		;
}

static void be_dead(void *argument)
{
}

/* A parent waits for a child that shares its memory in a state that no signal but a deadly one ends. */
static pid_t *vforked;

static void be_uninterruptible(void *argument)
{
	if (vfork() == 0) {
		__atomic_store_n(vforked, getpid(), __ATOMIC_RELEASE);
		for (;;)
			(void)pause();
	}
}

static void be_three_threads(void *argument)
{
	pthread_t t;

	(void)pthread_create(&t, NULL, sleep_for_ever, NULL);
	(void)pthread_create(&t, NULL, sleep_for_ever, NULL);
	(void)sleep_for_ever(NULL);
}

/* A leader that is dead while another thread goes on: a process, and no zombie yet. */
static void be_headless(void *argument)
{
	pthread_t t;

	(void)pthread_create(&t, NULL, sleep_for_ever, NULL);
	(void)syscall(SYS_exit, 0);
}

struct spawned {
	act_fn *act;
	char state;
	unsigned n;
};

static const struct spawned crowd[] = {
	{ be_asleep, 'S', 3 },		{ be_stopped, 'T', 2 },	      { be_busy, 'R', 1 },     { be_dead, 'Z', 4 },
	{ be_uninterruptible, 'D', 1 }, { be_three_threads, 'S', 1 }, { be_headless, 'Z', 1 },
};

static void case_states(bool only)
{
	const struct vitals_tasks expected = {
		.running = 1,
		.sleeping = 3 + 3 + 1 + 1,
		.uninterruptible = 1,
		.stopped = 2,
		.zombie = 4,
		.processes = 3 + 2 + 1 + 2 + 1 + 1,
		.threads = 12,
	};
	const struct timespec moment = { .tv_nsec = 25000000 };
	struct vitals_tasks t = { 0 };
	struct vitals_probed p;
	pid_t pids[32];
	size_t n = 0;
	struct watch w;
	int r;

	watch_open(&w, scratch, only, 0);
	*vforked = 0;
	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++)
		for (unsigned k = 0; k < crowd[i].n; k++)
			pids[n++] = spawn(scratch, crowd[i].act);
	n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++)
		for (unsigned k = 0; k < crowd[i].n; k++)
			if (!wait_state(pids[n++], crowd[i].state))
				bail("a process does not come into its state");
	/* Threads and the child of the one that waits come to rest when they will. */
	for (unsigned i = 0; i < 100; i++) {
		r = vitals_probes_ops.tasks(w.probes, &w.id, 1, &t);
		if (r || (!memcmp(&t, &expected, sizeof(t)) && __atomic_load_n(vforked, __ATOMIC_ACQUIRE)))
			break;
		(void)nanosleep(&moment, NULL);
	}
	say("running %llu sleeping %llu uninterruptible %llu stopped %llu zombie %llu processes %llu threads %llu\n",
	    (unsigned long long)t.running, (unsigned long long)t.sleeping, (unsigned long long)t.uninterruptible,
	    (unsigned long long)t.stopped, (unsigned long long)t.zombie, (unsigned long long)t.processes,
	    (unsigned long long)t.threads);
	result(r == 0 && !memcmp(&t, &expected, sizeof(t)), only ? "states, one cgroup" : "states, all cgroups");
	p = watch_read(&w);
	result(!p.sched && !p.block, "probes that nobody asked for are not there");
	for (size_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
	(void)kill(*vforked, SIGKILL);
	/* The child of the one that waited is ours by now, as its subreaper. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	watch_close(&w);
}

/* ---- cases: OOM ---- */

#define OOM_LIMIT (48 << 20)

static char oom_cgroup[300];

static void be_greedy(void *argument)
{
	char *memory;

	if (oom_cgroup[0])
		cgroup_enter(oom_cgroup);
	(void)prctl(PR_SET_NAME, "greedy");
	memory = mmap(NULL, 4 * OOM_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)madvise(memory, 4 * OOM_LIMIT, MADV_NOHUGEPAGE);
	memset(memory, 1, 4 * OOM_LIMIT);
}

/* A cgroup with a limit: `where` in the v2 hierarchy, or one in v1's memory hierarchy beside it. */
static bool limit_memory(const char *where)
{
	char path[400], text[256], number[32];

	(void)snprintf(number, sizeof(number), "%d", OOM_LIMIT);
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
	if (read_text(path, text, sizeof(text)) && strstr(text, "memory")) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", mount);
		write_text(path, "+memory");
		(void)snprintf(path, sizeof(path), "%s/memory.max", where);
		write_text(path, number);
		(void)snprintf(path, sizeof(path), "%s/memory.swap.max", where);
		if (!access(path, W_OK))
			write_text(path, "0");
		return true;
	}
	if (access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK))
		return false;
	cgroup_make(oom_cgroup, sizeof(oom_cgroup), "/sys/fs/cgroup/memory", strrchr(scratch, '/') + 1);
	(void)snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", oom_cgroup);
	write_text(path, number);
	(void)snprintf(path, sizeof(path), "%s/memory.swappiness", oom_cgroup);
	write_text(path, "0");
	return true;
}

static void case_oom(bool only)
{
	struct vitals_oom seen[4];
	char where[300], name[64];
	struct watch w, other;
	int status, n, elsewhere;
	pid_t pid;

	/* Not below the scratch cgroup: the controller would then keep processes out of that. */
	(void)snprintf(name, sizeof(name), "%s-oom", strrchr(scratch, '/') + 1);
	cgroup_make(where, sizeof(where), mount, name);
	if (!limit_memory(where)) {
		skip("an OOM kill", "no memory controller");
		cgroup_remove(where);
		return;
	}
	watch_open(&w, where, only, VITALS_PROBE_OOM);
	watch_open(&other, scratch, false, VITALS_PROBE_OOM);
	pid = spawn(where, be_greedy);
	(void)waitpid(pid, &status, 0);
	n = vitals_probes_ops.ooms(w.probes, &w.id, 1, seen, ARRAY_SIZE(seen));
	if (n > 0)
		say("pid %u (%d), comm %s, anon %llu file %llu shmem %llu\n", seen[0].pid, (int)pid, seen[0].comm,
		    (unsigned long long)seen[0].anon_bytes, (unsigned long long)seen[0].file_bytes,
		    (unsigned long long)seen[0].shmem_bytes);
	result(WIFSIGNALED(status) && n == 1 && seen[0].pid == (uint32_t)pid && !strcmp(seen[0].comm, "greedy"),
	       only ? "an OOM kill, one cgroup" : "an OOM kill, all cgroups");
	/* The kernel's counter is a few pages for each CPU behind. */
	result(n == 1 && seen[0].anon_bytes > OOM_LIMIT / 4 * 3 && seen[0].anon_bytes <= OOM_LIMIT + (4 << 20),
	       "its size");
	elsewhere = vitals_probes_ops.ooms(other.probes, &other.id, 1, seen, ARRAY_SIZE(seen));
	result(elsewhere == 0 && vitals_probes_ops.ooms(w.probes, &w.id, 1, seen, ARRAY_SIZE(seen)) == 0,
	       "it is told once, and to nobody else");
	watch_close(&w);
	watch_close(&other);
	cgroup_remove(where);
	if (oom_cgroup[0])
		cgroup_remove(oom_cgroup);
}

/* ---- cases: what is refused ---- */

static void case_hooks(bool only)
{
	const struct vitals_hook *hooks;
	struct vitals_probed p;
	bool good = true;
	struct watch w;
	size_t n;

	watch_open(&w, scratch, true, VITALS_PROBE_ALL);
	n = vitals_probes_hooks(w.probes, &hooks);
	for (size_t i = 0; i < n; i++) {
		say("%s: %s%s\n", hooks[i].name, hooks[i].attached ? "attached" : "not attached: ", hooks[i].why_not);
		good = good && hooks[i].attached;
	}
	result(good, "every hook is attached here");
	watch_close(&w);
	watch_open(&w, scratch, true, VITALS_PROBE_SCHED);
	n = vitals_probes_hooks(w.probes, &hooks);
	good = true;
	for (size_t i = 0; i < n; i++)
		good = good && hooks[i].attached == hooks[i].wanted && !hooks[i].why_not[0] &&
		       hooks[i].wanted ==
			   (!strcmp(hooks[i].name, "tp_btf/sched_switch") || !strcmp(hooks[i].name, "iter/task"));
	result(good, "one probe alone");
	w.id++;
	result(vitals_probes_ops.read(w.probes, &w.id, 1, &p) == -ENOENT, "another cgroup than the one is refused");
	watch_close(&w);
}

static void case_refused(bool only)
{
	struct vitals_probes_options o = { .probes = VITALS_PROBE_ALL };
	struct vitals_probes *p;
	struct err err = { 0 };
	int status;
	pid_t pid = fork();

	if (pid < 0)
		bail("fork");
	if (pid == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		if (vitals_probes_open(&o, &p, &err) != -EPERM)
			_exit(1);
		say("%s\n", err.text);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	result(WIFEXITED(status) && WEXITSTATUS(status) == 0, "without privilege it says so");
}

static const struct {
	const char *name;
	void (*run)(bool only);
	bool both; /* with all cgroups counted, and with one */
} cases[] = {
	{ "hooks", case_hooks, false },	 { "refused", case_refused, false }, { "switches", case_switches, true },
	{ "storm", case_storm, true },	 { "scope", case_scope, true },	     { "block", case_block, true },
	{ "states", case_states, true }, { "oom", case_oom, true },	     { "generations", case_generations, false },
};

/* probes-test [CASE]: all cases, or that one. */
int main(int argc, char **argv)
{
	char name[64];

	if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK) || !system_cgroup2_mount(mount, sizeof(mount))) {
		printf("1..1\nok 1 - probes # SKIP needs root, BTF and a cgroup v2 hierarchy\n");
		return 0;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	vforked = mmap(NULL, sizeof(*vforked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vforked == MAP_FAILED)
		bail("mmap");
	(void)snprintf(name, sizeof(name), "heddle-probes-%d", (int)getpid());
	cgroup_make(scratch, sizeof(scratch), mount, name);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name))
			continue;
		cases[i].run(false);
		if (cases[i].both)
			cases[i].run(true);
	}
	cgroup_remove(scratch);
	printf("1..%u\n", tests);
	return failures ? 1 : 0;
}
