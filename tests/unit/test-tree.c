/* SPDX-License-Identifier: Apache-2.0 */
/* Phases over a made-up procfs: who is the agent, who belongs to whom, and what each holds. */
#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "fake-tree.h"
#include "vitals/tree.h"

#define MIB (UINT64_C(1) << 20)
#define MS UINT64_C(1000000)
#define PAGES(mib) ((mib) * 256UL)

/* One process as procfs shows it; what it holds in MiB. */
struct fact {
	unsigned pid, parent;
	const char *comm, *command;
	unsigned long anon, shmem, file;
	unsigned long read, write;
	unsigned group, session;
	unsigned long start; /* ticks; 0: as its pid */
	unsigned long stack; /* 0: as its pid, so an image of its own */
	unsigned long pss;   /* of anonymous memory, KiB; 0: as anon */
};

static struct vitals_tree *tree;
static char pids[65536];
static uint64_t now = 1000 * MS;

static void file_of(const struct fact *f, const char *name, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%u/%s", f->pid, name);
	fake_file(path, text);
}

static void add(const char *text)
{
	size_t length = strlen(pids);

	assert_true((size_t)snprintf(pids + length, sizeof(pids) - length, "%s", text) < sizeof(pids) - length);
}

static void put(struct fact f)
{
	char text[1024], path[64];
	unsigned long start = f.start ? f.start : f.pid, stack = f.stack ? f.stack : f.pid * 4096UL;

	(void)snprintf(text, sizeof(text),
		       "%u (%s) S %u %u %u 0 -1 4194304 1 0 0 0 5 5 0 0 20 0 1 0 %lu 1000 100 18446744073709551615 1 2 "
		       "%lu 0\n",
		       f.pid, f.comm, f.parent, f.group, f.session, start, stack);
	file_of(&f, "stat", text);
	(void)snprintf(text, sizeof(text), "%lu %lu %lu 0 0 0 0\n", PAGES(1000), PAGES(f.anon + f.shmem + f.file),
		       PAGES(f.shmem + f.file));
	file_of(&f, "statm", text);
	(void)snprintf(text, sizeof(text), "Name:\tx\nRssAnon:\t%lu kB\nRssFile:\t%lu kB\nRssShmem:\t%lu kB\n",
		       f.anon * 1024, f.file * 1024, f.shmem * 1024);
	file_of(&f, "status", text);
	(void)snprintf(text, sizeof(text), "rchar: 9\nwchar: 9\nread_bytes: %lu\nwrite_bytes: %lu\n", f.read, f.write);
	file_of(&f, "io", text);
	(void)snprintf(text, sizeof(text), "Rss: 1 kB\nPss: 1 kB\nPss_Anon: %lu kB\nPss_Shmem: %lu kB\n",
		       f.pss ? f.pss : f.anon * 1024, f.shmem * 1024);
	file_of(&f, "smaps_rollup", text);
	(void)snprintf(path, sizeof(path), "proc/%u/cmdline", f.pid);
	const char *command = f.command ? f.command : f.comm;
	fake_bytes(path, command, strlen(command) + 1);
	(void)snprintf(text, sizeof(text), "%u\n", f.pid);
	if (!strstr(pids, text))
		add(text);
}

static void gone(unsigned pid)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "proc/%u", pid);
	fake_remove(text);
	(void)snprintf(text, sizeof(text), "%u\n", pid);
	char *at = strstr(pids, text);
	if (at)
		memmove(at, at + strlen(text), strlen(at + strlen(text)) + 1);
}

static void begin(unsigned root, const char *agent, bool cgroup)
{
	struct err err = { 0 };
	struct vitals_tree_options options = { .proc = fake_path("proc"), .root = root, .agent = agent };

	fake_file("cg/cgroup.procs", pids);
	if (cgroup)
		options.cgroup = fake_path("cg");
	assert_int_equal(vitals_tree_new(&options, &tree, &err), 0);
}

static void look_at(uint64_t after_ms)
{
	now += after_ms * MS;
	fake_file("cg/cgroup.procs", pids);
	assert_int_equal(vitals_tree_look(tree, now), 0);
}

static void look(void)
{
	look_at(100);
}

static size_t count(void)
{
	struct vitals_phase all[256];

	return vitals_tree_phases(tree, all, ARRAY_SIZE(all));
}

