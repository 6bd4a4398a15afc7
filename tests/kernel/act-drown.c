/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floods from every core, and beside each a quiet process whose every act must be told. Each case is a session of its
 * own, so that its ledger is the flood's. flood-check.c judges.
 */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIET 50 /* rounds of the quiet process; flood-check.c looks for each */
#define QUIET_EMULATED 10
#define CORES_MAX 64
#define FILES 128
#define LITTER 16 /* children that a fork storm has at once on a core */

struct flood {
	unsigned rounds; /* in all */
	unsigned cores;
	unsigned quiet; /* rounds of the quiet process */
	_Atomic unsigned done;
	_Atomic unsigned wrong; /* calls that did not do what the flood is about */
};

typedef void (*round_fn)(unsigned core, unsigned i, struct flood *f);

static void wrong_if(bool wrong, struct flood *f)
{
	if (wrong)
		(void)atomic_fetch_add(&f->wrong, 1);
}

static void round_open(unsigned core, unsigned i, struct flood *f)
{
	char name[48];

	(void)snprintf(name, sizeof(name), "missing-%u-%u", core, i % 512);
	wrong_if(open(name, O_RDONLY | O_CLOEXEC) >= 0, f);
}

static void round_rw(unsigned core, unsigned i, struct flood *f)
{
	char name[48], byte = 'x';
	int fd;

	(void)snprintf(name, sizeof(name), "file-%u-%u", core, i % FILES);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	wrong_if(pwrite(fd, &byte, 1, 0) != 1 || pread(fd, &byte, 1, 0) != 1, f);
	(void)close(fd);
}

static void round_metadata(unsigned core, unsigned i, struct flood *f)
{
	char one[48], other[48];

	(void)snprintf(one, sizeof(one), "one-%u", core);
	(void)snprintf(other, sizeof(other), "other-%u", core);
	if (i == 0)
		(void)close(open(one, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	wrong_if(rename(i & 1 ? other : one, i & 1 ? one : other) < 0, f);
	wrong_if(chmod(i & 1 ? one : other, i & 2 ? 0600 : 0644) < 0, f);
}

/* A storm that bounds itself: the next child comes when one of the last sixteen has gone. */
static void round_fork(unsigned core, unsigned i, struct flood *f)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	wrong_if(pid < 0, f);
	if (i >= LITTER)
		wrong_if(waitpid(-1, NULL, 0) < 0, f);
}

static void round_socket(unsigned core, unsigned i, struct flood *f)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	wrong_if(fd < 0, f);
	(void)close(fd);
}

static void round_connect(unsigned core, unsigned i, struct flood *f)
{
	const struct sockaddr_in nobody_there = { .sin_family = AF_INET,
						  .sin_port = htons(1),
						  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	wrong_if(
	    connect(fd, (const struct sockaddr *)&nobody_there, sizeof(nobody_there)) == 0 || errno != ECONNREFUSED, f);
	(void)close(fd);
}

static void become_nobody(unsigned i)
{
	if (i == 0 && syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0)
		_exit(1);
}

static void round_setuid(unsigned core, unsigned i, struct flood *f)
{
	become_nobody(i);
	wrong_if(syscall(SYS_setuid, 0) == 0 || errno != EPERM, f);
}

static void round_unshare(unsigned core, unsigned i, struct flood *f)
{
	become_nobody(i);
	wrong_if(syscall(SYS_unshare, 0x40000000 /* CLONE_NEWNET */) == 0 || errno != EPERM, f);
}

static void round_mprotect(unsigned core, unsigned i, struct flood *f)
{
	static char *page;

	if (!page)
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[0] = (char)i;
	wrong_if(mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0, f);
	wrong_if(mprotect(page, 4096, PROT_READ | PROT_WRITE) < 0, f);
}

/* Evenly over the cores; each says how far it is. */
static pid_t flooder(round_fn round, unsigned core, struct flood *f)
{
	unsigned n = f->rounds / f->cores + (core < f->rounds % f->cores);
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "flooder");
	for (unsigned i = 0; i < n; i++) {
		round(core, i, f);
		(void)atomic_fetch_add(&f->done, 1);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	_exit(0);
}

/* Named after the round, by which the judge finds what it does. */
static void quiet_name(unsigned i)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "quiet-%u", i);
	(void)prctl(PR_SET_NAME, name);
}

static int quiet_exec(void *context)
{
	char name[16];
	char *argv[] = { name, "--helper", "exit", "0", NULL };

	(void)snprintf(name, sizeof(name), "quiet-%u", *(unsigned *)context);
	(void)execv(act_self, argv);
	return 1;
}

