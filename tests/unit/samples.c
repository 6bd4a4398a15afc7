/* SPDX-License-Identifier: Apache-2.0 */
/* See samples.h. */
#include "samples.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macro.h"

/* x86-64 numbers. */
enum { NR_OPENAT = 257, NR_MMAP = 9, NR_MPROTECT = 10, NR_SETRESUID = 117, NR_MOUNT = 165, NR_UNSHARE = 272 };
enum {
	NR_PTRACE = 101,
	NR_BPF = 321,
	NR_CONNECT = 42,
	NR_EXECVE = 59,
	NR_SECCOMP = 317,
	NR_CLONE3 = 435,
	NR_SETNS = 308
};

#define ITEM(f, kind, flags, text) frame_item((f), (kind), (flags), (text), sizeof(text) - 1)

static void exec_script(struct frame *f)
{
	struct hd_exec x = {
		.h = frame_header(HD_PROCESS_EXEC), .flags = HD_EXEC_SCRIPT, .args_count = 3, .args_bytes = 14
	};

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "run.sh/src/");
	frame_text(f, HD_I_EXE, "dash/bin/usr/");
	frame_text(f, HD_I_INTERPRETER, "dash/bin/usr/");
	frame_text(f, HD_I_CWD, "");
	ITEM(f, HD_I_ARGS, 0, "sh\0./run.sh\0\0");
}

static void exec_memfd(struct frame *f)
{
	struct hd_exec x = {
		.h = frame_header(HD_PROCESS_EXEC), .flags = HD_EXEC_FILELESS, .args_count = 1, .args_bytes = 2
	};

	x.h.ns_pid = 5;
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_EXE, HD_P_MEMFD | HD_P_DETACHED, "memfd:a/b/", 10);
	ITEM(f, HD_I_ARGS, 0, "x\0");
}

static void exec_failed(struct frame *f)
{
	struct hd_exec x = { .h = frame_header(HD_PROCESS_EXEC), .result = -2, .args_count = 300, .args_bytes = 9000 };

	x.h.flags = 0;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_NAME, "../bin//./tool");
	frame_text(f, HD_I_BASE, "etc/srv/");
	ITEM(f, HD_I_ARGS, HD_P_ARGS_TRUNCATED, "tool\0--flag\0cut");
}

static void exec_loaded(struct frame *f)
{
	struct hd_exec x = { .h = frame_header(HD_PROCESS_EXEC), .args_count = 2, .args_bytes = 20 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_EXE, "ld-linux-x86-64.so.2/lib64/");
	frame_text(f, HD_I_CWD, "tmp/");
	frame_text(f, HD_I_LOADED, "./prog");
	ITEM(f, HD_I_ARGS, 0, "ld.so\0./prog\0");
}

static void fork_process(struct frame *f)
{
	struct hd_fork x = { .h = frame_header(HD_PROCESS_FORK),
			     .clone_flags = 0x10000000 | 0x200000 | 17,
			     .child_start_ns = 4500000000,
			     .child_pid = 102,
			     .child_tid = 102,
			     .child_ns_pid = 1 };

	frame_init(f, &x, sizeof(x));
}

static void fork_thread(struct frame *f)
{
	struct hd_fork x = { .h = frame_header(HD_PROCESS_FORK),
			     .clone_flags = 0x10f00 | UINT64_C(1) << 40,
			     .child_start_ns = 4000000000,
			     .child_pid = 100,
			     .child_tid = 103,
			     .thread = 1,
			     .child_ns_pid = 100 };

	frame_init(f, &x, sizeof(x));
}

static void exit_code(struct frame *f)
{
	struct hd_exit x = { .h = frame_header(HD_PROCESS_EXIT),
			     .status = 3 << 8,
			     .duration_ns = 1000000001,
			     .max_rss_bytes = 4096000 };

	x.h.via = HD_VIA_KERNEL;
	frame_init(f, &x, sizeof(x));
}

static void exit_signal(struct frame *f)
{
	struct hd_exit x = { .h = frame_header(HD_PROCESS_EXIT),
			     .status = 9 | 0x80,
			     .flags = HD_EXIT_CORE | HD_EXIT_OOM,
			     .duration_ns = 1,
			     .max_rss_bytes = 0 };

	frame_init(f, &x, sizeof(x));
}

static void open_created(struct frame *f)
{
	struct hd_open x = { .h = frame_header(HD_FILE_OPEN),
			     .result = 5,
			     .file_id = 9,
			     .inode = 1234,
			     .dev = 8 << 20 | 3,
			     .flags = 01 | 0100 | 01000 | 02000000,
			     .mode = 0100644,
			     .resolve = 8 };

	x.h.lane = HD_LANE_BULK;
	x.h.syscall = NR_OPENAT;
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_PATH, HD_P_OVL_UPPER | HD_P_DELETED, "passwd/etc/", 11);
}

