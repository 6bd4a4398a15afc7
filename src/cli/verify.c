/* SPDX-License-Identifier: Apache-2.0 */
/* heddle verify: is a session what was recorded? */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/describe.h"
#include "cli/heads.h"
#include "cli/line.h"
#include "event/names.h"
#include "store/head.h"
#include "store/key.h"
#include "store/store.h"

#define GAPS_CAP (64U << 10)
#define OUT_CAP (1U << 20)

enum { OPT_FORMAT = 1, OPT_EXPORT, OPT_HEAD, OPT_KEY };
enum { EXIT_PROVED = 0, EXIT_ALTERED = 1, EXIT_OPEN = 2 };

static const struct cli_option options[] = {
	{ OPT_HEAD, "head", "FILE", "compare with a head that was exported and kept elsewhere" },
	{ OPT_KEY, "key", "FILE", "the public key that must have signed it (PEM); default: this machine's" },
	{ OPT_EXPORT, "export", "FILE", "write the head and public key there, to be kept elsewhere; - is stdout" },
	{ OPT_FORMAT, "format", "text|json", "for people (default), or one JSON object" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "verify",
	.synopsis = "[OPTION...] [SESSION]",
	.about = "Proves that a session (default: the last) is complete, in order and as it was\n"
		 "recorded, or names the first event that was changed, removed, inserted or\n"
		 "reordered. Exit status: 0 proved, 1 altered, 2 nothing wrong but no proof that\n"
		 "it is all (it has not ended, its sensor died, or nobody vouches for its key).",
	.options = options,
};

struct verify {
	const char *head_path, *key_path, *export_path;
	bool json, at_store;       /* at_store: keys and heads are read, the session is next */
	char home[PATH_MAX], id[37];
	struct check_head head;
	bool has_head;
	uint8_t trusted[CHAIN_PUBLIC];
	const char *trust; /* whose key it is, in words; NULL: nobody's */
	const struct store_session *session;
	struct check *check;
	uint64_t gaps;
	struct buf gap_text;
	/* what came out */
	const char *verdict, *kind;
	int code;
	char text[ERR_TEXT_MAX];
	uint64_t sequence, first, last;
};

static void on_line(void *context, const struct store_row *row)
{
	struct verify *v = context;
	_cleanup_(line_free_p) struct line *l = NULL;

	if (line_parse(row->line.data, row->line.length, &l) < 0 || !bytes_set(line_text(l, "type")) ||
	    strcmp(line_text(l, "type").data, "gap") != 0)
		return;
	v->gaps++;
	if (v->gap_text.length >= GAPS_CAP / 2)
		return;
	struct bytes why = line_text(l, "why"), from = line_text(l, "from"), to = line_text(l, "to");
	uint64_t count = line_uint(l, "count");

	buf_addf(&v->gap_text, "  gap        event %" PRIu64 ": ", row->sequence);
	if (count)
		buf_addf(&v->gap_text, "%" PRIu64 " missing ", count);
	if (bytes_set(from) && bytes_set(to)) {
		term_text(&v->gap_text, from.data, from.length);
		buf_adds(&v->gap_text, " to ");
		term_text(&v->gap_text, to.data, to.length);
	}
	buf_adds(&v->gap_text, ": ");
	if (bytes_set(why))
		term_text(&v->gap_text, why.data, why.length);
	buf_addc(&v->gap_text, '\n');
}

/* What the session is compared with, and who is trusted. */
static int prepare(struct verify *v, struct err *err)
{
	char path[PATH_MAX];
	int r;

	if (v->head_path) {
		r = heads_find(v->head_path, v->id, &v->head, err);
		if (r == 0)
			return err_set(err, EINVAL, "%s has no head of session %s", v->head_path, v->id);
	} else {
		(void)snprintf(path, sizeof(path), "%.*s/heads", (int)sizeof(path) - 8, v->home);
		r = access(path, F_OK) == 0 ? heads_find(path, v->id, &v->head, err) : 0;
	}
	if (r < 0)
		return r;
	v->has_head = r == 1;
	if (v->key_path) {
		v->trust = "the one that was given";
		return key_read_public(v->key_path, v->trusted, err);
	}
	if (v->head_path) {
		v->trust = "that of the head";
		memcpy(v->trusted, v->head.public_key, CHAIN_PUBLIC);
		return 0;
	}
	r = key_public_of_home(v->home, v->trusted, err);
	if (r < 0 && r != -ENOENT && r != -EACCES)
		return r;
	v->trust = r < 0 ? NULL : "this machine's";
	return 0;
}

struct counted {
	const struct chain_counts *counts;
	uint64_t ledger[HD_TYPE_EVENT_MAX + 1], lost[HD_TYPE_EVENT_MAX + 1];
};

static void take_row(void *context, const char *name, const struct line *value)
{
	struct counted *c = context;
	int type = name_event_type_parse(name);

	if (type < 1 || type > HD_TYPE_EVENT_MAX)
		return;
	c->ledger[type] += line_uint(value, "delivered");
	c->lost[type] += line_uint(value, "lost");
}

static void take_lane(void *context, const char *name, const struct line *value)
{
	line_each(value, take_row, context);
}

/* Whether the ledger line counts the events that are there; what it delivered may also be in the JSON file alone. */
static bool ledger_agrees(struct verify *v)
{
	struct counted c = { .counts = &check_end(v->check)->counts };
	_cleanup_(line_free_p) struct line *l = NULL;

	if (!v->session->ledger_line || line_parse(v->session->ledger_line, strlen(v->session->ledger_line), &l) < 0 ||
	    !line_get(l, "lanes"))
		return true;
	line_each(line_get(l, "lanes"), take_lane, &c);
	for (int type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
		uint64_t stored = c.counts->stored[type];

		if (stored >= c.ledger[type] && stored - c.ledger[type] <= c.lost[type])
			continue;
		(void)snprintf(v->text, sizeof(v->text),
			       "the ledger tells of %" PRIu64 " %s events, but %" PRIu64 " are there", c.ledger[type],
			       name_event_type((unsigned)type), stored);
		return false;
	}
	return true;
}

static void decide(struct verify *v)
{
	const struct check_finding *f = check_finding(v->check);
	const struct check_end *e = check_end(v->check);
	char mine[KEY_ID], theirs[KEY_ID], time[CLOCK_TEXT_MAX];

	key_id(check_public(v->check), mine);
	key_id(v->trusted, theirs);
	v->verdict = "altered";
	v->code = EXIT_ALTERED;
	if (f->what) {
		v->kind = check_what_name(f->what);
		v->sequence = f->sequence;
		v->first = f->first;
		v->last = f->last;
		(void)snprintf(v->text, sizeof(v->text), "%s", f->text);
	} else if (v->trust && memcmp(v->trusted, check_public(v->check), CHAIN_PUBLIC) != 0) {
		v->kind = "key";
		(void)snprintf(
		    v->text, sizeof(v->text),
		    "signed by key %s, and %s is %s: it was signed anew, or comes from another machine (then give "
		    "its --key)",
		    mine, v->trust, theirs);
	} else if (!ledger_agrees(v)) {
		v->kind = "ledger";
	} else if (!e->ended) {
		v->verdict = "not ended";
		v->code = EXIT_OPEN;
		(void)snprintf(v->text, sizeof(v->text), "%s; complete up to event %" PRIu64 " at %s",
			       v->session->state == STORE_RUNNING ? "it runs"
								  : "its writer was killed, or the end was cut off",
			       e->signed_sequence, clock_format(e->signed_ns, time));
	} else if (!v->trust) {
		v->verdict = "unproved";
		v->code = EXIT_OPEN;
		(void)snprintf(v->text, sizeof(v->text),
			       "it agrees with itself, but nobody here vouches for key %s; give --key or --head", mine);
	} else if (e->recovered) {
		v->verdict = "interrupted";
		v->code = EXIT_OPEN;
		(void)snprintf(v->text, sizeof(v->text),
			       "its sensor died; complete up to event %" PRIu64
			       " at %s, and what was done from then on is not in it",
			       e->died_sequence, clock_format(e->died_ns, time));
	} else {
		v->verdict = "proved";
		v->code = EXIT_PROVED;
		(void)snprintf(v->text, sizeof(v->text), "all there, in order and as recorded");
	}
}

static uint64_t events_of(const struct check_end *e)
{
	uint64_t events = 0;

	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
		events += e->counts.stored[type];
	return events;
}

static void put_uint(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_uint(j, value);
}

static void put_text(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	json_string(j, value);
}

static void write_json(const struct verify *v, struct buf *out)
{
	const struct check_end *e = check_end(v->check);
	char id[KEY_ID], time[CLOCK_TEXT_MAX];
	struct json j;

	key_id(check_public(v->check), id);
	json_init(&j, out);
	json_object(&j);
	put_text(&j, "session", v->id);
	put_text(&j, "verdict", v->verdict);
	put_text(&j, "why", v->text);
	if (v->kind)
		put_text(&j, "kind", v->kind);
	if (v->sequence)
		put_uint(&j, "sequence", v->sequence);
	if (v->last) {
		put_uint(&j, "first", v->first);
		put_uint(&j, "last", v->last);
	}
	put_uint(&j, "events", events_of(e));
	put_uint(&j, "lines", e->lines);
	put_uint(&j, "good_up_to", e->sequence);
	put_uint(&j, "signed_up_to", e->signed_sequence);
	if (e->signed_ns)
		put_text(&j, "signed_at", clock_format(e->signed_ns, time));
	put_uint(&j, "checkpoints", e->checkpoints);
	put_uint(&j, "never_stored", e->holes);
	put_uint(&j, "recovered", e->recovered);
	if (e->recovered) {
		put_uint(&j, "died_after", e->died_sequence);
		put_uint(&j, "found_up_to", e->found_sequence);
	}
	put_text(&j, "key", id);
	json_key(&j, "head_compared");
	json_bool(&j, v->has_head);
	put_uint(&j, "gaps", v->gaps);
	json_object_end(&j);
	buf_addc(out, '\n');
}

static void write_text(const struct verify *v, struct buf *out)
{
	const struct check_end *e = check_end(v->check);
	char id[KEY_ID], time[CLOCK_TEXT_MAX], number[DESCRIBE_NUMBER_MAX];
	bool color = term_color(stdout);

	key_id(check_public(v->check), id);
	buf_addf(out, "%s%s%s: %s\n",
		 term_on(color, v->code == EXIT_PROVED	  ? TERM_GREEN
				: v->code == EXIT_ALTERED ? TERM_ALARM
							  : TERM_YELLOW),
		 v->verdict, term_off(color), v->text);
	buf_addf(out, "  session    %s\n", v->id);
	if (v->last)
		buf_addf(out, "  where      events %" PRIu64 " to %" PRIu64 "\n", v->first, v->last);
	buf_addf(out, "  good       %s events", describe_number(events_of(e), number));
	buf_addf(out, " up to %" PRIu64 "\n", e->sequence);
	if (e->checkpoints)
		buf_addf(out, "  signed     up to %" PRIu64 " at %s, %" PRIu64 " signatures of key %s\n",
			 e->signed_sequence, clock_format(e->signed_ns, time), e->checkpoints, id);
	if (v->has_head && v->code != EXIT_ALTERED)
		buf_addf(out, "  head       of %s agrees\n", clock_format(v->head.checkpoint.time_ns, time));
	if (e->holes)
		buf_addf(out, "  holes      %" PRIu64 " lines were never stored; the gaps and the ledger tell why\n",
			 e->holes);
	if (e->recovered)
		buf_addf(out,
			 "  recovered  the sensor had signed up to %" PRIu64 ", stored up to %" PRIu64
			 "; another process ended the session\n",
			 e->died_sequence, e->found_sequence);
	if (v->gap_text.length > 0)
		buf_add(out, v->gap_text.data, v->gap_text.length);
}

static int export_head(const struct verify *v, struct err *err)
{
	_cleanup_buf_ struct buf line = BUF_INIT(HEAD_MAX);
	bool to_stdout = strcmp(v->export_path, "-") == 0;

	check_write_head(v->check, &line);
	buf_addc(&line, '\n');
	if (line.failed)
		return err_errno(err, -line.failed, "can't write the head");
	FILE *file = to_stdout ? stdout : fopen(v->export_path, "we");
	if (!file)
		return err_errno(err, errno, "can't write %s", v->export_path);
	bool bad = fwrite(line.data, 1, line.length, file) != line.length;
	if (!to_stdout)
		bad |= fclose(file) != 0;
	return bad ? err_errno(err, errno ? errno : EIO, "can't write %s", v->export_path) : 0;
}

static int verify(struct verify *v, const char *name, struct err *err)
{
	_cleanup_(store_reader_free_p) struct store_reader *reader = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(OUT_CAP);
	struct check_options to = { .line = on_line, .context = v };
	int r = store_home(v->home, sizeof(v->home), err);

	if (r >= 0)
		r = store_find(v->home, name, v->id, err);
	if (r >= 0)
		r = prepare(v, err);
	if (r < 0)
		return r;
	v->at_store = true;
	r = store_reader_open(v->home, v->id, &reader, err);
	if (r < 0)
		return r;
	v->session = store_reader_session(reader);
	to.head = v->has_head ? &v->head : NULL;
	r = store_verify(reader, &to, &v->check, err);
	if (r < 0)
		return r;
	decide(v);
	/* What does not hold is not to be kept as if it did. */
	if (v->export_path && v->code != EXIT_ALTERED) {
		r = export_head(v, err);
		if (r < 0)
			return r;
	}
	if (v->json)
		write_json(v, &out);
	else
		write_text(v, &out);
	if (out.failed)
		return err_errno(err, -out.failed, "can't show what was found");
	(void)fwrite(out.data, 1, out.length, v->export_path && strcmp(v->export_path, "-") == 0 ? stderr : stdout);
	return 0;
}

int cmd_verify(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct verify v = { .gap_text = BUF_INIT(GAPS_CAP) };
	struct err err = { 0 };
	int option;

	while ((option = cli_next(&parser)) > 0) {
		if (option == OPT_HEAD)
			v.head_path = parser.value;
		else if (option == OPT_KEY)
			v.key_path = parser.value;
		else if (option == OPT_EXPORT)
			v.export_path = parser.value;
		else if (strcmp(parser.value, "json") == 0 || strcmp(parser.value, "text") == 0)
			v.json = *parser.value == 'j';
		else
			return cli_usage_error("verify", "--format is text or json, not '%s'", parser.value);
	}
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next + 1 < argc)
		return cli_usage_error("verify", "takes one session, got '%s' too", argv[parser.next + 1]);
	int r = verify(&v, parser.next < argc ? argv[parser.next] : "last", &err);
	check_free(v.check);
	buf_done(&v.gap_text);
	if (r < 0) {
		(void)fflush(stdout);
		(void)cli_error("%s", err.text);
		/* A file that is no store any more is not what was recorded; one without a chain proves nothing. */
		if (v.at_store && r == -EUCLEAN)
			return EXIT_ALTERED;
		return v.at_store && r == -ENOTSUP ? EXIT_OPEN : CLI_FAILED;
	}
	return cli_finish(v.code);
}
