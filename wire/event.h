/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The one contract between bpf/ and src/: every frame in a lane is a struct hd_header, the type's fixed
 * fields, and a tail of items. Fixed-width fields, explicit padding, little-endian (x86-64, arm64).
 * Both sides include this file and assert the same sizes; nothing else is shared.
 *
 * A frame takes the ring space it needs: the fixed part is small, everything of variable length (paths,
 * arguments, packets, group lists) is an item in the tail.
 */
#ifndef HEDDLE_WIRE_EVENT_H
#define HEDDLE_WIRE_EVENT_H

#ifndef HD_BPF
#include <assert.h>
#include <linux/types.h>
#endif
#include <stddef.h>

#define HD_WIRE_VERSION 1

enum hd_type {
	HD_PROCESS_EXEC = 1,
	HD_PROCESS_FORK = 2,
	HD_PROCESS_EXIT = 3,
	HD_FILE_WRITE = 4,
	HD_FILE_READ = 5,
	HD_FILE_METADATA = 6,
	HD_FILE_OPEN = 7,
	HD_NETWORK_SOCKET = 8,
	HD_NETWORK_CONNECT = 9,
	HD_NETWORK_LISTEN = 10,
	HD_NETWORK_ACCEPT = 11,
	HD_DNS_QUERY = 12,
	HD_DNS_RESPONSE = 13,
	HD_PRIVILEGE_CHANGE = 14,
	HD_MEMORY_EXEC = 15,
	HD_SANDBOX_ESCAPE = 16,
	HD_TYPE_EVENT_MAX = 16,
	/* Internal: names a file that later folds refer to by file_id; never printed. */
	HD_FILE_NAME = 17,
	/* Internal: a process that ran before capture began; struct hd_exec with what it is now. Never printed. */
	HD_PROCESS_SEED = 18,
	/* Internal: what a TCP connection carried, when it closes or the session ends. Never printed. */
	HD_TRAFFIC = 19,
	HD_TYPE_MAX = 20,
};

enum hd_lane {
	HD_LANE_CRITICAL = 0,
	HD_LANE_BULK = 1,
	HD_LANE_MAX = 2,
};

enum hd_via {
	HD_VIA_SYSCALL = 0,
	HD_VIA_COMPAT = 1,
	HD_VIA_IO_URING = 2,
	HD_VIA_KERNEL = 3,
	HD_VIA_MAX = 4,
};

/* hd_header.flags */
#define HD_F_VERIFIED 0x01 /* every object named was read from the kernel's own structures */
#define HD_F_SEEN 0x02     /* a hook inside the call saw the object: what the canaries go by, of no use to a reader */

/*
 * Common part. The first 32 bytes are the classic header (type, time, pid, tid, uid, gid); the second
 * part says where the frame was made and by which process.
 */
struct hd_header {
	__u32 type;          /* enum hd_type */
	__u32 size;          /* of the whole frame, this header included */
	__u64 time_ns;       /* CLOCK_BOOTTIME */
	__u32 pid;           /* tgid in the initial pid namespace */
	__u32 tid;
	__u32 uid;           /* effective, initial user namespace */
	__u32 gid;

	__u64 lane_sequence; /* counts this CPU's frames in this lane from 1; a hole is a loss */
	__u64 start_ns;      /* CLOCK_BOOTTIME when the process was forked: with pid, the process key */
	__u64 cgroup_id;     /* v2 hierarchy */
	__u32 ppid;
	__u32 ns_pid;        /* tgid in the process's own pid namespace */
	__u32 image;         /* the kernel's self_exec_id: inherited at fork, one more at each exec */
	__u16 cpu;
	__u8 lane;           /* enum hd_lane */
	__u8 via;            /* enum hd_via */
	__u16 flags;         /* HD_F_* */
	__u16 syscall;       /* x86-64 number of the call, 0xffff where none */
	__u32 pad0;
	char comm[16];
};

#define HD_NO_SYSCALL 0xffff

/*
 * How an i386 call passes its arguments where its x86-64 twin has them otherwise: the bits above the twin's number in
 * the table of numbers that the sensor fills.
 */
