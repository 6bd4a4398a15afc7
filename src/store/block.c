/* SPDX-License-Identifier: Apache-2.0 */
/* Lines in compressed blocks. See block.h. */
#include "store/block.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zstd.h>

/* The text of a block stays within this unless one line is longer. */
#define TEXT_KEEP (128U << 10)

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "heads are stored as they are in memory");
static_assert(sizeof(struct block_head) == 32, "part of the format");

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

/* The two halves of a product: each bit of it depends on every bit of both. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t block_mark(struct bytes line)
{
	/* Four lanes that don't wait for each other; the constants are digits of pi. */
	static const uint64_t salt[4] = { UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344),
					  UINT64_C(0xa4093822299f31d0), UINT64_C(0x082efa98ec4e6c89) };
	uint64_t lane[4] = { salt[0], salt[1], salt[2], salt[3] }, words[8];
	size_t left = line.length;

	for (const char *p = line.data; left > 0; p += sizeof(words)) {
		if (left >= sizeof(words)) {
			memcpy(words, p, sizeof(words));
			left -= sizeof(words);
		} else {
			memset(words, 0, sizeof(words));
			memcpy(words, p, left);
			left = 0;
		}
		for (unsigned i = 0; i < 4; i++)
			lane[i] = fold(words[2 * i] ^ salt[i], words[2 * i + 1] ^ lane[i]);
	}
	uint64_t front = fold(lane[0] ^ line.length, lane[1] ^ salt[0]), back = fold(lane[2], lane[3] ^ salt[1]);
	uint64_t mark = fold(front, back ^ salt[2]);

	return (uint32_t)(mark ^ mark >> 32);
}

void block_marks(const struct block *b, uint8_t *ret)
{
	const char *at = b->text.data;

	for (uint32_t i = 0; i < b->range.lines; i++) {
		const struct block_head *head = &b->heads[i];

		if (head->process_length != BLOCK_SAME)
			at += head->process_length;
		uint32_t mark = block_mark((struct bytes){ at, head->line_length });
		memcpy(ret + i * BLOCK_MARK, &mark, BLOCK_MARK);
		at += head->line_length;
	}
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
