/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people: what is harmless to show, escapes, sizes. The rule of what is harmless lives here only; JSON,
 * tables and the report all use it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Looks at the first character of `length` (> 0) bytes. Returns its size in bytes and sets *plain when it is valid
 * UTF-8 and harmless in a terminal; otherwise the bytes to escape (1 for what is no UTF-8).
 */
size_t text_next(const void *data, size_t length, bool *plain);

/* How many bytes from the start are printable ASCII that no escape rule touches (no quote, no backslash). */
static inline size_t text_plain_run(const uint8_t *p, size_t length)
{
	size_t i = 0;

	while (i < length && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* True when all of it is valid UTF-8 (harmless or not). */
bool text_is_utf8(const void *data, size_t length);

/*
 * Appends bytes for a terminal or a table, by the rule of json_bytes: \xNN for a byte that is no UTF-8 or is part of
 * a control character, a backslash doubled. Returns true when the text differs from the original.
 */
bool text_escape(struct buf *out, const void *data, size_t length);

#define TEXT_SIZE_MAX 16

/* A size for people, "917 B", "1.4 KiB", "23.0 GiB". Returns ret. */
const char *text_size(uint64_t bytes, char ret[TEXT_SIZE_MAX]);

/* Parses "4096", "64K", "2M", "1G" (powers of 1024, an optional "iB" or "B" after). 0, -EINVAL or -ERANGE. */
int text_parse_size(const char *text, uint64_t *ret);

/* Parses a whole decimal number: no sign, no space. 0, -EINVAL or -ERANGE. */
int text_parse_u64(const char *text, uint64_t *ret);
