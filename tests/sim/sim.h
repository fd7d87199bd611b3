/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cluster in one process, in virtual time, from a seed. What is tested is
 * the product's own code: userspace/pandod/{state,message,lease}.c and
 * kmod/{pidspace,directory,epoch,reqtab,duptab}.c. What stands around it is
 * modelled:
 *
 *	workload.c, faults.c	processes that fork, exit, move, are looked up;
 *				nodes that crash, stop, part and meet again
 *	daemon.c, moves.c	pandod/{cluster,move*}.c: between group and kernel
 *	quorum.c		pandod/{quorum,expel}.c, and the guard of pando-init
 *	group.c			corosync: rings, agreed order, cpg, votequorum
 *	kernel.c, lookup.c,	kmod/{alloc,locate,node,recover,rpc}.c over tasks that
 *	recover.c, rpc.c	are no more than a number
 *	kin.c, walk.c		kmod/{kin,stub_life}.c: parents, children elsewhere
 *	check.c			the invariants, and the trace
 *	event.c			virtual time, randomness
 *	figures.c		sizes, for the bench
 *	shrink.c		a smaller way to the same violation
 *
 * The models are to be as unkind as the real thing may be, and in the same
 * order of steps; where one of those files changes, its model has to follow.
 */
#ifndef _TESTS_SIM_H
#define _TESTS_SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory.h"
#include "duptab.h"
#include "epoch.h"
#include "lease.h"
#include "message.h"
#include "pidspace.h"
#include "reqtab.h"
#include "state.h"

#define MS		1000ull		/* virtual time is in microseconds */
#define SECOND		(1000 * MS)
#define NODES_MAX	1023
#define MANY		16	/* from here on things are done in batches */
#define MOVE_TASKS	4
#define PIDS_A_MESSAGE	24		/* few, so that reports take several */

/* --- planted bugs, in the models only ---------------------------------------- */

enum bug {
	BUG_NONE,
	/* against the rules of leases and moves */
	BUG_SKIP_ACK,		/* granted blocks are used before all know */
	BUG_HEIR_ALLOCATES,	/* HELD is ignored */
	BUG_FORGET_AWAY,	/* what was on a node that is gone is forgotten */
	BUG_DOUBLE_COMMIT,	/* the target runs once COMMIT is delivered */
	/* against those of the directory: locate.c has to know better, too */
	BUG_EARLY_PURGE,	/* a report forgets before all others are in */
	BUG_BLIND_PURGE,	/* it forgets though nodes are missing */
	BUG_EARLY_UNRESERVE,	/* a move is called off before its copy is gone */
	BUG_STALE_HOME,		/* AWAY is kept where home is not any more */
	BUG_LATE_GONE,		/* what an end means is asked after the fact */
	BUG_GONE_TWICE,		/* GONE is executed again after a reconnect */
	BUG_OLD_REPORT,		/* a report goes out in the view after its own */
	BUG_HASTY_GRIEF,	/* AWAY on a node that has died is believed */
	BUG_LONG_WAIT,		/* a wait on a node that is gone does not end */
	/* against those of quorum and of the dead */
	BUG_LATE_FREEZE,	/* the guard is slower than anybody's patience */
	BUG_UNHEARD_PULSE,	/* a pulse renews the lease as soon as it is sent */
	BUG_IMPATIENT,		/* who is not here is dead */
	BUG_BLIND_THAW,		/* quorum is enough, whoever is in the view */
	BUG_LIE,		/* a node is said to be off that is not */
	BUG_SMALL_QUORUM,	/* who was off has no votes when he is back */
	BUG_OLD_OFF,		/* who was off itself believes that others are */
	BUG_NO_WAIT,		/* nodes that were off go on among themselves */
	BUG_REVENANT,		/* who was declared dead is taken in all the same */
	/* against those of exit statuses */
	BUG_STATUS_LOST,	/* who is away when it is to be told never is */
	BUG_TOLD_TWICE,		/* what comes again is executed again */
	BUG_RASH_GRIEF,		/* a minority takes those for dead whom it does not hear of */
	BUG_EARLY_GRIEF,	/* who is lost is looked up before a view's moves */
	BUG_MERCY,		/* who counts as dead may come back and live */
	BUGS
};

/* --- event.c --------------------------------------------------------------------- */

struct node;

/* Something that many hold: bytes of the group, or a kernel's message. */
struct msg {
	unsigned int refs;
	size_t len;
	struct message *decoded;	/* the first who reads it does it for all */
	uint8_t data[];
};

