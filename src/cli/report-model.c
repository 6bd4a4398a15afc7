/* SPDX-License-Identifier: Apache-2.0 */
/* Lines in, model out. Everything that an agent can make many of has a cap, and what is over it is counted. */
#include "cli/report-model.h"

#include <errno.h>
#include <string.h>

#include "event/names.h"

#define PROCESSES_MAX 200000
#define FILES_MAX 200000
#define HOSTS_MAX 20000
#define INCIDENTS_MAX 2000
#define ESCAPES_MAX 4000 /* over what the caps of the categories allow */
#define COUNTS_MAX 20000
#define GAPS_MAX 1000
#define ACTS_MAX 2000

static void count_done(void *thing)
{
	free(((struct report_count *)thing)->detail);
}

struct report *report_new(const struct store_session *session)
{
	_cleanup_(line_free_p) struct line *start = NULL;
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->session = *session;
	r->processes = KEYED_INIT(struct report_process, PROCESSES_MAX, report_process_done);
	r->escapes = KEYED_INIT(struct report_incident, ESCAPES_MAX, report_incident_done);
	r->privileges = KEYED_INIT(struct report_incident, INCIDENTS_MAX, report_incident_done);
	r->memory = KEYED_INIT(struct report_incident, INCIDENTS_MAX, report_incident_done);
	r->hosts = KEYED_INIT(struct report_host, HOSTS_MAX, NULL);
	r->services = KEYED_INIT(struct report_service, HOSTS_MAX, report_service_done);
	r->names = KEYED_INIT(struct report_name, HOSTS_MAX, report_name_done);
	r->files = KEYED_INIT(struct report_file, FILES_MAX, NULL);
	r->failed_opens = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->open_errors = KEYED_INIT(struct report_count, 200, count_done);
	r->listening = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->local_sockets = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->failed_execs = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->started = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->gaps = KEYED_INIT(struct report_gap, GAPS_MAX, NULL);
	r->vitals.phases = KEYED_INIT(struct report_phase, COUNTS_MAX, NULL);
	r->vitals.acts = KEYED_INIT(struct report_act, ACTS_MAX, NULL);
	r->by_pid = MAP_INIT(PROCESSES_MAX);
	r->origin_ns = session->started_ns;
	if (session->start_line)
		(void)line_parse(session->start_line, strlen(session->start_line), &start);
	r->is_run = line_get(start, "command") != NULL;
	return r;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	struct keyed *all[] = { &r->processes, &r->escapes,	  &r->privileges,   &r->memory,	      &r->hosts,
				&r->services,  &r->names,	  &r->files,	    &r->failed_opens, &r->open_errors,
				&r->listening, &r->local_sockets, &r->failed_execs, &r->started,      &r->gaps };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		keyed_done(all[i]);
	report_vitals_done(&r->vitals);
	map_done(&r->by_pid);
	free(r);
}

void report_set_text(char **to, struct bytes text)
{
	if (!bytes_set(text) || (*to && strcmp(*to, text.data) == 0))
		return;
	char *copy = strndup(text.data, MIN(text.length, (size_t)REPORT_TEXT_MAX));

	if (copy) {
		free(*to);
		*to = copy;
	}
}

void report_count(struct keyed *k, const char *key, size_t length, uint64_t times, bool failed, struct bytes detail)
{
	struct report_count *c = keyed_get(k, key, length);

	if (!c)
		return;
	c->count += times;
	c->failed += failed ? times : 0;
	if (!c->detail)
		report_set_text(&c->detail, detail);
}

uint64_t report_times(const struct line *l)
{
	return MAX(line_uint(l, "count"), (uint64_t)1);
}

void report_count_error(struct keyed *k, const struct line *l, struct bytes what)
{
	struct buf key = BUF_INIT(8 * REPORT_TEXT_MAX);

	if (!bytes_set(what))
		return;
	buf_add(&key, line_text(l, "error").data, line_text(l, "error").length);
	buf_addc(&key, ' ');
	buf_add(&key, what.data, MIN(what.length, (size_t)REPORT_TEXT_MAX));
	if (!key.failed)
		report_count(k, key.data, key.length, report_times(l), true, what);
	buf_done(&key);
}

