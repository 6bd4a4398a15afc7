/* SPDX-License-Identifier: Apache-2.0 */
/* Where hierarchies and cgroups are, from files as procfs has them. */
#include "base/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test.h"

static char proc[] = "/tmp/heddle-test-cgroup-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", proc, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make(void **state)
{
	char path[256];

	assert_non_null(mkdtemp(proc));
	(void)snprintf(path, sizeof(path), "%s/self", proc);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/7", proc);
	assert_int_equal(mkdir(path, 0700), 0);
	return 0;
}

static int drop(void **state)
{
	char command[300];

	(void)snprintf(command, sizeof(command), "%s/self/mountinfo", proc);
	(void)remove(command);
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = { "self/cgroup", "7/cgroup", "self", "7" };

		(void)snprintf(command, sizeof(command), "%s/%s", proc, names[i]);
		(void)remove(command);
	}
	(void)remove(proc);
	return 0;
}

static void test_hybrid(void **state)
{
	struct cgroup_mount v2, memory, both;
	char at[CGROUP_PATH_MAX], small[8];

	put("self/mountinfo", "21 1 0:20 / /proc rw - proc proc rw\n"
			      "30 21 0:30 / /sys/fs/cgroup/with\\040space rw,nosuid - cgroup cgroup rw,memory\n"
			      "31 21 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct\n"
			      "32 21 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
			      "33 21 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n");
	put("7/cgroup", "9:name=systemd:/\n4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/\n");
	assert_int_equal(cgroup_find_mount(proc, NULL, &v2), 0);
	assert_string_equal(v2.at, "/sys/fs/cgroup/unified");
	assert_int_equal(cgroup_find_mount(proc, "memory", &memory), 0);
	assert_string_equal(memory.at, "/sys/fs/cgroup/with space");
	assert_int_equal(cgroup_find_mount(proc, "cpuacct", &both), 0);
	assert_string_equal(both.at, "/sys/fs/cgroup/cpu,cpuacct");
	/* A part of a word is none. */
	assert_int_equal(cgroup_find_mount(proc, "cpuac", &both), -ENOENT);
	assert_int_equal(cgroup_find_mount(proc, "pids", &both), -ENOENT);

	assert_int_equal(cgroup_directory_of(proc, 7, "memory", &memory, at, sizeof(at)), 0);
	assert_string_equal(at, "/sys/fs/cgroup/with space/a/b");
	assert_int_equal(cgroup_directory_of(proc, 7, NULL, &v2, at, sizeof(at)), 0);
	assert_string_equal(at, "/sys/fs/cgroup/unified");
	assert_int_equal(cgroup_directory_of(proc, 7, "memory", &memory, small, sizeof(small)), -ENAMETOOLONG);
	assert_int_equal(cgroup_directory_of(proc, 8, "memory", &memory, at, sizeof(at)), -ESRCH);
	assert_int_equal(cgroup_directory_of(proc, 7, "pids", &memory, at, sizeof(at)), -ENOENT);
}

/* A container that has its own part of the tree mounted. */
static void test_bind(void **state)
{
	struct cgroup_mount m;
	char at[CGROUP_PATH_MAX];

	put("self/mountinfo", "32 21 0:32 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	assert_int_equal(cgroup_find_mount(proc, NULL, &m), 0);
	put("self/cgroup", "0::/docker/x/job\n");
	assert_int_equal(cgroup_directory_of(proc, 0, NULL, &m, at, sizeof(at)), 0);
	assert_string_equal(at, "/sys/fs/cgroup/job");
	put("self/cgroup", "0::/docker/xy\n");
	assert_int_equal(cgroup_directory_of(proc, 0, NULL, &m, at, sizeof(at)), -ENOENT);
	put("self/cgroup", "0::/../other\n");
	assert_int_equal(cgroup_directory_of(proc, 0, NULL, &m, at, sizeof(at)), -ENOENT);
	put("self/cgroup", "garbage\n\n0\n");
	assert_int_equal(cgroup_directory_of(proc, 0, NULL, &m, at, sizeof(at)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hybrid),
		cmocka_unit_test(test_bind),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
