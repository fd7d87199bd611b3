/* SPDX-License-Identifier: GPL-2.0-only */
/* criu's pstree.img: who is in the tree, in which group and session. */
#ifndef PSTREE_H
#define PSTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where @foreign says that a group or session is not the tree's to make, whoever
 * belongs to it is in its parent's session instead, and in the group of that one's
 * leader; the root in those that criu itself is in when it restores (with shell_job).
 * Where they belong is set afterwards. Returns the new image (free) and its length,
 * *@changed; NULL for what is no pstree image.
 */
uint8_t *pstree_adopt(const uint8_t *image, size_t len, size_t *new_len,
		      bool (*foreign)(void *arg, uint32_t id), void *arg,
		      bool *changed);

#endif
