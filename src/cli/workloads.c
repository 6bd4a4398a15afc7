/* SPDX-License-Identifier: Apache-2.0 */
/* Finds workloads and samples them. See workloads.h. */
#include "cli/workloads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/map.h"
#include "cli/vitals-link.h"
#include "sensor/vitals-probes.h"
#include "vitals/lines.h"
#include "vitals/places.h"
#include "vitals/source.h"
#include "vitals/tree.h"

#define DEPTH_MAX 8

struct watched {
	struct workload_view view;
	struct workload_places places;
	struct vitals_source *source;
	struct vitals_tree *tree;
	struct forecast *forecast;
	uint64_t *ids; /* of its v2 cgroup and those below, owned */
	size_t ids_n;
	bool seen; /* in this look */
};

struct workloads {
	struct workloads_options options;
	struct cgroup_mount v2, v1;
	bool has_v2, has_v1;
	struct vitals_probes *probes;
	struct map by_name;
	struct watched *list[WORKLOADS_MAX];
	const struct workload_view *views[WORKLOADS_MAX];
	size_t n;
};

static void watched_free(struct watched *w)
{
	if (!w)
		return;
	vitals_source_free(w->source);
	vitals_tree_free(w->tree);
	forecast_free(w->forecast);
	free(w->ids);
	free(w);
}

int workloads_open(const struct workloads_options *options, struct workloads **ret, char *note, size_t note_size,
		   struct err *err)
{
	const struct vitals_probes_options probes = { .probes = VITALS_PROBE_SCHED | VITALS_PROBE_BLOCK };
	struct workloads *w = calloc(1, sizeof(*w));
	struct err why = { 0 };
	struct rlimit files;

	if (!w)
		return err_errno(err, ENOMEM, "can't look for workloads");
	w->options = *options;
	/* Some twenty descriptors a workload. */
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	w->by_name = MAP_INIT(WORKLOADS_MAX);
	w->has_v2 = cgroup_find_mount("/proc", NULL, &w->v2) == 0;
	w->has_v1 = cgroup_find_mount("/proc", "memory", &w->v1) == 0;
	if (options->probes && vitals_probes_open(&probes, &w->probes, &why) < 0) {
		w->probes = NULL;
		if (note)
			(void)snprintf(note, note_size, "%s", why.text);
	}
	*ret = w;
	return 0;
}

void workloads_close(struct workloads *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		watched_free(w->list[i]);
	map_done(&w->by_name);
	if (w->probes)
		vitals_probes_ops.free(w->probes);
	free(w);
}

static int open_parts(struct workloads *w, struct watched *one, uint32_t root)
{
	const struct vitals_places places = vitals_link_places(&one->places, w->v2.at, w->v1.at);
	const struct vitals_tree_options tree = {
		.proc = "/proc",
		.cgroup = places.cgroup ?: places.memory,
		.root = root,
	};
	int r = vitals_source_open(&places, &one->source, NULL);

	if (r >= 0)
		r = vitals_tree_new(&tree, &one->tree, NULL);
	return r < 0 ? r : forecast_new(&one->forecast);
}

/* The one of that name; made where it is new. NULL: there are too many, or it can't be read. */
static struct watched *get(struct workloads *w, const char *name, const struct workload_places *places, uint32_t root)
{
	struct watched *one = map_get_bytes(&w->by_name, name, strlen(name));

	if (one || w->n == WORKLOADS_MAX)
		return one;
	one = calloc(1, sizeof(*one));
	if (!one)
		return NULL;
	one->places = *places;
	(void)snprintf(one->view.name, sizeof(one->view.name), "%s", name);
	if (open_parts(w, one, root) < 0 ||
	    map_put_bytes(&w->by_name, one->view.name, strlen(one->view.name), one) < 0) {
		watched_free(one);
		return NULL;
	}
	w->list[w->n++] = one;
	return one;
}

static void take_page(void *context, const struct status_page *page)
{
	struct watched *one = get(context, page->session, &page->places, page->pid);

	if (!one)
		return;
	one->view.page = *page;
	one->view.session = true;
	one->seen = true;
}

/* ---- other cgroups ---- */

static bool has_processes(int fd)
{
	_cleanup_close_ int procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char one;

	return procs >= 0 && read(procs, &one, 1) == 1;
}

/* Of the same name in both hierarchies is one workload: so container runtimes have it. */
static void add_cgroup(struct workloads *w, const struct cgroup_mount *mount, const char *path)
{
	const char *name = path + strlen(mount->at), *memory = path;
	struct workload_places places = { 0 };
	char beside[CGROUP_PATH_MAX + VITALS_PATH_MAX];
	struct watched *one;

	if (mount == &w->v2) {
		(void)snprintf(places.cgroup, sizeof(places.cgroup), "%s", path);
		(void)snprintf(beside, sizeof(beside), "%s%s", w->v1.at, name);
		if (!places_has_memory(path))
			memory = w->has_v1 && access(beside, F_OK) == 0 ? beside : NULL;
	}
	(void)snprintf(places.memory, sizeof(places.memory), "%s", memory ?: "");
	places.memory_v1 = memory && (memory == beside || mount == &w->v1);
	one = get(w, name, &places, 0);
	if (one)
		one->seen = true;
}

/* Every cgroup with processes of its own, but Heddle's: those are sessions. */
static void walk(struct workloads *w, const struct cgroup_mount *mount, const char *path, unsigned depth)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	struct dirent *entry;

	if (!d)
		return;
	if (depth > 0 && has_processes(dirfd(d)))
		add_cgroup(w, mount, path);
	while (depth < DEPTH_MAX && (entry = readdir(d))) {
		char below[VITALS_PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    (depth == 0 && strcmp(entry->d_name, "heddle") == 0) ||
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= (int)sizeof(below))
			continue;
		walk(w, mount, below, depth + 1);
	}
}

