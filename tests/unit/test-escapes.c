/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sensitive objects: each pattern hit by what it is for, what is near it but none, and its page. */
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "track/escapes.h"

#define ME 4242
#define ME_INSIDE 17
#define MY_THREAD 4243

enum { READ = O_RDONLY, WRITE = O_WRONLY };

/* In the order of the table, so that none is left out. */
static const struct {
	const char *pattern, *path;
	unsigned flags;
} opens[] = {
	{ "/proc/[0-9]*/root*", "/proc/1/root/etc/shadow", READ },
	{ "/proc/[0-9]*/cwd*", "/proc/1/cwd/notes", READ },
	{ "/proc/[0-9]*/exe", "/proc/1/exe", READ },
	{ "/proc/[0-9]*/fd/*", "/proc/1/fd/3", READ },
	{ "/proc/[0-9]*/map_files/*", "/proc/1/map_files/400000-401000", READ },
	{ "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/core_pattern", WRITE },
	{ "/sys/fs/cgroup*/release_agent", "/sys/fs/cgroup/rdma/x/release_agent", WRITE },
	{ "/dev/mem", "/dev/mem", READ },
	{ "/dev/kmem", "/dev/kmem", READ },
	{ "/dev/port", "/dev/port", READ },
	{ "/dev/[shv]d[a-z]*", "/dev/vda1", READ },
	{ "/dev/nvme[0-9]*", "/dev/nvme0n1", READ },
	{ "/dev/dm-[0-9]*", "/dev/dm-0", READ },
	{ "/dev/mapper/*", "/dev/mapper/root", READ },
	{ "/proc/*/exe", "/proc/self/exe", WRITE },
	{ "*/kubernetes.io/serviceaccount/token", "/run/secrets/kubernetes.io/serviceaccount/token", READ },
	{ "*/eks.amazonaws.com/serviceaccount/token", "/run/secrets/eks.amazonaws.com/serviceaccount/token", READ },
	{ "/proc/[0-9]*/mem", "/proc/1/mem", READ },
	{ "/proc/[0-9]*/environ", "/proc/1/environ", READ },
	{ "/proc/[0-9]*/maps", "/proc/1/maps", READ },
	{ "/proc/[0-9]*/auxv", "/proc/1/auxv", READ },
	{ "/proc/[0-9]*/stack", "/proc/1/stack", READ },
	{ "/proc/[0-9]*/pagemap", "/proc/1/pagemap", READ },
	{ "/proc/*/uid_map", "/proc/self/uid_map", WRITE },
	{ "/proc/*/gid_map", "/proc/self/gid_map", WRITE },
	{ "/proc/*/setgroups", "/proc/self/setgroups", WRITE },
	{ "/proc/kcore", "/proc/kcore", READ },
	{ "/proc/kmem", "/proc/kmem", READ },
	{ "/proc/vmcore", "/proc/vmcore", READ },
	{ "/proc/kallsyms", "/proc/kallsyms", READ },
	{ "/proc/kmsg", "/proc/kmsg", READ },
	{ "/proc/keys", "/proc/keys", READ },
	{ "/proc/mtrr", "/proc/mtrr", READ },
	{ "/proc/kpage*", "/proc/kpageflags", READ },
	{ "/proc/timer_list", "/proc/timer_list", READ },
	{ "/proc/sched_debug", "/proc/sched_debug", READ },
	{ "/proc/sysrq-trigger", "/proc/sysrq-trigger", READ },
	{ "/proc/sys/*", "/proc/sys/vm/swappiness", WRITE },
	{ "/proc/[a-rt-z]*", "/proc/irq/1/smp_affinity", WRITE },
	{ "/sys/kernel/debug/*", "/sys/kernel/debug/tracing/trace", READ },
	{ "/sys/kernel/tracing/*", "/sys/kernel/tracing/trace", READ },
	{ "/sys/kernel/security/*", "/sys/kernel/security/lockdown", READ },
	{ "/sys/fs/bpf/*", "/sys/fs/bpf/pinned", READ },
	{ "/sys/fs/cgroup*", "/sys/fs/cgroup/x/memory.max", WRITE },
	{ "/sys/*", "/sys/power/state", WRITE },
};

