/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker: frames in, finished events out. It owns the tables and decides when a fold is told; each table is a
 * file of its own. The ledger's arithmetic is all here, next to what it counts:
 *
 *   the kernel counts every frame as made and delivered (and folds of its own);
 *   a frame merged into a waiting event, or with nothing to tell: delivered - 1, folded + 1
 *   a frame that does not decode, a sink's refusal: delivered - 1, lost + 1
 *   a DNS frame that turns out to be none, or to be of the other type: made - 1, delivered - 1 for its own type
 *   a DNS message beyond the first of its frame, or of the other type: made + 1, delivered + 1 for the message's type
 *
 * The last line also holds for the incomplete message that a TCP stream leaves behind: its segments were folded.
 */
#include "track/tracker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "event/decode.h"
#include "track/cgroup-path.h"
#include "track/dns-cache.h"
#include "track/dns-stream.h"
#include "track/dns.h"
#include "track/escapes.h"
#include "track/file-names.h"
#include "track/fold.h"
#include "track/loader.h"
#include "track/open-flood.h"
#include "track/process-table.h"
#include "track/traffic.h"

struct tracker {
	struct tracker_options options;
	char boot8[9];
	uint16_t dns_ports[HD_MAX_DNS_PORTS + 3]; /* 53, those asked for (maybe 53 again), 0 */
	uint64_t sequence;
	uint64_t malformed;
	uint64_t out_of_memory;
	uint64_t now_ns; /* the latest time that a frame or a tick told */
	struct ledger ledger;
	struct process_table processes;
	struct file_names files;
	struct fold_table folds;
	struct flood_table floods;
	struct dns_cache names;
	struct dns_streams streams;
	struct cgroup_paths cgroups;
	struct traffic_table traffic;
	struct event *event; /* the frame in hand */
	struct event *made;  /* events that are no frame: folds, DNS messages */
	bool dns_unspent;    /* no message was made of the DNS frame in hand yet */
	int refused;	     /* the sink's first error since the caller came in */
};

static struct ledger_row *row_of(struct tracker *t, unsigned type)
{
	return &t->ledger.rows[ledger_lane(type)][type];
}

static void count_lost(struct tracker *t, unsigned type)
{
	row_of(t, type)->delivered--;
	row_of(t, type)->lost++;
}

static void count_folded(struct tracker *t, unsigned type)
{
	row_of(t, type)->delivered--;
	row_of(t, type)->folded++;
}

/* ---- telling an event ---- */

static void process_text(const struct tracker *t, char ret[48], uint32_t pid, uint64_t start_ns)
{
	size_t at = strlen(t->boot8);

	memcpy(ret, t->boot8, at);
	ret[at++] = '-';
	at += text_u64(ret + at, pid);
	ret[at++] = '-';
	at += text_u64(ret + at, start_ns);
	ret[at] = '\0';
}

/* Fills what every line about a process carries. */
static void tell_who(struct tracker *t, struct event *e)
{
	e->sequence = ++t->sequence;
	e->session = (struct bytes){ t->options.session, strlen(t->options.session) };
	if (e->h.pid)
		process_text(t, e->process, e->h.pid, e->h.start_ns);
	e->cgroup = cgroup_paths_get(&t->cgroups, e->h.cgroup_id);
	e->time_offset_ns = t->options.time_offset_ns;
}

/* Fills what every event carries and gives it to the sink. exe may be NULL: unknown. */
static void tell(struct tracker *t, struct event *e, const struct shared_path *exe)
{
	uint64_t sequence;
	int r;

	tell_who(t, e);
	sequence = e->sequence;
	if (e->type != HD_PROCESS_EXEC || e->u.exec.result != 0)
		e->exe = exe ? exe->path : (struct event_path){ 0 };
	r = t->options.sink(t->options.context, e);
	if (r >= 0)
		return;
	count_lost(t, e->type);
	t->refused = t->refused ?: r;
	/* The number was not printed, unless the sink took more of them meanwhile. */
	if (t->sequence == sequence)
		t->sequence--;
}

