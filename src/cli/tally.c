/* SPDX-License-Identifier: Apache-2.0 */
/* Counts for the summary. Only a hash of each name is kept: the report, made from the store, is the exact one. */
#include "cli/tally.h"

#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "event/escape-names.h"
#include "event/names.h"

#define NAMES_CAP 65536
#define HOST_TEXT_MAX 1100
#define ESCAPE_TEXT_MAX 65536

void tally_init(struct tally *t)
{
	*t = (struct tally){
		.read = MAP_INIT(NAMES_CAP),
		.written = MAP_INIT(NAMES_CAP),
		.deleted = MAP_INIT(NAMES_CAP),
		.hosts = MAP_INIT(NAMES_CAP),
	};
}

void tally_done(struct tally *t)
{
	map_done(&t->read);
	map_done(&t->written);
	map_done(&t->deleted);
	map_done(&t->hosts);
	for (size_t i = 0; i < RECORDER_HOSTS; i++)
		free(t->host_names[i]);
	for (size_t i = 0; i < ARRAY_SIZE(t->escapes); i++)
		free(t->escapes[i]);
}

/* FNV-1a. */
static uint64_t hash(struct bytes b)
{
	uint64_t h = 0xcbf29ce484222325U;

	for (size_t i = 0; i < b.length; i++)
		h = (h ^ (unsigned char)b.data[i]) * 0x100000001b3U;
	return h;
}

/* True when the name is new. */
static bool note(struct map *names, struct bytes name, uint64_t *count)
{
	if (!bytes_set(name) || map_put(names, hash(name), names) < 0)
		return false;
	++*count;
	return true;
}

static void note_host(struct tally *t, const struct event *e)
{
	struct bytes name = bytes_set(e->hostname) ? e->hostname : e->remote.text;
	_cleanup_buf_ struct buf text = BUF_INIT(HOST_TEXT_MAX);
	size_t at = t->counts.hosts;

	if (e->remote.family != AF_INET && e->remote.family != AF_INET6)
		return;
	if (!note(&t->hosts, name, &t->counts.hosts) || at >= RECORDER_HOSTS)
		return;
	(void)text_escape(&text, name.data, name.length);
	t->host_names[at] = TAKE_PTR(text.data);
	t->counts.host_names[at] = t->host_names[at] ? t->host_names[at] : "?";
}

/* In words, for a terminal: "cat: openat /proc/1/mem". NULL when out of memory. */
static char *escape_words(const struct event *e)
{
	_cleanup_buf_ struct buf target = BUF_INIT(ESCAPE_TEXT_MAX), text = BUF_INIT(8 * ESCAPE_TEXT_MAX);
	const char *call = e->h.syscall != HD_NO_SYSCALL ? name_syscall(e->h.syscall) : NULL;

	escape_target(e, &target);
	(void)text_escape(&text, e->h.comm, strnlen(e->h.comm, sizeof(e->h.comm)));
	buf_addf(&text, ": %s", call ? call : name_escape_category(e->u.escape.category));
	if (!target.failed && target.length > 0) {
		buf_addc(&text, ' ');
		(void)text_escape(&text, target.data, target.length);
	}
	return text.failed ? NULL : TAKE_PTR(text.data);
}

static void note_escape(struct tally *t, const struct event *e)
{
	struct recorder_counts *c = &t->counts;
	unsigned category = e->u.escape.category;
	bool failed = e->u.escape.result < 0;

	if (category >= HD_ESC_MAX)
		return;
	if (c->escapes[category] == 0 || (!failed && c->escapes_failed[category] == c->escapes[category])) {
		free(t->escapes[category]);
		c->worst_escapes[category] = t->escapes[category] = escape_words(e);
	}
	c->escapes[category]++;
	c->escapes_failed[category] += failed;
}

void tally_event(struct tally *t, const struct event *e)
{
	struct recorder_counts *c = &t->counts;

	c->events++;
	switch (e->type) {
	case HD_FILE_READ:
		(void)note(&t->read, e->path.path, &c->files_read);
		break;
	case HD_FILE_WRITE:
		(void)note(&t->written, e->path.path, &c->files_written);
		break;
	case HD_FILE_METADATA:
		if (e->u.meta.operation == HD_META_UNLINK && e->u.meta.result == 0)
			(void)note(&t->deleted, e->path.path, &c->files_deleted);
		break;
	case HD_NETWORK_CONNECT:
		note_host(t, e);
		break;
	case HD_PROCESS_EXIT:
		c->max_rss_bytes = MAX(c->max_rss_bytes, e->u.exit.max_rss_bytes);
		break;
	case HD_PRIVILEGE_CHANGE:
		c->privilege_changes++;
		break;
	case HD_SANDBOX_ESCAPE:
		note_escape(t, e);
		break;
	default:
		break;
	}
}
