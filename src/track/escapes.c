/* SPDX-License-Identifier: Apache-2.0 */
/* See escapes.h. */
#include "track/escapes.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const struct escape_rule escape_paths[] = {
	/* Links first: what lies behind one of another process is reached through it, whatever it is. */
	{ "/proc/[0-9]*/root*", false, HD_ESC_CONTAINER, HD_RULE_MAGIC_LINK, "another process's root directory" },
	{ "/proc/[0-9]*/cwd*", false, HD_ESC_CONTAINER, HD_RULE_MAGIC_LINK, "another process's working directory" },
	{ "/proc/[0-9]*/exe", false, HD_ESC_CONTAINER, HD_RULE_MAGIC_LINK, "another process's image" },
	{ "/proc/[0-9]*/fd/*", false, HD_ESC_CONTAINER, HD_RULE_MAGIC_LINK, "another process's descriptors" },
	{ "/proc/[0-9]*/map_files/*", false, HD_ESC_CONTAINER, HD_RULE_MAGIC_LINK, "another process's mapped files" },
	{ "/proc/sys/kernel/core_pattern", true, HD_ESC_CONTAINER, HD_RULE_CORE_PATTERN,
	  "the kernel runs what it names, as root, outside every namespace" },
	{ "/sys/fs/cgroup*/release_agent", true, HD_ESC_CONTAINER, HD_RULE_RELEASE_AGENT,
	  "the kernel runs what it names when a cgroup empties" },
	{ "/dev/mem", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "physical memory" },
	{ "/dev/kmem", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "kernel memory" },
	{ "/dev/port", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "I/O ports" },
	{ "/dev/[shv]d[a-z]*", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "a disk of the host" },
	{ "/dev/nvme[0-9]*", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "a disk of the host" },
	{ "/dev/dm-[0-9]*", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "a disk of the host" },
	{ "/dev/mapper/*", false, HD_ESC_CONTAINER, HD_RULE_HOST_DEVICE, "a disk of the host" },
	{ "/proc/*/exe", true, HD_ESC_CONTAINER, HD_RULE_RUNC_SHAPE,
	  "overwriting a runtime through the descriptor it runs from (CVE-2019-5736)" },
	{ "*/kubernetes.io/serviceaccount/token", false, HD_ESC_CONTAINER, HD_RULE_TOKEN,
	  "the pod's credential at the Kubernetes API" },
	{ "*/eks.amazonaws.com/serviceaccount/token", false, HD_ESC_CONTAINER, HD_RULE_TOKEN,
	  "the pod's credential at the cloud's API" },
	{ "/proc/[0-9]*/mem", false, HD_ESC_PTRACE, HD_RULE_PROC_MEM, "another process's memory" },
	{ "/proc/[0-9]*/environ", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "another process's secrets" },
	{ "/proc/[0-9]*/maps", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "another process's memory layout" },
	{ "/proc/[0-9]*/auxv", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "another process's memory layout" },
	{ "/proc/[0-9]*/stack", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "kernel addresses" },
	{ "/proc/[0-9]*/pagemap", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "physical addresses" },
	{ "/proc/*/uid_map", true, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "sets up a user namespace" },
	{ "/proc/*/gid_map", true, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "sets up a user namespace" },
	{ "/proc/*/setgroups", true, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "sets up a user namespace" },
	{ "/proc/kcore", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's memory" },
	{ "/proc/kmem", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's memory" },
	{ "/proc/vmcore", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "a crashed kernel's memory" },
	{ "/proc/kallsyms", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "kernel addresses" },
	{ "/proc/kmsg", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's log" },
	{ "/proc/keys", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's keyrings" },
	{ "/proc/mtrr", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "memory type ranges" },
	{ "/proc/kpage*", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "physical memory's state" },
	{ "/proc/timer_list", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "kernel addresses" },
	{ "/proc/sched_debug", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "every process of the machine" },
	{ "/proc/sysrq-trigger", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "reboots or crashes the machine" },
	{ "/proc/sys/*", true, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's settings" },
	{ "/proc/[a-rt-z]*", true, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's settings" },
	{ "/sys/kernel/debug/*", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's insides" },
	{ "/sys/kernel/tracing/*", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "the kernel's insides" },
	{ "/sys/kernel/security/*", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "security modules" },
	{ "/sys/fs/bpf/*", false, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "pinned BPF programs and maps" },
	{ "/sys/fs/cgroup*", true, 0, 0, "a cgroup's own settings are no escape: leaving it is told by itself" },
	{ "/sys/*", true, HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, "devices and the kernel's settings" },
	{ NULL },
};

const struct escape_rule escape_sockets[] = {
	{ "*/docker.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET,
	  "Docker starts any container for who asks" },
	{ "*/containerd.sock*", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "containerd" },
	{ "*/crio.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "CRI-O" },
	{ "*/cri-dockerd.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "cri-dockerd" },
	{ "*/dockershim.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "dockershim" },
	{ "*/podman.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "Podman" },
	{ "*/buildkitd.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "BuildKit" },
	{ "*/kubelet.sock", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "the kubelet" },
	{ "*/lxd/unix.socket", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "LXD" },
	{ "*/incus/unix.socket", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "Incus" },
	{ "/run/systemd/private", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET, "systemd starts any unit" },
	{ "@/containerd-shim/*", false, HD_ESC_CONTAINER, HD_RULE_RUNTIME_SOCKET,
	  "containerd's shim (CVE-2020-15257)" },
	{ NULL },
};

const struct escape_rule escape_addresses[] = {
	{ "169.254.169.254", false, HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, "instance metadata of most clouds" },
	{ "169.254.170.2", false, HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, "credentials of an ECS task" },
	{ "169.254.170.23", false, HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, "credentials of an EKS pod" },
	{ "100.100.100.200", false, HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, "instance metadata of Alibaba Cloud" },
	{ "168.63.129.16", false, HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, "Azure's host agent" },
	{ "fd00:ec2::254", false, HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, "instance metadata of AWS over IPv6" },
	{ NULL },
};

/* A NUL-terminated copy for fnmatch; false when it is longer than any path. */
static bool text_of(struct bytes b, char *ret, size_t size)
{
	if (!bytes_set(b) || b.length == 0 || b.length >= size)
		return false;
	memcpy(ret, b.data, b.length);
	ret[b.length] = '\0';
	return true;
}

/* The pid of a /proc/PID path, 0 for any other. */
static uint32_t pid_of(const char *path)
{
	unsigned pid;
	char slash;

	return sscanf(path, "/proc/%u%c", &pid, &slash) == 2 && slash == '/' ? pid : 0;
}

/* own: the path is below the process's own /proc/PID, where only writing can be an escape. */
static const struct escape_rule *match(const struct escape_rule *table, const char *text, bool write, bool own)
{
	for (const struct escape_rule *r = table; r->pattern; r++) {
		if (r->write_only ? !write : own)
			continue;
		if (!fnmatch(r->pattern, text, 0))
			return r->rule ? r : NULL;
	}
	return NULL;
}

static bool is_own(const struct event *e, const char *path)
{
	uint32_t pid = pid_of(path);

	return pid && (pid == e->h.pid || pid == e->h.ns_pid || pid == e->h.tid);
}

const struct escape_rule *escape_of_open(const struct event *open)
{
	char path[HD_PATH_MAX + 1];
	bool write;

	if (!text_of(open->path.path, path, sizeof(path)))
		return NULL;
	write = (open->u.open.flags & O_ACCMODE) != O_RDONLY || open->u.open.flags & O_TRUNC;
	return match(escape_paths, path, write, is_own(open, path));
}

const struct escape_rule *escape_of_connect(const struct event *connect)
{
	char text[HD_PATH_MAX + 1];
	struct bytes name = bytes_set(connect->path.path) ? connect->path.path : connect->remote.text;

	if (connect->u.net.family == AF_UNIX)
		return text_of(name, text, sizeof(text)) ? match(escape_sockets, text, true, false) : NULL;
	return text_of(connect->remote.text, text, sizeof(text)) ? match(escape_addresses, text, true, false) : NULL;
}

bool escape_holds(const struct event *escape)
{
	const struct escape_rule *r;
	char path[HD_PATH_MAX + 1];

	switch (escape->u.escape.rule) {
	case HD_RULE_TOKEN:
		if (!text_of(escape->target.path, path, sizeof(path)))
			return true;
		r = match(escape_paths, path, false, false);
		return r && r->rule == HD_RULE_TOKEN;
	case HD_RULE_MAGIC_LINK:
		/* The caller's own string: through whose link it went is all there is to judge. */
		if (!text_of(escape->target.path, path, sizeof(path)))
			return true;
		r = match(escape_paths, path, false, is_own(escape, path));
		return r && r->rule == HD_RULE_MAGIC_LINK;
	default:
		return true;
	}
}
