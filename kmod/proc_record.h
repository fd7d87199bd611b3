/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reply to BULK: records of processes, one after the other (struct
 * pando_wire_proc_bulk). Pure: no state, no locks; @buf is the caller's, begins
 * at a multiple of 8, and is as it came, unless said otherwise.
 */
#ifndef _PANDO_PROC_RECORD_H
#define _PANDO_PROC_RECORD_H

#include "pure.h"
#include <pando/wire.h>

/*
 * Is this the reply to a question about @pid and those that follow? Every
 * record whole, of a directory, numbers ascending from @pid on, nothing left.
 */
bool pando_record_whole(const u8 *buf, size_t len, u32 pid);

/* The record of @pid in a reply that is whole, or NULL. */
const struct pando_wire_proc_bulk *
pando_record_find(const u8 *buf, size_t len, u32 pid);

/* Which file is called @name: an index to len[], or -1. */
int pando_record_index(const char *name);

/* Type and permissions of that file. */
u32 pando_record_mode(int index);

/* Its contents and *@len, or NULL: it did not come along. */
const u8 *pando_record_file(const struct pando_wire_proc_bulk *rec, int index,
			    size_t *len);

/*
 * In @text, the @len bytes of a task's stat, the controlling terminal becomes @tty. There
 * is room for @cap. Its new length, which is @len where nothing is changed: it is no stat,
 * or there is no room.
 */
size_t pando_stat_set_tty(char *text, size_t len, size_t cap, u32 tty);

#endif
