/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of cgroup hierarchies: escapes, namespaces, odd lines. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/mountinfo.h"

static const char hybrid[] =
	"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	"not a line\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 master:1 - cgroup cgroup rw,memory\n"
	"36 31 0:33 / /sys/fs/cgroup/cpu\\040and\\011more rw - cgroup cgroup rw,cpu,cpuacct\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
/* A container without a cgroup namespace: the mounts show its own part only. */
static const char part[] =
	"50 1 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
	"51 1 0:38 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	"52 1 0:38 / /mnt/all rw - cgroup2 cgroup2 rw\n";

static char path[] = P_tmpdir "/test-mountinfo-XXXXXX";

static void put(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void found(const char *controller, const char *below, const char *expected, const char *mount)
{
	char got[128], at[128];

	assert_int_equal(mountinfo_cgroup(path, controller, below, got, at, sizeof(got)), 0);
	assert_string_equal(got, expected);
	assert_string_equal(at, mount);
}

static void hierarchies(void **state)
{
	char got[128];

	put(hybrid);
	found(NULL, NULL, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified");
	found(NULL, "/", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified");
	found("memory", "/a/b", "/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory");
	found("cpuacct", NULL, "/sys/fs/cgroup/cpu and\tmore", "/sys/fs/cgroup/cpu and\tmore");
	found("name=systemd", NULL, "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/systemd");
	assert_int_equal(mountinfo_cgroup(path, "cpuset", NULL, got, NULL, sizeof(got)), -ENOENT);
	/* Not a controller that only begins so. */
	assert_int_equal(mountinfo_cgroup(path, "mem", NULL, got, NULL, sizeof(got)), -ENOENT);
	assert_int_equal(mountinfo_cgroup(path, NULL, NULL, got, NULL, 8), -ENAMETOOLONG);
	assert_int_equal(mountinfo_cgroup("/nonexistent", NULL, NULL, got, NULL, sizeof(got)), -ENOENT);
}

static void namespaces(void **state)
{
	char got[128];

	put(part);
	found("memory", "/docker/abc", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory");
	found("memory", "/docker/abc/x", "/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory");
	found(NULL, "/docker/abc/x", "/sys/fs/cgroup/x", "/sys/fs/cgroup");
	/* Not shown by the first mount of the type, but by another. */
	found(NULL, "/docker/abcd", "/mnt/all/docker/abcd", "/mnt/all");
	assert_int_equal(mountinfo_cgroup(path, "memory", "/docker/abcd", got, NULL, sizeof(got)), -ENOENT);
	assert_int_equal(mountinfo_cgroup(path, NULL, "/../sibling", got, NULL, sizeof(got)), -ENOENT);
	found(NULL, "/..odd/name", "/mnt/all/..odd/name", "/mnt/all");
}

static void lines(void **state)
{
	struct mountinfo m;
	char none[] = "", few[] = "1 2 3 - cgroup x y", bare[] = "1 2 0:3 / /p rw -";
	char empty[] = "1 2 0:3 / /p rw - tmpfs  rw\n";
	char bad[] = "1 2 0:3 /\\0 /p\\777\\04 rw - t s o";

	assert_int_equal(mountinfo_parse(none, &m), -EINVAL);
	assert_int_equal(mountinfo_parse(few, &m), -EINVAL);
	assert_int_equal(mountinfo_parse(bare, &m), -EINVAL);
	assert_int_equal(mountinfo_parse(empty, &m), 0);
	assert_string_equal(m.type, "tmpfs");
	assert_string_equal(m.options, "rw");
	assert_int_equal(mountinfo_parse(bad, &m), 0);
	assert_string_equal(m.root, "/\\0");
	assert_string_equal(m.point, "/p\\777\\04");
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hierarchies),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
