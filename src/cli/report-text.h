/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the report for people share. */
#pragma once

#include "cli/report.h"
#include "cli/table.h"

struct page {
	const struct report *r;
	struct buf *out;
	unsigned width;
	bool color;
};

/* Begins a section: an empty line, the title in bold, and after it (in plain) the printf text. */
void page_section(struct page *p, const char *title, const char *format, ...) _printf_(3, 4);
/* A line of text under a hanging indent, broken at spaces to the width; at is where the first line stands now. */
void page_wrap(struct page *p, enum term_style style, const char *text, unsigned at, unsigned indent);
/* "  and 12 more", when n is not 0. */
void page_more(struct page *p, uint64_t n, const char *what);
/* Prints and frees a table. */
void page_table(struct page *p, struct table *t);
/* Seconds since the session's start: "+1.203". Returns ret. */
const char *page_offset(const struct page *p, int64_t time_ns, char ret[32]);
/* Appends plural or singular: "1 file", "2,000 files". */
void page_count(struct buf *out, uint64_t n, const char *one, const char *many);
/* Appends the first few of a list, and how many more there are. */
void page_strings(struct buf *out, const struct strings *s, size_t most, const char *between);

void page_memory(struct page *p);
void page_processes(struct page *p);
void page_hosts(struct page *p);
void page_names(struct page *p);
void page_files(struct page *p);
void page_sockets(struct page *p);
void page_ledger(struct page *p);
