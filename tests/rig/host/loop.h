/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIG_LOOP_H
#define RIG_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define NODES_MAX	64	/* nodes are 1..NODES_MAX; 0 is nobody */

/* Something to wait for. Its owner embeds it and may free it in ready(). */
struct source {
	int fd;
	int writable;		/* wait for room to write, too */
	void (*ready)(struct source *s, int events);
};

void loop_add(struct source *s);
/* Closes the descriptor as well. */
void loop_remove(struct source *s);
void loop_want_write(struct source *s, int writable);
/* Waits at most @ms and serves one source. */
void loop_once(int ms);

int64_t now_ms(void);

/* A byte queue that grows. */
struct queue {
	char *data;
	size_t at, len, cap;
};

void queue_add(struct queue *q, const void *data, size_t len);
void queue_drop(struct queue *q, size_t len);
void queue_free(struct queue *q);
static inline char *queue_head(struct queue *q)
{
	return q->data + q->at;
}

/* Sends what the socket takes; 0, or -1 when the peer is gone. */
int queue_flush(struct queue *q, struct source *s);
/* Reads once; the number of bytes, 0 for none now, -1 when the peer is gone. */
int queue_fill(struct queue *q, int fd);

#endif
