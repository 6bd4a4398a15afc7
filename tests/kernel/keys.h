/* SPDX-License-Identifier: Apache-2.0 */
/* A set of process keys. Zeroed is empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keys {
	uint64_t *hashes;
	size_t room, n;
};

bool keys_add(struct keys *k, const char *key); /* false: it was there (or no memory) */
bool keys_has(const struct keys *k, const char *key);
void keys_done(struct keys *k);
