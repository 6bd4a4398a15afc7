/* SPDX-License-Identifier: Apache-2.0 */
/* The report's process tree: forks, execs and exits in, and at the end what is alike is told once. */
#include "cli/report-model.h"

#include <errno.h>
#include <string.h>

#include "cli/describe.h"

#define SHAPE_MAX (1U << 20)
#define AKIN_SHOWN 7 /* siblings of one program with lines of their own, before one for all others */

/* Processes with the same commands and ends, and children of the same shapes; or with the same program. */
struct shape {
	char *key;
	uint32_t number;		     /* of a shape; of a program: how many siblings it had so far */
	const struct report_process *parent; /* where it was met last */
	struct report_process *first;	     /* that one's first child of this shape */
};

void report_process_done(void *thing)
{
	struct report_process *p = thing;

	for (unsigned i = 0; i < p->images_n; i++) {
		free(p->images[i].exe);
		free(p->images[i].command);
	}
	free(p->images);
	free(p->comm);
	free(p->exe);
	free(p->signal);
}

const char *report_command(const struct report_process *p)
{
	return p->images_n > 0 ? p->images[p->images_n - 1].command : NULL;
}

static void link_process(struct report *r, struct report_process *p, struct report_process *parent)
{
	struct report_process **first = parent ? &parent->first_child : &r->first_root;
	struct report_process **last = parent ? &parent->last_child : &r->last_root;

	p->parent = parent;
	p->next = NULL;
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
	p->ppid = ppid;
	p->start_ns = time_ns;
	link_process(r, p, parent == p ? NULL : parent);
	(void)map_remove(&r->by_pid, pid);
	if (map_put(&r->by_pid, pid, p) < 0)
		r->failure = -ENOMEM;
	return p;
}

struct report_process *report_actor(struct report *r, const struct line *l, int64_t time_ns)
{
	struct bytes key = line_text(l, "process");

	if (!bytes_set(key))
		return NULL;
	struct report_process *p =
	    get_process(r, key, (uint32_t)line_uint(l, "pid"), time_ns, NULL, (uint32_t)line_uint(l, "ppid"));
	if (p) {
		report_set_text(&p->comm, line_text(l, "comm"));
		report_set_text(&p->exe, line_text(l, "exe"));
	}
	return p;
}

/* After the last slash. */
static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Notes that a program of that name could be started. */
static void note_started(struct report *r, struct bytes path)
{
	if (bytes_set(path))
		report_count(&r->started, base_of(path.data), strlen(base_of(path.data)), 1, false, BYTES_NONE);
}

static void add_image(struct report *r, struct report_process *p, const struct line *l, int64_t time_ns)
{
	_cleanup_buf_ struct buf command = BUF_INIT(1 << 20);
	struct report_image *image;

	if (p->images_n == REPORT_IMAGES_MAX) {
		image = &p->images[p->images_n - 1];
		free(image->exe);
		free(image->command);
	} else {
		image = reallocarray(p->images, p->images_n + 1, sizeof(*image));
		if (!image) {
			r->failure = -ENOMEM;
			return;
		}
		p->images = image;
		image += p->images_n++;
	}
	*image = (struct report_image){ .time_ns = time_ns };
	report_set_text(&image->exe, line_text(l, "exe"));
	image->called = describe_command(line_get(l, "args"), &command);
	if (!command.failed && command.length > 0)
		report_set_text(&image->command, (struct bytes){ command.data, command.length });
	else
		report_set_text(&image->command, line_text(l, "exe"));
	/* Neither arguments nor image: still an exec. */
	if (!image->command)
		image->command = strdup("?");
	image->called = image->command ? MIN(image->called, strlen(image->command)) : 0;
	if (!image->command)
		p->images_n--;
}

