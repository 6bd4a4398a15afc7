// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The kernel side. One hook at the exit of every system call does the scope test and hands the call to its family's
 * program by tail call; fork, exec and exit have hooks of their own, so do socket state and cgroup moves. Nothing is
 * hooked at a call's entry: what a call did is only known when it returns, and an entry hook would cost every
 * other process on the machine as much again.
 */
#include "core.h"

#define CLASS_NONE 0
#define CLASS_OPEN 1
#define CLASS_RW 2
#define CLASS_COPY 3
#define CLASS_CLOSE 4
#define CLASS_METADATA 5
#define CLASS_SOCKET 6
#define CLASS_CONNECT 7
#define CLASS_LISTEN 8
#define CLASS_ACCEPT 9
#define CLASS_SEND 10
#define CLASS_PRIVILEGE 11
#define CLASS_MEMORY 12
#define CLASS_ESCAPE 13
#define CLASS_MOUNT 14
#define CLASS_EXEC 15
#define CLASS_CLONE 16
#define CLASS_MAX 17

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, __u32);
} handlers SEC(".maps");

#include "path.h"
#include "fold.h"
#include "task.h"
#include "escape.h"
#include "file.h"
#include "metadata.h"
#include "net.h"
#include "packet.h"
#include "flush.h"
#include "privilege.h"
#include "memory.h"
#include "exec.h"
#include "lsm.h"

char _license[] SEC("license") = "Dual BSD/GPL";

