/* SPDX-License-Identifier: Apache-2.0 */
/* See cgroup-files.h. */
#include "vitals/cgroup-files.h"

#include <string.h>

#include "base/macro.h"

/*
 * v1 says "no limit" with the largest number of whole pages that a signed long holds, which depends on the size of a
 * page. No machine has an exabyte.
 */
#define NO_LIMIT (UINT64_C(1) << 60)

struct span {
	const char *at, *end;
};

/* A table of keys; `offset` is where the value goes. */
struct key {
	const char *name;
	unsigned short length, offset;
};
#define KEY(name_, type, member) { .name = (name_), .length = sizeof(name_) - 1, .offset = offsetof(type, member) }

/* Takes the next line, without its end; false: there is none. */
static bool next_line(struct span *text, struct span *ret)
{
	if (text->at >= text->end)
		return false;
	const char *end = memchr(text->at, '\n', (size_t)(text->end - text->at));

	*ret = (struct span){ text->at, end ? end : text->end };
	text->at = end ? end + 1 : text->end;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the next word of a line; an empty one: there is none. */
static struct span next_word(struct span *line)
{
	while (line->at < line->end && is_space(*line->at))
		line->at++;
	struct span word = { line->at, line->at };

	while (word.end < line->end && !is_space(*word.end))
		word.end++;
	line->at = word.end;
	return word;
}

static bool number(struct span word, uint64_t *ret)
{
	uint64_t value = 0;

	if (word.at == word.end)
		return false;
	for (const char *p = word.at; p < word.end; p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	/* The largest one would say that nothing is known. */
	if (value == VITALS_UNKNOWN)
		return false;
	*ret = value;
	return true;
}

/* "12.34" as 1234. */
static bool hundredths(struct span word, uint64_t *ret)
{
	const char *point = memchr(word.at, '.', (size_t)(word.end - word.at));
	uint64_t whole, part = 0;

	if (!number((struct span){ word.at, point ? point : word.end }, &whole) || whole > 100)
		return false;
	if (point && (word.end - point != 3 || !number((struct span){ point + 1, word.end }, &part)))
		return false;
	*ret = whole * 100 + part;
	return true;
}

static bool is(struct span word, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(word.end - word.at) == length && memcmp(word.at, text, length) == 0;
}

/* Takes "name=" off a word's front. */
static bool take_name(struct span *word, const char *name)
{
	size_t length = strlen(name);

	if ((size_t)(word->end - word->at) <= length || memcmp(word->at, name, length) != 0 || word->at[length] != '=')
		return false;
	word->at += length + 1;
	return true;
}

/* The kernel writes keys in one order, which is the tables' too: so the search begins after the last one found. */
static const struct key *find(const struct key *keys, size_t n, size_t *hint, struct span word)
{
	size_t length = (size_t)(word.end - word.at);

	for (size_t i = 0; i < n; i++) {
		size_t at = *hint + i < n ? *hint + i : *hint + i - n;

		if (keys[at].length == length && memcmp(keys[at].name, word.at, length) == 0) {
			*hint = at + 1 < n ? at + 1 : 0;
			return &keys[at];
		}
	}
	return NULL;
}

/* Lines of "key value"; `unit` multiplies. */
static void flat(const char *text, size_t length, const struct key *keys, size_t n, uint64_t unit, void *ret)
{
	struct span rest = { text, text + length }, line;
	size_t hint = 0;

	while (next_line(&rest, &line)) {
		const struct key *k = find(keys, n, &hint, next_word(&line));
		uint64_t value;

		if (!k || !number(next_word(&line), &value) || __builtin_mul_overflow(value, unit, &value))
			continue;
		memcpy((char *)ret + k->offset, &value, sizeof(value));
	}
}

uint64_t cgroup_files_number(const char *text, size_t length)
{
	struct span rest = { text, text + length }, line;
	uint64_t value;

	if (!next_line(&rest, &line) || !number(next_word(&line), &value) || value >= NO_LIMIT)
		return VITALS_UNKNOWN;
	return value;
}

/* What memory.stat has beside the members of struct vitals_memory. */
struct stat_v2 {
	struct vitals_memory memory;
	uint64_t stack, tables, percpu, slab;
	uint64_t refaults; /* before 5.9, of files alone */
};

void cgroup_files_stat_v2(const char *text, size_t length, struct vitals_memory *ret)
{
	static const struct key keys[] = {
		KEY("anon", struct stat_v2, memory.anon),
		KEY("file", struct stat_v2, memory.file),
		KEY("kernel", struct stat_v2, memory.kernel),
		KEY("kernel_stack", struct stat_v2, stack),
		KEY("pagetables", struct stat_v2, tables),
		KEY("percpu", struct stat_v2, percpu),
		KEY("sock", struct stat_v2, memory.sock),
		KEY("shmem", struct stat_v2, memory.shmem),
		KEY("file_mapped", struct stat_v2, memory.mapped),
		KEY("file_dirty", struct stat_v2, memory.dirty),
		KEY("file_writeback", struct stat_v2, memory.writeback),
		KEY("inactive_file", struct stat_v2, memory.inactive_file),
		KEY("active_file", struct stat_v2, memory.active_file),
		KEY("unevictable", struct stat_v2, memory.unevictable),
		KEY("slab_reclaimable", struct stat_v2, memory.slab_reclaimable),
		KEY("slab_unreclaimable", struct stat_v2, memory.slab_unreclaimable),
		KEY("slab", struct stat_v2, slab),
		KEY("workingset_refault", struct stat_v2, refaults),
		KEY("workingset_refault_anon", struct stat_v2, memory.refaults_anon),
		KEY("workingset_refault_file", struct stat_v2, memory.refaults_file),
		KEY("pgscan", struct stat_v2, memory.scanned),
		KEY("pgsteal", struct stat_v2, memory.reclaimed),
		KEY("pgfault", struct stat_v2, memory.faults),
		KEY("pgmajfault", struct stat_v2, memory.major_faults),
	};
	struct stat_v2 stat = { .memory = *ret, .refaults = VITALS_UNKNOWN };

	flat(text, length, keys, ARRAY_SIZE(keys), 1, &stat);
	/* The sum has a line of its own since 5.18. */
	if (stat.memory.kernel == VITALS_UNKNOWN && stat.stack < NO_LIMIT && stat.tables < NO_LIMIT &&
	    stat.percpu < NO_LIMIT && stat.slab < NO_LIMIT && stat.slab > 0)
		stat.memory.kernel = stat.stack + stat.tables + stat.percpu + stat.slab;
	if (stat.memory.refaults_file == VITALS_UNKNOWN)
		stat.memory.refaults_file = stat.refaults;
	*ret = stat.memory;
}

struct stat_v1 {
	struct vitals_memory memory;
	uint64_t cache, hierarchical;
};

void cgroup_files_stat_v1(const char *text, size_t length, struct vitals_memory *ret, uint64_t *ret_hierarchical)
{
	static const struct key keys[] = {
		KEY("hierarchical_memory_limit", struct stat_v1, hierarchical),
		KEY("total_cache", struct stat_v1, memory.file),
		KEY("total_rss", struct stat_v1, memory.anon),
		KEY("total_shmem", struct stat_v1, memory.shmem),
		KEY("total_mapped_file", struct stat_v1, memory.mapped),
		KEY("total_dirty", struct stat_v1, memory.dirty),
		KEY("total_writeback", struct stat_v1, memory.writeback),
		KEY("total_workingset_refault_anon", struct stat_v1, memory.refaults_anon),
		KEY("total_workingset_refault_file", struct stat_v1, memory.refaults_file),
		KEY("total_swap", struct stat_v1, memory.swap),
		KEY("total_pgfault", struct stat_v1, memory.faults),
		KEY("total_pgmajfault", struct stat_v1, memory.major_faults),
		KEY("total_inactive_file", struct stat_v1, memory.inactive_file),
		KEY("total_active_file", struct stat_v1, memory.active_file),
		KEY("total_unevictable", struct stat_v1, memory.unevictable),
	};
	struct stat_v1 stat = { .memory = *ret, .hierarchical = VITALS_UNKNOWN };

	flat(text, length, keys, ARRAY_SIZE(keys), 1, &stat);
	*ret = stat.memory;
	*ret_hierarchical = stat.hierarchical >= NO_LIMIT ? VITALS_UNKNOWN : stat.hierarchical;
}

void cgroup_files_events(const char *text, size_t length, struct vitals_memory *ret)
{
	static const struct key keys[] = {
		KEY("high", struct vitals_memory, high_events),
		KEY("max", struct vitals_memory, max_events),
		KEY("oom_kill", struct vitals_memory, oom_kills),
	};

	flat(text, length, keys, ARRAY_SIZE(keys), 1, ret);
}

void cgroup_files_oom_control(const char *text, size_t length, struct vitals_memory *ret)
{
	static const struct key keys[] = { KEY("oom_kill", struct vitals_memory, oom_kills) };

	flat(text, length, keys, ARRAY_SIZE(keys), 1, ret);
}

void cgroup_files_cpu(const char *text, size_t length, struct vitals_cpu *ret)
{
	static const struct key times[] = {
		KEY("usage_usec", struct vitals_cpu, usage_ns),
		KEY("user_usec", struct vitals_cpu, user_ns),
		KEY("system_usec", struct vitals_cpu, system_ns),
		KEY("throttled_usec", struct vitals_cpu, throttled_ns),
	};
	static const struct key counts[] = { KEY("nr_throttled", struct vitals_cpu, throttled) };

	flat(text, length, times, ARRAY_SIZE(times), 1000, ret);
	flat(text, length, counts, ARRAY_SIZE(counts), 1, ret);
}

static void add(uint64_t *sum, struct span word)
{
	uint64_t value;

	if (number(word, &value) && __builtin_add_overflow(*sum, value, sum))
		*sum = VITALS_UNKNOWN - 1;
}

void cgroup_files_io(const char *text, size_t length, struct vitals_io *ret)
{
	struct span rest = { text, text + length }, line;
	struct vitals_io sum = { 0 };

	while (next_line(&rest, &line)) {
		(void)next_word(&line);
		for (struct span word; word = next_word(&line), word.at < word.end;) {
			if (take_name(&word, "rbytes"))
				add(&sum.read_bytes, word);
			else if (take_name(&word, "wbytes"))
				add(&sum.write_bytes, word);
			else if (take_name(&word, "rios"))
				add(&sum.reads, word);
			else if (take_name(&word, "wios"))
				add(&sum.writes, word);
		}
	}
	*ret = sum;
}

void cgroup_files_blkio(const char *text, size_t length, bool operations, struct vitals_io *ret)
{
	struct span rest = { text, text + length }, line;
	uint64_t reads = 0, writes = 0;

	while (next_line(&rest, &line)) {
		(void)next_word(&line);
		struct span what = next_word(&line), word = next_word(&line);

		if (is(what, "Read"))
			add(&reads, word);
		else if (is(what, "Write"))
			add(&writes, word);
	}
	*(operations ? &ret->reads : &ret->read_bytes) = reads;
	*(operations ? &ret->writes : &ret->write_bytes) = writes;
}

bool cgroup_files_pressure(const char *text, size_t length, struct vitals_stall *ret)
{
	struct span rest = { text, text + length }, line;
	bool known = false;

	while (next_line(&rest, &line)) {
		struct span what = next_word(&line);
		bool some = is(what, "some");

		if (!some && !is(what, "full"))
			continue;
		known |= some;
		for (struct span word; word = next_word(&line), word.at < word.end;) {
			if (take_name(&word, "avg10"))
				(void)hundredths(word, some ? &ret->some10 : &ret->full10);
			else if (take_name(&word, "avg60"))
				(void)hundredths(word, some ? &ret->some60 : &ret->full60);
			else if (take_name(&word, "avg300"))
				(void)hundredths(word, some ? &ret->some300 : &ret->full300);
			else if (take_name(&word, "total"))
				(void)number(word, some ? &ret->some_us : &ret->full_us);
		}
	}
	return known;
}

void cgroup_files_meminfo(const char *text, size_t length, struct vitals_host *ret)
{
	static const struct key keys[] = {
		KEY("MemTotal:", struct vitals_host, total),
		KEY("MemFree:", struct vitals_host, free),
		KEY("MemAvailable:", struct vitals_host, available),
		KEY("SwapFree:", struct vitals_host, swap_free),
		KEY("Dirty:", struct vitals_host, dirty),
		KEY("Writeback:", struct vitals_host, writeback),
	};

	flat(text, length, keys, ARRAY_SIZE(keys), 1024, ret);
}
