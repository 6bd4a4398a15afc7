/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call that there is is either watched or stands in docs/tiers.md with why not; in each ABI alike. And
 * what the sensor says it can't see is what that page says.
 */
#include "test.h"

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/calls.h"
#include "event/names.h"
#include "sensor/backend.h"

#define PAGE_BYTES (1 << 20)

enum table { X86_64, I386, X32 };

static const struct {
	enum table table;
	unsigned number;
	const char *name;
} calls[] = {
#include "calls.inc"
};

/* Told without a class: by the hooks on forks and exits. */
static const char *const hooked[] = { "fork", "vfork", "exit", "exit_group" };

static bool is_hooked(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooked); i++)
		if (strcmp(hooked[i], name) == 0)
			return true;
	return false;
}

static bool is_watched(unsigned number)
{
	const char *name = name_syscall(number);

	return call_class[number & NR_NONE] != CLASS_NONE || (name && is_hooked(name));
}

/* docs/tiers.md; to be freed. */
static char *tiers_page(void)
{
	char *page = calloc(1, PAGE_BYTES);
	FILE *f = fopen("docs/tiers.md", "re");

	assert_non_null(page);
	assert_non_null(f);
	assert_in_range(fread(page, 1, PAGE_BYTES - 1, f), 1000, PAGE_BYTES - 2);
	(void)fclose(f);
	return page;
}

/* The part that lists what is not watched; to be freed. */
static char *unwatched_section(void)
{
	char *page = tiers_page(), *from, *to;

	from = strstr(page, "\n## Calls that are not watched\n");
	assert_non_null(from);
	to = strstr(from + 4, "\n## ");
	if (to)
		*to = '\0';
	memmove(page, from, strlen(from) + 1);
	return page;
}

/* In a row's first cell; the reasons name calls too. */
static bool listed(const char *section, const char *name)
{
	char quoted[80];

	(void)snprintf(quoted, sizeof(quoted), "`%s`", name);
	for (const char *at = section; (at = strstr(at, quoted)); at++) {
		const char *line = at;

		while (line[-1] != '\n')
			line--;
		if (*line == '|' && !memchr(line + 1, '|', (size_t)(at - line - 1)))
			return true;
	}
	return false;
}

static void every_call_is_accounted_for(void **state)
{
	char *section = unwatched_section();
	unsigned known = 0;

	for (unsigned number = 0; number < NR_NONE; number++) {
		const char *name = name_syscall(number);

		if (!name) {
			assert_int_equal(call_class[number], CLASS_NONE);
			continue;
		}
		known++;
		if (is_watched(number) == listed(section, name))
			fail_msg("%s (%u) is %s docs/tiers.md, \"Calls that are not watched\"", name, number,
				 is_watched(number) ? "watched, and in" : "not watched, and not in");
	}
	assert_true(known > 360);
	free(section);
}

/* The names are what this system's headers call the numbers; newer headers may know more. */
static void names_are_the_headers(void **state)
{
	unsigned compared = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].table != X86_64)
			continue;
		if (!name_syscall(calls[i].number))
			fail_msg("the headers' %s (%u) is not in src/event/names-syscall.c, nor watched or listed",
				 calls[i].name, calls[i].number);
		assert_string_equal(name_syscall(calls[i].number), calls[i].name);
		compared++;
	}
	assert_true(compared > 340);
}

/* What i386 calls otherwise than x86-64 does. */
static const struct {
	const char *i386, *x86_64;
} twins[] = {
	{ "_llseek", "lseek" },
	{ "_newselect", "select" },
	{ "umount", "umount2" },
	{ "mmap2", "mmap" },
	{ "sendfile64", "sendfile" },
	{ "fstatat64", "newfstatat" },
	{ "utimensat_time64", "utimensat" },
	{ "socketcall", "socket" },
	{ "ipc", "shmat" },
	{ "ugetrlimit", "getrlimit" },
};

/* i386's chown32, setuid32, truncate64: the name without the width. */
static unsigned twin_of(const char *name)
{
	char plain[64];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(twins); i++)
		if (strcmp(twins[i].i386, name) == 0)
			name = twins[i].x86_64;
	for (unsigned number = 0; number < NR_NONE; number++)
		if (name_syscall(number) && strcmp(name_syscall(number), name) == 0)
			return number;
	n = strlen(name);
	if (n < 3 || n >= sizeof(plain) || (strcmp(name + n - 2, "32") != 0 && strcmp(name + n - 2, "64") != 0))
		return NR_NONE;
	(void)snprintf(plain, sizeof(plain), "%.*s", (int)n - 2, name);
	return twin_of(plain);
}

static void i386_calls_have_their_twins_class(void **state)
{
	unsigned with_class = 0;
	uint16_t numbers[512];

	sensor_compat_numbers(numbers);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		unsigned twin;

		if (calls[i].table != I386)
			continue;
		twin = twin_of(calls[i].name);
		if (twin == NR_NONE || call_class[twin] == CLASS_NONE)
			continue;
		with_class++;
		if ((numbers[calls[i].number] & NR_NONE) != twin)
			fail_msg("i386 %s (%u) is taken for %u, and is %u", calls[i].name, calls[i].number,
				 numbers[calls[i].number] & NR_NONE, twin);
	}
	assert_true(with_class > 100);
}