#define HD_FORM_SHIFT 9
enum hd_form {
	HD_FORM_SAME,
	HD_FORM_IDS16,      /* 16-bit ids */
	HD_FORM_OWNER16,    /* the second and third are 16-bit ids */
	HD_FORM_SIZE64,     /* the second is in two registers */
	HD_FORM_FALLOCATE,  /* so are the third and the fourth */
	HD_FORM_NO_FLAGS,   /* the second is not there */
	HD_FORM_OLD_MMAP,   /* the first points to a list of all */
	HD_FORM_SOCKETCALL, /* the number of a subcall, then a pointer to a list of its arguments */
	HD_FORM_IPC,        /* the number of a subcall, then its arguments in an order of their own */
};

/* Tail items follow the fixed part back to back, unaligned. */
enum hd_item_kind {
	HD_I_PATH = 1,      /* kernel's path: components, leaf first, each followed by '/' */
	HD_I_PATH2,         /* second path, the same form (rename, link) */
	HD_I_NAME,          /* the caller's string, not resolved */
	HD_I_NAME2,
	HD_I_BASE,          /* where HD_I_NAME starts, the kernel's path: dirfd, cwd, or the root for an absolute one */
	HD_I_BASE2,
	HD_I_EXE,           /* kernel's path of the image */
	HD_I_CWD,           /* kernel's path */
	HD_I_INTERPRETER,   /* kernel's path */
	HD_I_ARGS,          /* NUL after each argument, as the new image's memory has them */
	HD_I_SOCKADDR,      /* raw struct sockaddr_*, remote end or caller's word */
	HD_I_SOCKADDR2,     /* local end */
	HD_I_GROUPS_BEFORE, /* __u32 each */
	HD_I_GROUPS_AFTER,
	HD_I_PACKET,        /* DNS payload */
	HD_I_TEXT,          /* escape: words of detail, ASCII */
	HD_I_TARGET_PATH,   /* escape: kernel's path of the target */
	HD_I_TARGET_NAME,   /* escape: caller's string for the target */
	HD_I_LOADED,        /* exec through the dynamic loader: the program it loads */
	HD_I_MAX,
};

/* hd_item.flags, for the path kinds */
#define HD_P_DELETED 0x01
#define HD_P_TRUNCATED 0x02
#define HD_P_OVL_UPPER 0x04
#define HD_P_OVL_LOWER 0x08
#define HD_P_MEMFD 0x10
#define HD_P_ARGS_TRUNCATED 0x20
#define HD_P_DETACHED 0x40 /* reaches no namespace's root: a pseudo file, or below a mount that is attached nowhere */

struct hd_item {
	__u16 kind;  /* enum hd_item_kind */
	__u16 flags;
	__u32 length; /* of the bytes that follow */
};

#define HD_ARGS_BYTES_MAX 16384
#define HD_ARGS_COUNT_MAX 256
#define HD_PATH_MAX 4096
#define HD_PACKET_MAX 4096
#define HD_GROUPS_MAX 64

/* hd_exec.flags */
#define HD_EXEC_FILELESS 0x01
#define HD_EXEC_SCRIPT 0x02
#define HD_EXEC_AT 0x04 /* execveat */
#define HD_SEED_JOINED 0x08 /* HD_PROCESS_SEED: was moved into the workload's cgroup just now */

struct hd_exec {
	struct hd_header h;
	__s32 result;
	__u32 flags;       /* HD_EXEC_* */
	__u32 args_count;  /* true totals */
	__u32 args_bytes;
	__u64 inode;       /* of exe */
	__u32 dev;         /* kernel's dev_t: major << 20 | minor */
	__u32 pad0;
};

struct hd_fork {
	struct hd_header h;  /* the parent's */
	__u64 clone_flags;
	__u64 child_start_ns; /* of the child process (thread group) */
	__u32 child_pid;      /* tgid; for a thread the tgid is the parent's own */
	__u32 child_tid;
	__u32 thread;         /* 1: a thread */
	__u32 child_ns_pid;
};

/* hd_exit.flags */
#define HD_EXIT_CORE 0x01
#define HD_EXIT_OOM 0x02