typedef void (*event_fn)(struct node *n, struct msg *m, u64 a, u64 b);

/* An event dies with what it belongs to, and waits while its host is paused. */
enum scope { WORLD, HOST, DAEMON };

void event_init(u64 seed);
void event_exit(void);
void event_at(u64 delay, enum scope scope, struct node *n, event_fn fn,
	      struct msg *m, u64 a, u64 b);
bool event_run_one(void);
void event_resume(struct node *n);	/* those that waited */
u64 rnd(u64 n);				/* 0..n-1 */
bool chance(unsigned int percent);
u64 delay(u64 most);			/* mostly short, sometimes long */
struct msg *msg_new(size_t len);
struct msg *msg_get(struct msg *m);
void msg_put(struct msg *m);

/* --- group.c ------------------------------------------------------------------------ */

struct daemon_id {
	u16 node;
	u32 gen;
};

enum entry_kind { ENTRY_MSG, ENTRY_JOIN, ENTRY_LEAVE, ENTRY_RING, ENTRY_CONFIG };

/* In a ring's log, an outbox, or a daemon's inbox. */
struct entry {
	enum entry_kind kind;
	struct daemon_id from;
	u64 ring;
	struct msg *msg;	/* or the members, as struct daemon_id[] */
};

struct entries {
	struct entry *v;
	size_t n, cap, head;
};

struct ring;

struct corosync {
	struct ring *ring;
	size_t received;	/* of the ring's log */
	struct entries outbox;
	bool sending, receiving;
	u64 quorum_ring;
	bool quorate;
	bool seen_all;		/* at once, since it was switched on */
	struct daemon_id group[NODES_MAX];
	unsigned int ngroup;
	u16 at[NODES_MAX + 1];	/* by node: place in it plus 1 */
};

void group_start(struct node *n);
void group_crash(struct node *n);
void group_topology(void);		/* something was cut, crashed or came up */
void group_send(struct node *n, enum entry_kind kind, struct msg *m);
void group_free(void);
u64 group_ring(const struct node *n);
bool group_idle(void);			/* nothing is on its way */
void entries_push(struct entries *e, struct entry x);
bool entries_pop(struct entries *e, struct entry *x);
void entries_clear(struct entries *e);

/* --- processes ------------------------------------------------------------------------ */

enum body_state { RUNNING, FROZEN, HELD, DYING };

struct proc {
	u32 pid;
	unsigned int alive;	/* bodies that are not dying */
	bool struck;		/* a crash took a body of it */
	bool ended;		/* by itself */
	bool moving;
	bool told;		/* its parent has been told that it ended */
	bool counted;		/* its parent waits for it no more */
	u32 children;		/* that this one waits for */
	struct proc *parent;
	u64 given_up;		/* it was told that for a loss, by this namespace */
	u64 settled;		/* when it last moved */
};

struct body {
	struct proc *proc;
	struct node *node;
	enum body_state state;
	unsigned int at;	/* in the node's list */
	struct body *next;	/* with the same number */
};

/* --- kernel.c, rpc.c ----------------------------------------------------------------------- */

enum call_type { CALL_GUESTS, CALL_GONE, CALL_LOCATE, CALL_EXIT, CALL_LEFT,
		 CALL_HOLD, CALL_KILL };

struct kernel_msg {
	bool reply;
	enum call_type type;
	int status;
	u16 from, to;
	u64 from_inc, to_inc;
	u64 epoch, id, acked;
	u64 collected;		/* GUESTS: in which epoch */
	u32 seq, count;
	u32 pid[PIDS_A_MESSAGE];
	u16 node;		/* an answer: LOCATE's; whether EXIT's remains are kept */
	bool drop;		/* HOLD */
	struct proc *proc;	/* EXIT: whose, for the checks */
};

struct call {
	struct call *next;
	struct pando_req req;
	struct kernel_msg m;
	u64 serial, deadline;
	u64 tag;		/* of who waits */
};

struct peer {
	u16 id;
	u64 incarnation;
	bool reported;		/* its GUESTS of this epoch are complete */
	struct channel *channel;	/* rpc.c's; NULL: not needed yet */
};

struct lookup {
	struct lookup *next;
	u64 id;
	u32 pid;
	u16 at;			/* who is being asked */
	unsigned int hops;
	struct proc *proc;
	u64 started, epoch;
	bool sure;		/* all knew it when it began */
};

