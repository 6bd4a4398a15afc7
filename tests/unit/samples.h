/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of every type and edge, named. test-decode cuts them, test-encode knows their JSON, the corpus is made of
 * them.
 */
#pragma once

#include "frame.h"

struct sample {
	const char *name;
	void (*make)(struct frame *f);
};

extern const struct sample samples[];
extern const size_t samples_n;

/* The sample of that name; aborts when there is none. */
void sample_make(const char *name, struct frame *f);
