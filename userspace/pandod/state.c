// SPDX-License-Identifier: GPL-2.0-only
/* What all daemons of a cluster agree on; the rules are told in state.h. */
#include <string.h>

#include "state.h"

void state_init(struct state *s, uint16_t self)
{
	memset(s, 0, sizeof(*s));
	s->self = self;
}

struct member *state_member(struct state *s, uint16_t id)
{
	return id <= PANDO_NODE_MAX && s->at[id] ? &s->member[s->at[id] - 1] :
						   NULL;
}

/* Members with a namespace can be home or owner, others only listen. */
static struct member *attached(struct state *s, uint16_t id)
{
	struct member *m = id ? state_member(s, id) : NULL;

	return m && m->attached ? m : NULL;
}

void state_forget_off(struct state *s)
{
	for (uint32_t i = 0; i < s->line.nhosts; i++)
		s->line.host[i].off = false;
}

static void drop_condemned(struct state *s)
{
	while (s->ncondemned)
		s->condemned_at[s->condemned[--s->ncondemned].id] = 0;
}

/* The view is over; the next one starts from nothing but the SYNCs. */
static void new_round(struct state *s)
{
	for (unsigned int i = 0; i < s->nmembers; i++) {
		struct member *m = &s->member[i];

		m->synced = m->ready = m->quorate = false;
		m->acked = 0;
	}
	s->quorate = false;
	s->effective = s->behind = 0;
	memset(&s->best, 0, sizeof(s->best));
	s->best_from = 0;
	s->zero_from = 0;
	s->highest = 0;
	s->refused = false;
	s->version = 0;
	drop_condemned(s);
	memset(s->over, 0, sizeof(s->over));
}

unsigned int state_config(struct state *s, const uint16_t *ids, size_t n)
{
	struct member old[STATE_MEMBERS_MAX];
	bool here[PANDO_NODE_MAX + 1] = { false };

	memcpy(old, s->member, s->nmembers * sizeof(*old));
	s->nmembers = 0;
	for (size_t i = 0; i < n; i++)
		if (ids[i] <= PANDO_NODE_MAX)
			here[ids[i]] = true;
	for (uint16_t id = 1; id <= PANDO_NODE_MAX; id++) {
		unsigned int was = s->at[id];

		s->at[id] = 0;
		if (!here[id] || s->nmembers == STATE_MEMBERS_MAX)
			continue;
		/* names and addresses serve until the SYNC is there */
		s->member[s->nmembers] = was ? old[was - 1] :
					       (struct member){ .id = id };
		s->at[id] = ++s->nmembers;
	}
	new_round(s);
	s->phase = PHASE_CONFIG;
	return s->nmembers && s->member[0].id == s->self ? DO_STOP | DO_BEGIN :
							   DO_STOP;
}

uint64_t state_proposal(const struct state *s)
{
	return (s->highest > s->seen ? s->highest : s->seen) + 1;
}

unsigned int state_begin(struct state *s, uint64_t epoch, uint64_t round,
			 uint64_t proposal)
{
	unsigned int todo = DO_SYNC;

	if (s->phase != PHASE_CONFIG) {
		/* all members are in a round, or know the same epoch */
		if (s->phase < PHASE_SYNCED || epoch != s->epoch)
			return 0;
		todo |= DO_STOP;
	}
	new_round(s);
	s->phase = PHASE_BEGUN;
	s->round = round;
	s->proposal = proposal;
	s->promised = proposal > s->seen;
	if (s->promised)
		s->seen = proposal;
	return todo;
}

void state_make_sync(const struct state *s, struct sync *sync)
{
	sync->round = s->round;
	sync->promised = s->promised;
	sync->seen = s->seen;
	sync->lineage = s->line;
}

static bool newer(const struct lineage *a, const struct lineage *b)
{
	return a->epoch != b->epoch ? a->epoch > b->epoch :
				      a->delivered > b->delivered;
}

/* Holders are spread by the number of the block: all compute alike. */
static uint16_t heir(const struct state *s, unsigned int block)
{
	unsigned int n = 0, pick;

	for (unsigned int i = 0; i < s->nmembers; i++)
		n += s->member[i].attached;
	if (!n)
		return 0;
	pick = block % n;
	for (unsigned int i = 0; i < s->nmembers; i++)
		if (s->member[i].attached && !pick--)
			return s->member[i].id;
	return 0;
}

static struct host *host_of(struct lineage *v, uint16_t id)
{
	for (uint32_t i = 0; i < v->nhosts; i++)
		if (v->host[i].id == id)
			return &v->host[i];
	return NULL;
}