static void open_failed(struct frame *f)
{
	struct hd_open x = { .h = frame_header(HD_FILE_OPEN), .result = -2, .flags = 0 };

	x.h.flags = 0;
	x.h.via = HD_VIA_COMPAT;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_NAME, "/no/such/../file");
}

static void open_hostile(struct frame *f)
{
	struct hd_open x = { .h = frame_header(HD_FILE_OPEN),
			     .result = 0,
			     .inode = 1,
			     .dev = 1,
			     .flags = 03 | 1U << 30,
			     .mode = 04755 };

	memcpy(x.h.comm, "\x1b[2J\"'\\\n\xff 0123456789", 16);
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_PATH, HD_P_TRUNCATED, "a\nb\x1b[0m\"\\\xff\xe2\x80\xae/dir/", 18);
}

static void fold_write(struct frame *f)
{
	struct hd_fold x = { .h = frame_header(HD_FILE_WRITE),
			     .file_id = 9,
			     .inode = 1234,
			     .bytes = 4096,
			     .operations = 2,
			     .first_ns = 1,
			     .last_ns = 1000000000,
			     .dev = 254 << 20 | 1,
			     .flags = HD_FOLD_CLOSED };

	x.h.lane = HD_LANE_BULK;
	x.h.via = HD_VIA_IO_URING;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "out/");
}

static void fold_read(struct frame *f)
{
	struct hd_fold x = {
		.h = frame_header(HD_FILE_READ), .file_id = 9, .bytes = UINT64_C(1) << 60, .operations = 1
	};

	frame_init(f, &x, sizeof(x));
}

static void fold_mapping(struct frame *f)
{
	struct hd_fold x = { .h = frame_header(HD_FILE_WRITE),
			     .inode = 5,
			     .operations = 1,
			     .first_ns = 10,
			     .last_ns = 10,
			     .flags = HD_FOLD_MAPPING };

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_PATH, HD_P_OVL_LOWER, "db/var/", 7);
}

static void meta_rename(struct frame *f)
{
	struct hd_meta x = { .h = frame_header(HD_FILE_METADATA),
			     .operation = HD_META_RENAME,
			     .has = HD_META_HAS_FLAGS | HD_META_HAS_INODE,
			     .flags = 2,
			     .dev = 1 << 20,
			     .inode = 77 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "a/");
	frame_text(f, HD_I_PATH2, "b/");
}

static void meta_symlink(struct frame *f)
{
	struct hd_meta x = { .h = frame_header(HD_FILE_METADATA), .operation = HD_META_SYMLINK, .result = -17 };

	x.h.flags = 0;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_NAME, "../x/./y");
	frame_text(f, HD_I_NAME2, "link");
	frame_text(f, HD_I_BASE2, "d/");
}

static void meta_mknod(struct frame *f)
{
	struct hd_meta x = { .h = frame_header(HD_FILE_METADATA),
			     .operation = HD_META_MKNOD,
			     .has = HD_META_HAS_MODE,
			     .mode = 0020666 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "null/dev/");
}

static void meta_chown(struct frame *f)
{
	struct hd_meta x = { .h = frame_header(HD_FILE_METADATA),
			     .operation = HD_META_CHOWN,
			     .has = HD_META_HAS_GID,
			     .owner_uid = 1,
			     .owner_gid = 50 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "f/");
}

static void meta_fallocate(struct frame *f)
{
	struct hd_meta x = { .h = frame_header(HD_FILE_METADATA),
			     .operation = HD_META_FALLOCATE,
			     .has = HD_META_HAS_SIZE | HD_META_HAS_FLAGS,
			     .flags = 3,
			     .size = 8192,
			     .result = -95 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "f/");
}

static void socket_tcp(struct frame *f)
{
	struct hd_socket x = {
		.h = frame_header(HD_NETWORK_SOCKET), .result = 4, .family = AF_INET6, .socket_type = SOCK_STREAM
	};

	frame_init(f, &x, sizeof(x));
}

static void socket_refused(struct frame *f)
{
	struct hd_socket x = { .h = frame_header(HD_NETWORK_SOCKET),
			       .result = -97,
			       .family = 99,
			       .socket_type = SOCK_RAW,
			       .protocol = 255 };

	frame_init(f, &x, sizeof(x));
}

static struct sockaddr_in6 in6(const char *text, unsigned port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	(void)inet_pton(AF_INET6, text, &a.sin6_addr);
	return a;
}

