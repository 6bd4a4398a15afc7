/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flag words, with the values of x86-64. A name that covers several bits comes before the names of its parts.
 */
#include "event/names.h"

const struct flag_name names_open_flags[] = {
	{ 03, 0, "O_RDONLY" },
	{ 03, 01, "O_WRONLY" },
	{ 03, 02, "O_RDWR" },
	{ 0100, 0100, "O_CREAT" },
	{ 0200, 0200, "O_EXCL" },
	{ 0400, 0400, "O_NOCTTY" },
	{ 01000, 01000, "O_TRUNC" },
	{ 02000, 02000, "O_APPEND" },
	{ 04000, 04000, "O_NONBLOCK" },
	{ 04010000, 04010000, "O_SYNC" },
	{ 010000, 010000, "O_DSYNC" },
	{ 020000, 020000, "O_ASYNC" },
	{ 040000, 040000, "O_DIRECT" },
	{ 0100000, 0100000, "O_LARGEFILE" },
	{ 020200000, 020200000, "O_TMPFILE" },
	{ 0200000, 0200000, "O_DIRECTORY" },
	{ 0400000, 0400000, "O_NOFOLLOW" },
	{ 01000000, 01000000, "O_NOATIME" },
	{ 02000000, 02000000, "O_CLOEXEC" },
	{ 010000000, 010000000, "O_PATH" },
	{ 0 },
};

const struct flag_name names_resolve_flags[] = {
	{ 0x1, 0x1, "RESOLVE_NO_XDEV" },
	{ 0x2, 0x2, "RESOLVE_NO_MAGICLINKS" },
	{ 0x4, 0x4, "RESOLVE_NO_SYMLINKS" },
	{ 0x8, 0x8, "RESOLVE_BENEATH" },
	{ 0x10, 0x10, "RESOLVE_IN_ROOT" },
	{ 0x20, 0x20, "RESOLVE_CACHED" },
	{ 0 },
};

const struct flag_name names_clone_flags[] = {
	{ 0x80, 0x80, "CLONE_NEWTIME" },
	{ 0x100, 0x100, "CLONE_VM" },
	{ 0x200, 0x200, "CLONE_FS" },
	{ 0x400, 0x400, "CLONE_FILES" },
	{ 0x800, 0x800, "CLONE_SIGHAND" },
	{ 0x1000, 0x1000, "CLONE_PIDFD" },
	{ 0x2000, 0x2000, "CLONE_PTRACE" },
	{ 0x4000, 0x4000, "CLONE_VFORK" },
	{ 0x8000, 0x8000, "CLONE_PARENT" },
	{ 0x10000, 0x10000, "CLONE_THREAD" },
	{ 0x20000, 0x20000, "CLONE_NEWNS" },
	{ 0x40000, 0x40000, "CLONE_SYSVSEM" },
	{ 0x80000, 0x80000, "CLONE_SETTLS" },
	{ 0x100000, 0x100000, "CLONE_PARENT_SETTID" },
	{ 0x200000, 0x200000, "CLONE_CHILD_CLEARTID" },
	{ 0x400000, 0x400000, "CLONE_DETACHED" },
	{ 0x800000, 0x800000, "CLONE_UNTRACED" },
	{ 0x1000000, 0x1000000, "CLONE_CHILD_SETTID" },
	{ 0x2000000, 0x2000000, "CLONE_NEWCGROUP" },
	{ 0x4000000, 0x4000000, "CLONE_NEWUTS" },
	{ 0x8000000, 0x8000000, "CLONE_NEWIPC" },
	{ 0x10000000, 0x10000000, "CLONE_NEWUSER" },
	{ 0x20000000, 0x20000000, "CLONE_NEWPID" },
	{ 0x40000000, 0x40000000, "CLONE_NEWNET" },
	{ 0x80000000, 0x80000000, "CLONE_IO" },
	{ 0x100000000, 0x100000000, "CLONE_CLEAR_SIGHAND" },
	{ 0x200000000, 0x200000000, "CLONE_INTO_CGROUP" },
	{ 0 },
};