/* Tells the event of the frame in hand. One made outside its process's context may lack the process's name. */
static void tell_frame(struct tracker *t, struct event *e, struct process *p)
{
	if (p && !e->h.comm[0])
		memcpy(e->h.comm, p->comm, sizeof(e->h.comm));
	if (p && !e->h.ppid)
		e->h.ppid = p->ppid;
	tell(t, e, p ? process_exe(p, e->h.image) : NULL);
}

/* An empty event that keeps its arena. */
static struct event *made_begin(struct tracker *t, const struct hd_header *h)
{
	event_clear(t->made);
	t->made->h = *h;
	t->made->type = h->type;
	return t->made;
}

static void fold_tell(struct tracker *t, struct fold *f)
{
	struct event *e = made_begin(t, &f->frame.h);

	e->u.fold = f->frame;
	if (f->path)
		e->path = f->path->path;
	else
		e->h.flags = e->u.fold.h.flags = f->frame.h.flags & (uint16_t)~HD_F_VERIFIED;
	tell(t, e, f->exe);
	fold_remove(&t->folds, f);
}

/* Tells what a flood holds; the entry stays. */
static void flood_tell(struct tracker *t, struct flood *f)
{
	struct event *e;

	if (f->held == 0)
		return;
	e = made_begin(t, &f->frame.h);
	e->u.open = f->frame;
	e->path = f->path;
	e->count = f->held;
	f->held = 0;
	tell(t, e, f->exe);
}

static void flood_end(struct tracker *t, struct flood *f)
{
	flood_tell(t, f);
	flood_remove(&t->floods, f);
}

/* Tells everything that waits for this process. */
static void process_flush(struct tracker *t, struct process *p)
{
	struct fold *fold;
	struct flood *flood;

	while ((fold = LIST_FIRST(&p->folds, struct fold, of_process)))
		fold_tell(t, fold);
	while ((flood = LIST_FIRST(&p->floods, struct flood, of_process)))
		flood_end(t, flood);
}

static void folds_due(struct tracker *t)
{
	struct fold *f;

	while ((f = fold_oldest(&t->folds)) && t->now_ns > f->since_ns && t->now_ns - f->since_ns >= t->options.fold_ns)
		fold_tell(t, f);
}

/* Lets go of processes that are gone, and makes room for the two that a frame may add. */
static void processes_trim(struct tracker *t)
{
	struct process *p;

	while ((p = process_victim(&t->processes, t->now_ns, 2))) {
		process_flush(t, p);
		process_remove(&t->processes, p, t->now_ns);
	}
}

/* ---- what only the machine knows ---- */

/* The length of the image's path, or a negative errno. */
static ssize_t image_read(const struct tracker *t, uint32_t pid, char *room, size_t size)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "%.40s/%u/exe", t->options.proc, (unsigned)pid);
	n = readlink(link, room, size);
	if (n < 0)
		return -errno;
	return n == 0 ? -ENOENT : (size_t)n == size ? -ENAMETOOLONG : n;
}

/* Asks the machine or the recording of one, and tells who records. */
static ssize_t ask(struct tracker *t, enum tracker_question question, uint64_t id, char *room, size_t size)
{
	const struct tracker_options *o = &t->options;
	ssize_t n;

	if (o->recall)
		n = o->recall(o->context, question, id, room, size);
	else if (question == TRACKER_CGROUP)
		n = cgroup_paths_ask(&t->cgroups, id, room, size);
	else
		n = image_read(t, (uint32_t)id, room, size);
	if (o->answered)
		o->answered(o->context, question, id, room, n);
	return n;
}

static ssize_t ask_cgroup(void *context, uint64_t id, char *room, size_t size)
{
	return ask(context, TRACKER_CGROUP, id, room, size);
}

/* ---- processes ---- */

static void image_set(struct tracker *t, struct process *p, uint32_t image, const struct event_path *exe)
{
	if (process_set_image(&t->processes, p, image, exe) < 0)
		t->out_of_memory++;
}