static struct sockaddr_in in4(const char *text, unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	(void)inet_pton(AF_INET, text, &a.sin_addr);
	return a;
}

static void connect_mapped(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_CONNECT),
			    .result = -111,
			    .family = AF_INET6,
			    .socket_type = SOCK_STREAM,
			    .protocol = IPPROTO_TCP };
	struct sockaddr_in6 to = in6("::ffff:192.0.2.7", 443), from = in6("2001:db8::1", 50000);

	x.h.syscall = NR_CONNECT;
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &to, sizeof(to));
	frame_item(f, HD_I_SOCKADDR2, 0, &from, sizeof(from));
}

static void connect_abstract(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_CONNECT), .family = AF_UNIX, .socket_type = SOCK_STREAM };
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0bus\0x" };

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &a, offsetof(struct sockaddr_un, sun_path) + 6);
}

static void connect_netlink(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_CONNECT),
			    .family = AF_NETLINK,
			    .socket_type = SOCK_RAW,
			    .protocol = 15,
			    .flags = HD_NET_DATAGRAM };
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = 12, .nl_groups = 3 };

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &a, sizeof(a));
}

static void connect_packet(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_CONNECT), .family = AF_PACKET, .socket_type = SOCK_RAW };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_ifindex = 2 };

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &a, sizeof(a));
}

static void connect_vsock(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_CONNECT), .family = AF_VSOCK, .socket_type = SOCK_STREAM };
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = 2, .svm_port = 1024 };

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &a, sizeof(a));
}

static void listen_tcp(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_LISTEN),
			    .family = AF_INET,
			    .socket_type = SOCK_STREAM,
			    .protocol = IPPROTO_TCP,
			    .backlog = 128 };
	struct sockaddr_in a = in4("0.0.0.0", 8080);

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR2, 0, &a, sizeof(a));
}

static void listen_bind(struct frame *f)
{
	struct hd_net x = { .h = frame_header(HD_NETWORK_LISTEN),
			    .family = AF_INET,
			    .socket_type = SOCK_DGRAM,
			    .flags = HD_NET_BIND,
			    .result = -98 };
	struct sockaddr_in a = in4("127.0.0.1", 53);

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &a, sizeof(a));
}

static void accept_tcp(struct frame *f)
{
	struct hd_net x = {
		.h = frame_header(HD_NETWORK_ACCEPT), .family = AF_INET, .socket_type = SOCK_STREAM, .result = 7
	};
	struct sockaddr_in peer = in4("127.0.0.1", 40000), local = in4("127.0.0.1", 8080);

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &peer, sizeof(peer));
	frame_item(f, HD_I_SOCKADDR2, 0, &local, sizeof(local));
}

static void accept_unix(struct frame *f)
{
	struct hd_net x = {
		.h = frame_header(HD_NETWORK_ACCEPT), .family = AF_UNIX, .socket_type = SOCK_SEQPACKET, .result = 8
	};
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/s" };
	sa_family_t unnamed = AF_UNIX;

	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &unnamed, sizeof(unnamed));
	frame_item(f, HD_I_SOCKADDR2, 0, &a, sizeof(a));
}

static void dns_udp(struct frame *f)
{
	struct hd_dns x = { .h = frame_header(HD_DNS_QUERY),
			    .local_port = 40000,
			    .remote_port = 53,
			    .local = { 127, 0, 0, 1 },
			    .remote = { 127, 0, 0, 53 },
			    .family = AF_INET,
			    .protocol = IPPROTO_UDP,
			    .egress = 1,
			    .payload_bytes = 29 };

	frame_init(f, &x, sizeof(x));
	ITEM(f, HD_I_PACKET, 0,
	     "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07"
	     "example\x03"
	     "com\0\0\x1c\0\x01");
}

static void dns_tcp6(struct frame *f)
{
	struct hd_dns x = { .h = frame_header(HD_DNS_RESPONSE),
			    .tcp_seq = 1,
			    .local_port = 40000,
			    .remote_port = 5353,
			    .remote = { [15] = 1 },
			    .local = { [15] = 1 },
			    .family = AF_INET6,
			    .protocol = IPPROTO_TCP };

	frame_init(f, &x, sizeof(x));
	ITEM(f, HD_I_PACKET, 0, "\0\x02xx");
}