/* ---- sampling ---- */

#define IDS_MAX 1024

static void add_ids(struct watched *one, const char *path, unsigned depth)
{
	struct stat st;
	struct dirent *entry;
	DIR *d;

	if (one->ids_n == IDS_MAX || stat(path, &st) < 0)
		return;
	one->ids[one->ids_n++] = st.st_ino;
	d = depth < DEPTH_MAX ? opendir(path) : NULL;
	while (d && (entry = readdir(d))) {
		char below[1024];

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below))
			add_ids(one, below, depth + 1);
	}
	if (d)
		(void)closedir(d);
}

static void ask_probes(struct workloads *w, struct watched *one)
{
	struct vitals_sample *s = &one->view.now;

	if (!w->probes || !*one->places.cgroup)
		return;
	if (!one->ids)
		one->ids = calloc(IDS_MAX, sizeof(*one->ids));
	if (!one->ids)
		return;
	one->ids_n = 0;
	add_ids(one, one->places.cgroup, 0);
	(void)vitals_probes_ops.read(w->probes, one->ids, one->ids_n, &s->probed);
	vitals_source_count_tasks(one->source, vitals_probes_ops.tasks(w->probes, one->ids, one->ids_n, &s->tasks) < 0);
}

static void foresee(struct watched *one)
{
	const struct vitals_sample *s = &one->view.now;
	const struct forecast_input input = {
		.time_ns = s->time_ns,
		.used = s->memory.current,
		.available = s->available.clean,
		.anon = s->memory.anon,
		.limit = s->limit,
		.full = true,
		.tool = one->view.phases_n > 0,
	};

	if (s->memory.current != VITALS_UNKNOWN)
		forecast_add(one->forecast, &input, &one->view.forecast);
}

static int sample(struct workloads *w, struct watched *one)
{
	struct workload_view *v = &one->view;
	const struct vitals_phase *agent;
	int r;

	v->before = v->now;
	v->twice = v->sampled;
	r = vitals_source_read(one->source, true, &v->now);
	if (r < 0)
		return r;
	v->sampled = true;
	if (vitals_tree_look(one->tree, v->now.time_ns) == 0) {
		v->phases_n = vitals_tree_phases(one->tree, v->phases, ARRAY_SIZE(v->phases));
		agent = vitals_tree_agent(one->tree);
		v->agent = agent ? *agent : (struct vitals_phase){ 0 };
	}
	ask_probes(w, one);
	foresee(one);
	if (v->used_n == WORKLOAD_HISTORY)
		memmove(v->used, v->used + 1, --v->used_n * sizeof(*v->used));
	v->used[v->used_n++] = v->now.memory.current == VITALS_UNKNOWN ? 0 : v->now.memory.current;
	return 0;
}

static int cant_see(int r, struct err *err)
{
	char path[PATH_MAX];

	if (status_directory(path, sizeof(path)) < 0)
		return err_errno(err, -r, "can't use $HEDDLE_RUN");
	if (r == -EPERM)
		return err_set(err, EPERM, "can't use %s: it must belong to you and be writable by nobody else", path);
	return err_errno(err, -r, "can't use %s", path);
}

int workloads_look(struct workloads *w, struct err *err)
{
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < w->n; i++)
		w->list[i]->seen = false;
	r = status_each(take_page, w);
	if (w->options.all && w->has_v2)
		walk(w, &w->v2, w->v2.at, 0);
	if (w->options.all && w->has_v1)
		walk(w, &w->v1, w->v1.at, 0);
	for (size_t i = 0; i < w->n; i++) {
		struct watched *one = w->list[i];

		if (one->seen && sample(w, one) == 0) {
			w->views[kept] = &one->view;
			w->list[kept++] = one;
			continue;
		}
		(void)map_remove_bytes(&w->by_name, one->view.name, strlen(one->view.name));
		watched_free(one);
	}
	w->n = kept;
	return r < 0 ? cant_see(r, err) : 0;
}

size_t workloads_list(const struct workloads *w, const struct workload_view *const **ret)
{
	*ret = w->views;
	return w->n;
}

/* ---- figures ---- */

double workload_seconds(const struct workload_view *v)
{
	if (!v->twice || v->now.time_ns <= v->before.time_ns)
		return 0;
	return (double)(v->now.time_ns - v->before.time_ns) / CLOCK_SECOND_NS;
}

double workload_rate(const struct workload_view *v, uint64_t now, uint64_t before)
{
	double seconds = workload_seconds(v);

	if (seconds <= 0 || now == VITALS_UNKNOWN || before == VITALS_UNKNOWN || now < before)
		return 0;
	return (double)(now - before) / seconds;
}

void workload_json(const struct workload_view *v, const char *boot8, struct json *j)
{
	json_name(j, "name");
	(void)json_bytes(j, v->name, strlen(v->name));
	if (v->session) {
		json_name(j, "session");
		json_string(j, v->page.session);
		json_name(j, "command");
		(void)json_bytes(j, v->page.command, strlen(v->page.command));
		json_name(j, "events");
		json_uint(j, v->page.events);
		json_name(j, "escapes");
		json_uint(j, v->page.escapes);
		json_name(j, "lost");
		json_uint(j, v->page.lost);
		json_name(j, "guard_acts");
		json_uint(j, v->page.acts);
	}
	lines_vitals(&v->now, &v->agent, v->phases, v->phases_n, boot8, j);
	json_name(j, "forecast");
	json_object(j);
	lines_forecast(&v->forecast, NULL, boot8, j);
	json_object_end(j);
}
