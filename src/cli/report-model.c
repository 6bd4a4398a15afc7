/* SPDX-License-Identifier: Apache-2.0 */
/* Lines in, model out. Everything that an agent can make many of has a cap, and what is over it is counted. */
#include "cli/report.h"

#include <errno.h>
#include <string.h>

#include "cli/describe.h"
#include "cli/line.h"
#include "event/names.h"

#define PROCESSES_MAX 200000
#define FILES_MAX 200000
#define HOSTS_MAX 20000
#define INCIDENTS_MAX 2000
#define COUNTS_MAX 20000
#define GAPS_MAX 1000
#define TEXT_MAX 4096

static void process_done(void *thing)
{
	struct report_process *p = thing;

	free(p->comm);
	free(p->exe);
	free(p->command);
	free(p->signal);
}

static void incident_done(void *thing)
{
	struct report_incident *i = thing;

	free(i->line);
	free(i->text);
	free(i->comm);
}

static void host_done(void *thing)
{
	struct report_host *h = thing;

	strings_done(&h->addresses);
	strings_done(&h->ports);
	strings_done(&h->errors);
	strings_done(&h->programs);
}

static void name_done(void *thing)
{
	struct report_name *n = thing;

	strings_done(&n->types);
	strings_done(&n->codes);
	strings_done(&n->answers);
}

static void count_done(void *thing)
{
	free(((struct report_count *)thing)->detail);
}

struct report *report_new(const struct store_session *session)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->session = *session;
	r->processes = KEYED_INIT(struct report_process, PROCESSES_MAX, process_done);
	r->escapes = KEYED_INIT(struct report_incident, INCIDENTS_MAX, incident_done);
	r->privileges = KEYED_INIT(struct report_incident, INCIDENTS_MAX, incident_done);
	r->memory = KEYED_INIT(struct report_incident, INCIDENTS_MAX, incident_done);
	r->hosts = KEYED_INIT(struct report_host, HOSTS_MAX, host_done);
	r->names = KEYED_INIT(struct report_name, HOSTS_MAX, name_done);
	r->files = KEYED_INIT(struct report_file, FILES_MAX, NULL);
	r->failed_opens = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->open_errors = KEYED_INIT(struct report_count, 200, count_done);
	r->listening = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->local_sockets = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->failed_execs = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->started = KEYED_INIT(struct report_count, COUNTS_MAX, count_done);
	r->gaps = KEYED_INIT(struct report_gap, GAPS_MAX, NULL);
	r->by_pid = MAP_INIT(PROCESSES_MAX);
	return r;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	struct keyed *all[] = { &r->processes,	  &r->escapes,	     &r->privileges, &r->memory,    &r->hosts,
				&r->names,	  &r->files,	     &r->failed_opens, &r->open_errors, &r->listening,
				&r->local_sockets, &r->failed_execs, &r->started, &r->gaps };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		keyed_done(all[i]);
	map_done(&r->by_pid);
	free(r);
}

static void set_text(char **to, struct bytes text)
{
	if (!bytes_set(text) || (*to && strcmp(*to, text.data) == 0))
		return;
	char *copy = strndup(text.data, MIN(text.length, (size_t)TEXT_MAX));

	if (copy) {
		free(*to);
		*to = copy;
	}
}

static void link_process(struct report *r, struct report_process *p, struct report_process *parent)
{
	struct report_process **first = parent ? &parent->first_child : &r->first_root;
	struct report_process **last = parent ? &parent->last_child : &r->last_root;

	p->parent = parent;
	if (*last)
		(*last)->next = p;
	else
		*first = p;
	*last = p;
}

static struct report_process *get_process(struct report *r, struct bytes key, uint32_t pid, int64_t time_ns,
					  struct report_process *parent, uint32_t ppid)
{
	struct report_process *p = keyed_find(&r->processes, key.data, key.length);

