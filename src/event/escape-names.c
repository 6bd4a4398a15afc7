/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a sandbox_escape. args are the call's own, but where target_kind says what args[0] is: then args[1] is
 * what the call does with it (ptrace's request, the descriptor that pidfd_getfd takes or that setns enters by).
 */
#include "event/escape-names.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "event/names.h"

/* CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define CLONE_NEW_ANY UINT64_C(0x7e020080)

static void add_flags(struct buf *out, const struct flag_name *table, uint64_t bits)
{
	const char *separator = "", *name;

	while ((name = flag_next(&table, &bits))) {
		buf_addf(out, "%s%s", separator, name);
		separator = "|";
	}
	if (bits)
		buf_addf(out, "%s0x%" PRIx64, separator, bits);
}

/* ": FLAGS" when there are any. */
static void add_some_flags(struct buf *out, const struct flag_name *table, uint64_t bits)
{
	if (!bits)
		return;
	buf_adds(out, ": ");
	add_flags(out, table, bits);
}

static void add_name(struct buf *out, const char *name, uint64_t number)
{
	if (name)
		buf_addf(out, ": %s", name);
	else
		buf_addf(out, ": %" PRIu64, number);
}

static void detail_first_ns(const struct event *e, struct buf *out)
{
	add_some_flags(out, names_clone_flags, e->u.escape.args[0]);
}

static void detail_setns(const struct event *e, struct buf *out)
{
	const struct hd_escape *x = &e->u.escape;
	bool resolved = x->target_kind == HD_TGT_NAMESPACE;

	buf_addf(out, " of descriptor %d", (int)x->args[resolved ? 1 : 0]);
	add_some_flags(out, names_clone_flags, x->args[resolved ? 0 : 1]);
}

static void detail_prctl(const struct event *e, struct buf *out)
{
	add_name(out, name_prctl_option(e->u.escape.args[0]), e->u.escape.args[0]);
}

static void detail_seccomp(const struct event *e, struct buf *out)
{
	const struct hd_escape *x = &e->u.escape;

	add_name(out, name_seccomp_operation(x->args[0]), x->args[0]);
	if (x->args[1]) {
		buf_adds(out, ", ");
		add_flags(out, names_seccomp_flags, x->args[1]);
	}
}

static void detail_ptrace(const struct event *e, struct buf *out)
{
	const struct hd_escape *x = &e->u.escape;
	uint64_t request = x->args[x->target_kind == HD_TGT_PID ? 1 : 0];

	add_name(out, name_ptrace_request(request), request);
}

static void detail_getfd(const struct event *e, struct buf *out)
{
	/* The number of the descriptor is the call's second argument in both forms. */
	buf_addf(out, ": %d", (int)e->u.escape.args[1]);
}

static void detail_bpf(const struct event *e, struct buf *out)
{
	add_name(out, name_bpf_command(e->u.escape.args[0]), e->u.escape.args[0]);
}

static void detail_perf(const struct event *e, struct buf *out)
{
	const struct hd_escape *x = &e->u.escape;

	if (x->target_kind != HD_TGT_PID)
		buf_addf(out, ": pid %d, cpu %d", (int)x->args[1], (int)x->args[2]);
}

static void detail_mount(const struct event *e, struct buf *out)
{
	add_some_flags(out, names_mount_flags, e->u.escape.args[3]);
}

static void detail_umount(const struct event *e, struct buf *out)
{
	add_some_flags(out, names_umount_flags, e->u.escape.args[1]);
}

static void detail_init_module(const struct event *e, struct buf *out)
{
	buf_addf(out, ": %" PRIu64 " bytes", (uint64_t)e->u.escape.args[1]);
}

static void detail_finit_module(const struct event *e, struct buf *out)
{
	buf_addf(out, ": descriptor %d", (int)e->u.escape.args[0]);
	if (e->u.escape.args[2]) {
		buf_adds(out, ", ");
		add_flags(out, names_module_flags, e->u.escape.args[2]);
	}
}

/* A call's words, and what its arguments add to them. */
static const struct call_words {
	const char *name;
	const char *words;
	void (*add)(const struct event *e, struct buf *out);
} calls[] = {
	{ "unshare", "leaves its namespaces for new ones", detail_first_ns },
	{ "setns", "enters the namespace", detail_setns },
	{ "pivot_root", "swaps the root mount", NULL },
	{ "chroot", "changes the root directory", NULL },
	{ "prctl", "sets up a system call filter", detail_prctl },
	{ "seccomp", "sets up a system call filter", detail_seccomp },
	{ "ptrace", "traces a process", detail_ptrace },
	{ "process_vm_readv", "reads another process's memory", NULL },
	{ "process_vm_writev", "writes another process's memory", NULL },
	{ "pidfd_getfd", "takes a descriptor of another process", detail_getfd },
	{ "init_module", "loads a kernel module from memory", detail_init_module },
	{ "finit_module", "loads a kernel module from a file", detail_finit_module },
	{ "create_module", "makes a kernel module", NULL },
	{ "delete_module", "unloads a kernel module", NULL },
	{ "kexec_load", "loads another kernel", NULL },
	{ "kexec_file_load", "loads another kernel from a file", NULL },
	{ "mount", "mounts", detail_mount },
	{ "umount2", "unmounts", detail_umount },
	{ "fsopen", "prepares a file system to mount", NULL },
	{ "fspick", "reconfigures a mounted file system", NULL },
	{ "fsconfig", "sets up a file system to mount", NULL },
	{ "fsmount", "makes a mount of a prepared file system", NULL },
	{ "move_mount", "moves or attaches a mount", NULL },
	{ "open_tree", "takes hold of a mount tree", NULL },
	{ "open_tree_attr", "takes hold of a mount tree", NULL },
	{ "mount_setattr", "changes the attributes of a mount", NULL },
	{ "iopl", "asks for I/O ports", NULL },
	{ "ioperm", "asks for I/O ports", NULL },
	{ "syslog", "reads or changes the kernel's log", NULL },
	{ "sethostname", "changes the host's name", NULL },
	{ "setdomainname", "changes the domain's name", NULL },
	{ "bpf", "uses bpf", detail_bpf },
	{ "perf_event_open", "opens a performance event", detail_perf },
	{ "open_by_handle_at", "opens a file by its handle, past every path", NULL },
};

static const char *const rule_words[HD_RULE_MAX] = {
	[HD_RULE_CLONE_NS] = "starts a child in new namespaces",
	[HD_RULE_SENSITIVE_PROC] = "touches a sensitive file of the kernel",
	[HD_RULE_RUNTIME_SOCKET] = "reaches the socket of a container runtime",
	[HD_RULE_RELEASE_AGENT] = "touches a cgroup's release_agent, which the host runs",
	[HD_RULE_CORE_PATTERN] = "touches core_pattern, which the host runs",
	[HD_RULE_HOST_DEVICE] = "touches a device of the host",
	[HD_RULE_HANDLE] = "opens a file by its handle, past every path",
	[HD_RULE_LEFT_CGROUP] = "moved out of the session's cgroup",
	[HD_RULE_RUNC_SHAPE] = "opens a running program's image to write it",
	[HD_RULE_TOKEN] = "touches a service account's token",
	[HD_RULE_CLOUD_METADATA] = "reaches the cloud's metadata service",
	[HD_RULE_PROC_MEM] = "opens another process's memory",
	[HD_RULE_MAGIC_LINK] = "goes through another process's root, directory or descriptors",
};

static const struct call_words *find_call(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(calls); i++) {
		if (strcmp(calls[i].name, name) == 0)
			return &calls[i];
	}
	return NULL;
}

