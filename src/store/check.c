/* SPDX-License-Identifier: Apache-2.0 */
/* The walk along the chain. See check.h; check-block.c names what is wrong inside a block. */
#include "store/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/check-internal.h"
#include "store/head.h"
#include "store/key.h"

const char *check_what_name(enum check_what what)
{
	static const char *const names[CHECK_WHAT_MAX] = {
		[CHECK_GOOD] = "good",	       [CHECK_CHANGED] = "changed",	  [CHECK_REMOVED] = "removed",
		[CHECK_INSERTED] = "inserted", [CHECK_REORDERED] = "reordered",	  [CHECK_SESSION] = "session",
		[CHECK_END] = "end",	       [CHECK_CHECKPOINT] = "checkpoint", [CHECK_REWRITTEN] = "rewritten",
	};

	return (unsigned)what < CHECK_WHAT_MAX ? names[what] : NULL;
}

int check_found(struct check *c, enum check_what what, uint64_t sequence, uint64_t first, uint64_t last,
		const char *format, ...)
{
	va_list arguments;

	c->finding = (struct check_finding){ .what = what, .sequence = sequence, .first = first, .last = last };
	va_start(arguments, format);
	(void)vsnprintf(c->finding.text, sizeof(c->finding.text), format, arguments);
	va_end(arguments);
	return 1;
}

/* Whether the head kept elsewhere names the link at this place; 1: it does not. */
static int check_against_head(struct check *c)
{
	const struct check_head *head = c->options.head;
	char time[CLOCK_TEXT_MAX];

	if (!head || c->good.head_met || head->checkpoint.sequence != c->good.sequence)
		return 0;
	c->good.head_met = memcmp(head->checkpoint.link, c->good.link, CHAIN_HASH) == 0;
	if (c->good.head_met)
		return 0;
	return check_found(c, CHECK_REWRITTEN, 0, MIN(c->good.sequence, (uint64_t)1), c->good.sequence,
			   "the session was written anew: its chain at event %llu is not the one of the head from %s",
			   (unsigned long long)c->good.sequence, clock_format(head->checkpoint.time_ns, time));
}

static int start(struct check *c, const struct chain_start *s)
{
	const struct check_head *head = c->options.head;
	char mine[KEY_ID], theirs[KEY_ID];
	int r = chain_genesis(c->hasher, s, c->good.link);

	if (r < 0)
		return r;
	memcpy(c->good.before, c->good.link, CHAIN_HASH);
	memcpy(c->public_key, s->public_key, CHAIN_PUBLIC);
	memcpy(c->session, s->id, sizeof(c->session));
	if (!head)
		return 0;
	if (memcmp(head->checkpoint.session, s->id, 36) != 0)
		return check_found(c, CHECK_SESSION, 0, 0, 0, "the head is of session %.36s, not of this one",
				   head->checkpoint.session);
	key_id(s->public_key, mine);
	key_id(head->public_key, theirs);
	if (memcmp(head->public_key, s->public_key, CHAIN_PUBLIC) != 0)
		return check_found(c, CHECK_REWRITTEN, 0, 0, 0,
				   "the session is signed by key %s, but its head was signed by key %s", mine, theirs);
	return check_against_head(c);
}

