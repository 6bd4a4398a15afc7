/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a cap. A failed append (cap reached, no memory) sets `failed` and every later
 * append does nothing, so that a caller checks once at the end. The content stays NUL-terminated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"

struct buf {
	char *data;    /* owned; NULL until the first append; NUL-terminated */
	size_t length; /* without the NUL */
	size_t room;
	size_t cap;    /* bytes, without the NUL */
	int failed;    /* 0, or the first -ENOMEM / -ENOSPC */
};

#define BUF_INIT(cap_) ((struct buf){ .cap = (cap_) })

void buf_done(struct buf *b);  /* frees the content, keeps the cap */
void buf_clear(struct buf *b); /* empties for reuse, keeps memory, clears `failed` */
/* Makes sure that `more` bytes fit; false when they can't (`failed` tells why). */
bool buf_reserve(struct buf *b, size_t more);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *format, ...) _printf_(2, 3);

/* Inline, since a line is made of a hundred pieces. */
static inline bool buf_fits(struct buf *b, size_t more)
{
	return (b->room - b->length > more && !b->failed) || buf_reserve(b, more);
}

static inline void buf_add(struct buf *b, const void *data, size_t length)
{
	if (!buf_fits(b, length))
		return;
	if (length > 0)
		memcpy(b->data + b->length, data, length);
	b->length += length;
	b->data[b->length] = 0;
}

static inline void buf_addc(struct buf *b, char c)
{
	if (!buf_fits(b, 1))
		return;
	b->data[b->length++] = c;
	b->data[b->length] = 0;
}

static inline void buf_cleanup(struct buf *b)
{
	buf_done(b);
}
#define _cleanup_buf_ _cleanup_(buf_cleanup)
