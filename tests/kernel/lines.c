/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's reading: a JSON file as lines, times, and fields with their escapes undone. */
#include "kernel-test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json-read.h"

#define FILE_BYTES_MAX (512UL << 20)

static int taps, failures, skips;

/* One line, and nothing in it that a terminal or a TAP reader would act on. */
static void print_clean(const char *text, size_t limit)
{
	for (size_t i = 0; i < limit && text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c >= 0x7f || c == '#')
			(void)printf("?");
		else
			(void)putchar(c);
	}
	if (strlen(text) > limit)
		(void)printf("...");
}

void tap(bool right, const char *name, const char *why, const char *evidence)
{
	(void)printf("%s %d - ", right ? "ok" : "not ok", ++taps);
	print_clean(name, 200);
	if (!right) {
		failures++;
		(void)printf(": ");
		print_clean(why && *why ? why : "failed", 400);
		if (evidence && *evidence) {
			(void)printf("\n# ");
			print_clean(evidence, 1600);
		}
	}
	(void)printf("\n");
	(void)fflush(stdout);
}

void tap_skip(const char *name, const char *why)
{
	skips++;
	(void)printf("ok %d - ", ++taps);
	print_clean(name, 200);
	(void)printf(" # SKIP ");
	print_clean(why, 400);
	(void)printf("\n");
	(void)fflush(stdout);
}

void tap_reset(void)
{
	taps = failures = skips = 0;
}

int tap_end(void)
{
	(void)printf("1..%d\n# %d passed, %d failed, %d skipped\n", taps, taps - failures - skips, failures, skips);
	return failures || !taps ? 1 : 0;
}

bool type_is_event(const char *type)
{
	static const char *const types[] = {
		"process_exec",	   "process_fork",     "process_exit",	 "file_open",
		"file_read",	   "file_write",       "file_metadata",	 "network_socket",
		"network_connect", "network_listen",   "network_accept", "dns_query",
		"dns_response",	   "privilege_change", "memory_exec",	 "sandbox_escape",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

int64_t time_parse(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";
	struct tm tm = { 0 };
	long ns;

	if (strlen(text) != sizeof(form) - 1)
		return -1;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return -1;
	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return -1;
	ns = strtol(text + 20, NULL, 10);
	return (int64_t)timegm(&tm) * 1000000000 + ns;
}

/* Contract: names that are escaped stand in the top level's list, and then a backslash is doubled. */
static bool is_escaped(const struct json *event, const char *key)
{
	const struct json *list = json_get(event, "escaped");
	size_t n = strcspn(key, ".[");

	for (const struct json *e = list ? list->child : NULL; e; e = e->next)
		if (e->kind == JSON_STRING && e->length >= n && strncmp(e->text, key, n) == 0 &&
		    (e->length == n || strcmp(e->text, key) == 0 || e->text[n] == '[' || e->text[n] == '.'))
			return true;
	return false;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t field_bytes(const struct json *event, const char *key, const struct json *value, char *ret, size_t size)
{
	const char *p = value->text, *end = p + value->length;
	bool escaped = value->kind == JSON_STRING && is_escaped(event, key);
	size_t n = 0;

	for (; p < end && n + 1 < size; p++) {
		if (escaped && end - p >= 2 && p[0] == '\\' && p[1] == '\\') {
			ret[n++] = '\\';
			p++;
		} else if (escaped && end - p >= 4 && p[0] == '\\' && p[1] == 'x' && hex_value(p[2]) >= 0 &&
			   hex_value(p[3]) >= 0) {
			ret[n++] = (char)(hex_value(p[2]) << 4 | hex_value(p[3]));
			p += 3;
		} else {
			ret[n++] = *p;
		}
	}
	ret[n] = '\0';
	return n;
}

static char *slurp(const char *path, size_t *ret_size)
{
	struct stat st;
	size_t have = 0;
	char *bytes = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size < FILE_BYTES_MAX) {
		bytes = malloc((size_t)st.st_size + 1);
		while (bytes && have < (size_t)st.st_size) {
			ssize_t n = read(fd, bytes + have, (size_t)st.st_size - have);

			if (n <= 0)
				break;
			have += (size_t)n;
		}
		if (bytes)
			bytes[have] = '\0';
	}
	if (fd >= 0)
		(void)close(fd);
	*ret_size = have;
	return bytes;
}

/* The time an event stands for: a fold's is its last operation. */
static void describe(struct line *l)
{
	const char *time = json_text(l->json, "last");

	l->type = json_text(l->json, "type");
	l->event = type_is_event(l->type);
	l->pid = json_int(l->json, "pid", -1);
	l->tid = json_int(l->json, "tid", -1);
	l->time_ns = time_parse(*time ? time : json_text(l->json, "time"));
}

int lines_read(const char *path, struct lines *ret, const char *family)
{
	size_t size, count = 0, bad = 0;
	const char *why = "", *first_why = "", *first = "";
	char name[128];
	struct lines l = { .bytes = slurp(path, &size) };

	(void)snprintf(name, sizeof(name), "%s: every line is strict JSON", family);
	if (!l.bytes || !size) {
		tap(false, name, "the JSON file is missing or empty", path);
		free(l.bytes);
		return -1;
	}
	for (size_t i = 0; i < size; i++)
		count += l.bytes[i] == '\n';
	l.line = calloc(count + 1, sizeof(*l.line));
	for (char *p = l.bytes; l.line && p < l.bytes + size;) {
		char *end = memchr(p, '\n', (size_t)(l.bytes + size - p));
		struct line *one = &l.line[l.n];

		if (!end || json_read(p, (size_t)(end - p), &one->json, &why) < 0) {
			if (!bad++) {
				first = p;
				first_why = end ? why : "the last line has no newline";
			}
		} else if (one->json->kind == JSON_OBJECT) {
			one->text = p;
			describe(one);
			l.n++;
		}
		if (!end)
			break;
		*end = '\0';
		p = end + 1;
	}
	tap(bad == 0, name, first_why, first);
	*ret = l;
	return 0;
}

void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		json_free(l->line[i].json);
	free(l->line);
	free(l->bytes);
}
