// SPDX-License-Identifier: GPL-2.0-only
/* See port_test.h. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_test.h"
#include "../../userspace/move/dpdk_port.h"

#define PORTS	4
#define QUEUE	512
#define FRAME	9014

struct frame {
	size_t len;
	uint8_t data[FRAME];
};

struct port {
	bool used;
	unsigned int first, count;
	struct frame queue[QUEUE];
};

struct port_test port_test;
static struct port ports[PORTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int seed = 1;

static bool chance(unsigned int of_1000)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % 1000 < of_1000;
}

static int port_open(const char *args, void **port, char *why, size_t size)
{
	int i;

	(void)args;
	pthread_mutex_lock(&lock);
	for (i = 0; i < PORTS && ports[i].used; i++)
		;
	if (i < PORTS) {
		ports[i].used = true;
		ports[i].count = 0;
		*port = &ports[i];
	}
	pthread_mutex_unlock(&lock);
	snprintf(why, size, "too many ports");
	return i < PORTS ? 0 : -ENODEV;
}

static void port_mac(void *port, uint8_t mac[6])
{
	memset(mac, 0, 6);
	mac[5] = (struct port *)port - ports + 1;
}

static size_t port_frame_max(void *port)
{
	(void)port;
	return port_test.frame_max ? port_test.frame_max : FRAME;
}

static void put(struct port *p, const uint8_t *data, size_t len)
{
	struct frame *f, *before, swap;

	if (p->count == QUEUE)
		return;
	f = &p->queue[(p->first + p->count++) % QUEUE];
	f->len = len;
	memcpy(f->data, data, len);
	if (p->count < 2 || !chance(port_test.late))
		return;
	before = &p->queue[(p->first + p->count - 2) % QUEUE];
	swap = *f;
	*f = *before;
	*before = swap;
}

static void put_garbage(struct port *p, const uint8_t *data, size_t len)
{
	uint8_t bad[FRAME];
	size_t n = len;

	memcpy(bad, data, len);
	switch (rand() % 4) {
	case 0:		/* another session */
		bad[24 + rand() % 8] ^= 1 + rand() % 255;
		break;
	case 1:		/* another type, magic, or receiver */
		bad[rand() % 2 ? rand() % 6 : 12 + rand() % 2] ^= 1;
		break;
	case 2:		/* cut off */
		n = rand() % 64;
		break;
	default:
		for (size_t i = 0; i < len; i++)
			bad[i] = rand();
	}
	put(p, bad, n);
}

static int port_send(void *port, const void *head, size_t headlen,
		     const void *body, size_t len)
{
	uint8_t data[FRAME];

	if (headlen + len > sizeof(data))
		return -EAGAIN;
	memcpy(data, head, headlen);
	if (len)
		memcpy(data + headlen, body, len);
	len += headlen;
	if (port_test.pass_max && len > port_test.pass_max)
		return 0;
	pthread_mutex_lock(&lock);
	for (struct port *p = ports; p < ports + PORTS; p++) {
		if (!p->used || p == port)
			continue;
		if (chance(port_test.garbage))
			put_garbage(p, data, len);
		if (chance(port_test.lose))
			continue;
		put(p, data, len);
		if (chance(port_test.repeat))
			put(p, data, len);
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

static void port_flush(void *port)
{
	(void)port;
}

static unsigned int port_receive(void *port, unsigned int most,
				 void (*fn)(void *arg, const uint8_t *frame,
					    size_t len), void *arg)
{
	struct port *p = port;
	struct frame f;
	unsigned int n;

	for (n = 0; n < most; n++) {
		uint8_t *exact;

		pthread_mutex_lock(&lock);
		if (!p->count) {
			pthread_mutex_unlock(&lock);
			break;
		}
		f = p->queue[p->first];
		p->first = (p->first + 1) % QUEUE;
		p->count--;
		pthread_mutex_unlock(&lock);
		/* so that AddressSanitizer knows where it ends */
		exact = malloc(f.len);
		memcpy(exact, f.data, f.len);
		fn(arg, exact, f.len);
		free(exact);
	}
	return n;
}

static void port_close(void *port)
{
	((struct port *)port)->used = false;
}

extern const struct dpdk_port pando_dpdk_port;

const struct dpdk_port pando_dpdk_port = {
	.abi = DPDK_PORT_ABI,
	.open = port_open,
	.mac = port_mac,
	.frame_max = port_frame_max,
	.send = port_send,
	.flush = port_flush,
	.receive = port_receive,
	.close = port_close,
};
