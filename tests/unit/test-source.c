/* SPDX-License-Identifier: Apache-2.0 */
/* A workload's vitals, from directories that look like cgroups of version 2, 1 and both. */
#include "test.h"

#include <errno.h>

#include "fake-tree.h"
#include "vitals/places.h"

#define MIB (UINT64_C(1) << 20)

static void host(void)
{
	fake_file("proc/meminfo", "MemTotal: 8192000 kB\nMemFree: 4096000 kB\nMemAvailable: 6144000 kB\n"
				  "SwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\n");
}

static void thread(unsigned pid, unsigned tid, char state, const char *children)
{
	char name[64], text[128];

	(void)snprintf(name, sizeof(name), "proc/%u/stat", tid);
	(void)snprintf(text, sizeof(text), "%u (odd) R (x) %c 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5\n", tid, state);
	fake_file(name, text);
	(void)snprintf(name, sizeof(name), "proc/%u/task/%u/children", tid, tid);
	fake_file(name, children);
}

static void cgroup_2(void)
{
	fake_file("cg/cgroup.procs", "");
	fake_file("cg/a/memory.max", "1073741824\n");
	fake_file("cg/a/memory.current", "1010827264\n"); /* 60 MiB are left */
	fake_file("cg/a/memory.stat", "inactive_file 10485760\nactive_file 0\n");
	/* Beside it: one that keeps 6 of its 8 MiB, and may give 2; one that keeps nothing. */
	fake_file("cg/a/kept/memory.min", "6291456\n");
	fake_file("cg/a/kept/memory.current", "8388608\n");
	fake_file("cg/a/kept/memory.stat", "inactive_file 4194304\nactive_file 2097152\n");
	fake_file("cg/a/plain/memory.min", "0\n");
	fake_file("cg/a/plain/memory.current", "8388608\n");
	fake_file("cg/a/plain/memory.stat", "inactive_file 4194304\nactive_file 2097152\n");
	fake_file("cg/a/b/memory.max", "max\n");
	fake_file("cg/a/b/memory.current", "1048576\n");
	fake_file("cg/a/b/c/memory.max", "536870912\n");
	fake_file("cg/a/b/c/memory.high", "max\n");
	fake_file("cg/a/b/c/memory.min", "0\n");
	fake_file("cg/a/b/c/memory.low", "4096\n");
	fake_file("cg/a/b/c/memory.current", "104857600\n");
	fake_file("cg/a/b/c/memory.peak", "209715200\n");
	fake_file("cg/a/b/c/memory.swap.current", "0\n");
	fake_file("cg/a/b/c/memory.swap.max", "max\n");
	fake_file("cg/a/b/c/memory.stat", "anon 73400320\nfile 31457280\nkernel 4096\nshmem 0\ninactive_file 20971520\n"
					  "active_file 10485760\nfile_dirty 1048576\npgfault 7\n");
	fake_file("cg/a/b/c/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n");
	fake_file("cg/a/b/c/cpu.stat", "usage_usec 1000\nuser_usec 600\nsystem_usec 400\n");
	fake_file("cg/a/b/c/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n");
	fake_file("cg/a/b/c/memory.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n"
					      "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n");
	fake_file("cg/a/b/c/cgroup.procs", "10\n20\n");
	fake_file("cg/a/b/c/cgroup.threads", "10\n11\n20\n");
	fake_file("cg/a/b/c/below/cgroup.procs", "30\n");
	fake_file("cg/a/b/c/below/cgroup.threads", "30\n");
}

static struct vitals_source *open_it(const struct vitals_places *places)
{
	struct vitals_source *s = NULL;
	struct err err = { 0 };

	assert_int_equal(vitals_source_open(places, &s, &err), 0);
	return s;
}

