/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what attach is pointed at. */
#include "cli/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cgroup.h"
#include "cli/cli.h"
#include "sensor/sensor.h"
#include "workload/workload.h"

#define ID_MIN 12
#define ID_MAX 64
#define PIDS_MAX 65536

static void close_walk(FTS **walk)
{
	if (*walk)
		(void)fts_close(*walk);
}

void target_done(struct target *t)
{
	free(t->pids);
}

static int add_pid(struct target *t, uint32_t pid)
{
	for (size_t i = 0; i < t->pids_n; i++)
		if (t->pids[i] == pid)
			return 0;
	if (t->pids_n >= PIDS_MAX)
		return -E2BIG;
	uint32_t *pids = reallocarray(t->pids, t->pids_n + 1, sizeof(*pids));
	if (!pids)
		return -ENOMEM;
	t->pids = pids;
	pids[t->pids_n++] = pid;
	return 0;
}

int target_pid(const char *text, struct target *ret, struct err *err)
{
	char path[64], line[256], name[64] = "";
	unsigned tgid = 0;
	char state = '?';
	uint64_t pid;

	if (cli_parse_uint(text, INT32_MAX, &pid) < 0 || pid == 0)
		return err_set(err, EINVAL, "--pid takes the number of a process, not '%s'", text);
	(void)snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "Name: %63[^\n]", name);
		(void)sscanf(line, "State: %c", &state);
		/* A thread's number means its process. */
		(void)sscanf(line, "Tgid: %u", &tgid);
	}
	if (tgid == 0 || state == 'Z' || state == 'X')
		return err_set(err, ESRCH, "there is no process %llu; it may have ended", (unsigned long long)pid);
	(void)snprintf(ret->words, sizeof(ret->words), "pid %u (%s)", tgid, name);
	int r = add_pid(ret, tgid);
	return r < 0 ? err_errno(err, -r, "can't follow %s", ret->words) : 0;
}

static bool populated(const char *path)
{
	struct workload *w = NULL;
	int n = workload_adopt(path, false, &w, NULL) < 0 ? 0 : workload_populated(w);

	workload_free(w);
	return n > 0;
}

static bool below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int target_cgroup(const char *text, struct target *ret, struct err *err)
{
	char mount[PATH_MAX], joined[2 * PATH_MAX], path[PATH_MAX];
	int r = workload_cgroup2_mount(mount, sizeof(mount));

	if (r < 0)
		return err_set(err, -r, "this machine has no cgroup v2 hierarchy; use --pid");
	if (realpath(text, path) == NULL || !below(path, mount)) {
		(void)snprintf(joined, sizeof(joined), "%s/%.*s", mount, PATH_MAX - 1, text);
		if (realpath(joined, path) == NULL || !below(path, mount))
			return err_set(err, ENOENT, "there is no cgroup %s below %s", text, mount);
	}
	/* Everything that runs is not a target: the sensor would be in it. */
	if (strcmp(path, mount) == 0)
		return err_set(err, EINVAL, "the root of the cgroups can't be followed; name one below it");
	if (!populated(path))
		return err_set(err, ESRCH, "nothing runs in the cgroup %s", path);
	memcpy(ret->cgroup, path, strlen(path) + 1);
	(void)snprintf(ret->words, sizeof(ret->words), "cgroup %s", path + strlen(mount));
	return 0;
}

bool target_container_name(const char *name, const char *id)
{
	size_t wanted = strlen(id);

	if (strstr(name, "conmon"))
		return false;
	for (const char *p = name; *p;) {
		size_t run = strspn(p, "0123456789abcdef");
		bool starts = p == name || p[-1] == '-' || p[-1] == '_' || p[-1] == ':';

		if (starts && run >= ID_MIN && run >= wanted && strncmp(p, id, wanted) == 0 &&
		    (p[run] == '\0' || p[run] == '.'))
			return true;
		p += run ? run : 1;
	}
	return false;
}

static int add_member(void *context, uint32_t pid)
{
	return add_pid(context, pid);
}

/* Those of a cgroup that is gone are none. */
static int add_procs(const char *path, struct target *t)
{
	_cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = directory < 0 ? 0 : cgroup_each_id(directory, "cgroup.procs", add_member, t);

	return r == -ENOENT ? 0 : MIN(r, 0);
}

/*
 * Looks through one hierarchy. v2: remembers the directory; v1: the processes in it and below. -EEXIST when two
 * containers have ids that begin so.
 */
static int look_in(const char *mount, bool v2, const char *id, struct target *t, char found[PATH_MAX])
{
	char *roots[] = { (char *)mount, NULL };
	_cleanup_(close_walk) FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	FTSENT *entry;

	while (walk && (entry = fts_read(walk))) {
		if (entry->fts_info != FTS_D || !target_container_name(entry->fts_name, id))
			continue;
		if (entry->fts_pathlen >= PATH_MAX)
			continue;
		if (*found && strcmp(found, entry->fts_name) != 0)
			return -EEXIST;
		(void)snprintf(found, PATH_MAX, "%s", entry->fts_name);
		if (v2 && !*t->cgroup)
			(void)snprintf(t->cgroup, sizeof(t->cgroup), "%s", entry->fts_path);
		int r = v2 ? 0 : add_procs(entry->fts_path, t);
		if (r < 0)
			return r;
		/* What is below belongs to it. */
		if (v2)
			(void)fts_set(walk, entry, FTS_SKIP);
	}
	return 0;
}

