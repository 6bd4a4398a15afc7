/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal: whether it wants colours, how wide it is, and text that can't harm it. */
#include "base/text.h"
#include "cli/cli.h"

#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#define WIDTH_DEFAULT 80
#define WIDTH_MIN 40
#define WIDTH_MAX 1000

bool term_color(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(stream)) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

unsigned term_width(FILE *stream)
{
	struct winsize size = { 0 };
	const char *columns = getenv("COLUMNS");
	uint64_t width = 0;

	if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (width == 0 && (!columns || cli_parse_uint(columns, WIDTH_MAX, &width) < 0))
		width = 0;
	if (width == 0)
		width = WIDTH_DEFAULT;
	return (unsigned)MAX(WIDTH_MIN, MIN(width, WIDTH_MAX));
}

const char *term_on(bool color, enum term_style style)
{
	static const char *const sequences[TERM_STYLE_MAX] = {
		[TERM_PLAIN] = "",	     [TERM_BOLD] = "\x1b[1m",	 [TERM_DIM] = "\x1b[2m",
		[TERM_RED] = "\x1b[31m",     [TERM_YELLOW] = "\x1b[33m", [TERM_GREEN] = "\x1b[32m",
		[TERM_CYAN] = "\x1b[36m",    [TERM_ALARM] = "\x1b[1;31m",
	};

	return color ? sequences[style] : "";
}

const char *term_off(bool color)
{
	return color ? "\x1b[0m" : "";
}

void term_text(struct buf *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		bool plain;
		size_t n = text_next(text + i, length - i, &plain);

		if (plain)
			buf_add(out, text + i, n);
		for (size_t k = 0; k < n && !plain; k++)
			buf_addf(out, "\\x%02x", (unsigned)(unsigned char)text[i + k]);
		i += n;
	}
}

/* Columns of the character at text, whose size goes to *ret_size. */
static unsigned columns_of(const char *text, size_t length, size_t *ret_size)
{
	bool plain;
	size_t n = *ret_size = text_next(text, length, &plain);
	uint32_t point = (unsigned char)text[0];

	if (n == 1 || !plain)
		return 1;
	point &= 0xffU >> (n + 1);
	for (size_t i = 1; i < n; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3fU);
	int width = wcwidth((wchar_t)point);
	return width < 0 ? 1 : (unsigned)width;
}

unsigned term_columns(const char *text, size_t length)
{
	unsigned columns = 0;
	size_t n;

	for (size_t i = 0; i < length; i += n)
		columns += columns_of(text + i, length - i, &n);
	return columns;
}

size_t term_fit(const char *text, size_t length, unsigned columns)
{
	size_t i = 0, n;

	for (unsigned used = 0; i < length; i += n) {
		used += columns_of(text + i, length - i, &n);
		if (used > columns)
			break;
	}
	return i;
}
