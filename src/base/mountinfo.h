/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/mountinfo, as far as cgroup hierarchies need it. */
#pragma once

#include <stddef.h>

struct mountinfo {
	const char *root;    /* the directory of the file system that is mounted */
	const char *point;   /* where */
	const char *type;
	const char *options; /* the file system's own: a v1 hierarchy has its controllers here */
};

/* Takes one line apart, in place; octal escapes are undone. 0, or -EINVAL for what is no such line. */
int mountinfo_parse(char *line, struct mountinfo *ret);

/*
 * The mount of a cgroup hierarchy, from a file like /proc/self/mountinfo: with controller NULL that of version 2, else
 * that of version 1 which has this controller. If `below` is given, the mount must show that path of its hierarchy, and
 * ret_path is the path's directory; else it is the mount point. ret_mount, which may be NULL, is the mount point. Both
 * have `size` bytes. -ENOENT: there is none; -ENAMETOOLONG.
 */
int mountinfo_cgroup(const char *file, const char *controller, const char *below, char *ret_path, char *ret_mount,
		     size_t size);
