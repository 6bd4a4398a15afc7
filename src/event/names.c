/* SPDX-License-Identifier: Apache-2.0 */
/* Small tables: our own enums, signals, capabilities, sockets, DNS. See names.h. */
#include "event/names.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

static const char *look(const char *const *table, size_t count, size_t index)
{
	return index < count ? table[index] : NULL;
}
#define LOOK(table, index) look(table, ARRAY_SIZE(table), index)

static const char *const event_types[] = {
	[HD_PROCESS_EXEC] = "process_exec",
	[HD_PROCESS_FORK] = "process_fork",
	[HD_PROCESS_EXIT] = "process_exit",
	[HD_FILE_WRITE] = "file_write",
	[HD_FILE_READ] = "file_read",
	[HD_FILE_METADATA] = "file_metadata",
	[HD_FILE_OPEN] = "file_open",
	[HD_NETWORK_SOCKET] = "network_socket",
	[HD_NETWORK_CONNECT] = "network_connect",
	[HD_NETWORK_LISTEN] = "network_listen",
	[HD_NETWORK_ACCEPT] = "network_accept",
	[HD_DNS_QUERY] = "dns_query",
	[HD_DNS_RESPONSE] = "dns_response",
	[HD_PRIVILEGE_CHANGE] = "privilege_change",
	[HD_MEMORY_EXEC] = "memory_exec",
	[HD_SANDBOX_ESCAPE] = "sandbox_escape",
};

static const char *const lanes[] = {
	[HD_LANE_CRITICAL] = "critical",
	[HD_LANE_BULK] = "bulk",
};

static const char *const vias[] = {
	[HD_VIA_SYSCALL] = "syscall",
	[HD_VIA_COMPAT] = "compat",
	[HD_VIA_IO_URING] = "io_uring",
	[HD_VIA_KERNEL] = "kernel",
};

static const char *const metadata_operations[] = {
	[HD_META_UNLINK] = "unlink",
	[HD_META_RENAME] = "rename",
	[HD_META_LINK] = "link",
	[HD_META_SYMLINK] = "symlink",
	[HD_META_MKDIR] = "mkdir",
	[HD_META_RMDIR] = "rmdir",
	[HD_META_CHMOD] = "chmod",
	[HD_META_CHOWN] = "chown",
	[HD_META_TRUNCATE] = "truncate",
	[HD_META_SETXATTR] = "setxattr",
	[HD_META_REMOVEXATTR] = "removexattr",
	[HD_META_UTIMES] = "utimes",
	[HD_META_MKNOD] = "mknod",
	[HD_META_FALLOCATE] = "fallocate",
};

static const char *const backings[] = {
	[HD_BACK_ANONYMOUS] = "anonymous",
	[HD_BACK_MEMFD] = "memfd",
	[HD_BACK_SHM] = "shm",
	[HD_BACK_STACK] = "stack",
	[HD_BACK_HEAP] = "heap",
	[HD_BACK_FILE] = "file",
};

static const char *const memory_reasons[] = {
	[HD_MEM_ANONYMOUS_EXEC] = "anonymous_exec",
	[HD_MEM_WRITABLE_EXEC] = "writable_exec",
	[HD_MEM_WAS_WRITABLE] = "was_writable",
	[HD_MEM_MEMFD_EXEC] = "memfd_exec",
	[HD_MEM_SHM_EXEC] = "shm_exec",
	[HD_MEM_STACK_EXEC] = "stack_exec",
	[HD_MEM_HEAP_EXEC] = "heap_exec",
	[HD_MEM_READ_IMPLIES_EXEC] = "read_implies_exec",
};

static const char *const escape_categories[] = {
	[HD_ESC_CONTAINER] = "container",
	[HD_ESC_BPF] = "bpf",
	[HD_ESC_MODULE_LOAD] = "module_load",
	[HD_ESC_PTRACE] = "ptrace",
	[HD_ESC_MOUNT] = "mount",
	[HD_ESC_NAMESPACE] = "namespace",
	[HD_ESC_SECCOMP] = "seccomp",
	[HD_ESC_PERF_EVENT] = "perf_event",
	[HD_ESC_PROC_SYS] = "proc_sys",
};

