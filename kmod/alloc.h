/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers for new tasks; the hooks themselves are named in hooks.h. */
#ifndef _PANDO_ALLOC_H
#define _PANDO_ALLOC_H

int pando_alloc_init(void);	/* before the hooks are installed */
void pando_alloc_exit(void);

#endif
