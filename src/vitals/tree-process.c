/* SPDX-License-Identifier: Apache-2.0 */
/* See tree-process.h. */
#include "vitals/tree-process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

/* /proc/PID/status has a line of processors and one of nodes, which are long on large machines. */
#define TEXT_MAX 16384
/* Below that it is not worth the time to find out who shares it. */
#define MEASURE_FROM (UINT64_C(16) << 20)
/* And above that it takes too long: a look must not be late by more than some milliseconds. */
#define MEASURE_TO (UINT64_C(256) << 20)
#define MEASURE_AGAIN_NS (5 * CLOCK_SECOND_NS)
/* Shared pages are those of files too; only when they have changed so much is it asked whose they are. */
#define SHARED_STEP 64

/*
 * Programs that start one other and wait for it, or become it. As their comm has it; what ends in a space is the
 * beginning of one (npm's name has what it does in it).
 */
static const struct launcher {
	const char *comm;
	bool adopts;
} launchers[] = {
	{ "ash", false },	{ "bash", false },	  { "bunx", false },	 { "busybox", false },
	{ "bwrap", true },	{ "catatonit", true },	  { "chroot", false },	 { "chrt", false },
	{ "dash", false },	{ "doas", false },	  { "docker-init", true }, { "dumb-init", true },
	{ "env", false },	{ "fish", false },	  { "flock", false },	 { "ionice", false },
	{ "ksh", false },	{ "nice", false },	  { "nohup", false },	 { "npm ", false },
	{ "npx", false },	{ "npx ", false },	  { "nsenter", false },	 { "numactl", false },
	{ "pipx", false },	{ "pnpm", false },	  { "poetry", false },	 { "prlimit", false },
	{ "runuser", false },	{ "s6-svscan", true },	  { "script", false },	 { "setarch", false },
	{ "setpriv", false },	{ "setsid", false },	  { "sh", false },	 { "stdbuf", false },
	{ "strace", false },	{ "su", false },	  { "sudo", false },	 { "taskset", false },
	{ "time", false },	{ "timeout", false },	  { "tini", true },	 { "unbuffer", false },
	{ "unshare", false },	{ "uv", false },	  { "uvx", false },	 { "yarn", false },
	{ "zsh", false },
};

/* The length; 0 where it can't be read. The text ends in NUL. */
static size_t read_file(const char *proc, uint32_t pid, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	size_t length = 0;

	text[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/%u/%s", proc, pid, name) >= sizeof(path))
		return 0;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	length = (size_t)MAX(n, 0);
	text[length] = '\0';
	return length;
}

int tree_process_stat(const char *proc, uint32_t pid, struct process_stat *ret)
{
	char text[1024];
	size_t length = read_file(proc, pid, "stat", text, sizeof(text));

	if (process_files_stat(text, length, ret) < 0 || ret->state == 'Z' || ret->state == 'X')
		return -ESRCH;
	return 0;
}

static void sample_memory(struct tree_process *p, const char *proc)
{
	static uint64_t page;
	char text[TEXT_MAX];
	uint64_t resident, shared, shmem;

	if (!page)
		page = (uint64_t)sysconf(_SC_PAGESIZE);
	(void)read_file(proc, p->pid, "statm", text, sizeof(text));
	if (process_files_statm(text, &resident, &shared) < 0)
		return;
	uint64_t moved = shared > p->shared_pages ? shared - p->shared_pages : p->shared_pages - shared;

	if (p->fresh || p->execed || moved >= SHARED_STEP) {
		(void)read_file(proc, p->pid, "status", text, sizeof(text));
		p->shmem = process_files_value(text, "RssShmem", &shmem) ? shmem : 0;
		p->shared_pages = shared;
	}
	p->rss = (resident - shared) * page + p->shmem;
}

void tree_process_sample(struct tree_process *p, const char *proc, bool all)
{
	char text[1024];
	uint64_t value;

	sample_memory(p, proc);
	if (!all)
		return;
	(void)read_file(proc, p->pid, "io", text, sizeof(text));
	if (process_files_value(text, "read_bytes", &value))
		p->read_bytes = MAX(p->read_bytes, value);
	if (process_files_value(text, "write_bytes", &value))
		p->write_bytes = MAX(p->write_bytes, value);
}

void tree_process_measure(struct tree_process *p, const char *proc, uint64_t now_ns)
{
	char text[4096];
	uint64_t anon = 0, shmem = 0;

	p->measured_ns = now_ns;
	(void)read_file(proc, p->pid, "smaps_rollup", text, sizeof(text));
	if (!process_files_value(text, "Pss_Anon", &anon))
		return;
	(void)process_files_value(text, "Pss_Shmem", &shmem);
	/* The two files are read at two moments. */
	p->share = MIN(anon + shmem, p->rss);
	p->share_rss = p->rss;
	p->pending = true;
}

void tree_process_commit(struct tree_process *p)
{
	p->base = p->share;
	p->base_rss = p->share_rss;
	p->pending = false;
}

void tree_process_unshare(struct tree_process *p)
{
	p->base = p->base_rss = p->rss;
	p->measured_ns = 0;
	p->pending = false;
}

uint64_t tree_process_bytes(const struct tree_process *p)
{
	if (p->rss >= p->base_rss)
		return p->base + (p->rss - p->base_rss);
	return p->base - MIN(p->base, p->base_rss - p->rss);
}

bool tree_process_is_large(const struct tree_process *p)
{
	return p->rss > MEASURE_TO;
}

uint64_t tree_process_doubt(const struct tree_process *p, uint64_t now_ns)
{
	if (!p->shares && p->sharers == 0 && p->shmem < MEASURE_FROM)
		return 0;
	if (p->rss < MEASURE_FROM || tree_process_is_large(p))
		return 0;
	if (p->measured_ns == 0)
		return p->rss;
	uint64_t moved = p->rss > p->base_rss ? p->rss - p->base_rss : p->base_rss - p->rss;

	if (moved > MAX(p->rss / 8, MEASURE_FROM / 2))
		return moved;
	return now_ns - p->measured_ns > MEASURE_AGAIN_NS ? 1 + p->rss / 16 : 0;
}

void tree_process_command(const char *proc, uint32_t pid, const char *comm, char *ret, size_t size)
{
	char text[1024];
	size_t length = read_file(proc, pid, "cmdline", text, sizeof(text));

	if (!process_files_command(text, length, ret, size))
		(void)snprintf(ret, size, "%s", comm);
}

bool tree_process_launches(const struct tree_process *p, bool *ret_adopts)
{
	for (size_t i = 0; i < ARRAY_SIZE(launchers); i++) {
		const char *comm = launchers[i].comm;
		size_t length = strlen(comm);
		bool same = comm[length - 1] == ' ' ? strncmp(p->stat.comm, comm, length) == 0 :
						       strcmp(p->stat.comm, comm) == 0;

		if (!same)
			continue;
		*ret_adopts = launchers[i].adopts;
		return true;
	}
	return false;
}
