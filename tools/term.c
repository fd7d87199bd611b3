// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "term.h"

static struct termios saved;
static bool raw;

int term_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int n = columns ? atoi(columns) : 0;

	if (n > 0)
		return n;
	if (!isatty(fd))
		return 0;
	if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return 80;
}

bool term_colour(int fd)
{
	const char *off = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(off && *off) && term && strcmp(term, "dumb");
}

bool term_size(unsigned int *rows, unsigned int *cols)
{
	for (int fd = 0; fd < 3; fd++) {
		struct winsize size;

		if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_row) {
			*rows = size.ws_row;
			*cols = size.ws_col;
			return true;
		}
	}
	return false;
}

bool term_front(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group < 0 || group == getpgrp();
}

int term_raw(void)
{
	static bool registered;
	struct termios mode;

	if (!raw && tcgetattr(STDIN_FILENO, &saved))
		return -errno;
	mode = saved;
	cfmakeraw(&mode);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &mode))
		return -errno;
	raw = true;
	if (!registered)
		registered = !atexit(term_restore);
	return 0;
}

void term_restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	raw = false;
}

bool term_is_raw(void)
{
	return raw;
}

void term_unread(const unsigned char *byte, size_t n)
{
	for (size_t i = 0; raw && i < n; i++)
		if (ioctl(STDIN_FILENO, TIOCSTI, byte + i))
			return;
}

int term_clean(char *dst, size_t size, const char *src, int columns)
{
	mbstate_t state = { 0 };
	int used = 0;

	while (*src) {
		wchar_t wc;
		size_t len = mbrtowc(&wc, src, strlen(src), &state);
		int width = len > (size_t)-3 ? -1 : wcwidth(wc);

		if (width < 0) {
			/* a control character, or not of this locale */
			memset(&state, 0, sizeof(state));
			len = len > (size_t)-3 ? 1 : len;
			width = 1;
			wc = 0;
		}
		if (columns >= 0 && used + width > columns)
			break;
		if ((wc ? len : 1) >= size)
			break;
		if (wc) {
			memcpy(dst, src, len);
			dst += len;
			size -= len;
		} else {
			*dst++ = '?';
			size--;
		}
		src += len;
		used += width;
	}
	*dst = '\0';
	return used;
}