struct kernel {
	bool attached;
	u64 incarnation;
	struct pando_epoch epoch;
	bool mapped;
	struct pando_pidspace space;
	struct pando_directory dir;
	u32 cursor, used;
	u64 low_at;
	bool complete, quorate;	/* as MEMBERS said */
	struct peer peer[NODES_MAX];
	unsigned int npeers, unheard;
	u16 peer_at[NODES_MAX + 1];	/* by id: place plus 1 */
	struct call *calls;
	u64 next_id;
	struct entries parked;
	struct lookup *lookups;
	/* kin.c's */
	struct stub *stubs;
	struct kin *kins;
	struct condemned *condemned;
	struct walk *walks;
	/* recovery */
	unsigned int report_peer;
	u32 report_from, report_seq;
	/* ends of guests that were not told yet, with GONE_LEFT */
	u32 *gone;
	size_t ngone, gone_cap;
	bool gone_busy;
	struct body **body;
	size_t nbodies, bodies_cap;
	unsigned int ndying;
	u16 guests_of[NODES_MAX + 1];	/* bodies by home, by the map of now */
	/* the guard, as it is in pando-init */
	u64 until;		/* of the node's clock */
	bool frozen;
};

#define GONE_LEFT	(1u << 31)	/* it lives on elsewhere */

void kernel_free(struct node *n);
int kernel_attach(struct node *n, u64 incarnation);
int kernel_stop(struct node *n, u64 epoch);
int kernel_members(struct node *n, u64 epoch, bool quorate, bool complete,
		   const struct member *m, unsigned int count);
int kernel_leases(struct node *n, u64 version, u16 *map);
int kernel_start(struct node *n, u64 epoch);
int kernel_reserve(struct node *n, u64 move, const u32 *pids, u32 count);
void kernel_unreserve(struct node *n, u64 move);
void kernel_moved(struct node *n, const u32 *pids, u32 count, u16 from, u16 to);
bool kernel_fork(struct node *n, struct proc **proc);
void kernel_exit(struct body *b);
struct body *kernel_body(struct node *n, u32 pid);
struct body *kernel_restore(struct node *n, struct proc *p);
void kernel_free_body(struct body *b, bool crash);
bool kernel_settled(struct node *n, u32 pid);
u16 kernel_home(const struct node *n, u32 pid);
void kernel_lookup(struct node *n, const struct body *b);
void lookup_answered(struct node *n, u64 id, int status, u16 where);
void lookup_free(struct node *n);
struct body *kernel_with_number(u32 pid);
u16 kernel_believed(struct node *n, u32 pid, u16 home);
bool kernel_has_pid(struct node *n, u32 pid);
u64 kernel_incarnation(struct node *n, u16 id);	/* 0: it is no member */
int kernel_kill(struct node *n, u32 pid);	/* -EBUSY: it moves just now */
void kernel_pin(struct node *n, u32 pid);	/* not to be given out again yet */
void kernel_ended(struct node *n, u32 pid);	/* all know of the end */
void kernel_number_free(struct node *n, u32 pid);	/* of a stub */

#define RPC_TIMEOUT	(4 * SECOND)

u64 rpc_call(struct node *n, u16 to, struct kernel_msg *m, u64 timeout, u64 tag);
void rpc_members(struct node *n);	/* after a change of the list */
void rpc_unpark(struct node *n);
bool rpc_waits(struct node *n, enum call_type type);
void rpc_open(struct node *n);		/* requests may leave again */
void rpc_free(struct node *n);
void rpc_reset(void);
void rpc_drop(struct channel *ch);	/* its peer has gone, or is another */
/* The answer to a request whose handler said -EINPROGRESS. */
void rpc_finish(struct node *n, const struct kernel_msg *m, int status, u16 where);
/* kernel.c: a handler, and what waited for a reply */
int kernel_handle(struct node *n, const struct kernel_msg *m, u16 *where);
void kernel_answered(struct node *n, const struct call *c, int status, u16 where);
int recover_guests(struct node *n, const struct kernel_msg *m);
void recover_answered(struct node *n, const struct call *c, int status);
struct peer *kernel_peer(struct node *n, u16 id);

/* --- kin.c ------------------------------------------------------------------------------------- */

