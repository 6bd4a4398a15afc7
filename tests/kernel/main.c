/* SPDX-License-Identifier: Apache-2.0 */
/* kernel-test: real system calls under the real sensor. See kernel-test.h. */
#include "judge.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which they run. */
#define FAMILIES(X)                                                                                                    \
	X(exec)                                                                                               \
	X(fork)                                                                                               \
	X(open)                                                                                               \
	X(spelling)                                                                                           \
	X(rw)                                                                                                 \
	X(metadata)                                                                                           \
	X(socket)                                                                                             \
	X(connect)                                                                                            \
	X(dns)                                                                                                \
	X(privilege)                                                                                          \
	X(uring) X(uring_ways) X(uring_net) X(uring_end)                                                      \
	X(memory) X(escape) X(container) X(scope) X(via) X(door) X(hostile) X(race) X(who) X(flood) X(attach) \
	X(drown) X(drown_narrow) X(lives)                                                                     \
	X(stress_race)

#define DECLARE(name) extern const struct act_family family_##name;
#define POINT(name) &family_##name,
FAMILIES(DECLARE)
const struct act_family *const act_families[] = { FAMILIES(POINT) NULL };

static const char usage[] =
    "usage: kernel-test --list\n"
    "       kernel-test --heddle PATH [--only FAMILY[/CASE]] [--tier T] [--limit S] [--dns-port N] [--keep DIR]\n"
    "                   [--stress short|long]                 the stress families, rather than the others\n"
    "       kernel-test [--base DIR] --act FAMILY[/CASE]      the calls alone, with what must be seen\n"
    "       kernel-test --check FACTS JSON                    judge files that --keep has left\n"
    "       kernel-test --self-test                           judge the judge\n";

enum {
	OPT_LIST = 1,
	OPT_ACT,
	OPT_BASE,
	OPT_HEDDLE,
	OPT_ONLY,
	OPT_TIER,
	OPT_LIMIT,
	OPT_DNS,
	OPT_KEEP,
	OPT_CHECK,
	OPT_OUTSIDER,
	OPT_MARK,
	OPT_SELF,
	OPT_STRESS,
};

static const struct option options_table[] = {
	{ "list", no_argument, NULL, OPT_LIST },
	{ "act", required_argument, NULL, OPT_ACT },
	{ "base", required_argument, NULL, OPT_BASE },
	{ "heddle", required_argument, NULL, OPT_HEDDLE },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "tier", required_argument, NULL, OPT_TIER },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "dns-port", required_argument, NULL, OPT_DNS },
	{ "keep", required_argument, NULL, OPT_KEEP },
	{ "check", required_argument, NULL, OPT_CHECK },
	{ "outsider", required_argument, NULL, OPT_OUTSIDER },
	{ "outsider-mark", required_argument, NULL, OPT_MARK },
	{ "stress", required_argument, NULL, OPT_STRESS },
	{ "self-test", no_argument, NULL, OPT_SELF },
	{ 0 },
};

struct arguments {
	struct judge_options judge;
	const char *act, *check;
	bool list, self_test;
};

static bool parse(int argc, char **argv, struct arguments *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "+", options_table, NULL)) != -1) {
		switch (c) {
		case OPT_LIST:
			ret->list = true;
			break;
		case OPT_ACT:
			ret->act = optarg;
			break;
		case OPT_BASE:
			act_base = optarg;
			break;
		case OPT_HEDDLE:
			ret->judge.heddle = optarg;
			break;
		case OPT_ONLY:
			ret->judge.only = optarg;
			break;
		case OPT_TIER:
			ret->judge.tier = optarg;
			break;
		case OPT_LIMIT:
			ret->judge.limit = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case OPT_DNS:
			ret->judge.dns_port = act_dns_port = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case OPT_KEEP:
			ret->judge.keep = optarg;
			break;
		case OPT_OUTSIDER:
			act_outsider = (pid_t)strtol(optarg, NULL, 10);
			break;
		case OPT_MARK:
			act_outsider_mark = optarg;
			break;
		case OPT_SELF:
			ret->self_test = true;
			break;
		case OPT_STRESS:
			if (strcmp(optarg, "short") != 0 && strcmp(optarg, "long") != 0)
				return false;
			ret->judge.stress = optarg;
			break;
		case OPT_CHECK:
			ret->check = optarg;
			break;
		default:
			return false;
		}
	}
	return ret->list + ret->self_test + !!ret->act + !!ret->judge.heddle + !!ret->check == 1;
}

int main(int argc, char **argv)
{
	static char self[PATH_MAX], base[PATH_MAX];
	struct arguments a = { .judge.limit = 120 };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	act_self = n > 0 ? self : argv[0];
	if (argc > 1 && strcmp(argv[1], "--helper") == 0)
		return helper_main(argc - 2, argv + 2);
	if (argc > 2 && strcmp(argv[1], "--script") == 0)
		return 7;
	if (!parse(argc, argv, &a)) {
		(void)fputs(usage, stderr);
		return 125;
	}
	if (a.self_test)
		return self_test();
	if (a.list)
		return act_list();
	if (a.check) {
		judge_check("check", a.check, argv[optind] ? argv[optind] : "", a.judge.tier, false);
		return tap_end();
	}
	if (a.act) {
		act_base = realpath(act_base ? act_base : ".", base);
		return act_base ? act_run(a.act) : 125;
	}
	a.judge.self = act_self;
	if (a.judge.stress)
		(void)setenv(ACT_STRESS, a.judge.stress, 1);
	return judge_run(&a.judge);
}