const struct flag_name names_rename_flags[] = {
	{ 0x1, 0x1, "RENAME_NOREPLACE" },
	{ 0x2, 0x2, "RENAME_EXCHANGE" },
	{ 0x4, 0x4, "RENAME_WHITEOUT" },
	{ 0 },
};

const struct flag_name names_protection[] = {
	{ 0x7, 0, "PROT_NONE" },
	{ 0x1, 0x1, "PROT_READ" },
	{ 0x2, 0x2, "PROT_WRITE" },
	{ 0x4, 0x4, "PROT_EXEC" },
	{ 0x8, 0x8, "PROT_SEM" },
	{ 0x1000000, 0x1000000, "PROT_GROWSDOWN" },
	{ 0x2000000, 0x2000000, "PROT_GROWSUP" },
	{ 0 },
};

const struct flag_name names_fallocate_flags[] = {
	{ 0x1, 0x1, "FALLOC_FL_KEEP_SIZE" },
	{ 0x2, 0x2, "FALLOC_FL_PUNCH_HOLE" },
	{ 0x4, 0x4, "FALLOC_FL_NO_HIDE_STALE" },
	{ 0x8, 0x8, "FALLOC_FL_COLLAPSE_RANGE" },
	{ 0x10, 0x10, "FALLOC_FL_ZERO_RANGE" },
	{ 0x20, 0x20, "FALLOC_FL_INSERT_RANGE" },
	{ 0x40, 0x40, "FALLOC_FL_UNSHARE_RANGE" },
	{ 0x80, 0x80, "FALLOC_FL_WRITE_ZEROES" },
	{ 0 },
};

const struct flag_name names_at_flags[] = {
	{ 0x100, 0x100, "AT_SYMLINK_NOFOLLOW" },
	{ 0x200, 0x200, "AT_REMOVEDIR" },
	{ 0x400, 0x400, "AT_SYMLINK_FOLLOW" },
	{ 0x800, 0x800, "AT_NO_AUTOMOUNT" },
	{ 0x1000, 0x1000, "AT_EMPTY_PATH" },
	{ 0 },
};

const struct flag_name names_xattr_flags[] = {
	{ 0x1, 0x1, "XATTR_CREATE" },
	{ 0x2, 0x2, "XATTR_REPLACE" },
	{ 0 },
};

const struct flag_name names_map_flags[] = {
	{ 0xf, 0x1, "MAP_SHARED" },
	{ 0xf, 0x2, "MAP_PRIVATE" },
	{ 0xf, 0x3, "MAP_SHARED_VALIDATE" },
	{ 0xf, 0x8, "MAP_DROPPABLE" },
	{ 0x10, 0x10, "MAP_FIXED" },
	{ 0x20, 0x20, "MAP_ANONYMOUS" },
	{ 0x40, 0x40, "MAP_32BIT" },
	{ 0x100, 0x100, "MAP_GROWSDOWN" },
	{ 0x800, 0x800, "MAP_DENYWRITE" },
	{ 0x1000, 0x1000, "MAP_EXECUTABLE" },
	{ 0x2000, 0x2000, "MAP_LOCKED" },
	{ 0x4000, 0x4000, "MAP_NORESERVE" },
	{ 0x8000, 0x8000, "MAP_POPULATE" },
	{ 0x10000, 0x10000, "MAP_NONBLOCK" },
	{ 0x20000, 0x20000, "MAP_STACK" },
	{ 0x40000, 0x40000, "MAP_HUGETLB" },
	{ 0x80000, 0x80000, "MAP_SYNC" },
	{ 0x100000, 0x100000, "MAP_FIXED_NOREPLACE" },
	{ 0 },
};

