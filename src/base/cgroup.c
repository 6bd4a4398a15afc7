/* SPDX-License-Identifier: Apache-2.0 */
/* Reads mountinfo and /proc/PID/cgroup. See cgroup.h. */
#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

/* Undoes mountinfo's octal escapes in place. */
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

/* Whether a list with commas has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ',') && (p[n] == '\0' || p[n] == ',' || p[n] == '\n'))
			return true;
	return false;
}

/* The part after " - ": type, source, options of the file system. */
static bool is_hierarchy(char *tail, const char *controller)
{
	char *save = NULL;
	const char *type = strtok_r(tail, " \n", &save), *options;

	if (!type || strcmp(type, controller ? "cgroup" : "cgroup2") != 0)
		return false;
	(void)strtok_r(NULL, " \n", &save);
	options = strtok_r(NULL, " \n", &save);
	return !controller || (options && has_word(options, controller));
}

static int copy(char *to, size_t size, char *field)
{
	unescape(field);
	if (strlen(field) >= size)
		return -ENAMETOOLONG;
	memcpy(to, field, strlen(field) + 1);
	return 0;
}

int cgroup_find_mount(const char *proc, const char *controller, struct cgroup_mount *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[CGROUP_PATH_MAX];
	size_t room = 0;

	(void)snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		char *tail = strstr(line, " - "), *save = NULL, *root, *at;

		if (!tail || !is_hierarchy(tail + 3, controller))
			continue;
		*tail = '\0';
		/* The root is the fourth field, the mount point the fifth. */
		(void)strtok_r(line, " ", &save);
		(void)strtok_r(NULL, " ", &save);
		(void)strtok_r(NULL, " ", &save);
		root = strtok_r(NULL, " ", &save);
		at = strtok_r(NULL, " ", &save);
		if (!root || !at)
			continue;
		int r = copy(ret->root, sizeof(ret->root), root);
		return r < 0 ? r : copy(ret->at, sizeof(ret->at), at);
	}
	return -ENOENT;
}

/* A line of /proc/PID/cgroup: "4:cpu,cpuacct:/path", "0::/path". The path, where it is that hierarchy's. */
static char *path_in(char *line, const char *controller)
{
	char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

	if (!path)
		return NULL;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	return (controller ? has_word(list + 1, controller) : !list[1]) ? path : NULL;
}

/* Feeds whole numbers to fn; what is left of one at the end of a chunk is kept for the next. */
int cgroup_each_id(int directory, const char *file, int (*fn)(void *context, uint32_t id), void *context)
{
	_cleanup_close_ int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);
	char text[4096];
	uint64_t value = 0;
	bool digits = false;
	int r = 0, seen = 0;

	if (fd < 0)
		return -errno;
	for (ssize_t n; r == 0 && (n = read(fd, text, sizeof(text))) != 0;) {
		/* What was removed while open has no device any more. */
		if (n < 0)
			return errno == ENODEV ? -ENOENT : errno == EOPNOTSUPP ? 0 : -errno;
		for (ssize_t i = 0; r == 0 && i < n; i++) {
			bool digit = text[i] >= '0' && text[i] <= '9';

			if (digit)
				value = MIN(value * 10 + (uint64_t)(text[i] - '0'), (uint64_t)UINT32_MAX + 1);
			if (digits && !digit) {
				seen++;
				r = value > 0 && value <= UINT32_MAX ? fn(context, (uint32_t)value) : 0;
				value = 0;
			}
			digits = digit;
		}
	}
	return r < 0 ? r : seen;
}

int cgroup_directory_of(const char *proc, uint32_t pid, const char *controller, const struct cgroup_mount *mount,
			char *ret, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char file[CGROUP_PATH_MAX];
	size_t room = 0, root = strcmp(mount->root, "/") ? strlen(mount->root) : 0;

	if (pid)
		(void)snprintf(file, sizeof(file), "%s/%u/cgroup", proc, pid);
	else
		(void)snprintf(file, sizeof(file), "%s/self/cgroup", proc);
	f = fopen(file, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &room, f) > 0) {
		const char *path = path_in(line, controller);

		if (!path || *path != '/')
			continue;
		/* Of what is mounted there, only the part below can be reached; a "/.." is above the namespace. */
		if (strncmp(path, mount->root, root) != 0 || (path[root] && path[root] != '/') ||
		    strncmp(path, "/..", 3) == 0)
			return -ENOENT;
		path += root;
		int n = snprintf(ret, size, "%s%s", mount->at, strcmp(path, "/") ? path : "");

		return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
	}
	return -ENOENT;
}
