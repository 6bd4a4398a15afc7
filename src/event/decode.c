/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of a lane to one event: sizes and items are checked here, paths and addresses have their own files. */
#include "event/decode.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "event/decode-internal.h"

#define SOCKADDR_MAX 128 /* sizeof(struct sockaddr_storage) */

/* Bytes of the header and the type's fixed fields. */
static const uint16_t fixed_sizes[HD_TYPE_MAX] = {
	[HD_PROCESS_EXEC] = sizeof(struct hd_exec),
	[HD_PROCESS_FORK] = sizeof(struct hd_fork),
	[HD_PROCESS_EXIT] = sizeof(struct hd_exit),
	[HD_FILE_WRITE] = sizeof(struct hd_fold),
	[HD_FILE_READ] = sizeof(struct hd_fold),
	[HD_FILE_METADATA] = sizeof(struct hd_meta),
	[HD_FILE_OPEN] = sizeof(struct hd_open),
	[HD_NETWORK_SOCKET] = sizeof(struct hd_socket),
	[HD_NETWORK_CONNECT] = sizeof(struct hd_net),
	[HD_NETWORK_LISTEN] = sizeof(struct hd_net),
	[HD_NETWORK_ACCEPT] = sizeof(struct hd_net),
	[HD_DNS_QUERY] = sizeof(struct hd_dns),
	[HD_DNS_RESPONSE] = sizeof(struct hd_dns),
	[HD_PRIVILEGE_CHANGE] = sizeof(struct hd_privilege),
	[HD_MEMORY_EXEC] = sizeof(struct hd_memory),
	[HD_SANDBOX_ESCAPE] = sizeof(struct hd_escape),
	[HD_FILE_NAME] = sizeof(struct hd_fold),
	[HD_PROCESS_SEED] = sizeof(struct hd_exec),
	[HD_TRAFFIC] = sizeof(struct hd_traffic),
};

/* The most a kind may carry; 0: as much as the frame holds. */
static const uint16_t item_limits[HD_I_MAX] = {
	[HD_I_SOCKADDR] = SOCKADDR_MAX,
	[HD_I_SOCKADDR2] = SOCKADDR_MAX,
	[HD_I_GROUPS_BEFORE] = HD_GROUPS_MAX * sizeof(uint32_t),
	[HD_I_GROUPS_AFTER] = HD_GROUPS_MAX * sizeof(uint32_t),
	[HD_I_PACKET] = HD_PACKET_MAX,
};

/* Fills items by kind. Each kind comes once at most. */
static int read_items(const char *at, size_t left, struct item items[HD_I_MAX])
{
	while (left > 0) {
		struct hd_item head;

		if (left < sizeof(head))
			return -EBADMSG;
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		left -= sizeof(head);
		if (head.kind == 0 || head.kind >= HD_I_MAX || items[head.kind].data || head.length > left)
			return -EBADMSG;
		if (item_limits[head.kind] && head.length > item_limits[head.kind])
			return -EBADMSG;
		items[head.kind] = (struct item){ at, head.length, head.flags };
		at += head.length;
		left -= head.length;
	}
	return 0;
}

static int read_path(struct event *e, const struct item *items, unsigned kind, struct event_path *ret)
{
	return items[kind].data ? decode_kernel_path(e, &items[kind], ret) : 0;
}

/* A path that the frame may have as the kernel's or only as the caller's. */
static int read_object(struct event *e, const struct item *items, unsigned kernel, unsigned name, unsigned base,
		       struct event_path *ret)
{
	int r;

	if (items[kernel].data)
		return decode_kernel_path(e, &items[kernel], ret);
	if (!items[name].data)
		return 0;
	r = decode_name(e, &items[name], &items[base], ret);
	if (r == 0)
		ret->verified = e->h.flags & HD_F_VERIFIED;
	return r;
}

/* The program that the dynamic loader runs: the kernel's path, or the caller's string where only that was read. */
static int read_loaded(struct event *e, const struct item *items)
{
	const struct item *item = &items[HD_I_LOADED];
	bool components = item->length > 0 && item->data[0] != '/' && item->data[item->length - 1] == '/';

	if (!item->data)
		return 0;
	if (components)
		return decode_kernel_path(e, item, &e->loaded);
	return decode_name(e, item, &items[HD_I_CWD], &e->loaded);
}

static int read_paths(struct event *e, const struct item *items)
{
	bool link_text = e->type == HD_FILE_METADATA && e->u.meta.operation == HD_META_SYMLINK;
	int r;

	/* What a symbolic link holds is text until somebody follows it. */
	if (link_text && !items[HD_I_PATH].data && items[HD_I_NAME].data) {
		decode_verbatim(&items[HD_I_NAME], &e->path);
		e->path.verified = e->h.flags & HD_F_VERIFIED;
	} else {
		r = read_object(e, items, HD_I_PATH, HD_I_NAME, HD_I_BASE, &e->path);
		if (r < 0)
			return r;
	}
	r = read_object(e, items, HD_I_PATH2, HD_I_NAME2, HD_I_BASE2, &e->path2);
	if (r < 0)
		return r;
	r = read_object(e, items, HD_I_TARGET_PATH, HD_I_TARGET_NAME, HD_I_BASE, &e->target);
	if (r < 0)
		return r;
	r = read_path(e, items, HD_I_EXE, &e->exe);
	if (r < 0)
		return r;
	r = read_path(e, items, HD_I_CWD, &e->cwd);
	if (r < 0)
		return r;
	r = read_path(e, items, HD_I_INTERPRETER, &e->interpreter);
	if (r < 0)
		return r;
	return read_loaded(e, items);
}