	if (p)
		return p;
	p = keyed_get(&r->processes, key.data, key.length);
	if (!p)
		return NULL;
	if (!parent) {
		p->before = true;
		parent = ppid ? map_get(&r->by_pid, ppid) : NULL;
	}
	p->pid = pid;
	p->start_ns = time_ns;
	link_process(r, p, parent == p ? NULL : parent);
	(void)map_remove(&r->by_pid, pid);
	if (map_put(&r->by_pid, pid, p) < 0)
		r->failure = -ENOMEM;
	return p;
}

/* The one that acts; made here when nothing told of it before. */
static struct report_process *actor(struct report *r, const struct line *l, int64_t time_ns)
{
	struct bytes key = line_text(l, "process");

	if (!bytes_set(key))
		return NULL;
	struct report_process *p = get_process(r, key, (uint32_t)line_uint(l, "pid"), time_ns, NULL,
					       (uint32_t)line_uint(l, "ppid"));
	if (p) {
		set_text(&p->comm, line_text(l, "comm"));
		set_text(&p->exe, line_text(l, "exe"));
	}
	return p;
}

static void count(struct keyed *k, const char *key, size_t length, uint64_t times, bool failed, struct bytes detail)
{
	struct report_count *c = keyed_get(k, key, length);

	if (!c)
		return;
	c->count += times;
	c->failed += failed ? times : 0;
	if (!c->detail)
		set_text(&c->detail, detail);
}

/* How many identical events a line stands for. */
static uint64_t times_of(const struct line *l)
{
	return MAX(line_uint(l, "count"), (uint64_t)1);
}

static void count_with_error(struct keyed *k, const struct line *l, struct bytes what)
{
	struct buf key = BUF_INIT(8 * TEXT_MAX);

	if (!bytes_set(what))
		return;
	buf_add(&key, line_text(l, "error").data, line_text(l, "error").length);
	buf_addc(&key, ' ');
	buf_add(&key, what.data, MIN(what.length, (size_t)TEXT_MAX));
	if (!key.failed)
		count(k, key.data, key.length, times_of(l), true, what);
	buf_done(&key);
}

/* After the last slash. */
static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void take_exec(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns)
{
	struct buf command = BUF_INIT(1 << 20);
	struct bytes path = line_text(l, "path");

	if (bytes_set(line_text(l, "error"))) {
		count_with_error(&r->failed_execs, l, path);
		return;
	}
	if (bytes_set(path))
		count(&r->started, base_of(path.data), strlen(base_of(path.data)), 1, false, BYTES_NONE);
	if (!p)
		return;
	/* The first command of `run` waits at a gate until it is followed: for people it starts with its exec. */
	if (p->start_ns == time_ns)
		p->before = false;
	p->execs++;
	describe_command(line_get(l, "args"), &command);
	if (!command.failed && command.length > 0)
		set_text(&p->command, (struct bytes){ command.data, command.length });
	else
		set_text(&p->command, line_text(l, "exe"));
	buf_done(&command);
}

static void take_fork(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns)
{
	struct bytes key = line_text(l, "child_process");

	if (line_true(l, "thread") || !bytes_set(key))
		return;
	struct report_process *child = get_process(r, key, (uint32_t)line_uint(l, "child_pid"), time_ns, p, 0);
	if (!child || !p)
		return;
	child->before = false;
	if (!child->comm)
		set_text(&child->comm, (struct bytes){ p->comm, p->comm ? strlen(p->comm) : 0 });
	if (!child->exe)
		set_text(&child->exe, (struct bytes){ p->exe, p->exe ? strlen(p->exe) : 0 });
}