const struct flag_name names_securebits[] = {
	{ 0x1, 0x1, "SECBIT_NOROOT" },
	{ 0x2, 0x2, "SECBIT_NOROOT_LOCKED" },
	{ 0x4, 0x4, "SECBIT_NO_SETUID_FIXUP" },
	{ 0x8, 0x8, "SECBIT_NO_SETUID_FIXUP_LOCKED" },
	{ 0x10, 0x10, "SECBIT_KEEP_CAPS" },
	{ 0x20, 0x20, "SECBIT_KEEP_CAPS_LOCKED" },
	{ 0x40, 0x40, "SECBIT_NO_CAP_AMBIENT_RAISE" },
	{ 0x80, 0x80, "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED" },
	{ 0x100, 0x100, "SECBIT_EXEC_RESTRICT_FILE" },
	{ 0x200, 0x200, "SECBIT_EXEC_RESTRICT_FILE_LOCKED" },
	{ 0x400, 0x400, "SECBIT_EXEC_DENY_INTERACTIVE" },
	{ 0x800, 0x800, "SECBIT_EXEC_DENY_INTERACTIVE_LOCKED" },
	{ 0 },
};

const struct flag_name names_mount_flags[] = {
	{ 0x1, 0x1, "MS_RDONLY" },
	{ 0x2, 0x2, "MS_NOSUID" },
	{ 0x4, 0x4, "MS_NODEV" },
	{ 0x8, 0x8, "MS_NOEXEC" },
	{ 0x10, 0x10, "MS_SYNCHRONOUS" },
	{ 0x20, 0x20, "MS_REMOUNT" },
	{ 0x40, 0x40, "MS_MANDLOCK" },
	{ 0x80, 0x80, "MS_DIRSYNC" },
	{ 0x100, 0x100, "MS_NOSYMFOLLOW" },
	{ 0x400, 0x400, "MS_NOATIME" },
	{ 0x800, 0x800, "MS_NODIRATIME" },
	{ 0x1000, 0x1000, "MS_BIND" },
	{ 0x2000, 0x2000, "MS_MOVE" },
	{ 0x4000, 0x4000, "MS_REC" },
	{ 0x8000, 0x8000, "MS_SILENT" },
	{ 0x10000, 0x10000, "MS_POSIXACL" },
	{ 0x20000, 0x20000, "MS_UNBINDABLE" },
	{ 0x40000, 0x40000, "MS_PRIVATE" },
	{ 0x80000, 0x80000, "MS_SLAVE" },
	{ 0x100000, 0x100000, "MS_SHARED" },
	{ 0x200000, 0x200000, "MS_RELATIME" },
	{ 0x400000, 0x400000, "MS_KERNMOUNT" },
	{ 0x800000, 0x800000, "MS_I_VERSION" },
	{ 0x1000000, 0x1000000, "MS_STRICTATIME" },
	{ 0x2000000, 0x2000000, "MS_LAZYTIME" },
	{ 0 },
};

const struct flag_name names_umount_flags[] = {
	{ 0x1, 0x1, "MNT_FORCE" },
	{ 0x2, 0x2, "MNT_DETACH" },
	{ 0x4, 0x4, "MNT_EXPIRE" },
	{ 0x8, 0x8, "UMOUNT_NOFOLLOW" },
	{ 0 },
};

const struct flag_name names_module_flags[] = {
	{ 0x1, 0x1, "MODULE_INIT_IGNORE_MODVERSIONS" },
	{ 0x2, 0x2, "MODULE_INIT_IGNORE_VERMAGIC" },
	{ 0x4, 0x4, "MODULE_INIT_COMPRESSED_FILE" },
	{ 0 },
};

const struct flag_name names_seccomp_flags[] = {
	{ 0x1, 0x1, "SECCOMP_FILTER_FLAG_TSYNC" },
	{ 0x2, 0x2, "SECCOMP_FILTER_FLAG_LOG" },
	{ 0x4, 0x4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW" },
	{ 0x8, 0x8, "SECCOMP_FILTER_FLAG_NEW_LISTENER" },
	{ 0x10, 0x10, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH" },
	{ 0x20, 0x20, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
	{ 0 },
};
