// SPDX-License-Identifier: GPL-2.0-only
/* cluster-run: runs a program in the cluster as if it ran here. */
#include <string.h>

#include "cli.h"
#include "nodes.h"
#include "run.h"

static const char help[] =
"Usage: cluster-run [options] [--] COMMAND [ARGUMENT...]\n"
"Runs a program in the cluster with this terminal, directory, environment and\n"
"limits, as if it ran here.\n"
"\n"
"  -n, --node NODE       where: a name, an id, any (least loaded) or self, which\n"
"                        is this node and the default\n"
"      --with PID        where that process runs: for strace, gdb, lsof\n"
"  -d, --detach          in the background; prints its PID\n"
"  -t, --tty             give it a terminal; default where stdin and stdout are\n"
"  -T, --no-tty          do not\n"
"  -e, --env NAME=VALUE  also in its environment\n"
"  -w, --workdir DIR     its working directory\n"
"      --json            with -d {\"pid\", \"node\"}; else, on stderr at its end,\n"
"                        {\"pid\", \"node\", \"exit_status\", \"signal\"}\n"
"      --help            this text\n"
"      --version         the version\n"
"\n"
"Signals INT TERM HUP QUIT USR1 USR2 CONT reach the program, TSTP stops it.\n"
"Exits with its status, with 128+N if signal N ended it, with 125 if Pando\n"
"failed or was called wrongly, 126 if it cannot be executed, 127 if it was not\n"
"found.\n";

enum { CLI_OPT_WITH = CLI_OPT_FIRST };

int main(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPTIONS,
		RUN_LONG_OPTIONS,
		{ "detach", no_argument, NULL, 'd' },
		{ "with", required_argument, NULL, CLI_OPT_WITH },
		{ NULL, 0, NULL, 0 },
	};
	struct run r = { .node = "self" };
	int opt, with = 0;

	cli_failed = cli_misused = RUN_FAILED;
	cli_start();
	/* + ends our options at the command */
	while ((opt = getopt_long(argc, argv, "+" RUN_OPTIONS "d", options,
				  NULL)) != -1) {
		if (opt == CLI_OPT_HELP)
			cli_help(help);
		else if (opt == 'd')
			r.detach = true;
		else if (opt == CLI_OPT_WITH && (with = cli_number(optarg)) < 0)
			cli_misuse("--with takes a PID, not %s", optarg);
		else if (opt == CLI_OPT_WITH)
			continue;
		else if (!run_option(&r, opt, optarg))
			cli_usage();
	}
	if (optind == argc || !*argv[optind])
		cli_misuse("which command?");
	if (r.detach && r.tty == RUN_TTY_ALWAYS)
		cli_misuse("-t and -d exclude each other: nobody sees the terminal");
	if (with && strcmp(r.node, "self"))
		cli_misuse("-n and --with exclude each other");
	if (with)
		r.node = nodes_of_process(with);
	r.argv = argv + optind;
	r.argc = argc - optind;
	cli_exit(run(&r));
}
