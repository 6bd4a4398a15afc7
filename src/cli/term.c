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
#define MARKS_MAX 4 /* that a character may bear; more would cover the lines around */

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

/* The code point of a valid character of n bytes. */
static uint32_t point_of(const char *text, size_t n)
{
	uint32_t point = (unsigned char)text[0];

	if (n == 1)
		return point;
	point &= 0xffU >> (n + 1);
	for (size_t i = 1; i < n; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3fU);
	return point;
}

/*
 * Shown as nothing, or changing how others are shown, besides what text_next refuses: two names that differ by one of
 * these would look the same. Such are Unicode's format characters, fillers and selectors.
 */
static bool is_invisible(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00ad, 0x00ad },   { 0x034f, 0x034f },   { 0x0600, 0x0605 },	  { 0x06dd, 0x06dd },
		{ 0x070f, 0x070f },   { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },	  { 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },	  { 0x2060, 0x206f },
		{ 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },	  { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f },
		{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges) && ranges[i].first <= point; i++)
		if (point <= ranges[i].last)
			return true;
	return false;
}

void term_text(struct buf *out, const char *text, size_t length)
{
	/* As if there were too many: a mark with nothing before it would sit on a character of ours. */
	unsigned marks = MARKS_MAX;

	for (size_t i = 0; i < length;) {
		bool plain;
		size_t n = text_next(text + i, length - i, &plain);

		if (plain && n > 1) {
			uint32_t point = point_of(text + i, n);
			int width = wcwidth((wchar_t)point);

			marks = width == 0 ? marks + 1 : 0;
			plain = width >= 0 && marks <= MARKS_MAX && !is_invisible(point);
		} else if (plain) {
			marks = 0;
		}
		if (plain)
			buf_add(out, text + i, n);
		else
			marks = MARKS_MAX;
		for (size_t k = 0; k < n && !plain; k++)
			buf_addf(out, "\\x%02x", (unsigned)(unsigned char)text[i + k]);
		i += n;
	}
}

void term_bytes(struct buf *out, const void *data, size_t length)
{
	_cleanup_buf_ struct buf escaped = BUF_INIT(4 * length + 1);

	(void)text_escape(&escaped, data, length);
	if (escaped.failed)
		out->failed = out->failed ?: escaped.failed;
	else if (escaped.length > 0)
		term_text(out, escaped.data, escaped.length);
}

/* Columns of the character at text, whose size goes to *ret_size. */
static unsigned columns_of(const char *text, size_t length, size_t *ret_size)
{
	bool plain;
	size_t n = *ret_size = text_next(text, length, &plain);

	if (n == 1 || !plain)
		return 1;
	int width = wcwidth((wchar_t)point_of(text, n));
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
