/* SPDX-License-Identifier: Apache-2.0 */
/* A table for people: columns as wide as their content, fitted to a width by one column that gives way. */
#pragma once

#include <stddef.h>

#include "cli/cli.h"

#define TABLE_COLUMNS_MAX 12

enum table_cut {
	TABLE_WHOLE = 0, /* cut at its end, but only when the others are at their least */
	TABLE_CUT_END,   /* gives way at its end: "comma…" */
	TABLE_CUT_START, /* gives way at its start: "…/deep/file.c" */
};

struct table_column {
	const char *title; /* NULL in the first column: the table has no titles */
	bool right;
	enum table_cut cut; /* other than TABLE_WHOLE: in one column at most */
};

struct table;

/* columns is borrowed. At most max rows are kept. NULL when out of memory. */
struct table *table_new(const struct table_column *columns, size_t columns_n, size_t max);
void table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free);

/* One cell of the row that table_row began, left to right; text of any bytes, made harmless here. */
void table_cell(struct table *t, enum term_style style, const char *text);
void table_cellf(struct table *t, enum term_style style, const char *format, ...) _printf_(3, 4);
/* Begins a row. */
void table_row(struct table *t);

/* Appends it all, each line after indent spaces; width 0: as wide as it is. Returns 0 or -ENOMEM, -ENOSPC. */
int table_print(const struct table *t, struct buf *out, unsigned indent, unsigned width, bool color);

/* Appends text of any bytes made harmless, cut to so many columns (0: whole). Returns the columns used. */
unsigned table_text(struct buf *out, const char *text, size_t length, unsigned columns, enum table_cut cut);