void kin_born(struct body *child, struct body *parent);
void kin_ended(struct body *b);
void kin_parent_ended(struct body *b);
u16 kin_holder(const struct body *b);
void kin_left(struct body *b, u16 to);
void kin_moved(struct node *n, u32 pid, u16 to);
void kin_arrived(struct body *b, u16 holder);
void kin_start(struct node *n);
void kin_grieve_early(struct node *n);
void kin_announce(struct node *n);
int kin_handle_exit(struct node *n, const struct kernel_msg *m, u16 *keeps);
int kin_handle_walk(struct node *n, const struct kernel_msg *m, u16 *where);
void kin_answered(struct node *n, const struct call *c, int status, u16 where);
u16 kin_stub_where(struct node *n, u32 pid);	/* 0: there is none */
bool kin_is_ending(struct node *n, u32 pid);
bool kin_settled(const struct node *n);
void kin_walked(struct node *n, enum call_type type, u32 pid, bool drop, u16 at,
		int err);
void kin_say_why(const struct node *n);
void kin_free(struct node *n);

/* --- walk.c ------------------------------------------------------------------------------------ */

void walk(struct node *n, enum call_type type, u32 pid, bool drop);
void walk_answered(struct node *n, const struct call *c, int status, u16 where);
int walk_miss(struct node *n, u32 pid);	/* for who is not here */
void walk_say_why(const struct node *n);
void walk_free(struct node *n);

/* --- moves.c --------------------------------------------------------------------------------- */

enum source_phase { S_NONE, S_ASKING, S_MOVING, S_COMMITTING, S_DECIDED };
enum target_phase { T_NONE, T_RESERVED, T_READY, T_DECIDED };

struct move {
	struct move *next, *same;	/* in its bucket */
	u64 id;
	struct node *from, *to;
	u32 n, pid[MOVE_TASKS];
	struct proc *proc[MOVE_TASKS];
	u16 holder[MOVE_TASKS];	/* of a stub; 0: none */
	enum source_phase source;
	enum target_phase target;
	bool source_ready, target_ready, committed;
	u64 started;
};

bool move_start(struct node *n, struct node *to);
void move_on_round(struct node *n);
void move_on_view(struct node *n, bool quorate);
void move_on_commit(struct node *n, const struct message *m, bool noted);
void move_on_decided(struct node *n, const struct move_note *note);
bool move_has_left(const struct body *b);	/* its source does not know yet */
bool move_in_flight(struct node *n, u64 id);
bool move_undecided(struct node *n);	/* only the group can end one here */
void move_daemon_died(struct node *n);
void move_crash(struct node *n);
void moves_free(void);
unsigned int moves_active(void);

/* --- daemon.c ---------------------------------------------------------------------------------- */

struct commit {
	struct commit *next;
	u64 move;
	u16 from, to;
	u32 n, pid[MOVE_TASKS];
};

struct daemon {
	bool up;
	u32 gen;
	struct state state;
	u64 incarnation;
	bool attached, preparing, starting, asked;
	u64 stopped;
	unsigned int ask_blocks;
	u64 round_timer;	/* 0: none; else its number */
	u64 order_ring;
	struct daemon_id group[NODES_MAX];
	unsigned int ngroup;
	struct entries inbox;
	bool turning;
	struct commit *commits;
	struct qlease lease;
	struct patience patience;
	u64 synced, told;
	u64 pulse_timer, expel_timer;	/* 0: none; else its number */
	bool dying;
};

void daemon_start(struct node *n);
void daemon_kill(struct node *n);
void daemon_stop(struct node *n);	/* in order: the kernel goes alone */
void daemon_forget(struct node *n);	/* its host is gone */
void daemon_inbox(struct node *n, struct entry x);
void daemon_quorum(struct node *n);
void daemon_send(struct node *n, struct message *m);
void daemon_kernel_done(struct node *n, u64 epoch);
void daemon_lease_low(struct node *n);
void daemon_ask_round(struct node *n, u64 ms);

void daemon_judged(struct node *n);	/* the view that is being prepared */

/* --- quorum.c ---------------------------------------------------------------------------------- */

u64 node_clock(const struct node *n);	/* goes a little wrong; in us */
void quorum_start(struct node *n);
void quorum_config(struct node *n, const u16 *ids, unsigned int count);
void quorum_over(struct node *n, struct sync *sync);
void quorum_view(struct node *n, bool known);
void quorum_pulse(struct node *n, u16 from, const struct message *m);
void expel_view(struct node *n);
bool expel_message(struct node *n, const struct message *m);	/* did it do anything? */
void expel_somebody(struct node *n, bool off);	/* an operator's idea */
void guard_until(struct node *n, u64 until);
void guard_resume(struct node *n);
u64 quorum_lease(void);

