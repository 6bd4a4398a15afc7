/* SPDX-License-Identifier: Apache-2.0 */
/* See grid.h. */
#include "tui/grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#include "base/text.h"

#define TEXT_MAX 1024

int grid_init(struct grid *g, unsigned width, unsigned height)
{
	g->width = MIN(MAX(width, 1U), GRID_SIDE_MAX);
	g->height = MIN(MAX(height, 1U), GRID_SIDE_MAX);
	g->cells = calloc((size_t)g->width * g->height, sizeof(*g->cells));
	if (!g->cells)
		return -ENOMEM;
	grid_clear(g);
	return 0;
}

void grid_done(struct grid *g)
{
	free(g->cells);
	*g = (struct grid){ 0 };
}

void grid_clear(struct grid *g)
{
	for (size_t i = 0; i < (size_t)g->width * g->height; i++)
		g->cells[i] = (struct cell){ .text = " " };
}

const struct cell *grid_at(const struct grid *g, unsigned x, unsigned y)
{
	return &g->cells[(size_t)y * g->width + x];
}

/* The character's bytes and columns; what may not be shown becomes \xNN of its first byte. Returns the bytes taken. */
static size_t next(const char *text, size_t length, char ret[8], unsigned *columns)
{
	bool plain;
	size_t n = text_next(text, length, &plain);
	mbstate_t state = { 0 };
	wchar_t wide = 0;
	int width;

	if (!plain || n >= 8) {
		(void)snprintf(ret, 8, "\\x%02x", (unsigned char)*text);
		*columns = 4;
		return 1;
	}
	memcpy(ret, text, n);
	ret[n] = '\0';
	width = mbrtowc(&wide, text, n, &state) == n ? wcwidth(wide) : 1;
	/* A mark that combines has no cell of its own: left out, as what it would change is the neighbour's. */
	*columns = width < 0 ? 1 : (unsigned)width;
	return n;
}

static struct cell *cell_at(struct grid *g, unsigned x, unsigned y)
{
	return x < g->width && y < g->height ? &g->cells[(size_t)y * g->width + x] : NULL;
}

static void put(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *text)
{
	struct cell *c = cell_at(g, x, y);

	if (!c)
		return;
	c->style = (uint8_t)style;
	(void)snprintf(c->text, sizeof(c->text), "%s", text);
}

static unsigned columns_of(const char *text)
{
	size_t length = strlen(text);
	unsigned sum = 0, columns;
	char one[8];

	for (size_t i = 0; i < length; sum += columns)
		i += next(text + i, length - i, one, &columns);
	return sum;
}

unsigned grid_text(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *text, unsigned columns)
{
	unsigned room = x < g->width ? g->width - x : 0, used = 0, wide;
	size_t length = strlen(text), i = 0;
	char one[8];

	if (columns)
		room = MIN(room, columns);
	bool cut = columns_of(text) > room;
	while (i < length) {
		size_t n = next(text + i, length - i, one, &wide);

		if (used + wide + (cut ? 1 : 0) > room)
			break;
		i += n;
		if (wide == 0)
			continue;
		if (wide == 4 && one[0] == '\\') {
			for (unsigned k = 0; k < 4; k++)
				put(g, x + used + k, y, style, (const char[]){ one[k], '\0' });
		} else {
			put(g, x + used, y, style, one);
			if (wide == 2)
				put(g, x + used + 1, y, style, "");
		}
		used += wide;
	}
	if (cut && room > 0)
		put(g, x + used++, y, style, "…");
	return used;
}

unsigned grid_textf(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return grid_text(g, x, y, style, text, 0);
}

void grid_right(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *text, unsigned columns)
{
	unsigned wide = columns_of(text);

	(void)grid_text(g, x + (wide < columns ? columns - wide : 0), y, style, text, MIN(wide, columns));
}

void grid_row_style(struct grid *g, unsigned y, enum tui_style style)
{
	for (unsigned x = 0; x < g->width; x++) {
		struct cell *c = cell_at(g, x, y);

		if (c)
			c->style = (uint8_t)style;
	}
}

void grid_print(const struct grid *g, struct buf *out)
{
	for (unsigned y = 0; y < g->height; y++) {
		unsigned end = g->width;

		while (end > 0 && !strcmp(grid_at(g, end - 1, y)->text, " "))
			end--;
		for (unsigned x = 0; x < end; x++)
			buf_adds(out, grid_at(g, x, y)->text);
		buf_addc(out, '\n');
	}
}
