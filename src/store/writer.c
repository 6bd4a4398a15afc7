/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one writer of a session. The caller fills a block; a thread compresses full ones and puts them into the file.
 * Between the two is a short queue: when it is full the caller waits, so that what can't be kept up with is lost where
 * the kernel counts it, in the lanes.
 */
#include "store/disk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/capability.h"
#include "base/clock.h"

#define QUEUE_BLOCKS 8
#define QUEUE_BYTES (1U << 20)

struct store_writer {
	/* the caller's */
	struct block *filling; /* NULL: to be made */
	uint64_t sequence;     /* of the latest line */
	uint64_t refused[HD_TYPE_EVENT_MAX + 1];
	uint64_t lost[HD_TYPE_EVENT_MAX + 1]; /* all of them, as last asked */
	pthread_t thread;
	bool running;
	/* the thread's while it runs */
	struct disk *disk;
	/* both */
	atomic_uint_least64_t retry_ns; /* boottime: until then nothing is taken; 0: healthy */
	atomic_bool sick;
	pthread_mutex_t lock;
	pthread_cond_t work, progress;
	/* under the lock */
	struct block *queue[QUEUE_BLOCKS];
	unsigned first, n;
	size_t bytes;                  /* in the queue */
	struct block *spare[QUEUE_BLOCKS + 2]; /* besides the queue: one being filled, one being put */
	unsigned spare_n;
	uint64_t pushed, taken;        /* blocks */
	uint64_t commit_at;            /* the block after which to commit */
	uint64_t asked, served;        /* commits */
	bool stop, untold;             /* untold: broken was not returned by a call yet */
	bool beat;                     /* the next commit is one with a signature */
	bool ledger_known;
	struct ledger ledger;          /* for it */
	uint64_t beat_refused[HD_TYPE_EVENT_MAX + 1];
	uint64_t disk_lost[HD_TYPE_EVENT_MAX + 1];
	struct err broken;
};

/* What the disk said, for the caller. Under the lock. */
static void publish(struct store_writer *w, int r, const struct err *err)
{
	memcpy(w->disk_lost, disk_lost(w->disk), sizeof(w->disk_lost));
	atomic_store_explicit(&w->retry_ns, disk_retry_ns(w->disk), memory_order_relaxed);
	atomic_store_explicit(&w->sick, !disk_healthy(w->disk), memory_order_relaxed);
	if (r < 0) {
		w->broken = *err;
		w->untold = true;
	}
}

/* Under the lock, which is open while the disk works. */
static void put_one(struct store_writer *w)
{
	struct block *b = w->queue[w->first];
	struct err err = { 0 };

	w->first = (w->first + 1) % QUEUE_BLOCKS;
	w->n--;
	w->taken++;
	w->bytes -= b->text.length;
	(void)pthread_mutex_unlock(&w->lock);
	int r = disk_put(w->disk, b, &err);
	block_clear(b);
	(void)pthread_mutex_lock(&w->lock);
	publish(w, r, &err);
	w->spare[w->spare_n++] = b;
}

static void commit_one(struct store_writer *w)
{
	uint64_t asked = w->asked;
	struct err err = { 0 };
	bool beat = w->beat;

	if (beat)
		disk_counts(w->disk, w->beat_refused, w->ledger_known ? &w->ledger : NULL);
	w->beat = false;
	(void)pthread_mutex_unlock(&w->lock);
	int r = beat ? disk_beat(w->disk, &err) : disk_commit(w->disk, &err);
	(void)pthread_mutex_lock(&w->lock);
	publish(w, r, &err);
	w->served = asked;
}

