/* SPDX-License-Identifier: Apache-2.0 */
/* event/names.h: spot checks against this machine's own headers, gaps, and the ends of the tables. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#ifdef __x86_64__
#include <asm/unistd_64.h>
#endif

#include "base/macro.h"
#include "event/names.h"

static void errors(void **state)
{
	for (int code = 1; code < 200; code++) {
		const char *libc = strerrorname_np(code);

		if (libc && code != EOPNOTSUPP)
			assert_string_equal(name_errno(code), libc);
	}
	assert_string_equal(name_errno(EOPNOTSUPP), "EOPNOTSUPP");
	assert_string_equal(name_errno(512), "ERESTARTSYS");
	assert_null(name_errno(0));
	assert_null(name_errno(-1));
	assert_null(name_errno(41));
	assert_null(name_errno(4095));
}

static void signals(void **state)
{
	for (int number = 1; number < 32; number++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "SIG%s", sigabbrev_np(number));
		assert_string_equal(name_signal(number), number == SIGPOLL ? "SIGIO" : text);
	}
	assert_string_equal(name_signal(SIGRTMIN), "SIGRTMIN");
	assert_string_equal(name_signal(SIGRTMAX), "SIGRTMIN+30");
	assert_null(name_signal(0));
	assert_null(name_signal(32));
	assert_null(name_signal(65));
	assert_null(name_signal(-1));
}

static void calls(void **state)
{
#ifdef __x86_64__
	assert_string_equal(name_syscall(__NR_openat), "openat");
	assert_string_equal(name_syscall(__NR_clone3), "clone3");
	assert_string_equal(name_syscall(__NR_umount2), "umount2");
	assert_string_equal(name_syscall(__NR_set_mempolicy_home_node), "set_mempolicy_home_node");
#endif
	assert_string_equal(name_syscall(0), "read");
	assert_string_equal(name_syscall(462), "mseal");
	assert_null(name_syscall(400));
	assert_null(name_syscall(HD_NO_SYSCALL));
	assert_string_equal(name_ptrace_request(PTRACE_SEIZE), "PTRACE_SEIZE");
	assert_string_equal(name_prctl_option(PR_SET_NO_NEW_PRIVS), "PR_SET_NO_NEW_PRIVS");
	assert_string_equal(name_bpf_command(0), "BPF_MAP_CREATE");
	assert_string_equal(name_bpf_command(5), "BPF_PROG_LOAD");
	assert_string_equal(name_bpf_command(28), "BPF_LINK_CREATE");
	assert_string_equal(name_bpf_command(35), "BPF_PROG_BIND_MAP");
	assert_string_equal(name_seccomp_operation(1), "SECCOMP_SET_MODE_FILTER");
	assert_null(name_ptrace_request(UINT64_MAX));
	assert_null(name_bpf_command(UINT64_MAX));
}

static void small_tables(void **state)
{
	assert_string_equal(name_capability(CAP_CHOWN), "CAP_CHOWN");
	assert_string_equal(name_capability(CAP_SYS_ADMIN), "CAP_SYS_ADMIN");
	for (unsigned bit = 0; bit <= CAP_LAST_CAP; bit++)
		assert_non_null(name_capability(bit));
	assert_null(name_capability(CAP_LAST_CAP + 1));
	assert_string_equal(name_family(AF_UNIX), "AF_UNIX");
	assert_string_equal(name_family(AF_NETLINK), "AF_NETLINK");
	assert_string_equal(name_family(AF_VSOCK), "AF_VSOCK");
	assert_null(name_family(1000));
	assert_string_equal(name_socket_type(SOCK_SEQPACKET), "SOCK_SEQPACKET");
	assert_string_equal(name_protocol(6), "tcp");
	assert_string_equal(name_protocol(17), "udp");
	assert_null(name_protocol(132));
	assert_string_equal(name_dns_type(65), "HTTPS");
	assert_null(name_dns_type(UINT16_MAX));
	assert_string_equal(name_dns_rcode(3), "NXDOMAIN");
}

static void event_types_round_trip(void **state)
{
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
		assert_int_equal(name_event_type_parse(name_event_type(type)), type);
	assert_null(name_event_type(0));
	assert_null(name_event_type(HD_FILE_NAME));
	assert_int_equal(name_event_type_parse("process"), -EINVAL);
	assert_int_equal(name_event_type_parse(""), -EINVAL);
	for (unsigned i = 0; i < HD_LANE_MAX; i++)
		assert_non_null(name_lane(i));
	for (unsigned i = 0; i < HD_VIA_MAX; i++)
		assert_non_null(name_via(i));
	for (unsigned i = 1; i < HD_META_MAX; i++)
		assert_non_null(name_metadata(i));
	for (unsigned i = 1; i < HD_BACK_UNKNOWN; i++)
		assert_non_null(name_backing(i));
	assert_null(name_backing(HD_BACK_UNKNOWN));
	for (unsigned i = 1; i < HD_MEM_REASON_MAX; i++)
		assert_non_null(name_memory_reason(i));
	for (unsigned i = 1; i < HD_ESC_MAX; i++)
		assert_non_null(name_escape_category(i));
	for (unsigned i = 1; i < HD_RULE_MAX; i++)
		assert_non_null(name_escape_rule(i));
}

/* The names of a flag word, with spaces between; what has no name at the end. */
static const char *spell(const struct flag_name *table, uint64_t bits)
{
	static char text[512];
	const char *name;
	size_t used = 0;

	text[0] = 0;
	while ((name = flag_next(&table, &bits)) && used < sizeof(text))
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ", name);
	if (bits && used < sizeof(text))
		(void)snprintf(text + used, sizeof(text) - used, "0x%llx", (unsigned long long)bits);
	return text;
}

