/* SPDX-License-Identifier: Apache-2.0 */
/* See siblings.h. */
#include "vitals/siblings.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "vitals/cgroup-files.h"

#define PROTECTED_MAX 32
#define ENTRIES_MAX 4096
#define LOOK_EVERY_NS (5 * CLOCK_SECOND_NS)
#define TEXT_MAX 8192

struct guarded {
	int min, current, stat;
};

struct siblings {
	int directory;
	const char *own;
	uint64_t due_ns;
	struct guarded guarded[PROTECTED_MAX];
	size_t n;
};

struct siblings *siblings_new(int directory, const char *own)
{
	struct siblings *s = calloc(1, sizeof(*s));

	if (s) {
		s->directory = directory;
		s->own = own;
	}
	return s;
}

static void forget(struct siblings *s)
{
	while (s->n > 0) {
		struct guarded *g = &s->guarded[--s->n];

		close_fd(&g->min);
		close_fd(&g->current);
		close_fd(&g->stat);
	}
}

void siblings_free(struct siblings *s)
{
	if (s)
		forget(s);
	free(s);
}

static int open_in(int directory, const char *name, const char *file)
{
	char path[NAME_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", name, file);
	return openat(directory, path, O_RDONLY | O_CLOEXEC);
}

/* VITALS_UNKNOWN: "max", or not to be read (*ret_read false). */
static uint64_t read_number(int fd, bool *ret_read)
{
	char text[32];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);

	*ret_read = n > 0;
	return n > 0 ? cgroup_files_number(text, (size_t)n) : VITALS_UNKNOWN;
}

static void look(struct siblings *s)
{
	int copy = openat(s->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
	unsigned seen = 0;

	forget(s);
	if (!d) {
		close_fd(&copy);
		return;
	}
	for (struct dirent *entry; s->n < PROTECTED_MAX && seen < ENTRIES_MAX && (entry = readdir(d)); seen++) {
		bool read;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, s->own) == 0)
			continue;
		_cleanup_close_ int min = open_in(s->directory, entry->d_name, "memory.min");
		uint64_t value = read_number(min, &read);

		if (!read || value == 0)
			continue;
		s->guarded[s->n++] = (struct guarded){
			.min = TAKE_FD(min),
			.current = open_in(s->directory, entry->d_name, "memory.current"),
			.stat = open_in(s->directory, entry->d_name, "memory.stat"),
		};
	}
}

static uint64_t known(uint64_t value)
{
	return value == VITALS_UNKNOWN ? 0 : value;
}

/* Reclaim stops once it is down to its min: what could be dropped beyond that stays. */
static uint64_t kept(const struct guarded *g)
{
	char text[TEXT_MAX];
	struct vitals_memory m;
	bool read, used;

	memset(&m, 0xff, sizeof(m));
	uint64_t min = read_number(g->min, &read), current = read_number(g->current, &used);
	ssize_t n = g->stat < 0 ? -1 : pread(g->stat, text, sizeof(text), 0);

	if (!read || !used || n <= 0)
		return 0;
	cgroup_files_stat_v2(text, (size_t)n, &m);
	uint64_t gain = known(m.active_file) + known(m.inactive_file) + known(m.slab_reclaimable);
	uint64_t free = current > min ? current - min : 0;

	return gain > free ? gain - free : 0;
}

uint64_t siblings_kept(struct siblings *s, uint64_t now_ns)
{
	uint64_t sum = 0;

	if (now_ns >= s->due_ns) {
		look(s);
		s->due_ns = now_ns + LOOK_EVERY_NS;
	}
	for (size_t i = 0; i < s->n; i++)
		if (__builtin_add_overflow(sum, kept(&s->guarded[i]), &sum))
			return VITALS_UNKNOWN - 1;
	return sum;
}
