/* SPDX-License-Identifier: Apache-2.0 */
/* Growable buffer with a cap: see buf.h. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_ROOM_MIN 256

void buf_done(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT(b->cap);
}

void buf_clear(struct buf *b)
{
	b->length = 0;
	b->failed = 0;
	if (b->data)
		b->data[0] = 0;
}

bool buf_reserve(struct buf *b, size_t more)
{
	size_t room;
	char *data;

	if (b->failed)
		return false;
	if (b->length > b->cap || more > b->cap - b->length) {
		b->failed = -ENOSPC;
		return false;
	}
	if (b->data && b->room > b->length + more)
		return true;
	room = MAX(b->room, (size_t)BUF_ROOM_MIN);
	while (room <= b->length + more)
		room = room > SIZE_MAX / 2 ? b->length + more + 1 : room * 2;
	if (room > b->cap)
		room = b->cap + 1;
	data = realloc(b->data, room);
	if (!data) {
		b->failed = -ENOMEM;
		return false;
	}
	if (!b->data)
		data[0] = 0;
	b->data = data;
	b->room = room;
	return true;
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addf(struct buf *b, const char *format, ...)
{
	char small[128];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(small, sizeof(small), format, ap);
	va_end(ap);
	if (n < 0) {
		if (!b->failed)
			b->failed = -EINVAL;
		return;
	}
	if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
		return;
	}
	if (!buf_reserve(b, (size_t)n))
		return;
	va_start(ap, format);
	(void)vsnprintf(b->data + b->length, (size_t)n + 1, format, ap);
	va_end(ap);
	b->length += (size_t)n;
}
