/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and times as text. All times are int64_t nanoseconds; UTC ones since 1970. */
#pragma once

#include <stdint.h>

#define CLOCK_SECOND_NS INT64_C(1000000000)

uint64_t clock_boottime_ns(void);
int64_t clock_realtime_ns(void);
/* Stands still while the machine is suspended. */
int64_t clock_monotonic_ns(void);

/* CLOCK_REALTIME minus CLOCK_BOOTTIME, the two read as near to each other as can be. */
int64_t clock_offset_ns(void);

#define CLOCK_TEXT_MAX 31

/* RFC 3339, UTC, nine digits: "2026-01-31T12:00:00.000000001Z". Any int64_t fits. Returns ret. */
const char *clock_format(int64_t utc_ns, char ret[CLOCK_TEXT_MAX]);

/*
 * Parses RFC 3339 with up to nine digits and "Z" or an offset, or a duration, which means so long before now_ns.
 * Returns 0, -EINVAL, or -ERANGE for what an int64_t of nanoseconds can't hold.
 */
int clock_parse(const char *text, int64_t now_ns, int64_t *ret_ns);

/* Parses "90s", "10m", "2h", "1d", "500ms", "1h30m", and a bare "0". Returns 0, -EINVAL or -ERANGE. */
int clock_parse_duration(const char *text, int64_t *ret_ns);
