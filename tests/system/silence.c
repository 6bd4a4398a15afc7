/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that is attached and says nothing must be found. The real programs are loaded; then one of them is taken away
 * behind the sensor's back (its link, or its place in the table of handlers), which goes on believing that it is
 * there; then the canaries have to name that one and no other. One process each. Root and BTF.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sensor/sensor.h"

#define FDS 1024
#define CLASSES 17 /* of bpf/calls.h; 0 is none */

/* Programs by the name that the kernel keeps (15 bytes), and the hook that they are. */
static const struct {
	const char *program, *hook;
	bool fatal; /* without its answer the sensor refuses */
} programs[] = {
	{ "on_sys_exit", "tp_btf/sys_exit", true },
	{ "on_newtask", "tp_btf/task_newtask", true },
	{ "on_exec", "tp_btf/sched_process_exec", true },
	{ "on_rename", "tp_btf/task_rename", false },
	{ "on_exit", "tp_btf/sched_process_exit", true },
	{ "on_state", "tp_btf/inet_sock_set_state", false },
	{ "on_attach", "tp_btf/cgroup_attach_task", false },
	{ "on_egress", "cgroup_skb/egress", false },
	{ "on_ingress", "cgroup_skb/ingress", false },
	{ "on_sock_create", "cgroup/sock_create", false },
	{ "lsm_unlink", "lsm/path_unlink", false },
	{ "lsm_rename", "lsm/path_rename", false },
	{ "lsm_setxattr", "lsm/inode_setxattr", false },
	{ "fentry_want_write", "fentry/mnt_want_write", false },
};

static const char *const parts[CLASSES] = {
	NULL,     "open",   "write", "copy",      "close",  "metadata", "socket", "connect", "listen",
	"accept", "send",   "privilege", "memory", "escape", "mount",    "exec",   "clone",
};

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static bool describe(int fd, void *info, size_t size)
{
	union bpf_attr attr = { .info = { .bpf_fd = (__u32)fd, .info_len = (__u32)size, .info = (__u64)(size_t)info } };

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0;
}

/* What kind of BPF object a descriptor of ours is: "bpf_link", "bpf-map"; false: none of that kind. */
static bool is_kind(int fd, const char *kind)
{
	char path[64], target[128] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, kind);
}

/* Puts /dev/null in the place of the link, which is the last that holds it. */
static bool take_link(const char *program)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int fd = 3; fd < FDS; fd++) {
		struct bpf_link_info link;
		struct bpf_prog_info prog;
		union bpf_attr attr;
		int prog_fd;

		memset(&link, 0, sizeof(link));
		memset(&prog, 0, sizeof(prog));
		memset(&attr, 0, sizeof(attr));
		if (!is_kind(fd, "bpf_link") || !describe(fd, &link, sizeof(link)))
			continue;
		attr.prog_id = link.prog_id;
		prog_fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		if (prog_fd < 0 || !describe(prog_fd, &prog, sizeof(prog)))
			continue;
		(void)close(prog_fd);
		if (strncmp(prog.name, program, BPF_OBJ_NAME_LEN - 1) == 0)
			return dup2(null, fd) == fd;
	}
	return false;
}

static bool take_handler(__u32 class)
{
	for (int fd = 3; fd < FDS; fd++) {
		struct bpf_map_info map;
		union bpf_attr attr;

		memset(&map, 0, sizeof(map));
		memset(&attr, 0, sizeof(attr));
		if (!is_kind(fd, "bpf-map") || !describe(fd, &map, sizeof(map)) || strcmp(map.name, "handlers") != 0)
			continue;
		attr.map_fd = (__u32)fd;
		attr.key = (__u64)(size_t)&class;
		return bpf(BPF_MAP_DELETE_ELEM, &attr) == 0;
	}
	return false;
}

