/* SPDX-License-Identifier: Apache-2.0 */
/* heddle doctor: what this machine's kernel allows to be seen, found out by loading the real programs for a moment. */
#include "cli/cli.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "base/json.h"
#include "cli/doctor-vitals.h"
#include "cli/self-test.h"
#include "cli/table.h"
#include "sensor/sensor.h"

#define HOOKS_MAX 64
#define REASONS_MAX 8
#define TEXT_CAP (1 << 20)

enum {
	CANNOT_OBSERVE = 1,
};

enum { OPT_FORMAT = 1, OPT_SELF_TEST, OPT_TIER };

static const struct cli_option options[] = {
	{ OPT_SELF_TEST, "self-test", NULL, "show what each hook was tried with, and what it answered" },
	{ OPT_FORMAT, "format", "text|json", "for people (default), or one JSON object" },
	{ OPT_TIER, "tier", "TIER", "lsm or tracepoint: this one, not the best there is" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "doctor",
	.synopsis = "[OPTION...]",
	.about = "Tells what this machine's kernel allows to be seen, hook by hook, and what stays unseen.\n"
		 "The programs are loaded and attached for a moment, and each hook is fired once by a child\n"
		 "of Heddle's own; nothing else is captured. The exit status is 0 where a command can be\n"
		 "observed, 1 where it can't; with --self-test it is 0 where every hook answers.",
	.options = options,
};

struct diagnosis {
	struct sensor_probe probe;
	struct sensor *sensor; /* NULL: there is none to be had, and err says why */
	struct err err;
	struct sensor_hook hooks[HOOKS_MAX];
	size_t hooks_n;
	uint64_t capabilities; /* effective */
	struct doctor_vitals vitals;
};

/* What the sensor's programs need of a caller who is not root. */
static const struct {
	unsigned bit;
	const char *name;
} needed[] = {
	{ CAP_BPF, "CAP_BPF" },
	{ CAP_PERFMON, "CAP_PERFMON" },
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
};

static uint64_t effective_capabilities(void)
{
	unsigned long long bits = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &bits) == 1)
			break;
	(void)fclose(f);
	return bits;
}

static void examine(struct diagnosis *d, enum sensor_tier tier)
{
	struct sensor_options sensor_options = { .tier = tier };
	const struct sensor_hook *real = NULL;

	sensor_probe(&d->probe);
	d->capabilities = effective_capabilities();
	doctor_vitals_examine(&d->vitals);
	d->hooks_n = sensor_hooks_probed(&d->probe, d->hooks, ARRAY_SIZE(d->hooks));
	if (sensor_open(&sensor_options, &d->sensor, &d->err) < 0 || sensor_canaries(d->sensor, &d->err) < 0) {
		sensor_free(TAKE_PTR(d->sensor));
		if (!d->err.code)
			(void)err_set(&d->err, EIO, "the sensor could not be opened");
	}
	size_t n = d->sensor ? sensor_hooks(d->sensor, &real) : 0;
	for (size_t i = 0; i < d->hooks_n; i++) {
		struct sensor_hook *hook = &d->hooks[i];

		for (size_t k = 0; k < n; k++)
			if (strcmp(real[k].name, hook->name) == 0)
				*hook = real[k];
		if (!hook->attached && !*hook->why_not)
			(void)snprintf(hook->why_not, sizeof(hook->why_not), "%.159s",
				       d->sensor ? "this kernel has no such hook" : d->err.text);
	}
}

static enum sensor_tier tier_in_force(const struct diagnosis *d)
{
	return d->sensor ? sensor_tier(d->sensor) : SENSOR_TIER_NONE;
}

/* A hook that this tier should have and has not. Those of a higher tier are the tier's own blindness. */
static bool is_missing(const struct diagnosis *d, const struct sensor_hook *hook)
{
	return d->sensor && !hook->attached && hook->tier <= tier_in_force(d);
}

static size_t count_silent(const struct diagnosis *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->hooks_n; i++)
		n += d->hooks[i].silent;
	return n;
}

/* NULL: the error says all there is. */
static const char *advice(const struct diagnosis *d)
{
	const struct sensor_probe *p = &d->probe;

	if (!p->bpf && !p->root)
		return "'sudo heddle doctor' tells what root could see";
	if (!p->bpf)
		return "give it CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (a container may hold them back), "
		       "or a newer kernel";
	if (!p->btf)
		return "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y";
	return NULL;
}

static void verdict(const struct diagnosis *d, struct buf *out)
{
	size_t missing = 0;

	if (!d->sensor) {
		buf_addf(out, "nothing can be observed here: %s", d->err.text);
		if (advice(d))
			buf_addf(out, "; %s", advice(d));
		return;
	}
	for (size_t i = 0; i < d->hooks_n; i++)
		missing += is_missing(d, &d->hooks[i]);
	buf_addf(out, "commands can be observed here, in the %s tier", sensor_tier_name(tier_in_force(d)));
	if (missing)
		buf_addf(out, ", with %zu of its hooks missing", missing);
	if (count_silent(d))
		buf_addf(out, "%s %zu silent ('heddle doctor --self-test' tells more)", missing ? " and" : ", with",
			 count_silent(d));
}

