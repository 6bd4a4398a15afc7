/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a frame: decoding must not read outside, and what decodes must give one harmless line of JSON. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "event/decode.h"
#include "event/encode.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

static void check_line(const struct buf *b)
{
	REQUIRE(b->length > 2 && b->data[0] == '{' && b->data[b->length - 1] == '}');
	REQUIRE(text_is_utf8(b->data, b->length));
	for (size_t i = 0; i < b->length;) {
		bool plain;

		i += text_next(b->data + i, b->length - i, &plain);
		REQUIRE(plain);
	}
}

/* Whatever events came before, the cache gives the same line. */
static void check_cached(const struct event *event, const struct buf *line)
{
	static struct encode_cache *cache;

	if (!cache)
		cache = encode_cache_new();
	REQUIRE(cache);
	for (int i = 0; i < 2; i++) {
		_cleanup_buf_ struct buf again = BUF_INIT(4U << 20);

		REQUIRE(event_encode_json_cached(cache, event, &again) == 0);
		REQUIRE(again.length == line->length && memcmp(again.data, line->data, line->length) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf line = BUF_INIT(4U << 20);
	static struct event *event;
	int r;

	if (!event)
		event = event_new();
	REQUIRE(event);
	r = event_decode(data, size, event);
	REQUIRE(r == 0 || r == -EBADMSG || r == -E2BIG);
	if (r < 0)
		return 0;
	r = event_encode_json(event, &line);
	if (event->type > HD_TYPE_EVENT_MAX) {
		REQUIRE(r == -EINVAL && line.length == 0);
	} else {
		REQUIRE(r == 0 || r == -ENOSPC);
		if (r == 0) {
			check_line(&line);
			check_cached(event, &line);
		}
	}
	return 0;
}
