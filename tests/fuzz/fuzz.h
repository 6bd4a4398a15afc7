/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target defines; fuzz-main.c or libFuzzer calls it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Aborts on what must not be; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
