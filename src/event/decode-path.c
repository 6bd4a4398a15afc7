/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: from the kernel's leaf-first components, or from a caller's string and what it is relative to. */
#include <errno.h>
#include <string.h>

#include "event/decode-internal.h"

char *arena_take(struct event *e, size_t length)
{
	char *p;

	if (length > EVENT_ARENA_BYTES - e->arena_used)
		return NULL;
	p = e->arena + e->arena_used;
	e->arena_used += length;
	return p;
}

/*
 * Writes the leaf-first components of `data` root first, each with a '/' before it, and returns the length.
 * `out` has room for length + 1 bytes. Empty components are left out; no component at all is "/".
 */
static size_t reverse_components(const char *data, size_t length, char *out)
{
	size_t used = 0, end = length;

	while (end > 0) {
		size_t start = end - 1; /* at the '/' that ends the component */

		while (start > 0 && data[start - 1] != '/')
			start--;
		if (start < end - 1) {
			out[used++] = '/';
			memcpy(out + used, data + start, end - 1 - start);
			used += end - 1 - start;
		}
		end = start;
	}
	if (used == 0)
		out[used++] = '/';
	return used;
}

static void take_flags(struct event_path *path, unsigned flags)
{
	path->deleted = flags & HD_P_DELETED;
	path->truncated = flags & HD_P_TRUNCATED;
	path->memfd = flags & HD_P_MEMFD;
	if (flags & HD_P_OVL_UPPER)
		path->overlay = "upper";
	else if (flags & HD_P_OVL_LOWER)
		path->overlay = "lower";
}

int decode_kernel_path(struct event *e, const struct item *item, struct event_path *ret)
{
	struct event_path path = { .verified = true };
	size_t length;
	char *out;

	if (item->length > 0 && item->data[item->length - 1] != '/')
		return -EBADMSG;
	take_flags(&path, item->flags);
	/* A pseudo file's name is no path: "memfd:a/b" has one component, whatever it looks like. */
	if (item->flags & HD_P_MEMFD) {
		path.path = (struct bytes){ item->data, item->length > 0 ? item->length - 1 : 0 };
		*ret = path;
		return 0;
	}
	out = arena_take(e, item->length + 1);
	if (!out)
		return -E2BIG;
	length = reverse_components(item->data, item->length, out);
	/* The root's end is missing: what is left would be a lie with a slash in front. */
	if (item->flags & (HD_P_TRUNCATED | HD_P_DETACHED)) {
		if (length > 1) {
			out++;
			length--;
		} else {
			out[0] = '.';
		}
	}
	path.path = (struct bytes){ out, length };
	*ret = path;
	return 0;
}

/*
 * Appends the components of `text` to the `used` bytes at `out`, resolving "." and "..". Rooted: `out` starts at the
 * root, so its first component takes a '/' too.
 */
static size_t append_normalised(char *out, size_t used, bool rooted, const char *text, size_t length)
{
	size_t i = 0;

	while (i < length) {
		size_t start;

		while (i < length && text[i] == '/')
			i++;
		start = i;
		while (i < length && text[i] != '/')
			i++;
		if (i == start || (i - start == 1 && text[start] == '.'))
			continue;
		if (i - start == 2 && text[start] == '.' && text[start + 1] == '.') {
			while (used > 0 && out[--used] != '/')
				;
			continue;
		}
		if (used > 0 || rooted)
			out[used++] = '/';
		memcpy(out + used, text + start, i - start);
		used += i - start;
	}
	return used;
}

void decode_verbatim(const struct item *name, struct event_path *ret)
{
	*ret = (struct event_path){ .path = { name->data, strnlen(name->data, name->length) } };
	take_flags(ret, name->flags);
}

int decode_name(struct event *e, const struct item *name, const struct item *base, struct event_path *ret)
{
	size_t length = strnlen(name->data, name->length), used = 0;
	bool absolute = length > 0 && name->data[0] == '/';
	struct event_path parent = { .path = BYTES("/") }, path;
	bool rooted, top;
	char *out;
	int r;

	decode_verbatim(name, &path);
	if (!base->data && !absolute) {
		*ret = path;
		return 0;
	}
	if (base->data) {
		r = decode_kernel_path(e, base, &parent);
		if (r < 0)
			return r;
		path.truncated |= parent.truncated;
	}
	out = arena_take(e, parent.path.length + length + 2);
	if (!out)
		return -E2BIG;
	rooted = parent.path.length > 0 && parent.path.data[0] == '/';
	/* Of a root, and of the "." that stands for the top of a detached mount, no byte goes before the name. */
	top = parent.path.length == 1 && (rooted || parent.path.data[0] == '.');
	if (!top) {
		memcpy(out, parent.path.data, parent.path.length);
		used = parent.path.length;
	}
	/* An absolute name starts at the caller's root, which is its base, and ".." does not lead out of that. */
	if (absolute) {
		size_t n = append_normalised(out + used, 0, rooted || used > 0, name->data, length);

		used += n > 1 || used == 0 ? n : 0;
	} else {
		used = append_normalised(out, used, rooted, name->data, length);
	}
	if (used == 0)
		out[used++] = rooted ? '/' : '.';
	path.path = (struct bytes){ out, used };
	*ret = path;
	return 0;
}