void report_take_exec(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns)
{
	struct bytes path = line_text(l, "path");

	if (bytes_set(line_text(l, "error"))) {
		report_count_error(&r->failed_execs, l, path);
		return;
	}
	/* By both names: what was searched for may be a link to what was found. */
	note_started(r, path);
	note_started(r, line_text_at(line_get(l, "args"), 0));
	if (!p)
		return;
	/* The first command of `run` waits at a gate until it is followed: for people it starts with its exec. */
	if (p->execs == 0 && (p->start_ns == time_ns || (r->is_run && p == r->first_root))) {
		p->before = false;
		p->start_ns = time_ns;
		if (r->is_run && p == r->first_root)
			r->origin_ns = time_ns;
	}
	p->execs++;
	add_image(r, p, l, time_ns);
}

void report_take_fork(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns)
{
	struct bytes key = line_text(l, "child_process");

	if (line_true(l, "thread") || !bytes_set(key))
		return;
	struct report_process *child = get_process(r, key, (uint32_t)line_uint(l, "child_pid"), time_ns, p, 0);
	if (!child || !p)
		return;
	child->before = false;
	if (!child->comm)
		report_set_text(&child->comm, (struct bytes){ p->comm, p->comm ? strlen(p->comm) : 0 });
	if (!child->exe)
		report_set_text(&child->exe, (struct bytes){ p->exe, p->exe ? strlen(p->exe) : 0 });
}

void report_take_exit(struct report *r, const struct line *l, struct report_process *p, int64_t time_ns)
{
	int64_t duration;

	if (!p)
		return;
	p->end_ns = time_ns;
	report_set_text(&p->signal, line_text(l, "signal"));
	(void)line_int(l, "exit_code", &p->exit_code);
	p->oom_killed = line_true(l, "oom_killed");
	p->max_rss_bytes = line_uint(l, "max_rss_bytes");
	if (p->before && line_int(l, "duration_ns", &duration) && duration > 0)
		p->start_ns = time_ns - duration;
	if (p->max_rss_bytes > (r->peak ? r->peak->max_rss_bytes : 0))
		r->peak = p;
}

static bool is_below(const struct report_process *p, const struct report_process *above)
{
	for (; p; p = p->parent)
		if (p == above)
			return true;
	return false;
}

/* What ran before capture began may be seen to act before its parent does: it gets its place now. */
static void adopt(struct report *r)
{
	struct report_process *p = r->first_root;

	r->first_root = r->last_root = NULL;
	while (p) {
		struct report_process *next = p->next;
		struct report_process *parent = p->before && p->ppid ? map_get(&r->by_pid, p->ppid) : NULL;

		if (parent && ((!parent->before && parent->start_ns > p->start_ns) || is_below(parent, p)))
			parent = NULL;
		link_process(r, p, parent);
		p = next;
	}
}

static struct shape *shape_of(struct keyed *shapes, const struct report_process *p, uint32_t *numbers)
{
	_cleanup_buf_ struct buf key = BUF_INIT(SHAPE_MAX);

	for (unsigned i = 0; i < p->images_n; i++)
		buf_addf(&key, "%s\n%s\n", p->images[i].exe ? p->images[i].exe : "", p->images[i].command);
	buf_addf(&key, "%s\n%s\n%lld %d %d\n", p->images_n == 0 && p->comm ? p->comm : "", p->signal ? p->signal : "",
		 (long long)p->exit_code, p->end_ns != 0, p->before);
	for (const struct report_process *child = p->first_child; child; child = child->next) {
		if (!child->times)
			return NULL;
		buf_addf(&key, "%u ", child->times);
	}
	if (key.failed)
		return NULL;
	struct shape *shape = keyed_get(shapes, key.data, key.length);
	if (shape && !shape->number)
		shape->number = ++*numbers;
	return shape;
}

/* Of siblings with the same shape the first stands for all. */
static void fold_siblings(struct report_process *first, const struct report_process *parent, struct shape **shapes)
{
	for (struct report_process *p = first; p; p = p->next) {
		struct shape *shape = shapes[p->times];

		p->times = 1;
		if (shape && shape->first && shape->parent == parent) {
			shape->first->times++;
			p->times = 0;
		} else if (shape) {
			shape->parent = parent;
			shape->first = p;
		}
	}
}

