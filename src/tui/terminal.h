/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal that a grid is shown on, by ncurses; the only place that knows it. One at a time. */
#pragma once

#include "base/err.h"
#include "tui/grid.h"

/* Keys besides characters, which are themselves. */
enum {
	TERMINAL_NOTHING = -1, /* no key in that time */
	TERMINAL_GONE = -2,    /* the terminal hung up */
	TERMINAL_UP = 0x1000,
	TERMINAL_DOWN,
	TERMINAL_PAGE_UP,
	TERMINAL_PAGE_DOWN,
	TERMINAL_HOME,
	TERMINAL_END,
	TERMINAL_ENTER,
	TERMINAL_ESCAPE,
	TERMINAL_BACKSPACE,
	TERMINAL_RESIZED,
};

/* Errors, with text: no terminal, one that nobody knows (TERM). */
int terminal_open(bool color, struct err *err);
void terminal_close(void);
void terminal_size(unsigned *ret_width, unsigned *ret_height);
void terminal_show(const struct grid *g);
/* Waits for a key so long. */
int terminal_key(int timeout_ms);
