/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the modules of two nodes say to each other. Fixed-width, little-endian,
 * packed by construction; every length is checked against the table below
 * before a handler sees a byte. Documentation/protocol.rst tells the story.
 *
 * A connection carries messages, each a header and a payload of at most
 * PANDO_WIRE_PAYLOAD bytes. The first four messages are the handshake; until
 * READY nothing else is accepted, and before that nothing longer than
 * sizeof(struct pando_wire_hello) + header is even read:
 *
 *   initiator                                   responder
 *   HELLO(versions, cluster, node, nonce_i) ->
 *                         <- CHALLENGE(versions, node, nonce_r, mac_r)
 *   AUTH(mac_i)          ->
 *                         <- READY()
 *
 * mac_r = HMAC-SHA256(key, "pando responder" || HELLO || CHALLENGE without mac)
 * mac_i = HMAC-SHA256(key, "pando initiator" || HELLO || CHALLENGE without mac)
 * so both prove the key over both nonces, identities, versions and features,
 * and neither proof can be reflected. The node with the lower id connects.
 */
#ifndef _PANDO_WIRE_H
#define _PANDO_WIRE_H

#include <linux/types.h>

#define PANDO_WIRE_MAGIC	0x314f444eu	/* "NDO1" */
#define PANDO_WIRE_VERSION	1
#define PANDO_WIRE_PAYLOAD	32768
#define PANDO_WIRE_NONCE	32
#define PANDO_WIRE_MAC		32
#define PANDO_WIRE_NAME		64

/*
 * Message types: PANDO_MSG(name, number, request min, request max,
 * reply min, reply max, flags); lengths are of the payload.
 *   ONEWAY  no reply
 *   IDEM    may be executed again after a reconnect; otherwise the server
 *           remembers the reply until the client has acknowledged it
 *   SERVE   executed by a thread of pando-init, under the requester's
 *           credentials; otherwise in the module's own workqueue
 */
#define PANDO_MSGF_ONEWAY	0x01
#define PANDO_MSGF_IDEM		0x02
#define PANDO_MSGF_SERVE	0x04

/* Of those who have just left a node, so many are named at most. */
#define PANDO_LEFT_MOST		256
/* ... and so many orphans are given to a subreaper at once. */
#define PANDO_ADOPT_MOST	64

#define PANDO_MESSAGES(X) \
	X(HELLO,	1, 184, 184, 0, 0, PANDO_MSGF_ONEWAY) \
	X(CHALLENGE,	2, 152, 152, 0, 0, PANDO_MSGF_ONEWAY) \
	X(AUTH,		3, 32, 32, 0, 0, PANDO_MSGF_ONEWAY) \
	X(READY,	4, 0, 0, 0, 0, PANDO_MSGF_ONEWAY) \
	X(PING,		5, 0, 4096, 0, 4096, PANDO_MSGF_IDEM) \
	X(GUESTS,	8, 16, PANDO_WIRE_PAYLOAD, 0, 0, PANDO_MSGF_IDEM) \
	X(GONE,		9, 4, PANDO_WIRE_PAYLOAD, 0, 0, 0) \
	X(LOCATE,	10, 4, 4, 4, 4, PANDO_MSGF_IDEM) \
	X(KIN_EVENT,	11, 448, 448, 4, 4, 0) \
	X(KIN_SIGNAL,	12, 24, 24, 0, 4 * PANDO_LEFT_MOST, 0) \
	X(KIN_HOLD,	13, 8, 8, 4, 4, PANDO_MSGF_IDEM) \
	X(KIN_LEFT,	14, 8, 8, 0, 0, 0) \
	X(KIN_FRONT,	15, 24, 24, 0, 24, PANDO_MSGF_IDEM) \
	X(CALL,		16, 152, PANDO_WIRE_PAYLOAD, 8, PANDO_WIRE_PAYLOAD, \
	  PANDO_MSGF_SERVE) \
	X(KIN_REAPER,	18, 8, 8, 8, 8, PANDO_MSGF_IDEM) \
	X(KIN_ADOPT,	19, 8, 8 + 48 * PANDO_ADOPT_MOST, 0, 0, 0) \
	X(KIN_PARENT,	20, 56, 56, 0, 0, 0) \
	X(KIN_GROUP,	21, 8, 8, 8, 8, PANDO_MSGF_IDEM) \
	X(KIN_ORPHAN,	22, 8, 8, 0, 0, 0) \
	X(PROC_LIST,	32, 8, 8, 8, PANDO_WIRE_PAYLOAD, PANDO_MSGF_IDEM) \
	X(PROC_STAT,	33, 120, 1024 + 4096, 32, 32, \
	  PANDO_MSGF_IDEM | PANDO_MSGF_SERVE) \
	X(PROC_READ,	34, 120, 1024 + 4096, 0, PANDO_WIRE_PAYLOAD, \
	  PANDO_MSGF_IDEM | PANDO_MSGF_SERVE) \
	X(PROC_READDIR,	35, 120, 1024 + 4096, 8, PANDO_WIRE_PAYLOAD, \
	  PANDO_MSGF_IDEM | PANDO_MSGF_SERVE) \
	X(PROC_READLINK, 36, 120, 1024 + 4096, 0, 4096, \
	  PANDO_MSGF_IDEM | PANDO_MSGF_SERVE) \
	X(PROC_WRITE,	37, 120, PANDO_WIRE_PAYLOAD, 8, 8, PANDO_MSGF_SERVE) \
	X(PROC_BULK,	38, 120, 1024 + 4096, 0, PANDO_WIRE_PAYLOAD, \
	  PANDO_MSGF_IDEM | PANDO_MSGF_SERVE)

