/* SPDX-License-Identifier: Apache-2.0 */
/* Who did it: the fields of an event's line from session to lane, and the cache of their texts. */
#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "event/encode-internal.h"

#define ENTRIES 64
/* Longer ones are written anew each time: 64 of them must stay small. */
#define ENTRY_BYTES 2048

/* All that the text is made of, but the strings. No padding: it is compared as bytes. */
struct actor_key {
	uint32_t pid, tid, ppid, ns_pid, uid, gid, image;
	uint32_t session_length, exe_length, cgroup_length;
	uint8_t via, lane, verified, has_exe, has_cgroup, unused[3];
	char comm[16];
	char process[48];
};
static_assert(sizeof(struct actor_key) == 10 * 4 + 8 + 16 + 48, "no padding");

struct entry {
	struct actor_key key;
	size_t length; /* of the text; 0: a free entry */
	char *bytes;   /* owned: session, exe, cgroup, then the text */
};

struct encode_cache {
	struct entry entries[ENTRIES];
};

struct encode_cache *encode_cache_new(void)
{
	return calloc(1, sizeof(struct encode_cache));
}

void encode_cache_free(struct encode_cache *c)
{
	for (size_t i = 0; c && i < ENTRIES; i++)
		free(c->entries[i].bytes);
	free(c);
}

static void write_actor(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_header *h = &e->h;

	enc_bytes(enc, "session", e->session);
	if (e->process[0])
		enc_string(enc, "process", e->process);
	enc_uint(enc, "pid", h->pid);
	enc_uint(enc, "tid", h->tid);
	enc_uint(enc, "ppid", h->ppid);
	if (h->ns_pid && h->ns_pid != h->pid)
		enc_uint(enc, "pid_in_namespace", h->ns_pid);
	enc_uint(enc, "uid", h->uid);
	enc_uint(enc, "gid", h->gid);
	enc_bytes(enc, "comm", (struct bytes){ h->comm, strnlen(h->comm, sizeof(h->comm)) });
	enc_bytes(enc, "exe", e->exe.path);
	enc_bytes(enc, "cgroup", e->cgroup);
	enc_uint(enc, "image", h->image);
	enc_string(enc, "via", name_via(h->via));
	json_key(&enc->j, "verified");
	json_bool(&enc->j, h->flags & HD_F_VERIFIED);
	enc_string(enc, "lane", name_lane(h->lane));
}

static struct actor_key key_of(const struct event *e)
{
	const struct hd_header *h = &e->h;
	struct actor_key k = {
		.pid = h->pid, .tid = h->tid, .ppid = h->ppid, .ns_pid = h->ns_pid, .uid = h->uid, .gid = h->gid,
		.image = h->image, .session_length = (uint32_t)e->session.length,
		.exe_length = (uint32_t)e->exe.path.length, .cgroup_length = (uint32_t)e->cgroup.length,
		.via = h->via, .lane = h->lane, .verified = (h->flags & HD_F_VERIFIED) != 0,
		.has_exe = bytes_set(e->exe.path), .has_cgroup = bytes_set(e->cgroup),
	};

	memcpy(k.comm, h->comm, sizeof(k.comm));
	memcpy(k.process, e->process, sizeof(k.process));
	return k;
}

static size_t names_length(const struct event *e)
{
	return e->session.length + e->exe.path.length + e->cgroup.length;
}

static void copy_bytes(char **at, struct bytes b)
{
	if (b.length > 0)
		memcpy(*at, b.data, b.length);
	*at += b.length;
}

static bool same_bytes(const char **at, struct bytes b)
{
	bool same = b.length == 0 || memcmp(*at, b.data, b.length) == 0;

	*at += b.length;
	return same;
}

static bool entry_is(const struct entry *entry, const struct actor_key *key, const struct event *e)
{
	const char *at = entry->bytes;

	return entry->length > 0 && memcmp(&entry->key, key, sizeof(*key)) == 0 && same_bytes(&at, e->session) &&
	       same_bytes(&at, e->exe.path) && same_bytes(&at, e->cgroup);
}

/* No memory: then this one is written anew the next time, too. */
static void entry_set(struct entry *entry, const struct actor_key *key, const struct event *e, struct bytes text)
{
	size_t names = names_length(e);
	char *at = realloc(entry->bytes, names + text.length);

	entry->length = 0;
	if (!at)
		return;
	entry->bytes = at;
	copy_bytes(&at, e->session);
	copy_bytes(&at, e->exe.path);
	copy_bytes(&at, e->cgroup);
	copy_bytes(&at, text);
	entry->key = *key;
	entry->length = text.length;
}

static struct entry *entry_of(struct encode_cache *c, const struct actor_key *k)
{
	uint32_t hash = (k->tid ^ k->image << 3 ^ (uint32_t)k->via << 5 ^ (uint32_t)k->lane << 7 ^
			 (uint32_t)k->verified << 8) * UINT32_C(0x9e3779b1);

	return &c->entries[hash >> 26];
}

void encode_actor(struct encoder *enc, struct encode_cache *cache)
{
	const struct event *e = enc->e;
	struct buf *out = enc->j.out;
	size_t begin = out->length;
	struct actor_key key;
	struct entry *entry;

	if (!cache || names_length(e) > ENTRY_BYTES) {
		write_actor(enc);
		return;
	}
	key = key_of(e);
	entry = entry_of(cache, &key);
	if (entry_is(entry, &key, e)) {
		buf_add(out, entry->bytes + names_length(e), entry->length);
		return;
	}
	write_actor(enc);
	/* What was escaped has to be listed at the end of the line, which a text can't do. */
	if (!out->failed && enc->escaped_n == 0 && out->length - begin <= ENTRY_BYTES)
		entry_set(entry, &key, e, (struct bytes){ out->data + begin, out->length - begin });
}