static bool is_dead(struct lineage *v, uint16_t id)
{
	const struct host *h = host_of(v, id);

	return h && h->dead;
}

static void give(struct lease *l, const struct member *m)
{
	l->home = l->owner = m->id;
	l->incarnation = m->incarnation;
	l->granting = GRANTED_WHEN_READY;
}

static void pass_on(struct state *s, unsigned int block)
{
	struct lease *l = &s->best.lease[block];
	struct member *owner, *home;

	/* the view itself grants what some member had noted, once in force */
	if (l->granting && l->granting != GRANTED_WHEN_READY)
		l->granting = 1;
	if (!l->owner)
		return;
	owner = attached(s, l->owner);
	home = attached(s, l->home);
	if (owner && owner->incarnation == l->incarnation) {
		l->home = l->owner;
	} else if (owner) {
		/* a new life of that node; guests may still use the numbers */
		give(l, owner);
	} else if (!home) {
		uint16_t h = heir(s, block);

		home = attached(s, h);
		if (h)
			l->home = h;
	}
	/* who is home of what a dead one had is its owner from now on */
	if (!owner && home && is_dead(&s->best, l->owner))
		give(l, home);
}

/* The view that is being prepared, or the adopted one. */
static const struct lineage *current(const struct state *s)
{
	return s->phase == PHASE_SYNCED ? &s->best : &s->line;
}

/* A namespace made anew takes the place of its node's last one, which is gone. */
static void note_host(struct lineage *v, const struct member *m)
{
	struct host *h = host_of(v, m->id);

	if (!h)
		h = &v->host[v->nhosts++];
	*h = (struct host){ .id = m->id, .incarnation = m->incarnation };
}

bool state_complete(const struct state *s)
{
	const struct lineage *v = current(s);
	unsigned int present = 0, hosts = 0;

	/* members are hosts, each once */
	for (unsigned int i = 0; i < s->nmembers; i++)
		present += s->member[i].attached;
	for (uint32_t i = 0; i < v->nhosts; i++)
		hosts += !v->host[i].dead;
	return hosts == present;
}

const struct host *state_host(const struct state *s, uint16_t id)
{
	const struct lineage *v = current(s);

	for (uint32_t i = 0; i < v->nhosts; i++)
		if (v->host[i].id == id)
			return &v->host[i];
	return NULL;
}

static bool is_member(const struct state *s, uint16_t id)
{
	return id <= PANDO_NODE_MAX && s->at[id];
}

bool state_only_left(const struct state *s)
{
	const struct lineage *v = current(s);
	unsigned int gone = 0;

	for (uint32_t i = 0; i < v->nhosts; i++) {
		if (is_member(s, v->host[i].id))
			continue;
		if (!v->host[i].dead || !v->host[i].off)
			return false;
		gone++;
	}
	return gone;
}

/* Blocks whose numbers @id hands out now, or as soon as all know. */
static unsigned int usable(const struct lineage *v, uint16_t id)
{
	unsigned int n = 0;

	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++)
		n += v->lease[b].owner == id &&
		     v->lease[b].granting != GRANTED_WHEN_READY;
	return n;
}

unsigned int state_blocks(const struct state *s, uint16_t id)
{
	const struct lineage *line = current(s);
	unsigned int n = 0;

	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++)
		n += line->lease[b].owner == id;
	return n;
}

/* The lowest free blocks; returns how many there were. Block 0 is no lease. */
static unsigned int grant(struct lineage *line, const struct member *m,
			  unsigned int blocks, uint32_t op)
{
	unsigned int given = 0;

	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS && given < blocks; b++) {
		struct lease *l = &line->lease[b];

		if (l->owner)
			continue;
		l->home = m->id;
		l->owner = m->id;
		l->incarnation = m->incarnation;
		l->granting = op;
		given++;
	}
	return given;
}

/*
 * Nothing is free any more, and this member has nothing: those who have the
 * most give up a block each, until all have about the same. What runs under its
 * numbers stays where it is, as a guest.
 */
static void share(struct state *s, const struct member *m)
{
	struct lineage *v = &s->best;
	unsigned int have = 0;

	while (have < m->lease_blocks) {
		struct member *rich = NULL;
		unsigned int most = have + 1, b;

		for (unsigned int i = 0; i < s->nmembers; i++) {
			unsigned int n = usable(v, s->member[i].id);

			if (s->member[i].attached && n > most) {
				most = n;
				rich = &s->member[i];
			}
		}
		for (b = PANDO_LEASE_BLOCKS - 1; rich && b; b--)
			if (v->lease[b].owner == rich->id &&
			    v->lease[b].granting <= 1)
				break;
		if (!rich || !b)
			return;
		give(&v->lease[b], m);
		have++;
	}
}