/*
 * A process that comes in from outside may act before the frame that introduces it: both CPUs are at it at once. Then
 * procfs knows its image; an answer that is late is put right by the frame.
 */
static void image_ask(struct tracker *t, struct process *p)
{
	char path[HD_PATH_MAX];
	struct event_path exe;
	ssize_t n;

	p->asked = true;
	n = ask(t, TRACKER_IMAGE, p->key.pid, path, sizeof(path));
	if (n <= 0)
		return;
	exe = (struct event_path){ .path = { path, (size_t)n } };
	image_set(t, p, 0, &exe);
}

/* Every key that an event may carry is told first: by a process_fork, else here. */
static void introduce(struct tracker *t, const struct event *of, struct process *p, enum tracker_origin origin)
{
	const struct shared_path *exe = process_exe(p, of->h.image);
	struct event *e;

	p->introduced = true;
	if (!t->options.process)
		return;
	e = made_begin(t, &of->h);
	tell_who(t, e);
	if (exe)
		e->exe = exe->path;
	t->options.process(t->options.context, e, origin);
}

static void on_process_exec(struct tracker *t, struct event *e, struct process *p)
{
	if (e->u.exec.result == 0 && p) {
		process_flush(t, p);
		image_set(t, p, e->h.image, &e->exe);
	}
	loader_fill(e);
	tell_frame(t, e, p);
}

static void on_process_fork(struct tracker *t, struct event *e, struct process *p)
{
	const struct hd_fork *f = &e->u.fork;

	if (!f->thread) {
		process_text(t, e->child_process, f->child_pid, f->child_start_ns);
		if (!process_fork(&t->processes, p, f))
			t->out_of_memory++;
	}
	tell_frame(t, e, p);
}

static void on_process_exit(struct tracker *t, struct event *e, struct process *p)
{
	if (p) {
		process_flush(t, p);
		process_exit(&t->processes, p, t->now_ns);
	}
	tell_frame(t, e, p);
}

static void on_process_seed(struct tracker *t, struct event *e, struct process *p)
{
	if (!p)
		return;
	image_set(t, p, e->h.image, &e->exe);
	introduce(t, e, p, e->u.exec.flags & HD_SEED_JOINED ? TRACKER_JOINED : TRACKER_BEFORE);
}

/* ---- escapes ---- */

/* The sandbox_escape beside a plain event, where the kernel side could not tell: it was neither made nor sent there. */
static void escape_tell(struct tracker *t, const struct event *of, struct process *p, const struct escape_rule *rule,
			int64_t result)
{
	struct event *e = made_begin(t, &of->h);
	struct hd_escape *x = &e->u.escape;

	e->type = e->h.type = HD_SANDBOX_ESCAPE;
	/* Lane and place in it stay those of the plain event: that is where it was made. */
	x->h = e->h;
	x->category = rule->category;
	x->rule = rule->rule;
	x->result = result < 0 ? result : 0;
	x->target_kind = of->remote.family && of->remote.family != AF_UNIX ? HD_TGT_ADDRESS : HD_TGT_PATH;
	x->args[1] = of->type == HD_FILE_OPEN ? of->u.open.flags : 0;
	e->target = of->path;
	if (!bytes_set(e->target.path) && of->remote.family == AF_UNIX)
		e->target = (struct event_path){ .path = of->remote.text, .verified = of->h.flags & HD_F_VERIFIED };
	e->remote = of->remote;
	row_of(t, HD_SANDBOX_ESCAPE)->made++;
	row_of(t, HD_SANDBOX_ESCAPE)->delivered++;
	tell_frame(t, e, p);
}

/* ---- files ---- */

/* Notes the name of an open file when the frame in hand has one. */
static void name_set(struct tracker *t, const struct event *e, uint64_t file_id, uint64_t inode, uint32_t dev)
{
	if (file_id && bytes_set(e->path.path) && file_names_set(&t->files, file_id, inode, dev, &e->path) < 0)
		t->out_of_memory++;
}

/*
 * A refused open has only the caller's path, and so has one of io_uring's that is told late: it has no inode. Whether
 * that was an attempt to get out is judged here.
 */