enum pando_msg {
#define X(name, nr, ...) PANDO_MSG_##name = nr,
	PANDO_MESSAGES(X)
#undef X
	PANDO_MSG_LAST = 63
};

/* Flags of a message in flight. */
#define PANDO_WIREF_REPLY	0x0001

/**
 * struct pando_wire_hdr - in front of every message
 * @magic: PANDO_WIRE_MAGIC
 * @type: enum pando_msg
 * @flags: PANDO_WIREF_*
 * @len: of the whole message, header included, bytes
 * @status: in a reply: 0 or a negative errno of the *transport of the
 *	request* (-ESTALE: older epoch; -EPROTO: malformed; -EOPNOTSUPP: no
 *	such type; -EREMCHG: the process is elsewhere, ask LOCATE; else the
 *	handler's); zero in a request. A reply with a status has no payload
 * @epoch: sender's epoch; 0 during the handshake
 * @id: of the request, unique per pair of incarnations, growing; a reply
 *	repeats it
 * @acked: the sender has the replies of all its requests below this id
 */
struct pando_wire_hdr {
	__le32 magic;
	__le16 type;
	__le16 flags;
	__le32 len;
	__le32 status;
	__le64 epoch;
	__le64 id;
	__le64 acked;
};

/**
 * struct pando_wire_hello - first message, from the initiator
 * @version_min: oldest protocol version spoken
 * @version_max: newest
 * @features: PANDO_FEATURE_* bits offered
 * @node: sender's node id
 * @credits: messages the sender can receive before it must be asked again
 * @incarnation: of the sender's namespace
 * @epoch: sender's current epoch, for information
 * @to: node id the initiator wants to reach
 * @cluster: name, NUL padded
 * @nonce: random
 */
struct pando_wire_hello {
	__le16 version_min;
	__le16 version_max;
	__le32 features;
	__le16 node;
	__le16 to;
	__le32 credits;
	__le64 incarnation;
	__le64 epoch;
	__u8 cluster[PANDO_WIRE_NAME];
	__u8 nonce[PANDO_WIRE_NONCE];
	__u8 reserved[56];
};

/**
 * struct pando_wire_challenge - the responder's answer
 * @version: chosen
 * @node: responder's node id
 * @features: chosen, a subset of those offered
 * @incarnation: of the responder's namespace
 * @credits: as in the hello
 * @nonce: random
 * @mac: see above
 */
struct pando_wire_challenge {
	__le16 version;
	__le16 node;
	__le32 features;
	__le64 incarnation;
	__le32 credits;
	__le32 reserved0;
	__u8 reserved[64];
	__u8 nonce[PANDO_WIRE_NONCE];
	__u8 mac[PANDO_WIRE_MAC];
};

