/* SPDX-License-Identifier: Apache-2.0 */
/* Writes and reads recordings. See recording.h. */
#include "sensor/recording.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define MAGIC "HEDDLELN"
#define WAITING_MAX (1U << 20)

struct head {
	char magic[8];
	uint32_t wire_version;
	uint32_t format; /* 0 in those of the first versions, which had frames only */
};

struct chunk_head {
	uint32_t kind;
	uint32_t size; /* of what follows */
};

/* ---- writing ---- */

struct recording {
	int fd;
	int failed;
	size_t used;
	char waiting[WAITING_MAX];
};

static void write_out(struct recording *r, const char *p, size_t size)
{
	while (size > 0 && !r->failed) {
		ssize_t n = write(r->fd, p, size);

		if (n < 0 && errno != EINTR)
			r->failed = -errno;
		if (n < 0)
			continue;
		p += n;
		size -= (size_t)n;
	}
}

static void put(struct recording *r, const void *data, size_t size)
{
	if (size > sizeof(r->waiting) - r->used) {
		write_out(r, r->waiting, r->used);
		r->used = 0;
	}
	if (size > sizeof(r->waiting)) {
		write_out(r, data, size);
		return;
	}
	if (size > 0)
		memcpy(r->waiting + r->used, data, size);
	r->used += size;
}

int recording_new(int fd, struct recording **ret)
{
	_cleanup_(recording_free_p) struct recording *r = malloc(sizeof(*r));
	struct head head = { .magic = MAGIC, .wire_version = HD_WIRE_VERSION, .format = RECORDING_FORMAT };
	int code;

	if (!r)
		return -ENOMEM;
	r->fd = fd;
	r->failed = 0;
	r->used = 0;
	put(r, &head, sizeof(head));
	/* At once: whoever can't be recorded is told before the command starts. */
	code = recording_flush(r);
	if (code < 0)
		return code;
	*ret = TAKE_PTR(r);
	return 0;
}

void recording_add(struct recording *r, enum recording_kind kind, const void *head, size_t head_size, const void *data,
		   size_t size)
{
	struct chunk_head chunk = { kind, (uint32_t)(head_size + size) };

	if (r->failed)
		return;
	put(r, &chunk, sizeof(chunk));
	put(r, head, head_size);
	put(r, data, size);
}

int recording_flush(struct recording *r)
{
	write_out(r, r->waiting, r->used);
	r->used = 0;
	return r->failed;
}

void recording_free(struct recording *r)
{
	free(r);
}

/* ---- reading ---- */

struct recording_reader {
	FILE *file;
	struct chunk_head next; /* of the chunk that was not read yet */
	bool has_next;
	bool ended;
	bool bad;
	uint64_t at;
	struct buf chunk;
};

static const struct {
	size_t min, max;
} sizes[RECORDING_KIND_MAX] = {
	[RECORDING_FRAME] = { sizeof(struct hd_header), RECORDING_FRAME_MAX },
	[RECORDING_SESSION] = { sizeof(struct recording_session), sizeof(struct recording_session) },
	[RECORDING_LINE] = { sizeof(struct recording_line), sizeof(struct recording_line) + RECORDING_LINE_MAX },
	[RECORDING_TICK] = { sizeof(uint64_t), sizeof(uint64_t) },
	[RECORDING_ANSWER] = { sizeof(struct recording_answer), sizeof(struct recording_answer) + HD_PATH_MAX },
	[RECORDING_FINISH] = { 0, 0 },
	[RECORDING_END] = { sizeof(struct recording_end), sizeof(struct recording_end) },
};

int recording_open_stream(FILE *file, const char *name, struct recording_reader **ret, struct err *err)
{
	struct recording_reader *r = calloc(1, sizeof(*r));
	_cleanup_(recording_close_p) struct recording_reader *made = r;
	struct head head;

	if (!r) {
		(void)fclose(file);
		return err_set(err, ENOMEM, "out of memory");
	}
	r->file = file;
	r->chunk = BUF_INIT(sizeof(struct recording_line) + RECORDING_LINE_MAX);
	if (fread(&head, sizeof(head), 1, file) != 1 || memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
		return err_set(err, EBADMSG, "%s is no recording of heddle's", name);
	if (head.format != RECORDING_FORMAT || head.wire_version != HD_WIRE_VERSION)
		return err_set(err, EPROTO, "%s was recorded by another version (format %u.%u, this one reads %u.%u): "
			       "replay it with the heddle that made it", name, head.format, head.wire_version,
			       (unsigned)RECORDING_FORMAT, (unsigned)HD_WIRE_VERSION);
	r->at = sizeof(head);
	*ret = TAKE_PTR(made);
	return 0;
}

int recording_open(const char *path, struct recording_reader **ret, struct err *err)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return err_errno(err, errno, "can't open the recording %s", path);
	return recording_open_stream(file, path, ret, err);
}

void recording_close(struct recording_reader *r)
{
	if (!r)
		return;
	(void)fclose(r->file);
	buf_done(&r->chunk);
	free(r);
}

/* Whether all of it could be read. A file that stops in the middle of a chunk was cut there. */
static bool take(struct recording_reader *r, void *room, size_t size)
{
	if (size > 0 && fread(room, size, 1, r->file) != 1)
		r->ended = true;
	return !r->ended;
}

/* 1 when the next chunk's head is known, 0 at the end, -EBADMSG. */
static int look_ahead(struct recording_reader *r)
{
	if (!r->bad && !r->has_next && !r->ended && take(r, &r->next, sizeof(r->next))) {
		r->bad = r->next.kind == 0 || r->next.kind >= RECORDING_KIND_MAX ||
			 r->next.size < sizes[r->next.kind].min || r->next.size > sizes[r->next.kind].max;
		r->has_next = !r->bad;
	}
	return r->bad ? -EBADMSG : !r->ended;
}

static void taken(struct recording_reader *r)
{
	r->has_next = false;
	r->at += sizeof(r->next) + r->next.size;
}

int recording_read(struct recording_reader *r, struct recording_chunk *ret)
{
	int code = look_ahead(r);

	if (code <= 0)
		return code;
	buf_clear(&r->chunk);
	if (!buf_reserve(&r->chunk, r->next.size))
		return r->chunk.failed;
	if (!take(r, r->chunk.data, r->next.size))
		return 0;
	taken(r);
	*ret = (struct recording_chunk){ .kind = r->next.kind, .size = r->next.size, .data = r->chunk.data };
	return 1;
}

int recording_recall(struct recording_reader *r, enum tracker_question question, uint64_t id, char *room, size_t size,
		     ssize_t *ret)
{
	struct recording_answer answer;
	int code = look_ahead(r);
	size_t length;

	if (code <= 0)
		return code;
	if (r->next.kind != RECORDING_ANSWER)
		return -ESTALE;
	length = r->next.size - sizeof(answer);
	if (length > size)
		return -ESTALE;
	if (!take(r, &answer, sizeof(answer)) || !take(r, room, length))
		return 0;
	taken(r);
	/* A length that lies would hand out bytes that nobody wrote. */
	if (answer.question != question || answer.id != id || (answer.length >= 0 && (size_t)answer.length != length))
		return -ESTALE;
	*ret = answer.length;
	return 1;
}

uint64_t recording_at(const struct recording_reader *r)
{
	return r->at;
}
