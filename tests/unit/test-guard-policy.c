/* SPDX-License-Identifier: Apache-2.0 */
/* The language of --guard: what it means, what it refuses, and that each refusal names the word and the remedy. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "vitals/guard-policy.h"

#define SECOND INT64_C(1000000000)
#define MIB (UINT64_C(1) << 20)

static struct guard_policy parsed(const char *text)
{
	struct guard_policy p;
	struct err err = { 0 };

	if (guard_policy_parse(text, &p, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return p;
}

static void rungs_are(const struct guard_policy *p, const char *expected)
{
	char names[128] = "";
	size_t n = 0;

	for (unsigned i = 0; i < GUARD_RUNG_MAX; i++)
		if (p->on[i])
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? " " : "", guard_rung_name(i));
	assert_string_equal(names, expected);
}

static void presets(void **state)
{
	struct guard_policy p = parsed("off");

	rungs_are(&p, "");
	assert_false(guard_policy_acts(&p));
	p = parsed("tell");
	rungs_are(&p, "tell");
	assert_false(guard_policy_acts(&p));
	p = parsed("gentle");
	rungs_are(&p, "tell reclaim brake borrow freeze save");
	p = parsed("default");
	rungs_are(&p, "tell reclaim brake borrow freeze save kill");
	assert_true(guard_policy_acts(&p));
	assert_true(p.save_n > 0);
	assert_string_equal(p.save[0], "~/.claude/projects/**");
	for (unsigned i = 1; i < GUARD_RUNG_MAX; i++)
		assert_true(p.at[i] <= p.at[i - 1]);
}

static void lists(void **state)
{
	struct guard_policy p = parsed("brake=12.5%/500ms, kill");

	rungs_are(&p, "brake kill");
	assert_int_equal(p.at[GUARD_BRAKE], 125);
	assert_int_equal(p.within_ns[GUARD_BRAKE], SECOND / 2);
	assert_int_equal(p.at[GUARD_KILL], 20);
	assert_int_equal(p.save_n, 0);

	/* Rounded up: no time that was asked for becomes none. */
	p = parsed("tell=50%/5us");
	assert_int_equal(p.within_ns[GUARD_TELL], SECOND / 1000);
	/* A level without a time is a level alone. */
	p = parsed("tell=50%");
	assert_int_equal(p.within_ns[GUARD_TELL], 0);
	assert_int_equal(p.at[GUARD_TELL], 500);

	p = parsed("default,no-kill,no-save,copy=none,kill-all=1%");
	rungs_are(&p, "tell reclaim brake borrow freeze kill-all");

	/* Settings alone change the default. */
	p = parsed("reserve=64M,patience=2s,signal=USR1,agent=node");
	rungs_are(&p, "tell reclaim brake borrow freeze save kill");
	assert_int_equal(p.reserve_bytes, 64 * MIB);
	assert_int_equal(p.patience_ns, 2 * SECOND);
	assert_int_equal(p.signal, SIGUSR1);
	assert_string_equal(p.agent, "node");
	p = parsed("no-kill");
	rungs_are(&p, "tell reclaim brake borrow freeze save");

	p = parsed("save,copy=$CWD/**,copy=~/notes,save-hook=sync; true,save-deadline=3s,save-to=/var/x");
	assert_int_equal(p.save_n, 2);
	assert_string_equal(p.save[1], "~/notes");
	assert_string_equal(p.save_hook, "sync; true");
	assert_int_equal(p.save_deadline_ns, 3 * SECOND);
	assert_string_equal(p.save_to, "/var/x");
}

static void files(void **state)
{
	static const char text[] = "# what may be done\n\n  default\nno-kill\r\n\tbrake=8%/1s\n"
				   "hook=logger -t heddle \"$HEDDLE_WHY\", and more # not a comment\n#end";
	char path[] = "/tmp/heddle-policy-XXXXXX";
	struct guard_policy p;
	struct err err = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	(void)close(fd);
	p = parsed(path);
	rungs_are(&p, "tell reclaim brake borrow freeze save");
	assert_int_equal(p.at[GUARD_BRAKE], 80);
	assert_string_equal(p.hook, "logger -t heddle \"$HEDDLE_WHY\", and more # not a comment");
	(void)unlink(path);
	assert_int_equal(guard_policy_parse(path, &p, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));

	assert_int_equal(guard_policy_parse_file("f", "tell\n\nbrek=3%\n", 14, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "f:3: 'brek=3%' is no setting"));
	assert_int_equal(guard_policy_parse_file("f", "xy\0zz", 5, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "NUL"));
	assert_int_equal(guard_policy_parse_file("f", "", 0, &p, &err), 0);
	rungs_are(&p, "tell reclaim brake borrow freeze save kill");
}

