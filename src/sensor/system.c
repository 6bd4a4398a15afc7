/* SPDX-License-Identifier: Apache-2.0 */
/* See system.h. */
#include "sensor/system.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include "base/cgroup.h"
#include "base/proc.h"

#define PROCESSES_MAX (1u << 20)

static int read_line(const char *path, char *ret, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

/* "none [integrity] confidentiality": the one in brackets. */
static void lockdown(char *ret, size_t size)
{
	char line[128], *open, *close;

	(void)snprintf(ret, size, "unknown");
	if (read_line("/sys/kernel/security/lockdown", line, sizeof(line)) < 0)
		return;
	open = strchr(line, '[');
	close = open ? strchr(open, ']') : NULL;
	if (!close)
		return;
	*close = '\0';
	(void)snprintf(ret, size, "%s", open + 1);
}

bool system_lsm_active(const char *name)
{
	char line[512], *rest = line, *one;

	if (read_line("/sys/kernel/security/lsm", line, sizeof(line)) < 0)
		return false;
	while ((one = strsep(&rest, ",")))
		if (!strcmp(one, name))
			return true;
	return false;
}

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

bool system_cgroup2_mount(char *ret, size_t size)
{
	struct cgroup_mount mount;

	return cgroup_find_mount("/proc", NULL, &mount) == 0 && snprintf(ret, size, "%s", mount.at) < (int)size;
}

void system_describe(struct sensor_probe *ret)
{
	struct utsname name;

	if (!uname(&name))
		(void)snprintf(ret->kernel, sizeof(ret->kernel), "%s", name.release);
	lockdown(ret->lockdown, sizeof(ret->lockdown));
	ret->root = geteuid() == 0;
	ret->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	ret->cgroup2 = system_cgroup2_mount(ret->cgroup2_mount, sizeof(ret->cgroup2_mount));
}

int system_cgroup_id(const char *path, uint64_t *ret_id, unsigned *ret_level)
{
	char mount[128], real[PATH_MAX];
	struct stat st;
	unsigned level = 0;

	if (!realpath(path, real))
		return -errno;
	if (!is_cgroup2(real) || !system_cgroup2_mount(mount, sizeof(mount)))
		return -ENOTDIR;
	if (stat(real, &st))
		return -errno;
	/* kernfs numbers a cgroup's directory with its id. */
	*ret_id = st.st_ino;
	for (const char *p = real + MIN(strlen(mount), strlen(real)); *p; p++)
		level += *p == '/';
	*ret_level = level;
	return 0;
}

struct family {
	uint32_t *pids;
	size_t n, room;
};

static bool family_has(const struct family *f, uint32_t pid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->pids[i] == pid)
			return true;
	return false;
}

static int family_add(struct family *f, uint32_t pid)
{
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 64;
		uint32_t *grown = room > PROCESSES_MAX ? NULL : realloc(f->pids, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->pids = grown;
		f->room = room;
	}
	f->pids[f->n++] = pid;
	return 0;
}

static uint32_t parent_of(uint32_t pid)
{
	char text[PROC_STAT_MAX];
	const char *stat = proc_stat(pid, text);
	unsigned parent = 0;

	return stat && sscanf(stat, " %*c %u", &parent) == 1 ? parent : 0;
}

/* One pass over /proc; adds children of members. Returns how many were added, or negative errno. */
static int family_pass(struct family *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	int added = 0;

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		uint32_t pid;

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		pid = (uint32_t)strtoul(d->d_name, NULL, 10);
		if (family_has(f, pid) || !family_has(f, parent_of(pid)))
			continue;
		if (family_add(f, pid) < 0) {
			(void)closedir(dir);
			return -ENOMEM;
		}
		added++;
	}
	(void)closedir(dir);
	return added;
}

int system_descendants(uint32_t pid, uint32_t **ret, size_t *ret_n)
{
	struct family f = { 0 };
	int r;

	if (!parent_of(pid) && pid != 1)
		return -ESRCH;
	r = family_add(&f, pid);
	while (r >= 0) {
		r = family_pass(&f);
		if (r <= 0)
			break;
	}
	if (r < 0) {
		free(f.pids);
		return r;
	}
	*ret = f.pids;
	*ret_n = f.n;
	return 0;
}

/* One line of /proc/PID/cgroup: "4:memory:/some/where". */
static void v1_home(char *line, uint64_t *ids, uint32_t *levels)
{
	char *rest = line, *number = strsep(&rest, ":"), *controllers = strsep(&rest, ":"), *path = rest;
	unsigned long hierarchy = number ? strtoul(number, NULL, 10) : 0;
	struct cgroup_mount mount;
	char whole[PATH_MAX];
	struct stat st;

	if (!path || !hierarchy || hierarchy >= HD_MAX_HIERARCHIES)
		return;
	path[strcspn(path, "\n")] = '\0';
	controllers[strcspn(controllers, ",")] = '\0';
	if (!strcmp(path, "/") || cgroup_find_mount("/proc", controllers, &mount) < 0)
		return;
	if (snprintf(whole, sizeof(whole), "%s%s", mount.at, path) >= (int)sizeof(whole) || stat(whole, &st))
		return;
	ids[hierarchy] = st.st_ino;
	for (const char *p = path; *p; p++)
		levels[hierarchy] += *p == '/';
}

void system_v1_homes(uint32_t pid, uint64_t ids[HD_MAX_HIERARCHIES], uint32_t levels[HD_MAX_HIERARCHIES])
{
	char path[64], line[PATH_MAX];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		v1_home(line, ids, levels);
	(void)fclose(f);
}

/* In the directory itself, and where that has none in those below it: depth ends what others nest for us. */
static uint32_t process_in(const char *cgroup, unsigned depth)
{
	char path[PATH_MAX], line[32];
	struct dirent *entry;
	uint32_t found;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	found = read_line(path, line, sizeof(line)) < 0 ? 0 : (uint32_t)strtoul(line, NULL, 10);
	d = found || depth == 0 ? NULL : opendir(cgroup);
	while (d && !found && (entry = readdir(d)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", cgroup, entry->d_name) < (int)sizeof(path))
			found = process_in(path, depth - 1);
	if (d)
		(void)closedir(d);
	return found;
}

uint32_t sensor_process_in(const char *cgroup)
{
	return process_in(cgroup, 4);
}