static const struct {
	const char *pattern, *path;
} sockets[] = {
	{ "*/docker.sock", "/var/run/docker.sock" },
	{ "*/containerd.sock*", "/run/containerd/containerd.sock.ttrpc" },
	{ "*/crio.sock", "/run/crio/crio.sock" },
	{ "*/cri-dockerd.sock", "/run/cri-dockerd.sock" },
	{ "*/dockershim.sock", "/run/dockershim.sock" },
	{ "*/podman.sock", "/run/user/1000/podman/podman.sock" },
	{ "*/buildkitd.sock", "/run/buildkit/buildkitd.sock" },
	{ "*/kubelet.sock", "/var/lib/kubelet/device-plugins/kubelet.sock" },
	{ "*/lxd/unix.socket", "/var/lib/lxd/unix.socket" },
	{ "*/incus/unix.socket", "/var/lib/incus/unix.socket" },
	{ "/run/systemd/private", "/run/systemd/private" },
	{ "@/containerd-shim/*", "@/containerd-shim/a/b.sock" },
};

static struct bytes text(const char *s)
{
	return (struct bytes){ s, strlen(s) };
}

static struct event event(enum hd_type type)
{
	struct event e = { .type = type };

	e.h.pid = ME;
	e.h.tid = MY_THREAD;
	e.h.ns_pid = ME_INSIDE;
	return e;
}

static const struct escape_rule *of_open(const char *path, unsigned flags)
{
	struct event e = event(HD_FILE_OPEN);

	e.path.path = text(path);
	e.u.open.flags = flags;
	return escape_of_open(&e);
}

static const struct escape_rule *of_socket(const char *path)
{
	struct event e = event(HD_NETWORK_CONNECT);

	e.u.net.family = AF_UNIX;
	e.path.path = text(path);
	return escape_of_connect(&e);
}

static const struct escape_rule *of_address(const char *address)
{
	struct event e = event(HD_NETWORK_CONNECT);

	e.u.net.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	e.remote.text = text(address);
	return escape_of_connect(&e);
}

static bool holds(enum hd_escape_rule rule, const char *target)
{
	struct event e = event(HD_SANDBOX_ESCAPE);

	e.u.escape.rule = rule;
	if (target)
		e.target.path = text(target);
	return escape_holds(&e);
}

static size_t count(const struct escape_rule *table)
{
	size_t n = 0;

	while (table[n].pattern)
		n++;
	return n;
}

/* ---- what must hit ---- */

/* What lies behind another process's link is reached through the link, even where its own name has a rule. */
static void links_come_first(void **state)
{
	const struct escape_rule *rule = of_open("/proc/1/root/proc/1/mem", READ);

	assert_non_null(rule);
	assert_int_equal(rule->rule, HD_RULE_MAGIC_LINK);
	rule = of_open("/proc/1/root/run/secrets/kubernetes.io/serviceaccount/token", READ);
	assert_non_null(rule);
	assert_int_equal(rule->rule, HD_RULE_MAGIC_LINK);
}

static void each_path_is_hit(void **state)
{
	assert_int_equal(count(escape_paths), ARRAY_SIZE(opens));
	for (size_t i = 0; i < ARRAY_SIZE(opens); i++) {
		const struct escape_rule *rule = of_open(opens[i].path, opens[i].flags);

		assert_string_equal(escape_paths[i].pattern, opens[i].pattern);
		assert_int_equal(escape_paths[i].write_only, opens[i].flags == WRITE);
		/* An exception from the rules below it. */
		if (!escape_paths[i].rule)
			assert_null(rule);
		else
			assert_ptr_equal(rule, &escape_paths[i]);
	}
}

static void each_socket_is_hit(void **state)
{
	assert_int_equal(count(escape_sockets), ARRAY_SIZE(sockets));
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		assert_string_equal(escape_sockets[i].pattern, sockets[i].pattern);
		assert_ptr_equal(of_socket(sockets[i].path), &escape_sockets[i]);
	}
}

static void socket_named_by_its_address(void **state)
{
	struct event e = event(HD_NETWORK_CONNECT);

	e.u.net.family = AF_UNIX;
	e.remote.text = BYTES("@/containerd-shim/x.sock");
	assert_int_equal(escape_of_connect(&e)->rule, HD_RULE_RUNTIME_SOCKET);
}

