/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/coverage.md is made of: which behaviour was seen by which path, told by the events that met a test. */
#include "kernel-test.h"

#include <string.h>
#include <sys/utsname.h>

#include "json-read.h"
#include "keys.h"

/* Each line once, however many events say the same. */
static void say_once(const char *text)
{
	static struct keys said;

	if (keys_add(&said, text))
		(void)printf("# covers %s\n", text);
}

void covers_tier(const char *tier)
{
	struct utsname u = { 0 };
	char text[160];

	(void)uname(&u);
	(void)snprintf(text, sizeof(text), "tier %.32s %.64s", tier, u.release);
	say_once(text);
}

void covers(const struct line *l, const char *way)
{
	const struct json *verified = json_get(l->json, "verified");
	const char *detail = "", *via = json_text(l->json, "via");
	char text[256];

	if (strcmp(l->type, "file_metadata") == 0)
		detail = json_text(l->json, "operation");
	else if (strcmp(l->type, "sandbox_escape") == 0)
		detail = json_text(l->json, "category");
	/* A declared way is narrower than `via`: x32 is told as compat, a passed descriptor is read by a plain call. */
	(void)snprintf(text, sizeof(text), "%s%s%.40s %.32s %s %s", l->type, *detail ? "/" : "", detail,
		       *way ? way : via, verified && verified->integer ? "verified" : "unverified",
		       json_int(l->json, "result", 0) < 0 ? "refused" : "done");
	say_once(text);
}