/* --- nodes -------------------------------------------------------------------------------------- */

struct node {
	u16 id;
	bool up, paused;
	u32 life;		/* grows with every power on */
	u32 part;		/* nodes of one part hear each other */
	struct corosync cs;
	struct daemon d;
	struct kernel k;
	u64 resumed;		/* when it last woke up */
	u64 clock_zero;
	s64 permille;		/* by how much its clock is wrong */
	u64 dead;		/* incarnation that was declared dead by a view */
	struct lineage *saved;	/* on disk, with the highest epoch promised */
	u64 saved_seen;
};

/* What happens by chance, numbered as it comes; some are left out. */
#define ACTS_MAX	(1 << 16)

struct acts {
	u32 next;
	u8 out[ACTS_MAX / 8];
};

struct world {
	struct node *node;	/* by id */
	unsigned int nodes, population;	/* processes of each, about */
	u64 now, seed;
	u32 watch;
	enum bug bug;
	unsigned int loss;	/* of kernel messages, percent */
	bool calm;		/* no more work, no more faults */
	bool rebirth;		/* who lost power may come back before that */
	bool wait_for_all;	/* of corosync; then nodes that are off may be told of */
	bool broken;
	bool verbose, quiet;
	u64 expel_after;	/* 0: never by itself */
	u64 fault_every, away;	/* at most */
	unsigned int slow;	/* many nodes: all takes so much longer */
	u64 statuses;		/* told to parents */
	u64 off;		/* nodes that were said to be */
	u64 events, messages, forks, moves, views, lookups, found, crashes, freezes, expelled;
	unsigned int hops_max;	/* of those that were found and had to be */
	struct move *move;
	const char *rule;	/* that was broken: what violated() was told */
	struct acts faults, work;
};

extern struct world w;

#define for_each_node(n) \
	for ((n) = &w.node[1]; (n) <= &w.node[w.nodes]; (n)++)

bool connected(const struct node *a, const struct node *b);
bool hears(const struct node *a, const struct node *from);	/* one way */

/* --- figures.c -------------------------------------------------------------------------------------- */

double figure_bytes_per_process(void);

/* --- shrink.c --------------------------------------------------------------------------------------- */

bool act_left_out(struct acts *a);
bool acts_parse(struct acts *a, const char *text);
void acts_print(const struct acts *a, const char *option);
u32 acts_count(const struct acts *a, u32 upto);
/* @again: is the same rule broken without these? At most @tries times. */
void shrink(bool (*again)(const struct acts *faults, const struct acts *work),
	    struct acts *faults, struct acts *work, unsigned int tries);

/* --- workload.c, faults.c ------------------------------------------------------------------------- */

void workload_start(struct node *n);
void faults_start(void);
void faults_heal(void);
void faults_isolate(struct node *n, unsigned int percent);
void faults_strike(unsigned int percent);	/* perhaps, in a moment */
void node_power_on(struct node *n);

/* --- check.c -------------------------------------------------------------------------------------------- */

/* Numbers only: they are formatted when somebody reads them. */
void trace_note(const char *format, u64 a, u64 b, u64 c, u64 d, u64 e);
#define trace(format, ...)	trace_(format, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define trace_(format, a, b, c, d, e, ...)	trace_note(format, a, b, c, d, e)
/* Of one number only: --watch. */
#define trace_pid(pid, ...) \
	do { if ((pid) == w.watch) trace(__VA_ARGS__); } while (0)
void violated(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_init(void);
void check_exit(void);
struct proc *check_proc(u32 pid);	/* a new one; lives until check_exit() */
void check_born(const struct body *b);
void check_lookup_begins(struct node *n, struct lookup *l, const struct body *b);
void check_lookup(struct node *n, const struct lookup *l, u16 where, int err);
void check_runs(const struct body *b);
void check_lost(const struct proc *p);
void check_map(struct node *n);		/* a kernel has got a map */
void check_unmap(struct node *n);
void check_dead(struct node *n);	/* a view of it is active */
bool check_is_dead(const struct node *n);	/* its namespace is */
void check_thaw(struct node *n);
void check_node(struct node *n);	/* after each step, what is cheap */
void check_audit(void);			/* now and then: every guest, every table */
bool check_settled(void);
void check_end(void);			/* all is well again: nothing is lost */

#endif
