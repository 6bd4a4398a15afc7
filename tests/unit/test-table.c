/* SPDX-License-Identifier: Apache-2.0 */
/* cli/table.h and the terminal half of cli/cli.h: widths, cuts, and bytes that would harm a terminal. */
#include "test.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

#include "cli/describe.h"
#include "cli/table.h"

static const struct table_column three[] = {
	{ "NAME", .cut = TABLE_CUT_END },
	{ "SIZE", .right = true },
	{ "NOTE" },
};

static struct table *sample(enum term_style style)
{
	struct table *t = table_new(three, ARRAY_SIZE(three), 8);

	assert_non_null(t);
	table_row(t);
	table_cell(t, style, "a-rather-long-name");
	table_cellf(t, TERM_PLAIN, "%d", 5);
	table_cell(t, TERM_PLAIN, "");
	table_row(t);
	table_cell(t, TERM_PLAIN, "b");
	table_cell(t, TERM_PLAIN, "12345");
	table_cell(t, TERM_PLAIN, "ok");
	return t;
}

static void columns_line_up(void **state)
{
	_cleanup_(table_free_p) struct table *t = sample(TERM_PLAIN);
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	assert_int_equal(table_print(t, &out, 1, 0, false), 0);
	assert_string_equal(out.data, " NAME                 SIZE  NOTE\n"
				      " a-rather-long-name      5\n"
				      " b                   12345  ok\n");
}

static void one_column_gives_way(void **state)
{
	_cleanup_(table_free_p) struct table *t = sample(TERM_PLAIN);
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	assert_int_equal(table_print(t, &out, 0, 25, false), 0);
	assert_string_equal(out.data, "NAME           SIZE  NOTE\n"
				      "a-rather-lo…      5\n"
				      "b             12345  ok\n");
}

static void colour_is_around_the_text_only(void **state)
{
	_cleanup_(table_free_p) struct table *t = sample(TERM_RED);
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	assert_int_equal(table_print(t, &out, 0, 0, true), 0);
	assert_non_null(strstr(out.data, "\n\x1b[31ma-rather-long-name\x1b[0m      5\n"));
	buf_clear(&out);
	assert_int_equal(table_print(t, &out, 0, 0, false), 0);
	assert_null(strchr(out.data, '\x1b'));
}

static void more_rows_than_allowed_are_an_error(void **state)
{
	_cleanup_(table_free_p) struct table *t = table_new(three, ARRAY_SIZE(three), 1);
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	table_row(t);
	table_row(t);
	table_cell(t, TERM_PLAIN, "nowhere");
	assert_int_equal(table_print(t, &out, 0, 0, false), -ENOSPC);
}

static void hostile_cells_are_harmless(void **state)
{
	_cleanup_(table_free_p) struct table *t = table_new(three, ARRAY_SIZE(three), 1);
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	table_row(t);
	table_cell(t, TERM_PLAIN, "\x1b]0;owned\a\n\xff\xe2\x80\xae\\x");
	assert_int_equal(table_print(t, &out, 0, 0, false), 0);
	assert_non_null(strstr(out.data, "\\x1b]0;owned\\x07\\x0a\\xff\\xe2\\x80\\xae\\x\n"));
	for (const char *p = out.data; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
}

static void text_of(const char *text, unsigned columns, enum table_cut cut, const char *expected)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);
	unsigned used = table_text(&out, text, strlen(text), columns, cut);

	assert_string_equal(out.data, expected);
	assert_int_equal(used, term_columns(expected, strlen(expected)));
	if (columns > 0)
		assert_true(used <= columns);
}

static void cuts_count_columns_not_bytes(void **state)
{
	text_of("plain", 5, TABLE_CUT_END, "plain");
	text_of("plainer", 5, TABLE_CUT_END, "plai…");
	text_of("/srv/ann/file.c", 8, TABLE_CUT_START, "…/file.c");
	text_of("ééééé", 4, TABLE_CUT_END, "ééé…");
	text_of("漢字漢字", 8, TABLE_CUT_END, "漢字漢字");
	text_of("漢字漢字", 6, TABLE_CUT_END, "漢字…");
	text_of("漢字漢字", 6, TABLE_CUT_START, "…漢字");
	text_of("漢字漢字", 5, TABLE_CUT_START, "…漢字");
	text_of("漢字漢字", 4, TABLE_CUT_START, "…字");
}

static void numbers_for_people(void **state)
{
	char text[64];

	assert_string_equal(describe_number(0, text), "0");
	assert_string_equal(describe_number(999, text), "999");
	assert_string_equal(describe_number(1000, text), "1,000");
	assert_string_equal(describe_number(UINT64_MAX, text), "18,446,744,073,709,551,615");
	assert_string_equal(describe_duration(-5, text), "<1 ms");
	assert_string_equal(describe_duration(999999999, text), "999 ms");
	assert_string_equal(describe_duration(1500000000, text), "1.50 s");
	assert_string_equal(describe_duration(200000000000, text), "3 m 20 s");
	assert_string_equal(describe_duration(INT64_C(7384) * 1000000000, text), "2 h 3 m");
}

