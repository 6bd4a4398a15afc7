/* SPDX-License-Identifier: Apache-2.0 */
/* Lines in compressed blocks. See block.h. */
#include "store/block.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zstd.h>

/* The text of a block stays within this unless one line is longer. */
#define TEXT_KEEP (128U << 10)

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "heads and marks are stored as they are in memory");
static_assert(sizeof(struct block_head) == 32, "part of the format");
static_assert(sizeof(((struct block *)NULL)->marks[0]) == BLOCK_MARK, "part of the format");

struct block_packer {
	ZSTD_CCtx *context;
	char *out;
	size_t room;
};

uint64_t block_pid_bit(uint32_t pid)
{
	return UINT64_C(1) << (pid * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

struct block *block_new(void)
{
	struct block *b = calloc(1, sizeof(*b));

	if (b)
		b->text = BUF_INIT(BLOCK_SIZE_MAX);
	return b;
}

void block_free(struct block *b)
{
	if (!b)
		return;
	buf_done(&b->text);
	free(b);
}

void block_clear(struct block *b)
{
	if (b->text.room > TEXT_KEEP)
		buf_done(&b->text);
	buf_clear(&b->text);
	b->range = (struct block_range){ 0 };
	b->process_at = b->process_length = 0;
}

bool block_fits(const struct block *b, size_t process_length, size_t line_length)
{
	return b->range.lines == 0 ||
	       (b->range.lines < BLOCK_LINES && b->text.length + process_length + line_length <= BLOCK_BYTES);
}

#define STRIPE 64

/* The two halves of a product: each bit of it depends on every bit of both. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* `place` as summed up; the constants are pi's. */
static inline uint32_t mark_end(uint64_t place[8], uint64_t length)
{
	for (unsigned i = 0; i < 4; i++)
		place[i] ^= place[i + 4] << 23 | place[i + 4] >> 41;
	uint64_t mark = length +
			mix(place[0] ^ UINT64_C(0x243f6a8885a308d3), place[1] ^ UINT64_C(0x13198a2e03707344)) +
			mix(place[2] ^ UINT64_C(0xa4093822299f31d0), place[3] ^ UINT64_C(0x082efa98ec4e6c89));

	return (uint32_t)(mark ^ mark >> 32);
}

/*
 * Eight words of the line at a time. Each of the eight places sums its words up, and those sums: twice the second sum
 * and the first give every word a weight of its own, which is odd, so that no change of one word is lost. The last 64
 * bytes count whole, whichever of them were met already.
 */
#define ADD(i) sum[i] += from[i], of_sums[i] += sum[i]
#define JOIN(i) sum[i] += of_sums[i] + of_sums[i]
#define TWO(each) each(0), each(1)
#define FOUR(each) TWO(each), each(2), each(3)
#define MARK_LONG(name, words, all, how)                                                                               \
	how static uint32_t name(const char *at, size_t length)                                                        \
	{                                                                                                              \
		words sum[STRIPE / sizeof(words)] = { 0 }, of_sums[STRIPE / sizeof(words)] = { 0 };                    \
		const char *last = at + length - STRIPE;                                                               \
		uint64_t place[8];                                                                                     \
		const words *from;                                                                                     \
														       \
		for (from = (const words *)at; (const char *)from < last; from += STRIPE / sizeof(words))              \
			all(ADD);                                                                                      \
		from = (const words *)last;                                                                            \
		all(ADD), all(JOIN);                                                                                   \
		memcpy(place, sum, sizeof(place));                                                                     \
		return mark_end(place, length);                                                                        \
	}

/* As wide as registers are on every x86-64, and on most; they may begin anywhere. */
typedef uint64_t narrow __attribute__((vector_size(16), aligned(1), may_alias));
MARK_LONG(mark_long, narrow, FOUR, )
#ifdef __x86_64__
typedef uint64_t wide __attribute__((vector_size(32), aligned(1), may_alias));
MARK_LONG(mark_long_wide, wide, TWO, __attribute__((target("avx2"))))
#endif

/* As if zeros followed. */
static uint32_t mark_short(struct bytes line)
{
	char padded[STRIPE] = { 0 };

	memcpy(padded, line.data, line.length);
	return mark_long(padded, STRIPE) ^ (uint32_t)line.length;
}

uint32_t block_mark_narrow(struct bytes line)
{
	return line.length < STRIPE ? mark_short(line) : mark_long(line.data, line.length);
}

uint32_t block_mark(struct bytes line)
{
#ifdef __x86_64__
	if (line.length >= STRIPE && __builtin_cpu_supports("avx2"))
		return mark_long_wide(line.data, line.length);
#endif
	return block_mark_narrow(line);
}

int block_add(struct block *b, const struct store_row *row)
{
	struct block_head *head = &b->heads[b->range.lines];
	struct block_range *range = &b->range;
	size_t before = b->text.length, length = strlen(row->process) + 1;
	bool same = range->lines > 0 && length == b->process_length &&
		    memcmp(b->text.data + b->process_at, row->process, length) == 0;

	if (!same)
		buf_add(&b->text, row->process, length);
	buf_add(&b->text, row->line.data, row->line.length);
	if (b->text.failed) {
		b->text.failed = 0;
		b->text.length = before;
		return -ENOMEM;
	}
	if (!same) {
		b->process_at = before;
		b->process_length = (uint32_t)length;
	}
	*head = (struct block_head){ row->sequence, row->time_ns, row->pid, row->type,
				     same ? BLOCK_SAME : (uint32_t)length, (uint32_t)row->line.length };
	/* Here, since the line was just written: later it would have to come back from a slower cache. */
	b->marks[range->lines] = block_mark(row->line);
	if (range->lines == 0) {
		range->first = row->sequence;
		range->first_ns = range->last_ns = row->time_ns;
	}
	range->last = row->sequence;
	range->first_ns = MIN(range->first_ns, row->time_ns);
	range->last_ns = MAX(range->last_ns, row->time_ns);
	range->types |= UINT32_C(1) << row->type;
	range->pids |= block_pid_bit(row->pid);
	range->lines++;
	return 0;
}

struct bytes block_marks(const struct block *b)
{
	return (struct bytes){ (const char *)b->marks, b->range.lines * sizeof(b->marks[0]) };
}

struct block_packer *block_packer_new(void)
{
	_cleanup_(block_packer_free_p) struct block_packer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->context = ZSTD_createCCtx();
	if (!p->context || ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_compressionLevel, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_checksumFlag, 1)))
		return NULL;
	return TAKE_PTR(p);
}