static const char *const escape_rules[] = {
	[HD_RULE_SYSCALL] = "syscall",
	[HD_RULE_CLONE_NS] = "clone_ns",
	[HD_RULE_SENSITIVE_PROC] = "sensitive_proc",
	[HD_RULE_RUNTIME_SOCKET] = "runtime_socket",
	[HD_RULE_RELEASE_AGENT] = "release_agent",
	[HD_RULE_CORE_PATTERN] = "core_pattern",
	[HD_RULE_HOST_DEVICE] = "host_device",
	[HD_RULE_HANDLE] = "handle",
	[HD_RULE_LEFT_CGROUP] = "left_cgroup",
	[HD_RULE_RUNC_SHAPE] = "runc_shape",
	[HD_RULE_TOKEN] = "token",
	[HD_RULE_CLOUD_METADATA] = "cloud_metadata",
	[HD_RULE_PROC_MEM] = "proc_mem",
	[HD_RULE_MAGIC_LINK] = "magic_link",
};

static const char *const signals[] = {
	[1] = "SIGHUP",
	[2] = "SIGINT",
	[3] = "SIGQUIT",
	[4] = "SIGILL",
	[5] = "SIGTRAP",
	[6] = "SIGABRT",
	[7] = "SIGBUS",
	[8] = "SIGFPE",
	[9] = "SIGKILL",
	[10] = "SIGUSR1",
	[11] = "SIGSEGV",
	[12] = "SIGUSR2",
	[13] = "SIGPIPE",
	[14] = "SIGALRM",
	[15] = "SIGTERM",
	[16] = "SIGSTKFLT",
	[17] = "SIGCHLD",
	[18] = "SIGCONT",
	[19] = "SIGSTOP",
	[20] = "SIGTSTP",
	[21] = "SIGTTIN",
	[22] = "SIGTTOU",
	[23] = "SIGURG",
	[24] = "SIGXCPU",
	[25] = "SIGXFSZ",
	[26] = "SIGVTALRM",
	[27] = "SIGPROF",
	[28] = "SIGWINCH",
	[29] = "SIGIO",
	[30] = "SIGPWR",
	[31] = "SIGSYS",
};

/* The kernel's SIGRTMIN is 32; the C library keeps two for itself, and its numbers are what people know. */
static const char *const realtime_signals[] = {
	"SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+2", "SIGRTMIN+3", "SIGRTMIN+4", "SIGRTMIN+5",
	"SIGRTMIN+6", "SIGRTMIN+7", "SIGRTMIN+8", "SIGRTMIN+9", "SIGRTMIN+10", "SIGRTMIN+11",
	"SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMIN+16", "SIGRTMIN+17",
	"SIGRTMIN+18", "SIGRTMIN+19", "SIGRTMIN+20", "SIGRTMIN+21", "SIGRTMIN+22", "SIGRTMIN+23",
	"SIGRTMIN+24", "SIGRTMIN+25", "SIGRTMIN+26", "SIGRTMIN+27", "SIGRTMIN+28", "SIGRTMIN+29",
	"SIGRTMIN+30",
};

static const char *const capabilities[] = {
	[0] = "CAP_CHOWN",
	[1] = "CAP_DAC_OVERRIDE",
	[2] = "CAP_DAC_READ_SEARCH",
	[3] = "CAP_FOWNER",
	[4] = "CAP_FSETID",
	[5] = "CAP_KILL",
	[6] = "CAP_SETGID",
	[7] = "CAP_SETUID",
	[8] = "CAP_SETPCAP",
	[9] = "CAP_LINUX_IMMUTABLE",
	[10] = "CAP_NET_BIND_SERVICE",
	[11] = "CAP_NET_BROADCAST",
	[12] = "CAP_NET_ADMIN",
	[13] = "CAP_NET_RAW",
	[14] = "CAP_IPC_LOCK",
	[15] = "CAP_IPC_OWNER",
	[16] = "CAP_SYS_MODULE",
	[17] = "CAP_SYS_RAWIO",
	[18] = "CAP_SYS_CHROOT",
	[19] = "CAP_SYS_PTRACE",
	[20] = "CAP_SYS_PACCT",
	[21] = "CAP_SYS_ADMIN",
	[22] = "CAP_SYS_BOOT",
	[23] = "CAP_SYS_NICE",
	[24] = "CAP_SYS_RESOURCE",
	[25] = "CAP_SYS_TIME",
	[26] = "CAP_SYS_TTY_CONFIG",
	[27] = "CAP_MKNOD",
	[28] = "CAP_LEASE",
	[29] = "CAP_AUDIT_WRITE",
	[30] = "CAP_AUDIT_CONTROL",
	[31] = "CAP_SETFCAP",
	[32] = "CAP_MAC_OVERRIDE",
	[33] = "CAP_MAC_ADMIN",
	[34] = "CAP_SYSLOG",
	[35] = "CAP_WAKE_ALARM",
	[36] = "CAP_BLOCK_SUSPEND",
	[37] = "CAP_AUDIT_READ",
	[38] = "CAP_PERFMON",
	[39] = "CAP_BPF",
	[40] = "CAP_CHECKPOINT_RESTORE",
};

