/* SPDX-License-Identifier: Apache-2.0 */
/* What check.c and check-block.c share. */
#pragma once

#include "store/check.h"

struct check {
	struct check_options options;
	struct chain_hasher *hasher;
	struct block_view view;
	struct check_finding finding;
	struct check_end good;
	uint8_t public_key[CHAIN_PUBLIC];
	uint8_t end[CHAIN_HASH]; /* of the session's row */
	char session[37];
	struct buf message;      /* of the last good checkpoint */
	bool suspect;            /* the last block does not link: it was put in, or one before it is gone */
	uint64_t suspect_first, suspect_last;
};

/* Notes the finding; returns 1. */
int check_found(struct check *c, enum check_what what, uint64_t sequence, uint64_t first, uint64_t last,
		const char *format, ...) _printf_(6, 7);

/*
 * Looks at the lines of a block and counts them. linked: its row follows the link before; whole: its body has its
 * digest. 0: all is as it was written; 1: a finding; -ENOMEM.
 */
int check_inside(struct check *c, const struct check_block *row, const struct chain_block *b, bool linked, bool whole);
