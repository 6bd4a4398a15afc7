/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a session's file: it is opened, read and checked, or refused with a text. */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/check.h"
#include "store/store.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

/* The name that the corpus was made with: lines and checkpoints have it. */
static const char id[] = "0190c0de-0000-7000-8000-000000000001";
static char home[64], path[256];

static void remove_home(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char name[320];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
	(void)snprintf(name, sizeof(name), "%s/sessions", home);
	(void)rmdir(name);
	(void)rmdir(home);
}

static void make_home(void)
{
	const char *where = getenv("TMPDIR");
	char name[128];

	(void)snprintf(home, sizeof(home), "%.32s/heddle-fuzz-XXXXXX", where && *where ? where : "/tmp");
	REQUIRE(mkdtemp(home));
	(void)snprintf(name, sizeof(name), "%s/sessions", home);
	REQUIRE(mkdir(name, 0700) == 0);
	(void)snprintf(path, sizeof(path), "%s/%s.db", name, id);
	(void)atexit(remove_home);
}

static int on_row(void *context, const struct store_row *row)
{
	uint64_t *last = context;

	REQUIRE(row->line.length == 0 || row->line.data);
	REQUIRE(row->type <= HD_TYPE_EVENT_MAX && strlen(row->process) < SIZE_MAX);
	(*last)++;
	return 0;
}

static void on_line(void *context, const struct store_row *row)
{
	REQUIRE(row->type == 0);
}

static void told(const struct err *err)
{
	REQUIRE(err->code > 0 && err->text[0] && !strchr(err->text, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct check_options options = { .line = on_line };
	_cleanup_(check_free_p) struct check *c = NULL;
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct err err = { 0 };
	uint64_t rows = 0;

	if (!home[0])
		make_home();
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)close(fd);
	if (store_reader_open(home, id, &r, &err) < 0) {
		told(&err);
		return 0;
	}
	REQUIRE(store_reader_session(r)->command && store_reader_session(r)->start_line);
	if (store_events(r, &(struct store_filter){ 0 }, on_row, &rows, &err) < 0)
		told(&err);
	err = (struct err){ 0 };
	if (store_verify(r, &options, &c, &err) < 0)
		told(&err);
	else
		REQUIRE((check_finding(c)->what == CHECK_GOOD) == (check_finding(c)->text[0] == '\0'));
	return 0;
}