static const char *const families[] = {
	[1] = "AF_UNIX",
	[0] = "AF_UNSPEC",
	[2] = "AF_INET",
	[3] = "AF_AX25",
	[4] = "AF_IPX",
	[5] = "AF_APPLETALK",
	[6] = "AF_NETROM",
	[7] = "AF_BRIDGE",
	[8] = "AF_ATMPVC",
	[9] = "AF_X25",
	[10] = "AF_INET6",
	[11] = "AF_ROSE",
	[12] = "AF_DECnet",
	[13] = "AF_NETBEUI",
	[14] = "AF_SECURITY",
	[15] = "AF_KEY",
	[16] = "AF_NETLINK",
	[17] = "AF_PACKET",
	[18] = "AF_ASH",
	[19] = "AF_ECONET",
	[20] = "AF_ATMSVC",
	[21] = "AF_RDS",
	[22] = "AF_SNA",
	[23] = "AF_IRDA",
	[24] = "AF_PPPOX",
	[25] = "AF_WANPIPE",
	[26] = "AF_LLC",
	[27] = "AF_IB",
	[28] = "AF_MPLS",
	[29] = "AF_CAN",
	[30] = "AF_TIPC",
	[31] = "AF_BLUETOOTH",
	[32] = "AF_IUCV",
	[33] = "AF_RXRPC",
	[34] = "AF_ISDN",
	[35] = "AF_PHONET",
	[36] = "AF_IEEE802154",
	[37] = "AF_CAIF",
	[38] = "AF_ALG",
	[39] = "AF_NFC",
	[40] = "AF_VSOCK",
	[41] = "AF_KCM",
	[42] = "AF_QIPCRTR",
	[43] = "AF_SMC",
	[44] = "AF_XDP",
	[45] = "AF_MCTP",
};

static const char *const socket_types[] = {
	[1] = "SOCK_STREAM",
	[2] = "SOCK_DGRAM",
	[3] = "SOCK_RAW",
	[4] = "SOCK_RDM",
	[5] = "SOCK_SEQPACKET",
	[6] = "SOCK_DCCP",
	[10] = "SOCK_PACKET",
};

static const char *const protocols[] = {
	[1] = "icmp",
	[6] = "tcp",
	[17] = "udp",
};

