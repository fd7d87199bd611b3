/* SPDX-License-Identifier: GPL-2.0-only */
/* Of pando-criu.so: criu looks at the kernel by means of children of its own. */
#ifndef CRIU_CHILD_H
#define CRIU_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Those it traces for somebody else are pando's. */
bool is_own_child(pid_t pid);

#endif
