/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports that a tree leaves when it has moved away. */
#ifndef PORTS_H
#define PORTS_H

#include "tree.h"

/*
 * The tree @t, which is still there, may bind its ports here again when it comes
 * back, whatever connections of it linger. Where that fails it has to wait for
 * their end, which is a minute.
 */
void ports_yield(const struct tree *t);

#endif
