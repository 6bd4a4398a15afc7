/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's names of numbers. All return NULL for what has no name; none allocates. */
#pragma once

#include <stdint.h>

#include "wire/event.h"

const char *name_event_type(unsigned type);     /* "process_exec" */
int name_event_type_parse(const char *name);    /* enum hd_type, or -EINVAL */
const char *name_lane(unsigned lane);           /* "critical" */
const char *name_via(unsigned via);
const char *name_errno(int code);               /* positive: "ENOENT" */
const char *name_signal(int number);            /* "SIGKILL"; SIGRTMIN+n too */
const char *name_capability(unsigned bit);      /* "CAP_CHOWN" */
const char *name_family(unsigned family);       /* "AF_INET" */
const char *name_socket_type(unsigned type);    /* "SOCK_STREAM" */
const char *name_protocol(unsigned protocol);   /* "tcp" */
const char *name_dns_type(unsigned type);       /* "AAAA" */
const char *name_dns_rcode(unsigned rcode);     /* "NXDOMAIN" */
const char *name_metadata(unsigned operation);  /* "unlink" */
const char *name_backing(unsigned backing);
const char *name_memory_reason(unsigned reason);
const char *name_escape_category(unsigned category);
const char *name_escape_rule(unsigned rule);
const char *name_syscall(unsigned number);      /* x86-64: "openat" */
const char *name_ptrace_request(uint64_t request);      /* "PTRACE_ATTACH" */
const char *name_prctl_option(uint64_t option);         /* "PR_SET_SECCOMP" */
const char *name_bpf_command(uint64_t command);         /* "BPF_PROG_LOAD" */
const char *name_seccomp_operation(uint64_t operation); /* "SECCOMP_SET_MODE_FILTER" */

/* One bit, or one value under a mask, of a flag word. */
struct flag_name {
	uint64_t mask;   /* 0 ends the table */
	uint64_t value;
	const char *name;
};
extern const struct flag_name names_open_flags[];   /* O_RDONLY is printed when no other access mode is */
extern const struct flag_name names_clone_flags[];
extern const struct flag_name names_rename_flags[];
extern const struct flag_name names_protection[];
extern const struct flag_name names_fallocate_flags[];
extern const struct flag_name names_resolve_flags[]; /* openat2 */
extern const struct flag_name names_at_flags[];
extern const struct flag_name names_xattr_flags[];
extern const struct flag_name names_map_flags[];
extern const struct flag_name names_securebits[];
extern const struct flag_name names_mount_flags[];
extern const struct flag_name names_umount_flags[];
extern const struct flag_name names_module_flags[];
extern const struct flag_name names_seccomp_flags[];

/*
 * Takes the next name off *bits, going on at *at (start with the table). NULL when no further name fits: what is
 * left in *bits then has no name.
 */
const char *flag_next(const struct flag_name **at, uint64_t *bits);
