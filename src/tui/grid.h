/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screen as cells. Views draw into it and know no terminal, so that a test can read what a person would see; what a
 * terminal could act on is made harmless here, once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum tui_style {
	TUI_PLAIN = 0,
	TUI_BOLD,
	TUI_DIM,
	TUI_GREEN,
	TUI_YELLOW,
	TUI_RED,
	TUI_CYAN,
	TUI_ALARM,
	TUI_TITLE, /* reversed */
	TUI_STYLE_MAX,
};

#define GRID_SIDE_MAX 1000

struct cell {
	char text[8]; /* one character, terminated; "": the right half of a wide one */
	uint8_t style;
};

struct grid {
	unsigned width, height;
	struct cell *cells; /* owned */
};

/* Blank; sides are cut to GRID_SIDE_MAX. -ENOMEM. */
int grid_init(struct grid *g, unsigned width, unsigned height);
void grid_done(struct grid *g);
void grid_clear(struct grid *g);
const struct cell *grid_at(const struct grid *g, unsigned x, unsigned y);

/*
 * Draws bytes of anybody's, cut to `columns` (0: to the screen's edge), with an ellipsis where something was cut. What
 * is no UTF-8 or not harmless becomes \xNN. Returns the columns used.
 */
unsigned grid_text(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *text, unsigned columns);
unsigned grid_textf(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *format, ...)
    _printf_(5, 6);
/* The same at the right edge of `columns`. */
void grid_right(struct grid *g, unsigned x, unsigned y, enum tui_style style, const char *text, unsigned columns);
/* A whole row in one style, over what stands there. */
void grid_row_style(struct grid *g, unsigned y, enum tui_style style);

/* Appends all of it as lines without styles and without blanks at their ends. */
void grid_print(const struct grid *g, struct buf *out);
