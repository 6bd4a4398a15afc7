/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people: what is harmless to show, escapes, sizes. The rule of what is harmless lives here only; JSON,
 * tables and the report all use it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/*
 * Looks at the first character of `length` (> 0) bytes. Returns its size in bytes and sets *plain when it is valid
 * UTF-8 and harmless in a terminal; otherwise the bytes to escape (1 for what is no UTF-8).
 */
size_t text_next(const void *data, size_t length, bool *plain);

/* Nonzero when one of the eight bytes is none that text_plain_run takes. */
static inline uint64_t text_word_marked(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\', del = word ^ ones * 0x7f;

	/* A byte below n borrows from its high bit; a byte that equals c is zero after the xor, so below 1. */
	return (word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
		((backslash - ones) & ~backslash) | ((del - ones) & ~del)) & high;
}

/* How many bytes from the start are printable ASCII that no escape rule touches (no quote, no backslash). */
static inline size_t text_plain_run(const uint8_t *p, size_t length)
{
	size_t i = 0;

	for (uint64_t word; i + sizeof(word) <= length; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (text_word_marked(word))
			break;
	}
	while (i < length && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* Writes the digits of a number at ret, at most TEXT_U64_MAX and no NUL; returns how many. */
#define TEXT_U64_MAX 20
size_t text_u64(char *ret, uint64_t value);

/* An option that is absent when it is empty. */
static inline const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
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
