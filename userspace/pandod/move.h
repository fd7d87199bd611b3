/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moves. The daemon of the node where the process runs leads:
 *
 *	source				target
 *	mover: prepared
 *	MovePrepare		->	memory, RESERVE, mover
 *				<-	MovePrepared
 *	movers talk to each other; frozen, state, memory
 *	source: ready			target: ready (restored, held)
 *	COMMIT, in the group's order; effective once all have noted it
 *	verdict: discard		verdict: resume
 *				<-	running
 *
 * Until COMMIT is sent the source can call it off, and does when the view
 * changes. From then on nobody can: source and target stay frozen until the
 * move is effective, or a view with quorum does not know of it (state.h).
 */
#ifndef PANDOD_MOVE_H
#define PANDOD_MOVE_H

#include "message.h"
#include "pandod.h"

/* --- asked for by tools and daemons (move.c, move_target.c) ---------------*/

void move_request(struct request *r, const Pando__MoveRequest *q);
void move_peer(struct request *r, const Pando__PeerMove *q);
void move_peer_prepare(struct request *r, const Pando__MovePrepare *q);
void move_peer_abort(uint16_t node, const Pando__MoveAbort *a);

/* --- told by cluster.c (move.c) --------------------------------------------*/

/* A round began: the view is over. */
void move_on_round(void);
/* A view is active. Before move_on_decided() of what it commits. */
void move_on_view(bool quorate);
/* A COMMIT was delivered; noted: it may become effective in this view. */
void move_on_commit(const struct message *m, bool noted);
void move_on_decided(const struct move_note *note);
/* Does this node take part in it, and still act on it? */
bool move_in_flight(uint64_t move);

/* --- what a killed mover left (move_left.c) ---------------------------------*/

/* Of this move, whose mover is gone: kill it, or let it go. */
void left_settle(uint64_t move, bool committed);
/* A view with quorum says of every move whether it was committed. */
void left_sweep(void);
/* The groups once more, if the last time something was still dying. */
void left_again(void);
/* A mover that is to settle what it has made may be killed first: look later. */
void left_soon(void);
/* The work directory of a mover that is gone; nothing is done if one lives. */
void left_workdir(const char *path);
/* Of @side "source" or "target". A mover holds a lock on its work directory. */
bool move_mover_lives(uint64_t move, const char *side);

/* --- groups of copies (move_landed.c) ---------------------------------------*/

/* Before the numbers are reserved. */
void landed_make(uint64_t move);
/* Settles what nobody acts on any more. Only in a view with quorum. */
void landed_look(void);
/* The same, in a while: a mover needs a moment to end. */
void landed_soon(void);

/* --- between source and target of this daemon ------------------------------*/

struct mover;
/*
 * Starts pando-move in the namespace with its order. event() gets what it
 * reports and a descriptor or -1 with it, which is its own; gone() is told once
 * when it ended; it is freed after that. @fd goes with the order, if not -1.
 */
struct mover *mover_start(Pando__MoveStart *order, int fd,
			  void (*event)(void *data, Pando__MoveEvent *e,
					int fd),
			  void (*gone)(void *data), void *data);
void mover_verdict(struct mover *m, bool commit);
/* The numbers that it reported are. */
void mover_reserved(struct mover *m);
/* Nothing is called any more; the helper sees its socket end. */
void mover_drop(struct mover *m);

/* Where a move's story goes: to a tool or to the daemon that asked. */
struct move_sink {
	void (*progress)(void *data, Pando__MoveProgress *p);
	void (*done)(void *data, Pando__Move *m);
	void *data;
};

/* The result of a move that another one stands in the way of: for move.c. */
#define MOVE_BUSY	"busy"

/* --- whose turn it is (move_queue.c) -----------------------------------------*/

/* source_start(), as soon as it may. */
void queue_move(const Pando__PeerMove *q, const struct move_sink *sink);
/* Whom @sink_data belongs to does not want it any more: true if it waited. */
bool queue_forget(const void *sink_data);
/* What source_start() has begun is over. */
void queue_left(void);

/* --- the leading side ----------------------------------------------------------*/

/* All four users of every task of them are @uid (move_owner.c). */
bool move_owned_by(const uint32_t *pids, uint32_t n, uid_t uid);

/* Leads a move of a process of this node; done() is called in any case. */
void source_start(const Pando__PeerMove *q, const struct move_sink *sink);
/* The asker went away: the move goes on, unheard. */
void source_forget(void *sink_data);
void source_round(void);
void source_view(bool quorate);
void source_void(uint64_t move);
/* The tasks of a move that this node leads or awaits. */
bool source_pids(uint64_t move, const uint32_t **pids, uint32_t *n);
void source_decided(uint64_t move);
bool source_in_flight(uint64_t move);

void target_round(void);
void target_view(bool quorate);
void target_void(uint64_t move);
bool target_pids(uint64_t move, const uint32_t **pids, uint32_t *n);
void target_decided(uint64_t move);
bool target_in_flight(uint64_t move);
/* Runs here, but its memory is not all in its place yet. */
bool target_filling(uint32_t pid);

#endif