struct pando_wire_auth {
	__u8 mac[PANDO_WIRE_MAC];
};

/**
 * struct pando_wire_guests - a node tells a home which of its PIDs run there
 * @epoch: in which the numbers were collected; -EAGAIN in another
 * @seq: 0 for the first message of a report, then 1, 2...
 * @count: number of @pid; a message with 0 ends the report, and what the sender
 *	had said before and did not repeat is forgotten
 * @pid: the numbers, tasks and threads
 */
struct pando_wire_guests {
	__le64 epoch;
	__le32 seq;
	__le32 count;
	__le32 pid[];
};

/**
 * struct pando_wire_gone - guests of the receiver's leases have ended
 * @count: number of @pid
 * @pid: numbers that are free again
 */
struct pando_wire_gone {
	__le32 count;
	__le32 pid[];
};

struct pando_wire_locate {
	__le32 pid;
};

/** @node: where the PID lives, 0 if the home knows of none */
struct pando_wire_locate_reply {
	__le16 node;
	__le16 reserved;
};

/**
 * struct pando_wire_siginfo - what a signal carries, as the receiver sees it
 * @signo: number; @code: si_code; @pid: global PID of the sender (tgid);
 * @uid: of the sender; @value: sigval
 */
struct pando_wire_siginfo {
	__le32 signo;
	__le32 code;
	__le32 pid;
	__le32 uid;
	__le32 err;
	__le32 reserved;
	__le64 value;
};

/*
 * Relations over nodes. A *stub* is a task that holds a process's number on a
 * node where the process itself does not run, because a relation of it lives
 * there: its parent, or children, or a session. The node where the process
 * runs knows who holds stubs of it.
 */

/**
 * struct pando_wire_rusage - what a task, or its waited-for children, used
 * @utime, @stime: ns; @minflt, @majflt, @nvcsw, @nivcsw: counts
 * @inblock, @oublock: blocks of 512 bytes; @maxrss: pages of 4096 bytes
 */
struct pando_wire_rusage {
	__le64 utime;
	__le64 stime;
	__le64 minflt;
	__le64 majflt;
	__le64 nvcsw;
	__le64 nivcsw;
	__le64 inblock;
	__le64 oublock;
	__le64 maxrss;
};

enum pando_kin_event {
	PANDO_KIN_EXIT = 1,	/* status: as wait4() has it */
	PANDO_KIN_STOP,		/* status: the signal that stopped it */
	PANDO_KIN_CONT,		/* it goes on */
	PANDO_KIN_REGROUP,	/* status: its process group now; session */
};

/**
 * struct pando_wire_kin_event - to a holder: something befell a process
 * @pid: that lives with the sender and has a stub with the receiver
 * @what: enum pando_kin_event
 * @status: as above
 * @session: PANDO_KIN_REGROUP: its session now
 * @self, @children: PANDO_KIN_EXIT: what wait4() reports, RUSAGE_BOTH apart
 * @nice: PANDO_KIN_EXIT: -20 to 19
 * @comm: PANDO_KIN_EXIT: its name, ended by a zero byte; empty: unknown
 * @uid: PANDO_KIN_EXIT, STOP, CONT: its real user, in the initial user namespace
 * @flags: PANDO_KIN_EXIT: PANDO_KIN_EXEC
 * @reserved: zero
 * @limit: PANDO_KIN_EXIT: of each resource the soft and the hard limit, as prlimit64() has
 *	them
 */
struct pando_wire_kin_event {
	__le32 pid;
	__le32 what;
	__le32 status;
	__le32 session;
	struct pando_wire_rusage self;
	struct pando_wire_rusage children;
	__le32 nice;
	__u8 comm[16];
	__le32 uid;
	__le32 flags;
	__le32 reserved;
	__le64 limit[16][2];
};

#define PANDO_KIN_EXEC		0x1	/* it has executed a program since it was forked */

