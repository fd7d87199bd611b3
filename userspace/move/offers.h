/* SPDX-License-Identifier: GPL-2.0-only */
/* The page fabrics that the source offers, until the target has taken one. */
#ifndef OFFERS_H
#define OFFERS_H

#include "fabric.h"
#include "move.h"

#define OFFERS	4

struct offers {
	struct fabric *fabric[OFFERS];	/* listening */
	uint16_t port[OFFERS];
};

/* Those that were asked for and can be used here. */
int offers_make(struct move *m, struct offers *o);
/* "name port name port ", for the plan. */
void offers_text(const struct offers *o, char *text, size_t size);
/* The target tries them, until one way is open: *@fabric. */
int offers_take(struct move *m, struct offers *o, struct fabric **fabric);
void offers_free(struct offers *o);

#endif
