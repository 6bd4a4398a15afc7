/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a stored line back. The only file that knows the JSON library is line.c: its names and those of our writer
 * (base/json.h) overlap. Text is as the line has it, so escaped already; use term_text all the same, a store may
 * have been tampered with. Every getter is safe on NULL and on a field of another kind.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "event/event.h"

struct line; /* a JSON object or array; what a getter gives lives as long as the whole line */

/* -EBADMSG when it is no JSON object. Free with line_free. */
int line_parse(const char *text, size_t length, struct line **ret);
void line_free(struct line *l);
DEFINE_CLEANUP(struct line *, line_free);

struct bytes line_text(const struct line *l, const char *name); /* BYTES_NONE: absent; else NUL-terminated */
bool line_int(const struct line *l, const char *name, int64_t *ret); /* hex strings too; *ret untouched when absent */
uint64_t line_uint(const struct line *l, const char *name); /* 0: absent or negative */
bool line_true(const struct line *l, const char *name);
const struct line *line_get(const struct line *l, const char *name); /* an object or an array, else NULL */

/* Members of an array. */
size_t line_count(const struct line *l);
struct bytes line_text_at(const struct line *l, size_t i);
const struct line *line_at(const struct line *l, size_t i);

/* Calls fn for each member of an object; a scalar member has value NULL. */
void line_each(const struct line *l, void (*fn)(void *context, const char *name, const struct line *value),
	       void *context);
/* Any member as JSON text, which the caller frees; NULL when absent or out of memory. */
char *line_encode(const struct line *l, const char *name);