static void version_2(void **state)
{
	char directory[PATH_MAX], root[PATH_MAX], proc[PATH_MAX];
	struct vitals_sample s = { .probed = { .sched = true, .voluntary = 5 } };
	uint64_t usage = 0;

	host();
	cgroup_2();
	thread(10, 10, 'S', "20 40 ");
	thread(10, 11, 'R', "");
	thread(20, 20, 'D', "");
	thread(30, 30, 'T', "99 ");
	thread(40, 40, 'Z', "");
	(void)fake_at(directory, "cg/a/b/c");
	(void)fake_at(root, "cg/");
	(void)fake_at(proc, "proc");
	struct vitals_places places = {
		.cgroup = directory, .memory = directory, .cgroup_root = root, .memory_root = root, .proc = proc
	};
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_int_equal(s.memory.limit, 512 * MIB);
	assert_true(s.memory.high == VITALS_UNKNOWN && s.memory.swap_limit == VITALS_UNKNOWN);
	assert_int_equal(s.memory.current, 100 * MIB);
	assert_int_equal(s.memory.peak, 200 * MIB);
	assert_int_equal(s.memory.low, 4096);
	assert_int_equal(s.memory.min, 0);
	assert_int_equal(s.memory.swap, 0);
	assert_int_equal(s.memory.anon, 70 * MIB);
	assert_int_equal(s.memory.kernel, 4096);
	assert_int_equal(s.memory.oom_kills, 1);
	assert_int_equal(s.memory.max_events, 3);
	assert_int_equal(s.memory.faults, 7);
	assert_true(s.memory.sock == VITALS_UNKNOWN);
	assert_int_equal(s.limit, 512 * MIB);
	/* Two levels up there is less. */
	assert_int_equal(s.available.bound, 2);
	assert_string_equal(s.bound, "/a");
	assert_int_equal(s.available.free, 60 * MIB);
	assert_int_equal(s.available.clean, 66 * MIB);
	assert_int_equal(s.available.all, 66 * MIB);
	assert_int_equal(s.cpu.usage_ns, 1000000);
	assert_true(s.cpu.throttled == VITALS_UNKNOWN);
	assert_int_equal(s.io.write_bytes, 2);
	assert_true(s.pressure.known);
	assert_int_equal(s.pressure.memory.full_us, 3);
	assert_true(s.pressure.io.some_us == VITALS_UNKNOWN);
	assert_int_equal(s.tasks.processes, 3);
	assert_int_equal(s.tasks.threads, 4);
	assert_int_equal(s.tasks.running, 1);
	assert_int_equal(s.tasks.sleeping, 1);
	assert_int_equal(s.tasks.uninterruptible, 1);
	assert_int_equal(s.tasks.stopped, 1);
	assert_int_equal(s.tasks.zombie, 1);
	/* Another's part stays. */
	assert_true(s.probed.sched && s.probed.voluntary == 5);
	assert_true(s.time_ns > 0);
	/* The descriptors are kept: what changes in the files is read. */
	fake_file("cg/a/b/c/memory.current", "1052770304\n");
	assert_int_equal(vitals_source_usage(source, &usage), 0);
	assert_int_equal(usage, 1004 * MIB);
	fake_file("cg/a/b/c/memory.current", "");
	assert_int_equal(vitals_source_usage(source, &usage), -EIO);
}

/* No limit anywhere: the machine binds. */
static void no_limit(void **state)
{
	char directory[PATH_MAX];
	struct vitals_sample s = { 0 };

	host();
	fake_file("cg/memory.max", "max\n");
	fake_file("cg/memory.current", "4096\n");
	fake_file("cg/cgroup.procs", "");
	fake_file("cg/cgroup.threads", "");
	(void)fake_at(directory, "cg");
	struct vitals_places places = { .cgroup = directory, .memory = directory, .proc = fake_path("proc") };
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_int_equal(s.limit, 8000 * MIB);
	assert_int_equal(s.available.clean, 6000 * MIB);
	assert_int_equal(s.available.bound, VITALS_BOUND_HOST);
	assert_string_equal(s.bound, "");
	assert_false(s.pressure.known);
	assert_true(s.memory.min == VITALS_UNKNOWN && s.io.reads == VITALS_UNKNOWN && s.cpu.usage_ns == VITALS_UNKNOWN);
}

