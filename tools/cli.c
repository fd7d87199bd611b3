// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "progress.h"

int cli_failed = 1;
int cli_misused = 2;

void cli_start(void)
{
	/* numbers stay as programs read them: LC_NUMERIC is left alone */
	setlocale(LC_CTYPE, "");
}

static void complain(const char *fmt, va_list args)
{
	progress_clear();
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, args);
}

void cli_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void cli_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(cli_failed);
}

void cli_misuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fprintf(stderr, "; see %s --help\n", program_invocation_short_name);
	exit(cli_misused);
}

void cli_usage(void)
{
	fprintf(stderr, "%s: see %s --help\n", program_invocation_short_name,
		program_invocation_short_name);
	exit(cli_misused);
}

void cli_help(const char *text)
{
	fputs(text, stdout);
	cli_exit(0);
}

void cli_version(void)
{
	printf("%s (pando) %s\n", program_invocation_short_name, PANDO_VERSION);
	cli_exit(0);
}

void cli_exit(int status)
{
	/* a full disk shows here and nowhere else */
	if (fflush(stdout) || ferror(stdout))
		cli_die("cannot write to standard output: %s", strerror(errno));
	exit(status);
}

static _Noreturn void no_memory(void)
{
	cli_die("out of memory");
}

void *cli_alloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size);

	if (!ptr)
		no_memory();
	return ptr;
}

void *cli_grow(void *ptr, size_t count, size_t size)
{
	ptr = reallocarray(ptr, count, size);
	if (!ptr)
		no_memory();
	return ptr;
}

char *cli_strdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		no_memory();
	return copy;
}

int cli_number(const char *s)
{
	long n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (*s - '0');
		if (n > INT_MAX)
			return -1;
	}
	return n ? (int)n : -1;
}
