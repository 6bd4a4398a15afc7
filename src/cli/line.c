/* SPDX-License-Identifier: Apache-2.0 */
/* Stored lines, by jansson. */
#include "cli/line.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* A struct line is a json_t by another name, so that this stays the only file that includes the library. */
static const json_t *json(const struct line *l)
{
	return (const json_t *)(const void *)l;
}

static const struct line *line(const json_t *j)
{
	return json_is_object(j) || json_is_array(j) ? (const struct line *)(const void *)j : NULL;
}

static struct bytes text(const json_t *j)
{
	return (struct bytes){ json_string_value(j), json_string_length(j) };
}

int line_parse(const char *data, size_t length, struct line **ret)
{
	json_t *parsed = json_loadb(data, length, 0, NULL);

	if (!json_is_object(parsed)) {
		json_decref(parsed);
		return -EBADMSG;
	}
	*ret = (struct line *)(void *)parsed;
	return 0;
}

void line_free(struct line *l)
{
	json_decref((json_t *)(void *)l);
}

struct bytes line_text(const struct line *l, const char *name)
{
	return text(json_object_get(json(l), name));
}

bool line_int(const struct line *l, const char *name, int64_t *ret)
{
	const json_t *value = json_object_get(json(l), name);

	if (json_is_integer(value)) {
		*ret = json_integer_value(value);
		return true;
	}
	const char *hex = json_string_value(value);
	if (!hex || hex[0] != '0' || hex[1] != 'x')
		return false;
	*ret = (int64_t)strtoull(hex, NULL, 16);
	return true;
}

uint64_t line_uint(const struct line *l, const char *name)
{
	int64_t value = 0;

	return line_int(l, name, &value) && value > 0 ? (uint64_t)value : 0;
}

bool line_true(const struct line *l, const char *name)
{
	return json_is_true(json_object_get(json(l), name));
}

const struct line *line_get(const struct line *l, const char *name)
{
	return line(json_object_get(json(l), name));
}

size_t line_count(const struct line *l)
{
	return json_array_size(json(l));
}

struct bytes line_text_at(const struct line *l, size_t i)
{
	return text(json_array_get(json(l), i));
}

const struct line *line_at(const struct line *l, size_t i)
{
	return line(json_array_get(json(l), i));
}

void line_each(const struct line *l, void (*fn)(void *context, const char *name, const struct line *value),
	       void *context)
{
	json_t *object = (json_t *)(uintptr_t)json(l), *value;
	const char *name;

	json_object_foreach(object, name, value) {
		fn(context, name, line(value));
	}
}

char *line_encode(const struct line *l, const char *name)
{
	const json_t *value = json_object_get(json(l), name);

	return value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}