static void take_fold(struct report *r, const struct line *l, bool write)
{
	struct bytes path = line_text(l, "path");
	char inode[64];

	if (!bytes_set(path)) {
		/* A file that was open before capture began has no name that is known. */
		(void)snprintf(inode, sizeof(inode), "(inode %llu)", (unsigned long long)line_uint(l, "inode"));
		path = (struct bytes){ inode, strlen(inode) };
	}
	struct report_file *f = keyed_get(&r->files, path.data, path.length);
	if (!f)
		return;
	f->mappings += line_true(l, "mapping");
	if (write) {
		f->write_bytes += line_uint(l, "bytes");
		f->write_operations += line_uint(l, "operations");
	} else {
		f->read_bytes += line_uint(l, "bytes");
		f->read_operations += line_uint(l, "operations");
	}
}

/* What was written under a temporary name counts for the name it ends with. */
static void take_rename(struct report *r, struct bytes from, struct bytes to)
{
	struct report_file *old = bytes_set(from) ? keyed_find(&r->files, from.data, from.length) : NULL;

	if (!old || !bytes_set(to) || (!old->write_operations && !old->mappings))
		return;
	struct report_file *new = keyed_get(&r->files, to.data, to.length);
	if (!new || new == old)
		return;
	new->write_bytes += old->write_bytes;
	new->write_operations += old->write_operations;
	new->mappings += old->mappings;
	old->write_bytes = old->write_operations = old->mappings = 0;
}

static unsigned operation_of(const char *name)
{
	for (unsigned i = 1; name && i < HD_META_MAX; i++)
		if (name_metadata(i) && strcmp(name_metadata(i), name) == 0)
			return i;
	return 0;
}

static bool has_flag(const struct line *flags, const char *name)
{
	for (size_t i = 0; i < line_count(flags); i++)
		if (bytes_set(line_text_at(flags, i)) && strcmp(line_text_at(flags, i).data, name) == 0)
			return true;
	return false;
}

static void set_made(struct report *r, struct bytes path)
{
	struct report_file *f = bytes_set(path) ? keyed_get(&r->files, path.data, path.length) : NULL;

	if (f)
		f->made = true;
}

/* O_EXCL alone says that the file was not there before. */
static void note_made(struct report *r, const struct line *l)
{
	const struct line *flags = line_get(l, "flags");

	if (has_flag(flags, "O_CREAT") && has_flag(flags, "O_EXCL"))
		set_made(r, line_text(l, "path"));
}

static void take_metadata(struct report *r, const struct line *l)
{
	unsigned operation = operation_of(line_text(l, "operation").data);
	struct bytes path = line_text(l, "path");

	if (bytes_set(line_text(l, "error")))
		return;
	r->changes[operation]++;
	if (operation == HD_META_RENAME)
		take_rename(r, path, line_text(l, "new_path"));
	if (operation == HD_META_MKDIR || operation == HD_META_MKNOD)
		set_made(r, path);
	if (operation == HD_META_LINK || operation == HD_META_SYMLINK)
		set_made(r, line_text(l, "new_path"));
	if ((operation == HD_META_UNLINK || operation == HD_META_RMDIR) && bytes_set(path)) {
		struct report_file *f = keyed_get(&r->files, path.data, path.length);

		if (f)
			f->deleted++;
	}
}

static void take_open(struct report *r, const struct line *l)
{
	struct bytes error = line_text(l, "error");

	if (!bytes_set(error)) {
		note_made(r, l);
		return;
	}
	report_count(&r->open_errors, error.data, error.length, report_times(l), true, BYTES_NONE);
	report_count_error(&r->failed_opens, l, line_text(l, "path"));
}

