/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is run through the dynamic loader: which one it is. */
#pragma once

#include "event/event.h"

/*
 * When the event is an exec of a dynamic loader by name (ld-linux-*.so.*, ld-musl-*, ld.so), fills e->loaded from its
 * arguments: the first one that is no option of ld.so(8). A caller's word, so not verified. The path lies in the
 * event's arena; without room there, nothing is filled.
 */
void loader_fill(struct event *e);
