/* SPDX-License-Identifier: Apache-2.0 */
/* See mountinfo.h. */
#include "base/mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

static void close_stream(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

/* Undoes octal escapes in place. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in;) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' && in[3] >= '0' &&
		    in[3] <= '7') {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
}

int mountinfo_parse(char *line, struct mountinfo *ret)
{
	char *fields[10] = { 0 }, *save = NULL, *rest = strstr(line, " - ");

	if (!rest)
		return -EINVAL;
	*rest = '\0';
	rest += 3;
	rest[strcspn(rest, "\n")] = '\0';
	for (int i = 0; i < 5; i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!fields[i])
			return -EINVAL;
	}
	char *type = strtok_r(rest, " ", &save), *source = strtok_r(NULL, " ", &save);
	char *options = strtok_r(NULL, " ", &save);
	if (!type)
		return -EINVAL;
	/* A file system may be mounted from the empty string: then what follows is one field to the left. */
	if (!options)
		options = source ? source : rest + strlen(rest);
	unescape(fields[3]);
	unescape(fields[4]);
	*ret = (struct mountinfo){ .root = fields[3], .point = fields[4], .type = type, .options = options };
	return 0;
}

static bool has_option(const char *options, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = options; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, name, length) == 0 && (p[length] == ',' || !p[length]))
			return true;
	return false;
}

/* What of `path` lies below `root`: "" or "/...", NULL when it is elsewhere. */
static const char *below_root(const char *path, const char *root)
{
	size_t length = strlen(root);

	if (strcmp(root, "/") == 0)
		return strcmp(path, "/") == 0 ? "" : path;
	if (strncmp(path, root, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return path + length;
}

/* "..": it lies outside our cgroup namespace, so no mount that we see can show it. */
static bool leads_up(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		if (!p[3] || p[3] == '/')
			return true;
	return false;
}

int mountinfo_cgroup(const char *file, const char *controller, const char *below, char *ret_path, char *ret_mount,
		     size_t size)
{
	_cleanup_(close_stream) FILE *f = fopen(file, "re");
	_cleanup_free_ char *line = NULL;
	const char *type = controller ? "cgroup" : "cgroup2";
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		struct mountinfo m;
		const char *rest = "";

		if (mountinfo_parse(line, &m) < 0 || strcmp(m.type, type) != 0)
			continue;
		if (controller && !has_option(m.options, controller))
			continue;
		if (below) {
			rest = below_root(below, m.root);
			if (!rest || leads_up(rest))
				continue;
		}
		size_t point = strlen(m.point), more = strlen(rest);
		if (point + more >= size)
			return -ENAMETOOLONG;
		memcpy(ret_path, m.point, point);
		memcpy(ret_path + point, rest, more + 1);
		if (ret_mount)
			memcpy(ret_mount, m.point, point + 1);
		return 0;
	}
	return -ENOENT;
}