struct hd_exit {
	struct hd_header h;
	__u32 status;        /* as wait(2) has it: code << 8 | core 0x80 | signal */
	__u32 flags;
	__u64 duration_ns;
	__u64 max_rss_bytes;
};

struct hd_open {
	struct hd_header h;
	__s64 result;       /* the new descriptor, or a negative errno */
	__u64 file_id;      /* names this open file for later folds, 0: none */
	__u64 inode;
	__u32 dev;
	__u32 flags;        /* as the call asked, O_* */
	__u32 mode;         /* of the file itself where it exists, else as asked */
	__u32 resolve;      /* openat2's resolve bits */
};

/* HD_FILE_READ, HD_FILE_WRITE: one fold; HD_FILE_NAME uses file_id, inode, dev, mode and a path. */
#define HD_FOLD_MAPPING 0x01 /* a shared writable mapping */
#define HD_FOLD_CLOSED 0x02  /* last fold of this file_id */

struct hd_fold {
	struct hd_header h;
	__u64 file_id;
	__u64 inode;
	__u64 bytes;
	__u64 operations;
	__u64 first_ns;
	__u64 last_ns;
	__u32 dev;
	__u32 flags;
	__u32 mode;
	__u32 fd;
};

enum hd_metadata {
	HD_META_UNLINK = 1,
	HD_META_RENAME,
	HD_META_LINK,
	HD_META_SYMLINK,
	HD_META_MKDIR,
	HD_META_RMDIR,
	HD_META_CHMOD,
	HD_META_CHOWN,
	HD_META_TRUNCATE,
	HD_META_SETXATTR,
	HD_META_REMOVEXATTR,
	HD_META_UTIMES,
	HD_META_MKNOD,
	HD_META_FALLOCATE,
	HD_META_MAX,
};

/* which optional fields of hd_meta are set */
#define HD_META_HAS_MODE 0x01
#define HD_META_HAS_UID 0x02
#define HD_META_HAS_GID 0x04
#define HD_META_HAS_SIZE 0x08
#define HD_META_HAS_FLAGS 0x10
#define HD_META_HAS_INODE 0x20

struct hd_meta {
	struct hd_header h;
	__s32 result;
	__u32 operation;   /* enum hd_metadata */
	__u32 has;         /* HD_META_HAS_* */
	__u32 mode;        /* new permission bits, or type and bits for mknod */
	__u32 owner_uid;
	__u32 owner_gid;
	__u32 flags;       /* RENAME_*, AT_*, FALLOC_* */
	__u32 dev;         /* of the object */
	__u64 inode;
	__u64 size;        /* truncate, fallocate */
};

struct hd_socket {
	struct hd_header h;
	__s64 result;
	__u32 family;
	__u32 socket_type; /* without SOCK_NONBLOCK and SOCK_CLOEXEC */
	__u32 protocol;
	__u32 pad0;
};

/* connect, listen and accept */
#define HD_NET_FASTOPEN 0x01
#define HD_NET_DATAGRAM 0x02 /* an address given with a datagram, no connect */
#define HD_NET_BIND 0x04     /* listen event from bind of a datagram socket */

struct hd_net {
	struct hd_header h;
	__s64 result;
	__u64 socket;      /* cookie where known, else the inode */
	__u32 family;
	__u32 socket_type;
	__u32 protocol;
	__u32 flags;
	__u32 backlog;
	__u32 pad0;
};

/* HD_TRAFFIC: payload bytes of one TCP connection, retransmissions not counted twice; both ends as socket addresses. */
struct hd_traffic {
	struct hd_header h;
	__u64 socket;
	__u64 sent;
	__u64 received;
	__u32 family;
	__u32 accepted; /* 1: the workload was the listener */
};

/* Payload bytes of port 53; TCP comes as segments with their stream offset. */
struct hd_dns {
	struct hd_header h;
	__u64 socket;
	__u32 tcp_seq;
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16];  /* IPv4 in the first four bytes */
	__u8 remote[16];
	__u8 family;     /* AF_INET or AF_INET6 */
	__u8 protocol;   /* IPPROTO_UDP or IPPROTO_TCP */
	__u8 egress;
	__u8 tcp_flags;
	__u32 payload_bytes; /* true length; the packet item may hold less */
};

