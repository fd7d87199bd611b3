// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nodes' network: a learning switch over QEMU's stream sockets, where each
 * frame comes after its length (32 bit, big endian).
 *
 *   node1 --- port 1 \
 *   node2 --- port 2  > switch, with a filter (cut) and a delay line (shape)
 *   node3 --- port 3 /
 *
 * A port that is behind has a queue of QUEUE bytes; past it frames are
 * dropped, as a real switch does. Nothing is allocated per frame except while
 * it is held by a delay.
 */
#include "hub.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "loop.h"

#define FRAME_LIMIT	(68 * 1024)
#define QUEUE		(4 * 1024 * 1024)
#define MAC_SLOTS	1024

struct port {
	struct source source;	/* first: port_ready() casts */
	int attached;
	struct queue rx, tx;
	double loss;
	int delay_ms;
	unsigned long frames, bytes, dropped, cut;
};

struct held {
	int64_t due;
	uint64_t seq;		/* frames with one due time stay in order */
	int to;
	uint32_t len;
	char data[];
};

static struct port ports[NODES_MAX + 1];
static char is_cut[NODES_MAX + 1][NODES_MAX + 1];	/* [from][to] */
static struct {
	uint8_t mac[6];
	int port;
} macs[MAC_SLOTS];
static struct held **heap;
static size_t heap_len, heap_cap;
static uint64_t held_seq;

static unsigned int mac_slot(const uint8_t *mac)
{
	return (mac[5] ^ mac[4] << 3 ^ mac[3] << 6 ^ mac[0] << 1) % MAC_SLOTS;
}

void hub_detach(int node)
{
	struct port *p = &ports[node];

	if (!p->attached)
		return;
	p->attached = 0;
	loop_remove(&p->source);
	queue_free(&p->rx);
	queue_free(&p->tx);
}

/* @data starts with the length word, @len counts it. */
static void deliver(int to, const char *data, size_t len)
{
	struct port *p = &ports[to];
	ssize_t n = 0;

	if (!p->attached)
		return;
	if (p->tx.len + len > QUEUE) {
		p->dropped++;
		return;
	}
	p->frames++;
	p->bytes += len;
	if (!p->tx.len) {
		n = send(p->source.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			n = 0;	/* a dead peer shows when we read */
		if ((size_t)n == len)
			return;
	}
	queue_add(&p->tx, data + n, len - n);
	loop_want_write(&p->source, 1);
}

static int before(const struct held *a, const struct held *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void heap_push(struct held *h)
{
	size_t i = heap_len++;

	if (heap_len > heap_cap) {
		heap_cap = heap_len * 2;
		heap = realloc(heap, heap_cap * sizeof(*heap));
		if (!heap)
			abort();
	}
	while (i && before(h, heap[(i - 1) / 2])) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = h;
}

static struct held *heap_pop(void)
{
	struct held *top = heap[0], *last = heap[--heap_len];
	size_t i = 0, kid;

	while ((kid = 2 * i + 1) < heap_len) {
		if (kid + 1 < heap_len && before(heap[kid + 1], heap[kid]))
			kid++;
		if (before(last, heap[kid]))
			break;
		heap[i] = heap[kid];
		i = kid;
	}
	heap[i] = last;
	return top;
}

int hub_tick(void)
{
	int64_t now = now_ms();

	while (heap_len && heap[0]->due <= now) {
		struct held *h = heap_pop();

		deliver(h->to, h->data, h->len);
		free(h);
	}
	return heap_len ? (int)(heap[0]->due - now) : -1;
}

static int lost(double percent)
{
	return percent > 0 && drand48() * 100 < percent;
}

static void pass(int from, int to, const char *data, size_t len)
{
	int delay = ports[from].delay_ms + ports[to].delay_ms;
	struct held *h;

	if (!ports[to].attached || from == to)
		return;
	if (is_cut[from][to]) {
		ports[to].cut++;
		return;
	}
	if (lost(ports[from].loss) || lost(ports[to].loss)) {
		ports[to].dropped++;
		return;
	}
	if (!delay) {
		deliver(to, data, len);
		return;
	}
	h = malloc(sizeof(*h) + len);
	if (!h)
		return;
	h->due = now_ms() + delay;
	h->seq = held_seq++;
	h->to = to;
	h->len = len;
	memcpy(h->data, data, len);
	heap_push(h);
}

static void switch_frame(int from, const char *data, size_t len)
{
	const uint8_t *dst = (const uint8_t *)data + 4, *src = dst + 6;
	unsigned int slot;
	int to;

	if (len < 4 + 14)
		return;
	slot = mac_slot(src);
	if (!(src[0] & 1)) {
		memcpy(macs[slot].mac, src, 6);
		macs[slot].port = from;
	}
	slot = mac_slot(dst);
	if (!(dst[0] & 1) && macs[slot].port && !memcmp(macs[slot].mac, dst, 6)) {
		pass(from, macs[slot].port, data, len);
		return;
	}
	for (to = 1; to <= NODES_MAX; to++)
		pass(from, to, data, len);
}

static void port_ready(struct source *s, int events)
{
	struct port *p = (struct port *)s;
	int node = p - ports, gone = 0;
	uint32_t len;

	if (events & EPOLLOUT)
		gone = queue_flush(&p->tx, s) < 0;
	if (!gone && (events & ~EPOLLOUT))
		gone = queue_fill(&p->rx, s->fd) < 0;
	while (!gone && p->rx.len >= sizeof(len)) {
		memcpy(&len, queue_head(&p->rx), sizeof(len));
		len = ntohl(len);
		if (len > FRAME_LIMIT)
			gone = 1;
		if (gone || p->rx.len < sizeof(len) + len)
			break;
		switch_frame(node, queue_head(&p->rx), sizeof(len) + len);
		queue_drop(&p->rx, sizeof(len) + len);
	}
	if (gone)
		hub_detach(node);
}

void hub_attach(int node, int fd)
{
	struct port *p = &ports[node];

	hub_detach(node);
	p->source = (struct source){ .fd = fd, .ready = port_ready };
	p->attached = 1;
	loop_add(&p->source);
}

void hub_cut(int a, int b)
{
	is_cut[a][b] = 1;
}

void hub_cut_all(int node)
{
	int i;

	for (i = 1; i <= NODES_MAX; i++) {
		is_cut[i][node] = 1;
		is_cut[node][i] = 1;
	}
}

void hub_heal(void)
{
	memset(is_cut, 0, sizeof(is_cut));
}

void hub_shape(int node, double loss, int delay_ms)
{
	ports[node].loss = loss;
	ports[node].delay_ms = delay_ms;
}

void hub_status(int node, char *text, size_t size)
{
	struct port *p = &ports[node];
	size_t n;
	int i;

	n = snprintf(text, size, "frames=%lu bytes=%lu dropped=%lu cut_off=%lu loss=%g delay=%d cut=",
		     p->frames, p->bytes, p->dropped, p->cut, p->loss, p->delay_ms);
	for (i = 1; i <= NODES_MAX && n < size; i++)
		if (is_cut[node][i] && ports[i].attached && i != node)
			n += snprintf(text + n, size - n, "%d,", i);
}
