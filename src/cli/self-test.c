/* SPDX-License-Identifier: Apache-2.0 */
/* See self-test.h. */
#include "cli/self-test.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/table.h"

#define TEXT_CAP (1 << 20)
#define ROWS_MAX (2 * SENSOR_CANARIES_MAX)

enum { NOT_ALL_ANSWER = 1 };

/* A row: a canary, or a hook of this tier that is not attached. */
struct row {
	const char *hook, *part, *act, *why;
	const char *answer; /* as JSON names it */
	int64_t took_ns;
};

struct outcome {
	struct sensor *sensor;
	struct err err; /* code 0: none */
	struct row rows[ROWS_MAX];
	size_t rows_n;
	size_t answered, silent, untried, missing;
};

static void add_canaries(struct outcome *o, const char *hook)
{
	static const char *const names[] = {
		[SENSOR_SILENT] = "silent",
		[SENSOR_ANSWERED] = "answered",
		[SENSOR_UNTRIED] = "untried",
	};
	const struct sensor_canary *canaries;
	size_t n = sensor_canary_rows(o->sensor, &canaries);

	for (size_t i = 0; i < n && o->rows_n < ROWS_MAX; i++) {
		const struct sensor_canary *c = &canaries[i];

		if (strcmp(c->hook, hook) != 0)
			continue;
		o->rows[o->rows_n++] = (struct row){ c->hook, c->part, c->act, c->why, names[c->answer], c->took_ns };
		o->answered += c->answer == SENSOR_ANSWERED;
		o->silent += c->answer == SENSOR_SILENT;
		o->untried += c->answer == SENSOR_UNTRIED;
	}
}

static void examine(struct outcome *o, enum sensor_tier tier)
{
	struct sensor_options options = { .tier = tier };
	const struct sensor_hook *hooks;

	if (sensor_open(&options, &o->sensor, &o->err) < 0) {
		o->sensor = NULL;
		return;
	}
	(void)sensor_canaries(o->sensor, &o->err);
	size_t n = sensor_hooks(o->sensor, &hooks);
	for (size_t i = 0; i < n && o->rows_n < ROWS_MAX; i++) {
		add_canaries(o, hooks[i].name);
		if (hooks[i].attached)
			continue;
		o->missing++;
		o->rows[o->rows_n++] = (struct row){
			.hook = hooks[i].name,
			.answer = "not_attached",
			.why = hooks[i].why_not,
		};
	}
}

static bool passed(const struct outcome *o)
{
	return o->sensor && !o->err.code && o->answered > 0 && !o->silent && !o->untried && !o->missing;
}

static void verdict(const struct outcome *o, struct buf *out)
{
	if (!o->sensor) {
		buf_addf(out, "nothing can be observed here: %s", o->err.text);
		return;
	}
	if (passed(o)) {
		buf_addf(out, "every hook answers here, in the %s tier: %zu acts, %zu answers",
			 sensor_tier_name(sensor_tier(o->sensor)), o->rows_n, o->answered);
		return;
	}
	buf_addf(out, "not every hook answers here, in the %s tier: %zu answered, %zu silent, %zu could not be tried, "
		 "%zu not attached", sensor_tier_name(sensor_tier(o->sensor)), o->answered, o->silent, o->untried,
		 o->missing);
	if (o->err.code)
		buf_addf(out, "; %s", o->err.text);
}

static void put_text(struct json *j, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	json_key(j, key);
	json_string(j, value);
}

static void put_count(struct json *j, const char *key, size_t value)
{
	json_key(j, key);
	json_uint(j, value);
}

static void write_json(const struct outcome *o, const char *said, struct buf *out)
{
	struct utsname host;
	struct json j;

	json_init(&j, out);
	json_object(&j);
	if (uname(&host) == 0)
		put_text(&j, "kernel", host.release);
	put_text(&j, "tier", sensor_tier_name(o->sensor ? sensor_tier(o->sensor) : SENSOR_TIER_NONE));
	json_key(&j, "canaries");
	json_array(&j);
	for (size_t i = 0; i < o->rows_n; i++) {
		const struct row *r = &o->rows[i];

		json_object(&j);
		put_text(&j, "hook", r->hook);
		put_text(&j, "part", r->part);
		put_text(&j, "act", r->act);
		put_text(&j, "answer", r->answer);
		if (strcmp(r->answer, "answered") == 0 && r->took_ns >= 0) {
			json_key(&j, "took_ns");
			json_int(&j, r->took_ns);
		}
		put_text(&j, "why", r->why);
		json_object_end(&j);
	}
	json_array_end(&j);
	put_count(&j, "answered", o->answered);
	put_count(&j, "silent", o->silent);
	put_count(&j, "untried", o->untried);
	put_count(&j, "not_attached", o->missing);
	json_key(&j, "passed");
	json_bool(&j, passed(o));
	put_text(&j, "verdict", said);
	json_object_end(&j);
	buf_addc(out, '\n');
}

static int write_text(const struct outcome *o, const char *said, struct buf *out)
{
	static const struct table_column columns[] = {
		{ "HOOK" }, { "PART" }, { "WHAT WAS DONE" }, { "ANSWER" }, { "AFTER", .right = true },
	};
	_cleanup_(table_free_p) struct table *t = table_new(columns, ARRAY_SIZE(columns), ROWS_MAX);
	bool color = term_color(stdout);
	int r = 0;

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < o->rows_n; i++) {
		const struct row *row = &o->rows[i];
		bool good = strcmp(row->answer, "answered") == 0;

		table_row(t);
		table_cell(t, TERM_PLAIN, row->hook);
		table_cell(t, TERM_PLAIN, row->part ? row->part : "");
		table_cell(t, TERM_PLAIN, row->act ? row->act : "");
		if (good) {
			table_cell(t, TERM_GREEN, "yes");
			if (row->took_ns >= 0)
				table_cellf(t, TERM_PLAIN, "%lld us", (long long)(row->took_ns / 1000));
		} else if (strcmp(row->answer, "silent") == 0) {
			table_cellf(t, TERM_ALARM, "NO: %s", row->why);
		} else {
			table_cellf(t, TERM_YELLOW, "%s: %s", row->act ? "not tried" : "not attached", row->why);
		}
	}
	if (o->rows_n > 0) {
		r = table_print(t, out, 0, 0, color);
		buf_addc(out, '\n');
	}
	buf_addf(out, "%s%s%s\n", term_on(color, passed(o) ? TERM_GREEN : TERM_RED), said, term_off(color));
	return r < 0 ? r : out->failed;
}

int self_test(enum sensor_tier tier, bool as_json)
{
	_cleanup_buf_ struct buf out = BUF_INIT(TEXT_CAP), said = BUF_INIT(4096);
	struct outcome o = { 0 };
	int r = 0;

	examine(&o, tier);
	verdict(&o, &said);
	if (as_json)
		write_json(&o, said.data, &out);
	else
		r = write_text(&o, said.data, &out);
	int code = passed(&o) ? CLI_OK : NOT_ALL_ANSWER;
	sensor_free(o.sensor);
	if (r < 0 || out.failed)
		return cli_error("can't tell what was found: %s", strerror(out.failed ? -out.failed : -r));
	(void)fwrite(out.data, 1, out.length, stdout);
	return cli_finish(code);
}
