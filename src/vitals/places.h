/* SPDX-License-Identifier: Apache-2.0 */
/* vitals_places_of_pid (source.h), with the place of procfs as a parameter. */
#pragma once

#include "vitals/source.h"

int places_of_pid(const char *proc, uint32_t pid, struct vitals_places *ret, char *room, size_t size);
