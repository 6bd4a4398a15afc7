/* SPDX-License-Identifier: Apache-2.0 */
/* base/clock.h: RFC 3339 both ways, durations. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

static void formats(void **state)
{
	char text[CLOCK_TEXT_MAX];

	assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(clock_format(-1, text), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(clock_format(INT64_C(1709208000000000007), text), "2024-02-29T12:00:00.000000007Z");
	assert_string_equal(clock_format(INT64_C(1709208000999999999), text), "2024-02-29T12:00:00.999999999Z");
	assert_string_equal(clock_format(INT64_C(1709208001000000000), text), "2024-02-29T12:00:01.000000000Z");
	assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(clock_format(INT64_MAX, text), "2262-04-11T23:47:16.854775807Z");
	assert_string_equal(clock_format(INT64_MIN, text), "1677-09-21T00:12:43.145224192Z");
}

static void parses_stamps(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2024-02-29T12:00:00.000000007Z", INT64_C(1709208000000000007) },
		{ "2024-02-29t12:00:00.5z", INT64_C(1709208000500000000) },
		{ "2024-02-29 14:30:00+02:30", INT64_C(1709208000000000000) },
		{ "2024-02-29T07:00:00-05:00", INT64_C(1709208000000000000) },
		{ "2262-04-11T23:47:16.854775807Z", INT64_MAX },
	};
	static const char *const bad[] = {
		"",
		"x",
		"2024",
		"2024-02-30T00:00:00Z",
		"2023-02-29T00:00:00Z",
		"2024-13-01T00:00:00Z",
		"2024-00-01T00:00:00Z",
		"2024-01-00T00:00:00Z",
		"2024-01-01T24:00:00Z",
		"2024-01-01T00:60:00Z",
		"2024-01-01T00:00:61Z",
		"2024-01-01T00:00:00",
		"2024-01-01T00:00:00.Z",
		"2024-01-01T00:00:00.1234567890Z",
		"2024-01-01T00:00:00Zx",
		"2024-01-01T00:00:00+24:00",
		"-024-01-01T00:00:00Z",
		"10",
		"10x",
		"m",
		"1.5h",
		"-1h",
		"1h 2m",
	};
	int64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(clock_parse(good[i].text, 0, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ns = 77;
		assert_int_equal(clock_parse(bad[i], 0, &ns), -EINVAL);
		assert_int_equal(ns, 77);
	}
	assert_int_equal(clock_parse("2262-04-11T23:47:16.854775808Z", 0, &ns), -ERANGE);
	assert_int_equal(clock_parse("9999-01-01T00:00:00Z", 0, &ns), -ERANGE);
}

static void parses_durations(void **state)
{
	int64_t ns;

	assert_int_equal(clock_parse_duration("90s", &ns), 0);
	assert_int_equal(ns, 90 * CLOCK_SECOND_NS);
	assert_int_equal(clock_parse_duration("1h30m", &ns), 0);
	assert_int_equal(ns, 5400 * CLOCK_SECOND_NS);
	assert_int_equal(clock_parse_duration("500ms", &ns), 0);
	assert_int_equal(ns, CLOCK_SECOND_NS / 2);
	assert_int_equal(clock_parse_duration("0", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(clock_parse_duration("99999999999999999999s", &ns), -ERANGE);
	assert_int_equal(clock_parse_duration("9999999999d", &ns), -ERANGE);
	assert_int_equal(clock_parse("10m", 1000 * CLOCK_SECOND_NS, &ns), 0);
	assert_int_equal(ns, 400 * CLOCK_SECOND_NS);
	assert_int_equal(clock_parse("2h", 0, &ns), 0);
	assert_int_equal(ns, -7200 * CLOCK_SECOND_NS);
}

static void offset_joins_the_clocks(void **state)
{
	int64_t guess = (int64_t)clock_boottime_ns() + clock_offset_ns(), now = clock_realtime_ns();

	assert_true(now - guess > -CLOCK_SECOND_NS && now - guess < 60 * CLOCK_SECOND_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(parses_stamps),
		cmocka_unit_test(parses_durations),
		cmocka_unit_test(offset_joins_the_clocks),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
