/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that runs on a node, as trees to be moved. */
#ifndef PANDO_MV_ALL_H
#define PANDO_MV_ALL_H

#include <stddef.h>
#include <stdint.h>

/*
 * The roots of the trees on @node (a name or an id) that the caller may move:
 * processes whose parent is not there. Dead with a word if there is no such
 * node, or if it does not answer.
 */
uint32_t *mv_all_from(const char *node, size_t *count);

#endif
