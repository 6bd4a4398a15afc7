/* SPDX-License-Identifier: Apache-2.0 */
/* heddle version */
#include "cli/cli.h"

static const struct cli_option options[] = { { 0 } };

static const struct cli_usage usage = {
	.name = "version",
	.synopsis = "",
	.about = "Prints the version of Heddle.",
	.options = options,
};

int cmd_version(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	int option = cli_next(&parser);

	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next < argc)
		return cli_usage_error("version", "takes no argument, got '%s'", argv[parser.next]);
	printf("heddle %s\n", HEDDLE_VERSION);
	return cli_finish(CLI_OK);
}