struct hd_creds {
	__u32 uid, euid, suid, fsuid;
	__u32 gid, egid, sgid, fsgid;
	__u64 effective, permitted, inheritable, bounding, ambient;
	__u32 securebits;
	__u32 no_new_privs;
	__u64 user_ns; /* inode of the user namespace */
	__u64 groups;  /* address of the kernel's group_info: changes tell a change of groups */
};

/* hd_privilege.flags */
#define HD_PRIV_EXEC 0x01
#define HD_PRIV_KERNEL 0x02  /* found changed, no call of this task named it */
#define HD_PRIV_ASKED 0x04   /* `after` is what a refused call asked for; only `changed` bits count */

/* hd_privilege.changed, one bit a field of hd_creds, in its order */
#define HD_CRED_UID 0x0001
#define HD_CRED_EUID 0x0002
#define HD_CRED_SUID 0x0004
#define HD_CRED_FSUID 0x0008
#define HD_CRED_GID 0x0010
#define HD_CRED_EGID 0x0020
#define HD_CRED_SGID 0x0040
#define HD_CRED_FSGID 0x0080
#define HD_CRED_EFFECTIVE 0x0100
#define HD_CRED_PERMITTED 0x0200
#define HD_CRED_INHERITABLE 0x0400
#define HD_CRED_BOUNDING 0x0800
#define HD_CRED_AMBIENT 0x1000
#define HD_CRED_SECUREBITS 0x2000
#define HD_CRED_NO_NEW_PRIVS 0x4000
#define HD_CRED_GROUPS 0x8000
#define HD_CRED_USER_NS 0x10000

struct hd_privilege {
	struct hd_header h;
	__s32 result;
	__u32 flags;
	__u32 changed;
	__u32 pad0;
	struct hd_creds before;
	struct hd_creds after;
};

enum hd_backing {
	HD_BACK_ANONYMOUS = 1,
	HD_BACK_MEMFD,
	HD_BACK_SHM,
	HD_BACK_STACK,
	HD_BACK_HEAP,
	HD_BACK_FILE,
	HD_BACK_UNKNOWN, /* a refused call: the mapping was not made */
	HD_BACK_MAX,
};

enum hd_memory_reason {
	HD_MEM_ANONYMOUS_EXEC = 1, /* anonymous memory made executable */
	HD_MEM_WRITABLE_EXEC,      /* writable and executable at once */
	HD_MEM_WAS_WRITABLE,       /* writable (or written) before, executable now */
	HD_MEM_MEMFD_EXEC,
	HD_MEM_SHM_EXEC,
	HD_MEM_STACK_EXEC,
	HD_MEM_HEAP_EXEC,
	HD_MEM_READ_IMPLIES_EXEC,
	HD_MEM_REASON_MAX,
};

struct hd_memory {
	struct hd_header h;
	__s64 result;
	__u64 address;
	__u64 length;
	__u32 protection;  /* PROT_* as asked */
	__u32 backing;     /* enum hd_backing */
	__u32 reason;      /* enum hd_memory_reason */
	__u32 map_flags;   /* MAP_* for mmap */
	__u64 inode;
	__u32 dev;
	__u32 pad0;
};

/* In order of precedence where two fit. */
enum hd_escape_category {
	HD_ESC_CONTAINER = 1,
	HD_ESC_BPF,
	HD_ESC_MODULE_LOAD,
	HD_ESC_PTRACE,
	HD_ESC_MOUNT,
	HD_ESC_NAMESPACE,
	HD_ESC_SECCOMP,
	HD_ESC_PERF_EVENT,
	HD_ESC_PROC_SYS,
	HD_ESC_MAX,
};

/* hd_escape.target_kind */
enum hd_escape_target {
	HD_TGT_NONE = 0,
	HD_TGT_PATH,      /* an item in the tail */
	HD_TGT_PID,       /* args[0], initial pid namespace where the kernel resolved it */
	HD_TGT_ADDRESS,   /* HD_I_SOCKADDR */
	HD_TGT_NAMESPACE, /* args[0]: CLONE_NEW* bits */
	HD_TGT_CGROUP,    /* args[0]: cgroup id; args[1]: hierarchy; path in HD_I_TARGET_NAME */
};

