/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup files, always relative to a directory that is open: a name may be another cgroup's tomorrow. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cgroup.h"
#include "base/text.h"
#include "vitals/act-internal.h"

int file_write(int directory, const char *name, const char *text)
{
	_cleanup_close_ int fd = directory == -1 ? -1 : openat(directory, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return directory == -1 ? -ENOENT : -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int file_write_u64(int directory, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return file_write(directory, name, text);
}

int file_read(int directory, const char *name, char *ret, size_t size)
{
	_cleanup_close_ int fd = directory == -1 ? -1 : openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return directory == -1 ? -ENOENT : -errno;
	n = read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return (int)n;
}

int file_read_u64(int directory, const char *name, uint64_t *ret)
{
	char text[32];
	int n = file_read(directory, name, text, sizeof(text));

	if (n < 0)
		return n;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "max") == 0) {
		*ret = VITALS_UNKNOWN;
		return 0;
	}
	return text_parse_u64(text, ret);
}

int directory_open(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int kill_one(void *context, uint32_t pid)
{
	(void)context;
	(void)kill((pid_t)pid, SIGKILL);
	return 0;
}

void procs_kill(int directory)
{
	(void)cgroup_each_id(directory, "cgroup.procs", kill_one, NULL);
}

bool cgroup_populated(int directory)
{
	char text[256];

	if (file_read(directory, "cgroup.events", text, sizeof(text)) >= 0)
		return strstr(text, "populated 1");
	/* v1 has no such file. */
	return file_read(directory, "cgroup.procs", text, sizeof(text)) > 0;
}
