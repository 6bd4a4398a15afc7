/* SPDX-License-Identifier: Apache-2.0 */
/* See parse-json.h. */
#include "parse-json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Duplicate keys are an error: a reader would see only one of them. */
#define PARSE_FLAGS (JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

bool parse_json_is_valid(const char *text)
{
	json_t *root = json_loads(text, PARSE_FLAGS, NULL);

	json_decref(root);
	return root != NULL;
}

static json_t *find(json_t *at, const char *path)
{
	while (at && path && *path) {
		size_t length = strcspn(path, ".");
		char key[64];

		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = 0;
		if (json_is_array(at))
			at = json_array_get(at, strtoul(key, NULL, 10));
		else
			at = json_object_get(at, key);
		path += length + (path[length] == '.');
	}
	return at;
}

char *parse_json_string(const char *text, const char *path)
{
	json_t *root = json_loads(text, PARSE_FLAGS, NULL);
	const char *value = json_string_value(find(root, path));
	char *copy = value ? strdup(value) : NULL;

	json_decref(root);
	return copy;
}

char *parse_json_get(const char *text, const char *path)
{
	json_t *root = json_loads(text, PARSE_FLAGS, NULL);
	json_t *value = find(root, path);
	char *copy = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(root);
	return copy;
}
