/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of what can't be had again: transcripts, the working directory. The names in there are the workload's, which
 * may put anything anywhere at any time. So each name is opened from the directory above, one component at a time, by a
 * descriptor that only stands for it (O_PATH), never through a symbolic link; what it is is asked of that descriptor;
 * and only then it is opened to be read, with the command's own user id, so that what is copied is what the command
 * could read. Devices, pipes and sockets are left out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "vitals/act-internal.h"

#define DEPTH_MAX 32
#define ENTRIES_MAX 100000
#define FILE_BYTES_MAX (UINT64_C(256) << 20)
#define TOTAL_BYTES_MAX (UINT64_C(1) << 30)
#define COPIES_MAX 1000

struct copy {
	const struct save_plan *plan;
	struct save_count *count;
	dev_t to_dev; /* where the copies go: not to be copied itself */
	ino_t to_ino;
	unsigned entries;
	bool capped;
};

static void as_command(const struct copy *c)
{
	(void)setfsgid(c->plan->gid);
	(void)setfsuid(c->plan->uid);
}

static void as_ourselves(void)
{
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
}

/* Stands for the name, whatever it is; opens nothing. */
static int name_open(int at, const char *name)
{
	const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));

	/* Before 5.6: a single component without "..", so that this is as good. */
	if (fd < 0 && errno == ENOSYS)
		fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The same object, to be read. */
static int name_reopen(const struct copy *c, int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	as_command(c);
	int r = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
	r = r < 0 ? -errno : r;
	as_ourselves();
	return r;
}

/* Only errors of the destination end it all; a source that is gone or may not be read is left out. */
static int copy_bytes(struct copy *c, int from, int to, uint64_t size)
{
	uint64_t left = MIN(size, FILE_BYTES_MAX);
	ssize_t n = 1;

	if (c->count->bytes + left > TOTAL_BYTES_MAX)
		left = TOTAL_BYTES_MAX - c->count->bytes;
	c->capped |= left < size;
	if (left == size && ioctl(to, FICLONE, from) == 0) {
		c->count->bytes += size;
		return 0;
	}
	while (left > 0 && n > 0) {
		n = copy_file_range(from, NULL, to, NULL, left, 0);
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
			char block[65536];

			n = read(from, block, MIN(left, sizeof(block)));
			if (n > 0 && write(to, block, (size_t)n) != n)
				return errno ? -errno : -ENOSPC;
		}
		if (n < 0)
			return errno == ENOSPC || errno == EDQUOT ? -errno : 0;
		left -= (uint64_t)n;
		c->count->bytes += (uint64_t)n;
	}
	return 0;
}

static int copy_file(struct copy *c, int source, const struct stat *s, int to, const char *name)
{
	_cleanup_close_ int from = name_reopen(c, source, 0);

	if (from < 0) {
		c->count->skipped++;
		return 0;
	}
	_cleanup_close_ int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return errno == EEXIST ? 0 : -errno;
	c->count->files++;
	return copy_bytes(c, from, out, (uint64_t)s->st_size);
}

static int make_directory(int at, const char *name)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return directory_open(at, name);
}

static int copy_tree(struct copy *c, int source, int to, unsigned depth);

static int copy_name(struct copy *c, int at, const char *name, int to, unsigned depth)
{
	_cleanup_close_ int fd = name_open(at, name);
	struct stat s;

	if (c->entries++ >= ENTRIES_MAX || c->count->bytes >= TOTAL_BYTES_MAX || depth >= DEPTH_MAX) {
		c->capped = true;
		return 0;
	}
	if (fd < 0 || fstat(fd, &s) < 0 || (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode))) {
		c->count->skipped++;
		return 0;
	}
	if (S_ISREG(s.st_mode))
		return copy_file(c, fd, &s, to, name);
	if (s.st_dev == c->to_dev && s.st_ino == c->to_ino)
		return 0;
	_cleanup_close_ int below = make_directory(to, name);
	return below < 0 ? below : copy_tree(c, fd, below, depth + 1);
}