struct hd_escape {
	struct hd_header h;
	__s64 result;
	__u32 category;    /* enum hd_escape_category */
	__u32 target_kind; /* enum hd_escape_target */
	__u32 rule;        /* enum hd_escape_rule */
	__u32 mover_pid;   /* leaving the cgroup: who moved it */
	__u64 args[4];     /* the call's first arguments, or as target_kind says */
};

/* What fired, for `detail`: the words are in src/event/escape-names.c. */
enum hd_escape_rule {
	HD_RULE_SYSCALL = 1,      /* the call itself, args are its arguments */
	HD_RULE_CLONE_NS,         /* clone with CLONE_NEW* */
	HD_RULE_SENSITIVE_PROC,
	HD_RULE_RUNTIME_SOCKET,
	HD_RULE_RELEASE_AGENT,
	HD_RULE_CORE_PATTERN,
	HD_RULE_HOST_DEVICE,
	HD_RULE_HANDLE,           /* open_by_handle_at */
	HD_RULE_LEFT_CGROUP,
	HD_RULE_RUNC_SHAPE,       /* /proc/self/exe or a runc descriptor opened for writing */
	HD_RULE_TOKEN,            /* service-account token */
	HD_RULE_CLOUD_METADATA,
	HD_RULE_PROC_MEM,         /* another process's /proc/PID/mem */
	HD_RULE_MAGIC_LINK,       /* /proc/PID/root, /proc/PID/cwd, /proc/PID/fd of another process */
	HD_RULE_MAX,
};

#define HD_ASSERT_SIZE(what, bytes) _Static_assert(sizeof(struct what) == (bytes), #what " changed size")
HD_ASSERT_SIZE(hd_header, 96);
HD_ASSERT_SIZE(hd_item, 8);
HD_ASSERT_SIZE(hd_exec, 128);
HD_ASSERT_SIZE(hd_fork, 128);
HD_ASSERT_SIZE(hd_exit, 120);
HD_ASSERT_SIZE(hd_open, 136);
HD_ASSERT_SIZE(hd_fold, 160);
HD_ASSERT_SIZE(hd_meta, 144);
HD_ASSERT_SIZE(hd_socket, 120);
HD_ASSERT_SIZE(hd_net, 136);
HD_ASSERT_SIZE(hd_dns, 152);
HD_ASSERT_SIZE(hd_traffic, 128);
HD_ASSERT_SIZE(hd_creds, 96);
HD_ASSERT_SIZE(hd_privilege, 304);
HD_ASSERT_SIZE(hd_memory, 152);
HD_ASSERT_SIZE(hd_escape, 152);
_Static_assert(offsetof(struct hd_header, lane_sequence) == 32, "the classic header is 32 bytes");
_Static_assert(offsetof(struct hd_header, comm) == 80, "hd_header.comm moved");

/* Per-CPU counters, by type; the internal types are kept out of every ledger. */
struct hd_counter {
	__u64 made;      /* operations that belong to this type */
	__u64 submitted; /* frames put in a lane */
	__u64 folded;    /* operations that a frame of several stands for, less one */
	__u64 lost;      /* operations whose frame found the lane full */
};

/* What is kept of io_uring's requests (bpf/uring.h), for the sensor to read. */
struct hd_requests {
	__u32 kept;
	__u32 silent; /* of those: may tell nobody when they are done */
	__u32 late;   /* found to be done, and told when the sensor runs `on_uring_late` next */
	__u32 pad0;
	__u64 untold; /* counted as lost: no room to keep them, or nobody can say any more whether they were done */
};

/* What the program `flush` is asked for. */
#define HD_FLUSH 0      /* what has been added up so far */
#define HD_FLUSH_ALL 1  /* the same at the end, when nothing is added any more */
#define HD_FLUSH_LATE 2 /* looks for requests that are done, and no completion told */
#define HD_FLUSH_LOSE 3 /* counts as lost what of them can't be told */

/* Set by the sensor before load (rodata) or at run time (bss); here so that both sides agree. */
#define HD_MAX_HIERARCHIES 16
#define HD_MAX_DNS_PORTS 8

#endif
