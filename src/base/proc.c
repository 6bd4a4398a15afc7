/* SPDX-License-Identifier: Apache-2.0 */
/* See proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

const char *proc_stat(uint32_t pid, char text[PROC_STAT_MAX])
{
	char path[32], *end;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%u/stat", (unsigned)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, PROC_STAT_MAX - 1);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	end = strrchr(text, ')');
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
