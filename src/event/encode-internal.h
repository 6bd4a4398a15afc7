/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoders of the families share. Every helper leaves out what is unset. */
#pragma once

#include "base/json.h"
#include "event/encode.h"
#include "event/names.h"

#define ENCODER_ESCAPED_MAX 16

struct encoder {
	struct json j;
	const struct event *e;
	const char *escaped[ENCODER_ESCAPED_MAX]; /* top-level fields whose text isn't the original's */
	unsigned escaped_n;
	int failed; /* 0 or negative errno, besides the buffer's own */
};

/* Notes a field for `escaped`, once. `key` is static. */
void enc_escaped(struct encoder *enc, const char *key);

void enc_uint(struct encoder *enc, const char *key, uint64_t value);
void enc_string(struct encoder *enc, const char *key, const char *text); /* NULL: left out */
void enc_true(struct encoder *enc, const char *key, bool value);         /* only when true */
void enc_bytes(struct encoder *enc, const char *key, struct bytes b);
void enc_time(struct encoder *enc, const char *key, uint64_t boottime_ns);

/* A name, or "PREFIXnumber" where the kernel's number has none. */
void enc_name(struct encoder *enc, const char *key, const char *name, const char *prefix, uint64_t number);

/* A list of names; bits without one come last, as a hex string. */
void enc_flags(struct encoder *enc, const char *key, const struct flag_name *table, uint64_t bits);

/* `path` with what is to say about it: deleted, truncated, overlay. */
void enc_object(struct encoder *enc, const struct event_path *path);

void enc_mode(struct encoder *enc, uint32_t mode);
void enc_identity(struct encoder *enc, uint64_t inode, uint32_t dev);

/* `result`, and `error` where it isn't 0. What a call returned on success is no result: 0. */
void enc_result(struct encoder *enc, int64_t result);
static inline bool result_is_error(int64_t result)
{
	return result < 0 && result >= -4095;
}

/* The call's name; "syscall_NNN" when the table has none, left out when there was no call. */
void enc_syscall(struct encoder *enc, const char *key);

/* The fields from session to lane, from the cache (NULL: none) where it has them. */
void encode_actor(struct encoder *enc, struct encode_cache *cache);

void encode_process_exec(struct encoder *enc);
void encode_process_fork(struct encoder *enc);
void encode_process_exit(struct encoder *enc);
void encode_file_open(struct encoder *enc);
void encode_file_fold(struct encoder *enc);
void encode_file_metadata(struct encoder *enc);
void encode_network_socket(struct encoder *enc);
void encode_network_connect(struct encoder *enc);
void encode_network_listen(struct encoder *enc);
void encode_network_accept(struct encoder *enc);
void encode_dns(struct encoder *enc);
void encode_privilege_change(struct encoder *enc);
void encode_memory_exec(struct encoder *enc);
void encode_sandbox_escape(struct encoder *enc);