enum pando_kin_answer {
	PANDO_KIN_NOTED,	/* it befell the stub, if there is one */
	PANDO_KIN_KEEPS,	/* the stub is what its parent waits for: the number is in use */
	PANDO_KIN_LATER,	/* nothing was done: its stub comes, or goes; tell it again */
};

/** @answer: enum pando_kin_answer */
struct pando_wire_kin_event_reply {
	__le32 answer;
};

#define PANDO_KIN_GROUP		0x1	/* @pid is a process group's number */
#define PANDO_KIN_HELD		0x2	/* only if the sender has a stub of @pid */

/**
 * struct pando_wire_kin_signal - a signal of the kernel that met a stub
 * @pid: process, or group of which members may run with the receiver
 * @flags: PANDO_KIN_GROUP, PANDO_KIN_HELD
 * @signo: the signal
 * @group, @occasion: as struct pando_wire_call has them
 *
 * A group has members with everybody or with nobody: no members is no error. The reply:
 * those that have just left, le32 each.
 * -EEXIST: as PANDO_KIN_HELD said, the number is another's.
 */
struct pando_wire_kin_signal {
	__le32 pid;
	__le32 flags;
	__le32 signo;
	__le32 group;
	__le64 occasion;
};

#define PANDO_KIN_DROP		0x1	/* the sender has no stub any more */
#define PANDO_KIN_ANEW		0x2	/* it is new: its group and session may be old */

/**
 * struct pando_wire_kin_hold - the sender has a stub of @pid
 * @flags: PANDO_KIN_DROP, PANDO_KIN_ANEW
 */
struct pando_wire_kin_hold {
	__le32 pid;
	__le32 flags;
};

/** @node: the one that answers, where the process lives */
struct pando_wire_kin_hold_reply {
	__le16 node;
	__le16 reserved;
};

/**
 * struct pando_wire_kin_left - to a home: a process of it has ended
 * @pid: whose stub, here at the sender, is what is left of it until its parent
 *	has waited for it; GONE follows
 */
struct pando_wire_kin_left {
	__le32 pid;
	__le32 reserved;
};

#define PANDO_KIN_ASKS		0x1	/* the sender wants to know, now and from now on */

/**
 * struct pando_wire_kin_front - who is in front of the terminal of a session
 * @sid: the session, whose leader is with the receiver (PANDO_KIN_ASKS) or the sender
 * @flags: PANDO_KIN_ASKS: @pgid and @seq mean nothing; the reply is one of these
 * @pgid: the process group in front, 0 for none
 * @tty: of the terminal, in a reply: its device there, as stat of proc(5) has it; 0: unknown
 * @seq: a later word has a greater one
 *
 * Asked: -ESRCH: no such session, or it has no terminal. Told: the reply is empty;
 * -ENOENT: nobody is before that terminal here, and the sender need tell no more.
 */
struct pando_wire_kin_front {
	__le32 sid;
	__le32 flags;
	__le32 pgid;
	__le32 tty;
	__le64 seq;
};

/**
 * struct pando_wire_kin_reaper - where is the nearest subreaper (prctl(2)) from @pid up?
 * @pid: a process that lives with the receiver: itself, or one of its ancestors
 * @reserved: zero
 */
struct pando_wire_kin_reaper {
	__le32 pid;
	__le32 reserved;
};

/**
 * struct pando_wire_kin_reaper_reply
 * @reaper: that one, or 0
 * @next: then: from this one up it is not known here; 0: there is none
 */
struct pando_wire_kin_reaper_reply {
	__le32 reaper;
	__le32 next;
};

/**
 * struct pando_wire_kin_stub - what a stub of a process is to be like
 * @pid, @pgid, @sid: its numbers
 * @where: the node where it is believed to live
 * @uid, @gid: real, effective, saved; in the initial user namespace
 * @stop: 0; or it stands stopped, or went on, as PANDO_KIN_STOPPED and
 *	PANDO_KIN_CONTINUED of linux/pando.h have it
 * @signal: what wait() has yet to tell of that, or 0
 */
struct pando_wire_kin_stub {
	__le32 pid;
	__le32 pgid;
	__le32 sid;
	__le32 where;
	__le32 uid[3];
	__le32 gid[3];
	__le32 stop;
	__le32 signal;
};