/* Calls with each sentence on what is not seen. */
static void each_blind(const struct diagnosis *d, void (*with)(void *context, const char *text), void *context)
{
	const char *const *blind = d->sensor ? sensor_blind(d->sensor) : NULL;
	char text[512];

	for (size_t i = 0; blind && blind[i]; i++)
		with(context, blind[i]);
	for (size_t i = 0; i < d->hooks_n; i++) {
		if (sensor_hook_blind(&d->hooks[i], tier_in_force(d), text, sizeof(text)))
			with(context, text);
	}
	if (!d->sensor)
		with(context, "everything");
}

/* ---- JSON ---- */

static void put_capability(struct json *j, uint64_t held)
{
	json_key(j, "capabilities");
	json_array(j);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (held >> needed[i].bit & 1)
			json_string(j, needed[i].name);
	json_array_end(j);
}

static void put_able(struct json *j, const char *key, bool able, const char *why_key, const char *why)
{
	json_key(j, key);
	json_bool(j, able);
	if (able || !*why)
		return;
	json_key(j, why_key);
	json_string(j, why);
}

static void put_blind(void *context, const char *text)
{
	json_string(context, text);
}

static void put_hooks(struct json *j, const struct diagnosis *d)
{
	json_key(j, "hooks");
	json_array(j);
	for (size_t i = 0; i < d->hooks_n; i++) {
		const struct sensor_hook *hook = &d->hooks[i];

		json_object(j);
		json_key(j, "name");
		json_string(j, hook->name);
		json_key(j, "tier");
		json_string(j, sensor_tier_name(hook->tier));
		json_key(j, "provides");
		json_string(j, hook->provides);
		put_able(j, "attached", hook->attached, "why_not", hook->why_not);
		if (hook->attached)
			put_able(j, "answers", !hook->silent && !hook->untried, "why_silent", hook->why_not);
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_json(const struct diagnosis *d, const char *verdict_text, struct buf *out)
{
	const struct sensor_probe *p = &d->probe;
	struct json j;

	json_init(&j, out);
	json_object(&j);
	json_key(&j, "kernel");
	json_string(&j, p->kernel);
	json_key(&j, "lockdown");
	json_string(&j, p->lockdown);
	json_key(&j, "btf");
	json_bool(&j, p->btf);
	json_key(&j, "root");
	json_bool(&j, p->root);
	put_capability(&j, d->capabilities);
	if (p->cgroup2) {
		json_key(&j, "cgroup2_mount");
		(void)json_bytes(&j, p->cgroup2_mount, strlen(p->cgroup2_mount));
	}
	put_able(&j, "bpf", p->bpf, "bpf_why", p->bpf_why);
	json_key(&j, "ring_buffer");
	json_bool(&j, p->ringbuf);
	put_able(&j, "lsm", p->lsm, "lsm_why", p->lsm_why);
	put_able(&j, "fentry", p->fentry, "fentry_why", p->fentry_why);
	json_key(&j, "tier");
	json_string(&j, sensor_tier_name(tier_in_force(d)));
	put_hooks(&j, d);
	doctor_vitals_json(&d->vitals, &j);
	json_key(&j, "blind");
	json_array(&j);
	each_blind(d, put_blind, &j);
	json_array_end(&j);
	json_key(&j, "observes");
	json_bool(&j, d->sensor);
	json_key(&j, "verdict");
	json_string(&j, verdict_text);
	json_object_end(&j);
	buf_addc(out, '\n');
}

/* ---- text ---- */

static void fact(struct table *t, bool good, const char *name, const char *value)
{
	table_row(t);
	table_cell(t, TERM_PLAIN, name);
	table_cell(t, good ? TERM_PLAIN : TERM_YELLOW, value);
}

static void able(struct table *t, const char *name, bool can, const char *why)
{
	table_row(t);
	table_cell(t, TERM_PLAIN, name);
	if (can)
		table_cell(t, TERM_GREEN, "yes");
	else
		table_cellf(t, TERM_YELLOW, "no: %s", *why ? why : "could not be tried");
}

static int facts(const struct diagnosis *d, bool color, struct buf *out)
{
	static const struct table_column columns[] = { { NULL }, { NULL } };
	_cleanup_(table_free_p) struct table *t = table_new(columns, ARRAY_SIZE(columns), 16);
	_cleanup_buf_ struct buf held = BUF_INIT(256);
	const struct sensor_probe *p = &d->probe;
	enum sensor_tier tier = tier_in_force(d);

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (d->capabilities >> needed[i].bit & 1)
			buf_addf(&held, "%s%s", held.length ? ", " : "", needed[i].name);
	fact(t, true, "kernel", p->kernel);
	able(t, "BTF", p->btf, "/sys/kernel/btf/vmlinux can't be read");
	fact(t, true, "lockdown", p->lockdown);
	fact(t, p->root, "user", p->root ? "root" : "not root");
	fact(t, held.length, "capabilities", held.length ? held.data : "none of CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN");
	fact(t, p->cgroup2, "cgroup v2", p->cgroup2 ? p->cgroup2_mount : "not mounted");
	able(t, "ring buffer", p->ringbuf, p->bpf_why);
	able(t, "LSM programs", p->lsm, p->lsm_why);
	able(t, "fentry programs", p->fentry, p->fentry_why);
	fact(t, tier != SENSOR_TIER_NONE, "tier", sensor_tier_name(tier));
	doctor_vitals_facts(&d->vitals, t);
	return table_print(t, out, 0, 0, color);
}

/* Number, from 1, of a reason that the table names by it. */
static size_t reason_number(const char *reasons[REASONS_MAX], const char *why)
{
	for (size_t i = 0; i < REASONS_MAX; i++) {
		if (!reasons[i])
			reasons[i] = why;
		if (strcmp(reasons[i], why) == 0)
			return i + 1;
	}
	return 0;
}

static int hook_table(const struct diagnosis *d, bool color, struct buf *out)
{
	static const struct table_column columns[] = { { "HOOK" }, { "TIER" }, { "ATTACHED" }, { "SEES" } };
	_cleanup_(table_free_p) struct table *t = table_new(columns, ARRAY_SIZE(columns), HOOKS_MAX);
	const char *reasons[REASONS_MAX] = { NULL };

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < d->hooks_n; i++) {
		const struct sensor_hook *hook = &d->hooks[i];
		bool answers = hook->attached && !hook->silent && !hook->untried;
		size_t number = answers ? 0 : reason_number(reasons, hook->why_not);

		table_row(t);
		table_cell(t, TERM_PLAIN, hook->name);
		table_cell(t, TERM_PLAIN, sensor_tier_name(hook->tier));
		const char *word = hook->silent ? "silent" : hook->untried ? "untried" : "no";

		if (answers)
			table_cell(t, TERM_GREEN, "yes");
		else if (number)
			table_cellf(t, hook->silent ? TERM_ALARM : TERM_YELLOW, "%s [%zu]", word, number);
		else
			table_cellf(t, hook->silent ? TERM_ALARM : TERM_YELLOW, "%s: %s", word, hook->why_not);
		table_cell(t, TERM_PLAIN, hook->provides);
	}
	int r = table_print(t, out, 0, 0, color);
	for (size_t i = 0; i < REASONS_MAX && reasons[i]; i++)
		buf_addf(out, "[%zu] %s\n", i + 1, reasons[i]);
	return r;
}

static void blind_line(void *context, const char *text)
{
	buf_addf(context, "  %s\n", text);
}

static int write_text(const struct diagnosis *d, const char *verdict_text, struct buf *out)
{
	bool color = term_color(stdout);
	int r = facts(d, color, out);

	buf_addc(out, '\n');
	if (r >= 0)
		r = hook_table(d, color, out);
	buf_adds(out, "\nNot seen here:\n");
	each_blind(d, blind_line, out);
	buf_addf(out, "\n%s%s%s\n", term_on(color, d->sensor ? TERM_GREEN : TERM_RED), verdict_text, term_off(color));
	return r < 0 ? r : out->failed;
}

int cmd_doctor(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	_cleanup_buf_ struct buf out = BUF_INIT(TEXT_CAP), said = BUF_INIT(4096);
	struct diagnosis d = { 0 };
	bool json = false, test = false;
	enum sensor_tier tier = SENSOR_TIER_NONE;
	int option, r = 0;

	while ((option = cli_next(&parser)) > 0) {
		if (option == OPT_SELF_TEST)
			test = true;
		else if (option == OPT_TIER && !sensor_tier_parse(parser.value, &tier))
			return cli_usage_error("doctor", "--tier is 'lsm' or 'tracepoint', not '%s'", parser.value);
		else if (option == OPT_FORMAT)
			json = strcmp(parser.value, "json") == 0;
		if (option == OPT_FORMAT && !json && strcmp(parser.value, "text") != 0)
			return cli_usage_error("doctor", "--format is text or json, not '%s'", parser.value);
	}
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next < argc)
		return cli_usage_error("doctor", "takes no argument, got '%s'", argv[parser.next]);
	if (test)
		return self_test(tier, json);
	examine(&d, tier);
	verdict(&d, &said);
	if (json)
		write_json(&d, said.data, &out);
	else
		r = write_text(&d, said.data, &out);
	int code = d.sensor ? CLI_OK : CANNOT_OBSERVE;
	sensor_free(d.sensor);
	if (r < 0 || out.failed)
		return cli_error("can't tell what was found: %s", strerror(out.failed ? -out.failed : -r));
	(void)fwrite(out.data, 1, out.length, stdout);
	return cli_finish(code);
}