static void read_args(struct event *e, const struct item *item)
{
	const char *at = item->data ?: "", *end = at + item->length;

	e->args_truncated = item->flags & HD_P_ARGS_TRUNCATED;
	while (at < end && e->args_n < EVENT_ARGS_MAX) {
		size_t length = strnlen(at, (size_t)(end - at));

		e->args[e->args_n++] = (struct bytes){ at, length };
		/* No NUL: the copy ended inside this argument. */
		if (at + length == end)
			e->args_truncated = true;
		at += MIN(length + 1, (size_t)(end - at));
	}
	if (at < end || e->args_n < e->u.exec.args_count)
		e->args_truncated = true;
}

static int read_groups(const struct item *item, const uint8_t **ret, uint32_t *ret_n)
{
	if (item->length % sizeof(uint32_t) != 0)
		return -EBADMSG;
	*ret = (const uint8_t *)item->data;
	*ret_n = (uint32_t)(item->length / sizeof(uint32_t));
	return 0;
}

static int read_dns_ends(struct event *e)
{
	const struct hd_dns *d = &e->u.dns;
	int r;

	e->local = (struct event_address){ .has_port = true, .port = d->local_port };
	e->remote = (struct event_address){ .has_port = true, .port = d->remote_port };
	r = decode_ip(e, d->family, d->local, &e->local);
	return r < 0 ? r : decode_ip(e, d->family, d->remote, &e->remote);
}

/* The enums of the fixed part; everything else in it may hold any value. */
static bool values_are_known(const struct event *e)
{
	switch (e->type) {
	case HD_PROCESS_FORK:
		return e->u.fork.thread <= 1;
	case HD_FILE_METADATA:
		return e->u.meta.operation >= 1 && e->u.meta.operation < HD_META_MAX;
	case HD_DNS_QUERY:
	case HD_DNS_RESPONSE:
		/* AF_INET, AF_INET6; IPPROTO_TCP, IPPROTO_UDP */
		return (e->u.dns.family == 2 || e->u.dns.family == 10) &&
		       (e->u.dns.protocol == 6 || e->u.dns.protocol == 17) && e->u.dns.egress <= 1;
	case HD_MEMORY_EXEC:
		return e->u.memory.backing >= 1 && e->u.memory.backing < HD_BACK_MAX && e->u.memory.reason >= 1 &&
		       e->u.memory.reason < HD_MEM_REASON_MAX;
	case HD_SANDBOX_ESCAPE:
		return e->u.escape.category >= 1 && e->u.escape.category < HD_ESC_MAX &&
		       e->u.escape.target_kind <= HD_TGT_CGROUP && e->u.escape.rule >= 1 &&
		       e->u.escape.rule < HD_RULE_MAX;
	default:
		return true;
	}
}

static int read_tail(struct event *e, const struct item *items)
{
	int r = read_paths(e, items);

	if (r < 0)
		return r;
	if (items[HD_I_SOCKADDR].data) {
		r = decode_address(e, &items[HD_I_SOCKADDR], &e->remote);
		if (r < 0)
			return r;
	}
	if (items[HD_I_SOCKADDR2].data) {
		r = decode_address(e, &items[HD_I_SOCKADDR2], &e->local);
		if (r < 0)
			return r;
	}
	r = read_groups(&items[HD_I_GROUPS_BEFORE], &e->groups_before, &e->groups_before_n);
	if (r < 0)
		return r;
	r = read_groups(&items[HD_I_GROUPS_AFTER], &e->groups_after, &e->groups_after_n);
	if (r < 0)
		return r;
	if (e->type == HD_PROCESS_EXEC || e->type == HD_PROCESS_SEED)
		read_args(e, &items[HD_I_ARGS]);
	e->packet = (struct bytes){ items[HD_I_PACKET].data, items[HD_I_PACKET].length };
	e->text = (struct bytes){ items[HD_I_TEXT].data, items[HD_I_TEXT].length };
	return e->type == HD_DNS_QUERY || e->type == HD_DNS_RESPONSE ? read_dns_ends(e) : 0;
}

int event_decode(const void *frame, size_t size, struct event *e)
{
	struct item items[HD_I_MAX] = { 0 };
	struct hd_header h;
	size_t fixed;
	int r;

	event_clear(e);
	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, frame, sizeof(h));
	if (h.size != size || h.type == 0 || h.type >= HD_TYPE_MAX || h.lane >= HD_LANE_MAX || h.via >= HD_VIA_MAX)
		return -EBADMSG;
	fixed = fixed_sizes[h.type];
	if (size < fixed)
		return -EBADMSG;
	e->h = h;
	e->type = h.type;
	memcpy(&e->u, frame, fixed);
	if (!values_are_known(e))
		return -EBADMSG;
	r = read_items((const char *)frame + fixed, size - fixed, items);
	if (r < 0)
		return r;
	return read_tail(e, items);
}
