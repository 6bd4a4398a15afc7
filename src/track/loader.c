/* SPDX-License-Identifier: Apache-2.0 */
/* See loader.h. */
#include "track/loader.h"

#include <string.h>

static bool is_loader(struct bytes exe)
{
	const char *slash = exe.length ? memrchr(exe.data, '/', exe.length) : NULL;
	const char *name = slash ? slash + 1 : exe.data;
	size_t length = slash ? exe.length - (size_t)(name - exe.data) : exe.length;

	return (length > 9 && !memcmp(name, "ld-linux-", 9)) || (length > 8 && !memcmp(name, "ld-musl-", 8)) ||
	       (length > 12 && !memcmp(name, "ld-linux.so.", 12)) || (length == 5 && !memcmp(name, "ld.so", 5));
}

static bool is(struct bytes b, const char *text)
{
	return b.length == strlen(text) && !memcmp(b.data, text, b.length);
}

/* The options of ld.so(8) that take a word of their own. */
static bool takes_word(struct bytes option)
{
	static const char *const options[] = { "--library-path",
					       "--glibc-hwcaps-prepend",
					       "--glibc-hwcaps-mask",
					       "--inhibit-rpath",
					       "--audit",
					       "--preload",
					       "--argv0" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (is(option, options[i]))
			return true;
	return false;
}

/* Relative names start at the working directory. Only joined, not resolved: it is the caller's word anyway. */
static bool join(struct event *e, struct bytes name)
{
	size_t need = e->cwd.path.length + 1 + name.length;
	char *to;

	if (name.data[0] == '/' || !bytes_set(e->cwd.path)) {
		e->loaded.path = name;
		return true;
	}
	if (!e->arena || EVENT_ARENA_BYTES - e->arena_used < need)
		return false;
	while (name.length > 2 && !memcmp(name.data, "./", 2)) {
		name.data += 2;
		name.length -= 2;
	}
	to = e->arena + e->arena_used;
	memcpy(to, e->cwd.path.data, e->cwd.path.length);
	to[e->cwd.path.length] = '/';
	memcpy(to + e->cwd.path.length + 1, name.data, name.length);
	e->loaded.path = (struct bytes){ to, e->cwd.path.length + 1 + name.length };
	e->arena_used += need;
	return true;
}

void loader_fill(struct event *e)
{
	if (bytes_set(e->loaded.path) || !is_loader(e->exe.path))
		return;
	for (uint32_t i = 1; i < e->args_n; i++) {
		struct bytes a = e->args[i];

		if (a.length == 0)
			return;
		if (a.data[0] != '-') {
			(void)join(e, a);
			return;
		}
		i += takes_word(a);
	}
}
