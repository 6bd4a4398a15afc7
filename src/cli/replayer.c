/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a recording. See replayer.h. The recorder is what it mirrors, call by call. */
#include "cli/replayer.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "cli/session-lines.h"
#include "event/encode.h"
#include "track/tracker.h"

#define LINE_CAP RECORDING_LINE_MAX

struct replayer {
	struct recording_reader *reader;
	struct replayer_result *result;
	struct recording_session session;
	struct tracker *tracker; /* NULL: the session's chunk did not come yet */
	struct encode_cache *cache;
	struct buf line;
	bool differs;
	bool stopped; /* an answer is missing: what would be told now is not what was */
	bool ended;   /* the last chunk was read */
	replayer_fn fn;
	void *context;
	int failed;
};

static void replayer_done(struct replayer *r)
{
	tracker_free(r->tracker);
	encode_cache_free(r->cache);
	buf_done(&r->line);
}

static void give(struct replayer *r, const struct replayer_line *line)
{
	if (r->failed < 0)
		return;
	r->result->lines++;
	r->failed = r->fn(r->context, line);
}

static int on_event(void *context, const struct event *e)
{
	struct replayer *r = context;

	if (r->stopped)
		return 0;
	r->result->events++;
	buf_clear(&r->line);
	/* What could not be printed then can't be now. */
	if (event_encode_json_cached(r->cache, e, &r->line) < 0)
		return 0;
	give(r, &(struct replayer_line){
		    .sequence = e->sequence,
		    .time_ns = (int64_t)e->h.time_ns + e->time_offset_ns,
		    .text = { r->line.data, r->line.length },
		    .event = e,
		    .pid = e->h.pid,
		    .process = e->process,
		});
	return 0;
}

static void on_process(void *context, const struct event *who, enum tracker_origin origin)
{
	struct replayer *r = context;

	if (r->stopped)
		return;
	buf_clear(&r->line);
	session_process_line(who, origin, &r->line);
	if (r->line.failed)
		return;
	give(r, &(struct replayer_line){
		    .sequence = who->sequence,
		    .time_ns = (int64_t)who->h.time_ns + who->time_offset_ns,
		    .text = { r->line.data, r->line.length },
		    .pid = who->h.pid,
		    .process = who->process,
		});
}

static ssize_t on_question(void *context, enum tracker_question question, uint64_t id, char *room, size_t size)
{
	struct replayer *r = context;
	ssize_t n = -ENODATA;
	int code = r->stopped ? 0 : recording_recall(r->reader, question, id, room, size, &n);

	r->stopped |= code != 1;
	r->differs |= code == -ESTALE;
	return n;
}

static bool text_ends(const char *text, size_t size)
{
	return text[size - 1] == '\0';
}

static int begin(struct replayer *r, const struct recording_chunk *chunk, struct err *err)
{
	struct recording_session *s = &r->session;

	memcpy(s, chunk->data, sizeof(*s));
	if (r->tracker || !text_ends(s->session, sizeof(s->session)) || !text_ends(s->boot8, sizeof(s->boot8)) ||
	    s->dns_ports[ARRAY_SIZE(s->dns_ports) - 1] != 0) {
		r->differs = true;
		return 0;
	}
	memcpy(r->result->session, s->session, sizeof(s->session));
	const struct tracker_options options = {
		.session = s->session,
		.boot8 = s->boot8,
		.time_offset_ns = s->time_offset_ns,
		.cgroup_root = s->cgroups ? "" : NULL,
		.proc = s->images ? "" : NULL,
		.fold_ns = s->fold_ns,
		.dns_ports = s->dns_ports,
		.recall = on_question,
		.sink = on_event,
		.process = on_process,
		.context = r,
	};
	return tracker_new(&options, &r->tracker, err);
}

/* A line of ours is one object, with nothing in it that a terminal would act on. */
static bool is_ours(const char *text, size_t length)
{
	if (length < 2 || text[0] != '{' || text[length - 1] != '}')
		return false;
	for (size_t i = 0; i < length;) {
		bool plain;

		i += text_next(text + i, length - i, &plain);
		if (!plain)
			return false;
	}
	return true;
}

static void take_line(struct replayer *r, const struct recording_chunk *chunk)
{
	const char *text = (const char *)chunk->data + sizeof(struct recording_line);
	size_t length = chunk->size - sizeof(struct recording_line);
	struct recording_line head;

	memcpy(&head, chunk->data, sizeof(head));
	if (tracker_next_sequence(r->tracker) != head.sequence || !is_ours(text, length)) {
		r->differs = true;
		return;
	}
	give(r, &(struct replayer_line){
		    .sequence = head.sequence,
		    .time_ns = head.time_ns,
		    .text = { text, length },
		    .process = "",
		});
}

static void take_end(struct replayer *r, const struct recording_chunk *chunk)
{
	struct recording_end last;

	memcpy(&last, chunk->data, sizeof(last));
	r->ended = true;
	if (last.events != r->result->events || last.sequence + 1 != tracker_next_sequence(r->tracker))
		r->differs = true;
}

static int take(struct replayer *r, const struct recording_chunk *chunk, struct err *err)
{
	uint64_t now;

	if (chunk->kind == RECORDING_SESSION)
		return begin(r, chunk, err);
	if (!r->tracker || r->ended) {
		r->differs = true;
		return 0;
	}
	switch (chunk->kind) {
	case RECORDING_FRAME:
		(void)tracker_push(r->tracker, chunk->data, chunk->size);
		break;
	case RECORDING_TICK:
		memcpy(&now, chunk->data, sizeof(now));
		(void)tracker_tick(r->tracker, now);
		break;
	case RECORDING_FINISH:
		(void)tracker_finish(r->tracker);
		break;
	case RECORDING_LINE:
		take_line(r, chunk);
		break;
	case RECORDING_END:
		take_end(r, chunk);
		break;
	default:
		/* An answer to what nobody asks. */
		r->differs = true;
	}
	return 0;
}

int replayer_run(struct recording_reader *reader, replayer_fn fn, void *context, struct replayer_result *ret,
		 struct err *err)
{
	_cleanup_(replayer_done) struct replayer r = {
		.reader = reader,
		.result = ret,
		.line = BUF_INIT(LINE_CAP),
		.cache = encode_cache_new(),
		.fn = fn,
		.context = context,
	};
	struct recording_chunk chunk;
	int code = 0, got = 0;

	*ret = (struct replayer_result){ 0 };
	if (!r.cache)
		return err_set(err, ENOMEM, "out of memory");
	while (!r.differs && !r.stopped && (got = recording_read(reader, &chunk)) == 1) {
		code = take(&r, &chunk, err);
		if (code < 0)
			return code;
		if (r.failed < 0)
			return err_errno(err, -r.failed, "can't write what is replayed");
		ret->at = recording_at(reader);
	}
	/* The reader remembers what stopped a question. */
	if (r.stopped && !r.differs)
		got = recording_read(reader, &chunk);
	if (r.differs)
		ret->end = REPLAYER_DIFFERS;
	else if (got == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory");
	else if (got < 0)
		ret->end = REPLAYER_DAMAGED;
	else
		ret->end = r.ended ? REPLAYER_WHOLE : REPLAYER_CUT;
	return 0;
}
