/* SPDX-License-Identifier: Apache-2.0 */
/* One event in words, from its stored line. */
#pragma once

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/line.h"

/* Appends what happened, without who, when and the type: "/etc/passwd O_RDONLY -> ENOENT". Harmless, one line. */
void describe_event(const struct line *l, struct buf *out);
/* Its two halves: what was tried, and " -> ENOENT" or nothing. */
void describe_deed(const struct line *l, struct buf *out);
void describe_outcome(const struct line *l, struct buf *out);
/* Appends arguments as a shell would take them: `sh -c 'ls -la'`. Returns the bytes of the first. */
size_t describe_command(const struct line *args, struct buf *out);
/* How the type is called where there is little room: "exec", "dns?"; itself when unknown. */
const char *describe_type(const char *type);
enum term_style describe_style(const struct line *l);
/* "180 ms", "4.21 s", "3 m 20 s". Returns ret. */
#define DESCRIBE_DURATION_MAX 32
const char *describe_duration(int64_t ns, char ret[DESCRIBE_DURATION_MAX]);
/* "12,345". Returns ret. */
#define DESCRIBE_NUMBER_MAX 32
const char *describe_number(uint64_t value, char ret[DESCRIBE_NUMBER_MAX]);