static int look_in_v1(const char *id, struct target *t, char found[PATH_MAX])
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	int r = 0;

	while (r >= 0 && t->pids_n == 0 && f && getline(&line, &room, f) > 0) {
		char *save = NULL, *device = strtok_r(line, " ", &save), *path = strtok_r(NULL, " ", &save);
		char *type = strtok_r(NULL, " ", &save);

		if (device && path && type && strcmp(type, "cgroup") == 0)
			r = look_in(path, false, id, t, found);
	}
	return r;
}

int target_container(const char *text, struct target *ret, struct err *err)
{
	char mount[PATH_MAX], found[PATH_MAX] = "", id[ID_MAX + 1];
	size_t length = strlen(text);
	int r = 0;

	for (size_t i = 0; i < length && i < ID_MAX; i++)
		id[i] = (char)tolower((unsigned char)text[i]);
	id[MIN(length, (size_t)ID_MAX)] = '\0';
	if (length < ID_MIN || length > ID_MAX || strspn(id, "0123456789abcdef") != length)
		return err_set(err, EINVAL, "--container takes 12 to 64 hex digits of the container's id, not '%s'",
			       text);
	if (workload_cgroup2_mount(mount, sizeof(mount)) == 0)
		r = look_in(mount, true, id, ret, found);
	if (r >= 0 && !populated(ret->cgroup)) {
		ret->cgroup[0] = '\0';
		r = look_in_v1(id, ret, found);
	}
	if (r == -EEXIST)
		return err_set(err, EEXIST, "more than one container's id begins with %s; give more of it", text);
	if (r < 0)
		return err_errno(err, -r, "can't look for the container %s", text);
	if (!*ret->cgroup && ret->pids_n == 0)
		return err_set(err, ESRCH, "no container %s runs here", text);
	(void)snprintf(ret->words, sizeof(ret->words), "container %s", found);
	return 0;
}

/* Whether a v2 cgroup is that directory's or below it. One whose process is gone is nobody's. */
static bool within(uint32_t pid, const struct cgroup_mount *v2, const char *directory)
{
	size_t length = strlen(directory);
	char at[CGROUP_PATH_MAX];
	int r = cgroup_directory_of("/proc", pid, NULL, v2, at, sizeof(at));

	return r == -ESRCH || (r == 0 && strncmp(at, directory, length) == 0 && (!at[length] || at[length] == '/'));
}

/* Whether all who are in a v1 cgroup, or below it, are in that v2 cgroup: else its memory is not theirs to guard. */
static bool all_within(const char *v1, const char *cgroup)
{
	char *roots[] = { (char *)v1, NULL };
	_cleanup_(close_walk) FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	_cleanup_(target_done) struct target in = { 0 };
	struct cgroup_mount v2;
	FTSENT *entry;

	if (!walk || cgroup_find_mount("/proc", NULL, &v2) < 0)
		return false;
	while ((entry = fts_read(walk)))
		if (entry->fts_info == FTS_D && add_procs(entry->fts_path, &in) < 0)
			return false;
	for (size_t i = 0; i < in.pids_n; i++)
		if (!within(in.pids[i], &v2, cgroup))
			return false;
	return true;
}

/* The v1 memory cgroup of one who is in the target, where it is the target's own. */
static bool memory_of(uint32_t pid, const char *cgroup, char *ret, size_t size)
{
	struct cgroup_mount mount;

	return pid && cgroup_find_mount("/proc", "memory", &mount) == 0 &&
	       cgroup_directory_of("/proc", pid, "memory", &mount, ret, size) == 0 && strcmp(ret, mount.at) != 0 &&
	       all_within(ret, cgroup);
}

void target_places(const struct target *t, struct workload_places *ret)
{
	struct stat st;
	char path[PATH_MAX + 32];

	*ret = (struct workload_places){ 0 };
	if (!*t->cgroup || snprintf(ret->cgroup, sizeof(ret->cgroup), "%s", t->cgroup) >= (int)sizeof(ret->cgroup)) {
		*ret->cgroup = '\0';
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/memory.current", t->cgroup);
	if (stat(path, &st) == 0) {
		memcpy(ret->memory, ret->cgroup, sizeof(ret->memory));
		return;
	}
	uint32_t first = t->pids_n ? t->pids[0] : sensor_process_in(t->cgroup);

	ret->memory_v1 = memory_of(first, t->cgroup, ret->memory, sizeof(ret->memory));
	if (!ret->memory_v1)
		*ret->memory = '\0';
}
