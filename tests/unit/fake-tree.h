/* SPDX-License-Identifier: Apache-2.0 */
/* A directory that looks like procfs or cgroupfs, for tests of what reads those. */
#pragma once

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"

static char fake[] = P_tmpdir "/test-fake-XXXXXX";

static _unused_ const char *fake_path(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned next;
	char *ret = path[next++ % ARRAY_SIZE(path)];

	assert_true(snprintf(ret, PATH_MAX, "%s/%s", fake, name) < PATH_MAX);
	return ret;
}

/* Makes the file with all directories above it, or writes it anew in place. */
static _unused_ void fake_bytes(const char *name, const void *data, size_t length)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", fake_path(name));
	for (char *p = path + strlen(fake) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(path, 0755);
		*p = '/';
	}
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
}

static _unused_ void fake_file(const char *name, const char *text)
{
	fake_bytes(name, text, strlen(text));
}

/* The same path in a buffer that lasts. */
static _unused_ const char *fake_at(char ret[PATH_MAX], const char *name)
{
	(void)snprintf(ret, PATH_MAX, "%s", fake_path(name));
	return ret;
}

static int fake_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static _unused_ void fake_remove(const char *name)
{
	assert_int_equal(nftw(fake_path(name), fake_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static _unused_ int fake_setup(void **state)
{
	(void)snprintf(fake, sizeof(fake), "%s/test-fake-XXXXXX", P_tmpdir);
	return mkdtemp(fake) ? 0 : -1;
}

static _unused_ int fake_teardown(void **state)
{
	fake_remove("");
	return 0;
}