static void tell_open(struct tracker *t, struct event *e, struct process *p)
{
	const struct hd_open *o = &e->u.open;
	bool words = o->result < 0 || (e->h.via == HD_VIA_IO_URING && !o->inode);
	const struct escape_rule *rule = words ? escape_of_open(e) : NULL;

	tell_frame(t, e, p);
	if (rule)
		escape_tell(t, e, p, rule, MIN(e->u.open.result, 0));
}

static void on_failed_open(struct tracker *t, struct event *e, struct process *p)
{
	struct flood *f;

	if (flood_full(&t->floods)) {
		f = flood_oldest(&t->floods);
		t->floods.early += f->held > 0;
		flood_end(t, f);
	}
	f = flood_get(&t->floods, p, e);
	/* Without ticks the second may end here. */
	if (f && f->held > 0 && flood_window_over(f, e->h.time_ns))
		flood_tell(t, f);
	if (!f || !flood_hold(f, p, e))
		tell_open(t, e, p);
	else if (f->held > 1)
		/* The first one held is the event that will be told. */
		count_folded(t, HD_FILE_OPEN);
}

static void on_file_open(struct tracker *t, struct event *e, struct process *p)
{
	const struct hd_open *o = &e->u.open;

	if (o->result < 0 && p && !p->exited) {
		on_failed_open(t, e, p);
		return;
	}
	name_set(t, e, o->file_id, o->inode, o->dev);
	tell_open(t, e, p);
}

static void on_file_name(struct tracker *t, struct event *e, struct process *p)
{
	const struct hd_fold *f = &e->u.fold;

	name_set(t, e, f->file_id, f->inode, f->dev);
	if (f->flags & HD_FOLD_CLOSED)
		file_names_close(&t->files, f->file_id);
}

/* A fold that does not wait: a mapping, a late frame, no memory. */
static void fold_tell_now(struct tracker *t, struct event *e, struct process *p, const struct shared_path *path)
{
	if (path)
		e->path = path->path;
	else if (!bytes_set(e->path.path))
		e->h.flags = e->u.fold.h.flags = e->h.flags & (uint16_t)~HD_F_VERIFIED;
	tell_frame(t, e, p);
}

static void fold_wait(struct tracker *t, struct event *e, struct process *p, struct shared_path *path)
{
	struct fold *f;
	int r;

	r = fold_add(&t->folds, p, &e->u.fold, path, t->now_ns, &f);
	if (r == -ENOSPC) {
		t->folds.early++;
		fold_tell(t, fold_oldest(&t->folds));
		r = fold_add(&t->folds, p, &e->u.fold, path, t->now_ns, &f);
	}
	if (r < 0) {
		t->out_of_memory++;
		fold_tell_now(t, e, p, path);
		return;
	}
	if (r == 1)
		count_folded(t, e->type);
	if (e->u.fold.flags & HD_FOLD_CLOSED)
		fold_tell(t, f);
}

static void on_file_fold(struct tracker *t, struct event *e, struct process *p)
{
	const struct hd_fold f = e->u.fold;
	bool mapping = f.flags & HD_FOLD_MAPPING;
	struct shared_path *path;

	name_set(t, e, f.file_id, f.inode, f.dev);
	path = shared_path_ref(file_names_get(&t->files, f.file_id, f.inode, f.dev));
	if (!path && bytes_set(e->path.path))
		path = shared_path_new(&e->path);
	if (f.operations == 0 && !mapping)
		count_folded(t, e->type);
	else if (mapping || !p || p->exited || f.h.image < p->now.image)
		fold_tell_now(t, e, p, path);
	else
		fold_wait(t, e, p, path);
	if (f.flags & HD_FOLD_CLOSED)
		file_names_close(&t->files, f.file_id);
	shared_path_unref(path);
}

/* ---- DNS ---- */

static bool is_dns_port(const struct tracker *t, uint16_t port)
{
	for (unsigned i = 0; t->dns_ports[i]; i++)
		if (t->dns_ports[i] == port)
			return true;
	return false;
}