/* A v2 hierarchy where the controller ends above the workload: its own use is not known, the limit is. */
static void controller_above(void **state)
{
	char directory[PATH_MAX], root[PATH_MAX];
	struct vitals_sample s = { 0 };
	uint64_t usage;

	host();
	fake_file("cg/a/memory.max", "104857600\n");
	fake_file("cg/a/memory.current", "52428800\n");
	fake_file("cg/a/b/cgroup.procs", "");
	fake_file("cg/a/b/cgroup.threads", "");
	(void)fake_at(directory, "cg/a/b");
	(void)fake_at(root, "cg");
	struct vitals_places places = { .cgroup = directory, .cgroup_root = root, .proc = fake_path("proc") };
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_true(s.memory.current == VITALS_UNKNOWN && s.memory.limit == VITALS_UNKNOWN);
	assert_int_equal(s.limit, 100 * MIB);
	assert_int_equal(s.available.clean, 50 * MIB);
	assert_string_equal(s.bound, "/a");
	assert_int_equal(s.tasks.processes, 0);
	assert_int_equal(vitals_source_usage(source, &usage), -EOPNOTSUPP);
}

static void memory_1(const char *name, const char *limit, const char *usage, const char *stat)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", name);
	fake_file(path, limit);
	(void)snprintf(path, sizeof(path), "%s/memory.usage_in_bytes", name);
	fake_file(path, usage);
	(void)snprintf(path, sizeof(path), "%s/memory.stat", name);
	fake_file(path, stat);
}

static void both_versions(void **state)
{
	char memory[PATH_MAX], memory_root[PATH_MAX], cgroup[PATH_MAX];
	struct vitals_sample s = { 0 };

	host();
	memory_1("m", "9223372036854771712\n", "999999999\n", "");
	memory_1("m/a", "209715200\n", "104857600\n", "total_active_file 5242880\ntotal_inactive_file 0\n");
	memory_1("m/a/b", "9223372036854771712\n", "83886080\n",
		 "rss 1\ntotal_rss 73400320\ntotal_cache 10485760\ntotal_shmem 0\ntotal_active_file 5242880\n"
		 "total_inactive_file 0\ntotal_dirty 0\ntotal_writeback 0\nhierarchical_memory_limit 209715200\n");
	fake_file("m/a/b/memory.max_usage_in_bytes", "94371840\n");
	fake_file("m/a/b/memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 2\n");
	fake_file("m/a/b/memory.failcnt", "17\n");
	fake_file("m/a/b/memory.kmem.usage_in_bytes", "8192\n");
	fake_file("m/a/b/memory.memsw.limit_in_bytes", "9223372036854771712\n");
	fake_file("u/x/cpu.stat", "usage_usec 5\n");
	fake_file("u/x/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=4\n");
	fake_file("u/x/cgroup.procs", "");
	fake_file("u/x/cgroup.threads", "");
	(void)fake_at(memory, "m/a/b/");
	(void)fake_at(memory_root, "m");
	(void)fake_at(cgroup, "u/x");
	struct vitals_places places = { .cgroup = cgroup,
					.memory = memory,
					.memory_v1 = true,
					.memory_root = memory_root,
					.proc = fake_path("proc") };
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_true(s.memory.limit == VITALS_UNKNOWN);
	assert_int_equal(s.limit, 200 * MIB);
	assert_int_equal(s.memory.anon, 70 * MIB);
	assert_int_equal(s.memory.peak, 90 * MIB);
	assert_int_equal(s.memory.oom_kills, 2);
	assert_int_equal(s.memory.max_events, 17);
	assert_int_equal(s.memory.kernel, 8192);
	assert_int_equal(s.memory.min, 0);
	assert_int_equal(s.available.free, 100 * MIB);
	assert_int_equal(s.available.clean, 105 * MIB);
	assert_string_equal(s.bound, "/a");
	assert_int_equal(s.cpu.usage_ns, 5000);
	assert_int_equal(s.pressure.cpu.some_us, 4);
}

/* In a namespace v1 tells the limit of levels that can't be seen. */
static void hidden_limit(void **state)
{
	char memory[PATH_MAX];
	struct vitals_sample s = { 0 };

	host();
	memory_1("m", "9223372036854771712\n", "52428800\n", "hierarchical_memory_limit 104857600\n");
	fake_file("m/tasks", "");
	fake_file("m/cgroup.procs", "");
	(void)fake_at(memory, "m");
	struct vitals_places places = {
		.memory = memory, .memory_v1 = true, .memory_root = memory, .proc = fake_path("proc")
	};
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_int_equal(s.limit, 100 * MIB);
	assert_int_equal(s.available.clean, 50 * MIB);
	assert_string_equal(s.bound, "/");
}