static int each_name(struct copy *c, int source, int (*fn)(struct copy *c, int at, const char *name, void *context),
		     void *context)
{
	int list = name_reopen(c, source, O_DIRECTORY), r = 0;
	DIR *d = list < 0 ? NULL : fdopendir(list);

	if (!d) {
		if (list >= 0)
			(void)close(list);
		c->count->skipped++;
		return 0;
	}
	for (struct dirent *e; r >= 0 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = fn(c, source, e->d_name, context);
	(void)closedir(d);
	return r;
}

struct below {
	int to;
	unsigned depth;
	const char *pattern; /* what is left of it */
};

static int copy_each(struct copy *c, int at, const char *name, void *context)
{
	const struct below *b = context;

	return copy_name(c, at, name, b->to, b->depth);
}

static int copy_tree(struct copy *c, int source, int to, unsigned depth)
{
	struct below b = { .to = to, .depth = depth };

	return each_name(c, source, copy_each, &b);
}

/* --- patterns ---------------------------------------------------------------------------------------------------- */

static int walk(struct copy *c, int at, int to, const char *pattern, unsigned depth);

/* One name that meets the first component: what follows decides whether it is copied or gone into. */
static int enter(struct copy *c, int at, const char *name, void *context)
{
	const struct below *b = context;
	size_t n = strcspn(b->pattern, "/");
	const char *rest = b->pattern + n + strspn(b->pattern + n, "/");
	char component[GUARD_PATH_MAX];
	struct stat s;

	(void)snprintf(component, sizeof(component), "%.*s", (int)n, b->pattern);
	if (fnmatch(component, name, FNM_PERIOD | FNM_NOESCAPE) != 0)
		return 0;
	if (!*rest)
		return copy_name(c, at, name, b->to, b->depth);
	_cleanup_close_ int fd = name_open(at, name);
	if (fd < 0 || fstat(fd, &s) < 0 || !S_ISDIR(s.st_mode))
		return 0;
	_cleanup_close_ int below = make_directory(b->to, name);
	return below < 0 ? below : walk(c, fd, below, rest, b->depth + 1);
}

static int walk(struct copy *c, int at, int to, const char *pattern, unsigned depth)
{
	struct below b = { .to = to, .depth = depth, .pattern = pattern };
	char component[GUARD_PATH_MAX];
	size_t n = strcspn(pattern, "/");

	if (depth >= DEPTH_MAX)
		return 0;
	if (!*pattern || strcmp(pattern, "**") == 0)
		return copy_tree(c, at, to, depth);
	(void)snprintf(component, sizeof(component), "%.*s", (int)n, pattern);
	if (strcmp(component, "..") == 0 || strcmp(component, ".") == 0)
		return -EINVAL;
	/* A plain name needs no listing. */
	if (!strpbrk(component, "*?["))
		return enter(c, at, component, &b);
	return each_name(c, at, enter, &b);
}

/* Makes the directories of a path that nobody but us has a say in. */
static int make_path(int at, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	int fd = fcntl(at, F_DUPFD_CLOEXEC, 0), r;
	char *save = NULL;

	if (!copy || fd < 0)
		return copy ? -errno : -ENOMEM;
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		r = make_directory(fd, name);
		(void)close(fd);
		if (r < 0)
			return r;
		fd = r;
	}
	return fd;
}

static int save_path(struct copy *c, int to, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->plan->places); i++) {
		const struct save_place *place = &c->plan->places[i];
		size_t n = strlen(place->prefix);

		if (strncmp(path, place->prefix, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		if (place->directory < 0)
			return 0;
		_cleanup_close_ int below = make_path(to, place->path);
		path += n + strspn(path + n, "/");
		return below < 0 ? below : walk(c, place->directory, below, path, 0);
	}
	return -EINVAL;
}

int save_copy(const struct save_plan *plan, struct save_count *ret)
{
	struct copy c = { .plan = plan, .count = ret };
	_cleanup_close_ int to = directory_open(AT_FDCWD, plan->to);
	struct stat s;
	int r = to < 0 ? to : fstat(to, &s) < 0 ? -errno : 0;

	if (r >= 0 && geteuid() == 0)
		(void)setgroups(0, NULL);
	if (r >= 0) {
		c.to_dev = s.st_dev;
		c.to_ino = s.st_ino;
	}
	for (unsigned i = 0; r >= 0 && i < plan->policy->save_n; i++)
		r = save_path(&c, to, plan->policy->save[i]);
	return r < 0 ? r : c.capped ? -EFBIG : 0;
}

/* --- the rung ---------------------------------------------------------------------------------------------------- */

/* A new directory for this time's copies. */
static int make_place(struct act *a, char **ret)
{
	_cleanup_free_ char *top = NULL;
	int n = *a->policy.save_to ? asprintf(&top, "%s/%s", a->policy.save_to, a->o.session ?: "session")
		: a->o.home	   ? asprintf(&top, "%s/saved/%s", a->o.home, a->o.session ?: "session")
				   : -2;

	if (n < 0) {
		top = NULL;
		return n == -2 ? -EOPNOTSUPP : -ENOMEM;
	}
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = root < 0 ? -errno : make_path(root, top);
	if (fd < 0)
		return fd;
	for (unsigned i = a->next_copy; i < COPIES_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%u", i + 1);
		a->next_copy = i + 1;
		if (mkdirat(fd, name, 0700) == 0)
			return asprintf(ret, "%s/%s", top, name) < 0 ? -ENOMEM : 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -ENOSPC;
}

static int start_copy(struct act *a, unsigned task, const char *to)
{
	const struct save_plan plan = {
		.places = { { "~", a->user_home, a->o.user_home ?: "" },
			    { "$CWD", a->directory, a->o.directory ?: "" },
			    { "", open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/" } },
		.policy = &a->policy,
		.to = to,
		.uid = a->o.uid,
		.gid = a->o.gid,
	};
	struct save_count count = { 0 };
	_cleanup_close_ int root = plan.places[2].directory;
	bool child = false;
	unsigned job;
	int r = job_fork(a, task, JOB_PLAIN, a->policy.save_deadline_ns, &job, &child);

	if (r >= 0 && child)
		_exit(MIN(-save_copy(&plan, &count), 125));
	return r;
}

int save(struct act *a, const struct guard_action *action)
{
	_cleanup_free_ char *to = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	int task, r = 0, q = 0;

	if (action->undo)
		return 0;
	task = job_task(a, action);
	if (task < 0)
		return task;
	r = make_place(a, &to);
	if (r >= 0 && a->policy.save_n > 0)
		r = start_copy(a, (unsigned)task, to);
	if (*a->policy.save_hook)
		q = hook_start(a, (unsigned)task, a->policy.save_hook, to, a->policy.save_deadline_ns);
	if (to && r >= 0) {
		buf_adds(&text, "saving to ");
		(void)text_escape(&text, to, strlen(to));
		if (a->o.say && text.data)
			a->o.say(a->o.context, text.data);
	}
	r = r < 0 ? r : q;
	if (a->tasks[task].jobs == 0) {
		a->tasks[task].used = false;
		return MIN(r, 0);
	}
	/* The other half goes on. */
	if (r < 0)
		a->tasks[task].result = r;
	return 1;
}
