/* SPDX-License-Identifier: GPL-2.0-only */
/* criu's pstree.img: who is in the tree, in which group and session. */
#ifndef PSTREE_H
#define PSTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Puts every group and session for which @foreign says so into those that criu
 * itself is in when it restores (with shell_job): it makes none of them then,
 * and where they belong is set afterwards. Returns the new image (free) and its
 * length, *@changed; NULL for what is no pstree image.
 */
uint8_t *pstree_adopt(const uint8_t *image, size_t len, size_t *new_len,
		      bool (*foreign)(void *arg, uint32_t id), void *arg,
		      bool *changed);

#endif
