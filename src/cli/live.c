/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of --live: short, one an event, nothing that a table would have to wait for. */
#include "cli/live.h"

#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "event/names.h"

#define SUBJECT_MAX 512

static void add(struct buf *out, struct bytes text)
{
	size_t length = MIN(text.length, (size_t)SUBJECT_MAX);

	if (!bytes_set(text))
		return;
	buf_addc(out, ' ');
	term_bytes(out, text.data, length);
	if (length < text.length)
		buf_adds(out, "...");
}

static void add_name(struct buf *out, const char *name)
{
	if (name)
		buf_addf(out, " %s", name);
}

static void add_result(struct buf *out, int64_t result)
{
	const char *name = result < 0 ? name_errno((int)-result) : NULL;

	if (name)
		buf_addf(out, " %s", name);
}

static void add_end(struct buf *out, const struct event_address *a)
{
	add(out, a->text);
	if (a->has_port)
		buf_addf(out, " port %u", a->port);
}

static void add_exit(struct buf *out, uint32_t status)
{
	if (status & 0x7f)
		add_name(out, name_signal((int)(status & 0x7f)));
	else
		buf_addf(out, " %u", status >> 8 & 0xff);
}

static void subject(const struct event *e, struct buf *out)
{
	switch (e->type) {
	case HD_PROCESS_EXEC:
		add(out, bytes_set(e->path.path) ? e->path.path : e->exe.path);
		for (uint32_t i = 1; i < MIN(e->args_n, 8U); i++)
			add(out, e->args[i]);
		add_result(out, e->u.exec.result);
		break;
	case HD_PROCESS_FORK:
		buf_addf(out, " %u", e->u.fork.thread ? e->u.fork.child_tid : e->u.fork.child_pid);
		break;
	case HD_PROCESS_EXIT:
		add_exit(out, e->u.exit.status);
		break;
	case HD_FILE_OPEN:
		add(out, e->path.path);
		add_result(out, e->u.open.result);
		break;
	case HD_FILE_READ:
	case HD_FILE_WRITE:
		add(out, e->path.path);
		buf_addf(out, " %llu B", (unsigned long long)e->u.fold.bytes);
		break;
	case HD_FILE_METADATA:
		add_name(out, name_metadata(e->u.meta.operation));
		add(out, e->path.path);
		add(out, e->path2.path);
		add_result(out, e->u.meta.result);
		break;
	case HD_NETWORK_SOCKET:
		add_name(out, name_family(e->u.socket.family));
		add_result(out, e->u.socket.result);
		break;
	case HD_NETWORK_CONNECT:
	case HD_NETWORK_ACCEPT:
		add_end(out, &e->remote);
		add(out, e->hostname);
		add_result(out, e->u.net.result);
		break;
	case HD_NETWORK_LISTEN:
		add_end(out, &e->local);
		break;
	case HD_DNS_QUERY:
	case HD_DNS_RESPONSE:
		add_name(out, name_dns_type(e->dns.query_type));
		add(out, e->dns.name);
		break;
	case HD_PRIVILEGE_CHANGE:
		add_name(out, e->h.syscall == HD_NO_SYSCALL ? NULL : name_syscall(e->h.syscall));
		add_result(out, e->u.privilege.result);
		break;
	case HD_MEMORY_EXEC:
		add_name(out, name_memory_reason(e->u.memory.reason));
		break;
	case HD_SANDBOX_ESCAPE:
		add_name(out, name_escape_category(e->u.escape.category));
		add_name(out, name_syscall(e->h.syscall));
		add(out, e->target.path);
		add_result(out, e->u.escape.result);
		break;
	default:
		break;
	}
}

void live_line(const struct event *e, struct buf *out)
{
	char time[CLOCK_TEXT_MAX];
	const char *type = name_event_type(e->type);

	(void)clock_format((int64_t)e->h.time_ns + e->time_offset_ns, time);
	/* Only the time of day, to the millisecond. */
	buf_addf(out, "%.12s %7u ", time + sizeof("2026-01-31T") - 1, e->h.pid);
	term_bytes(out, e->h.comm, strnlen(e->h.comm, sizeof(e->h.comm)));
	buf_addf(out, " %s", type ? type : "?");
	subject(e, out);
	buf_addc(out, '\n');
}
