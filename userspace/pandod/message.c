// SPDX-License-Identifier: GPL-2.0-only
/* The group's messages in bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

/* Writes; counts on even when there is no room, so that it can be sized. */
struct writer {
	uint8_t *at;
	size_t len;
};

static void put(struct writer *w, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++, w->len++)
		if (w->at)
			w->at[w->len] = v >> (8 * i);
}

static void put_bytes(struct writer *w, const void *p, size_t n)
{
	if (w->at)
		memcpy(w->at + w->len, p, n);
	w->len += n;
}

/* Reads; once it ran dry everything is zero and bad is set. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static uint64_t get(struct reader *r, int bytes)
{
	uint64_t v = 0;

	if (r->left < (size_t)bytes) {
		r->bad = true;
		r->left = 0;
		return 0;
	}
	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)r->at[i] << (8 * i);
	r->at += bytes;
	r->left -= bytes;
	return v;
}

/* A string of a fixed field; always ends with a NUL. */
static void get_string(struct reader *r, char *p, size_t n)
{
	if (r->left < n) {
		r->bad = true;
		r->left = 0;
		return;
	}
	memcpy(p, r->at, n);
	p[n - 1] = 0;
	r->at += n;
	r->left -= n;
}

static void put_sync(struct writer *w, const struct sync *s)
{
	const struct lineage *l = &s->lineage;
	uint32_t used = 0;

	put(w, s->self.id, 2);
	put(w, s->self.attached, 1);
	put(w, s->self.lease_blocks, 2);
	put(w, s->self.kernel_port, 2);
	put(w, s->self.daemon_port, 2);
	put(w, s->self.incarnation, 8);
	put_bytes(w, s->self.name, sizeof(s->self.name));
	put_bytes(w, s->self.addr, sizeof(s->self.addr));
	put(w, s->round, 8);
	put(w, s->promised, 1);
	put(w, s->seen, 8);
	put(w, s->zero_ns, 8);
	put(w, l->epoch, 8);
	put(w, l->delivered, 4);
	put(w, l->lease_version, 8);
	put(w, l->zero_ns, 8);
	/* free blocks, most of them, are left out */
	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++)
		used += l->lease[b].owner != 0;
	put(w, used, 4);
	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++) {
		const struct lease *x = &l->lease[b];

		if (!x->owner)
			continue;
		put(w, b, 2);
		put(w, x->home, 2);
		put(w, x->owner, 2);
		put(w, x->granting, 4);
		put(w, x->incarnation, 8);
	}
	put(w, l->nmoves, 4);
	for (uint32_t i = 0; i < l->nmoves; i++) {
		put(w, l->move[i].id, 8);
		put(w, l->move[i].from, 2);
		put(w, l->move[i].to, 2);
		put(w, l->move[i].from_knows, 1);
		put(w, l->move[i].to_knows, 1);
		put(w, l->move[i].op, 4);
	}
	put(w, l->nhosts, 2);
	for (uint32_t i = 0; i < l->nhosts; i++) {
		put(w, l->host[i].id, 2);
		put(w, l->host[i].incarnation, 8);
		put(w, l->host[i].condemned | l->host[i].off << 1 |
		       l->host[i].dead << 2, 1);
	}
	put(w, s->nover, 2);
	for (uint32_t i = 0; i < s->nover; i++)
		put(w, s->over[i], 2);
}

/* One for each node at most: the rules count on it. */
static void get_hosts(struct reader *r, struct lineage *l)
{
	bool seen[PANDO_NODE_MAX + 1] = { false };
	uint32_t n = get(r, 2);

	if (n > STATE_HOSTS_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct host *h = &l->host[i];
		uint8_t flags;

		h->id = get(r, 2);
		h->incarnation = get(r, 8);
		flags = get(r, 1);
		h->condemned = flags & 1;
		h->off = flags & 2;
		h->dead = flags & 4;
		if (!h->id || h->id > PANDO_NODE_MAX || seen[h->id]) {
			r->bad = true;
			return;
		}
		seen[h->id] = true;
		l->nhosts = i + 1;
	}
}

static void get_over(struct reader *r, struct sync *s)
{
	bool seen[PANDO_NODE_MAX + 1] = { false };
	uint32_t n = get(r, 2);

	if (n > STATE_HOSTS_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		uint16_t id = get(r, 2);

		if (!id || id > PANDO_NODE_MAX || seen[id]) {
			r->bad = true;
			return;
		}
		seen[id] = true;
		s->over[s->nover++] = id;
	}
}

static void get_sync(struct reader *r, struct sync *s)
{
	struct lineage *l = &s->lineage;
	uint32_t n;

	s->self.id = get(r, 2);
	s->self.attached = get(r, 1);
	s->self.lease_blocks = get(r, 2);
	s->self.kernel_port = get(r, 2);
	s->self.daemon_port = get(r, 2);
	s->self.incarnation = get(r, 8);
	get_string(r, s->self.name, sizeof(s->self.name));
	get_string(r, s->self.addr, sizeof(s->self.addr));
	s->round = get(r, 8);
	s->promised = get(r, 1);
	s->seen = get(r, 8);
	s->zero_ns = get(r, 8);
	l->epoch = get(r, 8);
	l->delivered = get(r, 4);
	l->lease_version = get(r, 8);
	l->zero_ns = get(r, 8);
	n = get(r, 4);
	while (n-- && !r->bad) {
		uint16_t b = get(r, 2);
		struct lease x = { .home = get(r, 2) };

		x.owner = get(r, 2);
		x.granting = get(r, 4);
		x.incarnation = get(r, 8);
		if (!b || b >= PANDO_LEASE_BLOCKS || !x.home || !x.owner ||
		    x.home > PANDO_NODE_MAX || x.owner > PANDO_NODE_MAX)
			r->bad = true;
		else
			l->lease[b] = x;
	}
	n = get(r, 4);
	if (n > STATE_MOVES_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct move_note *m = &l->move[i];

		m->id = get(r, 8);
		m->from = get(r, 2);
		m->to = get(r, 2);
		m->from_knows = get(r, 1);
		m->to_knows = get(r, 1);
		m->op = get(r, 4);
		l->nmoves = i + 1;
	}
	get_hosts(r, l);
	get_over(r, s);
}