/* Every member with a namespace has numbers to begin with. */
static void supply(struct state *s)
{
	struct lineage *v = &s->best;
	uint16_t owned[PANDO_NODE_MAX + 1] = { 0 };
	uint16_t usable_now[PANDO_NODE_MAX + 1] = { 0 };

	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++) {
		owned[v->lease[b].owner]++;
		if (v->lease[b].granting != GRANTED_WHEN_READY)
			usable_now[v->lease[b].owner]++;
	}
	for (unsigned int i = 0; i < s->nmembers; i++) {
		struct member *m = &s->member[i];

		if (!m->attached)
			continue;
		if (!owned[m->id]) {
			if (!grant(v, m, m->lease_blocks, 1))
				share(s, m);
		} else if (!usable_now[m->id] && !state_complete(s)) {
			/* what it owns it waits for */
			grant(v, m, 1, 1);
		}
	}
}

/* What the SYNCs say of who is to be dead becomes true, or is over. */
static void judge(struct state *s)
{
	struct lineage *v = &s->best;

	for (uint32_t i = 0; i < s->ncondemned; i++) {
		const struct host *c = &s->condemned[i];
		struct host *h = host_of(v, c->id);

		if (!h || h->incarnation != c->incarnation)
			continue;
		h->condemned = true;
		h->off |= c->off;
	}
	for (uint32_t i = 0; i < v->nhosts; i++) {
		struct host *h = &v->host[i];
		struct member *m = state_member(s, h->id);

		if (h->condemned && !h->dead && !m)
			h->dead = h->off || s->over[h->id] == s->nmembers;
		else if (!h->dead)
			h->condemned = h->off = false;	/* it is here */
		if (m && h->dead && m->incarnation == h->incarnation) {
			m->expelled = true;
			m->attached = false;
		}
	}
}

/* The dead need not be told of their moves, and who is told of all is done. */
static void settle_the_dead(struct lineage *v)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < v->nmoves; i++) {
		struct move_note m = v->move[i];

		m.from_knows |= is_dead(v, m.from);
		m.to_knows |= is_dead(v, m.to);
		if (m.op || !m.from_knows || !m.to_knows)
			v->move[kept++] = m;
	}
	v->nmoves = kept;
}

/* Every SYNC is there: the view follows. */
static unsigned int compute(struct state *s)
{
	struct lineage *v = &s->best;

	judge(s);
	settle_the_dead(v);
	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++)
		pass_on(s, b);
	s->epoch = s->proposal;
	s->phase = PHASE_SYNCED;
	for (unsigned int i = 0; i < s->nmembers; i++) {
		struct member *m = &s->member[i];

		if (m->attached)
			note_host(v, m);
	}
	supply(s);
	if (!v->epoch)
		v->zero_ns = s->zero_ns;
	v->epoch = s->epoch;
	v->delivered = 1;
	v->lease_version = s->version + 1;
	/* what some member had noted is committed by the view itself */
	for (uint32_t i = 0; i < v->nmoves; i++)
		v->move[i].op = v->move[i].op ? 1 : 0;
	return DO_PREPARE;
}

static void note_condemned(struct state *s, const struct lineage *l)
{
	for (uint32_t i = 0; i < l->nhosts; i++) {
		const struct host *h = &l->host[i];
		uint16_t *at = &s->condemned_at[h->id];

		if (!h->condemned)
			continue;
		/* in lineages of one epoch a node has one incarnation */
		if (*at) {
			s->condemned[*at - 1].off |= h->off;
		} else {
			s->condemned[s->ncondemned++] = *h;
			*at = s->ncondemned;
		}
	}
}

unsigned int state_sync(struct state *s, uint16_t from, const struct sync *in)
{
	struct member *m = state_member(s, from);

	if (!m || s->phase != PHASE_BEGUN || in->round != s->round ||
	    in->self.id != from)
		return 0;
	*m = in->self;
	m->synced = true;
	m->ready = m->quorate = m->expelled = false;
	m->acked = 0;
	for (unsigned int i = 0; i < in->nover; i++)
		s->over[in->over[i]]++;
	if (in->seen > s->highest)
		s->highest = in->seen;
	s->refused |= !in->promised;
	if (in->lineage.lease_version > s->version)
		s->version = in->lineage.lease_version;
	/* an old word of one who did not see what came of it does not count */
	if (in->lineage.epoch > s->best.epoch)
		drop_condemned(s);
	if (in->lineage.epoch >= s->best.epoch)
		note_condemned(s, &in->lineage);
	if (!s->best_from || newer(&in->lineage, &s->best) ||
	    (!newer(&s->best, &in->lineage) && from < s->best_from)) {
		s->best = in->lineage;
		s->best_from = from;
	}
	if (!s->zero_from || from < s->zero_from) {
		s->zero_ns = in->zero_ns;
		s->zero_from = from;
	}
	for (unsigned int i = 0; i < s->nmembers; i++)
		if (!s->member[i].synced)
			return 0;
	if (!s->refused)
		return compute(s);
	/* somebody knows of later epochs: again, with a higher one */
	s->phase = PHASE_CONFIG;
	return s->member[0].id == s->self ? DO_BEGIN : 0;
}

