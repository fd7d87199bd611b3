/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Pando: one process tree over many hosts. The contract between the daemon
 * and the kernel: generic netlink for membership, leases and moves, an ioctl
 * by which pando-init lends threads to the module, and those of the helpers of
 * a move.
 *
 * Generic netlink
 * ===============
 *
 * Family PANDO_GENL_NAME, version PANDO_GENL_VERSION. Every command needs
 * CAP_NET_ADMIN in the initial user namespace. Integers are in host byte
 * order. A command is answered with an ACK (NLM_F_ACK) unless a reply is
 * named. Errors are negative errnos, with a sentence in the extended ACK.
 *
 * The daemon decides, the kernel enforces. A change of membership is, as in
 * dlm, STOP(epoch) -> MEMBERS(epoch, list) -> LEASES -> START(epoch), which
 * the kernel answers with the event DONE(epoch) once its connections stand
 * and every home knows its guests. A newer STOP may come at any step and
 * overtakes what runs.
 *
 * PANDO_CMD_ATTACH: makes one PID namespace of this node the cluster
 *   namespace. INIT_PID (u32, the PID of pando-init as the caller sees it),
 *   NODE_ID (u16, 1..PANDO_NODE_MAX), NODE_NAME, CLUSTER_NAME (strings),
 *   INCARNATION (u64, never zero, new each time the namespace is made),
 *   KEY (binary, 16..4096 bytes, the cluster key), TRANSPORT (string: "tcp",
 *   "rdma", "loop"), ADDR (struct sockaddr_in or sockaddr_in6: where to
 *   listen), TIMEOUT (u32, ms, optional: the longest any request may wait).
 *   Starts to listen. -EBUSY when attached already, -ESRCH for no such
 *   process, -EINVAL when INIT_PID is not pid 1 of a namespace other than
 *   the initial one, -ENOENT for a transport whose module is not loaded.
 * PANDO_CMD_DETACH: ends it: closes connections, forgets directory and
 *   leases. -EBUSY while the namespace has processes besides pando-init and
 *   node-local ones. No-op (-ENOTCONN) if not attached.
 * PANDO_CMD_STOP: EPOCH (u64). From now on requests wait for START. -ESTALE
 *   for an epoch that is not newer than the last.
 * PANDO_CMD_MEMBERS: EPOCH, NODES (nest of NODE nests: NODE_ID, NODE_NAME,
 *   INCARNATION, ADDR). Self is one of them. Requests that wait on a node
 *   that is not in the list fail. QUORATE (flag): the list has quorum, so
 *   what ran on nodes that are not in it counts as dead. COMPLETE (flag): every node that may have
 *   guests of others is in the list, so what none of them reports is gone.
 *   -ESTALE if EPOCH is not the stopped one.
 * PANDO_CMD_LEASES: LEASE_VERSION (u64, grows), LEASE_MAP (binary,
 *   PANDO_LEASE_BLOCKS u16: the owner's node id, 0 for nobody; with
 *   PANDO_LEASE_HELD set the owner is home but must not hand numbers out).
 *   May come at any time after ATTACH. -ESTALE for an older version.
 * PANDO_CMD_START: EPOCH.
 * PANDO_CMD_RESERVE: MOVE_ID (u64), PIDS (binary, u32 each). This node will
 *   restore tasks with these numbers: set_tid of them is allowed until
 *   UNRESERVE or MOVED. -EEXIST if one is in use here; the log names it.
 * PANDO_CMD_UNRESERVE: MOVE_ID. The move was called off.
 * PANDO_CMD_MOVED: MOVE_ID, PIDS, FROM, TO (u16 node ids). The tasks now live
 *   on TO. Every node is told, in the order of the group's messages: the home
 *   notes it, the source will not report their end, hints are dropped. Without
 *   any PIDS, on TO: those that are reserved for the move.
 * PANDO_CMD_LOCATE: PID (u32). Reply: PID, HOME, LOCATION (u16; 0: nobody).
 *   May ask the home over the network; -ESRCH if there is no such process.
 * PANDO_CMD_STATUS: no attributes. Reply: all that are known of NODE_ID,
 *   NODE_NAME, CLUSTER_NAME, INCARNATION, INIT_PID, EPOCH, STATE (u32, enum
 *   pando_state), TRANSPORT, LEASE_VERSION, PIDS_USED, PIDS_FREE (u32: of
 *   the numbers this node may hand out), GUESTS (u32: tasks here whose home
 *   is elsewhere), AWAY (u32: numbers of ours that live elsewhere), PIDS (u32
 *   each: stubs here, tasks whose processes run elsewhere), NODES
 *   (per peer: NODE_ID, NODE_NAME, INCARNATION, ADDR, PEER_STATE, RTT).
 *
 * Events, multicast group PANDO_GENL_EVENTS:
 * PANDO_EVENT_DONE: EPOCH.
 * PANDO_EVENT_LEASE_LOW: PIDS_USED, PIDS_FREE. Few numbers are left; sent
 *   again not more often than twice a second while it stays so.
 * PANDO_EVENT_PEER: NODE_ID, PEER_STATE; NODE_ID is 0 for a stranger that
 *   was refused.
 */