static void each_address_is_hit(void **state)
{
	for (const struct escape_rule *r = escape_addresses; r->pattern; r++) {
		unsigned char raw[16];

		assert_ptr_equal(of_address(r->pattern), r);
		/* Text that no event would print in another form. */
		assert_int_equal(inet_pton(strchr(r->pattern, ':') ? AF_INET6 : AF_INET, r->pattern, raw), 1);
	}
	assert_int_equal(count(escape_addresses), 6);
}

static void every_rule_is_whole(void **state)
{
	static const struct escape_rule *const tables[] = { escape_paths, escape_sockets, escape_addresses };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct escape_rule *r = tables[i]; r->pattern; r++) {
			assert_true(strlen(r->reason) >= 3);
			assert_int_equal(!r->rule, !r->category);
			assert_in_range(r->category, 0, HD_ESC_MAX - 1);
			assert_in_range(r->rule, 0, HD_RULE_MAX - 1);
		}
	}
}

static void truncating_is_writing(void **state)
{
	assert_non_null(of_open("/proc/sys/kernel/core_pattern", O_RDONLY | O_TRUNC));
	assert_non_null(of_open("/proc/sys/kernel/core_pattern", O_RDWR));
	assert_null(of_open("/proc/sys/kernel/core_pattern", O_RDONLY));
}

/* ---- what must not ---- */

static void own_entries_are_none(void **state)
{
	static const char *const names[] = { "mem",	 "root/etc", "cwd",  "exe",   "fd/3",
					     "map_files/1-2", "environ",  "maps", "auxv", "pagemap" };
	static const unsigned own[] = { ME, ME_INSIDE, MY_THREAD };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(own); k++) {
			(void)snprintf(path, sizeof(path), "/proc/%u/%s", own[k], names[i]);
			assert_null(of_open(path, READ));
		}
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", ME + 2, names[i]);
		assert_non_null(of_open(path, READ));
		(void)snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		assert_null(of_open(path, READ));
	}
}

/* What is an escape only when it is written counts for one's own process too: that is how it is done. */
static void own_user_namespace_is_one(void **state)
{
	assert_int_equal(of_open("/proc/4242/uid_map", WRITE)->rule, HD_RULE_SENSITIVE_PROC);
	assert_int_equal(of_open("/proc/4242/exe", WRITE)->rule, HD_RULE_RUNC_SHAPE);
	assert_null(of_open("/proc/4242/uid_map", READ));
}

static void neighbours_are_none(void **state)
{
	static const char *const innocent[] = {
		"/etc/passwd", "/dev/null", "/dev/memory", "/dev/shm/x", "/dev/sr0", "/proc/1/status", "/proc/1/stat",
		"/proc/meminfo", "/proc/sys/kernel/osrelease", "/sys/class/net", "/home/user/token", "/token",
		"/home/user/proc/1/mem", "/kubernetes.io/serviceaccount/namespace", "", "mem",
	};

	for (size_t i = 0; i < ARRAY_SIZE(innocent); i++)
		assert_null(of_open(innocent[i], READ));
	/* Settings of one's own cgroup and process. */
	assert_null(of_open("/sys/fs/cgroup/mine/cgroup.procs", WRITE));
	assert_null(of_open("/proc/self/oom_score_adj", WRITE));
	assert_null(of_open("/proc/self/comm", WRITE));
	assert_null(of_socket("/run/user/1000/bus"));
	assert_null(of_socket("@/tmp/.X11-unix/X0"));
	assert_null(of_socket("/home/user/docker.sock.txt"));
	assert_null(of_address("169.254.169.25"));
	assert_null(of_address("1.169.254.169.254"));
	assert_null(of_address("fd00:ec2::253"));
}

