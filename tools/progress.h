/* SPDX-License-Identifier: GPL-2.0-only */
/* One line on stderr that is written over, where stderr is a terminal. */
#ifndef PANDO_PROGRESS_H
#define PANDO_PROGRESS_H

void progress_show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Before anything else is written to the terminal. */
void progress_clear(void);

#endif
