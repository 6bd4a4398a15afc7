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
