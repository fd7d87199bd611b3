// SPDX-License-Identifier: GPL-2.0-only
/* The lease on quorum and the patience with others; see lease.h. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "corosync.h"
#include "init.h"
#include "log.h"
#include "quorum.h"

#define LOG_NAME	"quorum"
#define NS_PER_MS	1000000ull

static struct qlease lease;
static struct patience patience;
static uint64_t synced;		/* when the round's SYNC was sent */
static uint64_t told;		/* pando-init's idea of the lease's end */
static bool unbroken;		/* since the last view there was always quorum */
static sd_event_source *timer;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void quorum_open(void)
{
	unsigned int ms = pandod.config.quorum_lease_ms;

	/*
	 * While corosync finds out that a node is gone nothing is delivered: a
	 * lease has to outlive that, with room for a machine that is busy.
	 */
	if (!ms)
		ms = 2 * membership_detection_ms();
	lease.length = bound_ms(ms) * NS_PER_MS;
	patience.length = patience_of(lease.length);
	log_info("lease=%ums patience=%llums", bound_ms(ms),
		 (unsigned long long)(patience.length / NS_PER_MS));
}

static void tell(void)
{
	/* each word wakes pando-init: a little later is soon enough */
	if (lease.until == told ||
	    (lease.until > told && lease.until - told < lease.length / 16))
		return;
	told = lease.until;
	init_lease(told, lease.length);
}

void quorum_config(const uint16_t *ids, size_t n)
{
	patience_config(&patience, ids, n, now_ns());
}

void quorum_over(struct sync *sync)
{
	uint64_t now = now_ns();

	sync->nover = 0;
	for (unsigned int id = 1; id <= PANDO_NODE_MAX; id++)
		if (patience_over(&patience, id, now))
			sync->over[sync->nover++] = id;
}

uint64_t quorum_patience_us(uint16_t node)
{
	uint64_t now = now_ns();

	if (patience_over(&patience, node, now))
		return 0;
	return (patience.since[node] + patience.length - now) / 1000 + 1;
}

uint64_t quorum_gone_us(uint16_t node)
{
	return patience.since[node] ? (now_ns() - patience.since[node]) / 1000 :
				      0;
}

void quorum_synced(void)
{
	synced = now_ns();
}

int quorum_of(struct state *s)
{
	uint16_t ids[STATE_MEMBERS_MAX];
	int quorate;

	for (unsigned int i = 0; i < s->nmembers; i++)
		ids[i] = s->member[i].id;
	quorate = membership_quorate(ids, s->nmembers);
	if (quorate == QUORATE_BY_DEVICE)
		quorate = unbroken;
	return quorate ? quorate : state_only_left(s);
}

/* --- pulses ----------------------------------------------------------------------*/

static void send_pulse(void)
{
	struct message m = { .type = MESSAGE_PULSE,
			     .epoch = cluster_state()->epoch };
	struct heard heard[LEASE_PEERS];

	m.pulse = qlease_send(&lease, now_ns());
	m.heard = heard;
	for (unsigned int i = 0; i < lease.npeers; i++)
		heard[m.count++] = (struct heard){ lease.peer[i].id,
						   lease.peer[i].heard };
	cluster_send(&m);
	tell();
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)usec;
	(void)data;
	send_pulse();
	sd_event_source_set_time_relative(source, lease.length / LEASE_PULSES /
					  1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

void quorum_pulse(struct state *s, uint16_t from, const struct message *m)
{
	if (m->epoch != s->epoch || s->phase != PHASE_ACTIVE ||
	    from == pandod.self)
		return;
	for (uint32_t i = 0; i < m->count; i++)
		if (m->heard[i].node == pandod.self)
			qlease_hear(&lease, from, m->pulse, m->heard[i].pulse);
	tell();
}

/* --- views -----------------------------------------------------------------------*/

/* Those of the members; what others have counts only in the sum. */
static void count(struct state *s, struct votes *v, unsigned int *have)
{
	membership_votes(v);
	*have = 0;
	for (unsigned int i = 0; i < s->nmembers; i++)
		*have += membership_node_votes(s->member[i].id);
	/*
	 * Who was off may be back, with any one of those who are left: together
	 * they may have quorum without the rest.
	 */
	if (state_only_left(s) && !votes_quorate(v, *have))
		*v = (struct votes){ *have, 1 };
}

void quorum_lost(void)
{
	timer = sd_event_source_disable_unref(timer);
	qlease_end(&lease);
	tell();
}

void quorum_view(struct state *s, bool known)
{
	struct votes votes;
	unsigned int have;

	unbroken = s->quorate;
	if (pandod.standalone) {
		/* nobody else could ever act; pando-init may be a new one */
		lease.until = UINT64_MAX;
		told = 0;
		tell();
		return;
	}
	count(s, &votes, &have);
	if (!known || (!s->quorate && !votes_blocking(&votes, have))) {
		if (known && told)
			log_warn("no quorum: the cluster's processes on this "
				 "node are frozen");
		quorum_lost();
		return;
	}
	if (!lease.until)
		log_notice("the cluster's processes on this node may run");
	qlease_view(&lease, &votes, membership_node_votes(pandod.self));
	for (unsigned int i = 0; i < s->nmembers; i++)
		if (s->member[i].id != pandod.self)
			qlease_peer(&lease, s->member[i].id,
				    membership_node_votes(s->member[i].id));
	/* the view is there because all members had our SYNC */
	qlease_all_heard(&lease, synced);
	tell();
	timer = sd_event_source_disable_unref(timer);
	sd_event_add_time_relative(pandod.event, &timer, CLOCK_BOOTTIME, 0, 0,
				   on_timer, NULL);
}

bool quorum_frozen(void)
{
	return init_alive() && told != UINT64_MAX && told <= now_ns();
}