/* The workload is the resolver when the DNS port is its own; with one at both ends, when it is the one that answers. */
static bool is_server(const struct tracker *t, const struct hd_dns *f, bool response)
{
	if (!is_dns_port(t, f->local_port))
		return false;
	return !is_dns_port(t, f->remote_port) || (f->egress != 0) == response;
}

static struct event_address dns_address(struct event *e, const uint8_t raw[16], uint8_t family, uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct event_address a = { .family = family, .has_port = true, .port = port };
	char *text = e->arena + e->arena_used;

	if (family == AF_INET6 && memcmp(raw, mapped, sizeof(mapped)) == 0) {
		a.family = AF_INET;
		raw += sizeof(mapped);
	}
	memcpy(a.raw, raw, a.family == AF_INET ? 4 : 16);
	if (inet_ntop(a.family, a.raw, text, INET6_ADDRSTRLEN)) {
		a.text = (struct bytes){ text, strlen(text) };
		e->arena_used += a.text.length;
	}
	return a;
}

/* dns_message_fn: one event a message. */
static void on_dns_message(void *context, const struct hd_dns *frame, const uint8_t *message, size_t length,
			   const char *malformed)
{
	struct tracker *t = context;
	bool response = dns_is_response(message, length, frame->h.type == HD_DNS_RESPONSE);
	unsigned type = response ? HD_DNS_RESPONSE : HD_DNS_QUERY;
	struct event *e = made_begin(t, &frame->h);
	struct process *p = process_find(&t->processes, frame->h.pid, frame->h.start_ns);

	e->type = e->h.type = type;
	e->u.dns = *frame;
	e->u.dns.h.type = type;
	e->remote = dns_address(e, frame->remote, frame->family, frame->remote_port);
	e->local = dns_address(e, frame->local, frame->family, frame->local_port);
	e->packet = (struct bytes){ (const char *)message, length };
	dns_parse(message, length, e);
	if (malformed)
		e->dns.malformed = malformed;
	e->dns.server_role = is_server(t, frame, response);
	if (response && !frame->egress && !e->dns.server_role && dns_cache_learn(&t->names, e) < 0)
		t->out_of_memory++;
	if (t->dns_unspent && type == t->event->type) {
		t->dns_unspent = false;
	} else {
		if (t->dns_unspent) {
			row_of(t, t->event->type)->made--;
			row_of(t, t->event->type)->delivered--;
			t->dns_unspent = false;
		}
		row_of(t, type)->made++;
		row_of(t, type)->delivered++;
	}
	tell(t, e, p ? process_exe(p, frame->h.image) : NULL);
}

static void on_dns(struct tracker *t, struct event *e, struct process *p)
{
	const struct hd_dns *f = &e->u.dns;
	const uint8_t *data = (const uint8_t *)e->packet.data;
	size_t length = e->packet.length;
	int r = 0;

	if (!is_dns_port(t, f->local_port) && !is_dns_port(t, f->remote_port)) {
		row_of(t, e->type)->made--;
		row_of(t, e->type)->delivered--;
		return;
	}
	t->dns_unspent = true;
	if (f->protocol == IPPROTO_TCP)
		r = dns_streams_push(&t->streams, f, data, length, on_dns_message, t);
	else
		on_dns_message(t, f, data, length,
			       f->payload_bytes > length ? "only part of the message was captured" : NULL);
	if (r < 0)
		t->out_of_memory++;
	if (t->dns_unspent && r < 0)
		count_lost(t, e->type);
	else if (t->dns_unspent)
		count_folded(t, e->type);
	t->dns_unspent = false;
}

/* ---- the rest ---- */

static void on_network_connect(struct tracker *t, struct event *e, struct process *p)
{
	const struct escape_rule *rule = escape_of_connect(e);

	e->hostname = dns_cache_name(&t->names, &e->remote);
	tell_frame(t, e, p);
	if (rule)
		escape_tell(t, e, p, rule, e->u.net.result);
}

