/* SPDX-License-Identifier: Apache-2.0 */
/* The judge judged: what its reader must refuse, and doctored runs that must fail. */
#include "judge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json-read.h"

static const char *const good[] = {
	"{}",
	"{\"a\":[1,-2,0],\"b\":{\"c\":\"\\u00e9\\n\\\"\"},\"d\":true}",
	"{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\xa7\xb5\"}",
	"{\"a\":\"\\ud83e\\uddf5\"}",
};

static const char *const bad[] = {
	"",
	"{",
	"{\"a\":1,}",
	"{\"a\":null}",
	"{\"a\":1}{",
	"{\"a\":01}",
	"{\"a\":+1}",
	"{\"a\":.5}",
	"{\"a\":1.}",
	"{\"a\":\"\n\"}",
	"{\"a\":\"\33[m\"}",
	"{\"a\":\"\x7f\"}",
	"{\"a\":\"\xff\"}",
	"{\"a\":\"\xc0\xaf\"}",
	"{\"a\":\"\xed\xa0\x80\"}",
	"{\"a\":\"\xf4\x90\x80\x80\"}",
	"{\"a\":\"\xe2\x82\"}",
	"{\"a\":\"\\ud800\"}",
	"{\"a\":\"\\udc00\"}",
	"{\"a\":\"\\x41\"}",
	"{\"a\":\"\\u12g4\"}",
	"{\"a\":1,\"a\":2}",
	"{\"a\":tru}",
	"{a:1}",
	"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
};

static void check_reader(void)
{
	struct json *root;
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		bool right = json_read(good[i], strlen(good[i]), &root, &why) == 0;

		tap(right, "self-test: a good line is read", right ? "" : why, good[i]);
		if (right)
			json_free(root);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		bool wrong = json_read(bad[i], strlen(bad[i]), &root, &why) == 0;

		tap(!wrong, "self-test: a bad line is refused", "it was read", bad[i]);
		if (wrong)
			json_free(root);
	}
	tap(time_parse("2026-01-02T03:04:05.000000006Z") == 1767323045000000006, "self-test: a time", "", NULL);
	tap(time_parse("2026-01-02T03:04:05.6Z") == -1, "self-test: a time without nine digits", "", NULL);
}

#define SESSION "01234567-89ab-7def-8123-456789abcdef"
#define COMMON(sequence, type)                                                                                         \
	"{\"sequence\":" sequence ",\"time\":\"2026-01-02T03:04:05.00000000" sequence "Z\",\"type\":\"" type           \
	"\",\"session\":\"" SESSION "\",\"process\":\"01234567-7-1\",\"pid\":7,\"tid\":7,\"ppid\":1,\"uid\":0,"        \
	"\"gid\":0,\"comm\":\"x\",\"exe\":\"/x\",\"cgroup\":\"/h\",\"image\":1,\"via\":\"syscall\","                   \
	"\"verified\":true,\"lane\":\"critical\",\"cpu\":0,\"lane_sequence\":" sequence ","
#define START "{\"type\":\"session\",\"phase\":\"start\",\"sequence\":1,\"session\":\"" SESSION "\",\"tier\":\"lsm\"}\n"
#define KNOWN(pid)                                                                                                     \
	"{\"type\":\"process\",\"sequence\":2,\"session\":\"" SESSION "\",\"process\":\"01234567-" pid "-1\"}\n"
#define EXEC COMMON("3", "process_exec") "\"path\":\"/x\",\"result\":0}\n"
#define EXIT COMMON("4", "process_exit") "\"exit_code\":0}\n"
#define END "{\"type\":\"session\",\"phase\":\"end\",\"sequence\":5,\"session\":\"" SESSION "\"}\n"
#define ROW(made) "{\"made\":" made ",\"delivered\":1,\"folded\":0,\"lost\":0}"
#define LEDGER(made)                                                                                                   \
	"{\"type\":\"ledger\",\"sequence\":6,\"critical\":{\"process_exec\":" ROW(made) ",\"process_exit\":" ROW(      \
	    "1") "}}\n"
#define FACTS(field)                                                                                                   \
	"R\t7\nB\tc\t1767323045000000000\nE\twhat\t1\ttype=process_exec|@pid=7|@path=/x|" field                        \
	"\nD\tc\t1767323046000000000\t0\n"

/* Each is one thing away from a run that is right. */
static const struct {
	const char *what, *facts, *json;
	bool right;
} runs[] = {
	{ "a run that is right", FACTS("result=0|-error"), START KNOWN("7") EXEC EXIT END LEDGER("1"), true },
	{ "a field that differs", FACTS("result=-1"), START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "a field that must be absent", FACTS("-result"), START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "an event that is missing", FACTS("@tid=8"), START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "an event that must not be", "R\t7\nB\tc\t1\nE\twhat\t0\ttype=process_exec|@pid=7\nD\tc\t2\t0\n",
	  START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "a ledger out of balance", FACTS("result=0"), START KNOWN("7") EXEC EXIT END LEDGER("2"), false },
	{ "a ledger that is missing", FACTS("result=0"), START KNOWN("7") EXEC EXIT END, false },
	{ "a line that is missing", FACTS("result=0"), START KNOWN("7") EXEC END LEDGER("1"), false },
	{ "a stranger", "R\t9\nB\tc\t1\nD\tc\t2\t0\n", START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "a process that nothing introduces", FACTS("result=0"),
	  START KNOWN("8") EXEC EXIT END LEDGER("1"), false },
	{ "a case that did not end", "R\t7\nB\tc\t1\n", START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "a case that failed", "R\t7\nB\tc\t1\nD\tc\t2\t256\n", START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "a provocation that failed", "R\t7\nB\tc\t1\nF\tit\nD\tc\t2\t0\n",
	  START KNOWN("7") EXEC EXIT END LEDGER("1"), false },
	{ "no lines at all", FACTS("result=0"), "", false },
};

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool right = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return right;
}

/* In a child of its own, so that the doctored runs' lines are not counted here. */
static bool judged_right(const char *facts, const char *json)
{
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO);
		tap_reset();
		judge_check("doctored", facts, json, NULL, false);
		_exit(tap_end());
	}
	(void)waitpid(pid, &status, 0);
	return status == 0;
}

int self_test(void)
{
	char dir[] = "/tmp/kernel-self.XXXXXX", facts[64], json[64], name[128];

	check_reader();
	if (!mkdtemp(dir)) {
		tap(false, "self-test: scratch directory", "mkdtemp", dir);
		return tap_end();
	}
	(void)snprintf(facts, sizeof(facts), "%s/facts", dir);
	(void)snprintf(json, sizeof(json), "%s/json", dir);
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		bool right =
		    put(facts, runs[i].facts) && put(json, runs[i].json) && judged_right(facts, json) == runs[i].right;

		(void)snprintf(name, sizeof(name), "self-test: %s", runs[i].what);
		tap(right, name, runs[i].right ? "it was refused" : "it was taken", NULL);
	}
	remove_tree(dir);
	return tap_end();
}
