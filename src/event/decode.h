/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "event/event.h"

/*
 * Decodes one frame into *e (everything is reset first but the arena). Pure: reads only `frame`, which must
 * outlive the event. Checks every size, count, enum and item bound: a frame from the lane is trusted, one from a
 * recording or a fuzzer is not. Returns 0, -EBADMSG when the frame contradicts itself, -E2BIG when the arena
 * can't hold it.
 */
int event_decode(const void *frame, size_t size, struct event *e);
