/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: consecutive lines of a session, compressed together, and what a query must know to pass over one. Lines
 * of one session repeat themselves: alone they can't be compressed, together they shrink to a fortieth. Pure: no
 * database here. What is unpacked may have been tampered with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "event/event.h"
#include "store/store.h"

#define BLOCK_LINES 256
#define BLOCK_MARK 4                    /* bytes of a line's mark */
#define BLOCK_BYTES (120U << 10)        /* full when it would hold more; one line may be longer */
#define BLOCK_LINE_MAX (16U << 20)      /* bytes of a line and its process */
#define BLOCK_SIZE_MAX (BLOCK_BYTES + BLOCK_LINE_MAX + (64U << 10)) /* unpacked */

/* One line as it stands behind the text of its block; little-endian. */
struct block_head {
	uint64_t sequence;
	int64_t time_ns;
	uint32_t pid;
	uint32_t type;
	uint32_t process_length; /* with its NUL, before the line; BLOCK_SAME: that of the line before */
	uint32_t line_length;
};
#define BLOCK_SAME UINT32_MAX

/* What a block's row tells of it. */
struct block_range {
	uint64_t first, last;       /* sequence */
	int64_t first_ns, last_ns;  /* earliest and latest time */
	uint32_t types;             /* bit (1 << type) */
	uint64_t pids;              /* bits of block_pid_bit */
	uint32_t lines;
};

struct block {
	struct block_range range;
	struct buf text;
	struct block_head heads[BLOCK_LINES];
	uint32_t marks[BLOCK_LINES];
	size_t process_at; /* of the latest one, in text */
	uint32_t process_length;
};

/* Where a pid shows in `pids`: a bit that is not set rules the pid out. */
uint64_t block_pid_bit(uint32_t pid);

/* NULL when out of memory. */
struct block *block_new(void);
void block_free(struct block *b);
DEFINE_CLEANUP(struct block *, block_free);
void block_clear(struct block *b); /* for the next lines; memory that one long line needed goes back */

bool block_fits(const struct block *b, size_t process_length, size_t line_length);
/* Adds a line that fits (an empty block takes any up to BLOCK_LINE_MAX). Returns 0 or -ENOMEM, with nothing added. */
int block_add(struct block *b, const struct store_row *row);

/*
 * A line's mark: which line of a changed block is another one now is told by these. They are no proof, the block's
 * digest is: 32 bits of a quick hash, which anybody can meet who wants to.
 */
uint32_t block_mark(struct bytes line);
/* The same without the processor's wide registers, for tests. */
uint32_t block_mark_narrow(struct bytes line);
/* The marks of all lines, borrowed until the block changes. */
struct bytes block_marks(const struct block *b);

struct block_packer;
struct block_packer *block_packer_new(void);
void block_packer_free(struct block_packer *p);
DEFINE_CLEANUP(struct block_packer *, block_packer_free);
/* Compresses what b holds, which ends its filling. *ret is borrowed until the next call. Returns 0 or -ENOMEM. */
int block_pack(struct block_packer *p, struct block *b, struct bytes *ret, size_t *ret_size);

/* A block being read. */
struct block_view {
	char *text;         /* unpacked; its memory serves the next block too */
	size_t room;
	uint32_t lines, at; /* and the next one */
	size_t text_at, text_end;
	const char *process;
	uint64_t last;      /* sequence */
	bool lenient;       /* kept over loads: takes more lines than a block has, in any order, to see what was done */
	struct ZSTD_DCtx_s *unpacker;
};
#define BLOCK_VIEW_INIT ((struct block_view){ 0 })
void block_view_done(struct block_view *v);

/* Unpacks `packed` of a row that claims `lines` and `size`. -EBADMSG: it is no such block; -ENOMEM. */
int block_view_load(struct block_view *v, struct bytes packed, int64_t lines, int64_t size);
/* The next line, borrowed until the next load. 1, 0 at the end, -EBADMSG when the block lies about its parts. */
int block_view_next(struct block_view *v, struct store_row *ret);