static const char *const dns_types[] = {
	[1] = "A",
	[2] = "NS",
	[3] = "MD",
	[4] = "MF",
	[5] = "CNAME",
	[6] = "SOA",
	[7] = "MB",
	[8] = "MG",
	[9] = "MR",
	[10] = "NULL",
	[11] = "WKS",
	[12] = "PTR",
	[13] = "HINFO",
	[14] = "MINFO",
	[15] = "MX",
	[16] = "TXT",
	[17] = "RP",
	[18] = "AFSDB",
	[19] = "X25",
	[20] = "ISDN",
	[21] = "RT",
	[22] = "NSAP",
	[23] = "NSAP-PTR",
	[24] = "SIG",
	[25] = "KEY",
	[26] = "PX",
	[27] = "GPOS",
	[28] = "AAAA",
	[29] = "LOC",
	[30] = "NXT",
	[31] = "EID",
	[32] = "NIMLOC",
	[33] = "SRV",
	[34] = "ATMA",
	[35] = "NAPTR",
	[36] = "KX",
	[37] = "CERT",
	[38] = "A6",
	[39] = "DNAME",
	[40] = "SINK",
	[41] = "OPT",
	[42] = "APL",
	[43] = "DS",
	[44] = "SSHFP",
	[45] = "IPSECKEY",
	[46] = "RRSIG",
	[47] = "NSEC",
	[48] = "DNSKEY",
	[49] = "DHCID",
	[50] = "NSEC3",
	[51] = "NSEC3PARAM",
	[52] = "TLSA",
	[53] = "SMIMEA",
	[55] = "HIP",
	[56] = "NINFO",
	[57] = "RKEY",
	[58] = "TALINK",
	[59] = "CDS",
	[60] = "CDNSKEY",
	[61] = "OPENPGPKEY",
	[62] = "CSYNC",
	[63] = "ZONEMD",
	[64] = "SVCB",
	[65] = "HTTPS",
	[99] = "SPF",
	[104] = "NID",
	[105] = "L32",
	[106] = "L64",
	[107] = "LP",
	[108] = "EUI48",
	[109] = "EUI64",
	[249] = "TKEY",
	[250] = "TSIG",
	[251] = "IXFR",
	[252] = "AXFR",
	[253] = "MAILB",
	[254] = "MAILA",
	[255] = "ANY",
	[256] = "URI",
	[257] = "CAA",
	[258] = "AVC",
	[259] = "DOA",
	[260] = "AMTRELAY",
};

static const char *const dns_rcodes[] = {
	[0] = "NOERROR",
	[1] = "FORMERR",
	[2] = "SERVFAIL",
	[3] = "NXDOMAIN",
	[4] = "NOTIMP",
	[5] = "REFUSED",
	[6] = "YXDOMAIN",
	[7] = "YXRRSET",
	[8] = "NXRRSET",
	[9] = "NOTAUTH",
	[10] = "NOTZONE",
	[11] = "DSOTYPENI",
	[16] = "BADVERS",
	[17] = "BADKEY",
	[18] = "BADTIME",
	[19] = "BADMODE",
	[20] = "BADNAME",
	[21] = "BADALG",
	[22] = "BADTRUNC",
	[23] = "BADCOOKIE",
};

const char *name_event_type(unsigned type)
{
	return LOOK(event_types, type);
}

const char *name_lane(unsigned lane)
{
	return LOOK(lanes, lane);
}

const char *name_via(unsigned via)
{
	return LOOK(vias, via);
}

const char *name_capability(unsigned bit)
{
	return LOOK(capabilities, bit);
}

const char *name_family(unsigned family)
{
	return LOOK(families, family);
}

const char *name_socket_type(unsigned type)
{
	return LOOK(socket_types, type);
}

const char *name_protocol(unsigned protocol)
{
	return LOOK(protocols, protocol);
}

const char *name_dns_type(unsigned type)
{
	return LOOK(dns_types, type);
}

const char *name_dns_rcode(unsigned rcode)
{
	return LOOK(dns_rcodes, rcode);
}

const char *name_metadata(unsigned operation)
{
	return LOOK(metadata_operations, operation);
}

const char *name_backing(unsigned backing)
{
	return LOOK(backings, backing);
}

const char *name_memory_reason(unsigned reason)
{
	return LOOK(memory_reasons, reason);
}

const char *name_escape_category(unsigned category)
{
	return LOOK(escape_categories, category);
}

const char *name_escape_rule(unsigned rule)
{
	return LOOK(escape_rules, rule);
}

int name_event_type_parse(const char *name)
{
	for (size_t i = 1; i < ARRAY_SIZE(event_types); i++) {
		if (strcmp(name, event_types[i]) == 0)
			return (int)i;
	}
	return -EINVAL;
}

const char *name_signal(int number)
{
	if (number >= 34)
		return LOOK(realtime_signals, (size_t)number - 34);
	return number > 0 ? LOOK(signals, (size_t)number) : NULL;
}

const char *flag_next(const struct flag_name **at, uint64_t *bits)
{
	for (; (*at)->mask; (*at)++) {
		const struct flag_name *f = *at;

		if ((*bits & f->mask) != f->value)
			continue;
		/* A value of 0 (O_RDONLY, PROT_NONE) takes nothing off, so the table must move on. */
		*bits &= ~f->value;
		(*at)++;
		return f->name;
	}
	return NULL;
}