/**
 * struct pando_wire_kin_adopt - a process ends, and leaves children
 * @reaper: the subreaper, that lives with the receiver, and is to have them
 * @n: how many, PANDO_ADOPT_MOST at most
 * @orphan: they; those too that have ended, and have not been waited for
 */
struct pando_wire_kin_adopt {
	__le32 reaper;
	__le32 n;
	struct pando_wire_kin_stub orphan[];
};

#define PANDO_KIN_THREAD	0x1	/* not itself, but the thread that has forked it */

/**
 * struct pando_wire_kin_parent - the parent of a process ends
 * @pid: the process, that lives with the receiver
 * @flags: PANDO_KIN_THREAD
 * @parent: whose child it is from now on, which lives with the sender
 *
 * And the sender has a stub of @pid, as KIN_HOLD says. It may have ended already: then its
 * end will be told, as soon as its parent has. -ENXIO: @parent has ended.
 */
struct pando_wire_kin_parent {
	__le32 pid;
	__le32 flags;
	struct pando_wire_kin_stub parent;
};

/**
 * struct pando_wire_kin_orphan - somebody ended who has anchored a process group
 * @pgid: the group, which the receiver is to judge: is it an orphan's now?
 * @reserved: zero
 */
struct pando_wire_kin_orphan {
	__le32 pgid;
	__le32 reserved;
};

#define PANDO_GROUP_ANCHORED	0x1	/* one's parent is in its session, and not in the group */
#define PANDO_GROUP_STOPPED	0x2	/* one that runs here is stopped */
#define PANDO_GROUP_MOVES	0x4	/* one comes: it may be as it was where it comes from */

/**
 * struct pando_wire_kin_group - how are the members of a group, and their stubs, there?
 * @pgid: the group, in the reply as well
 * @flags: zero; in the reply PANDO_GROUP_*
 */
struct pando_wire_kin_group {
	__le32 pgid;
	__le32 flags;
};

/**
 * struct pando_wire_cred - who asks, in the initial user namespace's ids
 * @uid: real, effective, saved, file system
 * @gid: likewise
 * @cap_effective: capability sets; a requester in another user namespace
 *	than the initial one sends them empty
 * @ngroups: supplementary groups that follow the fixed part of the message
 */
struct pando_wire_cred {
	__le32 uid[4];
	__le32 gid[4];
	__le64 cap_effective;
	__le64 cap_permitted;
	__le32 ngroups;
	__le32 reserved;
};

#define PANDO_WIRE_GROUPS_MAX	1024

/* Calls on a PID. The arguments are those of the system call, its PID apart. */
enum pando_call {
	PANDO_CALL_KILL,		/* arg0 sig; data: siginfo */
	PANDO_CALL_TKILL,		/* arg0 sig; data: siginfo */
	PANDO_CALL_TGKILL,		/* arg0 sig, arg1 tgid; data: siginfo */
	PANDO_CALL_SIGQUEUE,		/* as KILL; rt_sigqueueinfo() */
	PANDO_CALL_TGSIGQUEUE,		/* as TGKILL; rt_tgsigqueueinfo() */
	PANDO_CALL_GETPGID,
	PANDO_CALL_GETSID,
	PANDO_CALL_GETPRIORITY,
	PANDO_CALL_SETPRIORITY,		/* arg0 nice */
	PANDO_CALL_SCHED_GETAFFINITY,	/* arg0 bytes; reply data: mask */
	PANDO_CALL_SCHED_SETAFFINITY,	/* arg0 bytes; data: mask */
	PANDO_CALL_PRLIMIT64,		/* arg0 resource, arg1 bit 0: set, bit 1:
					 * get; data and reply data: rlimit64
					 */
	PANDO_CALL_SCHED_GETSCHEDULER,
	PANDO_CALL_SCHED_GETPARAM,	/* reply data: le32 priority */
	PANDO_CALL_SCHED_SETSCHEDULER,	/* arg0 policy; data: le32 priority */
	PANDO_CALL_SCHED_SETPARAM,	/* data: le32 priority */
	PANDO_CALL_SCHED_GETATTR,	/* arg0 bytes; reply data: sched_attr */
	PANDO_CALL_SCHED_SETATTR,	/* data: sched_attr */
	PANDO_CALL_SCHED_RR_GET_INTERVAL, /* reply data: le64 s, le64 ns */
	PANDO_CALL_IOPRIO_GET,
	PANDO_CALL_IOPRIO_SET,		/* arg0 class and level */
	PANDO_CALL_CAPGET,		/* arg0 version; reply data: one or two
					 * of effective, permitted, inheritable,
					 * le32 each
					 */
	PANDO_CALL_SYSCALLS,		/* those above have a system call each */
	PANDO_CALL_PIDFD_OPEN = PANDO_CALL_SYSCALLS,
					/* arg0 flags; reply data: struct
					 * pando_wire_pidfd
					 */
	PANDO_CALL_SETPGID,		/* arg0 group, arg1 session of the
					 * sender, who is the parent
					 */
	PANDO_CALL_PIDFD_SIGNAL,	/* arg0 sig, arg1 start time; data:
					 * siginfo or empty
					 */
	__PANDO_CALL_MAX
};

