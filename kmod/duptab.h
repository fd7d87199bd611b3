/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The requests of one peer that this node executes or has executed, so that
 * one that comes again after a reconnect is not executed again. Pure: the
 * caller holds its own lock around every call, and owns the memory of the
 * entries, which it embeds in its requests.
 *
 *                  begin                  finish, once and not acked
 *   (unknown) --------------> RUNNING ------------------------------> DONE
 *       ^                        |                                      |
 *       +------------------------+  finish: repeatable, or acked        |
 *       +---------------------------------------------------------------+
 *                                   acked, or pop
 */
#ifndef _PANDO_DUPTAB_H
#define _PANDO_DUPTAB_H

#include "pure.h"

#define PANDO_DUPTAB_BUCKETS	256
/*
 * The client has at most PANDO_REQTAB_WINDOW under way, but may give some up
 * that still run here; more than this is refused.
 */
#define PANDO_DUPTAB_RUNNING	512
/* At most PANDO_REQTAB_SPAN are remembered for an honest client. */
#define PANDO_DUPTAB_DONE	1024

enum pando_dup_verdict {
	PANDO_DUP_NEW,		/* execute; the entry is in the table now */
	PANDO_DUP_RUNNING,	/* is being executed; its reply will go out */
	PANDO_DUP_DONE,		/* was executed; send its reply again */
	PANDO_DUP_OLD,		/* acknowledged long ago; drop */
	PANDO_DUP_FULL,		/* too many */
};

/**
 * struct pando_dup - one request
 * @id: given by the peer
 * @once: must not be executed twice
 * @done: was executed, is kept for its reply
 * @next: in its bucket
 */
struct pando_dup {
	u64 id;
	bool once;
	bool done;
	struct pando_dup *next;
};

struct pando_duptab {
	u64 acked;
	unsigned int nr_running;
	unsigned int nr_done;
	struct pando_dup *bucket[PANDO_DUPTAB_BUCKETS];
};

void pando_duptab_init(struct pando_duptab *tab);

/*
 * Takes up @dup under @id. For RUNNING and DONE *@old is the entry that has
 * this id already, and @dup is not used.
 */
enum pando_dup_verdict pando_duptab_begin(struct pando_duptab *tab,
					  struct pando_dup *dup, u64 id,
					  bool once, struct pando_dup **old);

/*
 * @dup was executed (@executed) or refused. True: it stays as DONE, and its
 * reply must be kept with it; false: it has left the table.
 */
bool pando_duptab_finish(struct pando_duptab *tab, struct pando_dup *dup,
			 bool executed);

/*
 * The client has the replies of all once-only requests below @acked: returns
 * a chain (by @next) of the entries that have left the table.
 */
struct pando_dup *pando_duptab_ack(struct pando_duptab *tab, u64 acked);

/* The entry of @id if it is DONE, else NULL. */
struct pando_dup *pando_duptab_find_done(const struct pando_duptab *tab, u64 id);

/* Removes and returns a DONE entry; NULL when there are none left. */
struct pando_dup *pando_duptab_pop(struct pando_duptab *tab);

#endif /* _PANDO_DUPTAB_H */