/* The session's own lines are in its row; gaps and settings of the clock are only here. */
static void take_other(struct report *r, const struct line *l, struct bytes raw, int64_t time_ns)
{
	struct bytes type = line_text(l, "type");

	if (!bytes_set(type))
		r->damaged++;
	else if (strcmp(type.data, "gap") == 0)
		(void)keyed_get(&r->gaps, raw.data, raw.length);
	else if (strcmp(type.data, "clock") == 0)
		r->clock_sets++;
	else
		report_take_vitals(r, l, raw, time_ns);
}

static void take_event(struct report *r, unsigned type, const struct line *l, struct bytes raw, int64_t time_ns)
{
	struct report_process *p = report_actor(r, l, time_ns);

	r->events[type]++;
	r->failed[type] += bytes_set(line_text(l, "error"));
	switch (type) {
	case HD_PROCESS_EXEC:
		report_take_exec(r, l, p, time_ns);
		break;
	case HD_PROCESS_FORK:
		report_take_fork(r, l, p, time_ns);
		break;
	case HD_PROCESS_EXIT:
		report_take_exit(r, l, p, time_ns);
		break;
	case HD_FILE_READ:
	case HD_FILE_WRITE:
		take_fold(r, l, type == HD_FILE_WRITE);
		break;
	case HD_FILE_METADATA:
		take_metadata(r, l);
		break;
	case HD_FILE_OPEN:
		take_open(r, l);
		break;
	case HD_NETWORK_CONNECT:
		report_take_connect(r, l, time_ns);
		break;
	case HD_NETWORK_LISTEN:
		report_take_listen(r, l);
		break;
	case HD_DNS_QUERY:
	case HD_DNS_RESPONSE:
		report_take_dns(r, l, type == HD_DNS_RESPONSE);
		break;
	case HD_SANDBOX_ESCAPE:
		report_take_escape(r, l, raw, time_ns);
		break;
	case HD_PRIVILEGE_CHANGE:
		report_take_incident(r, &r->privileges, l, raw, time_ns);
		break;
	case HD_MEMORY_EXEC:
		report_take_incident(r, &r->memory, l, raw, time_ns);
		break;
	default:
		break;
	}
}

void report_add(struct report *r, int64_t time_ns, const char *line, size_t length)
{
	_cleanup_(line_free_p) struct line *l = NULL;
	struct bytes raw = { line, length };

	r->lines++;
	if (line_parse(line, length, &l) < 0) {
		r->damaged++;
		return;
	}
	if (!r->first_ns)
		r->first_ns = time_ns;
	r->last_ns = MAX(r->last_ns, time_ns);
	struct bytes name = line_text(l, "type");
	int type = bytes_set(name) ? name_event_type_parse(name.data) : -EINVAL;

	if (type > 0 && type <= HD_TYPE_EVENT_MAX)
		take_event(r, (unsigned)type, l, raw, time_ns);
	else
		take_other(r, l, raw, time_ns);
}

static int by_written(const void *a, const void *b)
{
	const struct report_file *x = *(void *const *)a, *y = *(void *const *)b;

	return x->write_bytes != y->write_bytes ? (x->write_bytes < y->write_bytes) - (x->write_bytes > y->write_bytes)
						: (x->read_bytes < y->read_bytes) - (x->read_bytes > y->read_bytes);
}

static int by_count(const void *a, const void *b)
{
	const struct report_count *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->count < y->count) - (x->count > y->count);
}

void report_finish(struct report *r)
{
	if (r->finished)
		return;
	r->finished = true;
	report_finish_processes(r);
	report_finish_escapes(r);
	report_finish_network(r);
	report_finish_vitals(r);
	keyed_sort(&r->files, by_written);
	keyed_sort(&r->failed_opens, by_count);
	keyed_sort(&r->open_errors, by_count);
	keyed_sort(&r->failed_execs, by_count);
	keyed_sort(&r->local_sockets, by_count);
}

int64_t report_end_ns(const struct report *r)
{
	if (r->session.ended_ns)
		return r->session.ended_ns;
	return MAX(r->session.state == STORE_RUNNING ? r->now_ns : 0, MAX(r->last_ns, r->session.started_ns));
}