static void take_exit(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns)
{
	int64_t duration;

	if (!p)
		return;
	p->end_ns = time_ns;
	set_text(&p->signal, line_text(l, "signal"));
	(void)line_int(l, "exit_code", &p->exit_code);
	p->oom_killed = line_true(l, "oom_killed");
	p->max_rss_bytes = line_uint(l, "max_rss_bytes");
	if (p->before && line_int(l, "duration_ns", &duration) && duration > 0)
		p->start_ns = time_ns - duration;
	if (p->max_rss_bytes > (r->peak ? r->peak->max_rss_bytes : 0))
		r->peak = p;
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

static void take_metadata(struct report *r, const struct line *l)
{
	unsigned operation = operation_of(line_text(l, "operation").data);
	struct bytes path = line_text(l, "path");

	if (bytes_set(line_text(l, "error")))
		return;
	r->changes[operation]++;
	if (operation == HD_META_RENAME)
		take_rename(r, path, line_text(l, "new_path"));
	if ((operation == HD_META_UNLINK || operation == HD_META_RMDIR) && bytes_set(path)) {
		struct report_file *f = keyed_get(&r->files, path.data, path.length);

		if (f)
			f->deleted++;
	}
}

static void take_open(struct report *r, const struct line *l)
{
	struct bytes error = line_text(l, "error");

	if (!bytes_set(error))
		return;
	count(&r->open_errors, error.data, error.length, times_of(l), true, BYTES_NONE);
	count_with_error(&r->failed_opens, l, line_text(l, "path"));
}

static void take_connect(struct report *r, const struct line *l, int64_t time_ns)
{
	struct bytes address = line_text(l, "destination"), name = line_text(l, "hostname");
	struct bytes error = line_text(l, "error");
	char port[32];

	if (!bytes_set(address)) {
		struct bytes path = line_text(l, "path");

		if (bytes_set(path))
			count(&r->local_sockets, path.data, path.length, 1, bytes_set(error), line_text(l, "comm"));
		return;
	}
	if (!bytes_set(name))
		name = address;
	struct report_host *h = keyed_get(&r->hosts, name.data, name.length);
	if (!h)
		return;
	if (h->connects++ == 0)
		h->first_ns = time_ns;
	strings_add(&h->addresses, address.data);
	(void)snprintf(port, sizeof(port), "%llu/%.16s", (unsigned long long)line_uint(l, "destination_port"),
		       bytes_set(line_text(l, "protocol")) ? line_text(l, "protocol").data : "?");
	if (line_uint(l, "destination_port"))
		strings_add(&h->ports, port);
	if (bytes_set(line_text(l, "comm")))
		strings_add(&h->programs, line_text(l, "comm").data);
	if (bytes_set(error)) {
		h->failed++;
		strings_add(&h->errors, error.data);
	}
}

static void take_listen(struct report *r, const struct line *l)
{
	struct bytes address = line_text(l, bytes_set(line_text(l, "address")) ? "address" : "path");
	char key[512];

	if (!bytes_set(address) || bytes_set(line_text(l, "error")))
		return;
	bool brackets = strchr(address.data, ':') != NULL;
	int n = snprintf(key, sizeof(key), "%s%.400s%s", brackets ? "[" : "", address.data, brackets ? "]" : "");
	if (line_uint(l, "port"))
		n += snprintf(key + n, sizeof(key) - (size_t)n, ":%llu", (unsigned long long)line_uint(l, "port"));
	if (bytes_set(line_text(l, "protocol")))
		n += snprintf(key + n, sizeof(key) - (size_t)n, " %.16s", line_text(l, "protocol").data);
	count(&r->listening, key, (size_t)n, 1, false, line_text(l, "comm"));
}

static void take_dns(struct report *r, const struct line *l, bool response)
{
	struct bytes name = line_text(l, "name"), type = line_text(l, "query_type"),
		     code = line_text(l, "response_code");
	const struct line *answers = line_get(l, "answers");

	if (!bytes_set(name))
		return;
	struct report_name *n = keyed_get(&r->names, name.data, name.length);
	if (!n)
		return;
	n->queries += !response;
	n->responses += response;
	if (bytes_set(type))
		strings_add(&n->types, type.data);
	if (bytes_set(code))
		strings_add(&n->codes, code.data);
	for (size_t i = 0; i < line_count(answers); i++)
		if (bytes_set(line_text(line_at(answers, i), "data")))
			strings_add(&n->answers, line_text(line_at(answers, i), "data").data);
}

static void take_incident(struct report *r, struct keyed *k, const struct line *l, struct bytes raw, int64_t time_ns)
{
	struct buf text = BUF_INIT(1 << 20), key = BUF_INIT(2 << 20);
	struct bytes exe = line_text(l, "exe");

	describe_event(l, &text);
	if (bytes_set(exe))
		buf_add(&key, exe.data, exe.length);
	buf_addc(&key, '\n');
	buf_add(&key, text.data, text.length);
	struct report_incident *i = key.failed || text.failed ? NULL : keyed_get(k, key.data, key.length);
	if (i && i->count == 0) {
		i->text = TAKE_PTR(text.data);
		i->line = strndup(raw.data, raw.length);
		set_text(&i->comm, line_text(l, "comm"));
		i->pid = (uint32_t)line_uint(l, "pid");
		i->failed = bytes_set(line_text(l, "error"));
		i->first_ns = time_ns;
	}
	if (i) {
		i->count += times_of(l);
		i->last_ns = time_ns;
	}
	buf_done(&text);
	buf_done(&key);
}

/* The session's own lines are in its row; gaps are only here. */
static void take_other(struct report *r, const struct line *l, struct bytes raw)
{
	struct bytes type = line_text(l, "type");

	if (!bytes_set(type))
		r->damaged++;
	else if (strcmp(type.data, "gap") == 0)
		(void)keyed_get(&r->gaps, raw.data, raw.length);
}

static void take_event(struct report *r, unsigned type, const struct line *l, struct bytes raw, int64_t time_ns)
{
	struct report_process *p = actor(r, l, time_ns);

	r->events[type]++;
	r->failed[type] += bytes_set(line_text(l, "error"));
	switch (type) {
	case HD_PROCESS_EXEC:
		take_exec(r, l, p, time_ns);
		break;
	case HD_PROCESS_FORK:
		take_fork(r, l, p, time_ns);
		break;
	case HD_PROCESS_EXIT:
		take_exit(r, l, p, time_ns);
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
		take_connect(r, l, time_ns);
		break;
	case HD_NETWORK_LISTEN:
		take_listen(r, l);
		break;
	case HD_DNS_QUERY:
	case HD_DNS_RESPONSE:
		take_dns(r, l, type == HD_DNS_RESPONSE);
		break;
	case HD_SANDBOX_ESCAPE:
		take_incident(r, &r->escapes, l, raw, time_ns);
		break;
	case HD_PRIVILEGE_CHANGE:
		take_incident(r, &r->privileges, l, raw, time_ns);
		break;
	case HD_MEMORY_EXEC:
		take_incident(r, &r->memory, l, raw, time_ns);
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
		take_other(r, l, raw);
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
	keyed_sort(&r->files, by_written);
	keyed_sort(&r->failed_opens, by_count);
	keyed_sort(&r->open_errors, by_count);
	keyed_sort(&r->failed_execs, by_count);
	keyed_sort(&r->local_sockets, by_count);
}

bool report_path_search(const struct report *r, const struct report_count *failed_exec)
{
	const char *path = failed_exec->detail;

	return path && strncmp(failed_exec->key, "ENOENT ", 7) == 0 &&
	       keyed_find(&r->started, base_of(path), strlen(base_of(path)));
}

struct report_process *report_walk(const struct report *r, struct report_process *p, unsigned *depth)
{
	if (!p) {
		*depth = 0;
		return r->first_root;
	}
	if (p->first_child) {
		(*depth)++;
		return p->first_child;
	}
	for (; p && !p->next; p = p->parent)
		*depth -= p->parent ? 1 : 0;
	return p ? p->next : NULL;
}

int64_t report_end_ns(const struct report *r)
{
	return r->session.ended_ns ? r->session.ended_ns : MAX(r->last_ns, r->session.started_ns);
}
