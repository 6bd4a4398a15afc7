/* SPDX-License-Identifier: Apache-2.0 */
/* An event as a row of `heddle events`. */
#include "cli/event-row.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/describe.h"
#include "cli/table.h"

#define WORDS_MAX (1U << 20)
#define COMM_COLUMNS 10
#define DEED_COLUMNS_MIN 4U
#define FULL_TYPE_WIDTH 110 /* from here on there is room for types in full */

static void put_time(struct buf *out, int64_t time_ns)
{
	time_t seconds = time_ns / CLOCK_SECOND_NS;
	struct tm tm = { 0 };

	(void)localtime_r(&seconds, &tm);
	buf_addf(out, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(time_ns % CLOCK_SECOND_NS / 1000000));
}

/* What happened, cut to what is left of the line, but the outcome only when that is not enough. */
static void put_words(struct buf *out, unsigned width, const struct line *l, unsigned used)
{
	_cleanup_buf_ struct buf deed = BUF_INIT(WORDS_MAX), outcome = BUF_INIT(WORDS_MAX);
	unsigned room = width > used ? width - used : 1, tail, fits;

	describe_deed(l, &deed);
	describe_outcome(l, &outcome);
	if (deed.failed || outcome.failed) {
		out->failed = -ENOSPC;
		return;
	}
	tail = outcome.length ? term_columns(outcome.data, outcome.length) : 0;
	if (width == 0)
		fits = 0;
	else
		fits = room > tail + DEED_COLUMNS_MIN ? room - tail : MIN(room, DEED_COLUMNS_MIN);
	if (deed.length > 0)
		fits = table_text(out, deed.data, deed.length, fits, TABLE_CUT_END);
	else
		fits = 0;
	room = room > fits ? room - fits : 1;
	if (outcome.length > 0)
		(void)table_text(out, outcome.data, outcome.length, width ? room : 0, TABLE_CUT_END);
}

void event_row(struct buf *out, unsigned width, bool color, int64_t time_ns, uint32_t pid, const struct line *l)
{
	struct bytes comm = line_text(l, "comm"), type = line_text(l, "type");
	enum term_style style = describe_style(l);
	bool full = width == 0 || width >= FULL_TYPE_WIDTH;
	const char *type_name = bytes_set(type) ? full ? type.data : describe_type(type.data) : "?";
	unsigned type_columns = full ? 16 : 9, used = 13 + 7 + 1 + COMM_COLUMNS + 1 + type_columns + 1;

	put_time(out, time_ns);
	buf_addf(out, " %7.0u ", pid);
	unsigned n = table_text(out, comm.data ? comm.data : "", comm.length, COMM_COLUMNS, TABLE_CUT_END);
	buf_addf(out, "%*s %s", (int)(COMM_COLUMNS - n), "", term_on(color && style, style));
	n = table_text(out, type_name, strlen(type_name), type_columns, TABLE_CUT_END);
	buf_addf(out, "%s%*s ", term_off(color && style), (int)(type_columns - n), "");
	put_words(out, width, l, used);
	buf_addc(out, '\n');
}
