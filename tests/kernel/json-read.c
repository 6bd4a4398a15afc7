/* SPDX-License-Identifier: Apache-2.0 */
/* Strict JSON reader of the kernel tests: one allocation a line, recursion bounded. */
#include "json-read.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

struct reader {
	const char *at, *end;
	struct json *node; /* next free */
	char *text;	   /* next free byte of the decoded strings */
	const char *why;
};

static bool fail(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return false;
}

static void blank(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool hex4(struct reader *r, uint32_t *ret)
{
	uint32_t v = 0;

	if (r->end - r->at < 4)
		return fail(r, "\\u cut short");
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(r->at[i]);

		if (d < 0)
			return fail(r, "\\u without four hex digits");
		v = v << 4 | (uint32_t)d;
	}
	r->at += 4;
	*ret = v;
	return true;
}

static void put_utf8(struct reader *r, uint32_t c)
{
	if (c < 0x80) {
		*r->text++ = (char)c;
	} else if (c < 0x800) {
		*r->text++ = (char)(0xc0 | c >> 6);
		*r->text++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*r->text++ = (char)(0xe0 | c >> 12);
		*r->text++ = (char)(0x80 | (c >> 6 & 0x3f));
		*r->text++ = (char)(0x80 | (c & 0x3f));
	} else {
		*r->text++ = (char)(0xf0 | c >> 18);
		*r->text++ = (char)(0x80 | (c >> 12 & 0x3f));
		*r->text++ = (char)(0x80 | (c >> 6 & 0x3f));
		*r->text++ = (char)(0x80 | (c & 0x3f));
	}
}

static bool escape(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p;
	uint32_t c, low;

	if (r->at == r->end)
		return fail(r, "escape cut short");
	if (*r->at != 'u') {
		p = strchr(from, *r->at);
		if (!*r->at || !p)
			return fail(r, "unknown escape");
		*r->text++ = to[p - from];
		r->at++;
		return true;
	}
	r->at++;
	if (!hex4(r, &c))
		return false;
	if (c >= 0xdc00 && c < 0xe000)
		return fail(r, "lone low surrogate");
	if (c >= 0xd800 && c < 0xdc00) {
		if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
			return fail(r, "lone high surrogate");
		r->at += 2;
		if (!hex4(r, &low))
			return false;
		if (low < 0xdc00 || low >= 0xe000)
			return fail(r, "high surrogate without a low one");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(r, c);
	return true;
}

/* Copies one well-formed sequence of two to four bytes. */
static bool sequence(struct reader *r)
{
	const uint8_t *p = (const uint8_t *)r->at;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c;

	if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(r->end - r->at) < n)
		return fail(r, "not UTF-8");
	c = p[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return fail(r, "not UTF-8");
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000))
		return fail(r, "not UTF-8: overlong, surrogate or too large");
	memcpy(r->text, r->at, n);
	r->text += n;
	r->at += n;
	return true;
}

static bool string(struct reader *r, const char **ret, size_t *ret_length)
{
	char *start = r->text;

	if (r->at == r->end || *r->at != '"')
		return fail(r, "string expected");
	for (r->at++; r->at < r->end && *r->at != '"';) {
		uint8_t c = (uint8_t)*r->at;

		if (c < 0x20 || c == 0x7f)
			return fail(r, "raw control byte in a string");
		if (c >= 0x80) {
			if (!sequence(r))
				return false;
		} else if (c == '\\') {
			r->at++;
			if (!escape(r))
				return false;
		} else {
			*r->text++ = *r->at++;
		}
	}
	if (r->at == r->end)
		return fail(r, "string without an end");
	r->at++;
	*ret = start;
	*ret_length = (size_t)(r->text - start);
	*r->text++ = '\0';
	return true;
}

static bool digits(struct reader *r)
{
	const char *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return r->at > start || fail(r, "digit expected");
}

static bool number(struct reader *r, struct json *v)
{
	const char *start = r->at;

	v->kind = JSON_INTEGER;
	if (*r->at == '-')
		r->at++;
	if (r->at < r->end && *r->at == '0')
		r->at++;
	else if (!digits(r))
		return false;
	if (r->at < r->end && *r->at == '.') {
		v->kind = JSON_REAL;
		r->at++;
		if (!digits(r))
			return false;
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		v->kind = JSON_REAL;
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		if (!digits(r))
			return false;
	}
	v->length = (size_t)(r->at - start);
	memcpy(r->text, start, v->length);
	r->text[v->length] = '\0';
	v->text = r->text;
	r->text += v->length + 1;
	v->integer = strtoll(v->text, NULL, 10);
	return true;
}

static bool value(struct reader *r, struct json **ret, int depth);

