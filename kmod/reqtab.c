// SPDX-License-Identifier: GPL-2.0-only
/* Requests under way at one peer; see reqtab.h. Pure. */
#include "reqtab.h"

static unsigned int reqtab_slot(u64 id)
{
	return id & (PANDO_REQTAB_WINDOW - 1);
}

void pando_reqtab_init(struct pando_reqtab *tab)
{
	unsigned int i;

	memset(tab, 0, sizeof(*tab));
	tab->nfree = PANDO_REQTAB_WINDOW;
	for (i = 0; i < PANDO_REQTAB_WINDOW; i++)
		tab->free[i] = PANDO_REQTAB_WINDOW - 1 - i;
}

bool pando_reqtab_room(const struct pando_reqtab *tab)
{
	const struct pando_req *oldest = tab->head[true];

	if (!tab->nfree)
		return false;
	return !oldest || tab->seq - (oldest->id >> PANDO_REQTAB_SHIFT) <
			  PANDO_REQTAB_SPAN;
}

int pando_reqtab_add(struct pando_reqtab *tab, struct pando_req *req,
		     bool once)
{
	unsigned int slot;

	if (!pando_reqtab_room(tab))
		return -EAGAIN;

	slot = tab->free[--tab->nfree];
	req->id = ++tab->seq << PANDO_REQTAB_SHIFT | slot;
	req->once = once;
	req->next = NULL;
	req->prev = tab->tail[once];
	if (req->prev)
		req->prev->next = req;
	else
		tab->head[once] = req;
	tab->tail[once] = req;
	tab->slot[slot] = req;
	tab->used++;
	return 0;
}

struct pando_req *pando_reqtab_find(const struct pando_reqtab *tab, u64 id)
{
	struct pando_req *req = tab->slot[reqtab_slot(id)];

	return req && req->id == id ? req : NULL;
}

static void reqtab_remove(struct pando_reqtab *tab, struct pando_req *req)
{
	unsigned int slot = reqtab_slot(req->id);

	if (req->prev)
		req->prev->next = req->next;
	else
		tab->head[req->once] = req->next;
	if (req->next)
		req->next->prev = req->prev;
	else
		tab->tail[req->once] = req->prev;
	tab->slot[slot] = NULL;
	tab->free[tab->nfree++] = slot;
	tab->used--;
	req->prev = NULL;
	req->next = NULL;
	req->id = 0;
}

struct pando_req *pando_reqtab_take(struct pando_reqtab *tab, u64 id)
{
	struct pando_req *req = pando_reqtab_find(tab, id);

	if (req)
		reqtab_remove(tab, req);
	return req;
}

bool pando_reqtab_cancel(struct pando_reqtab *tab, struct pando_req *req)
{
	if (!req->id)
		return false;
	reqtab_remove(tab, req);
	return true;
}

struct pando_req *pando_reqtab_pop(struct pando_reqtab *tab)
{
	struct pando_req *req = tab->head[true] ?: tab->head[false];

	if (req)
		reqtab_remove(tab, req);
	return req;
}

u64 pando_reqtab_acked(const struct pando_reqtab *tab)
{
	if (tab->head[true])
		return tab->head[true]->id;
	return (tab->seq + 1) << PANDO_REQTAB_SHIFT;
}

void pando_reqtab_each(struct pando_reqtab *tab,
		       void (*fn)(struct pando_req *req, void *arg), void *arg)
{
	unsigned int i;

	for (i = 0; i < PANDO_REQTAB_WINDOW && tab->used; i++)
		if (tab->slot[i])
			fn(tab->slot[i], arg);
}
