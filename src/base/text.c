/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: see text.h. */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Size of the UTF-8 character at p and its code point, 0 when it is none (overlong, surrogate, cut, too big). */
static size_t utf8_decode(const uint8_t *p, size_t length, uint32_t *code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t value;
	size_t size;

	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	if ((p[0] & 0xe0) == 0xc0) {
		size = 2;
		value = p[0] & 0x1f;
	} else if ((p[0] & 0xf0) == 0xe0) {
		size = 3;
		value = p[0] & 0x0f;
	} else if ((p[0] & 0xf8) == 0xf0) {
		size = 4;
		value = p[0] & 0x07;
	} else {
		return 0;
	}
	if (size > length)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return size;
}

/* Controls, and what reorders or breaks a line when shown. */
static bool code_is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t text_next(const void *data, size_t length, bool *plain)
{
	uint32_t code = 0;
	size_t size = utf8_decode(data, length, &code);

	*plain = size > 0 && !code_is_harmful(code);
	return size > 0 ? size : 1;
}

size_t text_u64(char *ret, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";
	char text[TEXT_U64_MAX];
	size_t at = sizeof(text);

	while (value >= 100) {
		at -= 2;
		memcpy(text + at, pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		at -= 2;
		memcpy(text + at, pairs + value * 2, 2);
	} else {
		text[--at] = (char)('0' + value);
	}
	memcpy(ret, text + at, sizeof(text) - at);
	return sizeof(text) - at;
}

bool text_is_utf8(const void *data, size_t length)
{
	const uint8_t *p = data;
	uint32_t code;

	while (length > 0) {
		size_t size = utf8_decode(p, length, &code);

		if (size == 0)
			return false;
		p += size;
		length -= size;
	}
	return true;
}

bool text_escape(struct buf *out, const void *data, size_t length)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = data;
	bool changed = false;
	size_t run = 0;

	for (size_t i = 0; i < length;) {
		bool plain;
		size_t size = text_next(p + i, length - i, &plain);

		if (plain && p[i] != '\\') {
			i += size;
			continue;
		}
		buf_add(out, p + run, i - run);
		if (plain)
			buf_adds(out, "\\\\");
		for (size_t k = 0; !plain && k < size; k++)
			buf_add(out, (const char[]){ '\\', 'x', hex[p[i + k] >> 4], hex[p[i + k] & 15] }, 4);
		changed = true;
		i += size;
		run = i;
	}
	if (length > run)
		buf_add(out, p + run, length - run);
	return changed;
}

const char *text_size(uint64_t bytes, char ret[TEXT_SIZE_MAX])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(ret, TEXT_SIZE_MAX, "%u B", (unsigned)bytes);
		return ret;
	}
	/* 1023.95 would be printed as "1024.0". */
	while (value >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(ret, TEXT_SIZE_MAX, "%.1f %s", value, units[unit]);
	return ret;
}

/* Reads digits at *text and moves it behind them. */
static int parse_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
			return -ERANGE;
	}
	*text = p;
	*ret = value;
	return 0;
}

int text_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	uint64_t value;
	unsigned shift = 0;
	int r = parse_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text) {
		const char *unit = strchr(units, *text & ~0x20);

		if (unit && *unit) {
			shift = 10 * (unsigned)(unit - units + 1);
			text++;
			if (text[0] == 'i' && text[1] == 'B')
				text++;
		}
		if (*text == 'B')
			text++;
	}
	if (*text)
		return -EINVAL;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

int text_parse_u64(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r = parse_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = value;
	return 0;
}
