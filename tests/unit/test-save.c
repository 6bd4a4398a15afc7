/* SPDX-License-Identifier: Apache-2.0 */
/* What the guard copies, from directories that a hostile workload has laid out; no cgroup, no root. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "vitals/act-internal.h"

static char top[] = "/tmp/heddle-save-XXXXXX";
static struct save_plan plan;
static struct guard_policy policy;
static struct save_count count;
static char to[64];

static const char *in(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in(name), "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int take_away(const char *path, const struct stat *s, int type, struct FTW *where)
{
	return remove(path);
}

static int setup(void **state)
{
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	if (!mkdtemp(top) || mkdir(in("home"), 0755) || mkdir(in("work"), 0755) || mkdir(in("to"), 0755) ||
	    mkdir(in("home/.agent"), 0755) || mkdir(in("home/.agent/a"), 0755) || mkdir(in("home/.agent/b"), 0755) ||
	    mkdir(in("outside"), 0755))
		return -1;
	put("home/.agent/a/one.jsonl", "1");
	put("home/.agent/b/two.jsonl", "22");
	put("home/.agent/b/notes", "no");
	put("work/main.c", "int");
	put("outside/secret", "secret");
	policy = (struct guard_policy){ 0 };
	count = (struct save_count){ 0 };
	(void)snprintf(to, sizeof(to), "%s", in("to"));
	plan = (struct save_plan){
		.places = { { "~", open(in("home"), O_PATH | O_DIRECTORY | O_CLOEXEC), "/h" },
			    { "$CWD", open(in("work"), O_PATH | O_DIRECTORY | O_CLOEXEC), "/w" },
			    { "", open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/" } },
		.policy = &policy,
		.to = to,
		.uid = geteuid(),
		.gid = getegid(),
	};
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(plan.places); i++)
		(void)close(plan.places[i].directory);
	return nftw(top, take_away, 16, FTW_DEPTH | FTW_PHYS);
}

static int copied(const char *pattern)
{
	(void)snprintf(policy.save[policy.save_n++], sizeof(policy.save[0]), "%s", pattern);
	return save_copy(&plan, &count);
}

static bool has(const char *name, const char *text)
{
	char got[64] = "";
	FILE *f = fopen(in(name), "re");

	if (!f)
		return false;
	(void)!fread(got, 1, sizeof(got) - 1, f);
	(void)fclose(f);
	return strcmp(got, text) == 0;
}

static bool there(const char *name)
{
	struct stat s;

	return lstat(in(name), &s) == 0;
}

static void patterns(void **state)
{
	assert_int_equal(copied("~/.agent/*/*.jsonl"), 0);
	assert_true(has("to/h/.agent/a/one.jsonl", "1") && has("to/h/.agent/b/two.jsonl", "22"));
	assert_false(there("to/h/.agent/b/notes"));
	assert_int_equal(count.files, 2);
	assert_int_equal(count.bytes, 3);
	assert_int_equal(copied("~/.agent/**"), 0);
	assert_true(has("to/h/.agent/b/notes", "no"));
	assert_int_equal(copied("$CWD"), 0);
	assert_true(has("to/w/main.c", "int"));
	assert_int_equal(copied(in("outside/secret")), 0);
	char path[600];
	(void)snprintf(path, sizeof(path), "to%s/outside/secret", top);
	assert_true(has(path, "secret"));
	/* What is not there is no failure; what leads up is one. */
	assert_int_equal(copied("~/.other/**"), 0);
	assert_int_equal(copied("~/../outside/secret"), -EINVAL);
}

/* Links, to a file, to a directory, as a part of the way; they may point out of it or into it. */
static void links_are_not_followed(void **state)
{
	assert_int_equal(symlink(in("outside/secret"), in("home/.agent/a/link.jsonl")), 0);
	assert_int_equal(symlink(in("outside"), in("home/.agent/out")), 0);
	assert_int_equal(symlink("b", in("home/.agent/c")), 0);
	assert_int_equal(symlink("../outside", in("home/.claude")), 0);
	assert_int_equal(copied("~/.agent/**"), 0);
	assert_int_equal(copied("~/.agent/out/secret"), 0);
	assert_int_equal(copied("~/.claude/*"), 0);
	assert_true(has("to/h/.agent/a/one.jsonl", "1"));
	assert_false(there("to/h/.agent/a/link.jsonl") || there("to/h/.agent/out") || there("to/h/.agent/c") ||
		     there("to/h/.claude/secret"));
	assert_true(count.skipped >= 3);
}

/* A pipe that would block whoever opens it, a socket's name, a device. */
static void only_files_and_directories(void **state)
{
	assert_int_equal(mkfifo(in("work/pipe"), 0600), 0);
	if (geteuid() == 0)
		assert_int_equal(mknod(in("work/zero"), S_IFCHR | 0600, 0x105), 0);
	assert_int_equal(copied("$CWD/**"), 0);
	assert_true(has("to/w/main.c", "int"));
	assert_false(there("to/w/pipe") || there("to/w/zero"));
}

/* What the command may not read is not copied for it by one who may. */
static void no_more_than_the_command_may_read(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(chmod(in("work/main.c"), 0600), 0);
	put("work/open.c", "open");
	plan.uid = plan.gid = 65534;
	assert_int_equal(copied("$CWD/**"), 0);
	assert_true(has("to/w/open.c", "open"));
	assert_false(there("to/w/main.c"));
	assert_int_equal(count.skipped, 1);
}

static void caps_and_loops(void **state)
{
	char path[2048];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s/work", top);

	for (int i = 0; i < 40; i++) {
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/d");
		assert_int_equal(mkdir(path, 0755), 0);
	}
	assert_int_equal(copied("$CWD/**"), -EFBIG);
	assert_true(has("to/w/main.c", "int"));
	/* The copies are in there themselves. */
	policy.save_n = 0;
	plan.places[1].directory = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	count = (struct save_count){ 0 };
	assert_int_equal(copied("$CWD/**"), -EFBIG);
	assert_false(there("to/w/to"));
	assert_true(has("to/w/outside/secret", "secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(patterns, setup, teardown),
		cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(only_files_and_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(no_more_than_the_command_may_read, setup, teardown),
		cmocka_unit_test_setup_teardown(caps_and_loops, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