static void privilege_ids(struct frame *f)
{
	static const __u32 groups[] = { 4, 24 };
	struct hd_privilege x = { .h = frame_header(HD_PRIVILEGE_CHANGE),
				  .changed = HD_CRED_UID | HD_CRED_FSGID | HD_CRED_GROUPS | HD_CRED_EFFECTIVE |
					     HD_CRED_AMBIENT | HD_CRED_NO_NEW_PRIVS | HD_CRED_SECUREBITS |
					     HD_CRED_USER_NS,
				  .before = { .uid = 1000, .euid = 5, .fsgid = 3, .user_ns = 4026531837 },
				  .after = { .uid = 0,
					     .euid = 6,
					     .fsgid = 4,
					     .effective = 1 | UINT64_C(1) << 21 | UINT64_C(1) << 50,
					     .no_new_privs = 1,
					     .securebits = 5,
					     .user_ns = 4026532000 } };

	x.h.syscall = NR_SETRESUID;
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_GROUPS_BEFORE, 0, groups, sizeof(groups));
	frame_item(f, HD_I_GROUPS_AFTER, 0, groups, 0);
}

static void privilege_exec(struct frame *f)
{
	struct hd_privilege x = { .h = frame_header(HD_PRIVILEGE_CHANGE),
				  .flags = HD_PRIV_EXEC,
				  .changed = HD_CRED_EUID,
				  .before = { .euid = 1000 } };

	x.h.syscall = NR_EXECVE;
	frame_init(f, &x, sizeof(x));
}

static void privilege_refused(struct frame *f)
{
	struct hd_privilege x = { .h = frame_header(HD_PRIVILEGE_CHANGE), .flags = HD_PRIV_ASKED, .result = -1 };

	x.h.syscall = NR_SETRESUID;
	frame_init(f, &x, sizeof(x));
}

static void memory_mmap(struct frame *f)
{
	struct hd_memory x = { .h = frame_header(HD_MEMORY_EXEC),
			       .result = 0x7f0000001000,
			       .address = 0x7f0000001000,
			       .length = 4096,
			       .protection = 7,
			       .backing = HD_BACK_ANONYMOUS,
			       .reason = HD_MEM_WRITABLE_EXEC,
			       .map_flags = 0x22 };

	x.h.syscall = NR_MMAP;
	frame_init(f, &x, sizeof(x));
}

static void memory_memfd(struct frame *f)
{
	struct hd_memory x = { .h = frame_header(HD_MEMORY_EXEC),
			       .result = -13,
			       .address = 0x1000,
			       .length = UINT64_MAX,
			       .protection = 4 | 1U << 20,
			       .backing = HD_BACK_MEMFD,
			       .reason = HD_MEM_MEMFD_EXEC };

	x.h.syscall = NR_MPROTECT;
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_PATH, HD_P_MEMFD | HD_P_DELETED, "memfd:jit/", 10);
}

static struct hd_escape escape(unsigned category, unsigned rule, unsigned target, unsigned syscall)
{
	struct hd_escape x = {
		.h = frame_header(HD_SANDBOX_ESCAPE), .category = category, .rule = rule, .target_kind = target
	};

	x.h.syscall = (__u16)syscall;
	return x;
}

static void escape_unshare(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_NAMESPACE, HD_RULE_SYSCALL, HD_TGT_NAMESPACE, NR_UNSHARE);

	x.args[0] = 0x10000000 | 0x20000;
	x.result = -1;
	frame_init(f, &x, sizeof(x));
}

static void escape_mount(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_MOUNT, HD_RULE_SYSCALL, HD_TGT_PATH, NR_MOUNT);

	x.args[3] = 4096 | 16384;
	x.h.flags = 0;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_TARGET_NAME, "mnt");
	frame_text(f, HD_I_BASE, "");
	frame_text(f, HD_I_TEXT, "source /dev/sda1, type ext4\n");
}

static void escape_ptrace(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_PTRACE, HD_RULE_SYSCALL, HD_TGT_PID, NR_PTRACE);

	x.args[0] = 1;
	x.args[1] = 16;
	frame_init(f, &x, sizeof(x));
}

static void escape_bpf(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_BPF, HD_RULE_SYSCALL, HD_TGT_NONE, NR_BPF);

	x.args[0] = 5;
	x.result = 11;
	frame_init(f, &x, sizeof(x));
}

static void escape_seccomp(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_SECCOMP, HD_RULE_SYSCALL, HD_TGT_NONE, NR_SECCOMP);

	x.args[0] = 1;
	x.args[1] = 9;
	frame_init(f, &x, sizeof(x));
}

static void escape_clone(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_NAMESPACE, HD_RULE_CLONE_NS, HD_TGT_NAMESPACE, NR_CLONE3);

	x.args[0] = 0x40000000 | 0x100;
	frame_init(f, &x, sizeof(x));
}

