// SPDX-License-Identifier: GPL-2.0-only
/* What the source offers; see offers.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "offers.h"
#include "peer.h"

int offers_make(struct move *m, struct offers *o)
{
	const char *wish = m->start->fabric;
	bool any = !wish || !wish[0] || !strcmp(wish, "auto");
	int n = 0;

	if (!any && !fabric_find(wish))
		return move_fail(m, "no page fabric is called \"%s\"", wish);
	for (int i = 0; fabric_table[i] && n < OFFERS; i++) {
		struct fabric *f;
		uint16_t port = 0;

		if (!any && strcmp(wish, fabric_table[i]->name))
			continue;
		f = fabric_new(fabric_table[i], m->start->token.data,
			       m->start->token.len);
		if (!f)
			return -ENOMEM;
		if (f->ops->probe(f, m->start->peer_addr) ||
		    f->ops->listen(f, m->start->peer_addr, &port)) {
			if (!any)
				move_fail(m, "the %s fabric cannot be used here: %s",
					  wish, f->error);
			fabric_free(f);
			continue;
		}
		o->fabric[n] = f;
		o->port[n++] = port;
	}
	return n ? 0 : move_fail(m, "no page fabric can be used on this node");
}

void offers_text(const struct offers *o, char *text, size_t size)
{
	size_t len = 0;

	*text = 0;
	for (int i = 0; i < OFFERS && o->fabric[i] && len < size; i++)
		len += snprintf(text + len, size - len, "%s %u ",
				o->fabric[i]->ops->name, o->port[i]);
}

int offers_take(struct move *m, struct offers *o, struct fabric **fabric)
{
	struct peer_message msg;
	int limit = m->timeout_ms / 3;

	while (!*fabric) {
		int i, err = peer_expect(m, PEER_TRY, &msg);

		if (err)
			return err;
		for (i = 0; i < OFFERS && o->fabric[i]; i++)
			if (!strcmp(o->fabric[i]->ops->name, (char *)msg.data))
				break;
		peer_free(&msg);
		if (i == OFFERS || !o->fabric[i])
			return move_fail(m, "the target wants a page fabric that was not offered");
		err = o->fabric[i]->ops->accept(o->fabric[i], limit);
		if (err) {
			err = peer_say(m, PEER_DOWN, o->fabric[i]->error);
			if (err)
				return err;
			continue;
		}
		*fabric = o->fabric[i];
		o->fabric[i] = NULL;
		err = peer_say(m, PEER_UP, NULL);
		if (err)
			return err;
	}
	offers_free(o);
	return 0;
}

void offers_free(struct offers *o)
{
	for (int i = 0; i < OFFERS; i++)
		fabric_free(o->fabric[i]);
	*o = (struct offers){ 0 };
}
