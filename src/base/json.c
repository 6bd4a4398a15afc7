/* SPDX-License-Identifier: Apache-2.0 */
/* JSON writer: see json.h. */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"

/* Above this a double can't hold every integer, so a reader would round. */
#define JSON_INTEGER_MAX (UINT64_C(1) << 53)

static const char hex_digits[] = "0123456789abcdef";

void json_init(struct json *j, struct buf *out)
{
	*j = (struct json){ .out = out };
}

/* Before each value: the comma, and the check that a key came first in an object. */
static void json_value(struct json *j)
{
	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (j->depth == 0)
		return;
	assert(j->array[j->depth - 1]);
	if (!j->first[j->depth - 1])
		buf_addc(j->out, ',');
	j->first[j->depth - 1] = false;
}

static void json_open(struct json *j, char c, bool array)
{
	json_value(j);
	assert(j->depth < JSON_DEPTH_MAX);
	j->first[j->depth] = true;
	j->array[j->depth] = array;
	j->depth++;
	buf_addc(j->out, c);
}

static void json_close(struct json *j, char c, bool array)
{
	assert(j->depth > 0 && j->array[j->depth - 1] == array && !j->after_key);
	j->depth--;
	buf_addc(j->out, c);
}

void json_object(struct json *j)
{
	json_open(j, '{', false);
}

void json_object_end(struct json *j)
{
	json_close(j, '}', false);
}

void json_array(struct json *j)
{
	json_open(j, '[', true);
}

void json_array_end(struct json *j)
{
	json_close(j, ']', true);
}

/* The inside of a JSON string. Line feeds and their kin get JSON's own escapes, what is no UTF-8 becomes U+FFFD. */
static void json_add_text(struct json *j, const char *text, size_t length)
{
	size_t run = 0;

	for (size_t i = 0; i < length;) {
		uint8_t c;
		bool plain;
		size_t size;

		i += text_plain_run((const uint8_t *)text + i, length - i);
		if (i == length)
			break;
		c = (uint8_t)text[i];
		size = text_next(text + i, length - i, &plain);
		if (plain && c != '"' && c != '\\') {
			i += size;
			continue;
		}
		buf_add(j->out, text + run, i - run);
		if (plain)
			buf_add(j->out, (const char[]){ '\\', (char)c }, 2);
		else if (c < 0x80)
			buf_add(j->out, (const char[]){ '\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15] },
				6);
		else if (size == 1)
			buf_adds(j->out, "\\ufffd");
		else if (size == 2)
			buf_addf(j->out, "\\u%04x", (unsigned)((c & 0x1f) << 6 | (text[i + 1] & 0x3f)));
		else
			buf_addf(j->out, "\\u%04x",
				 (unsigned)((c & 0x0f) << 12 | (text[i + 1] & 0x3f) << 6 | (text[i + 2] & 0x3f)));
		i += size;
		run = i;
	}
	if (length > run)
		buf_add(j->out, text + run, length - run);
}

/* A string that needs no escape, in one piece. */
static void json_plain(struct json *j, const char *text, size_t length)
{
	char *at;

	if (!buf_fits(j->out, length + 2))
		return;
	at = j->out->data + j->out->length;
	at[0] = '"';
	memcpy(at + 1, text, length);
	at[length + 1] = '"';
	at[length + 2] = 0;
	j->out->length += length + 2;
}

static void json_text(struct json *j, const char *text, size_t length)
{
	if (text_plain_run((const uint8_t *)text, length) == length) {
		json_plain(j, text, length);
		return;
	}
	buf_addc(j->out, '"');
	json_add_text(j, text, length);
	buf_addc(j->out, '"');
}

void json_key(struct json *j, const char *key)
{
	size_t length = strlen(key);

	assert(j->depth > 0 && !j->array[j->depth - 1] && !j->after_key);
	if (!j->first[j->depth - 1])
		buf_addc(j->out, ',');
	j->first[j->depth - 1] = false;
	j->after_key = true;
	json_text(j, key, length);
	buf_addc(j->out, ':');
}

/* Decimal digits; printf is too slow for the number of integers in an event. */
static void json_digits(struct json *j, uint64_t value, bool negative)
{
	char text[TEXT_U64_MAX + 1] = "-";

	buf_add(j->out, text, negative + text_u64(text + negative, value));
}

void json_int(struct json *j, int64_t value)
{
	json_value(j);
	json_digits(j, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

void json_uint(struct json *j, uint64_t value)
{
	if (value > JSON_INTEGER_MAX) {
		json_hex(j, value);
		return;
	}
	json_value(j);
	json_digits(j, value, false);
}

void json_hex(struct json *j, uint64_t value)
{
	json_value(j);
	buf_addf(j->out, "\"0x%" PRIx64 "\"", value);
}

void json_bool(struct json *j, bool value)
{
	json_value(j);
	buf_adds(j->out, value ? "true" : "false");
}

void json_string(struct json *j, const char *text)
{
	json_value(j);
	json_text(j, text, strlen(text));
}

void json_raw(struct json *j, const char *text, size_t length)
{
	json_value(j);
	buf_add(j->out, text, length);
}

bool json_bytes(struct json *j, const void *data, size_t length)
{
	const uint8_t *p = data;
	bool changed = false;
	size_t run = 0;

	json_value(j);
	if (length > 0 && text_plain_run(p, length) == length) {
		json_plain(j, data, length);
		return false;
	}
	buf_addc(j->out, '"');
	for (size_t i = 0; i < length;) {
		bool plain;
		size_t size;

		i += text_plain_run(p + i, length - i);
		if (i == length)
			break;
		size = text_next(p + i, length - i, &plain);
		if (plain && p[i] != '"' && p[i] != '\\') {
			i += size;
			continue;
		}
		buf_add(j->out, p + run, i - run);
		if (plain && p[i] == '"') {
			buf_adds(j->out, "\\\"");
		} else {
			changed = true;
			if (plain)
				buf_adds(j->out, "\\\\\\\\");
			for (size_t k = 0; !plain && k < size; k++) {
				uint8_t c = p[i + k];

				buf_add(j->out,
					(const char[]){ '\\', '\\', 'x', hex_digits[c >> 4], hex_digits[c & 15] }, 5);
			}
		}
		i += size;
		run = i;
	}
	if (length > run)
		buf_add(j->out, p + run, length - run);
	buf_addc(j->out, '"');
	return changed;
}