void state_adopt(struct state *s, bool quorate)
{
	if (s->phase != PHASE_SYNCED)
		return;
	if (quorate)
		s->line = s->best;
	/* whom we see is not off, whatever was said, and without quorum too */
	for (uint32_t i = 0; i < s->line.nhosts; i++)
		if (is_member(s, s->line.host[i].id))
			s->line.host[i].off = false;
	s->phase = PHASE_ADOPTED;
}

uint32_t state_noted(const struct state *s)
{
	/* without quorum there is the view and nothing else */
	return s->line.epoch == s->epoch ? s->line.delivered : 1;
}

/*
 * Messages take effect in the view that they belong to: one without quorum that
 * comes later has a count of its own, and an adopted view before it may never have
 * come into force.
 */
static bool is_effective(const struct state *s, uint32_t op)
{
	return s->line.epoch == s->epoch && op <= s->effective;
}

/* What became effective beyond the view itself. */
static unsigned int advance(struct state *s)
{
	unsigned int todo = 0;

	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++) {
		struct lease *l = &s->line.lease[b];

		if (l->granting && is_effective(s, l->granting)) {
			l->granting = 0;
			todo |= DO_LEASES;
		}
	}
	if (todo)
		s->line.lease_version++;
	for (uint32_t i = 0; i < s->line.nmoves; i++) {
		uint32_t op = s->line.move[i].op;

		if (op && is_effective(s, op))
			todo |= DO_MOVES;
	}
	return todo;
}

unsigned int state_ack(struct state *s, uint16_t from, uint64_t epoch,
		       uint32_t noted, bool quorate)
{
	struct member *m = state_member(s, from);
	uint32_t least = UINT32_MAX;
	unsigned int all = 0, todo = 0;

	if (!m || epoch != s->epoch ||
	    (s->phase != PHASE_ADOPTED && s->phase != PHASE_ACTIVE &&
	     s->phase != PHASE_SYNCED))
		return 0;
	if (noted > m->acked)
		m->acked = noted;
	m->quorate = quorate;
	if (s->phase == PHASE_SYNCED)
		return 0;
	while (s->behind < s->nmembers &&
	       s->member[s->behind].acked > s->effective)
		s->behind++;
	if (s->behind < s->nmembers)
		return 0;
	s->behind = 0;
	for (unsigned int i = 0; i < s->nmembers; i++) {
		if (s->member[i].acked < least)
			least = s->member[i].acked;
		all += s->member[i].quorate;
	}
	s->effective = least;
	if (s->phase == PHASE_ADOPTED) {
		if (all && all < s->nmembers)
			return DO_ROUND;
		s->phase = PHASE_ACTIVE;
		s->quorate = all;
		todo |= DO_START;
		if (all) {
			/* what is new to us may be handed out from now on */
			s->line.lease_version++;
			todo |= DO_LEASES;
		}
	}
	return s->quorate ? todo | advance(s) : todo;
}

unsigned int state_ask(struct state *s, uint16_t from, uint64_t epoch,
		       unsigned int blocks)
{
	struct member *m = attached(s, from);

	/* noted only in an active view: there, all members note the same */
	if (!m || epoch != s->epoch || s->phase != PHASE_ACTIVE || !s->quorate)
		return DO_VOID;
	s->line.delivered++;
	if (!grant(&s->line, m, blocks, s->line.delivered))
		return DO_ACK | DO_VOID;
	s->line.lease_version++;
	return DO_ACK | DO_LEASES;
}

unsigned int state_commit(struct state *s, uint64_t epoch, uint64_t move,
			  uint16_t from, uint16_t to)
{
	struct lineage *line = &s->line;

	if (epoch != s->epoch || s->phase != PHASE_ACTIVE || !s->quorate ||
	    !attached(s, from) || !attached(s, to) || from == to)
		return DO_VOID;
	line->delivered++;
	if (line->nmoves == STATE_MOVES_MAX)
		return DO_ACK | DO_VOID;
	line->move[line->nmoves++] = (struct move_note){
		.id = move, .from = from, .to = to, .op = line->delivered,
	};
	return DO_ACK;
}

