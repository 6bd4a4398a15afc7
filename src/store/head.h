/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads: a checkpoint as one line of JSON with the key that signed it, to be kept where nobody who can write the store
 * can. Each session's end adds one to HOME/heads.
 */
#pragma once

#include "store/check.h"

#define HEAD_MAX 16384 /* bytes of a line */

/* Appends the line, without a newline. */
void head_write(const char *session, const uint8_t public_key[CHAIN_PUBLIC], struct bytes message,
		const uint8_t signature[CHAIN_SIGNATURE], struct buf *out);
/*
 * From the line's texts in hex. -EBADMSG: they are none; -EKEYREJECTED: the signature is not the key's. The checkpoint
 * has no counts.
 */
int head_read(struct bytes public_key, struct bytes message, struct bytes signature, struct check_head *ret);
/* Adds a line to HOME/heads, in one write. */
int head_append(const char *home, struct buf *line, struct err *err);
