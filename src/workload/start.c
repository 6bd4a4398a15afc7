/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the command up to its gate. The child does all that can fail (directory, user) before the gate and reports
 * it; after the gate it does nothing but exec. Its reports come over a close-on-exec pipe, so that the pipe's end
 * says that the exec worked.
 */
#include "workload/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GROUPS_MAX 65536

struct workload {
	pid_t pid;
	int gate;    /* write end; the child execs when a byte comes, exits when it is closed */
	int report;  /* read end */
	int cgroup_fd;
	bool own;    /* the cgroups go when we go */
	bool leaf;   /* the command is in a cgroup below the session's */
	struct v1_place memory;
	char cgroup[PATH_MAX];
	char program[PATH_MAX];
};

/* Where and why the child gave up; stage STAGE_GATE: it stands at the gate. */
enum stage {
	STAGE_GATE,
	STAGE_USER,
	STAGE_DIRECTORY,
	STAGE_EXEC,
};

struct report {
	int stage;
	int code; /* positive errno */
};

struct identity {
	bool set;
	uid_t uid;
	gid_t gid;
	int groups_n;
	gid_t *groups;
	char name[256], home[PATH_MAX];
};

/* 0 when it is a file that may be executed; else the negative errno. */
static int executable(int directory, const char *path)
{
	struct stat st;

	if (fstatat(directory, path, &st, 0) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(directory, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* As execvp searches: what may not be executed is passed over, and remembered. */
static int search(int directory, const char *name, char *ret, size_t size)
{
	const char *path = getenv("PATH");
	int best = -ENOENT;

	for (const char *p = path ? path : "/usr/local/bin:/usr/bin:/bin", *end;; p = end + 1) {
		end = strchrnul(p, ':');
		int n = snprintf(ret, size, "%.*s%s%s", (int)MIN(end - p, PATH_MAX), p, end > p ? "/" : "./", name);
		int r = n < 0 || (size_t)n >= size ? -ENAMETOOLONG : executable(directory, ret);

		if (r == 0)
			return 0;
		if (r == -EACCES)
			best = r;
		if (!*end)
			return best;
	}
}

int workload_find_program(const struct workload_options *options, char *ret, size_t size, struct err *err)
{
	const char *name = options->argv[0];
	_cleanup_close_ int directory = -1;
	int r;

	if (options->directory) {
		directory = open(options->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (directory < 0)
			/* Not ENOENT: that says that the command was not found. */
			return err_set(err, ENOTDIR, "can't start in %s: %s", options->directory, strerror(errno));
	}
	int at = directory >= 0 ? directory : AT_FDCWD;
	if (strchr(name, '/')) {
		r = executable(at, name);
		if (r == 0 && strlen(name) >= size)
			r = -ENAMETOOLONG;
		if (r == 0)
			memcpy(ret, name, strlen(name) + 1);
	} else {
		r = *name ? search(at, name, ret, size) : -ENOENT;
	}
	if (r == -ENOENT && !strchr(name, '/'))
		return err_set(err, ENOENT, "%s: command not found", name);
	if (r == -ENOENT || r == -ENOTDIR)
		return err_set(err, ENOENT, "%s: no such file", name);
	if (r < 0)
		return err_errno(err, -r, "can't execute %s", name);
	return 0;
}

static int find_user(const char *user, struct identity *id, struct err *err)
{
	struct passwd *entry = getpwnam(user);
	char *end = NULL;
	unsigned long number = strtoul(user, &end, 10);

	if (!entry && *user >= '0' && *user <= '9' && !*end && number < UINT32_MAX) {
		entry = getpwuid((uid_t)number);
		if (!entry) {
			*id = (struct identity){ .set = true, .uid = (uid_t)number, .gid = (gid_t)number };
			return 0;
		}
	}
	if (!entry)
		return err_set(err, EINVAL, "there is no user %s", user);
	id->set = true;
	id->uid = entry->pw_uid;
	id->gid = entry->pw_gid;
	(void)snprintf(id->name, sizeof(id->name), "%s", entry->pw_name);
	(void)snprintf(id->home, sizeof(id->home), "%s", entry->pw_dir);
	for (int room = 64; room <= GROUPS_MAX; room *= 2) {
		gid_t *groups = reallocarray(id->groups, (size_t)room, sizeof(*groups));

		if (!groups)
			return err_errno(err, ENOMEM, "can't find the groups of %s", user);
		id->groups = groups;
		id->groups_n = room;
		if (getgrouplist(id->name, id->gid, groups, &id->groups_n) >= 0)
			return 0;
	}
	return err_set(err, E2BIG, "%s is in too many groups", user);
}

static void identity_done(struct identity *id)
{
	free(id->groups);
}

static int become(const struct identity *id)
{
	if (!id->set)
		return 0;
	if (setgroups((size_t)id->groups_n, id->groups) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
	    setresuid(id->uid, id->uid, id->uid) < 0)
		return -errno;
	if (*id->name && (setenv("HOME", id->home, 1) < 0 || setenv("USER", id->name, 1) < 0 ||
			  setenv("LOGNAME", id->name, 1) < 0))
		return -errno;
	return 0;
}

static void tell(int fd, enum stage stage, int code)
{
	struct report report = { .stage = (int)stage, .code = code };

	(void)!write(fd, &report, sizeof(report));
}

static ssize_t read_retry(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = read(fd, data, size);
	while (n < 0 && errno == EINTR);
	return n;
}

/* A file without a known format goes to the shell, as every launcher and shell does. */
static void exec_shell(const char *program, char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	const char **args = calloc(n + 2, sizeof(*args));
	if (!args)
		return;
	args[0] = "sh";
	args[1] = program;
	for (size_t i = 1; i < n; i++)
		args[i + 1] = argv[i];
	(void)execv("/bin/sh", (char *const *)args);
	free(args);
}

static _Noreturn void child(const struct workload_options *options, const struct workload *w, const struct identity *id,
			    int gate, int report)
{
	char byte;
	int r = become(id);

	if (r < 0) {
		tell(report, STAGE_USER, -r);
		_exit(125);
	}
	if (options->directory && chdir(options->directory) < 0) {
		tell(report, STAGE_DIRECTORY, errno);
		_exit(125);
	}
	/* After the change of the user, which would undo it. A parent that is dead already has closed the gate. */
	if (options->die_with_us)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (options->ignore_sigchld)
		(void)signal(SIGCHLD, SIG_IGN);
	tell(report, STAGE_GATE, 0);
	/* Last, so that no signal can stop us while the parent waits for the report. */
	if (options->mask)
		(void)sigprocmask(SIG_SETMASK, options->mask, NULL);
	if (read_retry(gate, &byte, 1) != 1)
		_exit(125);
	(void)execv(w->program, options->argv);
	if (errno == ENOEXEC)
		exec_shell(w->program, options->argv);
	r = errno;
	tell(report, STAGE_EXEC, r);
	_exit(r == ENOENT ? 127 : 126);
}

static int wait_for_gate(struct workload *w, const struct workload_options *options, struct err *err)
{
	struct report report;

	if (read_retry(w->report, &report, sizeof(report)) != (ssize_t)sizeof(report))
		return err_set(err, ECHILD, "the command's process ended before its start");
	switch ((enum stage)report.stage) {
	case STAGE_USER:
		return err_errno(err, report.code, "can't become the user %s", options->user);
	case STAGE_DIRECTORY:
		return err_set(err, report.code == ENOENT ? ENOTDIR : report.code, "can't start in %s: %s",
			       options->directory, strerror(report.code));
	case STAGE_GATE:
	case STAGE_EXEC:
		return 0;
	}
	return err_set(err, EPROTO, "the command's process said something else than expected");
}

static void drop_cgroup(struct workload *w)
{
	(void)cgroup_remove(w->cgroup, w->cgroup_fd);
	close_fd(&w->cgroup_fd);
	w->cgroup_fd = -1;
	w->cgroup[0] = '\0';
	w->own = false;
}

/*
 * Into its cgroups. In v1's the command is measured and limited; where it can't be put it is followed all the same.
 * Moving a process into a cgroup waits for all processors (some 15 ms), while the sensor is still being loaded.
 */
static void enter(struct workload *w, bool limited)
{
	_cleanup_close_ int leaf = -1;

	if (w->own && limited)
		w->leaf = cgroup_make_leaf(w->cgroup_fd, &leaf) == 0;
	if (w->own && cgroup_enter(leaf >= 0 ? leaf : w->cgroup_fd, w->pid) < 0)
		drop_cgroup(w);
	if (v1_enter(&w->memory, w->pid) < 0)
		v1_drop(&w->memory);
}

static int start_child(struct workload *w, const struct workload_options *options, const struct identity *id,
		       struct err *err)
{
	int gate[2], report[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return err_errno(err, errno, "can't make a pipe");
	_cleanup_close_ int gate_read = gate[0];
	w->gate = gate[1];
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_errno(err, errno, "can't make a pipe");
	_cleanup_close_ int report_write = report[1];
	w->report = report[0];

	pid_t pid = fork();
	if (pid < 0)
		return err_errno(err, errno, "can't fork");
	if (pid == 0) {
		/* Else the gate would never be seen as closed. */
		(void)close(w->gate);
		child(options, w, id, gate_read, report_write);
	}
	w->pid = pid;
	enter(w, options->limited);
	close_fd(&report_write);
	report_write = -1;
	return wait_for_gate(w, options, err);
}

static struct workload *workload_new(void)
{
	struct workload *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->gate = w->report = w->cgroup_fd = -1;
	w->memory = V1_PLACE_INIT;
	return w;
}

int workload_start(const struct workload_options *options, struct workload **ret, struct err *err)
{
	_cleanup_(identity_done) struct identity id = { 0 };
	_cleanup_(workload_free_p) struct workload *w = workload_new();
	int r;

	if (!w)
		return err_errno(err, ENOMEM, "can't start the command");
	r = workload_find_program(options, w->program, sizeof(w->program), err);
	if (r < 0)
		return r;
	if (options->user) {
		r = find_user(options->user, &id, err);
		if (r < 0)
			return r;
	}
	cgroup_sweep();
	if (options->limited)
		cgroup_offer_controllers();
	w->own = cgroup_create(options->session, w->cgroup, sizeof(w->cgroup), &w->cgroup_fd, NULL) == 0;
	if (options->measured) {
		v1_sweep("memory");
		(void)v1_create("memory", options->session, &w->memory);
	}
	r = start_child(w, options, &id, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

int workload_adopt(const char *cgroup, bool own, struct workload **ret, struct err *err)
{
	_cleanup_(workload_free_p) struct workload *w = workload_new();

	if (!w || strlen(cgroup) >= sizeof(w->cgroup))
		return err_errno(err, w ? ENAMETOOLONG : ENOMEM, "can't follow the cgroup %.200s", cgroup);
	int r = cgroup_open(cgroup, own, &w->cgroup_fd, err);
	if (r < 0)
		return r;
	memcpy(w->cgroup, cgroup, strlen(cgroup) + 1);
	w->own = own;
	*ret = TAKE_PTR(w);
	return 0;
}

void workload_places(const struct workload *w, struct workload_places *ret)
{
	*ret = (struct workload_places){ 0 };
	(void)snprintf(ret->cgroup, sizeof(ret->cgroup), "%.1023s", w->cgroup);
	ret->memory_v1 = w->memory.fd >= 0;
	if (ret->memory_v1)
		(void)snprintf(ret->memory, sizeof(ret->memory), "%.1023s", w->memory.path);
	else if (w->cgroup_fd >= 0 && cgroup_has(w->cgroup_fd, "memory.current"))
		memcpy(ret->memory, ret->cgroup, sizeof(ret->memory));
}

int workload_adopt_places(const struct workload_places *places, bool own, struct workload **ret, struct err *err)
{
	int r = workload_adopt(places->cgroup, own, ret, err);

	if (r < 0)
		return r;
	if (places->memory_v1)
		(void)v1_adopt(places->memory, &(*ret)->memory);
	return 0;
}

void workload_free(struct workload *w)
{
	if (!w)
		return;
	if (w->gate >= 0) {
		(void)close(w->gate);
		/* Not when the caller has reaped it: then the number may be somebody else's. */
		if (w->pid > 0 && waitpid(w->pid, NULL, WNOHANG) == 0) {
			(void)kill(w->pid, SIGKILL);
			while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
	}
	if (w->own)
		(void)cgroup_remove(w->cgroup, w->cgroup_fd);
	close_fd(&w->cgroup_fd);
	v1_drop(&w->memory);
	close_fd(&w->report);
	free(w);
}

int workload_release(struct workload *w, struct err *err)
{
	ssize_t n = write(w->gate, "", 1);
	int code = errno;

	close_fd(&w->gate);
	w->gate = -1;
	/* EPIPE: it was killed at the gate; waiting for it tells how. */
	if (n != 1 && code != EPIPE)
		return err_errno(err, code, "can't open the command's gate");
	return 0;
}

int workload_exec_error(const struct workload *w)
{
	struct report report;

	/* A descendant can't hold the other end: it closes on exec. */
	if (w->report < 0 || read_retry(w->report, &report, sizeof(report)) != (ssize_t)sizeof(report))
		return 0;
	return report.stage == STAGE_EXEC ? -report.code : 0;
}

pid_t workload_pid(const struct workload *w)
{
	return w->pid;
}

const char *workload_cgroup(const struct workload *w)
{
	return w->cgroup;
}

const char *workload_program(const struct workload *w)
{
	return w->program;
}

int workload_populated(const struct workload *w)
{
	return w->cgroup_fd < 0 ? -EOPNOTSUPP : cgroup_count(w->cgroup_fd);
}

int workload_kill(struct workload *w)
{
	return w->cgroup_fd < 0 ? -EOPNOTSUPP : cgroup_kill(w->cgroup_fd);
}

int workload_freeze(struct workload *w, bool on)
{
	return w->cgroup_fd < 0 ? -EOPNOTSUPP : cgroup_freeze(w->cgroup_fd, on);
}

int workload_freezer(const struct workload *w)
{
	int fd = w->cgroup_fd < 0 ? -1 : openat(w->cgroup_fd, "cgroup.freeze", O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd : w->cgroup_fd < 0 ? -EOPNOTSUPP : -errno;
}

uint64_t workload_memory_peak(const struct workload *w)
{
	return w->cgroup_fd < 0 ? 0 : cgroup_memory_peak(w->cgroup_fd);
}
