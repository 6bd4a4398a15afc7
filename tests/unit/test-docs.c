/* SPDX-License-Identifier: Apache-2.0 */
/* docs/events.md names every type, and every field that a sample's line has. */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/names.h"

#define FILE_MAX (1 << 20)
#define NAME_MAX_BYTES 64

static char *read_file(const char *path)
{
	char *text = calloc(1, FILE_MAX);
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(text);
	assert_non_null(f);
	n = fread(text, 1, FILE_MAX - 1, f);
	(void)fclose(f);
	assert_in_range(n, 1000, FILE_MAX - 2);
	return text;
}

static bool page_has(const char *page, const char *before, const char *name, const char *after)
{
	char wanted[NAME_MAX_BYTES + 16];

	(void)snprintf(wanted, sizeof(wanted), "%s%s%s", before, name, after);
	return strstr(page, wanted);
}

static void every_type_has_a_heading(void **state)
{
	char *page = read_file("docs/events.md");

	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
		const char *name = name_event_type(type);

		if (!page_has(page, "### ", name, "") && !page_has(page, "### dns_query, ", name, "\n") &&
		    !page_has(page, "### file_read, ", name, " ("))
			fail_msg("docs/events.md has no section for %s", name);
	}
	free(page);
}

/* The next key at or after `at`, whose name goes to ret; NULL: none. A quote inside a string has a backslash. */
static const char *next_key(const char *at, char ret[NAME_MAX_BYTES])
{
	for (; (at = strchr(at, '"')); at++) {
		size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_0123456789");

		if (!strchr("{,", at[-1]) || n == 0 || n >= NAME_MAX_BYTES || strncmp(at + 1 + n, "\":", 2) != 0)
			continue;
		memcpy(ret, at + 1, n);
		ret[n] = '\0';
		return at + n + 2;
	}
	return NULL;
}

static void every_field_is_named(void **state)
{
	char *page = read_file("docs/events.md"), *lines = read_file("tests/unit/encode.expected");
	const char *at = strchr(lines, '{');
	char name[NAME_MAX_BYTES];
	unsigned keys = 0;

	assert_non_null(at);
	while ((at = next_key(at, name))) {
		keys++;
		if (!page_has(page, "`", name, "`"))
			fail_msg("docs/events.md does not name the field %s", name);
	}
	/* The samples have at least the common ones, each of them. */
	assert_true(keys > 500);
	free(page);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_a_heading),
		cmocka_unit_test(every_field_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