static void refusals(void **state)
{
	static const struct {
		const char *text, *word, *remedy;
	} cases[] = {
		{ "standard", "'standard'", "off, tell, gentle, default" },
		{ "", "''", "empty" },
		{ "tell,,kill", "''", "comma" },
		{ "tell,default", "'default'", "stand first" },
		{ "brake=ten", "'brake=ten'", "brake=10%" },
		{ "brake=10", "'brake=10'", "brake=10%" },
		{ "brake=101%", "'brake=101%'", "from 0% to 100%" },
		{ "brake=5.%", "'brake=5.%'", "brake=10%" },
		{ "brake=10%/", "'brake=10%/'", "brake=10%/2s" },
		{ "brake=10%/soon", "'brake=10%/soon'", "brake=10%/2s" },
		{ "reserve=lots", "'reserve=lots'", "reserve=64M" },
		{ "reserve=0", "'reserve=0'", "reserve=64M" },
		{ "patience=0", "'patience=0'", "patience=5s" },
		{ "save-deadline=9d", "'save-deadline=9d'", "save-deadline=5s" },
		{ "signal=KILL", "'signal=KILL'", "USR1" },
		{ "hook=", "'hook='", "nothing after" },
		{ "copy=notes", "'copy=notes'", "~/" },
		{ "save-to=saved", "'save-to=saved'", "absolute" },
		{ "agent=0123456789abcdef", "'agent=0123456789abcdef'", "15 bytes" },
		{ "tell,save", "'save'", "copy=known" },
		{ "speed=3", "'speed=3'", "patience" },
		{ "x\x1bll", "'x\\x1bll'", "neither" },
		{ "/nonexistent/policy", "/nonexistent/policy", "No such file" },
	};
	struct guard_policy p, before;
	struct err err;

	memset(&p, 0x5a, sizeof(p));
	before = p;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		err = (struct err){ 0 };
		if (guard_policy_parse(cases[i].text, &p, &err) >= 0)
			fail_msg("accepted: %s", cases[i].text);
		if (!strstr(err.text, cases[i].word) || !strstr(err.text, cases[i].remedy) || strchr(err.text, '\n'))
			fail_msg("%s: %s", cases[i].text, err.text);
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

static void caps(void **state)
{
	char text[8192] = "save";
	size_t n = 4;
	struct guard_policy p;
	struct err err = { 0 };

	for (int i = 0; i <= GUARD_PATHS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",copy=/p%d", i);
	assert_int_equal(guard_policy_parse(text, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "16 at most"));
	n = (size_t)snprintf(text, sizeof(text), "hook=");
	memset(text + n, 'x', 4000);
	text[n + 4000] = '\0';
	assert_int_equal(guard_policy_parse(text, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "too long"));
}

static void reserves(void **state)
{
	struct guard_policy p = parsed("default");

	assert_int_equal(guard_policy_reserve(&p, 2048 * MIB), 2048 * MIB / 20);
	assert_int_equal(guard_policy_reserve(&p, 256 * MIB), 32 * MIB);
	assert_int_equal(guard_policy_reserve(&p, 64 * MIB), 16 * MIB);
	p = parsed("reserve=100M");
	assert_int_equal(guard_policy_reserve(&p, 2048 * MIB), 100 * MIB);
	assert_int_equal(guard_policy_reserve(&p, 200 * MIB), 50 * MIB);
	p = parsed("default,no-borrow");
	assert_int_equal(guard_policy_reserve(&p, 2048 * MIB), 0);
}

static void in_words(void **state)
{
	struct guard_policy p = parsed("off"), again;
	char text[1024], text2[1024];

	guard_policy_describe(&p, text, sizeof(text));
	assert_string_equal(text, "off");
	p = parsed("brake=12.5%/500ms,kill=2%,patience=2s");
	guard_policy_describe(&p, text, sizeof(text));
	assert_string_equal(text, "brake=12.5%/500ms,kill=2.0%,patience=2000ms");
	/* The words are the language: they mean the same again. */
	again = parsed(text);
	guard_policy_describe(&again, text2, sizeof(text2));
	assert_string_equal(text, text2);
}

static bool page_has(const char *page, const char *text)
{
	if (!strstr(page, text))
		(void)fprintf(stderr, "docs/guard.md lacks %s\n", text);
	return strstr(page, text);
}

/* docs/guard.md has every rung, and every place of known agents. */
static void documented(void **state)
{
	static char page[65536];
	struct guard_policy p = parsed("default");
	FILE *f = fopen("docs/guard.md", "re");
	char text[GUARD_PATH_MAX + 2];

	assert_non_null(f);
	assert_true(fread(page, 1, sizeof(page) - 1, f) > 1000);
	(void)fclose(f);
	for (unsigned i = 0; i < p.save_n; i++) {
		(void)snprintf(text, sizeof(text), "`%s`", p.save[i]);
		assert_true(page_has(page, text));
	}
	for (unsigned i = 0; i < GUARD_RUNG_MAX; i++) {
		(void)snprintf(text, sizeof(text), "| `%s` |", guard_rung_name(i));
		assert_true(page_has(page, text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets),  cmocka_unit_test(lists),	  cmocka_unit_test(files),
		cmocka_unit_test(refusals), cmocka_unit_test(caps),	  cmocka_unit_test(reserves),
		cmocka_unit_test(in_words), cmocka_unit_test(documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
