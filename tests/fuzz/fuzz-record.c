/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a recording: a replay must end, read nothing outside, and give numbered, harmless lines. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/replayer.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

static int check(void *context, const struct replayer_line *line)
{
	uint64_t *last = context;

	REQUIRE(line->sequence > *last);
	*last = line->sequence;
	REQUIRE(line->text.length >= 2 && line->text.data[0] == '{' && line->text.data[line->text.length - 1] == '}');
	for (size_t i = 0; i < line->text.length;) {
		bool plain;

		i += text_next(line->text.data + i, line->text.length - i, &plain);
		REQUIRE(plain);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recording_reader *reader = NULL;
	struct replayer_result result;
	struct err err = { 0 };
	uint64_t last = 0;

	if (size == 0)
		return 0;
	FILE *f = fmemopen((void *)(uintptr_t)data, size, "r");
	REQUIRE(f);
	if (recording_open_stream(f, "input", &reader, &err) < 0) {
		REQUIRE(err.code);
		return 0;
	}
	REQUIRE(replayer_run(reader, check, &last, &result, &err) == 0);
	REQUIRE(result.at <= size && result.lines <= last);
	recording_close(reader);
	return 0;
}