static void near_names(void **state)
{
	static const struct {
		const char *name;
		int value;
	} names[] = { { "events", 1 }, { "report", 2 }, { "run", 3 } };

	assert_string_equal(cli_nearest("eventz", names, 3, sizeof(names[0])), "events");
	assert_string_equal(cli_nearest("rep", names, 3, sizeof(names[0])), "report");
	assert_string_equal(cli_nearest("rnu", names, 3, sizeof(names[0])), "run");
	assert_null(cli_nearest("completely-else", names, 3, sizeof(names[0])));
	assert_null(cli_nearest("", names, 3, sizeof(names[0])));
}

static void commands_read_back_in_a_shell(void **state)
{
	static const char raw[] = "{\"args\":[\"sh\",\"-c\",\"echo 'a b'; ls\",\"\",\"a\\\\x1bb\"]}";
	_cleanup_(line_free_p) struct line *l = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	assert_int_equal(line_parse(raw, strlen(raw), &l), 0);
	describe_command(line_get(l, "args"), &out);
	assert_string_equal(out.data, "sh -c 'echo '\\''a b'\\''; ls' '' a\\x1bb");
}

static void described(const char *json, const char *expected)
{
	_cleanup_(line_free_p) struct line *l = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 16);

	assert_int_equal(line_parse(json, strlen(json), &l), 0);
	describe_event(l, &out);
	assert_string_equal(out.data ? out.data : "", expected);
}

static void events_in_words(void **state)
{
	described("{\"type\":\"file_open\",\"path\":\"/etc/"
		  "passwd\",\"flags\":[\"O_RDWR\",\"O_CREAT\"],\"error\":\"ENOENT\",\"count\":9}",
		  "/etc/passwd O_RDWR|O_CREAT -> ENOENT (9 times)");
	described("{\"type\":\"process_exec\",\"exe\":\"/usr/bin/dash\",\"path\":\"/tmp/s\",\"interpreter\":\"/usr/bin/"
		  "dash\","
		  "\"args\":[\"/bin/sh\",\"/tmp/s\"]}",
		  "/usr/bin/dash (as /bin/sh) /tmp/s [script /tmp/s]");
	described("{\"type\":\"process_exec\",\"exe\":\"/usr/bin/sh\",\"path\":\"/no/"
		  "x\",\"args\":[\"x\"],\"error\":\"ENOENT\"}",
		  "/no/x -> ENOENT");
	described("{\"type\":\"process_fork\",\"child_pid\":7,\"clone_flags\":[\"CLONE_VM\",\"CLONE_VFORK\"]}",
		  "child 7 CLONE_VM|CLONE_VFORK");
	described("{\"type\":\"process_exit\",\"signal\":\"SIGSEGV\",\"core_dumped\":true,\"duration_ns\":5000000}",
		  "killed by SIGSEGV (core dumped) after 5 ms");
	described("{\"type\":\"file_write\",\"path\":\"/a\",\"bytes\":2048,\"operations\":3}", "/a 2.0 KiB in 3");
	described("{\"type\":\"file_write\",\"inode\":5,\"mapping\":true}", "inode 5 mapped");
	described("{\"type\":\"file_metadata\",\"operation\":\"rename\",\"path\":\"/a\",\"new_path\":\"/b\"}",
		  "rename /a -> /b");
	described(
	    "{\"type\":\"network_socket\",\"family\":\"AF_INET\",\"socket_type\":\"SOCK_STREAM\",\"protocol\":\"tcp\"}",
	    "AF_INET SOCK_STREAM tcp");
	described(
	    "{\"type\":\"network_connect\",\"destination\":\"::1\",\"destination_port\":80,\"error\":\"ECONNREFUSED\"}",
	    "[::1]:80 -> ECONNREFUSED");
	described(
	    "{\"type\":\"network_connect\",\"hostname\":\"h\",\"destination\":\"1.2.3.4\",\"destination_port\":80}",
	    "h:80 (1.2.3.4)");
	described("{\"type\":\"network_accept\",\"peer\":\"1.2.3.4\",\"peer_port\":5,\"address\":\"::\",\"port\":80}",
		  "from 1.2.3.4:5 on [::]:80");
	described("{\"type\":\"dns_response\",\"name\":\"a.b\",\"query_type\":\"A\",\"response_code\":\"NXDOMAIN\"}",
		  "a.b A NXDOMAIN");
	described("{\"type\":\"privilege_change\",\"operation\":\"capset\",\"before\":{\"effective\":[\"CAP_CHOWN\"],"
		  "\"uid\":1},"
		  "\"after\":{\"effective\":[],\"uid\":0}}",
		  "capset effective -CAP_CHOWN, uid 1 -> 0");
	described("{\"type\":\"sandbox_escape\",\"category\":\"ptrace\",\"syscall\":\"ptrace\",\"target\":\"12\","
		  "\"error\":\"EPERM\"}",
		  "ptrace: ptrace 12 -> EPERM");
	described("{\"type\":\"file_open\",\"path\":5,\"flags\":\"x\"}", "");
	described("{\"type\":7}", "");
	described("{}", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_line_up),
		cmocka_unit_test(one_column_gives_way),
		cmocka_unit_test(colour_is_around_the_text_only),
		cmocka_unit_test(more_rows_than_allowed_are_an_error),
		cmocka_unit_test(hostile_cells_are_harmless),
		cmocka_unit_test(cuts_count_columns_not_bytes),
		cmocka_unit_test(numbers_for_people),
		cmocka_unit_test(near_names),
		cmocka_unit_test(commands_read_back_in_a_shell),
		cmocka_unit_test(events_in_words),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