static void escape_setns(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_NAMESPACE, HD_RULE_SYSCALL, HD_TGT_NAMESPACE, NR_SETNS);

	x.args[0] = 0x40000000;
	x.args[1] = 5;
	frame_init(f, &x, sizeof(x));
}

static void escape_metadata(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_CONTAINER, HD_RULE_CLOUD_METADATA, HD_TGT_ADDRESS, NR_CONNECT);
	struct sockaddr_in6 a = in6("fd00:ec2::254", 80);

	x.result = -115;
	frame_init(f, &x, sizeof(x));
	frame_item(f, HD_I_SOCKADDR, 0, &a, sizeof(a));
}

static void escape_proc(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_PROC_SYS, HD_RULE_SENSITIVE_PROC, HD_TGT_PATH, NR_OPENAT);

	x.args[2] = 02 | 02000000;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_TARGET_PATH, "sysrq-trigger/proc/");
}

static void escape_cgroup(struct frame *f)
{
	struct hd_escape x = escape(HD_ESC_CONTAINER, HD_RULE_LEFT_CGROUP, HD_TGT_CGROUP, HD_NO_SYSCALL);

	x.h.via = HD_VIA_KERNEL;
	x.mover_pid = 55;
	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_TARGET_NAME, "/outside");
}

static void file_name(struct frame *f)
{
	struct hd_fold x = { .h = frame_header(HD_FILE_NAME), .file_id = 9, .inode = 1, .dev = 2, .mode = 0100600 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_PATH, "f/");
}

static void process_seed(struct frame *f)
{
	struct hd_exec x = { .h = frame_header(HD_PROCESS_SEED), .args_count = 1, .args_bytes = 5 };

	frame_init(f, &x, sizeof(x));
	frame_text(f, HD_I_EXE, "init/sbin/");
	ITEM(f, HD_I_ARGS, 0, "init\0");
}

static void traffic(struct frame *f)
{
	struct hd_traffic x = {
		.h = frame_header(HD_TRAFFIC), .socket = 7, .sent = 1000, .received = 2000, .family = 2
	};

	frame_init(f, &x, sizeof(x));
	ITEM(f, HD_I_SOCKADDR, 0, "\2\0\1\273\1\1\1\1\0\0\0\0\0\0\0");
}

#define SAMPLE(name)                                                                                                   \
	{                                                                                                              \
#name, name                                                                                            \
	}
const struct sample samples[] = {
	SAMPLE(exec_script),	 SAMPLE(exec_memfd),	 SAMPLE(exec_failed),	    SAMPLE(exec_loaded),
	SAMPLE(fork_process),	 SAMPLE(fork_thread),	 SAMPLE(exit_code),	    SAMPLE(exit_signal),
	SAMPLE(open_created),	 SAMPLE(open_failed),	 SAMPLE(open_hostile),	    SAMPLE(fold_write),
	SAMPLE(fold_read),	 SAMPLE(fold_mapping),	 SAMPLE(meta_rename),	    SAMPLE(meta_symlink),
	SAMPLE(meta_mknod),	 SAMPLE(meta_chown),	 SAMPLE(meta_fallocate),    SAMPLE(socket_tcp),
	SAMPLE(socket_refused),	 SAMPLE(connect_mapped), SAMPLE(connect_abstract),  SAMPLE(connect_netlink),
	SAMPLE(connect_packet),	 SAMPLE(connect_vsock),	 SAMPLE(listen_tcp),	    SAMPLE(listen_bind),
	SAMPLE(accept_tcp),	 SAMPLE(accept_unix),	 SAMPLE(dns_udp),	    SAMPLE(dns_tcp6),
	SAMPLE(privilege_ids),	 SAMPLE(privilege_exec), SAMPLE(privilege_refused), SAMPLE(memory_mmap),
	SAMPLE(memory_memfd),	 SAMPLE(escape_unshare), SAMPLE(escape_mount),	    SAMPLE(escape_ptrace),
	SAMPLE(escape_bpf),	 SAMPLE(escape_seccomp), SAMPLE(escape_clone),	    SAMPLE(escape_setns),
	SAMPLE(escape_metadata), SAMPLE(escape_proc),	 SAMPLE(escape_cgroup),	    SAMPLE(file_name),
	SAMPLE(process_seed),	 SAMPLE(traffic),
};
const size_t samples_n = ARRAY_SIZE(samples);

void sample_make(const char *name, struct frame *f)
{
	for (size_t i = 0; i < samples_n; i++) {
		if (strcmp(samples[i].name, name) == 0) {
			samples[i].make(f);
			return;
		}
	}
	abort();
}
