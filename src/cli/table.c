/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people. */
#include "cli/table.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define CELL_MAX 65536
#define GAP 2
#define CUT_MIN 8 /* columns that one that is cut keeps */

struct cell {
	char *text; /* harmless; NULL: empty */
	size_t length;
	unsigned columns;
	enum term_style style;
};

struct table {
	const struct table_column *columns;
	size_t columns_n, max;
	struct cell *cells;
	size_t rows, room, at; /* at: next cell of the last row */
	int failed;
};

struct table *table_new(const struct table_column *columns, size_t columns_n, size_t max)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t)
		*t = (struct table){ .columns = columns, .columns_n = columns_n, .max = max };
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->rows * t->columns_n; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void table_row(struct table *t)
{
	t->at = t->columns_n;
	if (t->failed)
		return;
	if (t->rows == t->max) {
		t->failed = -ENOSPC;
		return;
	}
	if (t->rows == t->room) {
		size_t room = t->room ? t->room * 2 : 32;
		struct cell *cells = reallocarray(t->cells, room * t->columns_n, sizeof(*cells));

		if (!cells) {
			t->failed = -ENOMEM;
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	memset(&t->cells[t->rows * t->columns_n], 0, t->columns_n * sizeof(*t->cells));
	t->rows++;
	t->at = 0;
}

void table_cell(struct table *t, enum term_style style, const char *text)
{
	struct buf out = BUF_INIT(CELL_MAX * 4);

	if (t->failed || t->at >= t->columns_n)
		return;
	struct cell *cell = &t->cells[(t->rows - 1) * t->columns_n + t->at++];
	term_text(&out, text, strnlen(text, CELL_MAX));
	if (out.failed) {
		t->failed = out.failed;
		buf_done(&out);
		return;
	}
	*cell = (struct cell){ out.data, out.length, term_columns(out.data ? out.data : "", out.length), style };
}

void table_cellf(struct table *t, enum term_style style, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	int n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0) {
		t->failed = -ENOMEM;
		return;
	}
	table_cell(t, style, text);
	free(text);
}

static void put_spaces(struct buf *out, unsigned n)
{
	buf_addf(out, "%*s", (int)n, "");
}

/* The last bytes of text that fit in so many columns. */
static size_t tail(const char *text, size_t length, unsigned columns)
{
	unsigned whole = term_columns(text, length);
	size_t skip = whole > columns ? term_fit(text, length, whole - columns) : 0;

	/* A wide character across the cut goes as a whole. */
	while (skip < length && term_columns(text + skip, length - skip) > columns)
		skip += MAX(term_fit(text + skip, length - skip, 2), (size_t)1);
	return length - skip;
}

static unsigned put_fitted(struct buf *out, const char *text, size_t length, unsigned columns, enum table_cut cut)
{
	unsigned whole = term_columns(text, length);

	if (columns == 0 || whole <= columns) {
		buf_add(out, text, length);
		return whole;
	}
	if (cut == TABLE_CUT_START) {
		size_t kept = tail(text, length, columns - 1);

		buf_adds(out, "…");
		buf_add(out, text + length - kept, kept);
		return 1 + term_columns(text + length - kept, kept);
	}
	size_t kept = term_fit(text, length, columns - 1);
	buf_add(out, text, kept);
	buf_adds(out, "…");
	return 1 + term_columns(text, kept);
}

unsigned table_text(struct buf *out, const char *text, size_t length, unsigned columns, enum table_cut cut)
{
	_cleanup_buf_ struct buf safe = BUF_INIT(CELL_MAX * 4);

	term_text(&safe, text, MIN(length, (size_t)CELL_MAX));
	if (safe.failed) {
		out->failed = safe.failed;
		return 0;
	}
	return put_fitted(out, safe.data ? safe.data : "", safe.length, columns, cut);
}

static void put_line(const struct table *t, const struct cell *cells, const unsigned *widths, struct buf *out,
		     unsigned indent, bool color)
{
	unsigned owed = indent; /* spaces before the next text, so that no line ends in them */

	for (size_t i = 0; i < t->columns_n; i++) {
		const struct cell *cell = &cells[i];
		unsigned used = MIN(cell->columns, widths[i]);

		if (t->columns[i].right)
			owed += widths[i] - used;
		if (used > 0) {
			put_spaces(out, owed);
			owed = 0;
			buf_adds(out, term_on(color && cell->style, cell->style));
			used = put_fitted(out, cell->text, cell->length, widths[i], t->columns[i].cut);
			buf_adds(out, term_off(color && cell->style));
		}
		owed += GAP + (t->columns[i].right ? 0 : widths[i] - used);
	}
	buf_addc(out, '\n');
}

/* Takes excess columns away: from the one that gives way, then, when that is not enough, from the widest. */
static void narrow(unsigned *widths, size_t n, size_t gives_way, unsigned excess)
{
	if (gives_way < n && widths[gives_way] > CUT_MIN) {
		unsigned taken = MIN(excess, widths[gives_way] - CUT_MIN);

		widths[gives_way] -= taken;
		excess -= taken;
	}
	for (; excess > 0; excess--) {
		size_t widest = 0;

		for (size_t i = 1; i < n; i++)
			if (widths[i] > widths[widest])
				widest = i;
		if (widths[widest] <= CUT_MIN)
			return;
		widths[widest]--;
	}
}

int table_print(const struct table *t, struct buf *out, unsigned indent, unsigned width, bool color)
{
	unsigned widths[TABLE_COLUMNS_MAX] = { 0 }, sum = indent;
	struct cell titles[TABLE_COLUMNS_MAX] = { 0 };
	size_t gives_way = t->columns_n;
	bool titled = t->columns[0].title;

	if (t->failed)
		return t->failed;
	for (size_t i = 0; i < t->columns_n; i++) {
		if (titled) {
			size_t length = strlen(t->columns[i].title);

			titles[i] =
			    (struct cell){ (char *)(uintptr_t)t->columns[i].title, length, (unsigned)length, TERM_DIM };
			widths[i] = (unsigned)length;
		}
		for (size_t row = 0; row < t->rows; row++)
			widths[i] = MAX(widths[i], t->cells[row * t->columns_n + i].columns);
		if (t->columns[i].cut != TABLE_WHOLE)
			gives_way = i;
		sum += widths[i] + (i > 0 ? GAP : 0);
	}
	if (width > 0 && sum > width)
		narrow(widths, t->columns_n, gives_way, sum - width);
	if (titled)
		put_line(t, titles, widths, out, indent, color);
	for (size_t row = 0; row < t->rows; row++)
		put_line(t, &t->cells[row * t->columns_n], widths, out, indent, color);
	return out->failed;
}
