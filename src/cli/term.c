/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal: whether it wants colours, how wide it is, and text that can't harm it. */
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

/* Length of the UTF-8 sequence at text and its code point; 0 when it is none. */
static size_t decode(const unsigned char *text, size_t length, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = text[0];
	size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;

	if (n == 0 || n > length)
		return 0;
	uint32_t point = n == 1 ? c : c & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fU);
	}
	if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret = point;
	return n;
}

static bool harmful(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x061c ||
	       (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

void term_text(struct buf *out, const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t i = 0; i < length;) {
		uint32_t point = 0;
		size_t n = decode(bytes + i, length - i, &point);

		if (n > 0 && !harmful(point)) {
			buf_add(out, text + i, n);
			i += n;
			continue;
		}
		for (size_t end = i + MAX(n, (size_t)1); i < end; i++)
			buf_addf(out, "\\x%02x", bytes[i]);
	}
}

static unsigned columns_of(uint32_t point)
{
	int width = point < 0x7f ? 1 : wcwidth((wchar_t)point);

	return width < 0 ? 1 : (unsigned)width;
}

unsigned term_columns(const char *text, size_t length)
{
	unsigned columns = 0;

	for (size_t i = 0; i < length;) {
		uint32_t point = '?';
		size_t n = decode((const unsigned char *)text + i, length - i, &point);

		columns += columns_of(point);
		i += MAX(n, (size_t)1);
	}
	return columns;
}

size_t term_fit(const char *text, size_t length, unsigned columns)
{
	size_t i = 0;

	for (unsigned used = 0; i < length;) {
		uint32_t point = '?';
		size_t n = decode((const unsigned char *)text + i, length - i, &point);

		used += columns_of(point);
		if (used > columns)
			break;
		i += MAX(n, (size_t)1);
	}
	return i;
}
