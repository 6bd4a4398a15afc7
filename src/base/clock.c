/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and times as text: see clock.h. */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ts.tv_sec * CLOCK_SECOND_NS + ts.tv_nsec;
}

uint64_t clock_boottime_ns(void)
{
	return (uint64_t)read_clock(CLOCK_BOOTTIME);
}

int64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_offset_ns(void)
{
	int64_t best_gap = INT64_MAX, best = 0;

	/* A preemption between the readings would shift every stamp of a session; the tightest of a few wins. */
	for (int i = 0; i < 5; i++) {
		int64_t before = read_clock(CLOCK_BOOTTIME);
		int64_t real = read_clock(CLOCK_REALTIME);
		int64_t after = read_clock(CLOCK_BOOTTIME);

		if (after - before < best_gap) {
			best_gap = after - before;
			best = real - (before + (after - before) / 2);
		}
	}
	return best;
}

/* Writes exactly `count` digits. */
static char *put_digits(char *at, int count, unsigned value)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + count;
}

#define TO_SECOND (sizeof("2026-01-31T12:00:00.") - 1)

/* Up to the point before the fraction. */
static void format_second(int64_t seconds, char ret[TO_SECOND])
{
	char *at = ret;
	struct tm tm;
	time_t t = seconds;

	(void)gmtime_r(&t, &tm);
	at = put_digits(at, 4, (unsigned)(tm.tm_year + 1900));
	*at++ = '-';
	at = put_digits(at, 2, (unsigned)(tm.tm_mon + 1));
	*at++ = '-';
	at = put_digits(at, 2, (unsigned)tm.tm_mday);
	*at++ = 'T';
	at = put_digits(at, 2, (unsigned)tm.tm_hour);
	*at++ = ':';
	at = put_digits(at, 2, (unsigned)tm.tm_min);
	*at++ = ':';
	at = put_digits(at, 2, (unsigned)tm.tm_sec);
	*at = '.';
}

/* By hand rather than by strftime: every event has up to three stamps. Most are of the same second as the last. */
const char *clock_format(int64_t utc_ns, char ret[CLOCK_TEXT_MAX])
{
	static _Thread_local struct {
		int64_t seconds;
		char text[TO_SECOND];
	} last;
	int64_t seconds = utc_ns / CLOCK_SECOND_NS, ns = utc_ns % CLOCK_SECOND_NS;
	char *at = ret + TO_SECOND;

	if (ns < 0) {
		ns += CLOCK_SECOND_NS;
		seconds--;
	}
	if (seconds != last.seconds || !last.text[0]) {
		format_second(seconds, last.text);
		last.seconds = seconds;
	}
	memcpy(ret, last.text, TO_SECOND);
	at = put_digits(at, 9, (unsigned)ns);
	*at++ = 'Z';
	*at = 0;
	return ret;
}

/* Exactly `count` digits and then, unless `after` is 0, that character. */
static bool take_digits(const char **text, int count, char after, int *ret)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	if (after) {
		if (**text != after)
			return false;
		(*text)++;
	}
	*ret = value;
	return true;
}

static bool take_fraction(const char **text, int64_t *ret_ns)
{
	int64_t ns = 0, unit = CLOCK_SECOND_NS / 10;

	*ret_ns = 0;
	if (**text != '.')
		return true;
	(*text)++;
	if (**text < '0' || **text > '9')
		return false;
	for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10) {
		if (unit == 0)
			return false;
		ns += (**text - '0') * unit;
	}
	*ret_ns = ns;
	return true;
}

static bool take_zone(const char **text, int64_t *ret_seconds)
{
	int sign, hours, minutes;

	*ret_seconds = 0;
	if (**text == 'Z' || **text == 'z') {
		(*text)++;
		return true;
	}
	if (**text != '+' && **text != '-')
		return false;
	sign = **text == '-' ? -1 : 1;
	(*text)++;
	if (!take_digits(text, 2, ':', &hours) || !take_digits(text, 2, 0, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static int parse_stamp(const char *text, int64_t *ret_ns)
{
	int year, month, day, hour, minute, second;
	int64_t ns, zone, value;
	struct tm tm = { 0 };

	if (!take_digits(&text, 4, '-', &year) || !take_digits(&text, 2, '-', &month) ||
	    !take_digits(&text, 2, 0, &day))
		return -EINVAL;
	if (*text != 'T' && *text != 't' && *text != ' ')
		return -EINVAL;
	text++;
	if (!take_digits(&text, 2, ':', &hour) || !take_digits(&text, 2, ':', &minute) ||
	    !take_digits(&text, 2, 0, &second) || !take_fraction(&text, &ns) || !take_zone(&text, &zone) || *text)
		return -EINVAL;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	value = timegm(&tm) - zone;
	if (__builtin_mul_overflow(value, CLOCK_SECOND_NS, &value) || __builtin_add_overflow(value, ns, &value))
		return -ERANGE;
	*ret_ns = value;
	return 0;
}

int clock_parse_duration(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", CLOCK_SECOND_NS },
		{ "m", 60 * CLOCK_SECOND_NS },
		{ "h", 3600 * CLOCK_SECOND_NS },
		{ "d", 86400 * CLOCK_SECOND_NS },
	};
	int64_t total = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		int64_t value = 0;
		size_t length, i;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		for (; *text >= '0' && *text <= '9'; text++) {
			if (__builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, *text - '0', &value))
				return -ERANGE;
		}
		length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		for (i = 0; i < ARRAY_SIZE(units); i++) {
			if (strlen(units[i].name) == length && strncmp(text, units[i].name, length) == 0)
				break;
		}
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		text += length;
		if (__builtin_mul_overflow(value, units[i].ns, &value) || __builtin_add_overflow(total, value, &total))
			return -ERANGE;
	}
	*ret_ns = total;
	return 0;
}

int clock_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	int64_t ago;
	int r = clock_parse_duration(text, &ago);

	if (r == -EINVAL)
		return parse_stamp(text, ret_ns);
	if (r < 0)
		return r;
	return __builtin_sub_overflow(now_ns, ago, ret_ns) ? -ERANGE : 0;
}
