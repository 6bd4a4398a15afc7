/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict JSON reader for the kernel tests alone, so that they need nothing but libc. It refuses what a careless
 * encoder would let through: raw control bytes, bad UTF-8, duplicate names, null, trailing bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum json_kind { JSON_STRING, JSON_INTEGER, JSON_REAL, JSON_BOOL, JSON_OBJECT, JSON_ARRAY };

struct json {
	enum json_kind kind;
	const char *name; /* in an object: the member's name, decoded */
	size_t name_length;
	const char *text; /* strings: decoded bytes; numbers: as written */
	size_t length;
	long long integer;  /* JSON_INTEGER, JSON_BOOL */
	struct json *child; /* first member or element */
	struct json *next;
};

/*
 * Parses one line (without its newline). On success *ret is the root, to be freed with json_free. On failure -1
 * and *why tells what is wrong, in words.
 */
int json_read(const char *line, size_t length, struct json **ret, const char **why);
void json_free(struct json *root);

/* Member of an object by name; NULL when it is absent or `object` is none. */
const struct json *json_get(const struct json *object, const char *name);
/* By a dotted path with indices: "answers[0].data"; "args[]" is the array itself. NULL when absent. */
const struct json *json_find(const struct json *object, const char *path);
/* The same with a fallback. */
long long json_int(const struct json *object, const char *name, long long fallback);
const char *json_text(const struct json *object, const char *name); /* "" when absent; strings only */