#ifndef _UAPI_LINUX_PANDO_H
#define _UAPI_LINUX_PANDO_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define PANDO_GENL_NAME		"pando"
#define PANDO_GENL_VERSION	1
#define PANDO_GENL_EVENTS	"events"

#define PANDO_NODE_MAX		1023	/* highest node id */
#define PANDO_NAME_MAX		64	/* of nodes and clusters, with the NUL */
#define PANDO_LEASE_SHIFT	10
#define PANDO_LEASE_SIZE	(1 << PANDO_LEASE_SHIFT)	/* PIDs */
#define PANDO_PID_MAX		(1 << 22)
#define PANDO_LEASE_BLOCKS	(PANDO_PID_MAX >> PANDO_LEASE_SHIFT)
#define PANDO_LEASE_HELD	0x8000	/* home, but hands nothing out */
#define PANDO_LEASE_NODE	0x03ff
#define PANDO_MOVE_PIDS_MAX	8192	/* tasks in one move */

/* Numbers below this are node-local: pando-init and the tools around it. */
#define PANDO_LOCAL_PIDS	PANDO_LEASE_SIZE

enum pando_cmd {
	PANDO_CMD_UNSPEC,
	PANDO_CMD_ATTACH,
	PANDO_CMD_DETACH,
	PANDO_CMD_STOP,
	PANDO_CMD_MEMBERS,
	PANDO_CMD_LEASES,
	PANDO_CMD_START,
	PANDO_CMD_RESERVE,
	PANDO_CMD_UNRESERVE,
	PANDO_CMD_MOVED,
	PANDO_CMD_LOCATE,
	PANDO_CMD_STATUS,
	PANDO_EVENT_DONE,
	PANDO_EVENT_LEASE_LOW,
	PANDO_EVENT_PEER,
	__PANDO_CMD_MAX
};

#define PANDO_CMD_MAX (__PANDO_CMD_MAX - 1)

enum pando_attr {
	PANDO_A_UNSPEC,
	PANDO_A_PAD,
	PANDO_A_INIT_PID,	/* u32 */
	PANDO_A_NODE_ID,	/* u16 */
	PANDO_A_NODE_NAME,	/* string */
	PANDO_A_CLUSTER_NAME,	/* string */
	PANDO_A_INCARNATION,	/* u64 */
	PANDO_A_KEY,		/* binary */
	PANDO_A_TRANSPORT,	/* string */
	PANDO_A_ADDR,		/* struct sockaddr_in or sockaddr_in6 */
	PANDO_A_TIMEOUT,	/* u32, ms */
	PANDO_A_EPOCH,		/* u64 */
	PANDO_A_NODES,		/* nest of PANDO_A_NODE */
	PANDO_A_NODE,		/* nest */
	PANDO_A_LEASE_VERSION,	/* u64 */
	PANDO_A_LEASE_MAP,	/* u16[PANDO_LEASE_BLOCKS] */
	PANDO_A_MOVE_ID,	/* u64 */
	PANDO_A_PIDS,		/* u32[] */
	PANDO_A_FROM,		/* u16 */
	PANDO_A_TO,		/* u16 */
	PANDO_A_PID,		/* u32 */
	PANDO_A_HOME,		/* u16 */
	PANDO_A_LOCATION,	/* u16 */
	PANDO_A_STATE,		/* u32, enum pando_state */
	PANDO_A_PIDS_USED,	/* u32 */
	PANDO_A_PIDS_FREE,	/* u32 */
	PANDO_A_GUESTS,		/* u32 */
	PANDO_A_AWAY,		/* u32 */
	PANDO_A_PEER_STATE,	/* u32, enum pando_peer_state */
	PANDO_A_RTT,		/* u32, us, smoothed; 0 if unknown */
	PANDO_A_COMPLETE,	/* flag */
	PANDO_A_QUORATE,	/* flag */
	__PANDO_A_MAX
};

