/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all daemons of a cluster agree on: the view (epoch, members), who may
 * hand out which PIDs, and which moves happened. Pure: no I/O, no clock, no
 * allocation; the daemon, the unit tests and a simulator feed it the same
 * messages in the same order, and every member comes to the same state.
 *
 * The group's order is total but not safe: one member may see a message that
 * others, cut off a moment later, never see. So nothing takes effect by being
 * delivered. A message is *delivered* (noted), every member *acknowledges* how
 * many it has noted, and it is *effective* once all have: then whoever
 * survives any partition knows of it and carries it into the next view.
 *
 * A round, started by every change of the group or of the quorum:
 *
 *   config   the kernel is stopped. The member with the lowest id multicasts
 *            BEGIN: the epoch it proposes, and a number of the round. (Answers
 *            carry the number: words from before the change come late, and
 *            would be taken for this round's.)
 *   begun    each member multicasts SYNC: itself, and the last view it
 *            adopted, with leases and moves. If the epoch is higher than any
 *            it has seen that is a promise, kept on disk, to take part in no
 *            lower one; else it says what it has seen, and BEGIN comes again.
 *   synced   every SYNC is there: the view follows from them by rules alone,
 *            its leases from the newest lineage among them
 *   adopted  this node's kernel knows members and leases, its quorum is known:
 *            it multicasts ACK. It adopts the view only if it has quorum.
 *   active   every ACK is there. All with quorum: START, life goes on. None:
 *            START with members only; no grants, no moves. Some: a new round.
 *
 * Two quorums have a member in common, and what it promised or adopted is on
 * its disk: so of two views with quorum the later one knows the earlier one,
 * if anybody can have acted on it. (Epochs are ballots, as in Paxos.)
 *
 * A lease has an owner (node and incarnation), who alone may hand its numbers
 * out, and a home, which knows where they run. When the owner is lost another
 * member becomes home and *holds* the block: it hands nothing out, for the
 * owner may be alive beyond a partition. The owner gets the block back when it
 * returns with the same incarnation. When its node returns with a new one the
 * old processes are gone, and the new life owns the block: numbers are not
 * lost. But some may still be guests elsewhere, and their home has to be told
 * first. So it uses them when nobody is missing (every namespace that was ever
 * part of a view is a member now, was made anew or is dead) and all members are
 * ready.
 *
 * A node that never comes back would keep all that waiting. So it can be
 * *expelled*: EXPEL condemns its namespace, and the round that follows declares
 * it dead, if each member says that its patience with that node is over: then
 * the node has frozen its processes (lease.h). Its blocks get new owners, and
 * should that namespace ever say SYNC again, the view does not take it in: the
 * node has to kill what is in it and make a new one. One that comes back before
 * that is reprieved: nothing of what it has was given away. A node that is known
 * to be off needs no patience, and its vote is needed no more.
 */
#ifndef PANDOD_STATE_H
#define PANDOD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pando.h>

#ifndef STATE_MEMBERS_MAX
#define STATE_MEMBERS_MAX	128	/* corosync is sound to a few dozen */
#endif
#define STATE_MOVES_MAX		64
#define STATE_HOSTS_MAX		PANDO_NODE_MAX
#define STATE_ADDR_MAX		46

/* What a member says of itself. */
struct member {
	uint16_t id;
	bool attached;		/* has a cluster namespace */
	uint16_t lease_blocks;	/* wanted at join */
	uint16_t kernel_port, daemon_port;
	uint64_t incarnation;	/* of its namespace */
	char name[PANDO_NAME_MAX];
	char addr[STATE_ADDR_MAX];
	/* agreed on, not said */
	bool synced, ready, quorate;
	bool expelled;		/* its namespace is dead; @attached is false */
	uint32_t acked;
};

#define GRANTED_WHEN_READY	UINT32_MAX

/* One block. Free: home and owner 0. Held: home is not the owner. */
struct lease {
	uint16_t home;
	uint16_t owner;
	uint32_t granting;	/* not to be used before this message is effective */
	uint64_t incarnation;	/* the owner's */
};

/* A namespace that may have guests: the last one known of its node. */
struct host {
	uint16_t id;
	bool condemned;		/* to be dead once nobody has patience left */
	bool off;		/* somebody has seen to it that the node is off */
	bool dead;		/* never to run again */
	uint64_t incarnation;
};

/* A committed move, kept until source and target both said that they know. */
struct move_note {
	uint64_t id;
	uint16_t from, to;
	bool from_knows, to_knows;
	uint32_t op;		/* number of its message; 0 once effective */
};

/* What is handed on from view to view. */
struct lineage {
	uint64_t epoch;		/* of the last adopted view; 0: none yet */
	uint32_t delivered;	/* messages noted in it; the view is the first */
	uint32_t nmoves, nhosts;
	uint64_t lease_version;
	int64_t zero_ns;	/* wall clock at the cluster clock's zero */
	struct lease lease[PANDO_LEASE_BLOCKS];
	struct move_note move[STATE_MOVES_MAX];
	struct host host[STATE_HOSTS_MAX];	/* one a node, in no order */
};

struct sync {
	struct member self;
	uint64_t round;		/* the number in BEGIN */
	bool promised;		/* the epoch in BEGIN */
	uint64_t seen;		/* the highest promised */
	int64_t zero_ns;	/* proposed; used when nobody has a lineage */
	uint16_t nover;		/* nodes that we have no patience with any more */
	uint16_t over[STATE_HOSTS_MAX];
	struct lineage lineage;
};

enum state_phase { PHASE_IDLE, PHASE_CONFIG, PHASE_BEGUN, PHASE_SYNCED,
		   PHASE_ADOPTED, PHASE_ACTIVE };

struct state {
	uint16_t self;
	enum state_phase phase;
	bool quorate;		/* the view is active and has quorum */
	uint64_t seen;		/* highest epoch promised: to be kept on disk */
	uint64_t epoch;		/* of the round's view, from PHASE_SYNCED on */
	uint32_t effective;	/* messages that all members have noted */
	unsigned int behind;	/* members before this one have noted more */
	unsigned int nmembers;
	struct member member[STATE_MEMBERS_MAX];	/* ascending by id */
	uint16_t at[PANDO_NODE_MAX + 1];	/* by id: place in it plus 1 */
	struct lineage line;	/* ours */
	/* in a round */
	uint64_t round;
	struct lineage best;	/* the newest of the SYNCs; then the new view's */
	uint16_t best_from;
	uint64_t proposal;	/* the epoch in BEGIN */
	bool promised, refused;	/* by us; by any member */
	uint64_t highest;	/* seen by any member that answered */
	uint64_t version;
	int64_t zero_ns;
	uint16_t zero_from;
	uint16_t over[PANDO_NODE_MAX + 1];	/* members without patience, by node */
	uint32_t ncondemned;
	struct host condemned[STATE_HOSTS_MAX];	/* by any member */
	uint16_t condemned_at[PANDO_NODE_MAX + 1];	/* by id: place plus 1 */
};

/* What the caller is to do after an input; a set of bits. */
enum state_effect {
	DO_STOP		= 1,	/* kernel: STOP(seen + 1) */
	DO_BEGIN	= 256,	/* send BEGIN(state_proposal(), a new number) */
	DO_SYNC		= 512,	/* put the state on disk, then send SYNC */
	DO_PREPARE	= 2,	/* kernel: MEMBERS, LEASES; then state_adopt() */
	DO_START	= 4,	/* kernel: decided moves, START(epoch) */
	DO_ACK		= 8,	/* send ACK(state_noted()) */
	DO_LEASES	= 16,	/* kernel: LEASES */
	DO_MOVES	= 32,	/* state_next_decided() has something */
	DO_ROUND	= 64,	/* after a pause, send BEGIN for another round */
	DO_VOID		= 128,	/* the message came too late: it has no effect */
};

void state_init(struct state *s, uint16_t self);

/*
 * This node was off itself: who else is, it does not know any more. After the
 * lineage was read from disk, when there is no namespace of before.
 */
void state_forget_off(struct state *s);

/* The group's members changed. Ids in any order. */
unsigned int state_config(struct state *s, const uint16_t *ids, size_t n);
/*
 * BEGIN was delivered: the round that a change waits for, or another one with
 * the same members, asked for by who knew the view @epoch.
 */
unsigned int state_begin(struct state *s, uint64_t epoch, uint64_t round,
			 uint64_t proposal);
uint64_t state_proposal(const struct state *s);

/*
 * Fills in lineage and proposal; the caller has set @sync->self, zero_ns and
 * those that its patience is over with.
 */
void state_make_sync(const struct state *s, struct sync *sync);

/* Inputs, in the group's order; @from is a member of the configuration. */
unsigned int state_sync(struct state *s, uint16_t from, const struct sync *in);
unsigned int state_ack(struct state *s, uint16_t from, uint64_t epoch,
		       uint32_t noted, bool quorate);
unsigned int state_ask(struct state *s, uint16_t from, uint64_t epoch,
		       unsigned int blocks);
unsigned int state_commit(struct state *s, uint64_t epoch, uint64_t move,
			  uint16_t from, uint16_t to);
unsigned int state_ready(struct state *s, uint16_t from, uint64_t epoch);
/* @from has acted on this move: it need not be told any more. */
void state_settled(struct state *s, uint16_t from, uint64_t epoch,
		   uint64_t move);

/*
 * Node @node, as it was in @incarnation, is to be declared dead; @off: it is
 * known to be off. DO_ROUND, or DO_VOID when there is no such namespace, or it
 * is a member, or the view has neither quorum nor the word that it is off.
 */
unsigned int state_expel(struct state *s, uint64_t epoch, uint16_t node,
			 uint64_t incarnation, bool off);

/* The last namespace known of a node, or NULL. */
const struct host *state_host(const struct state *s, uint16_t id);
/*
 * Has everybody who is not a member been declared dead and off? Then the
 * members are all there is, whatever share of the votes they have.
 */
bool state_only_left(const struct state *s);
/*
 * Are all hosts members of the view, or dead? In a view with quorum, whose lineage knows
 * them all, a number that no member reports is then with nobody.
 */
bool state_complete(const struct state *s);

/* This node's kernel is prepared for the view, and its quorum is known. */
void state_adopt(struct state *s, bool quorate);
/* How many messages of this epoch we have noted, for ACK. */
uint32_t state_noted(const struct state *s);

/* The next move that has become effective, or false. */
bool state_next_decided(struct state *s, struct move_note *move);
/*
 * Is this move known to have been committed? For a move that was undecided
 * when a view ended; asked after DO_START of a view with quorum.
 */
bool state_committed(const struct state *s, uint64_t move);
/* The first move from place *@at on that this node has not settled. */
bool state_next_unsettled(const struct state *s, uint32_t *at,
			  struct move_note *move);

struct member *state_member(struct state *s, uint16_t id);
/* The kernel's map, PANDO_LEASE_BLOCKS entries: of the view being prepared, or
 * of the adopted one. */
void state_map(const struct state *s, uint16_t *map);
/* Home of a PID in the adopted view; 0 for nobody. */
uint16_t state_home(const struct state *s, uint32_t pid);
/* Blocks that @id owns, also those whose numbers it may not use yet. */
unsigned int state_blocks(const struct state *s, uint16_t id);
/* What holds after every input; for tests. */
bool state_sane(const struct state *s);

#endif
