/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a policy file: refused with one line, or read so that its own words mean the same again. */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vitals/guard-policy.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

static bool ends(const char *text, size_t room)
{
	return memchr(text, '\0', room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guard_policy p = { 0 }, again = { 0 };
	char words[1024], words2[1024];
	struct err err = { 0 };
	int r = guard_policy_parse_file("policy", (const char *)data, size, &p, &err);

	if (r < 0) {
		REQUIRE(r == -EINVAL && err.text[0] && !strchr(err.text, '\n'));
		return 0;
	}
	REQUIRE(p.save_n <= GUARD_PATHS_MAX && ends(p.hook, sizeof(p.hook)) && ends(p.save_hook, sizeof(p.save_hook)));
	REQUIRE(ends(p.save_to, sizeof(p.save_to)) && ends(p.agent, sizeof(p.agent)));
	for (unsigned i = 0; i < p.save_n; i++)
		REQUIRE(ends(p.save[i], sizeof(p.save[i])));
	for (unsigned i = 0; i < GUARD_RUNG_MAX; i++)
		REQUIRE(p.at[i] <= 1000 && p.within_ns[i] >= 0);
	REQUIRE(p.patience_ns > 0 && p.save_deadline_ns > 0 && p.hook_deadline_ns > 0);
	guard_policy_describe(&p, words, sizeof(words));
	if (p.on[GUARD_SAVE] || strlen(words) == sizeof(words) - 1)
		return 0; /* its paths are not among the words */
	REQUIRE(guard_policy_parse_file("words", words, strlen(words), &again, &err) == 0 || strchr(words, ','));
	if (guard_policy_parse(words, &again, &err) == 0) {
		guard_policy_describe(&again, words2, sizeof(words2));
		REQUIRE(strcmp(words, words2) == 0);
	}
	return 0;
}