static int quiet_attempts(void *context)
{
	become_nobody(0);
	quiet_name(*(unsigned *)context);
	if (syscall(SYS_setuid, 0) == 0 || ptrace(PTRACE_ATTACH, 1, 0, 0) == 0)
		return 1;
	return 0;
}

static void quiet_connect(void)
{
	const struct sockaddr_in there = { .sin_family = AF_INET,
					   .sin_port = htons(2000),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)must(connect(fd, (const struct sockaddr *)&there, sizeof(there)) == 0, "connect");
	(void)close(fd);
}

/* Spread over the whole length of the flood, however fast it is. */
static void quiet(struct flood *f)
{
	for (unsigned k = 0; k < f->quiet; k++) {
		while ((uint64_t)atomic_load(&f->done) * f->quiet < (uint64_t)k * f->rounds)
			(void)usleep(200);
		quiet_name(k);
		quiet_connect();
		(void)in_child(quiet_exec, &k);
		(void)must(act_status == 0, "exec by the quiet process");
		(void)in_child(quiet_attempts, &k);
		(void)must(act_status == 0, "attempts of the quiet process");
	}
}

static int64_t monotonic_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* `in_short` and `in_long` are rounds; gives how many were made. */
static long long drown(round_fn round, unsigned in_short, unsigned in_long)
{
	struct flood *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t pid[CORES_MAX];
	int64_t from;

	/* The judge has a limit of its own. */
	(void)alarm(0);
	f->rounds = act_tries(in_short, in_long) / (act_emulated() ? 20 : 1);
	f->quiet = act_emulated() ? QUIET_EMULATED : QUIET;
	f->cores = cores < 1 ? 1 : cores > CORES_MAX ? CORES_MAX : (unsigned)cores;
	/* nobody goes on here */
	(void)must(chmod(".", 0777) == 0, "chmod");
	from = monotonic_ns();
	for (unsigned c = 0; c < f->cores; c++)
		pid[c] = flooder(round, c, f);
	quiet(f);
	for (unsigned c = 0; c < f->cores; c++)
		(void)must(wait_for(pid[c]) == 0, "a flooder ran to its end");
	note("took\t%lld", (long long)(monotonic_ns() - from));
	(void)must(f->wrong == 0 && f->done == f->rounds, "each call of the flood did what it should");
	note("quiet\t%u", f->quiet);
	return f->rounds;
}

static void made(const char *type, long long n)
{
	note("made\t%s\t%lld", type, n);
}

static void case_open(void)
{
	made("file_open", drown(round_open, 100000, 1000000));
}

static void case_rw(void)
{
	long long n = drown(round_rw, 30000, 300000);

	made("file_open", n);
	made("file_read", n);
	made("file_write", n);
}

static void case_metadata(void)
{
	made("file_metadata", 2 * drown(round_metadata, 50000, 500000));
}

static void case_fork(void)
{
	long long n = drown(round_fork, 5000, 100000);

	made("process_fork", n);
	made("process_exit", n);
}

static void case_socket(void)
{
	made("network_socket", drown(round_socket, 100000, 500000));
}

static void case_connect(void)
{
	long long n = drown(round_connect, 20000, 200000);

	made("network_connect", n);
	made("network_socket", n);
}

static void case_setuid(void)
{
	made("privilege_change", drown(round_setuid, 100000, 500000));
}

static void case_unshare(void)
{
	made("sandbox_escape", drown(round_unshare, 100000, 500000));
}

static void case_mprotect(void)
{
	made("memory_exec", drown(round_mprotect, 50000, 300000));
}

static const struct act_case cases[] = {
	{ "open", case_open },	       { "rw", case_rw },
	{ "metadata", case_metadata }, { "fork", case_fork },
	{ "socket", case_socket },     { "connect", case_connect },
	{ "setuid", case_setuid },     { "unshare", case_unshare },
	{ "mprotect", case_mprotect }, { 0 },
};

const struct act_family family_drown = {
	.name = "drown",
	.proves = "no flood costs a critical event, and every ledger balances",
	.cases = cases,
	.stress = true,
	.apart = true,
	.check = judge_flood,
};

/* A lane that is full before anybody has been woken: what makes events has to wait by itself. */
static const struct act_case narrow_cases[] = {
	{ "fork", case_fork },	       { "connect", case_connect },   { "setuid", case_setuid },
	{ "unshare", case_unshare }, { "mprotect", case_mprotect }, { 0 },
};
static const char *const narrow_options[] = { "--critical-bytes", "131072", NULL };

const struct act_family family_drown_narrow = {
	.name = "drown_narrow",
	.proves = "nor does it where the lane is a sixteenth of its size",
	.cases = narrow_cases,
	.heddle_options = narrow_options,
	.stress = true,
	.apart = true,
	.check = judge_flood,
};
