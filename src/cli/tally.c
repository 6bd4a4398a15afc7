/* SPDX-License-Identifier: Apache-2.0 */
/* Counts for the summary. Only a hash of each name is kept: the report, made from the store, is the exact one. */
#include "cli/tally.h"

#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

#define NAMES_CAP 65536
#define HOST_TEXT_MAX 1100

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
		if (e->u.escape.category < HD_ESC_MAX)
			c->escapes[e->u.escape.category]++;
		break;
	default:
		break;
	}
}