static void *work(void *context)
{
	struct store_writer *w = context;

	/* A thread has capabilities of its own. */
	(void)capability_reduce();
	(void)pthread_mutex_lock(&w->lock);
	for (;;) {
		if (w->asked > w->served && w->taken >= w->commit_at)
			commit_one(w);
		else if (w->n > 0)
			put_one(w);
		else if (w->stop)
			break;
		else
			(void)pthread_cond_wait(&w->work, &w->lock);
		(void)pthread_cond_signal(&w->progress);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* No signal is the thread's: whoever made the writer has decided who takes them. */
static int start_thread(struct store_writer *w)
{
	sigset_t all, old;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(&w->thread, NULL, work, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->running = code == 0;
	return -code;
}

static void stop_thread(struct store_writer *w)
{
	if (!w->running)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void)pthread_cond_signal(&w->work);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	w->running = false;
}

static struct store_writer *writer_new(struct err *err)
{
	struct store_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		(void)err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->work, NULL);
	(void)pthread_cond_init(&w->progress, NULL);
	return w;
}

int store_writer_open(const char *home, const struct store_session *session, struct store_writer **ret, struct err *err)
{
	_cleanup_(store_writer_free_p) struct store_writer *w = writer_new(err);

	if (!w)
		return -ENOMEM;
	int r = disk_open(home, session, &w->disk, err);
	if (r < 0)
		return r;
	r = start_thread(w);
	if (r < 0) {
		disk_free(TAKE_PTR(w->disk));
		(void)store_delete(home, session->id, NULL);
		return err_errno(err, -r, "can't start the writer of the store");
	}
	*ret = TAKE_PTR(w);
	return 0;
}

int store_writer_recover(const char *home, const char *id, struct store_writer **ret, struct store_remains *ret_remains,
			 struct err *err)
{
	_cleanup_(store_writer_free_p) struct store_writer *w = writer_new(err);

	if (!w)
		return -ENOMEM;
	int r = disk_recover(home, id, &w->disk, ret_remains, err);
	if (r < 0)
		return r;
	r = start_thread(w);
	if (r < 0)
		return err_errno(err, -r, "can't start the writer of the store");
	w->sequence = ret_remains->sequence;
	*ret = TAKE_PTR(w);
	return 0;
}

/* Gives the block being filled to the thread, and takes an empty one when there is one. Waits for room. */
static void push(struct store_writer *w)
{
	struct block *b = w->filling;

	if (!b || b->range.lines == 0)
		return;
	(void)pthread_mutex_lock(&w->lock);
	while (w->n == QUEUE_BLOCKS || (w->n > 0 && w->bytes + b->text.length > QUEUE_BYTES))
		(void)pthread_cond_wait(&w->progress, &w->lock);
	w->queue[(w->first + w->n++) % QUEUE_BLOCKS] = b;
	w->bytes += b->text.length;
	w->pushed++;
	w->filling = w->spare_n > 0 ? w->spare[--w->spare_n] : NULL;
	(void)pthread_cond_signal(&w->work);
	(void)pthread_mutex_unlock(&w->lock);
}

/* The error that stands, with every line counted that it cost. */
static int take_broken(struct store_writer *w, struct err *err)
{
	(void)pthread_mutex_lock(&w->lock);
	if (err)
		*err = w->broken;
	w->untold = false;
	int r = -w->broken.code;
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

int store_writer_add(struct store_writer *w, uint64_t sequence, int64_t time_ns, unsigned type, uint32_t pid,
		     const char *process, struct bytes line, struct err *err)
{
	struct store_row row = { .sequence = sequence, .time_ns = time_ns, .pid = pid, .process = process ?: "",
				 .type = type <= HD_TYPE_EVENT_MAX ? type : 0, .line = line };
	uint64_t retry_ns = atomic_load_explicit(&w->retry_ns, memory_order_relaxed);
	size_t length = strlen(row.process) + 1;

	w->refused[row.type]++;
	if (retry_ns && clock_boottime_ns() < retry_ns)
		return take_broken(w, err);
	if (sequence <= w->sequence)
		return err_set(err, EINVAL, "line %llu comes after line %llu", (unsigned long long)sequence,
			       (unsigned long long)w->sequence);
	if (length > BLOCK_LINE_MAX || line.length > BLOCK_LINE_MAX - length)
		return err_set(err, EMSGSIZE, "line %llu is too long to be stored", (unsigned long long)sequence);
	if (w->filling && !block_fits(w->filling, length, line.length))
		push(w);
	if (!w->filling)
		w->filling = block_new();
	if (!w->filling || block_add(w->filling, &row) < 0)
		return err_set(err, ENOMEM, "out of memory for a line of the store");
	w->refused[row.type]--;
	w->sequence = sequence;
	return 0;
}

/* Asks for a commit of all that was added, and for a signature; returns its number. */
static uint64_t ask_for_commit(struct store_writer *w, const struct ledger *ledger)
{
	push(w);
	(void)pthread_mutex_lock(&w->lock);
	w->beat = true;
	memcpy(w->beat_refused, w->refused, sizeof(w->beat_refused));
	if (ledger) {
		w->ledger = *ledger;
		w->ledger_known = true;
	}
	uint64_t asked = ++w->asked;
	w->commit_at = w->pushed;
	(void)pthread_cond_signal(&w->work);
	(void)pthread_mutex_unlock(&w->lock);
	return asked;
}

int store_writer_commit_soon(struct store_writer *w, struct err *err)
{
	return store_writer_beat(w, NULL, err);
}

int store_writer_beat(struct store_writer *w, const struct ledger *ledger, struct err *err)
{
	(void)ask_for_commit(w, ledger);
	(void)pthread_mutex_lock(&w->lock);
	bool untold = w->untold;
	(void)pthread_mutex_unlock(&w->lock);
	return untold ? take_broken(w, err) : 0;
}

int store_writer_commit(struct store_writer *w, struct err *err)
{
	uint64_t asked = ask_for_commit(w, NULL);

	(void)pthread_mutex_lock(&w->lock);
	while (w->served < asked)
		(void)pthread_cond_wait(&w->progress, &w->lock);
	bool untold = w->untold;
	(void)pthread_mutex_unlock(&w->lock);
	return untold ? take_broken(w, err) : 0;
}

bool store_writer_healthy(struct store_writer *w)
{
	return !atomic_load_explicit(&w->sick, memory_order_relaxed);
}

const uint64_t *store_writer_lost(struct store_writer *w)
{
	(void)pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < ARRAY_SIZE(w->lost); i++)
		w->lost[i] = w->refused[i] + w->disk_lost[i];
	(void)pthread_mutex_unlock(&w->lock);
	return w->lost;
}

int store_writer_end(struct store_writer *w, const struct store_session *session, struct err *err)
{
	if (!w->running)
		return err_set(err, EBADF, "the session has ended already");
	int r = store_writer_commit(w, err);
	if (r < 0)
		return r;
	stop_thread(w);
	return disk_end(w->disk, session, err);
}

void store_writer_free(struct store_writer *w)
{
	if (!w)
		return;
	if (w->running)
		(void)store_writer_commit(w, NULL);
	stop_thread(w);
	disk_free(w->disk);
	block_free(w->filling);
	while (w->spare_n > 0)
		block_free(w->spare[--w->spare_n]);
	(void)pthread_cond_destroy(&w->progress);
	(void)pthread_cond_destroy(&w->work);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}
