/* SPDX-License-Identifier: GPL-2.0-only */
/* The terminal, where there is one. */
#ifndef PANDO_TERM_H
#define PANDO_TERM_H

#include <stdbool.h>
#include <stddef.h>

/* Columns to fill on @fd; 0: as many as it takes. COLUMNS decides if set. */
int term_width(int fd);
/* Is colour welcome on @fd: a terminal that can, and no NO_COLOR. */
bool term_colour(int fd);
/* Rows and columns of the first terminal among stdin, stdout and stderr. */
bool term_size(unsigned int *rows, unsigned int *cols);

/* Raw mode of stdin; undone by term_restore() and at exit. */
int term_raw(void);
void term_restore(void);
bool term_is_raw(void);
/*
 * While it is raw: bytes that were typed here, and for whoever reads here next, are put
 * back. Where the kernel does not let us they are lost.
 */
void term_unread(const unsigned char *byte, size_t n);

/*
 * Copies @src with what could harm or shift a terminal replaced by '?', and
 * at most @columns wide (< 0: all). Returns the columns it takes.
 */
int term_clean(char *dst, size_t size, const char *src, int columns);

/*
 * Is our group in the foreground of the terminal on stdin? Also true where that is
 * not our terminal, or none: then nobody keeps us from using it.
 */
bool term_front(void);

#endif
