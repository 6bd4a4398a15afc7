/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON in tests, by somebody else's parser. A path is keys and indexes with dots, "answers.0.data"; NULL: the
 * whole.
 */
#pragma once

#include <stdbool.h>

bool parse_json_is_valid(const char *text);

/* The string at the path; NULL when it is not there or is no string. The caller frees it. */
char *parse_json_string(const char *text, const char *path);

/* Whatever is at the path as compact JSON, NULL when nothing is. The caller frees it. */
char *parse_json_get(const char *text, const char *path);