#define PANDO_A_MAX (__PANDO_A_MAX - 1)

enum pando_state {
	PANDO_STATE_DETACHED,
	PANDO_STATE_STOPPED,	/* attached, or between STOP and START */
	PANDO_STATE_MEMBERS,	/* MEMBERS came, START did not */
	PANDO_STATE_RECOVERING,	/* START came, DONE not yet sent */
	PANDO_STATE_RUNNING,
};

enum pando_peer_state {
	PANDO_PEER_DOWN,	/* no connection; being retried */
	PANDO_PEER_CONNECTING,	/* transport or handshake under way */
	PANDO_PEER_UP,
	PANDO_PEER_REFUSED,	/* wrong key, version or cluster */
	PANDO_PEER_SELF,
};

/*
 * /dev/pando, mode 0600. PANDO_IOC_SERVE lends the calling thread, which must
 * belong to pid 1 of the cluster namespace, to the module: it executes what
 * other nodes ask of this namespace, under the requesters' credentials. The
 * scratch buffer is the thread's own memory, used for system call arguments
 * and results. Returns 0 when the node is detached, -EINTR on a signal (call
 * again), -ENOTCONN when not attached, -EPERM for a thread of another process.
 */
#define PANDO_SERVE_BUF		65536

struct pando_serve {
	__aligned_u64 buf;	/* user address, page aligned */
	__u32 len;		/* PANDO_SERVE_BUF */
	__u32 flags;		/* must be zero */
};

#define PANDO_IOC_SERVE		_IOW(0xBA, 0x10, struct pando_serve)

/*
 * Relations, for the helpers of a move; they are node-local processes of the
 * cluster namespace (-EPERM for others). PIDs are numbers of that namespace. A
 * *stub* is a process of the helper's making that sleeps in pause() and holds
 * the number of a process which runs on another node, where a relation of it
 * needs one: as a child that its parent waits for, as a parent, as leader of a
 * group or session. The kernel tells each what happens to the other.
 */

/* One bit a node id, id 0 unused. */
#define PANDO_NODE_WORDS	((PANDO_NODE_MAX + 64) / 64)

/**
 * struct pando_rusage - what a process, or its waited-for children, used so far
 * @utime_ns, @stime_ns: CPU time, ns
 * @minflt, @majflt, @nvcsw, @nivcsw: counts of faults and switches, as in getrusage(2)
 * @inblock, @oublock: blocks of 512 bytes
 * @maxrss: pages of 4096 bytes
 */
struct pando_rusage {
	__u64 utime_ns;
	__u64 stime_ns;
	__u64 minflt;
	__u64 majflt;
	__u64 nvcsw;
	__u64 nivcsw;
	__u64 inblock;
	__u64 oublock;
	__u64 maxrss;
};

/**
 * struct pando_kin - what a move must know of a process that runs here
 * @pid: which
 * @flags: out: PANDO_KIN_STUB: this number's process runs on node @where;
 *	PANDO_KIN_EXECED: it has executed a program since it was forked;
 *	PANDO_KIN_STOPPED: it stands stopped (SIGSTOP, ^Z and their kind), or its stub
 *	does; PANDO_KIN_CONTINUED: it went on, and wait() has not told the parent yet;
 *	PANDO_KIN_TELLING: who has a stub of it is being told what befell it
 * @where: out: the node where it runs
 * @start_ns: out: when it was started, ns of the namespace's CLOCK_BOOTTIME
 * @self, @children: out: what it used so far, and those it has waited for
 * @holders: out: the nodes that hold stubs of it
 * @stop: out: PANDO_KIN_STOPPED: the signal, if wait() has not told the parent yet; or 0;
 *	PANDO_KIN_CONTINUED: SIGCONT
 * @exit_signal: out: the signal that its parent gets when it ends, as clone() was told;
 *	0: none
 */
struct pando_kin {
	__u32 pid;
	__u16 flags;
	__u16 where;
	__u64 start_ns;
	struct pando_rusage self;
	struct pando_rusage children;
	__u64 holders[PANDO_NODE_WORDS];
	__u32 stop;
	__u32 exit_signal;
};

#define PANDO_KIN_STUB		0x1
#define PANDO_KIN_EXECED	0x2
#define PANDO_KIN_STOPPED	0x4
#define PANDO_KIN_CONTINUED	0x8
#define PANDO_KIN_TELLING	0x10