void block_packer_free(struct block_packer *p)
{
	if (!p)
		return;
	(void)ZSTD_freeCCtx(p->context);
	free(p->out);
	free(p);
}

int block_pack(struct block_packer *p, struct block *b, struct bytes *ret, size_t *ret_size)
{
	/* The heads lie side by side, where they resemble each other. */
	buf_add(&b->text, b->heads, b->range.lines * sizeof(b->heads[0]));
	if (b->text.failed)
		return -ENOMEM;
	size_t bound = ZSTD_compressBound(b->text.length);
	if (p->room < bound || p->room > 4 * bound) {
		free(p->out);
		p->room = 0;
		p->out = malloc(bound);
		if (!p->out)
			return -ENOMEM;
		p->room = bound;
	}
	size_t length = ZSTD_compress2(p->context, p->out, p->room, b->text.data, b->text.length);
	if (ZSTD_isError(length))
		return -ENOMEM;
	*ret = (struct bytes){ p->out, length };
	*ret_size = b->text.length;
	return 0;
}

void block_view_done(struct block_view *v)
{
	(void)ZSTD_freeDCtx(v->unpacker);
	free(v->text);
	*v = (struct block_view){ .lenient = v->lenient };
}

static int make_room(struct block_view *v, size_t size)
{
	if (!v->unpacker)
		v->unpacker = ZSTD_createDCtx();
	if (!v->unpacker)
		return -ENOMEM;
	if (v->room >= size)
		return 0;
	free(v->text);
	v->room = 0;
	v->text = malloc(size);
	if (!v->text)
		return -ENOMEM;
	v->room = size;
	return 0;
}

int block_view_load(struct block_view *v, struct bytes packed, int64_t lines, int64_t size)
{
	v->lines = v->at = 0;
	if (lines < 1 || lines > BLOCK_LINES * (v->lenient ? 2 : 1) || size > BLOCK_SIZE_MAX ||
	    size < lines * (int64_t)sizeof(struct block_head))
		return -EBADMSG;
	int r = make_room(v, (size_t)size);
	if (r < 0)
		return r;
	if (ZSTD_decompressDCtx(v->unpacker, v->text, (size_t)size, packed.data, packed.length) != (size_t)size)
		return -EBADMSG;
	v->lines = (uint32_t)lines;
	v->text_at = 0;
	v->text_end = (size_t)size - (size_t)lines * sizeof(struct block_head);
	v->process = NULL;
	return 0;
}

int block_view_next(struct block_view *v, struct store_row *ret)
{
	struct block_head head;

	if (v->at == v->lines)
		return v->text_at == v->text_end ? 0 : -EBADMSG;
	memcpy(&head, v->text + v->text_end + v->at * sizeof(head), sizeof(head));
	if (head.type > HD_TYPE_EVENT_MAX || (v->at > 0 && !v->lenient && head.sequence <= v->last))
		return -EBADMSG;
	if (head.process_length != BLOCK_SAME) {
		size_t left = v->text_end - v->text_at;

		if (head.process_length == 0 || head.process_length > left ||
		    v->text[v->text_at + head.process_length - 1] != '\0')
			return -EBADMSG;
		v->process = v->text + v->text_at;
		v->text_at += head.process_length;
	}
	if (!v->process || head.line_length > v->text_end - v->text_at)
		return -EBADMSG;
	*ret = (struct store_row){ .sequence = head.sequence, .time_ns = head.time_ns, .type = head.type,
				   .pid = head.pid, .process = v->process,
				   .line = { v->text + v->text_at, head.line_length } };
	v->text_at += head.line_length;
	v->last = head.sequence;
	v->at++;
	return 1;
}
