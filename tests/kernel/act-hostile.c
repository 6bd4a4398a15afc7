/* SPDX-License-Identifier: Apache-2.0 */
/* Names that a workload chooses to break whoever prints them: quotes, newlines, escape sequences, bytes that are no
 * text. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct {
	const char *what, *name;
} names[] = {
	{ "a newline", "a\nb" },
	{ "a carriage return", "a\rb" },
	{ "an escape sequence", "\33[2J\33[1;31mred\33[0m" },
	{ "a title sequence", "\33]0;title\7" },
	{ "a quote", "a\"b" },
	{ "JSON in a name", "\",\"type\":\"process_exit\",\"x\":\"" },
	{ "a backslash", "a\\b" },
	{ "an escape that is none", "a\\x41\\n" },
	{ "bytes that are no UTF-8", "\xff\xfe\x80" },
	{ "an overlong slash", "\xc0\xaf" },
	{ "a surrogate", "\xed\xa0\x80" },
	{ "past the last character", "\xf4\x90\x80\x80" },
	{ "a sequence cut short", "cut\xe2\x82" },
	{ "C1 controls", "\xc2\x9b"
			 "31m" },
	{ "delete and tab", "\x7f\t" },
	{ "the first control byte", "\1" },
	{ "markup", "<script>alert(1)</script" },
	{ "a comma and a percent sign", "%s%n,;" },
	{ "spaces around", " x " },
	{ "a leading dash", "--help" },
};

static void case_names(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *path, flat[128];
		int fd;

		/* A slash can't be in a name. */
		(void)snprintf(flat, sizeof(flat), "%s", names[i].name);
		for (char *p = flat; *p; p++)
			*p = *p == '/' ? '_' : *p;
		path = at(flat);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		expect("file_open", names[i].what, "@path=%s|%s", hex(path, strlen(path)), ok(fd));
		(void)close(fd);
	}
}

static void case_missing(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *path = at(names[i].name);

		expect("file_open", names[i].what, "@path=%s|verified=false|@result=-2|error=ENOENT",
		       hex(path, strlen(path)));
		(void)must(open(path, O_RDONLY | O_CLOEXEC) < 0, "ENOENT");
	}
}

static int run_with(void *context)
{
	char *argv[] = { "x", "--helper", "exit", "0", context, NULL };

	expect("process_exec", "as an argument", "@args[4]=%s|path=%s|comm=*|result=0|verified=true",
	       hex(context, strlen(context)), act_self);
	(void)execv(act_self, argv);
	return 1;
}

static void case_arguments(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)in_child(run_with, (void *)names[i].name);
}

static int named(void *context)
{
	char comm[17] = "";
	int fd;

	(void)prctl(PR_SET_NAME, context);
	(void)prctl(PR_GET_NAME, comm);
	fd = open("file", O_RDONLY | O_CLOEXEC);
	expect("file_open", "as the name of a thread", "@path=%s|comm=%s|%s", at("file"), hex(comm, strlen(comm)),
	       ok(fd));
	return 0;
}

static void case_comm(void)
{
	(void)at("");
	make_file("file", "x");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)in_child(named, (void *)names[i].name);
}

static int in_directory(void *context)
{
	char *argv[] = { "x", "--helper", "exit", "0", NULL }, cwd[4096];

	(void)must(chdir(context) == 0 && getcwd(cwd, sizeof(cwd)), "chdir");
	expect("process_exec", "as the working directory", "@path=%s|cwd=%s|comm=*|result=0|verified=true", act_self,
	       hex(cwd, strlen(cwd)));
	(void)execv(act_self, argv);
	return 1;
}

static void case_directory(void)
{
	for (size_t i = 0; i < 6; i++) {
		(void)must(mkdir(names[i].name, 0755) == 0, "mkdir");
		if (i != 5)
			(void)in_child(in_directory, (void *)names[i].name);
	}
}

static void case_objects(void)
{
	static const char nasty[] = "n\n\33\"\\\xff";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *path = at(nasty), backing[64];
	int fd = memfd_create(nasty, MFD_CLOEXEC), s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	void *p;

	(void)must(ftruncate(fd, 4096) == 0, "ftruncate");
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	(void)snprintf(backing, sizeof(backing), "memfd:%s", nasty);
	expect("memory_exec", "as the name of a memfd", "@address=%p|backing=%s|escaped~backing|%s", p,
	       hex(backing, strlen(backing)), ok(0));
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", nasty);
	(void)must(bind(s, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	expect("network_listen", "as the path of a socket", "@family=AF_UNIX|path=%s|escaped~path|%s",
	       hex(path, strlen(path)), ok(listen(s, 1)));
	expect("file_metadata", "as the target of a link",
	       "@operation=symlink|@new_path=%s|path=%s|%%path|escaped~path|%s", at("link"), hex("/t\n\33\"\xff", 6),
	       ok(symlink("/t\n\33\"\xff", "link")));
}

static const struct act_case cases[] = {
	{ "names", case_names },
	{ "missing", case_missing },
	{ "arguments", case_arguments },
	{ "comm", case_comm },
	{ "directory", case_directory },
	{ "objects", case_objects },
	{ 0 },
};

const struct act_family family_hostile = { "hostile", "bad input: names, arguments, comm, cwd", cases, NULL };