/**
 * struct pando_place - where a process that was restored here belongs
 * @pid: which; restored, and not yet running
 * @ppid: its parent, or 0: as it is. One that is not here is pando-init
 * @pgid, @sid: process group and session, or 0: as they are
 * @flags: PANDO_PLACE_SPREAD: others of its group are on other nodes;
 *	PANDO_PLACE_SIGNAL: a parent that is here gets @kin.exit_signal when it ends, unless
 *	a stub stands here, which knows that better; PANDO_PLACE_ALARM << ITIMER_REAL,
 *	ITIMER_VIRTUAL or ITIMER_PROF: that timer rings once, and has no interval
 * @kin: what PANDO_IOC_KIN said at the source, start_ns 0: nothing
 *
 * If a stub of @pid stands here the process takes its place: its parent, its
 * children, its terminal, and the stub ends. A group or session that has ended
 * meanwhile is left as it is. -ESRCH: no such process.
 */
struct pando_place {
	__u32 pid;
	__u32 ppid;
	__u32 pgid;
	__u32 sid;
	__u32 flags;
	__u32 reserved;
	struct pando_kin kin;
};

#define PANDO_PLACE_SPREAD	0x1
#define PANDO_PLACE_SIGNAL	0x2
#define PANDO_PLACE_ALARM	0x10
#define PANDO_PLACE_ALARMS	0x70

/**
 * struct pando_park - a stub takes the place of a process that has moved away
 * @pid: the process: still here, stopped
 * @stub: a child of the caller's, or of a child of it; the two exchange their
 *	numbers, and the process is killed under the other one
 * @where: the node it moved to
 * @flags: PANDO_PARK_LATER: it is not killed, because its memory is still wanted; the
 *	caller does that
 * @reserved: zero
 *
 * -ECHILD: its parent is pando-init, no stub is needed and nothing was done.
 */
struct pando_park {
	__u32 pid;
	__u32 stub;
	__u16 where;
	__u16 flags;
	__u16 reserved[2];
};

#define PANDO_PARK_LATER	0x1

/**
 * struct pando_claim - the caller, or a child of its, makes a stub
 * @pid: with this number, by clone3() and set_tid
 * @flags: PANDO_CLAIM_TRAVELS: it arrives with the parent that waits for it.
 *	PANDO_CLAIM_TOLD: who wants the stub (PANDO_IOC_NURSE) sees to it that we hear of
 *	its process's end
 */
struct pando_claim {
	__u32 pid;
	__u32 flags;
};

#define PANDO_CLAIM_TRAVELS	0x1
#define PANDO_CLAIM_TOLD	0x2

#define PANDO_HOLD_SIGNALS	64

/**
 * struct pando_hold - a process that stands still while it moves
 * @move: the move; whatever it is called, but not 0
 * @pid: which process
 * @tid: one of its threads, or 0: the process as a whole
 * @flags: PANDO_HOLD_COPY: the one that was restored. PANDO_HOLD_STOPS: it runs
 *	yet, and what stops it or lets it go on waits from now on; @seen is ignored
 * @reserved: must be zero
 * @seen: how many signals of each number (from 1 on) wait in that queue and
 *	travel with it
 */
struct pando_hold {
	__aligned_u64 move;
	__u32 pid;
	__u32 tid;
	__u32 flags;
	__u32 reserved;
	__u16 seen[PANDO_HOLD_SIGNALS];
};

#define PANDO_HOLD_COPY		0x1
#define PANDO_HOLD_STOPS	0x2

/**
 * struct pando_terminal - the controlling terminal of a process that was restored
 * @pid: the process, in its group and session, which does not run yet
 * @fd: the slave of a pty, of the caller's: one that controls a session here, or
 *	one that stands for a terminal elsewhere
 * @sid: then the session that terminal controls; else 0
 * @node: and the node where it is; else 0
 */
struct pando_terminal {
	__u32 pid;
	__s32 fd;
	__u32 sid;
	__u32 node;
};

/**
 * struct pando_stop - a process that stands stopped goes on to do so
 * @pid: which; restored, and every thread of it is under ptrace
 * @signal: what its parent will be told by wait(): the signal that stopped it, or 0
 *	when that was told already. SIGCONT: it is not stopped, but went on
 */
struct pando_stop {
	__u32 pid;
	__u32 signal;
};

/**
 * struct pando_nurse - a stub that pando-init is to make
 * @id: in: of the last one, 0: there was none; out: of this one
 * @result: in: what came of the last one: 0, or a negative errno
 * @pid: out: the number it gets
 * @parent: out: it is to have the clock of this process, or 0: of the namespace
 * @where: out: the node where its process runs
 * @flags: out: for PANDO_IOC_CLAIM
 * @reserved: zero
 * @uid, @gid: out: real, effective, saved; as the initial user namespace has them
 */