/* Which way a path was opened, where the call's arguments tell. */
static void add_access(const struct event *e, const char *call, struct buf *out)
{
	const __u64 *args = e->u.escape.args;
	uint64_t flags;

	if (!call || e->u.escape.target_kind != HD_TGT_PATH)
		return;
	if (strcmp(call, "open") == 0)
		flags = args[1];
	else if (strcmp(call, "openat") == 0)
		flags = args[2];
	else
		return;
	buf_adds(out, ": ");
	add_flags(out, names_open_flags, flags & 3);
}

void escape_detail(const struct event *e, struct buf *out)
{
	const struct hd_escape *x = &e->u.escape;
	const char *call = e->h.syscall == HD_NO_SYSCALL ? NULL : name_syscall(e->h.syscall);
	const struct call_words *words = find_call(call);

	if (x->rule < ARRAY_SIZE(rule_words) && rule_words[x->rule]) {
		buf_adds(out, rule_words[x->rule]);
		if (x->rule == HD_RULE_CLONE_NS)
			detail_first_ns(e, out);
		else
			add_access(e, call, out);
	} else if (words) {
		buf_adds(out, words->words);
		if (words->add)
			words->add(e, out);
	} else if (call) {
		buf_addf(out, "calls %s", call);
	}
	if (bytes_set(e->path2.path)) {
		buf_adds(out, ", a ");
		buf_add(out, e->path2.path.data, e->path2.path.length);
	}
	if (e->text.length > 0) {
		if (out->length > 0)
			buf_adds(out, bytes_set(e->path2.path) ? " from " : "; ");
		buf_add(out, e->text.data, e->text.length);
	}
}

static void add_address(const struct event_address *a, struct buf *out)
{
	bool brackets = a->family == AF_INET6 && a->has_port;

	if (brackets)
		buf_addc(out, '[');
	if (a->text.length > 0)
		buf_add(out, a->text.data, a->text.length);
	if (brackets)
		buf_addc(out, ']');
	if (a->has_port)
		buf_addf(out, ":%u", a->port);
}

static void add_path(const struct event *e, struct buf *out)
{
	struct bytes path = bytes_set(e->target.path) ? e->target.path : e->path.path;

	if (path.length > 0)
		buf_add(out, path.data, path.length);
}

/* Only the namespaces of a flag word: clone's holds much else. */
static void add_namespaces(uint64_t flags, struct buf *out)
{
	flags &= CLONE_NEW_ANY;
	if (flags)
		add_flags(out, names_clone_flags, flags);
}

void escape_target(const struct event *e, struct buf *out)
{
	const struct hd_escape *x = &e->u.escape;

	switch (x->target_kind) {
	case HD_TGT_PID:
		buf_addf(out, "pid %d", (int)x->args[0]);
		break;
	case HD_TGT_ADDRESS:
		add_address(&e->remote, out);
		break;
	case HD_TGT_NAMESPACE:
		add_namespaces(x->args[0], out);
		break;
	default:
		add_path(e, out);
		break;
	}
}