static void no_path_is_none(void **state)
{
	struct event e = event(HD_FILE_OPEN);
	char *path;

	assert_null(escape_of_open(&e));
	/* Longer than any path: nothing is cut and then compared. */
	path = malloc(2 * HD_PATH_MAX);
	assert_non_null(path);
	memset(path, 'a', 2 * HD_PATH_MAX);
	memcpy(path, "/sys/power/", 11);
	e.path.path = (struct bytes){ path, 2 * HD_PATH_MAX };
	e.u.open.flags = WRITE;
	assert_null(escape_of_open(&e));
	e.path.path.length = HD_PATH_MAX;
	assert_non_null(escape_of_open(&e));
	free(path);
	e = event(HD_NETWORK_CONNECT);
	assert_null(escape_of_connect(&e));
	e.u.net.family = AF_UNIX;
	assert_null(escape_of_connect(&e));
}

/* ---- suspicions of the kernel side ---- */

static void token_must_be_an_account_s(void **state)
{
	assert_true(holds(HD_RULE_TOKEN, "/run/secrets/kubernetes.io/serviceaccount/token"));
	assert_true(holds(HD_RULE_TOKEN, "/var/lib/x/eks.amazonaws.com/serviceaccount/token"));
	assert_false(holds(HD_RULE_TOKEN, "/home/user/project/token"));
	/* Without a path there is nothing to clear it by. */
	assert_true(holds(HD_RULE_TOKEN, NULL));
}

static void magic_link_must_be_another_s(void **state)
{
	assert_true(holds(HD_RULE_MAGIC_LINK, "/proc/1/root/etc/shadow"));
	assert_true(holds(HD_RULE_MAGIC_LINK, "/proc/1/fd/5"));
	assert_false(holds(HD_RULE_MAGIC_LINK, "/proc/4242/fd/5"));
	assert_false(holds(HD_RULE_MAGIC_LINK, "/proc/17/cwd/a"));
	assert_false(holds(HD_RULE_MAGIC_LINK, "/etc/shadow"));
	assert_true(holds(HD_RULE_MAGIC_LINK, NULL));
}

static void what_the_kernel_knew_stands(void **state)
{
	for (unsigned rule = 1; rule < HD_RULE_MAX; rule++)
		if (rule != HD_RULE_TOKEN && rule != HD_RULE_MAGIC_LINK)
			assert_true(holds(rule, "/anything"));
}

/* ---- docs/escapes.md ---- */

static char *read_page(void)
{
	FILE *f = fopen("docs/escapes.md", "re");
	char *page;
	size_t n;

	assert_non_null(f);
	page = calloc(1, 1 << 18);
	assert_non_null(page);
	n = fread(page, 1, (1 << 18) - 1, f);
	(void)fclose(f);
	assert_in_range(n, 1000, (1 << 18) - 2);
	return page;
}

/* The page has a table row that begins with the pattern and ends with its reason. */
static void assert_row(const char *page, const struct escape_rule *r)
{
	char cell[128];
	const char *row, *end;

	(void)snprintf(cell, sizeof(cell), "\n| `%s` |", r->pattern);
	for (row = strstr(page, cell); row; row = strstr(row + 1, cell)) {
		end = strchr(row + 1, '\n');
		const char *reason = strstr(row, r->reason);

		if (end && reason && reason < end)
			return;
	}
	fail_msg("docs/escapes.md has no row for %s: %s", r->pattern, r->reason);
}

static void page_names_every_pattern(void **state)
{
	static const struct escape_rule *const tables[] = { escape_paths, escape_sockets, escape_addresses };
	char *page = read_page();

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct escape_rule *r = tables[i]; r->pattern; r++)
			assert_row(page, r);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_come_first),
		cmocka_unit_test(each_path_is_hit),
		cmocka_unit_test(each_socket_is_hit),
		cmocka_unit_test(socket_named_by_its_address),
		cmocka_unit_test(each_address_is_hit),
		cmocka_unit_test(every_rule_is_whole),
		cmocka_unit_test(truncating_is_writing),
		cmocka_unit_test(own_entries_are_none),
		cmocka_unit_test(own_user_namespace_is_one),
		cmocka_unit_test(neighbours_are_none),
		cmocka_unit_test(no_path_is_none),
		cmocka_unit_test(token_must_be_an_account_s),
		cmocka_unit_test(magic_link_must_be_another_s),
		cmocka_unit_test(what_the_kernel_knew_stands),
		cmocka_unit_test(page_names_every_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
