// SPDX-License-Identifier: GPL-2.0-only
/* Declaring nodes dead; see expel.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "corosync.h"
#include "expel.h"
#include "init.h"
#include "log.h"
#include "quorum.h"
#include "serve.h"

#define LOG_NAME	"expel"

/* Tools that wait for a node's death. */
struct asker {
	struct asker *next;
	struct request *request;
	uint16_t node;
	uint64_t incarnation;
};

static struct asker *askers;
static sd_event_source *timer;
static bool dying;

/* --- the node itself ---------------------------------------------------------------*/

static void on_destroyed(void)
{
	int err = cluster_detach();

	if (err)
		log_err("the kernel does not detach: %s; restart this node",
			strerror(-err));
	pandod_again(err);
}

void expel_judged(struct state *s)
{
	const struct member *self = state_member(s, pandod.self);
	int err;

	if (!self || !self->expelled || dying)
		return;
	dying = true;
	log_err("this node was declared dead by the others: its cluster "
		"processes, %u, are killed, and it joins anew",
		load_processes());
	quorum_lost();
	pandod.leaving = true;
	err = init_destroy(on_destroyed);
	if (err) {
		log_err("the namespace does not end: %s; what is in it stays "
			"frozen", strerror(-err));
		pandod.leaving = false;
		pandod_leave(1);
	}
}

/* --- the others --------------------------------------------------------------------*/

static void asker_free(struct asker *a)
{
	for (struct asker **p = &askers; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	free(a);
}

static void on_asker_gone(struct request *r)
{
	asker_free(r->data);
}

static void answer(struct asker *a)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DONE);
	Pando__Done d = PANDO__DONE__INIT;

	f.done = &d;
	request_end(a->request, &f);
	asker_free(a);
}

/* Those whose node has died, or is here again. */
static void answer_askers(struct state *s)
{
	struct asker *a, *next;

	for (a = askers; a; a = next) {
		const struct host *h = state_host(s, a->node);

		next = a->next;
		if (!h || h->incarnation != a->incarnation || h->dead) {
			answer(a);
		} else if (!h->condemned) {
			request_fail(a->request, EEXIST, "%s has come back: it "
				     "was not declared dead",
				     cluster_name(a->node));
			asker_free(a);
		}
	}
}

static void send_expel(const struct host *h, bool off)
{
	struct message m = { .type = MESSAGE_EXPEL,
			     .epoch = cluster_state()->epoch };

	m.node = h->id;
	m.incarnation = h->incarnation;
	m.off = off;
	cluster_send(&m);
}

static bool is_first(const struct state *s)
{
	return s->nmembers && s->member[0].id == pandod.self;
}

/*
 * Time to look again: until our patience with a condemned node is over, or
 * until one that is missing is to be condemned.
 */
static uint64_t look(struct state *s)
{
	uint64_t after = bound_ms(1000) * 1000ull *
			 pandod.config.expel_after_s;
	uint64_t next = UINT64_MAX;

	if (s->phase != PHASE_ACTIVE)
		return next;
	for (uint32_t i = 0; i < s->line.nhosts; i++) {
		const struct host *h = &s->line.host[i];
		uint64_t wait, gone;

		if (h->dead || state_member(s, h->id))
			continue;
		wait = quorum_patience_us(h->id);
		gone = quorum_gone_us(h->id);
		if (h->condemned && !wait) {
			/* the round says whether all others see it so, too */
			cluster_barrier();
			continue;
		}
		if (!h->condemned && (!after || !s->quorate))
			continue;
		if (!h->condemned && gone >= after && is_first(s))
			send_expel(h, false);
		if (!h->condemned)
			wait = gone < after ? after - gone : 1000000;
		if (wait < next)
			next = wait;
	}
	return next;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data);

static void arm(struct state *s)
{
	uint64_t wait = look(s);

	timer = sd_event_source_disable_unref(timer);
	if (wait != UINT64_MAX)
		sd_event_add_time_relative(pandod.event, &timer, CLOCK_BOOTTIME,
					   wait + 1000, 1000, on_timer, NULL);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	(void)data;
	arm(cluster_state());
	return 0;
}

void expel_view(struct state *s)
{
	answer_askers(s);
	arm(s);
}

void expel_message(struct state *s, uint16_t from, const struct message *m)
{
	unsigned int todo = state_expel(s, m->epoch, m->node, m->incarnation,
					m->off);

	if (todo & DO_ROUND)
		log_notice("node=%u incarnation=%016llx is to be declared dead"
			   "%s, says node=%u", m->node,
			   (unsigned long long)m->incarnation,
			   m->off ? ", and is known to be off" : "", from);
	else if (todo & DO_VOID)
		log_info("node=%u is not declared dead: the view changed",
			 m->node);
	if (todo & DO_ROUND && m->off)
		cluster_barrier();
	expel_view(s);
}

/* A member or not, by name or number; 0 if there never was such a node. */
static uint16_t find_node(const struct state *s, const char *name)
{
	const struct member *m = cluster_find(name);
	const struct configured *c;
	unsigned long id;
	unsigned int n;
	char *end;

	if (m)
		return m->id;
	c = cluster_configured(&n);
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(c[i].name, name))
			return c[i].id;
	id = strtoul(name, &end, 10);
	return *name && !*end && id <= PANDO_NODE_MAX && state_host(s, id) ?
	       id : 0;
}

void expel_request(struct request *r, const Pando__ExpelRequest *q)
{
	struct state *s = cluster_state();
	uint16_t id = find_node(s, q->node);
	const struct host *h = id ? state_host(s, id) : NULL;
	struct asker *a;

	if (link_cred(r->link)->uid) {
		request_fail(r, EPERM, "only root may do that");
		return;
	}
	if (!h) {
		request_fail(r, ENOENT, "%s was never part of this cluster",
			     q->node);
		return;
	}
	if (state_member(s, id)) {
		request_fail(r, EBUSY, "%s is a member: end it there (pandod "
			     "--shutdown), or switch it off", cluster_name(id));
		return;
	}
	if (s->phase != PHASE_ACTIVE) {
		request_fail(r, EAGAIN, "the view is changing: try again");
		return;
	}
	if (!s->quorate && !q->off) {
		request_fail(r, EAGAIN, "this side has no quorum. If %s is off "
			     "for certain, and all others that are missing: "
			     "--off", cluster_name(id));
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		request_fail(r, ENOMEM, "out of memory");
		return;
	}
	a->request = r;
	a->node = id;
	a->incarnation = h->incarnation;
	a->next = askers;
	askers = a;
	r->data = a;
	r->gone = on_asker_gone;
	if (h->dead && (h->off || !q->off))
		answer(a);
	else
		send_expel(h, q->off);
}