static void on_sandbox_escape(struct tracker *t, struct event *e, struct process *p)
{
	/* A suspicion that the whole path clears was no operation of this type after all. */
	if (!escape_holds(e)) {
		row_of(t, HD_SANDBOX_ESCAPE)->made--;
		row_of(t, HD_SANDBOX_ESCAPE)->delivered--;
		return;
	}
	tell_frame(t, e, p);
}

static void on_traffic(struct tracker *t, struct event *e, struct process *p)
{
	if (traffic_add(&t->traffic, e, dns_cache_name(&t->names, &e->remote)) < 0)
		t->out_of_memory++;
}

static void (*const handlers[HD_TYPE_MAX])(struct tracker *t, struct event *e, struct process *p) = {
	[HD_PROCESS_EXEC] = on_process_exec,
	[HD_PROCESS_FORK] = on_process_fork,
	[HD_PROCESS_EXIT] = on_process_exit,
	[HD_FILE_WRITE] = on_file_fold,
	[HD_FILE_READ] = on_file_fold,
	[HD_FILE_METADATA] = tell_frame,
	[HD_FILE_OPEN] = on_file_open,
	[HD_NETWORK_SOCKET] = tell_frame,
	[HD_NETWORK_CONNECT] = on_network_connect,
	[HD_NETWORK_LISTEN] = tell_frame,
	[HD_NETWORK_ACCEPT] = tell_frame,
	[HD_DNS_QUERY] = on_dns,
	[HD_DNS_RESPONSE] = on_dns,
	[HD_PRIVILEGE_CHANGE] = tell_frame,
	[HD_MEMORY_EXEC] = tell_frame,
	[HD_SANDBOX_ESCAPE] = on_sandbox_escape,
	[HD_FILE_NAME] = on_file_name,
	[HD_PROCESS_SEED] = on_process_seed,
	[HD_TRAFFIC] = on_traffic,
};

static void count_malformed(struct tracker *t, const void *frame, size_t size)
{
	uint32_t type;

	t->malformed++;
	if (size < sizeof(type))
		return;
	memcpy(&type, frame, sizeof(type));
	if (type >= 1 && type <= HD_TYPE_EVENT_MAX)
		count_lost(t, type);
}

int tracker_push(struct tracker *t, const void *frame, size_t size)
{
	struct event *e = t->event;
	struct process *p = NULL;

	t->refused = 0;
	if (event_decode(frame, size, e) < 0) {
		count_malformed(t, frame, size);
		return 0;
	}
	t->now_ns = MAX(t->now_ns, e->h.time_ns);
	processes_trim(t);
	folds_due(t);
	if (e->h.pid) {
		p = process_get(&t->processes, &e->h);
		t->out_of_memory += !p;
	}
	/* Every member of the union begins with the header. */
	if (p)
		e->h.image = e->u.exec.h.image = process_image_number(p, e->h.image);
	if (p && t->options.proc && !p->has_image && !p->asked && !p->exited && e->type != HD_PROCESS_EXEC &&
	    e->type != HD_PROCESS_SEED)
		image_ask(t, p);
	if (p && !p->introduced && e->type != HD_PROCESS_SEED)
		introduce(t, e, p, TRACKER_UNKNOWN);
	handlers[e->type](t, e, p);
	return t->refused;
}

int tracker_tick(struct tracker *t, uint64_t now_ns)
{
	t->refused = 0;
	t->now_ns = MAX(t->now_ns, now_ns);
	processes_trim(t);
	folds_due(t);
	LIST_FOREACH (it, &t->floods.age) {
		struct flood *f = LIST_ENTRY(it, struct flood, age);

		flood_tell(t, f);
		if (flood_window_over(f, t->now_ns))
			flood_remove(&t->floods, f);
	}
	return t->refused;
}

int tracker_finish(struct tracker *t)
{
	struct flood *flood;
	struct fold *fold;

	t->refused = 0;
	dns_streams_finish(&t->streams, on_dns_message, t);
	while ((fold = fold_oldest(&t->folds)))
		fold_tell(t, fold);
	while ((flood = flood_oldest(&t->floods)))
		flood_end(t, flood);
	return t->refused;
}

