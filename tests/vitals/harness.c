/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch cgroups, tasks in them that act when told to, and what procfs says of them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "bench/look-after.h"
#include "harness.h"
#include "sensor/system.h"

unsigned tests, failures;
char mount[128], scratch[256];

void result(bool good, const char *name)
{
	tests++;
	failures += !good;
	printf("%s %u - %s\n", good ? "ok" : "not ok", tests, name);
	(void)fflush(stdout);
}

void skip(const char *name, const char *why)
{
	printf("ok %u - %s # SKIP %s\n", ++tests, name, why);
}


_Noreturn void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

void write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		bail(path);
}

bool read_text(const char *path, char *ret, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

/* ---- cgroups ---- */

void cgroup_make(char *ret, size_t size, const char *above, const char *name)
{
	(void)snprintf(ret, size, "%s/%s", above, name);
	if (mkdir(ret, 0755) && errno != EEXIST)
		bail(ret);
}

uint64_t cgroup_id(const char *path, unsigned *ret_level)
{
	unsigned level;
	uint64_t id;

	if (system_cgroup_id(path, &id, ret_level ? ret_level : &level))
		bail(path);
	return id;
}

void cgroup_enter(const char *path)
{
	char procs[320];

	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	write_text(procs, "0");
}

/* Its last task has been reaped, so at most the kernel is a moment behind. */
void cgroup_remove(const char *path)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	for (unsigned i = 0; rmdir(path) && errno == EBUSY && i < 2000; i++)
		(void)nanosleep(&moment, NULL);
}

/* ---- actors ---- */


void actor_start(struct actor *a, const char *cgroup, act_fn *act, void *argument)
{
	int go[2], done[2];
	char c;

	if (pipe2(go, O_CLOEXEC) || pipe2(done, O_CLOEXEC))
		bail("pipe");
	a->pid = fork();
	if (a->pid < 0)
		bail("fork");
	if (a->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(go[1]);
		(void)close(done[0]);
		cgroup_enter(cgroup);
		(void)!write(done[1], "r", 1);
		while (read(go[0], &c, 1) == 1 && c == 'g') {
			act(argument);
			(void)!write(done[1], "d", 1);
		}
		_exit(0);
	}
	(void)close(go[0]);
	(void)close(done[1]);
	a->go = go[1];
	a->done = done[0];
	if (read(a->done, &c, 1) != 1)
		bail("an actor did not start");
}

void actor_go(struct actor *a)
{
	if (write(a->go, "g", 1) != 1)
		bail("write");
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		return '?';
	p = strrchr(text, ')');
	return p ? p[2] : '?';
}

bool wait_state(pid_t pid, char state)
{
	const struct timespec moment = { .tv_nsec = 200000 };

	for (unsigned i = 0; i < 50000; i++) {
		if (state_of(pid) == state)
			return true;
		(void)nanosleep(&moment, NULL);
	}
	return false;
}

/*
 * It has switched away for good. Its state says so too early: it is written before the switch, and who is preempted in
 * between still waits for a CPU. The kernel shows a task's call only once it is in no run queue.
 */
void actor_still(struct actor *a)
{
	const struct timespec moment = { .tv_nsec = 200000 };
	char path[64], text[256] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)a->pid);
	for (unsigned i = 0; i < 50000; i++) {
		if (wait_state(a->pid, 'S') && read_text(path, text, sizeof(text)) && text[0] >= '0' && text[0] <= '9')
			return;
		(void)nanosleep(&moment, NULL);
	}
	bail("an actor does not come to rest");
}

void actor_done(struct actor *a)
{
	char c;

	if (read(a->done, &c, 1) != 1)
		bail("an actor died");
	actor_still(a);
}

void actor_end(struct actor *a)
{
	if (write(a->go, "e", 1) != 1)
		bail("write");
	(void)close(a->go);
	(void)close(a->done);
	(void)waitpid(a->pid, NULL, 0);
}

/* ---- what procfs says ---- */


static uint64_t number_after(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static void truth_add(struct truth *t, pid_t pid)
{
	char path[64], text[4096];
	unsigned long long ran, waited, times;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		bail(path);
	t->voluntary += number_after(text, "\nvoluntary_ctxt_switches:");
	t->forced += number_after(text, "\nnonvoluntary_ctxt_switches:");
	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	if (!read_text(path, text, sizeof(text)) || sscanf(text, "%llu %llu %llu", &ran, &waited, &times) != 3)
		bail(path);
	t->wait_ns += waited;
	t->waits += times;
	(void)snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	if (read_text(path, text, sizeof(text))) {
		t->read_bytes += number_after(text, "\nread_bytes:");
		t->write_bytes += number_after(text, "\nwrite_bytes:");
	}
}

struct truth truth_of(const struct actor *a, size_t n)
{
	struct truth t = { 0 };

	for (size_t i = 0; i < n; i++)
		truth_add(&t, a[i].pid);
	return t;
}

uint64_t waits(const struct vitals_histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < VITALS_BUCKETS; i++)
		n += h->count[i];
	return n;
}

/* ---- probes ---- */


void watch_open(struct watch *w, const char *cgroup, bool only, unsigned probes)
{
	struct vitals_probes_options o = { .probes = probes, .sweep_ns = 1 };
	struct err err = { 0 };
	unsigned level;

	*w = (struct watch){ .id = cgroup_id(cgroup, &level) };
	if (only) {
		o.only = w->id;
		o.only_level = level;
	}
	if (vitals_probes_open(&o, &w->probes, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
}

struct vitals_probed watch_read(struct watch *w)
{
	struct vitals_probed r;

	if (vitals_probes_ops.read(w->probes, &w->id, 1, &r))
		bail("read");
	return r;
}

void watch_close(struct watch *w)
{
	vitals_probes_ops.free(w->probes);
}

/* Acts once with n actors and says what was counted of it meanwhile, and what procfs counted. */
void act_once(struct watch *w, struct actor *a, size_t n, struct vitals_probed *ret, struct truth *ret_truth)
{
	struct vitals_probed before;
	struct truth was, is;

	for (size_t i = 0; i < n; i++)
		actor_still(&a[i]);
	before = watch_read(w);
	was = truth_of(a, n);
	for (size_t i = 0; i < n; i++)
		actor_go(&a[i]);
	for (size_t i = 0; i < n; i++) {
		if (w->ticks)
			look_after(w->probes, w->id, CLOCK_SECOND_NS / 4, a[i].done);
		actor_done(&a[i]);
	}
	*ret = watch_read(w);
	is = truth_of(a, n);
	ret->voluntary -= before.voluntary;
	ret->forced -= before.forced;
	ret->reads -= before.reads;
	ret->writes -= before.writes;
	ret->read_bytes -= before.read_bytes;
	ret->write_bytes -= before.write_bytes;
	ret->run_queue.total_ns -= before.run_queue.total_ns;
	ret->block_latency.total_ns -= before.block_latency.total_ns;
	for (size_t i = 0; i < VITALS_BUCKETS; i++) {
		ret->run_queue.count[i] -= before.run_queue.count[i];
		ret->block_latency.count[i] -= before.block_latency.count[i];
	}
	*ret_truth = (struct truth){
		.voluntary = is.voluntary - was.voluntary,
		.forced = is.forced - was.forced,
		.wait_ns = is.wait_ns - was.wait_ns,
		.waits = is.waits - was.waits,
		.read_bytes = is.read_bytes - was.read_bytes,
		.write_bytes = is.write_bytes - was.write_bytes,
	};
}
