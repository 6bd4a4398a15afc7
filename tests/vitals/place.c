/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char v2_mount[128], v1_mount[128], v1_own[200];

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int r = n < 0 ? -errno : 0;

	if (fd >= 0)
		(void)close(fd);
	return r;
}

static void find_mounts(void)
{
	char line[1024], where[128], type[32], options[256];
	FILE *f = fopen("/proc/mounts", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %127s %31s %255s", where, type, options) != 3)
			continue;
		if (strcmp(type, "cgroup2") == 0 && !*v2_mount)
			memcpy(v2_mount, where, sizeof(where));
		if (strcmp(type, "cgroup") == 0 && strstr(options, "memory"))
			memcpy(v1_mount, where, sizeof(where));
	}
	if (f)
		(void)fclose(f);
	f = fopen("/proc/self/cgroup", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *memory = strstr(line, ":memory:");

		if (memory && *v1_mount)
			(void)snprintf(v1_own, sizeof(v1_own), "%.*s", (int)strcspn(memory + 8, "\n"), memory + 8);
	}
	if (f)
		(void)fclose(f);
}

const char *place_missing(void)
{
	char path[600], text[256] = "";
	FILE *f;

	if (geteuid() != 0)
		return "needs root";
	find_mounts();
	if (!*v2_mount)
		return "no cgroup v2 hierarchy is mounted";
	if (*v1_mount)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", v2_mount);
	f = fopen(path, "re");
	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		(void)fclose(f);
	return strstr(text, "memory") ? NULL : "no memory controller in any hierarchy";
}

static int make_v2(struct place *p, const char *name)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", v2_mount);
	if (!p->v1)
		(void)write_file(path, "+memory");
	(void)snprintf(path, sizeof(path), "%s/heddle-test", v2_mount);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/heddle-test/cgroup.subtree_control", v2_mount);
	if (!p->v1 && write_file(path, "+memory") < 0)
		return -ENODEV;
	(void)snprintf(p->cgroup, sizeof(p->cgroup), "%s/heddle-test/%s-%d", v2_mount, name, (int)getpid());
	if (mkdir(p->cgroup, 0755) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", p->cgroup);
	if (!p->v1 && write_file(path, "+memory") < 0)
		return -ENODEV;
	(void)snprintf(p->home, sizeof(p->home), "%s/agent", p->cgroup);
	return mkdir(p->home, 0755) < 0 ? -errno : 0;
}

int place_make(struct place *ret, const char *name)
{
	int r;

	*ret = (struct place){ .v1 = *v1_mount };
	r = make_v2(ret, name);
	if (r < 0)
		return r;
	if (!ret->v1) {
		memcpy(ret->memory, ret->cgroup, sizeof(ret->memory));
		return 0;
	}
	(void)snprintf(ret->memory, sizeof(ret->memory), "%s%s/heddle-%s-%d", v1_mount,
		       strcmp(v1_own, "/") ? v1_own : "", name, (int)getpid());
	return mkdir(ret->memory, 0755) < 0 ? -errno : 0;
}

int place_enter(const struct place *p)
{
	char path[600];
	int r = 0;

	if (p->v1) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", p->memory);
		r = write_file(path, "0");
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", p->home);
	return r < 0 ? r : write_file(path, "0");
}

/* What is still dying gets a moment. */
static void remove_all(const char *path)
{
	char below[1024];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(below, sizeof(below), "%s/agent", path);
		(void)rmdir(below);
		for (int n = 0; n < 64; n++) {
			(void)snprintf(below, sizeof(below), "%s/tool-%d", path, n);
			(void)rmdir(below);
		}
		if (rmdir(path) == 0 || errno == ENOENT)
			return;
		(void)poll(NULL, 0, 10);
	}
	(void)fprintf(stderr, "# left behind: %s\n", path);
}

void place_remove(struct place *p)
{
	char path[600];

	if (p->v1) {
		(void)snprintf(path, sizeof(path), "%s/memory.oom_control", p->memory);
		(void)write_file(path, "0");
	}
	(void)snprintf(path, sizeof(path), "%s/cgroup.kill", p->cgroup);
	(void)write_file(path, "1");
	remove_all(p->cgroup);
	if (p->v1)
		remove_all(p->memory);
	(void)snprintf(path, sizeof(path), "%s/heddle-test", v2_mount);
	(void)rmdir(path);
}

int hog(uint64_t bytes, uint64_t rate)
{
	uint64_t begin = now_ns(), step = 256 * 1024;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	for (uint64_t done = 0; done < bytes; done += step) {
		memset(p + done, 1, bytes - done < step ? bytes - done : step);
		while (rate && (now_ns() - begin) < (uint64_t)((double)done / (double)rate * 1e9))
			(void)poll(NULL, 0, 1);
	}
	return 0;
}