int check_new(const struct chain_start *s, const struct check_options *options, struct check **ret)
{
	_cleanup_(check_free_p) struct check *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (options)
		c->options = *options;
	c->message = BUF_INIT(CHAIN_MESSAGE_MAX);
	c->hasher = chain_hasher_new();
	if (!c->hasher)
		return -ENOMEM;
	int r = start(c, s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void check_free(struct check *c)
{
	if (!c)
		return;
	chain_hasher_free(c->hasher);
	block_view_done(&c->view);
	buf_done(&c->message);
	free(c);
}

/* The row as the chain has it. False: it can't be one. */
static bool chain_row(const struct check_block *row, struct chain_block *ret)
{
	if (row->digest.length != CHAIN_HASH || row->link.length != CHAIN_HASH || row->lines < 1 ||
	    row->lines > UINT32_MAX || row->types < 0 || row->types > UINT32_MAX || row->first < 1 ||
	    row->last < row->first || row->size < 0)
		return false;
	*ret = (struct chain_block){
		.range = { .first = (uint64_t)row->first,
			   .last = (uint64_t)row->last,
			   .first_ns = row->first_ns,
			   .last_ns = row->last_ns,
			   .types = (uint32_t)row->types,
			   .pids = (uint64_t)row->pids,
			   .lines = (uint32_t)row->lines },
		.size = (uint64_t)row->size,
		.marks = row->marks,
		.old = row->schema == 2,
	};
	memcpy(ret->digest, row->digest.data, CHAIN_HASH);
	return true;
}

static int links(struct check *c, const struct chain_block *b, const struct check_block *row, uint8_t ret[CHAIN_HASH])
{
	int r = chain_link(c->hasher, c->good.link, b, ret);

	return r < 0 ? r : memcmp(ret, row->link.data, CHAIN_HASH) == 0;
}

/* A finding stands, unless this block shows that the last one was put in before it. */
static int second_look(struct check *c, const struct check_block *row)
{
	uint8_t link[CHAIN_HASH];
	struct chain_block b;

	if (!c->suspect)
		return 1;
	c->suspect = false;
	int r = chain_row(row, &b) ? links(c, &b, row, link) : 0;
	if (r < 0)
		return r;
	if (r == 1)
		return check_found(c, CHECK_INSERTED, c->suspect_first, c->suspect_first, c->suspect_last,
				   c->suspect_first == c->suspect_last ? "event %llu was put in"
								       : "events %llu to %llu were put in",
				   (unsigned long long)c->suspect_first, (unsigned long long)c->suspect_last);
	return 1;
}

int check_block(struct check *c, const struct check_block *row)
{
	uint8_t digest[CHAIN_HASH], link[CHAIN_HASH];
	struct chain_block b;

	if (c->finding.what)
		return second_look(c, row);
	if (c->good.ended)
		return check_found(c, CHECK_INSERTED, (uint64_t)MAX(row->first, 0), (uint64_t)MAX(row->first, 0),
				   (uint64_t)MAX(row->last, 0), "event %lld was put in after the end of the session",
				   (long long)row->first);
	if (!chain_row(row, &b))
		return check_found(c, CHECK_CHANGED, 0, c->good.sequence + 1, (uint64_t)MAX(row->last, 0),
				   "the row of the events up to %lld was changed: no writer makes one like it",
				   (long long)row->last);
	int r = chain_hash(c->hasher, &row->body, 1, digest);
	if (r < 0)
		return r;
	bool whole = memcmp(digest, b.digest, CHAIN_HASH) == 0;
	int linked = links(c, &b, row, link);
	if (linked < 0)
		return linked;
	r = check_inside(c, row, &b, linked == 1, whole);
	if (r != 0) {
		c->suspect = r == 1 && linked == 0;
		c->suspect_first = b.range.first;
		c->suspect_last = b.range.last;
		return r;
	}
	memcpy(c->good.link, link, CHAIN_HASH);
	c->good.holes += b.range.last - c->good.sequence - b.range.lines;
	c->good.sequence = b.range.last;
	c->good.lines += b.range.lines;
	c->good.blocks++;
	return check_against_head(c);
}

static int check_signature(struct check *c, struct chain_checkpoint *row)
{
	_cleanup_buf_ struct buf message = BUF_INIT(CHAIN_MESSAGE_MAX);

	memcpy(row->session, c->session, sizeof(row->session));
	memcpy(row->before, c->good.before, CHAIN_HASH);
	if (row->kind == CHAIN_END)
		memcpy(row->end, c->end, CHAIN_HASH);
	else
		memset(row->end, 0, CHAIN_HASH);
	chain_message(row, &message);
	if (message.failed)
		return message.failed == -ENOSPC ? 0 : message.failed;
	return key_verify(c->public_key, (struct bytes){ message.data, message.length }, row->signature);
}

/* A signature holds. Does what it covers agree with the rows? */
static int check_covered(struct check *c, const struct chain_checkpoint *row)
{
	uint64_t from = c->good.signed_sequence + 1;
	char time[CLOCK_TEXT_MAX];
	struct chain_counts counts;

	(void)clock_format(row->time_ns, time);
	if (row->sequence > c->good.sequence)
		return check_found(c, CHECK_REMOVED, c->good.sequence + 1, c->good.sequence + 1, row->sequence,
				   "events %llu to %llu were removed", (unsigned long long)c->good.sequence + 1,
				   (unsigned long long)row->sequence);
	if (row->sequence < c->good.sequence || memcmp(row->link, c->good.link, CHAIN_HASH) != 0)
		return check_found(
		    c, CHECK_REWRITTEN, 0, from, c->good.sequence,
		    "something in events %llu to %llu was changed and the chain made to fit; what was signed at "
		    "%s is something else",
		    (unsigned long long)from, (unsigned long long)c->good.sequence, time);
	if (chain_counts_decode(row->counts, &counts) < 0 ||
	    memcmp(counts.stored, c->good.counts.stored, sizeof(counts.stored)) != 0)
		return check_found(c, CHECK_CHECKPOINT, 0, from, row->sequence,
				   "the counts that were signed at %s are not those of the events", time);
	c->good.counts = counts;
	return 0;
}

int check_checkpoint(struct check *c, struct chain_checkpoint *row)
{
	uint64_t n = c->good.checkpoints;

	if (c->finding.what)
		return 1;
	if (c->good.ended)
		return check_found(c, CHECK_CHECKPOINT, 0, 0, 0,
				   "checkpoint %llu was put in after the end of the session",
				   (unsigned long long)row->n);
	if (row->n != n)
		return check_found(c, CHECK_CHECKPOINT, 0, c->good.signed_sequence + 1, row->sequence,
				   "checkpoint %llu was removed", (unsigned long long)n);
	int r = check_signature(c, row);
	if (r < 0)
		return r;
	if (r == 0 && n == 0)
		return check_found(
		    c, CHECK_SESSION, 0, 0, 0,
		    "the start of the session was changed (its id, time, command, start line or key), or "
		    "its first checkpoint");
	if (r == 0 && row->kind == CHAIN_END)
		return check_found(c, CHECK_END, 0, 0, 0,
				   "the end of the session was changed (its end line, ledger, exit status or count of "
				   "events), or its last checkpoint");
	if (r == 0)
		return check_found(c, CHECK_CHECKPOINT, 0, c->good.signed_sequence + 1, row->sequence,
				   "checkpoint %llu was changed, or the one before it removed", (unsigned long long)n);
	if ((n == 0) != (row->kind == CHAIN_BEGIN))
		return check_found(c, CHECK_CHECKPOINT, 0, 0, 0, "checkpoint %llu is of a kind that can't be there",
				   (unsigned long long)n);
	r = check_covered(c, row);
	if (r != 0)
		return r;
	r = chain_checkpoint_hash(c->hasher, row, c->good.before);
	if (r < 0)
		return r;
	buf_clear(&c->message);
	chain_message(row, &c->message);
	if (c->message.failed)
		return c->message.failed;
	if (row->kind == CHAIN_RECOVER) {
		if (c->good.recovered++ == 0) {
			c->good.died_sequence = c->good.signed_sequence;
			c->good.died_ns = c->good.signed_ns;
		}
		c->good.found_sequence = row->sequence;
	}
	if (n == 0)
		c->good.offset_ns = row->time_ns - (int64_t)row->boot_ns;
	c->good.checkpoints++;
	c->good.signed_sequence = row->sequence;
	c->good.signed_ns = row->time_ns;
	c->good.ended = row->kind == CHAIN_END;
	c->good.last = *row;
	c->good.last.counts = BYTES_NONE;
	return 0;
}

int check_set_end(struct check *c, const struct chain_end *end)
{
	return chain_end_hash(c->hasher, end, c->end);
}

int check_finish(struct check *c, const struct chain_end *end)
{
	const struct check_head *head = c->options.head;
	uint64_t events = 0;
	char time[CLOCK_TEXT_MAX];

	if (c->finding.what)
		return 1;
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
		events += c->good.counts.stored[type];
	if (c->good.checkpoints == 0)
		return check_found(c, CHECK_CHECKPOINT, 0, 0, 0, "every checkpoint was removed");
	if (end->ended_ns && !c->good.ended)
		return check_found(c, CHECK_END, 0, 0, 0, "the session has an end that nobody signed");
	if (!c->good.ended && end->events != events)
		return check_found(c, CHECK_END, 0, 0, 0, "the session's count of events is %llu, but there are %llu",
				   (unsigned long long)end->events, (unsigned long long)events);
	if (!head)
		return 0;
	(void)clock_format(head->checkpoint.time_ns, time);
	if (head->checkpoint.sequence > c->good.sequence)
		return check_found(
		    c, CHECK_REMOVED, c->good.sequence + 1, c->good.sequence + 1, head->checkpoint.sequence,
		    "events %llu to %llu were removed: the head from %s covers them",
		    (unsigned long long)c->good.sequence + 1, (unsigned long long)head->checkpoint.sequence, time);
	if (!c->good.head_met)
		return check_found(
		    c, CHECK_REWRITTEN, 0, 1, c->good.sequence,
		    "the session was written anew: no block of it ends at event %llu as the head from %s has it",
		    (unsigned long long)head->checkpoint.sequence, time);
	if (head->checkpoint.kind == CHAIN_END &&
	    (!c->good.ended || memcmp(head->checkpoint.end, c->good.last.end, CHAIN_HASH) != 0))
		return check_found(c, CHECK_END, 0, 0, 0, "the end of the session is not the one of the head from %s",
				   time);
	return 0;
}

const struct check_finding *check_finding(const struct check *c)
{
	return &c->finding;
}

const struct check_end *check_end(const struct check *c)
{
	return &c->good;
}

const uint8_t *check_public(const struct check *c)
{
	return c->public_key;
}

void check_write_head(const struct check *c, struct buf *out)
{
	if (c->good.checkpoints > 0)
		head_write(c->session, c->public_key, (struct bytes){ c->message.data, c->message.length },
			   c->good.last.signature, out);
}