/*
 * What a sibling without children has to share to be akin: program and end, whatever its arguments. But those of a
 * shell are what was done.
 */
static struct shape *program_of(struct keyed *programs, const struct report_process *p)
{
	_cleanup_buf_ struct buf key = BUF_INIT(SHAPE_MAX);
	const char *exe = p->images_n > 0 ? p->images[p->images_n - 1].exe : NULL;
	size_t length = exe ? strlen(exe) : 0;

	if (length < 2 || p->first_child || strcmp(exe + length - 2, "sh") == 0)
		return NULL;
	buf_addf(&key, "%s\n%s\n%lld %d", exe, p->signal ? p->signal : "", (long long)p->exit_code, p->end_ns != 0);
	return key.failed ? NULL : keyed_get(programs, key.data, key.length);
}

/* Of one program only the first few siblings keep lines of their own. */
static void fold_akin(struct report_process *first, const struct report_process *parent, struct keyed *programs)
{
	for (struct report_process *p = first; p; p = p->next) {
		struct shape *program = p->times > 0 ? program_of(programs, p) : NULL;

		if (!program)
			continue;
		if (program->parent != parent)
			program->number = 0;
		program->parent = parent;
		program->number++;
		if (program->number == AKIN_SHOWN + 1) {
			program->first = p;
		} else if (program->number > AKIN_SHOWN) {
			program->first->akin += p->times;
			p->times = 0;
		}
	}
}

static void note_more(struct report_process *first)
{
	struct report_process *told = NULL;

	for (struct report_process *p = first; p; p = p->next) {
		if (p->times == 0)
			continue;
		if (told)
			told->more = true;
		told = p;
	}
}

/* Folds each list of siblings; what is below one that is folded is not told either. */
static void fold(struct report *r, struct report_process **order, size_t n, struct shape **shapes)
{
	struct keyed programs = KEYED_INIT(struct shape, n + 1, NULL);
	size_t told = 0;

	fold_siblings(r->first_root, NULL, shapes);
	for (size_t i = 0; i < n; i++)
		fold_siblings(order[i]->first_child, order[i], shapes);
	for (size_t i = 0; i < n; i++) {
		if (order[i]->parent && order[i]->parent->times == 0)
			order[i]->times = 0;
		told += order[i]->times > 0;
	}
	if (told > REPORT_TREE_LINES) {
		fold_akin(r->first_root, NULL, &programs);
		for (size_t i = 0; i < n; i++)
			fold_akin(order[i]->first_child, order[i], &programs);
	}
	note_more(r->first_root);
	for (size_t i = 0; i < n; i++)
		note_more(order[i]->first_child);
	keyed_done(&programs);
}

static void find_alike(struct report *r)
{
	struct keyed shapes = KEYED_INIT(struct shape, r->processes.n + 1, NULL);
	struct report_process **order = calloc(r->processes.n + 1, sizeof(*order));
	struct shape **by_number = calloc(r->processes.n + 1, sizeof(struct shape *));
	uint32_t numbers = 0;
	unsigned depth = 0;
	size_t n = 0;

	if (!order || !by_number) {
		r->failure = -ENOMEM;
		goto out;
	}
	for (struct report_process *p = report_walk(r, NULL, &depth); p; p = report_walk(r, p, &depth))
		order[n++] = p;
	/* Children before parents; times holds the shape's number until its siblings are folded. */
	for (size_t i = n; i-- > 0;) {
		struct shape *shape = shape_of(&shapes, order[i], &numbers);

		order[i]->times = shape ? shape->number : 0;
		if (shape)
			by_number[shape->number] = shape;
	}
	fold(r, order, n, by_number);
out:
	free(order);
	free(by_number);
	keyed_done(&shapes);
}

void report_finish_processes(struct report *r)
{
	adopt(r);
	find_alike(r);
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
