/* SPDX-License-Identifier: Apache-2.0 */
/* See proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

size_t proc_read(const char *proc, uint32_t pid, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];

	text[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%" PRIu32 "/%s", proc ?: "/proc", pid, name) >= (int)sizeof(path))
		return 0;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[MAX(n, 0)] = '\0';
	return (size_t)MAX(n, 0);
}

const char *proc_stat(uint32_t pid, char text[PROC_STAT_MAX])
{
	(void)proc_read(NULL, pid, "stat", text, PROC_STAT_MAX);
	const char *end = strrchr(text, ')');

	return end ? end + 1 : NULL;
}

int proc_boot8(char ret[9])
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (read(fd, ret, 8) != 8)
		return -EIO;
	ret[8] = '\0';
	return 0;
}
