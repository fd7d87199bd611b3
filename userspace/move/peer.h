/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control connection between the two movers of one move.
 *
 *	source					target
 *	PLAN  tasks, files, memory, offers ->
 *					<-	CLOCK, some times
 *	CLOCK time			->
 *					<-	PLAN_OK, or ABORT with the reason
 *					<-	TRY fabric
 *	(accept)				(connect)
 *	UP or DOWN with the reason	->
 *					<-	READY_TO_FREEZE
 *	SEGMENTS			->	if there are any
 *	MAP round, runs			->	as many as it takes; it runs
 *	  ... pages over the fabric ...
 *					<-	MAP_DONE round
 *	  ... criu freezes and dumps ...
 *	SEGMENTS			->	as they are now
 *	MAP the last one		->	fetched now, or after it runs
 *	IMAGE name, bytes		->	as many as there are
 *	KIN relations (kin.h)		->
 *	STATE stamps, tasks		->
 *	  ... restore; pages over the fabric ...
 *					<-	HELD
 *	  ... both daemons say commit ...
 *	COMMITTED			->
 *					<-	RESUMED
 *	  ... post-copy: more pages over the fabric ...
 *					<-	FILLED
 *
 * PING goes both ways whenever nothing else has been said for a while: the
 * silence of a peer is then its death.
 *
 * ABORT is an order until HELD. After it each side waits for its own daemon,
 * and ABORT is a question, which a side that has lost its daemon asks the
 * other. That one answers when its daemon has told it: ABORTED, or COMMITTED
 * and RESUMED. If it has lost its own too, ABORTED says "nor did I commit, and
 * now I never will". So neither acts on a guess while one of the two daemons
 * lives.
 */
#ifndef PEER_H
#define PEER_H

#include "move.h"

/*
 * To be counted up with every change of what follows, of pages.h or of the
 * images: two versions find out before anything stands still.
 */
#define PEER_VERSION	7

enum peer_type {
	PEER_PLAN = 1, PEER_PLAN_OK, PEER_TRY, PEER_UP, PEER_DOWN,
	PEER_READY_TO_FREEZE, PEER_IMAGE, PEER_STATE, PEER_HELD,
	PEER_COMMITTED, PEER_RESUMED, PEER_ABORT, PEER_ABORTED, PEER_PING,
	PEER_KIN, PEER_MAP, PEER_MAP_DONE, PEER_FILLED, PEER_CLOCK,
	PEER_SEGMENTS,
};

struct peer_message {
	enum peer_type type;
	size_t len;
	uint8_t *data;		/* NUL behind it; peer_free() */
};

/* STATE, followed by the tasks' numbers, le32 each */
struct peer_state {
	uint64_t frozen_ns;	/* in the source's time */
	uint64_t clock_ns;	/* what their clock showed, at most */
	uint32_t images;
	uint32_t tasks;
};

/*
 * MAP, followed by runs of pages that the target fetches ahead of the process,
 * or forgets. A round is complete before the next one comes; the last is the
 * one in the freeze, and is not answered. It may be a lazy one: what it lists
 * is old, and comes only when the process runs or asks for it.
 */
#define PEER_MESSAGE_MAX	(16u << 20)	/* bytes behind a header */
enum { PEER_MAP_LAST = 1, PEER_MAP_LAZY = 2 };
struct peer_map {
	uint32_t round;
	uint32_t last;
};
#define PEER_MAP_DROP	0x80000000u
/*
 * Not of a process: pid is the place in the list of SEGMENTS, addr where in it.
 * These never come lazily: nobody could be told that one is asked for.
 */
#define PEER_MAP_SEGMENT	0x40000000u
struct peer_map_run {
	uint64_t addr;
	uint32_t pages;
	uint32_t pid;		/* | PEER_MAP_DROP */
};

/*
 * SEGMENTS: all of the SysV shared memory that the tree has attached, before a
 * MAP names pages of it. The list only grows; what is not attached any more is
 * GONE. The one with LAST is from the freeze, and says how they are now.
 */
enum { PEER_SEGMENT_GONE = 1, PEER_SEGMENT_LAST = 2 };
#define PEER_SEGMENTS_MAX	4096u
struct peer_segment {
	uint64_t size;
	uint32_t id;
	uint32_t key;
	uint32_t mode;		/* as IPC_STAT has it, with SHM_DEST and SHM_LOCKED */
	uint32_t uid, gid;
	uint32_t cuid, cgid;
	uint32_t huge;		/* log2 of its pages' size, or 0 */
	uint32_t flags;
	uint32_t pad;
};

/* MAP_DONE */
struct peer_map_done {
	uint32_t round;
	uint32_t pad;
	uint64_t bytes;		/* that travelled, in all rounds */
};

int peer_listen(struct move *m, uint16_t *port);	/* returns the socket */
int peer_accept(struct move *m, int listener);
int peer_connect(struct move *m);

int peer_send(struct move *m, enum peer_type type, const void *data,
	      size_t len);
/* Many small pieces follow: full packets, until it is off again. */
void peer_cork(struct move *m, int on);
int peer_say(struct move *m, enum peer_type type, const char *text);
/* Only the header: what follows is @len bytes that the caller sends. */
int peer_send_header(struct move *m, enum peer_type type, uint64_t len);
/*
 * One message. An IMAGE comes with its data unread: len says how much there
 * is.
 */
int peer_recv(struct move *m, struct peer_message *msg);
void peer_free(struct peer_message *msg);
/*
 * Waits for one message of @type, or of any with 0. ABORT and the daemon's
 * word end the wait.
 */
int peer_expect(struct move *m, enum peer_type type, struct peer_message *msg);

/*
 * The source's clock, as near as the wire tells: figures of both sides are in
 * its time from then on (m->skew_ns).
 */
int peer_clock(struct move *m);

/* Takes one message of those that may come once the tree is frozen. */
int peer_hear(struct move *m);
/*
 * Waits for the cluster's decision: 0 is commit. While our daemon lives it
 * brings that, however long the cluster takes to agree; who has lost it asks
 * the other side. @pump waits a while and takes what comes.
 */
int peer_decide(struct move *m, int (*pump)(void *arg), void *arg);

/* Ping where due. -ETIMEDOUT when the peer has been silent for too long. */
int peer_tick(struct move *m);
/* How long to sleep at most, so that peer_tick() comes in time. */
int peer_tick_ms(const struct move *m);

#endif
