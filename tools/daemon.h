/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon of this node, and what to say when it does not answer. */
#ifndef PANDO_DAEMON_H
#define PANDO_DAEMON_H

#include "pando.h"

/* Connected to the daemon of this node, or dead with a line that says why. */
int daemon_connect(void);
void daemon_send(int sock, const Pando__Frame *frame, const int *fds, int nfds);
/* The next frame; the end of the connection and garbage are fatal. */
Pando__Frame *daemon_recv(int sock);
/* What pando_recv() returned instead of 1. */
_Noreturn void daemon_lost(int err);
/* Text of an Error for a person; never NULL. */
const char *daemon_error(const Pando__Error *error);

/* It answered with a frame that has no place here. */
_Noreturn void daemon_confused(void);

#endif