static void flags(void **state)
{
	assert_string_equal(spell(names_open_flags, 0), "O_RDONLY ");
	assert_string_equal(spell(names_open_flags, O_RDWR | O_CREAT), "O_RDWR O_CREAT ");
	assert_string_equal(spell(names_open_flags, 3), "0x3");
	assert_string_equal(spell(names_protection, PROT_NONE), "PROT_NONE ");
	assert_string_equal(spell(names_protection, PROT_READ | PROT_EXEC), "PROT_READ PROT_EXEC ");
	assert_string_equal(spell(names_clone_flags, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWTIME),
			    "CLONE_NEWTIME CLONE_NEWNS CLONE_NEWUSER ");
	assert_string_equal(spell(names_rename_flags, 2 | 8), "RENAME_EXCHANGE 0x8");
	assert_string_equal(spell(names_resolve_flags, RESOLVE_BENEATH), "RESOLVE_BENEATH ");
	assert_string_equal(spell(names_at_flags, AT_REMOVEDIR), "AT_REMOVEDIR ");
	assert_string_equal(spell(names_map_flags, MAP_PRIVATE | MAP_ANONYMOUS), "MAP_PRIVATE MAP_ANONYMOUS ");
	assert_string_equal(spell(names_map_flags, MAP_SHARED_VALIDATE | MAP_SYNC), "MAP_SHARED_VALIDATE MAP_SYNC ");
	assert_string_equal(spell(names_mount_flags, MS_BIND | MS_REC), "MS_BIND MS_REC ");
	assert_string_equal(spell(names_umount_flags, MNT_DETACH), "MNT_DETACH ");
#ifdef __x86_64__
	assert_string_equal(spell(names_open_flags, O_WRONLY | O_SYNC | O_TMPFILE | O_PATH | O_CLOEXEC),
			    "O_WRONLY O_SYNC O_TMPFILE O_CLOEXEC O_PATH ");
	assert_string_equal(spell(names_open_flags, O_DSYNC | O_DIRECTORY | O_DIRECT | O_NOFOLLOW | O_NOATIME),
			    "O_RDONLY O_DSYNC O_DIRECT O_DIRECTORY O_NOFOLLOW O_NOATIME ");
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors), cmocka_unit_test(signals),		 cmocka_unit_test(calls),
		cmocka_unit_test(small_tables), cmocka_unit_test(event_types_round_trip), cmocka_unit_test(flags),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
