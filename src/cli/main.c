/* SPDX-License-Identifier: Apache-2.0 */
/* heddle: finds the subcommand in one explicit table and runs it. */
#include "cli/cli.h"

#include <locale.h>
#include <string.h>

static int cmd_help(int argc, char **argv);

static const struct cli_command commands[] = {
	{ "run", "run a command and record what it does", cmd_run },
	{ "attach", "record what runs already", cmd_attach },
	{ "events", "print a session's events", cmd_events },
	{ "replay", "print what a recording of a session makes, without the kernel", cmd_replay },
	{ "report", "sum a session up: escapes, processes, hosts, files", cmd_report },
	{ "sessions", "list the sessions that are stored", cmd_sessions },
	{ "top", "watch the memory and the health of all workloads", cmd_top },
	{ "metrics", "serve the same to Prometheus", cmd_metrics },
	{ "verify", "prove that a session is whole, or name what was altered", cmd_verify },
	{ "doctor", "tell what this machine allows to be seen", cmd_doctor },
	{ "version", "print the version", cmd_version },
	{ "help", "explain a command", cmd_help },
};

static const struct cli_command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	const char *near = cli_nearest(name, commands, ARRAY_SIZE(commands), sizeof(commands[0]));

	if (near)
		return cli_error("'%s' is not a command; did you mean '%s'?", name, near);
	return cli_error("'%s' is not a command; try 'heddle --help'", name);
}

static int help(void)
{
	printf("Usage: heddle COMMAND [ARGUMENT...]\n\n"
	       "Shows, from the kernel, what a command and everything it starts really do.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\n'heddle COMMAND --help' explains one. Sessions are kept in $HEDDLE_HOME.\n");
	return cli_finish(CLI_OK);
}

static int cmd_help(int argc, char **argv)
{
	char flag[] = "--help";

	if (argc < 2 || strcmp(argv[1], "help") == 0 || strncmp(argv[1], "--", 2) == 0)
		return help();
	const struct cli_command *command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	return command->run(2, (char *[]){ argv[1], flag, NULL });
}

int main(int argc, char **argv)
{
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	if (argc < 2) {
		(void)cli_error("no command given; try 'heddle --help'");
		return CLI_FAILED;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help();
	if (strcmp(argv[1], "--version") == 0)
		return cmd_version(1, argv + 1);
	const struct cli_command *command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	return command->run(argc - 1, argv + 1);
}