unsigned int state_ready(struct state *s, uint16_t from, uint64_t epoch)
{
	struct member *m = state_member(s, from);
	unsigned int todo = 0;

	/* said after START, so all members are in the view by now */
	if (!m || epoch != s->epoch || s->phase != PHASE_ACTIVE)
		return 0;
	m->ready = true;
	for (unsigned int i = 0; i < s->nmembers; i++)
		if (s->member[i].attached && !s->member[i].ready)
			return 0;
	if (!s->quorate || !state_complete(s))
		return 0;
	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++) {
		if (s->line.lease[b].granting != GRANTED_WHEN_READY)
			continue;
		s->line.lease[b].granting = 0;
		todo = DO_LEASES;
	}
	if (todo)
		s->line.lease_version++;
	return todo;
}

unsigned int state_expel(struct state *s, uint64_t epoch, uint16_t node,
			 uint64_t incarnation, bool off)
{
	struct host *h = host_of(&s->line, node);

	if (epoch != s->epoch || s->phase != PHASE_ACTIVE || !h ||
	    h->incarnation != incarnation || is_member(s, node) ||
	    (!s->quorate && !off))
		return DO_VOID;
	/* a dead one may turn out to be off as well */
	if (h->dead && (h->off || !off))
		return 0;
	h->condemned = true;
	h->off |= off;
	return DO_ROUND;
}

void state_settled(struct state *s, uint16_t from, uint64_t epoch,
		   uint64_t move)
{
	struct lineage *line = &s->line;

	/* outside of an active view it is said again in the next one */
	if (epoch != s->epoch || s->phase != PHASE_ACTIVE || !s->quorate)
		return;
	for (uint32_t i = 0; i < line->nmoves; i++) {
		struct move_note *m = &line->move[i];

		if (m->id != move || m->op)
			continue;
		m->from_knows |= m->from == from;
		m->to_knows |= m->to == from;
		if (m->from_knows && m->to_knows) {
			line->nmoves--;
			memmove(m, m + 1, (line->nmoves - i) * sizeof(*m));
		}
		return;
	}
}

bool state_next_decided(struct state *s, struct move_note *move)
{
	for (uint32_t i = 0; i < s->line.nmoves; i++) {
		struct move_note *m = &s->line.move[i];

		if (m->op && is_effective(s, m->op)) {
			m->op = 0;
			*move = *m;
			return true;
		}
	}
	return false;
}

bool state_next_unsettled(const struct state *s, uint32_t *at,
			  struct move_note *move)
{
	for (; *at < s->line.nmoves; (*at)++) {
		const struct move_note *m = &s->line.move[*at];

		if (!m->op && ((m->from == s->self && !m->from_knows) ||
			       (m->to == s->self && !m->to_knows))) {
			*move = *m;
			(*at)++;
			return true;
		}
	}
	return false;
}

bool state_committed(const struct state *s, uint64_t move)
{
	for (uint32_t i = 0; i < s->line.nmoves; i++)
		if (s->line.move[i].id == move)
			return !s->line.move[i].op ||
			       is_effective(s, s->line.move[i].op);
	return false;
}

void state_map(const struct state *s, uint16_t *map)
{
	const struct lineage *line = current(s);

	map[0] = 0;
	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++) {
		const struct lease *l = &line->lease[b];
		const struct lease *was = &s->line.lease[b];

		map[b] = l->home;
		if (!l->home)
			continue;
		if (l->home != l->owner || l->granting)
			map[b] |= PANDO_LEASE_HELD;
		/*
		 * A view in preparation may never become active: until it is,
		 * others may give to somebody else what it gives to us.
		 */
		if (line == &s->best && l->owner == s->self &&
		    (was->owner != l->owner || was->granting ||
		     was->home != was->owner ||
		     was->incarnation != l->incarnation))
			map[b] |= PANDO_LEASE_HELD;
	}
}

uint16_t state_home(const struct state *s, uint32_t pid)
{
	uint32_t b = pid >> PANDO_LEASE_SHIFT;

	return b && b < PANDO_LEASE_BLOCKS ? s->line.lease[b].home : 0;
}

bool state_sane(const struct state *s)
{
	if (s->line.lease[0].home || s->line.lease[0].owner)
		return false;
	for (unsigned int b = 1; b < PANDO_LEASE_BLOCKS; b++)
		if (!s->line.lease[b].home != !s->line.lease[b].owner)
			return false;
	return s->line.nhosts <= STATE_HOSTS_MAX;
}