struct pando_nurse {
	__aligned_u64 id;
	__s32 result;
	__u32 pid;
	__u32 parent;
	__u32 where;
	__u32 flags;
	__u32 reserved;
	__u32 uid[3];
	__u32 gid[3];
};

/*
 * KIN: asks. -ESRCH: no such process; -EOWNERDEAD: none, but a group or session here has
 *   its number.
 * CLAIM: -EALREADY: there is a stub, and it stays until KEEP or the descriptor is
 *   closed; -EBUSY: one does not end; -EEXIST: the process itself is here. One
 *   that TRAVELS may meet it: then the result is 1, and JOIN, once it was
 *   restored, gives the process its stub's parent, and the stub ends. -ESRCH:
 *   its process has ended.
 * BIND: it was made; the process runs on node @where.
 * KEEP: what was bound stays; without it, it goes with the descriptor.
 * TRAVEL: a stub here is about to leave with its parent: it stays as it is, until it
 *   is RELEASEd or the descriptor is closed; what befalls its process befalls it then,
 *   or at its new place. -ESRCH: no such stub; -EBUSY: it does already.
 * RELEASE: a stub here has left with its parent: it ends; or, and then the result is 1,
 *   it stays for a move that relies on it (CLAIM).
 * HOLD: signals to a process wait, or follow it once the move is committed; the
 *   process first, then threads of it for which signals wait. Before that perhaps
 *   with PANDO_HOLD_STOPS, by the same descriptor. It ends with the descriptor, and
 *   what waited is delivered here.
 * STAY: it does not end with the descriptor any more, but with LET, or when the
 *   daemon ends the move (UNRESERVE).
 * LET: it ends, for all processes of a move.
 * WATCH: until the descriptor is closed, memory that mremap() has moved shows as
 *   soft-dirty.
 * YIELD: TCP connections that linger (TIME_WAIT) at this port, in host order, of
 *   the caller's network namespace do not keep it from being bound by who sets
 *   SO_REUSEADDR. -EINVAL: no such port.
 * TERMINAL: it gets one. -ENOTTY: that is no slave of a pty; -EPERM: it is another
 *   session's. -EINVAL: no such node.
 * STOPPED: a process that stands stopped shows that to who traces it as done by
 *   SIGSTOP, whatever signal it was: criu knows no other. Its parent sees no difference.
 *   -ESRCH: it is not stopped.
 * STOP: it is stopped when its tracer lets go, and nobody is told of it. -ESRCH: it has
 *   ended; -EINVAL: no such signal.
 * NURSE: for a thread of pando-init, which may use CLAIM, BIND, PLACE and KEEP as well:
 *   returns when a stub is to be made that no move makes. -ENOTCONN: detached.
 */
#define PANDO_IOC_KIN		_IOWR(0xBA, 0x11, struct pando_kin)
#define PANDO_IOC_CLAIM		_IOW(0xBA, 0x12, struct pando_claim)
#define PANDO_IOC_BIND		_IOW(0xBA, 0x13, struct pando_park)
#define PANDO_IOC_KEEP		_IO(0xBA, 0x14)
#define PANDO_IOC_PLACE		_IOW(0xBA, 0x15, struct pando_place)
#define PANDO_IOC_PARK		_IOW(0xBA, 0x16, struct pando_park)
#define PANDO_IOC_JOIN		_IOW(0xBA, 0x17, __u32)
#define PANDO_IOC_RELEASE	_IOW(0xBA, 0x18, __u32)
#define PANDO_IOC_HOLD		_IOW(0xBA, 0x19, struct pando_hold)
#define PANDO_IOC_STAY		_IO(0xBA, 0x1a)
#define PANDO_IOC_LET		_IOW(0xBA, 0x1b, __u64)
#define PANDO_IOC_WATCH		_IO(0xBA, 0x1c)
#define PANDO_IOC_YIELD		_IOW(0xBA, 0x1d, __u32)
#define PANDO_IOC_TERMINAL	_IOW(0xBA, 0x1e, struct pando_terminal)
#define PANDO_IOC_STOPPED	_IOW(0xBA, 0x1f, __u32)
#define PANDO_IOC_STOP		_IOW(0xBA, 0x20, struct pando_stop)
#define PANDO_IOC_TRAVEL	_IOW(0xBA, 0x21, __u32)
#define PANDO_IOC_NURSE		_IOWR(0xBA, 0x22, struct pando_nurse)

#endif /* _UAPI_LINUX_PANDO_H */
