/* SPDX-License-Identifier: GPL-2.0-only */
/* What every command shares: its options, its errors, its exit. */
#ifndef PANDO_CLI_H
#define PANDO_CLI_H

#include <getopt.h>
#include <stddef.h>

/*
 * Exit statuses for "it failed" and "not called like this". cluster-run and
 * cluster-shell set both to 125, as the program's own status is theirs to pass.
 */
extern int cli_failed;
extern int cli_misused;

#define CLI_PRINTF(n) __attribute__((format(printf, n, n + 1)))

/* First of all: the locale, for the width of characters. */
void cli_start(void);
/* One line on stderr, with the name of the command before it. */
void cli_warn(const char *fmt, ...) CLI_PRINTF(1);
_Noreturn void cli_die(const char *fmt, ...) CLI_PRINTF(1);
/* As cli_die(), with a word on where to read how it is called. */
_Noreturn void cli_misuse(const char *fmt, ...) CLI_PRINTF(1);
/* getopt has said what is wrong: the word on where to read. */
_Noreturn void cli_usage(void);
_Noreturn void cli_help(const char *text);
_Noreturn void cli_version(void);
/* Ends the command; output that could not be written is a failure. */
_Noreturn void cli_exit(int status);

/* Options that every command has, beside its own letters. */
enum { CLI_OPT_HELP = 256, CLI_OPT_VERSION, CLI_OPT_JSON, CLI_OPT_FIRST };
#define CLI_OPTIONS \
	{ "help", no_argument, NULL, CLI_OPT_HELP }, \
	{ "version", no_argument, NULL, CLI_OPT_VERSION }, \
	{ "json", no_argument, NULL, CLI_OPT_JSON }

/* Memory or death: these tools have nothing to save. */
void *cli_alloc(size_t count, size_t size);
void *cli_grow(void *ptr, size_t count, size_t size);
char *cli_strdup(const char *s);

/* A whole decimal number in 1..INT_MAX, or -1. */
int cli_number(const char *s);

#endif