static struct vitals_phase phase(unsigned pid)
{
	struct vitals_phase all[256];
	size_t n = vitals_tree_phases(tree, all, ARRAY_SIZE(all));

	for (size_t i = 0; i < n; i++)
		if (all[i].pid == pid)
			return all[i];
	fail_msg("no phase %u", pid);
	return all[0];
}

static unsigned agent(void)
{
	return vitals_tree_agent(tree)->pid;
}

static int setup(void **state)
{
	pids[0] = '\0';
	return fake_setup(state);
}

static int teardown(void **state)
{
	vitals_tree_free(tree);
	tree = NULL;
	return fake_teardown(state);
}

static void children_are_phases(void **state)
{
	struct vitals_phase two[2];

	put((struct fact){ 10, 1, "claude", .anon = 100, .file = 50 });
	put((struct fact){ 11, 10, "bash", "bash\0", .anon = 2 });
	put((struct fact){ 12, 11, "pytest", .anon = 300, .shmem = 20 });
	put((struct fact){ 13, 10, "git", "git status", .anon = 5 });
	begin(10, NULL, true);
	look();
	assert_int_equal(agent(), 10);
	assert_int_equal(vitals_tree_agent(tree)->bytes, 100 * MIB);
	assert_int_equal(vitals_tree_agent(tree)->processes, 1);
	assert_int_equal(count(), 2);
	assert_int_equal(phase(11).bytes, 322 * MIB);
	assert_int_equal(phase(11).processes, 2);
	assert_int_equal(phase(13).bytes, 5 * MIB);
	assert_string_equal(phase(13).command, "git status");
	assert_int_equal(phase(13).start_ns, 13 * 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
	/* The fattest first, as many as there is room for. */
	assert_int_equal(vitals_tree_phases(tree, two, 1), 1);
	assert_int_equal(two[0].pid, 11);
	uint32_t members[4];
	assert_int_equal(vitals_tree_members(tree, 11, members, 4), 2);
	assert_int_equal(members[0], 11);
	assert_int_equal(members[1], 12);
	assert_int_equal(vitals_tree_members(tree, 11, members, 1), 1);
	assert_int_equal(vitals_tree_members(tree, 99, members, 4), 0);
}

static void launchers_are_passed(void **state)
{
	put((struct fact){ 10, 1, "timeout" });
	put((struct fact){ 11, 10, "npm exec x" });
	put((struct fact){ 12, 11, "sh" });
	put((struct fact){ 13, 12, "node", .anon = 50 });
	put((struct fact){ 14, 13, "bash" });
	put((struct fact){ 15, 14, "make", .anon = 7 });
	begin(0, NULL, true);
	look();
	assert_int_equal(agent(), 13);
	assert_int_equal(count(), 1);
	assert_int_equal(phase(14).bytes, 7 * MIB);
	/* The launchers' memory is the agent's side. */
	assert_int_equal(vitals_tree_agent(tree)->processes, 4);
}

/* A shell that runs one command after the other is no launcher: its commands are the phases. */
static void script_is_the_agent(void **state)
{
	struct vitals_phase ended[4];

	put((struct fact){ 10, 1, "bash" });
	begin(10, NULL, true);
	look();
	assert_int_equal(agent(), 10);
	put((struct fact){ 11, 10, "make", .anon = 5 });
	put((struct fact){ 12, 11, "cc1", .anon = 50 });
	look();
	/* It is the first of its commands, and the one that may have to be ended. */
	assert_int_equal(agent(), 10);
	assert_int_equal(phase(11).bytes, 55 * MIB);
	gone(11);
	gone(12);
	put((struct fact){ 13, 10, "pytest", .anon = 60 });
	look();
	assert_int_equal(agent(), 10);
	assert_int_equal(count(), 1);
	assert_int_equal(phase(13).bytes, 60 * MIB);
	assert_int_equal(vitals_tree_ended(tree, ended, 4), 1);
	assert_int_equal(ended[0].pid, 11);
	assert_int_equal(ended[0].peak_bytes, 55 * MIB);
	assert_int_equal(ended[0].bytes, 0);
	assert_int_equal(vitals_tree_ended(tree, ended, 4), 0);
}

/* The first command still runs when the second starts: then both are phases, with all that is below them. */
static void first_command_becomes_a_phase(void **state)
{
	put((struct fact){ 10, 1, "env" });
	put((struct fact){ 11, 10, "server", .anon = 5 });
	put((struct fact){ 12, 11, "worker", .anon = 20 });
	begin(10, NULL, true);
	look();
	assert_int_equal(agent(), 11);
	put((struct fact){ 13, 10, "pytest", .anon = 60 });
	look();
	assert_int_equal(agent(), 10);
	assert_int_equal(count(), 2);
	assert_int_equal(phase(11).bytes, 25 * MIB);
	assert_int_equal(phase(13).bytes, 60 * MIB);
	/* What it starts later too. */
	put((struct fact){ 14, 11, "worker", .anon = 1 });
	look();
	assert_int_equal(phase(11).bytes, 26 * MIB);
}

static void known_agents(void **state)
{
	put((struct fact){ 10, 1, "bash" });
	static const char report[] = "/usr/bin/python3\0-u\0/opt/tools/report.py";
	static const char qwen[] = "/usr/bin/node\0--no-warnings\0/opt/bin/qwen\0-p";

	put((struct fact){ 11, 10, "python3", .anon = 9 });
	fake_bytes("proc/11/cmdline", report, sizeof(report));
	put((struct fact){ 12, 10, "node" });
	fake_bytes("proc/12/cmdline", qwen, sizeof(qwen));
	put((struct fact){ 13, 12, "sh" });
	put((struct fact){ 14, 13, "claude" });
	begin(10, NULL, true);
	look();
	/* The oldest of them, also when it is not the only child; the one that it started is its child. */
	assert_int_equal(agent(), 12);
	assert_int_equal(phase(13).processes, 2);
	gone(12);
	put((struct fact){ 13, 1, "sh" });
	look();
	assert_int_equal(agent(), 14);
}

static void agent_by_name(void **state)
{
	put((struct fact){ 10, 1, "supervisor" });
	put((struct fact){ 11, 10, "helper" });
	put((struct fact){ 12, 10, "codex" });
	put((struct fact){ 13, 12, "rg" });
	begin(10, "codex", true);
	look();
	assert_int_equal(agent(), 12);
	assert_int_equal(count(), 2);
	assert_int_equal(phase(13).processes, 1);
	assert_int_equal(phase(11).processes, 1);
}

/* init in a container adopts orphans: that does not make them the agent's peers. */
static void adopting_launcher(void **state)
{
	put((struct fact){ 10, 1, "tini" });
	put((struct fact){ 11, 10, "node", .anon = 10 });
	put((struct fact){ 12, 11, "bash", .group = 12, .session = 12 });
	put((struct fact){ 13, 12, "daemon", .anon = 3, .group = 12, .session = 12 });
	begin(10, NULL, true);
	look();
	assert_int_equal(agent(), 11);
	/* Its parent ends. */
	put((struct fact){ 13, 10, "daemon", .anon = 3, .group = 12, .session = 12 });
	gone(12);
	look();
	assert_int_equal(agent(), 11);
	assert_int_equal(phase(12).processes, 1);
	/* One that was never seen with its parent: its session tells. */
	put((struct fact){ 14, 10, "daemon2", .anon = 4, .group = 14, .session = 12 });
	look();
	assert_int_equal(agent(), 11);
	assert_int_equal(phase(12).bytes, 7 * MIB);
}

static void double_fork(void **state)
{
	put((struct fact){ 10, 1, "agent", .session = 5, .group = 10 });
	put((struct fact){ 11, 10, "sh", .session = 5, .group = 10 });
	put((struct fact){ 12, 11, "mid", .session = 5, .group = 10 });
	put((struct fact){ 13, 12, "daemon", .anon = 9, .session = 5, .group = 10 });
	begin(10, NULL, true);
	look();
	put((struct fact){ 13, 1, "daemon", .anon = 9, .session = 13, .group = 13 });
	gone(12);
	gone(11);
	look();
	assert_int_equal(count(), 1);
	assert_int_equal(phase(11).bytes, 9 * MIB);
	assert_int_equal(phase(11).processes, 1);
	/* Its children too; but an orphan of whom nothing is known is a phase of its own. */
	put((struct fact){ 14, 13, "child", .anon = 1, .session = 13, .group = 13 });
	put((struct fact){ 20, 1, "stranger", .anon = 2, .session = 20, .group = 20 });
	look();
	assert_int_equal(phase(11).bytes, 10 * MIB);
	assert_int_equal(phase(20).bytes, 2 * MIB);
}

static void exec_keeps_the_phase(void **state)
{
	char command[VITALS_COMMAND_MAX + 100];

	put((struct fact){ 10, 1, "agent", .anon = 15 });
	put((struct fact){ 11, 10, "agent", "agent\n\x1b[31m", .anon = 15, .stack = 10 * 4096UL });
	begin(10, NULL, true);
	look();
	/* Forked and nothing else: its pages are the agent's. */
	assert_int_equal(phase(11).bytes, 0);
	assert_string_equal(phase(11).command, "agent\n\x1b[31m");
	memset(command, 'x', sizeof(command));
	command[sizeof(command) - 1] = '\0';
	put((struct fact){ 11, 10, "pytest", command, .anon = 30 });
	look();
	assert_int_equal(phase(11).bytes, 30 * MIB);
	assert_int_equal(strlen(phase(11).command), VITALS_COMMAND_MAX - 1);
	assert_int_equal(count(), 1);
	assert_int_equal(phase(11).peak_bytes, 30 * MIB);
}

/* Workers that are forked from one image share its pages: each is measured in its turn, and the sum is the truth. */
static void forks_are_not_counted_twice(void **state)
{
	put((struct fact){ 10, 1, "agent" });
	put((struct fact){ 11, 10, "python", .anon = 200, .pss = 100 * 1024 });
	put((struct fact){ 12, 11, "python", .anon = 200, .stack = 11 * 4096UL, .pss = 125 * 1024 });
	begin(10, NULL, true);
	look_at(1000);
	assert_true(phase(11).bytes == 200 * MIB || phase(11).bytes == 225 * MIB);
	look_at(1000);
	assert_int_equal(phase(11).bytes, 225 * MIB);
	/* What grows later is its own, without another measure. */
	put((struct fact){ 12, 11, "python", .anon = 205, .stack = 11 * 4096UL, .pss = 130 * 1024 });
	look();
	assert_int_equal(phase(11).bytes, 230 * MIB);
	/* A third one: the shares of all are others then. */
	put((struct fact){ 11, 10, "python", .anon = 200, .pss = 75 * 1024 });
	put((struct fact){ 12, 11, "python", .anon = 205, .stack = 11 * 4096UL, .pss = 105 * 1024 });
	put((struct fact){ 13, 11, "python", .anon = 200, .stack = 11 * 4096UL, .pss = 70 * 1024 });
	look_at(5000);
	look_at(5000);
	assert_int_equal(phase(11).bytes, 250 * MIB);
	gone(13);
	put((struct fact){ 11, 10, "python", .anon = 200, .pss = 100 * 1024 });
	put((struct fact){ 12, 11, "python", .anon = 205, .stack = 11 * 4096UL, .pss = 130 * 1024 });
	look_at(5000);
	look_at(5000);
	assert_int_equal(phase(11).bytes, 230 * MIB);
	/* Too large to be measured: the last shares serve, and what each grows by. */
	put((struct fact){ 11, 10, "python", .anon = 300, .pss = 150 * 1024 });
	put((struct fact){ 12, 11, "python", .anon = 215, .stack = 11 * 4096UL, .pss = 130 * 1024 });
	look_at(5000);
	assert_int_equal(phase(11).bytes, 340 * MIB);
	put((struct fact){ 11, 10, "python", .anon = 200, .pss = 100 * 1024 });
	/* Once alone, all is the parent's again. */
	gone(12);
	look();
	assert_int_equal(phase(11).bytes, 200 * MIB);
}

static void shared_memory_once(void **state)
{
	put((struct fact){ 10, 1, "agent" });
	put((struct fact){ 11, 10, "a", .shmem = 100 });
	begin(10, NULL, true);
	look_at(1000);
	assert_int_equal(phase(11).bytes, 100 * MIB);
	/* File pages are not. */
	put((struct fact){ 11, 10, "a", .shmem = 100, .file = 300 });
	look_at(1000);
	assert_int_equal(phase(11).bytes, 100 * MIB);
}

static void peak_and_slope(void **state)
{
	put((struct fact){ 10, 1, "agent" });
	put((struct fact){ 11, 10, "hog", .anon = 100 });
	begin(10, NULL, true);
	look();
	assert_int_equal(phase(11).slope, 0);
	for (unsigned long i = 1; i <= 10; i++) {
		put((struct fact){ 11, 10, "hog", .anon = 100 + 10 * i });
		look();
	}
	/* 10 MiB each 100 ms. */
	assert_int_equal(phase(11).slope / (int64_t)MIB, 100);
	put((struct fact){ 11, 10, "hog", .anon = 20 });
	look();
	assert_true(phase(11).slope < 0);
	assert_int_equal(phase(11).peak_bytes, 200 * MIB);
	assert_int_equal(phase(11).bytes, 20 * MIB);
}

/* The kernel adds a child's storage bytes to whoever waits for it. */
static void storage_is_counted_once(void **state)
{
	struct vitals_phase ended[2];

	put((struct fact){ 10, 1, "agent", .read = 5 });
	put((struct fact){ 11, 10, "sh", .read = 10 });
	put((struct fact){ 12, 11, "cc", .read = 100, .write = 7 });
	begin(10, NULL, true);
	look();
	assert_int_equal(phase(11).read_bytes, 110);
	/* Ended and not yet waited for; then waited for. */
	gone(12);
	look();
	assert_int_equal(phase(11).read_bytes, 110);
	put((struct fact){ 11, 10, "sh", .read = 110, .write = 7 });
	for (int i = 0; i < 8; i++)
		look();
	assert_int_equal(phase(11).read_bytes, 110);
	assert_int_equal(phase(11).write_bytes, 7);
	gone(11);
	put((struct fact){ 10, 1, "agent", .read = 120, .write = 7 });
	for (int i = 0; i < 8; i++)
		look();
	assert_int_equal(vitals_tree_ended(tree, ended, 2), 1);
	assert_int_equal(ended[0].read_bytes, 110);
	/* What it read is not the agent's. */
	assert_int_equal(vitals_tree_agent(tree)->read_bytes, 10);
	assert_int_equal(vitals_tree_agent(tree)->write_bytes, 0);
}

static void number_used_again(void **state)
{
	struct vitals_phase ended[2];

	put((struct fact){ 10, 1, "agent" });
	put((struct fact){ 11, 10, "old", .anon = 50 });
	begin(10, NULL, true);
	look();
	put((struct fact){ 11, 10, "new", .anon = 3, .start = 500 });
	look();
	assert_int_equal(count(), 1);
	assert_int_equal(phase(11).bytes, 3 * MIB);
	assert_string_equal(phase(11).command, "new");
	assert_int_equal(vitals_tree_ended(tree, ended, 2), 1);
	assert_string_equal(ended[0].command, "old");
	assert_int_equal(ended[0].peak_bytes, 50 * MIB);
}

static void by_descent(void **state)
{
	fake_file("proc/meminfo", "");
	put((struct fact){ 1, 0, "init" });
	put((struct fact){ 30, 1, "agent" });
	put((struct fact){ 9, 30, "wrapped", .anon = 4, .start = 40 }); /* a lower number, but later */
	put((struct fact){ 8, 9, "below", .anon = 1, .start = 50 });
	put((struct fact){ 50, 1, "other", .anon = 99 });
	put((struct fact){ 51, 50, "other", .anon = 99 });
	begin(30, NULL, false);
	look();
	assert_int_equal(agent(), 30);
	assert_int_equal(count(), 1);
	assert_int_equal(phase(9).bytes, 5 * MIB);
	/* An orphan stays. */
	put((struct fact){ 8, 1, "below", .anon = 1, .start = 50 });
	gone(9);
	look();
	assert_int_equal(phase(9).bytes, 1 * MIB);
	assert_int_equal(phase(9).processes, 1);
	/* The agent itself ends; a new process with its number is none of ours. */
	gone(30);
	put((struct fact){ 30, 1, "stranger", .start = 900 });
	look();
	assert_int_equal(agent(), 0);
	assert_int_equal(count(), 1);
}

static void own_cgroup(void **state)
{
	put((struct fact){ 10, 1, "agent" });
	put((struct fact){ 11, 10, "pytest", .anon = 10 });
	put((struct fact){ 12, 11, "worker", .anon = 10 });
	pids[0] = '\0';
	add("10\n");
	fake_file("cg/tool-1/cgroup.procs", "11\n12\n");
	fake_file("cg/tool-1/memory.stat", "anon 33554432\nfile 9\nshmem 1048576\n");
	begin(10, NULL, true);
	look();
	assert_true(phase(11).own_cgroup);
	assert_int_equal(phase(11).bytes, 33 * MIB);
	/* Somebody else's process in it: then it is not the phase's own. */
	put((struct fact){ 13, 10, "git", .anon = 1 });
	pids[0] = '\0';
	add("10\n");
	fake_file("cg/tool-1/cgroup.procs", "11\n12\n13\n");
	look();
	assert_false(phase(11).own_cgroup);
	assert_int_equal(phase(11).bytes, 20 * MIB);
}

static void hostile(void **state)
{
	put((struct fact){ 10, 1, "agent" });
	put((struct fact){ 11, 10, ") R 1 (", "\xff\xfe\x01" });
	put((struct fact){ 12, 10, "x" });
	fake_file("proc/12/statm", "not numbers");
	fake_file("proc/12/io", "read_bytes: -5\nwrite_bytes: x\n");
	put((struct fact){ 13, 10, "y" });
	fake_file("proc/13/stat", "13 (y");
	put((struct fact){ 14, 10, "z" });
	fake_file("proc/14/stat", "14 (z) Z 10 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 14 0 0 0 0 0 0\n");
	put((struct fact){ 15, 15, "own parent" });
	add("99999999999999\n0\n-3\nx\n16\n");
	begin(10, NULL, true);
	look();
	assert_int_equal(agent(), 10);
	assert_int_equal(phase(11).processes, 1);
	assert_string_equal(phase(11).command, "\xff\xfe\x01");
	assert_int_equal(phase(12).bytes, 0);
	assert_int_equal(phase(12).read_bytes, 0);
	assert_int_equal(phase(15).processes, 1);
	assert_int_equal(count(), 3);
}

static void more_than_fit(void **state)
{
	struct vitals_phase all[300];

	put((struct fact){ 10, 1, "agent" });
	for (unsigned i = 0; i < 300; i++)
		put((struct fact){ 1000 + i, 10, "child", .anon = 1 });
	begin(10, NULL, true);
	look();
	size_t n = vitals_tree_phases(tree, all, ARRAY_SIZE(all));
	uint64_t sum = 0;
	unsigned processes = 0;
	for (size_t i = 0; i < n; i++) {
		sum += all[i].bytes;
		processes += all[i].processes;
	}
	assert_int_equal(n, 256);
	assert_int_equal(processes, 300);
	assert_int_equal(sum, 300 * MIB);
	assert_int_equal(all[0].processes, 45);
	for (unsigned i = 0; i < 300; i++)
		gone(1000 + i);
	look();
	assert_int_equal(count(), 0);
	assert_int_equal(vitals_tree_ended(tree, all, ARRAY_SIZE(all)), 256);
}

static void errors(void **state)
{
	struct vitals_tree_options options = { .proc = "/proc" };
	struct err err = { 0 };

	assert_int_equal(vitals_tree_new(&options, &tree, &err), -EINVAL);
	options.cgroup = fake_path("gone");
	assert_int_equal(vitals_tree_new(&options, &tree, &err), -ENOENT);
	assert_non_null(strstr(err.text, "gone"));
	assert_null(tree);
	begin(10, NULL, true);
	look();
	assert_int_equal(agent(), 0);
	assert_int_equal(count(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(children_are_phases),
		TEST(launchers_are_passed),
		TEST(script_is_the_agent),
		TEST(first_command_becomes_a_phase),
		TEST(known_agents),
		TEST(agent_by_name),
		TEST(adopting_launcher),
		TEST(double_fork),
		TEST(exec_keeps_the_phase),
		TEST(forks_are_not_counted_twice),
		TEST(shared_memory_once),
		TEST(peak_and_slope),
		TEST(storage_is_counted_once),
		TEST(number_used_again),
		TEST(by_descent),
		TEST(own_cgroup),
		TEST(hostile),
		TEST(more_than_fit),
		TEST(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
