// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cluster's clock goes with the namespaces that have it already. Where none
 * has, all nodes start at once, and go by the first of them in number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "cluster.h"
#include "init.h"
#include "log.h"
#include "peer.h"

#define LOG_NAME	"clock"
#define CLOCK_TRIES	4	/* questions to each node; the fastest counts */
#define CLOCK_MS	2000	/* for the first answer; then for each */
#define FAR_NS		1000000000ll

struct sample {
	uint16_t node;		/* 0: nobody */
	bool kept;		/* its namespace is there */
	int64_t took_ns;
	int64_t zero_ns;	/* ours, if its clock is the cluster's */
};

struct agreement {
	int missing;
	int64_t zero_ns;
	struct sample best;
	void (*agreed)(int64_t zero_ns);
};

struct question {
	struct agreement *agreement;
	int left;
	int64_t asked_ns;	/* CLOCK_MONOTONIC: the wall clock may be set */
	struct sample sample;
};

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void finish(struct agreement *a)
{
	const struct sample *s = &a->best;

	/* who has none yet either goes by us, if we are the first */
	if (s->node && (s->kept || s->node < pandod.self)) {
		int64_t off = s->zero_ns - a->zero_ns;

		log_info("clock node=%u behind_us=%lld give_or_take_us=%lld",
			 s->node, (long long)-off / 1000,
			 (long long)s->took_ns / 2000);
		if (off > FAR_NS || off < -FAR_NS)
			log_warn("the wall clock differs from that of %s by "
				 "%lld ms: does a time service run on both?",
				 cluster_name(s->node),
				 (long long)llabs(off) / 1000000);
		a->zero_ns = s->zero_ns;
	}
	a->agreed(a->zero_ns);
	free(a);
}

static void ask(struct question *q);

static bool better(const struct sample *s, const struct sample *than)
{
	if (!than->node || s->kept != than->kept)
		return !than->node || s->kept;
	return s->node < than->node;
}

static bool on_answer(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct question *q = data;
	struct agreement *a = q->agreement;
	int64_t took = read_clock(CLOCK_MONOTONIC) - q->asked_ns;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (!err && f && f->body_case == PANDO__FRAME__BODY_CLOCK) {
		const Pando__Clock *c = f->clock;

		if (!q->sample.took_ns || took < q->sample.took_ns) {
			q->sample.took_ns = took > 0 ? took : 1;
			q->sample.kept = c->kept;
			q->sample.zero_ns = read_clock(CLOCK_REALTIME) -
					    took / 2 - c->now_ns;
		}
		if (--q->left) {
			ask(q);
			return false;
		}
	} else {
		log_info("node %s does not say how late it is: %s",
			 cluster_name(q->sample.node),
			 err ? strerror(-err) : "it talks garbage");
	}
	if (q->sample.took_ns && better(&q->sample, &a->best))
		a->best = q->sample;
	free(q);
	if (--a->missing == 0)
		finish(a);
	return false;
}

static void ask(struct question *q)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_CLOCK);
	Pando__PeerClock p = PANDO__PEER_CLOCK__INIT;

	f.peer_clock = &p;
	q->asked_ns = read_clock(CLOCK_MONOTONIC);
	peer_call(q->sample.node, &f, bound_ms(CLOCK_MS), on_answer, q);
}

void clock_agree(int64_t zero_ns, void (*agreed)(int64_t zero_ns))
{
	struct agreement *a = calloc(1, sizeof(*a));
	const struct state *s = cluster_state();

	if (!a) {
		agreed(zero_ns);
		return;
	}
	a->zero_ns = zero_ns;
	a->agreed = agreed;
	a->missing = 1;		/* ourselves, until all are asked */
	for (unsigned int i = 0; i < s->nmembers; i++) {
		struct question *q;

		if (s->member[i].id == pandod.self)
			continue;
		q = calloc(1, sizeof(*q));
		if (!q)
			continue;
		q->agreement = a;
		q->left = CLOCK_TRIES;
		q->sample.node = s->member[i].id;
		a->missing++;
		ask(q);
	}
	if (--a->missing == 0)
		finish(a);
}

void clock_peer(struct request *r)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_CLOCK);
	Pando__Clock c = PANDO__CLOCK__INIT;

	f.clock = &c;
	c.kept = init_alive();
	c.now_ns = c.kept ? init_clock_ns() :
			    read_clock(CLOCK_REALTIME) -
			    cluster_state()->line.zero_ns;
	request_end(r, &f);
}
