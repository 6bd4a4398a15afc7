/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's memory, for those who show it beside the workloads'. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "vitals/cgroup-files.h"
#include "vitals/source.h"

int vitals_host_read(const char *proc, struct vitals_host *ret)
{
	char path[PATH_MAX], text[8192];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/meminfo", proc) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	memset(ret, 0xff, sizeof(*ret));
	cgroup_files_meminfo(text, (size_t)n, ret);
	return 0;
}
