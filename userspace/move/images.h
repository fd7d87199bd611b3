/* SPDX-License-Identifier: GPL-2.0-only */
/* The state images: small files, sent over the control connection. */
#ifndef IMAGES_H
#define IMAGES_H

#include "move.h"
#include "pagemap.h"

/* Sends all in the work directory: how many. */
int images_send(struct move *m, uint64_t *bytes);
/* Takes one, of which the header said @len. */
int images_receive(struct move *m, uint64_t len, uint64_t *bytes);
/* The lazy runs of @pid, as pagemap_parse() gives them; 0 without an image. */
long images_pagemap(struct move *m, pid_t pid, struct pagemap_run **runs);

/* Is it a name that an image may have? */
bool images_name_valid(const char *name, size_t len);

#endif