const volatile __u8 call_class[512] = {
	[NR_open] = CLASS_OPEN,
	[NR_creat] = CLASS_OPEN,
	[NR_openat] = CLASS_OPEN,
	[NR_openat2] = CLASS_OPEN,
	[NR_open_by_handle_at] = CLASS_OPEN,
	[NR_read] = CLASS_RW,
	[NR_write] = CLASS_RW,
	[NR_pread64] = CLASS_RW,
	[NR_pwrite64] = CLASS_RW,
	[NR_readv] = CLASS_RW,
	[NR_writev] = CLASS_RW,
	[NR_preadv] = CLASS_RW,
	[NR_pwritev] = CLASS_RW,
	[NR_preadv2] = CLASS_RW,
	[NR_pwritev2] = CLASS_RW,
	[NR_sendfile] = CLASS_COPY,
	[NR_splice] = CLASS_COPY,
	[NR_copy_file_range] = CLASS_COPY,
	[NR_close] = CLASS_CLOSE,
	[NR_dup2] = CLASS_CLOSE,
	[NR_dup3] = CLASS_CLOSE,
	[NR_close_range] = CLASS_CLOSE,
	[NR_truncate] = CLASS_METADATA,
	[NR_ftruncate] = CLASS_METADATA,
	[NR_rename] = CLASS_METADATA,
	[NR_mkdir] = CLASS_METADATA,
	[NR_rmdir] = CLASS_METADATA,
	[NR_link] = CLASS_METADATA,
	[NR_unlink] = CLASS_METADATA,
	[NR_symlink] = CLASS_METADATA,
	[NR_chmod] = CLASS_METADATA,
	[NR_fchmod] = CLASS_METADATA,
	[NR_chown] = CLASS_METADATA,
	[NR_fchown] = CLASS_METADATA,
	[NR_lchown] = CLASS_METADATA,
	[NR_utime] = CLASS_METADATA,
	[NR_mknod] = CLASS_METADATA,
	[NR_setxattr] = CLASS_METADATA,
	[NR_lsetxattr] = CLASS_METADATA,
	[NR_fsetxattr] = CLASS_METADATA,
	[NR_removexattr] = CLASS_METADATA,
	[NR_lremovexattr] = CLASS_METADATA,
	[NR_fremovexattr] = CLASS_METADATA,
	[NR_utimes] = CLASS_METADATA,
	[NR_mkdirat] = CLASS_METADATA,
	[NR_mknodat] = CLASS_METADATA,
	[NR_fchownat] = CLASS_METADATA,
	[NR_futimesat] = CLASS_METADATA,
	[NR_unlinkat] = CLASS_METADATA,
	[NR_renameat] = CLASS_METADATA,
	[NR_linkat] = CLASS_METADATA,
	[NR_symlinkat] = CLASS_METADATA,
	[NR_fchmodat] = CLASS_METADATA,
	[NR_utimensat] = CLASS_METADATA,
	[NR_fallocate] = CLASS_METADATA,
	[NR_renameat2] = CLASS_METADATA,
	[NR_fchmodat2] = CLASS_METADATA,
	[NR_setxattrat] = CLASS_METADATA,
	[NR_removexattrat] = CLASS_METADATA,
	[NR_socket] = CLASS_SOCKET,
	[NR_connect] = CLASS_CONNECT,
	[NR_bind] = CLASS_LISTEN,
	[NR_listen] = CLASS_LISTEN,
	[NR_accept] = CLASS_ACCEPT,
	[NR_accept4] = CLASS_ACCEPT,
	[NR_sendto] = CLASS_SEND,
	[NR_sendmsg] = CLASS_SEND,
	[NR_sendmmsg] = CLASS_SEND,
	[NR_setuid] = CLASS_PRIVILEGE,
	[NR_setgid] = CLASS_PRIVILEGE,
	[NR_setreuid] = CLASS_PRIVILEGE,
	[NR_setregid] = CLASS_PRIVILEGE,
	[NR_setgroups] = CLASS_PRIVILEGE,
	[NR_setresuid] = CLASS_PRIVILEGE,
	[NR_setresgid] = CLASS_PRIVILEGE,
	[NR_setfsuid] = CLASS_PRIVILEGE,
	[NR_setfsgid] = CLASS_PRIVILEGE,
	[NR_capset] = CLASS_PRIVILEGE,
	[NR_prctl] = CLASS_PRIVILEGE,
	[NR_keyctl] = CLASS_PRIVILEGE,
	[NR_mmap] = CLASS_MEMORY,
	[NR_mprotect] = CLASS_MEMORY,
	[NR_pkey_mprotect] = CLASS_MEMORY,
	[NR_shmat] = CLASS_MEMORY,
	[NR_personality] = CLASS_MEMORY,
	[NR_mount] = CLASS_MOUNT,
	[NR_umount2] = CLASS_MOUNT,
	[NR_fsopen] = CLASS_MOUNT,
	[NR_fsconfig] = CLASS_MOUNT,
	[NR_fsmount] = CLASS_MOUNT,
	[NR_fspick] = CLASS_MOUNT,
	[NR_move_mount] = CLASS_MOUNT,
	[NR_open_tree] = CLASS_MOUNT,
	[NR_open_tree_attr] = CLASS_MOUNT,
	[NR_mount_setattr] = CLASS_MOUNT,
	[NR_pivot_root] = CLASS_MOUNT,
	[NR_bpf] = CLASS_ESCAPE,
	[NR_perf_event_open] = CLASS_ESCAPE,
	[NR_init_module] = CLASS_ESCAPE,
	[NR_finit_module] = CLASS_ESCAPE,
	[NR_delete_module] = CLASS_ESCAPE,
	[NR_kexec_load] = CLASS_ESCAPE,
	[NR_kexec_file_load] = CLASS_ESCAPE,
	[NR_ptrace] = CLASS_ESCAPE,
	[NR_process_vm_readv] = CLASS_ESCAPE,
	[NR_process_vm_writev] = CLASS_ESCAPE,
	[NR_pidfd_getfd] = CLASS_ESCAPE,
	[NR_seccomp] = CLASS_ESCAPE,
	[NR_unshare] = CLASS_ESCAPE,
	[NR_setns] = CLASS_ESCAPE,
	[NR_chroot] = CLASS_ESCAPE,
	[NR_execve] = CLASS_EXEC,
	[NR_execveat] = CLASS_EXEC,
	[NR_clone] = CLASS_CLONE,
	[NR_clone3] = CLASS_CLONE,
};

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 number = regs->orig_ax, class;

	if (call_is_compat())
		number = cfg_compat_number[number & 511];
	class = call_class[number & 511];
	if (number > 511 || class == CLASS_NONE)
		return 0;
	if (!in_scope())
		return 0;
	/* A call that a signal interrupted and that will be made again is none yet. */
	if (ret <= -512 && ret >= -516)
		return 0;
	bpf_tail_call(ctx, &handlers, class);
	return 0;
}
