/* SPDX-License-Identifier: Apache-2.0 */
/* The common fields of an event's JSON line, and the helpers of the families' files. */
#include "event/encode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"
#include "event/encode-internal.h"

void enc_escaped(struct encoder *enc, const char *key)
{
	for (unsigned i = 0; i < enc->escaped_n; i++) {
		if (strcmp(enc->escaped[i], key) == 0)
			return;
	}
	if (enc->escaped_n < ENCODER_ESCAPED_MAX)
		enc->escaped[enc->escaped_n++] = key;
}

void enc_uint(struct encoder *enc, const char *key, uint64_t value)
{
	json_key(&enc->j, key);
	json_uint(&enc->j, value);
}

void enc_string(struct encoder *enc, const char *key, const char *text)
{
	if (!text)
		return;
	json_key(&enc->j, key);
	json_string(&enc->j, text);
}

void enc_true(struct encoder *enc, const char *key, bool value)
{
	if (!value)
		return;
	json_key(&enc->j, key);
	json_bool(&enc->j, true);
}

void enc_bytes(struct encoder *enc, const char *key, struct bytes b)
{
	if (!bytes_set(b))
		return;
	json_key(&enc->j, key);
	if (json_bytes(&enc->j, b.data, b.length))
		enc_escaped(enc, key);
}

void enc_time(struct encoder *enc, const char *key, uint64_t boottime_ns)
{
	char text[CLOCK_TEXT_MAX];

	/* Unsigned, since a frame of a fuzzer may overflow. */
	enc_string(enc, key, clock_format((int64_t)(boottime_ns + (uint64_t)enc->e->time_offset_ns), text));
}

void enc_name(struct encoder *enc, const char *key, const char *name, const char *prefix, uint64_t number)
{
	char text[48];

	if (!name) {
		(void)snprintf(text, sizeof(text), "%s%llu", prefix, (unsigned long long)number);
		name = text;
	}
	enc_string(enc, key, name);
}

void enc_flags(struct encoder *enc, const char *key, const struct flag_name *table, uint64_t bits)
{
	const char *name;

	json_key(&enc->j, key);
	json_array(&enc->j);
	while ((name = flag_next(&table, &bits)))
		json_string(&enc->j, name);
	if (bits)
		json_hex(&enc->j, bits);
	json_array_end(&enc->j);
}

void enc_object(struct encoder *enc, const struct event_path *path)
{
	enc_bytes(enc, "path", path->path);
	enc_true(enc, "deleted", path->deleted);
	enc_true(enc, "truncated", path->truncated);
	enc_string(enc, "overlay", path->overlay);
}

void enc_mode(struct encoder *enc, uint32_t mode)
{
	const char text[] = { '"', (char)('0' + (mode >> 9 & 7)), (char)('0' + (mode >> 6 & 7)),
			      (char)('0' + (mode >> 3 & 7)), (char)('0' + (mode & 7)), '"' };

	json_name(&enc->j, "mode");
	json_raw(&enc->j, text, sizeof(text));
}

void enc_identity(struct encoder *enc, uint64_t inode, uint32_t dev)
{
	char text[2 * TEXT_U64_MAX + 3] = "\"";
	size_t at = 1;

	if (inode == 0)
		return;
	json_name(&enc->j, "inode");
	json_uint(&enc->j, inode);
	at += text_u64(text + at, dev >> 20);
	text[at++] = ':';
	at += text_u64(text + at, dev & 0xfffff);
	text[at++] = '"';
	json_name(&enc->j, "device");
	json_raw(&enc->j, text, at);
}

void enc_result(struct encoder *enc, int64_t result)
{
	bool error = result_is_error(result);

	json_name(&enc->j, "result");
	json_int(&enc->j, error ? result : 0);
	if (error)
		enc_name(enc, "error", name_errno((int)-result), "E", (uint64_t)-result);
}

void enc_syscall(struct encoder *enc, const char *key)
{
	unsigned number = enc->e->h.syscall;

	if (number != HD_NO_SYSCALL)
		enc_name(enc, key, name_syscall(number), "syscall_", number);
}

static void encode_common(struct encoder *enc, struct encode_cache *cache)
{
	const struct event *e = enc->e;

	json_name(&enc->j, "sequence");
	json_uint(&enc->j, e->sequence);
	enc_time(enc, "time", e->h.time_ns);
	json_name(&enc->j, "type");
	json_string(&enc->j, name_event_type(e->type));
	encode_actor(enc, cache);
	json_name(&enc->j, "cpu");
	json_uint(&enc->j, e->h.cpu);
	json_name(&enc->j, "lane_sequence");
	json_uint(&enc->j, e->h.lane_sequence);
}

static void (*const encoders[HD_TYPE_EVENT_MAX + 1])(struct encoder *enc) = {
	[HD_PROCESS_EXEC] = encode_process_exec,
	[HD_PROCESS_FORK] = encode_process_fork,
	[HD_PROCESS_EXIT] = encode_process_exit,
	[HD_FILE_WRITE] = encode_file_fold,
	[HD_FILE_READ] = encode_file_fold,
	[HD_FILE_METADATA] = encode_file_metadata,
	[HD_FILE_OPEN] = encode_file_open,
	[HD_NETWORK_SOCKET] = encode_network_socket,
	[HD_NETWORK_CONNECT] = encode_network_connect,
	[HD_NETWORK_LISTEN] = encode_network_listen,
	[HD_NETWORK_ACCEPT] = encode_network_accept,
	[HD_DNS_QUERY] = encode_dns,
	[HD_DNS_RESPONSE] = encode_dns,
	[HD_PRIVILEGE_CHANGE] = encode_privilege_change,
	[HD_MEMORY_EXEC] = encode_memory_exec,
	[HD_SANDBOX_ESCAPE] = encode_sandbox_escape,
};

int event_encode_json_cached(struct encode_cache *cache, const struct event *e, struct buf *out)
{
	struct encoder enc = { .e = e };

	if ((unsigned)e->type >= ARRAY_SIZE(encoders) || !encoders[e->type])
		return -EINVAL;
	json_init(&enc.j, out);
	json_object(&enc.j);
	encode_common(&enc, cache);
	encoders[e->type](&enc);
	if (e->count > 1)
		enc_uint(&enc, "count", e->count);
	if (enc.escaped_n > 0) {
		json_key(&enc.j, "escaped");
		json_array(&enc.j);
		for (unsigned i = 0; i < enc.escaped_n; i++)
			json_string(&enc.j, enc.escaped[i]);
		json_array_end(&enc.j);
	}
	json_object_end(&enc.j);
	return out->failed ?: enc.failed;
}

int event_encode_json(const struct event *e, struct buf *out)
{
	return event_encode_json_cached(NULL, e, out);
}
