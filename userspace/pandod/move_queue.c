// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves that leave this node take turns: as many at once as it has processors.
 * More would share them while they are frozen, and all would be frozen longer.
 */
#include <stdlib.h>
#include <unistd.h>

#include "kernel.h"
#include "log.h"
#include "move.h"
#include "worker.h"

#define LOG_NAME	"queue"
#define TELL_MS		10000	/* askers bound the silence of who leads */

struct waiting {
	struct waiting *next;
	Pando__PeerMove *q;
	struct move_sink sink;
	uint16_t location;
	bool forgotten;
};

static struct waiting *first;	/* of those that wait */
static struct waiting *looking;	/* those whose turn it is; in any order */
static unsigned int moving, forgotten;
static sd_event_source *turn, *clock_tick;

static unsigned int at_once(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 1 ? n : 1;
}

static void out_of_memory(void)
{
	log_err("out of memory");
	abort();
}

static Pando__PeerMove *copy(const Pando__PeerMove *q)
{
	size_t len = pando__peer_move__get_packed_size(q);
	uint8_t *buf = malloc(len + 1);
	Pando__PeerMove *c = NULL;

	if (buf) {
		pando__peer_move__pack(q, buf);
		c = pando__peer_move__unpack(NULL, len, buf);
	}
	free(buf);
	if (!c)
		out_of_memory();
	return c;
}

static void tell(const struct waiting *w)
{
	Pando__MoveProgress p = PANDO__MOVE_PROGRESS__INIT;

	p.pid = w->q->pid;
	p.phase = (char *)"waiting";
	if (w->sink.progress)
		w->sink.progress(w->sink.data, &p);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
	(void)usec;
	(void)data;
	forgotten = 0;
	/* who cannot be told may be gone, and others with it */
	for (struct waiting *w = first; w && !forgotten; w = w->next)
		tell(w);
	if (first) {
		sd_event_source_set_time_relative(source, TELL_MS * 1000ull);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	return 0;
}

static void start_tick(void)
{
	if (!clock_tick) {
		sd_event_add_time_relative(pandod.event, &clock_tick,
					   CLOCK_MONOTONIC, TELL_MS * 1000ull,
					   0, on_tick, NULL);
		return;
	}
	sd_event_source_set_time_relative(clock_tick, TELL_MS * 1000ull);
	sd_event_source_set_enabled(clock_tick, SD_EVENT_ONESHOT);
}

static struct waiting **place_of(struct waiting **list, const struct waiting *w)
{
	while (*list && *list != w)
		list = &(*list)->next;
	return list;
}

static void free_waiting(struct waiting *w)
{
	struct waiting **p = place_of(&looking, w);

	if (*p)
		*p = w->next;
	pando__peer_move__free_unpacked(w->q, NULL);
	free(w);
}

static void look(void *data)
{
	struct waiting *w = data;
	uint16_t home;

	/* whatever is wrong, who moves it says so */
	if (pandod.no_kernel ||
	    kernel_locate(w->q->pid, &home, &w->location))
		w->location = pandod.self;
}

/* While it waited it may have gone elsewhere, as a part of another tree. */
static void looked(void *data)
{
	Pando__Move m = PANDO__MOVE__INIT;
	struct waiting *w = data;

	if (w->location == pandod.self && !w->forgotten) {
		source_start(w->q, &w->sink);
		free_waiting(w);
		return;
	}
	queue_left();
	m.pid = w->q->pid;
	m.from = pandod.name;
	m.to = w->q->node;
	m.fabric = w->q->fabric;
	m.result = (char *)MOVE_BUSY;
	m.reason = (char *)"it is not on this node any more";
	if (!w->forgotten && w->sink.done)
		w->sink.done(w->sink.data, &m);
	free_waiting(w);
}

static int on_turn(sd_event_source *source, void *data)
{
	(void)source;
	(void)data;
	while (first && moving < at_once()) {
		struct waiting *w = first;

		first = w->next;
		moving++;
		w->next = looking;
		looking = w;
		if (worker_run(look, looked, w)) {
			w->location = pandod.self;
			looked(w);
		}
	}
	return 0;
}

void queue_move(const Pando__PeerMove *q, const struct move_sink *sink)
{
	struct waiting **p = &first, *w;

	/* who only asks need not wait */
	if (q->why) {
		source_start(q, sink);
		return;
	}
	if (!first && moving < at_once()) {
		/* before: it may be over when this returns */
		moving++;
		source_start(q, sink);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		out_of_memory();
	w->q = copy(q);
	w->sink = *sink;
	if (!first)
		start_tick();
	while (*p)
		p = &(*p)->next;
	*p = w;
	tell(w);
}

bool queue_forget(const void *sink_data)
{
	for (struct waiting *w = looking; w; w = w->next) {
		if (w->sink.data != sink_data)
			continue;
		w->forgotten = true;
		w->sink.data = NULL;
		return true;
	}
	for (struct waiting *w = first; w; w = w->next) {
		if (w->sink.data != sink_data)
			continue;
		*place_of(&first, w) = w->next;
		free_waiting(w);
		forgotten++;
		return true;
	}
	return false;
}

/* The next one starts from the event loop: who ends moves walks their list. */
void queue_left(void)
{
	moving--;
	if (!first)
		return;
	if (!turn)
		sd_event_add_defer(pandod.event, &turn, on_turn, NULL);
	else
		sd_event_source_set_enabled(turn, SD_EVENT_ONESHOT);
}