/* Nothing is taken for a call that it is not. */
static void i386_numbers_name_the_right_call(void **state)
{
	uint16_t numbers[512];

	sensor_compat_numbers(numbers);
	for (unsigned n = 0; n < 512; n++) {
		bool there = false;

		if (numbers[n] == CALL_NONE || n > 450)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
			if (calls[i].table != I386 || calls[i].number != n)
				continue;
			there = true;
			if (twin_of(calls[i].name) != NR_NONE &&
			    call_class[twin_of(calls[i].name)] != call_class[numbers[n] & NR_NONE])
				fail_msg("i386 %s (%u) has another class than its twin", calls[i].name, n);
		}
		if (!there)
			fail_msg("i386 has no call %u", n);
	}
}

static unsigned form_of(const uint16_t *numbers, unsigned i386)
{
	return numbers[i386] >> HD_FORM_SHIFT;
}

static void forms(void **state)
{
	uint16_t numbers[512];

	sensor_compat_numbers(numbers);
	assert_int_equal(form_of(numbers, 5), HD_FORM_SAME);   /* open */
	assert_int_equal(form_of(numbers, 23), HD_FORM_IDS16); /* setuid */
	assert_int_equal(form_of(numbers, 213), HD_FORM_SAME); /* setuid32 */
	assert_int_equal(form_of(numbers, 90), HD_FORM_OLD_MMAP);
	assert_int_equal(form_of(numbers, 102), HD_FORM_SOCKETCALL);
	assert_int_equal(form_of(numbers, 117), HD_FORM_IPC);
	assert_int_equal(form_of(numbers, 193), HD_FORM_SIZE64); /* truncate64 */
	assert_int_equal(numbers[511], CALL_NONE);
	assert_int_equal(call_class[NR_NONE], CLASS_NONE);
}

static void x32_calls_have_their_twins_class(void **state)
{
	unsigned own = 0;
	uint16_t numbers[64];

	sensor_x32_numbers(numbers);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].table != X32)
			continue;
		if (calls[i].number >= 512) {
			assert_in_range(calls[i].number, 512, 575);
			assert_int_equal(numbers[calls[i].number - 512], twin_of(calls[i].name));
			own++;
		} else {
			assert_int_equal(calls[i].number, twin_of(calls[i].name));
		}
	}
	assert_int_equal(own, 36);
}

static void socketcall_subcalls(void **state)
{
	/* <linux/net.h> */
	static const struct {
		unsigned sub, number;
	} wanted[] = { { 1, NR_socket },  { 2, NR_bind },     { 3, NR_connect },  { 4, NR_listen },   { 5, NR_accept },
		       { 11, NR_sendto }, { 16, NR_sendmsg }, { 18, NR_accept4 }, { 20, NR_sendmmsg } };

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_int_equal(socketcall_number[wanted[i].sub], wanted[i].number);
}

/* ---- what stays unseen ---- */

static enum sensor_tier fake_tier(void *self)
{
	return *(enum sensor_tier *)self;
}

static void fake_free(void *self)
{
}

static size_t fake_hooks(void *self, const struct sensor_hook **ret)
{
	*ret = NULL;
	return 0;
}

static const struct sensor_backend fake_backend = { .tier = fake_tier, .free = fake_free, .hooks = fake_hooks };

/* Line breaks and indents as one space each. */
static void unwrap(char *text)
{
	char *to = text;

	for (char *p = text; *p; p++) {
		if (*p == '\n' || *p == ' ')
			*p = ' ';
		if (*p != ' ' || (to > text && to[-1] != ' '))
			*to++ = *p;
	}
	*to = '\0';
}

/* Each sentence stands in bold in the tier's part of the page, and the page has no other. */
static unsigned blind_in(enum sensor_tier tier, const char *page)
{
	struct err err = { 0 };
	struct sensor *s = NULL;
	unsigned n = 0;

	assert_int_equal(sensor_of_backend(&fake_backend, &tier, &s, &err), 0);
	for (const char *const *blind = sensor_blind(s); blind[n]; n++) {
		char bold[512];

		(void)snprintf(bold, sizeof(bold), "- **%s**", blind[n]);
		if (!strstr(page, bold))
			fail_msg("docs/tiers.md does not say: %s", blind[n]);
	}
	sensor_free(s);
	return n;
}

static void blind_spots_are_the_pages(void **state)
{
	char *page = tiers_page(), *from, *to, *also;
	unsigned both = 0, tracepoint = 0;

	from = strstr(page, "\n## What each tier can't see\n");
	assert_non_null(from);
	to = strstr(from + 4, "\n## ");
	assert_non_null(to);
	*to = '\0';
	unwrap(from);
	also = strstr(from, "In the tracepoint tier also:");
	assert_non_null(also);
	for (const char *at = from; (at = strstr(at, "- **")); at++)
		*(at < also ? &both : &tracepoint) += 1;
	assert_int_equal(blind_in(SENSOR_TIER_TRACEPOINT, from), both + tracepoint);
	*also = '\0';
	assert_int_equal(blind_in(SENSOR_TIER_LSM, from), both);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_accounted_for),
		cmocka_unit_test(names_are_the_headers),
		cmocka_unit_test(i386_calls_have_their_twins_class),
		cmocka_unit_test(i386_numbers_name_the_right_call),
		cmocka_unit_test(forms),
		cmocka_unit_test(x32_calls_have_their_twins_class),
		cmocka_unit_test(socketcall_subcalls),
		cmocka_unit_test(blind_spots_are_the_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