/*
 * Whom a call is about. Others than ONE: KILL, the priorities and IOPRIO; and
 * then those that run with the receiver, stubs and node-local processes apart.
 */
enum pando_whom {
	PANDO_WHOM_ONE,		/* the process, or thread, @pid */
	PANDO_WHOM_GROUP,	/* the members of the group @pid */
	PANDO_WHOM_USER,	/* the user @pid's, an id of the initial namespace */
	PANDO_WHOM_ALL,		/* KILL */
};

/**
 * struct pando_wire_call - one by-pid system call
 * @call: enum pando_call
 * @pid: global PID it is about, or as @whom says
 * @cred: caller
 * @arg: arguments, sign-extended
 * @sender: global tgid of the caller
 * @datalen: bytes of data behind the groups
 * @whom: enum pando_whom
 * @group: ONE, KILL: only if it is still of that group; 0: in any case
 * @occasion: of a signal to many: the same number for each node, and for each process that
 *	is sent it by its own number because it moves; else 0
 *
 * Followed by ngroups __le32, then datalen bytes.
 */
struct pando_wire_call {
	__le32 call;
	__le32 pid;
	struct pando_wire_cred cred;
	__le64 arg[5];
	__le32 sender;
	__le32 datalen;
	__le32 whom;
	__le32 group;
	__le64 occasion;
	__le64 reserved[3];
};

/**
 * struct pando_wire_pidfd - about the process of a pidfd
 * @start: when it started, ns, of the node's CLOCK_BOOTTIME
 * @node: where it runs, which tells the caller of its end as if that held a stub
 * @ended: it has ended, and nothing more will be told
 */
struct pando_wire_pidfd {
	__le64 start;
	__le32 node;
	__le32 ended;
};

/**
 * @ret: what the system call returned, negative errno included; data follows: of KILL on
 * many those of them that have just left, le32 each
 */
struct pando_wire_call_reply {
	__le64 ret;
};

/** PROC_LIST: thread group ids of the sender's own and guests, from @from on */
struct pando_wire_proc_list {
	__le32 from;
	__le32 reserved;
};

/** @count PIDs in ascending order; @next: go on from there, 0 at the end */
struct pando_wire_proc_list_reply {
	__le32 count;
	__le32 next;
	__le32 pid[];
};

/**
 * struct pando_wire_proc - STAT, READ, READDIR, READLINK, WRITE and BULK
 * @cred: requester
 * @pos: file position or directory cookie
 * @len: bytes wanted, or bytes of data that follow the path
 * @pathlen: of the path, no NUL, "70123/task/70124/stat": no empty, "." or
 *	".." component, no leading slash; no component may be a link except
 *	the last of READLINK and STAT
 * @flags: zero
 * @reserved: the first is the process's start time as a STAT reply's @ino
 *	gave it, or 0: if it differs the number was used again, -ESRCH; the
 *	others are zero
 *
 * Followed by ngroups __le32, the path, the data.
 */