static void put_message(struct writer *w, const struct message *m)
{
	put(w, m->type, 1);
	put(w, MESSAGE_VERSION, 1);
	put(w, m->epoch, 8);
	switch (m->type) {
	case MESSAGE_SYNC:
		put_sync(w, m->sync);
		break;
	case MESSAGE_ACK:
		put(w, m->count, 4);
		put(w, m->quorate, 1);
		break;
	case MESSAGE_ASK:
		put(w, m->count, 4);
		break;
	case MESSAGE_COMMIT:
		put(w, m->move, 8);
		put(w, m->from, 2);
		put(w, m->to, 2);
		put(w, m->origin, 2);
		put(w, m->count, 4);
		for (uint32_t i = 0; i < m->count; i++)
			put(w, m->pids[i], 4);
		break;
	case MESSAGE_SETTLED:
		put(w, m->move, 8);
		break;
	case MESSAGE_BEGIN:
		put(w, m->round, 8);
		put(w, m->proposal, 8);
		break;
	case MESSAGE_EXPEL:
		put(w, m->node, 2);
		put(w, m->incarnation, 8);
		put(w, m->off, 1);
		break;
	case MESSAGE_PULSE:
		put(w, m->pulse, 8);
		put(w, m->count, 2);
		for (uint32_t i = 0; i < m->count; i++) {
			put(w, m->heard[i].node, 2);
			put(w, m->heard[i].pulse, 8);
		}
		break;
	case MESSAGE_READY:
		break;
	}
}

uint8_t *message_encode(const struct message *m, size_t *len)
{
	struct writer w = { NULL, 0 };

	put_message(&w, m);
	w.at = malloc(w.len);
	if (!w.at)
		return NULL;
	w.len = 0;
	put_message(&w, m);
	*len = w.len;
	return w.at;
}

int message_decode(const uint8_t *buf, size_t len, struct message *m)
{
	struct reader r = { buf, len, false };

	memset(m, 0, sizeof(*m));
	m->type = get(&r, 1);
	if (get(&r, 1) != MESSAGE_VERSION)
		return r.bad ? -EPROTO : -EPROTONOSUPPORT;
	m->epoch = get(&r, 8);
	switch (m->type) {
	case MESSAGE_SYNC:
		m->sync = calloc(1, sizeof(*m->sync));
		if (!m->sync)
			return -ENOMEM;
		get_sync(&r, m->sync);
		break;
	case MESSAGE_ACK:
		m->count = get(&r, 4);
		m->quorate = get(&r, 1);
		break;
	case MESSAGE_ASK:
		m->count = get(&r, 4);
		break;
	case MESSAGE_COMMIT:
		m->move = get(&r, 8);
		m->from = get(&r, 2);
		m->to = get(&r, 2);
		m->origin = get(&r, 2);
		m->count = get(&r, 4);
		if (m->count > PANDO_MOVE_PIDS_MAX || r.left != m->count * 4ul)
			return -EPROTO;
		m->pids = calloc(m->count + 1, sizeof(*m->pids));
		if (!m->pids)
			return -ENOMEM;
		for (uint32_t i = 0; i < m->count; i++)
			m->pids[i] = get(&r, 4);
		break;
	case MESSAGE_SETTLED:
		m->move = get(&r, 8);
		break;
	case MESSAGE_BEGIN:
		m->round = get(&r, 8);
		m->proposal = get(&r, 8);
		break;
	case MESSAGE_EXPEL:
		m->node = get(&r, 2);
		m->incarnation = get(&r, 8);
		m->off = get(&r, 1);
		if (!m->node || m->node > PANDO_NODE_MAX)
			return -EPROTO;
		break;
	case MESSAGE_PULSE:
		m->pulse = get(&r, 8);
		m->count = get(&r, 2);
		if (m->count > STATE_MEMBERS_MAX || r.left != m->count * 10ul)
			return -EPROTO;
		m->heard = calloc(m->count + 1, sizeof(*m->heard));
		if (!m->heard)
			return -ENOMEM;
		for (uint32_t i = 0; i < m->count; i++) {
			m->heard[i].node = get(&r, 2);
			m->heard[i].pulse = get(&r, 8);
		}
		break;
	case MESSAGE_READY:
		break;
	default:
		return -EPROTO;
	}
	if (r.bad || r.left) {
		message_free(m);
		return -EPROTO;
	}
	return 0;
}

void message_free(struct message *m)
{
	free(m->pids);
	free(m->sync);
	free(m->heard);
	m->pids = NULL;
	m->heard = NULL;
	m->sync = NULL;
}