/* What can't be told from the silence of what it leans on: its answer may be either. */
static bool leans_on(const struct sensor_canary *row, const char *hook, const char *part)
{
	bool all = !strcmp(hook, "tp_btf/sys_exit") && !part;

	if (!strcmp(row->hook, "cgroup/sock_create"))
		return !strcmp(hook, "cgroup_skb/ingress");
	if (!strcmp(row->hook, "tp_btf/task_rename"))
		return !strcmp(hook, "tp_btf/sched_process_exec");
	if (!strcmp(row->hook, "tp_btf/inet_sock_set_state"))
		return all || (part && !strcmp(part, "connect"));
	/* A close tells of what was written. */
	if (row->part && !strcmp(row->part, "close"))
		return part && !strcmp(part, "write");
	/* All of them come through one handler, and three through the mount. */
	if (!strncmp(row->hook, "lsm/path_", 9))
		return all || (part && !strcmp(part, "metadata"));
	if (!strncmp(row->hook, "lsm/inode_", 10))
		return all || (part && !strcmp(part, "metadata")) || !strcmp(hook, "fentry/mnt_want_write");
	if (!strcmp(row->hook, "fentry/mnt_want_write"))
		return all || (part && !strcmp(part, "metadata"));
	return false;
}

static int complain(const char *what, const char *hook, const char *part)
{
	(void)printf("# %s: %s%s%s\n", what, hook, part ? ", " : "", part ? part : "");
	return 1;
}

/* Exactly the row of this hook (and part) is silent. */
static int judge(const struct sensor *s, const char *hook, const char *part)
{
	const struct sensor_canary *rows;
	size_t n = sensor_canary_rows(s, &rows);
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		bool its = !strcmp(rows[i].hook, hook) && (!part || !strcmp(rows[i].part ? rows[i].part : "", part));

		if (!its && leans_on(&rows[i], hook, part))
			continue;
		if (its && rows[i].answer != SENSOR_SILENT)
			bad += complain("was not found silent", rows[i].hook, rows[i].part);
		if (!its && rows[i].answer != SENSOR_ANSWERED)
			bad += complain("should have answered", rows[i].hook, rows[i].part);
	}
	return n ? bad : complain("no canary sang", hook, part);
}

/* 0 good, 1 bad, 2: no such hook in this tier. */
static int one(const char *program, const char *hook, unsigned class, bool fatal)
{
	struct sensor_options options = { 0 };
	struct sensor *s = NULL;
	struct err err = { 0 };
	int r;

	if (sensor_open(&options, &s, &err) < 0) {
		(void)printf("# %s\n", err.text);
		return 1;
	}
	if (program ? !take_link(program) : !take_handler(class))
		return 2;
	r = sensor_canaries(s, &err);
	if (fatal != (r < 0)) {
		(void)printf("# %s\n", r < 0 ? err.text : "a required hook was silent, and nothing refused");
		return 1;
	}
	if (fatal && !strstr(err.text, hook))
		return complain("is not in the refusal", hook, err.text);
	return judge(s, hook, program ? NULL : parts[class]) ? 1 : 0;
}

static unsigned tests, failed;

static void run(const char *program, const char *hook, unsigned class, bool fatal)
{
	int status = 1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		status = one(program, hook, class, fatal);
		(void)fflush(stdout);
		_exit(status);
	}
	(void)waitpid(pid, &status, 0);
	bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == 2, good = skipped || status == 0;
	tests++;
	failed += !good;
	(void)printf("%sok %u - %s%s%s%s\n", good ? "" : "not ", tests, hook, program ? "" : ", ",
		     program ? "" : parts[class], skipped ? " # SKIP not a hook of this tier" : "");
}

int main(void)
{
	if (geteuid() != 0 || access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
		(void)printf("1..0 # SKIP needs root and a kernel with BTF\n");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		run(programs[i].program, programs[i].hook, 0, programs[i].fatal);
	for (unsigned class = 1; class < CLASSES; class++)
		run(NULL, "tp_btf/sys_exit", class, false);
	(void)printf("1..%u\n", tests);
	return failed != 0;
}
