/* SPDX-License-Identifier: Apache-2.0 */
/* What the races and their judge share. */
#pragma once

#include "kernel-test.h"

/* act_tries, and fewer where the CPU is emulated. */
unsigned race_tries(unsigned in_short, unsigned in_long, unsigned in_long_emulated);
/* A family's check: holds each event against what its try did; prints the table. */
void race_check(const struct act_family *family, const char *facts, const char *json, const char *tier);
