/* SPDX-License-Identifier: Apache-2.0 */
/* What source.h says of places, and vitals_places_of_pid with the place of procfs as a parameter. */
#pragma once

#include "vitals/source.h"

/* Whether a v2 cgroup has the memory controller: it shows in its directory. */
bool places_has_memory(const char *cgroup);

int places_of_pid(const char *proc, uint32_t pid, struct vitals_places *ret, char *room, size_t size);
