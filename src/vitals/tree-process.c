/* SPDX-License-Identifier: Apache-2.0 */
/* See tree-process.h. */
#include "vitals/tree-process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/proc.h"

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
	enum tree_launcher kind;
} launchers[] = {
	{ "ash", TREE_SHELL },	      { "bash", TREE_SHELL },	      { "bunx", TREE_RUNNER },
	{ "busybox", TREE_SHELL },    { "bwrap", TREE_ADOPTS },	      { "catatonit", TREE_ADOPTS },
	{ "chroot", TREE_LAUNCHER },  { "chrt", TREE_LAUNCHER },      { "dash", TREE_SHELL },
	{ "doas", TREE_LAUNCHER },    { "docker-init", TREE_ADOPTS }, { "dumb-init", TREE_ADOPTS },
	{ "env", TREE_LAUNCHER },     { "fish", TREE_SHELL },	      { "flock", TREE_LAUNCHER },
	{ "ionice", TREE_LAUNCHER },  { "ksh", TREE_SHELL },	      { "nice", TREE_LAUNCHER },
	{ "nohup", TREE_LAUNCHER },   { "npm ", TREE_RUNNER },	      { "npx", TREE_RUNNER },
	{ "npx ", TREE_RUNNER },      { "nsenter", TREE_LAUNCHER },   { "numactl", TREE_LAUNCHER },
	{ "pipx", TREE_LAUNCHER },    { "pnpm", TREE_RUNNER },	      { "poetry", TREE_LAUNCHER },
	{ "prlimit", TREE_LAUNCHER }, { "runuser", TREE_LAUNCHER },   { "s6-svscan", TREE_ADOPTS },
	{ "script", TREE_LAUNCHER },  { "setarch", TREE_LAUNCHER },   { "setpriv", TREE_LAUNCHER },
	{ "setsid", TREE_LAUNCHER },  { "sh", TREE_SHELL },	      { "stdbuf", TREE_LAUNCHER },
	{ "strace", TREE_LAUNCHER },  { "su", TREE_LAUNCHER },	      { "sudo", TREE_LAUNCHER },
	{ "taskset", TREE_LAUNCHER }, { "time", TREE_LAUNCHER },      { "timeout", TREE_LAUNCHER },
	{ "tini", TREE_ADOPTS },      { "unbuffer", TREE_LAUNCHER },  { "unshare", TREE_LAUNCHER },
	{ "uv", TREE_LAUNCHER },      { "uvx", TREE_LAUNCHER },	      { "yarn", TREE_RUNNER },
	{ "zsh", TREE_SHELL },
};

int tree_process_stat(const char *proc, uint32_t pid, struct process_stat *ret)
{
	char text[1024];
	size_t length = proc_read(proc, pid, "stat", text, sizeof(text));

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
	(void)proc_read(proc, p->pid, "statm", text, sizeof(text));
	if (process_files_statm(text, &resident, &shared) < 0)
		return;
	uint64_t moved = shared > p->shared_pages ? shared - p->shared_pages : p->shared_pages - shared;

	if (p->fresh || p->execed || moved >= SHARED_STEP) {
		(void)proc_read(proc, p->pid, "status", text, sizeof(text));
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
	(void)proc_read(proc, p->pid, "io", text, sizeof(text));
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
	(void)proc_read(proc, p->pid, "smaps_rollup", text, sizeof(text));
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
	size_t length = proc_read(proc, pid, "cmdline", text, sizeof(text));

	if (!process_files_command(text, length, ret, size))
		(void)snprintf(ret, size, "%s", comm);
}

enum tree_launcher tree_process_launches(const struct tree_process *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(launchers); i++) {
		const char *comm = launchers[i].comm;
		size_t length = strlen(comm);
		bool same = comm[length - 1] == ' ' ? strncmp(p->stat.comm, comm, length) == 0
						    : strcmp(p->stat.comm, comm) == 0;

		if (same)
			return launchers[i].kind;
	}
	return TREE_NO_LAUNCHER;
}

/* As their programs, or the scripts that node, bun, deno or Python runs for them, are called. docs/vitals.md has the
 * list. */
static const char *const agents[] = { "aider",	  "amp",	  "claude", "cline",	"codex", "copilot",
				      "crush",	  "cursor-agent", "devin",  "gemini",	"goose", "openhands",
				      "opencode", "plandex",	  "qwen",   "swe-agent" };

/* The last part of a path without an extension: "/usr/bin/claude", "dist/qwen.js". */
static bool is_agent_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t length = strcspn(name, ".");

	for (size_t i = 0; i < ARRAY_SIZE(agents); i++)
		if (strlen(agents[i]) == length && strncmp(name, agents[i], length) == 0)
			return true;
	return false;
}

static bool interprets(const char *comm)
{
	static const char *const names[] = { "node", "bun", "deno", "python", "MainThread", "uv" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(comm, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

bool tree_process_is_agent(const char *proc, uint32_t pid, const char *comm)
{
	char text[1024];
	size_t length;

	if (is_agent_name(comm))
		return true;
	if (!interprets(comm))
		return false;
	length = proc_read(proc, pid, "cmdline", text, sizeof(text));
	/* The script comes after the interpreter and its options. */
	for (size_t at = strlen(text) + 1; at < length; at += strlen(text + at) + 1)
		if (text[at] != '-')
			return is_agent_name(text + at);
	return false;
}