int tracker_seed(struct tracker *t, uint32_t pid, uint64_t start_ns, uint32_t ppid, struct bytes comm, struct bytes exe)
{
	struct hd_header h = { .pid = pid, .start_ns = start_ns, .ppid = ppid };
	const struct event_path path = { .path = exe, .verified = true };
	struct process *p;

	if (bytes_set(comm))
		memcpy(h.comm, comm.data, MIN(comm.length, sizeof(h.comm) - 1));
	t->refused = 0;
	processes_trim(t);
	p = process_get(&t->processes, &h);
	return p ? process_set_image(&t->processes, p, 0, &path) : -ENOMEM;
}

int tracker_new(const struct tracker_options *options, struct tracker **ret, struct err *err)
{
	struct tracker *t = calloc(1, sizeof(*t));
	_cleanup_(tracker_free_p) struct tracker *made = t;
	int r;

	if (!t)
		return err_set(err, ENOMEM, "out of memory");
	t->options = *options;
	(void)snprintf(t->boot8, sizeof(t->boot8), "%s", options->boot8);
	t->dns_ports[0] = 53;
	for (unsigned i = 0; options->dns_ports && i <= HD_MAX_DNS_PORTS && options->dns_ports[i]; i++)
		t->dns_ports[i + 1] = options->dns_ports[i];
	process_table_init(&t->processes, PROCESS_TABLE_CAP);
	file_names_init(&t->files, FILE_NAMES_CAP, FILE_NAMES_BYTES_CAP);
	fold_table_init(&t->folds, FOLD_TABLE_CAP);
	flood_table_init(&t->floods, FLOOD_TABLE_CAP);
	dns_cache_init(&t->names, DNS_CACHE_CAP);
	traffic_init(&t->traffic);
	dns_streams_init(&t->streams, DNS_STREAMS_CAP, DNS_STREAMS_BYTES_CAP);
	r = cgroup_paths_init(&t->cgroups, options->recall ? NULL : options->cgroup_root, CGROUP_PATHS_CAP);
	if (r < 0)
		return err_errno(err, -r, "can't open the cgroup hierarchy %s", options->cgroup_root);
	if (options->cgroup_root) {
		t->cgroups.ask = ask_cgroup;
		t->cgroups.context = t;
	}
	t->event = event_new();
	t->made = event_new();
	if (!t->event || !t->made)
		return err_set(err, ENOMEM, "out of memory");
	*ret = TAKE_PTR(made);
	return 0;
}

void tracker_free(struct tracker *t)
{
	if (!t)
		return;
	fold_table_done(&t->folds);
	flood_table_done(&t->floods);
	process_table_done(&t->processes);
	file_names_done(&t->files);
	dns_cache_done(&t->names);
	traffic_done(&t->traffic);
	dns_streams_done(&t->streams);
	cgroup_paths_done(&t->cgroups);
	event_free(t->event);
	event_free(t->made);
	free(t);
}

uint64_t tracker_next_sequence(struct tracker *t)
{
	return ++t->sequence;
}

const struct ledger *tracker_ledger(const struct tracker *t)
{
	return &t->ledger;
}

void tracker_write_traffic(const struct tracker *t, struct json *j)
{
	traffic_write(&t->traffic, j);
}

uint64_t tracker_malformed(const struct tracker *t)
{
	return t->malformed;
}

void tracker_counts(const struct tracker *t, struct tracker_counts *ret)
{
	*ret = (struct tracker_counts){
		.processes_evicted = t->processes.evicted,
		.images_evicted = t->processes.images_evicted,
		.files_evicted = t->files.evicted,
		.names_evicted = t->names.evicted,
		.cgroups_evicted = t->cgroups.evicted,
		.folds_early = t->folds.early,
		.floods_early = t->floods.early,
		.streams_evicted = t->streams.evicted,
		.stream_gaps = t->streams.gaps,
		.out_of_memory = t->out_of_memory,
	};
}
