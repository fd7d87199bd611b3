// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passes frames between clients and the agent of their node, and turns a
 * node that died or fell silent into a F_LOST for each client: a client never
 * waits for what cannot come. What is buffered here is bounded by the windows
 * of the streams (see proto.h).
 */
#include "mux.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>

#include "loop.h"
#include "proto.h"

#define GREET_AGAIN_MS	500

struct client {
	struct source source;	/* first: client_ready() casts */
	struct queue rx, tx;
	int node, chan;
	int started, ending;
};

struct agent {
	struct source source;	/* first: agent_ready() casts */
	struct queue rx, tx;
	int attached, up;
	uint64_t nonce;
	int64_t greeted, heard;
	struct client *clients[CHANNELS_MAX];
	int next_chan, busy;
};

static struct agent agents[NODES_MAX + 1];

static void add_frame(struct queue *q, int type, int chan, const void *data, size_t len)
{
	struct frame f = { .len = len, .type = type, .chan = chan };

	queue_add(q, &f, sizeof(f));
	queue_add(q, data, len);
}

static void agent_send(struct agent *a, int type, int chan, const void *data, size_t len)
{
	add_frame(&a->tx, type, chan, data, len);
	queue_flush(&a->tx, &a->source);
}

static void greet(struct agent *a)
{
	struct hello h = { 0 };
	struct timespec ts;

	if (!a->nonce)
		(void)!getrandom(&a->nonce, sizeof(a->nonce), 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	h.nonce = a->nonce;
	h.sec = ts.tv_sec;
	h.nsec = ts.tv_nsec;
	(void)!getrandom(h.seed, sizeof(h.seed), 0);
	a->greeted = now_ms();
	agent_send(a, F_HELLO, 0, &h, sizeof(h));
}

static void client_free(struct client *c)
{
	struct agent *a = &agents[c->node];

	if (c->chan >= 0 && a->clients[c->chan] == c) {
		a->clients[c->chan] = NULL;
		a->busy--;
	}
	loop_remove(&c->source);
	queue_free(&c->rx);
	queue_free(&c->tx);
	free(c);
}

/* The client hears of it and is let go once it has read that. */
static void client_end(struct client *c, int type, const void *data, size_t len)
{
	struct agent *a = &agents[c->node];

	if (c->chan >= 0) {
		a->clients[c->chan] = NULL;
		a->busy--;
		c->chan = -1;
	}
	c->ending = 1;
	add_frame(&c->tx, type, 0, data, len);
	if (queue_flush(&c->tx, &c->source) < 0 || !c->tx.len)
		client_free(c);
}

static void client_lost(struct client *c, const char *why)
{
	client_end(c, F_LOST, why, strlen(why));
}

static void from_agent(struct agent *a, const struct frame *f, const char *data)
{
	struct client *c;
	uint64_t nonce;

	if (f->type == F_HELLO_ACK && f->len == sizeof(nonce)) {
		memcpy(&nonce, data, sizeof(nonce));
		a->up = a->up || nonce == a->nonce;
		return;
	}
	if (!a->up || f->chan >= CHANNELS_MAX)
		return;
	c = a->clients[f->chan];
	if (!c || f->type == F_PONG)
		return;
	if (f->type == F_EXIT) {
		client_end(c, F_EXIT, data, f->len);
		return;
	}
	add_frame(&c->tx, f->type, 0, data, f->len);
	queue_flush(&c->tx, &c->source);
}

static void agent_ready(struct source *s, int events)
{
	struct agent *a = (struct agent *)s;
	int gone = 0;
	struct frame f;

	if (events & EPOLLOUT)
		gone = queue_flush(&a->tx, s) < 0;
	if (!gone && (events & ~EPOLLOUT))
		gone = queue_fill(&a->rx, s->fd) < 0;
	a->heard = now_ms();
	while (!gone && a->rx.len >= sizeof(f)) {
		memcpy(&f, queue_head(&a->rx), sizeof(f));
		gone = f.len > FRAME_MAX;
		if (gone || a->rx.len < sizeof(f) + f.len)
			break;
		from_agent(a, &f, queue_head(&a->rx) + sizeof(f));
		queue_drop(&a->rx, sizeof(f) + f.len);
	}
	if (gone)
		mux_detach(a - agents, "power gone");
}

void mux_attach(int node, int fd)
{
	struct agent *a = &agents[node];

	mux_detach(node, "started anew");
	memset(a, 0, sizeof(*a));
	a->source = (struct source){ .fd = fd, .ready = agent_ready };
	a->attached = 1;
	a->heard = now_ms();
	loop_add(&a->source);
	greet(a);
}

void mux_detach(int node, const char *why)
{
	struct agent *a = &agents[node];
	int i;

	if (!a->attached)
		return;
	a->attached = 0;
	a->up = 0;
	for (i = 0; i < CHANNELS_MAX; i++)
		if (a->clients[i])
			client_lost(a->clients[i], why);
	loop_remove(&a->source);
	queue_free(&a->rx);
	queue_free(&a->tx);
}

int mux_is_up(int node)
{
	return agents[node].up;
}

void mux_tick(int lost_after_ms)
{
	int64_t now = now_ms();
	int node, i;

	for (node = 1; node <= NODES_MAX; node++) {
		struct agent *a = &agents[node];

		if (!a->attached)
			continue;
		if (!a->up && now - a->greeted >= GREET_AGAIN_MS && !a->tx.len)
			greet(a);	/* a cold boot has nobody to read the first */
		if (!a->up || !a->busy) {
			a->heard = now;
			continue;
		}
		if (now - a->heard > lost_after_ms) {
			for (i = 0; i < CHANNELS_MAX; i++)
				if (a->clients[i])
					client_lost(a->clients[i], "does not answer");
		} else if (now - a->heard > lost_after_ms / 4 && !a->tx.len) {
			agent_send(a, F_PING, 0, NULL, 0);
		}
	}
}

static int start(struct client *c)
{
	struct agent *a = &agents[c->node];
	int i;

	if (!a->up)
		return -1;
	/* Round about, so that a late frame finds no new owner of its number. */
	for (i = 0; i < CHANNELS_MAX; i++) {
		int chan = a->next_chan++ % CHANNELS_MAX;

		if (!a->clients[chan]) {
			if (!a->busy++)
				a->heard = now_ms();
			a->clients[chan] = c;
			c->chan = chan;
			c->started = 1;
			return 0;
		}
	}
	return -1;
}

/* Returns -1 when the client is no more. */
static int client_parse(struct client *c)
{
	struct frame f;

	while (!c->ending && c->rx.len >= sizeof(f)) {
		memcpy(&f, queue_head(&c->rx), sizeof(f));
		if (f.len > FRAME_MAX) {
			client_lost(c, "protocol error");
			return -1;
		}
		if (c->rx.len < sizeof(f) + f.len)
			break;
		if (!c->started && start(c) < 0) {
			client_lost(c, agents[c->node].attached ?
				    "is not up yet, or has no channel free" : "is not running");
			return -1;
		}
		agent_send(&agents[c->node], f.type, c->chan,
			   queue_head(&c->rx) + sizeof(f), f.len);
		queue_drop(&c->rx, sizeof(f) + f.len);
	}
	return 0;
}

static void client_ready(struct source *s, int events)
{
	struct client *c = (struct client *)s;
	int gone = 0;

	if (events & EPOLLOUT)
		gone = queue_flush(&c->tx, s) < 0 || (c->ending && !c->tx.len);
	if (!gone && (events & ~EPOLLOUT))
		gone = queue_fill(&c->rx, s->fd) < 0;
	if (gone) {
		if (c->chan >= 0)
			agent_send(&agents[c->node], F_CLOSE, c->chan, NULL, 0);
		client_free(c);
		return;
	}
	client_parse(c);
}

void mux_client(int node, int fd, const char *data, size_t len)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->source = (struct source){ .fd = fd, .ready = client_ready };
	c->node = node;
	c->chan = -1;
	loop_add(&c->source);
	queue_add(&c->rx, data, len);
	client_parse(c);
}
