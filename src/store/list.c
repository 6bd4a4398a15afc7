/* SPDX-License-Identifier: Apache-2.0 */
/* All sessions of a home: listing, finding, deleting. One bad file never hides the others. */
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SESSIONS_MAX 1000000
#define PREFIX_MIN 4

struct id {
	char text[37];
};

struct ids {
	struct id *list; /* newest first */
	size_t n, room;
};

static void ids_done(struct ids *ids)
{
	free(ids->list);
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(((const struct id *)b)->text, ((const struct id *)a)->text);
}

static int ids_add(struct ids *ids, const char *text)
{
	if (ids->n == ids->room) {
		size_t room = ids->room ? ids->room * 2 : 64;
		struct id *list = room > SESSIONS_MAX ? NULL : reallocarray(ids->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		ids->list = list;
		ids->room = room;
	}
	memcpy(ids->list[ids->n++].text, text, 37);
	return 0;
}

static int ids_read(const char *home, const char *suffix, struct ids *ids, struct err *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int n = snprintf(path, sizeof(path), "%s/sessions", home), r = 0;

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "%s: the path is too long", home);
	DIR *directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? 0 : err_errno(err, errno, "can't read %s", path);
	while (r == 0 && (errno = 0, entry = readdir(directory))) {
		char id[37];

		if (strnlen(entry->d_name, 36) < 36 || strcmp(entry->d_name + 36, suffix) != 0)
			continue;
		memcpy(id, entry->d_name, 36);
		id[36] = '\0';
		if (store_id_valid(id))
			r = ids_add(ids, id);
	}
	int code = errno;
	(void)closedir(directory);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory for the sessions in %s", path);
	if (!entry && code)
		return err_errno(err, code, "can't read %s", path);
	if (ids->n > 1)
		qsort(ids->list, ids->n, sizeof(*ids->list), newest_first);
	return 0;
}

/* A file that a writer has made but not yet filled is no session yet. */
static bool unborn(const char *home, const char *id, int r)
{
	return (r == -ENODATA || r == -EBUSY || r == -ENOENT) && store_lock_held(home, id);
}

int store_sessions(const char *home, int (*fn)(void *context, const struct store_session *s), void *context,
		   struct err *err)
{
	_cleanup_(ids_done) struct ids ids = { 0 };
	int r = ids_read(home, ".db", &ids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ids.n; i++) {
		_cleanup_(store_reader_free_p) struct store_reader *reader = NULL;
		struct store_session bad = { .exit_status = -1, .state = STORE_UNREADABLE, .command = "" };
		const struct store_session *s = &bad;
		struct err why = { 0 };

		r = store_reader_open(home, ids.list[i].text, &reader, &why);
		if (r == -ENOENT || (r < 0 && unborn(home, ids.list[i].text, r)))
			continue;
		if (r < 0) {
			memcpy(bad.id, ids.list[i].text, sizeof(bad.id));
			bad.why = why.text;
		} else {
			s = store_reader_session(reader);
		}
		r = fn(context, s);
		if (r)
			return r;
	}
	return 0;
}

int store_abandoned(const char *home, int (*fn)(void *context, const char *id), void *context, struct err *err)
{
	_cleanup_(ids_done) struct ids ids = { 0 };
	int r = ids_read(home, ".lock", &ids, err);

	for (size_t i = 0; r == 0 && i < ids.n; i++)
		if (!store_lock_held(home, ids.list[i].text))
			r = fn(context, ids.list[i].text);
	return r;
}

int store_find(const char *home, const char *name, char ret_id[37], struct err *err)
{
	_cleanup_(ids_done) struct ids ids = { 0 };
	size_t length = strlen(name), matches = 0, first = 0;
	int r = ids_read(home, ".db", &ids, err);

	if (r < 0)
		return r;
	if (ids.n == 0)
		return err_set(err, ENOENT, "no session in %s yet; 'heddle run -- COMMAND' makes one", home);
	if (strcmp(name, "last") == 0) {
		memcpy(ret_id, ids.list[0].text, 37);
		return 0;
	}
	if (length < PREFIX_MIN)
		return err_set(err, EINVAL,
			       "'%s' is too short: give 'last' or at least %d characters of a session's id", name,
			       PREFIX_MIN);
	for (size_t i = 0; i < ids.n; i++)
		if (strncmp(ids.list[i].text, name, length) == 0 && matches++ == 0)
			first = i;
	if (matches == 0)
		return err_set(err, ENOENT, "no session '%s'; 'heddle sessions' lists them", name);
	if (matches > 1)
		return err_set(err, EEXIST, "'%s' fits %zu sessions (%s, %s%s); give more of the id", name, matches,
			       ids.list[first].text, ids.list[first + 1].text, matches > 2 ? ", ..." : "");
	memcpy(ret_id, ids.list[first].text, 37);
	return 0;
}

int store_delete(const char *home, const char *id, struct err *err)
{
	/* The lock goes last: while it is held nobody takes the rest for a session. */
	static const char *const suffixes[] = { ".db", ".db-wal", ".db-shm", ".db-journal", ".lock" };
	char path[PATH_MAX];
	_cleanup_close_ int lock_fd = -1;
	int r = store_lock_take(home, id, &lock_fd, err);

	if (r == -EBUSY)
		return err_set(err, EBUSY, "session %s is still running; end it first", id);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		r = store_path(path, home, id, suffixes[i], err);
		if (r < 0)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return err_errno(err, errno, "can't delete %s", path);
	}
	return 0;
}
