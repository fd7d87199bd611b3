// SPDX-License-Identifier: GPL-2.0-only
/* cluster-shell: a login shell in the cluster. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "run.h"

static const char help[] =
"Usage: cluster-shell [options] [--] [COMMAND...]\n"
"A login shell of yours in the cluster, where every process of every node is\n"
"seen. With a command: the shell runs it. One word is taken as a command line,\n"
"several as a command and its arguments.\n"
"\n"
"  -n, --node NODE       on which node: a name, an id, any or self (default)\n"
"  -t, --tty             with a terminal; default where stdin and stdout are\n"
"  -T, --no-tty          without\n"
"  -e, --env NAME=VALUE  also in its environment\n"
"  -w, --workdir DIR     its directory; default is your home\n"
"      --json            at its end on stderr\n"
"                        {\"pid\", \"node\", \"exit_status\", \"signal\"}\n"
"      --help            this text\n"
"      --version         the version\n"
"\n"
"Exits as the shell does; with 125 if Pando failed or was called wrongly.\n";

/* Quoted so that a shell makes the same word of it. */
static char *append_quoted(char *to, const char *word)
{
	*to++ = '\'';
	for (; *word; word++) {
		if (*word == '\'') {
			memcpy(to, "'\\''", 4);
			to += 4;
		} else {
			*to++ = *word;
		}
	}
	*to++ = '\'';
	return to;
}

static char *command_line(int argc, char **argv)
{
	size_t size = 1;
	char *line, *to;

	if (argc == 1)
		return argv[0];
	for (int i = 0; i < argc; i++)
		size += 4 * strlen(argv[i]) + 3;
	line = to = cli_alloc(size, 1);
	for (int i = 0; i < argc; i++) {
		if (i)
			*to++ = ' ';
		to = append_quoted(to, argv[i]);
	}
	*to = '\0';
	return line;
}

static char *users_shell(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return cli_strdup(pw && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPTIONS,
		RUN_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	struct run r = { .node = "self", .login = true };
	char *words[3];
	int opt;

	cli_failed = cli_misused = RUN_FAILED;
	cli_start();
	while ((opt = getopt_long(argc, argv, "+" RUN_OPTIONS, options,
				  NULL)) != -1) {
		if (opt == CLI_OPT_HELP)
			cli_help(help);
		else if (!run_option(&r, opt, optarg))
			cli_usage();
	}
	/* without a command the node knows best what the user's shell is */
	if (optind < argc) {
		words[0] = users_shell();
		words[1] = (char *)"-c";
		words[2] = command_line(argc - optind, argv + optind);
		r.argv = words;
		r.argc = 3;
	}
	cli_exit(run(&r));
}
