// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "term.h"

static bool shown;

void progress_show(const char *fmt, ...)
{
	const char *term = getenv("TERM");
	char text[512], line[512];
	va_list args;

	if (!isatty(STDERR_FILENO) || !term || !strcmp(term, "dumb"))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* a line that wraps could not be written over */
	term_clean(line, sizeof(line), text, term_width(STDERR_FILENO) - 1);
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	shown = true;
}

void progress_clear(void)
{
	if (!shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	shown = false;
}