/* v1 alone: CPU and I/O have hierarchies of their own. */
static void version_1(void **state)
{
	char memory[PATH_MAX], cpu[PATH_MAX], io[PATH_MAX];
	struct vitals_sample s = { 0 };

	host();
	memory_1("m", "104857600\n", "52428800\n", "hierarchical_memory_limit 104857600\n");
	fake_file("m/memory.memsw.limit_in_bytes", "125829120\n");
	fake_file("m/tasks", "10\n11\n");
	fake_file("m/cgroup.procs", "10\n");
	thread(10, 10, 'S', "");
	thread(10, 11, 'R', "");
	fake_file("c/cpuacct.usage", "12345\n");
	fake_file("c/cpuacct.usage_user", "12000\n");
	fake_file("b/blkio.throttle.io_service_bytes_recursive", "8:0 Read 5\n8:0 Write 6\nTotal 11\n");
	(void)fake_at(memory, "m");
	(void)fake_at(cpu, "c");
	(void)fake_at(io, "b");
	struct vitals_places places = { .memory = memory,
					.memory_v1 = true,
					.memory_root = memory,
					.cpuacct = cpu,
					.blkio = io,
					.proc = fake_path("proc") };
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_int_equal(s.cpu.usage_ns, 12345);
	assert_int_equal(s.cpu.user_ns, 12000);
	assert_true(s.cpu.system_ns == VITALS_UNKNOWN);
	assert_int_equal(s.io.read_bytes, 5);
	assert_int_equal(s.io.write_bytes, 6);
	assert_true(s.io.reads == VITALS_UNKNOWN);
	assert_int_equal(s.memory.swap_limit, 20 * MIB);
	assert_int_equal(s.tasks.processes, 1);
	assert_int_equal(s.tasks.threads, 2);
	assert_false(s.pressure.known);
}

static void far(const char *current, const char *anon, unsigned oom_kills, const char *usage)
{
	char text[96];

	fake_file("far/memory.current", current);
	(void)snprintf(text, sizeof(text), "anon %s\ninactive_file 0\nactive_file 0\n", anon);
	fake_file("far/memory.stat", text);
	(void)snprintf(text, sizeof(text), "max 0\noom_kill %u\n", oom_kills);
	fake_file("far/memory.events", text);
	(void)snprintf(text, sizeof(text), "usage_usec %s\n", usage);
	fake_file("far/cpu.stat", text);
}

/* Far from its limit little is read of what is asked for again within a second; near it all. */
static void within_a_second(void **state)
{
	char directory[PATH_MAX];
	struct vitals_sample s = { 0 };

	host();
	fake_file("far/cgroup.procs", "");
	fake_file("far/cgroup.threads", "");
	fake_file("far/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n");
	fake_file("far/memory.max", "536870912\n");
	far("104857600\n", "1000", 0, "10");
	(void)fake_at(directory, "far");
	struct vitals_places places = { .cgroup = directory, .memory = directory, .proc = fake_path("proc") };
	_cleanup_(vitals_source_free_p) struct vitals_source *source = open_it(&places);

	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_true(s.memory.anon == 1000 && s.memory.oom_kills == 0 && s.cpu.usage_ns == 10000 && s.io.reads == 3);
	far("104861696\n", "2000", 1, "20");
	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_true(s.memory.current == 104861696 && s.memory.anon == 2000 && s.memory.oom_kills == 0);
	assert_true(s.cpu.usage_ns == VITALS_UNKNOWN && s.io.reads == VITALS_UNKNOWN);
	assert_int_equal(s.limit, 512 * MIB);
	/* Not a page was taken or given back: then not even that. */
	far("104861696\n", "3000", 1, "30");
	assert_int_equal(vitals_source_read(source, false, &s), 0);
	assert_int_equal(s.memory.anon, 2000);
	assert_int_equal(vitals_source_read(source, true, &s), 0);
	assert_true(s.memory.anon == 3000 && s.memory.oom_kills == 1 && s.cpu.usage_ns == 30000 && s.io.reads == 3);
	far("471859200\n", "4000", 2, "40");
	for (unsigned usage = 40; usage < 42; usage++) {
		assert_int_equal(vitals_source_read(source, false, &s), 0);
		assert_true(s.memory.anon == 4000 && s.memory.oom_kills == 2 && s.io.reads == 3);
		assert_int_equal(s.cpu.usage_ns, usage * 1000);
		fake_file("far/cpu.stat", "usage_usec 41\n");
	}
}

