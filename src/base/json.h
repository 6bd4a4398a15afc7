/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON writer into a struct buf. Commas and nesting are its own business; a wrong nesting is a programmer's
 * error (assert). Strings from an agent go through json_bytes, which is the one place that escapes them.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 16

/* Hidden, so that a program which loads libjansson keeps its functions and ours apart. */
#pragma GCC visibility push(hidden)

struct json {
	struct buf *out;
	unsigned depth;
	bool first[JSON_DEPTH_MAX]; /* nothing written yet at this depth */
	bool array[JSON_DEPTH_MAX];
	bool after_key;
};

void json_init(struct json *j, struct buf *out);
void json_object(struct json *j);
void json_object_end(struct json *j);
void json_array(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);
/*
 * json_key for a string literal that needs no escapes, in one piece with its comma: a line has about forty of them.
 */
#define json_name(j, literal) json_lead(j, ",\"" literal "\":", sizeof(",\"" literal "\":") - 1)
void json_int(struct json *j, int64_t value);
void json_uint(struct json *j, uint64_t value); /* over 2^53: a hex string "0x.." */
void json_hex(struct json *j, uint64_t value);  /* always a hex string */
void json_bool(struct json *j, bool value);
/* Our own text; what is no UTF-8 becomes U+FFFD. Agent strings go through json_bytes instead. */
void json_string(struct json *j, const char *text);
void json_raw(struct json *j, const char *text, size_t length); /* a whole JSON value, already encoded */

/*
 * Writes bytes as a string that is always valid JSON and harmless in a terminal: bytes that are not UTF-8 and
 * control characters (C0, DEL, C1, and the bidirectional and line-separator formatting characters) become the four
 * characters \xNN (in JSON: "\\xNN") a byte, and a backslash in the original is doubled. So the original can be had
 * back. Returns true when the text differs from the original (the caller lists the field in `escaped`).
 */
bool json_bytes(struct json *j, const void *data, size_t length);

static inline void json_lead(struct json *j, const char *lead, size_t length)
{
	assert(j->depth > 0 && !j->array[j->depth - 1] && !j->after_key);
	j->after_key = true;
	if (j->first[j->depth - 1])
		buf_add(j->out, lead + 1, length - 1);
	else
		buf_add(j->out, lead, length);
	j->first[j->depth - 1] = false;
}

#pragma GCC visibility pop