struct pando_wire_proc {
	struct pando_wire_cred cred;
	__le64 pos;
	__le64 reserved[6];
	__le32 len;
	__le16 pathlen;
	__le16 flags;
};

/**
 * struct pando_wire_proc_stat - attributes of one file of /proc/PID
 * @mode: type and permissions; @uid, @gid: in the initial user namespace
 * @ino: start time of the process, ns of the cluster's CLOCK_BOOTTIME: with
 *	its PID it says which process this is
 */
struct pando_wire_proc_stat {
	__le32 mode;
	__le32 uid;
	__le32 gid;
	__le32 nlink;
	__le64 size;
	__le64 ino;
};

/**
 * struct pando_wire_proc_dir - reply to READDIR
 * @next: cookie to go on from; 0 at the end
 * @count: entries that follow, each a struct pando_wire_proc_dirent
 */
struct pando_wire_proc_dir {
	__le32 next;
	__le32 count;
};

/** followed by namelen bytes, padded to a multiple of 4; type is DT_* */
struct pando_wire_proc_dirent {
	__le16 namelen;
	__u8 type;
	__u8 reserved;
};

#define PANDO_BULK_FILES	8
#define PANDO_BULK_NAMES	{ "stat", "status", "statm", "cmdline", "comm", \
				  "cgroup", "environ", "io" }
#define PANDO_BULK_FILE		4096	/* the longest that is sent along */
#define PANDO_BULK_ABSENT	0xffff

/**
 * struct pando_wire_proc_bulk - reply to BULK: one for each process
 * @stat: of its directory, as STAT has it
 * @pid: its number
 * @len: of each of its files PANDO_BULK_NAMES, or PANDO_BULK_ABSENT: too long,
 *	or not to be read by the requester
 *
 * Followed by the files that are there, in that order, and padding to a
 * multiple of 8. The request's path is the number of a process that runs
 * there; the reply has it and those above it, in ascending order, as many as
 * fit. A process that ends meanwhile is left out.
 */
struct pando_wire_proc_bulk {
	struct pando_wire_proc_stat stat;
	__le32 pid;
	__le16 len[PANDO_BULK_FILES];
	__le32 reserved;
};

#define PANDO_WIRE_ASSERT(type, size) \
	_Static_assert(sizeof(struct type) == (size), #type " is not " #size)

PANDO_WIRE_ASSERT(pando_wire_hdr, 40);
PANDO_WIRE_ASSERT(pando_wire_hello, 184);
PANDO_WIRE_ASSERT(pando_wire_challenge, 152);
PANDO_WIRE_ASSERT(pando_wire_auth, 32);
PANDO_WIRE_ASSERT(pando_wire_cred, 56);
PANDO_WIRE_ASSERT(pando_wire_siginfo, 32);
PANDO_WIRE_ASSERT(pando_wire_kin_event, 448);
PANDO_WIRE_ASSERT(pando_wire_kin_signal, 24);
PANDO_WIRE_ASSERT(pando_wire_kin_hold, 8);
PANDO_WIRE_ASSERT(pando_wire_kin_left, 8);
PANDO_WIRE_ASSERT(pando_wire_kin_reaper, 8);
PANDO_WIRE_ASSERT(pando_wire_kin_reaper_reply, 8);
PANDO_WIRE_ASSERT(pando_wire_kin_stub, 48);
PANDO_WIRE_ASSERT(pando_wire_kin_adopt, 8);
PANDO_WIRE_ASSERT(pando_wire_kin_parent, 56);
PANDO_WIRE_ASSERT(pando_wire_kin_orphan, 8);
PANDO_WIRE_ASSERT(pando_wire_kin_group, 8);
PANDO_WIRE_ASSERT(pando_wire_call, 152);
PANDO_WIRE_ASSERT(pando_wire_proc, 120);
PANDO_WIRE_ASSERT(pando_wire_proc_stat, 32);
PANDO_WIRE_ASSERT(pando_wire_proc_bulk, 56);
PANDO_WIRE_ASSERT(pando_wire_proc_dir, 8);
PANDO_WIRE_ASSERT(pando_wire_proc_dirent, 4);

#endif /* _PANDO_WIRE_H */