static bool member(struct reader *r, struct json *object, struct json **ret, int depth)
{
	const char *name;
	size_t length;

	if (!string(r, &name, &length))
		return false;
	for (const struct json *m = object->child; m; m = m->next)
		if (m->name_length == length && memcmp(m->name, name, length) == 0)
			return fail(r, "the same name twice in an object");
	blank(r);
	if (r->at == r->end || *r->at != ':')
		return fail(r, "':' expected");
	r->at++;
	if (!value(r, ret, depth + 1))
		return false;
	(*ret)->name = name;
	(*ret)->name_length = length;
	return true;
}

static bool container(struct reader *r, struct json *v, char close, int depth)
{
	struct json **tail = &v->child, *one;

	v->kind = close == '}' ? JSON_OBJECT : JSON_ARRAY;
	r->at++;
	blank(r);
	if (r->at < r->end && *r->at == close) {
		r->at++;
		return true;
	}
	for (;;) {
		blank(r);
		if (close == '}' ? !member(r, v, &one, depth) : !value(r, &one, depth + 1))
			return false;
		*tail = one;
		tail = &one->next;
		v->length++;
		blank(r);
		if (r->at == r->end)
			return fail(r, "object or array without an end");
		if (*r->at == close) {
			r->at++;
			return true;
		}
		if (*r->at++ != ',')
			return fail(r, "',' expected");
	}
}

static bool word(struct reader *r, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
		return false;
	r->at += n;
	return true;
}

static bool value(struct reader *r, struct json **ret, int depth)
{
	struct json *v = r->node++;

	*ret = v;
	if (depth > DEPTH_MAX)
		return fail(r, "nested too deep");
	blank(r);
	if (r->at == r->end)
		return fail(r, "value expected");
	switch (*r->at) {
	case '{':
		return container(r, v, '}', depth);
	case '[':
		return container(r, v, ']', depth);
	case '"':
		v->kind = JSON_STRING;
		return string(r, &v->text, &v->length);
	case 't':
	case 'f':
		v->kind = JSON_BOOL;
		v->integer = *r->at == 't';
		v->text = v->integer ? "true" : "false";
		v->length = strlen(v->text);
		return word(r, v->text) || fail(r, "unknown word");
	case 'n':
		return fail(r, "null: an absent field is left out");
	default:
		if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
			return number(r, v);
		return fail(r, "value expected");
	}
}

int json_read(const char *line, size_t length, struct json **ret, const char **why)
{
	struct reader r = { .at = line, .end = line + length };
	size_t nodes = 2;
	struct json *root, *pool;

	for (size_t i = 0; i < length; i++)
		nodes += line[i] == ',' || line[i] == '{' || line[i] == '[' || line[i] == ':';
	/* Decoded text is never longer than the line; each string and number adds one NUL. */
	pool = calloc(1, nodes * sizeof(*pool) + 2 * length + 2);
	if (!pool) {
		*why = "out of memory";
		return -1;
	}
	r.node = pool;
	r.text = (char *)(pool + nodes);
	if (value(&r, &root, 0)) {
		blank(&r);
		if (r.at != r.end)
			(void)fail(&r, "bytes after the value");
	}
	if (r.why) {
		free(pool);
		*why = r.why;
		return -1;
	}
	*ret = root;
	return 0;
}

void json_free(struct json *root)
{
	free(root);
}

static const struct json *get_n(const struct json *object, const char *name, size_t length)
{
	if (!object || object->kind != JSON_OBJECT)
		return NULL;
	for (const struct json *m = object->child; m; m = m->next)
		if (m->name_length == length && memcmp(m->name, name, length) == 0)
			return m;
	return NULL;
}

const struct json *json_get(const struct json *object, const char *name)
{
	return get_n(object, name, strlen(name));
}

const struct json *json_find(const struct json *object, const char *path)
{
	while (object && *path) {
		size_t n = strcspn(path, ".[");

		if (n) {
			object = get_n(object, path, n);
			path += n;
		} else if (*path == '.') {
			path++;
		} else {
			char *end;
			unsigned long index = strtoul(path + 1, &end, 10);

			if (end > path + 1) {
				if (!object || object->kind != JSON_ARRAY)
					return NULL;
				object = object->child;
				while (object && index--)
					object = object->next;
			}
			path = end + (*end == ']');
		}
	}
	return object;
}

long long json_int(const struct json *object, const char *name, long long fallback)
{
	const struct json *v = json_find(object, name);

	return v && (v->kind == JSON_INTEGER || v->kind == JSON_BOOL) ? v->integer : fallback;
}

const char *json_text(const struct json *object, const char *name)
{
	const struct json *v = json_find(object, name);

	return v && v->kind == JSON_STRING ? v->text : "";
}
