/* SPDX-License-Identifier: Apache-2.0 */
/* See terminal.h. */
#include "tui/terminal.h"

#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static SCREEN *screen;
static chtype attributes[TUI_STYLE_MAX];

static void choose_styles(bool color)
{
	static const short colors[TUI_STYLE_MAX] = {
		[TUI_GREEN] = COLOR_GREEN, [TUI_YELLOW] = COLOR_YELLOW, [TUI_RED] = COLOR_RED,
		[TUI_CYAN] = COLOR_CYAN,   [TUI_ALARM] = COLOR_RED,
	};

	/* Without colours what is alarming is told by weight alone. */
	attributes[TUI_BOLD] = attributes[TUI_ALARM] = attributes[TUI_RED] = attributes[TUI_YELLOW] = A_BOLD;
	attributes[TUI_DIM] = A_DIM;
	attributes[TUI_TITLE] = A_REVERSE;
	if (!color || !has_colors())
		return;
	(void)start_color();
	(void)use_default_colors();
	for (short i = 0; i < TUI_STYLE_MAX; i++)
		if (colors[i]) {
			(void)init_pair(i, colors[i], -1);
			attributes[i] = (i == TUI_ALARM ? A_BOLD : A_NORMAL) | (chtype)COLOR_PAIR(i);
		}
}

int terminal_open(bool color, struct err *err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, ENOTTY, "this needs a terminal; --once prints what it would show");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return err_set(err, ENOTTY, "the terminal '%.64s' is not known here: set TERM, or use --once",
			       getenv("TERM") ? getenv("TERM") : "");
	(void)set_term(screen);
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)curs_set(0);
	(void)keypad(stdscr, TRUE);
	/* A lone Escape is a key of ours: who types it should not wait for a second. */
	(void)set_escdelay(50);
	choose_styles(color);
	return 0;
}

void terminal_close(void)
{
	if (!screen)
		return;
	(void)endwin();
	delscreen(screen);
	screen = NULL;
}

void terminal_size(unsigned *ret_width, unsigned *ret_height)
{
	int height, width;

	getmaxyx(stdscr, height, width);
	*ret_width = (unsigned)MAX(width, 1);
	*ret_height = (unsigned)MAX(height, 1);
}

void terminal_show(const struct grid *g)
{
	(void)erase();
	for (unsigned y = 0; y < g->height; y++)
		for (unsigned x = 0; x < g->width; x++) {
			const struct cell *c = grid_at(g, x, y);

			if (!*c->text || (c->text[0] == ' ' && !c->style))
				continue;
			(void)attrset((int)attributes[c->style]);
			(void)mvaddstr((int)y, (int)x, c->text);
		}
	(void)attrset(A_NORMAL);
	(void)refresh();
}

/*
 * A terminal that hung up reads as an end of file, at once and for ever, and ncurses tells that as it tells a key that
 * did not come. Readable without a byte to read is what only such an end is.
 */
static bool hung_up(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int bytes = 0;

	if (poll(&input, 1, 0) <= 0)
		return false;
	return (input.revents & (POLLHUP | POLLERR | POLLNVAL)) || ioctl(STDIN_FILENO, FIONREAD, &bytes) < 0 ||
	       bytes == 0;
}

int terminal_key(int timeout_ms)
{
	int key;

	timeout(timeout_ms);
	key = getch();
	switch (key) {
	case ERR:
		return hung_up() ? TERMINAL_GONE : TERMINAL_NOTHING;
	case KEY_UP:
		return TERMINAL_UP;
	case KEY_DOWN:
		return TERMINAL_DOWN;
	case KEY_PPAGE:
		return TERMINAL_PAGE_UP;
	case KEY_NPAGE:
		return TERMINAL_PAGE_DOWN;
	case KEY_HOME:
		return TERMINAL_HOME;
	case KEY_END:
		return TERMINAL_END;
	case KEY_ENTER:
	case '\r':
	case '\n':
		return TERMINAL_ENTER;
	case 27:
		return TERMINAL_ESCAPE;
	case KEY_BACKSPACE:
	case 127:
	case 8:
		return TERMINAL_BACKSPACE;
	case KEY_RESIZE:
		return TERMINAL_RESIZED;
	default:
		return key < 256 ? key : TERMINAL_NOTHING;
	}
}