static void not_there(void **state)
{
	struct vitals_places places = { .proc = "/proc" };
	struct vitals_source *source = NULL;
	struct err err = { 0 };

	assert_int_equal(vitals_source_open(&places, &source, &err), -ENOENT);
	assert_true(err.text[0]);
	places.cgroup = places.memory = fake_path("gone");
	err.text[0] = '\0';
	assert_int_equal(vitals_source_open(&places, &source, &err), -ENOENT);
	assert_non_null(strstr(err.text, "gone"));
	assert_null(source);
	vitals_source_free(NULL);
}

static void places(void **state)
{
	char proc[PATH_MAX], room[4096], small[8], text[8192];
	struct vitals_places p;

	(void)fake_at(proc, "proc");
	(void)snprintf(text, sizeof(text),
		       "35 31 0:32 / %s/m rw - cgroup cgroup rw,memory\n"
		       "36 31 0:33 / %s/c rw - cgroup cgroup rw,cpu,cpuacct\n"
		       "37 31 0:34 / %s/b rw - cgroup cgroup rw,blkio\n"
		       "41 31 0:38 / %s/u\\040v rw - cgroup2 cgroup2 rw\n",
		       fake, fake, fake, fake);
	fake_file("proc/self/mountinfo", text);
	fake_file("m/job/x", "");
	fake_file("c/job/x", "");
	fake_file("b/x", "");
	fake_file("u v/odd \\040:name/x", "");
	fake_file("proc/7/cgroup", "4:memory:/job\n3:blkio:/\n2:cpu,cpuacct:/job\n1:name=systemd:/\n"
				   "0::/odd \\040:name\n");
	assert_int_equal(places_of_pid(proc, 7, &p, room, sizeof(room)), 0);
	assert_string_equal(p.cgroup, fake_path("u v/odd \\040:name"));
	assert_string_equal(p.cgroup_root, fake_path("u v"));
	assert_string_equal(p.memory, fake_path("m/job"));
	assert_string_equal(p.memory_root, fake_path("m"));
	assert_true(p.memory_v1);
	/* v2 tells of the CPU; and v1's blkio is the root's, so the machine's. */
	assert_null(p.cpuacct);
	assert_null(p.blkio);
	assert_string_equal(p.proc, proc);
	/* v1 alone: the root of v2 is no workload's. */
	fake_file("proc/8/cgroup", "4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n");
	assert_int_equal(places_of_pid(proc, 8, &p, room, sizeof(room)), 0);
	assert_null(p.cgroup);
	assert_string_equal(p.cpuacct, fake_path("c/job"));
	/* v2 alone, with and without the controller. */
	fake_file("u v/w/x", "");
	fake_file("proc/9/cgroup", "0::/w\n");
	assert_int_equal(places_of_pid(proc, 9, &p, room, sizeof(room)), 0);
	assert_string_equal(p.cgroup, fake_path("u v/w"));
	assert_null(p.memory);
	fake_file("u v/w/memory.current", "1\n");
	assert_int_equal(places_of_pid(proc, 9, &p, room, sizeof(room)), 0);
	assert_ptr_equal(p.memory, p.cgroup);
	assert_false(p.memory_v1);
	/* Ended, removed, hidden, no room, nonsense. */
	assert_int_equal(places_of_pid(proc, 99, &p, room, sizeof(room)), -ESRCH);
	fake_file("proc/10/cgroup", "0::/w (deleted)\n");
	assert_int_equal(places_of_pid(proc, 10, &p, room, sizeof(room)), -ENOENT);
	fake_file("proc/11/cgroup", "0::/../w\n");
	assert_int_equal(places_of_pid(proc, 11, &p, room, sizeof(room)), -ENOENT);
	assert_int_equal(places_of_pid(proc, 9, &p, small, sizeof(small)), -ENOSPC);
	fake_file("proc/12/cgroup", "\n::\n:\n0\nmemory\n9:memory\n");
	assert_int_equal(places_of_pid(proc, 12, &p, room, sizeof(room)), -ENOENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		TEST(version_2),    TEST(no_limit),  TEST(controller_above), TEST(both_versions),
		TEST(hidden_limit), TEST(version_1), TEST(within_a_second), TEST(not_there),	     TEST(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
