/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls by PID on processes of other nodes. One row a call in calls.c;
 * what each row packs and executes is in call_rows.c, calls on many processes
 * are in call_many.c, and those that are not carried anywhere in refuse.c;
 * pidfd.c joins in.
 */
#ifndef _PANDO_CALLS_H
#define _PANDO_CALLS_H

#include <linux/ptrace.h>
#include <linux/signal_types.h>
#include <linux/types.h>
#include <pando/wire.h>

struct pando_server;

#define PANDO_CALL_DATA		1024	/* largest argument or result */

/**
 * struct pando_call_out - a call on its way out, and its result
 * @msg: header of the message
 * @data: in memory arguments; then results
 * @reply: what came back
 */
struct pando_call_out {
	struct pando_wire_call msg;
	u8 data[PANDO_CALL_DATA];
	struct {
		struct pando_wire_call_reply head;
		u8 data[PANDO_CALL_DATA];
	} reply;
	size_t reply_len;	/* of reply.data */
};

/**
 * struct pando_call_in - a call that came in, while it is executed
 * @msg: header, checked
 * @data: memory arguments, @len bytes
 * @node: who asks
 * @server: the thread that executes
 * @out: results, @out_len bytes (at most PANDO_CALL_DATA)
 */
struct pando_call_in {
	const struct pando_wire_call *msg;
	const void *data;
	size_t len;
	u16 node;
	struct pando_server *server;
	void *out;
	size_t out_len;
};

/**
 * struct pando_call_row - one system call
 * @call: number on the wire
 * @pidarg: which argument is the PID (or says whom a call on many is for)
 * @pack: fills msg.arg and data from the arguments (in kernel form); 0 or a
 *	negative errno that the caller gets
 * @unpack: stores results in the caller's memory; NULL: there are none.
 *	Gets and returns what the system call returns
 * @exec: does it at the owner; returns what the system call returns. Runs
 *	under the caller's credentials in a thread of pando-init
 * @target: the process it is about, 0 for none, where no argument says it;
 *	NULL: @pidarg does
 * @merge: what a call on many says that said the one for some and the other for
 *	others (-ESRCH: there are none); NULL: it is always about one
 */
struct pando_call_row {
	enum pando_call call;
	u8 pidarg;
	int (*pack)(struct pando_call_out *out, const u64 *args, bool compat);
	long (*unpack)(struct pando_call_out *out, const u64 *args, long ret);
	long (*exec)(struct pando_call_in *in);
	u32 (*target)(const u64 *args);
	long (*merge)(long a, long b);
};

#define PANDO_CALL_ARGS		6

/* The arguments of a system call, in the order of either ABI. */
static inline void pando_call_args(const struct pt_regs *regs, bool compat,
				   u64 *args)
{
	if (compat) {
		args[0] = (u32)regs->bx;
		args[1] = (u32)regs->cx;
		args[2] = (u32)regs->dx;
		args[3] = (u32)regs->si;
		args[4] = (u32)regs->di;
		args[5] = (u32)regs->bp;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
		args[4] = regs->r8;
		args[5] = regs->r9;
	}
}

/*
 * Has the number a task here that is not the process: a stub, one about to
 * arrive, one that has left? For tools around the namespace it is what it
 * seems, and so is for one that is being restored what is restored with it.
 */
bool pando_call_is_unsettled(u32 pid);

/*
 * The session of that group, by those of its members who say so, on any node. -ESRCH: it
 * has none; or another error. May sleep; in the context of a process of the cluster.
 */
long pando_call_group_session(u32 pgid);

/* call_rows.c */
extern const struct pando_call_row pando_call_rows[__PANDO_CALL_MAX];
extern const struct pando_call_row pando_call_rr_time32;
void pando_call_pack_info(struct pando_call_out *out,
			  const struct kernel_siginfo *info);
int pando_call_get_info(struct kernel_siginfo *info, u64 uinfo, bool compat);
void pando_call_user_info(struct kernel_siginfo *info, int sig, int code);

/*
 * Runs the original of a 64-bit system call in this thread. @nr: its place in
 * pando_call_hooks (enum pando_call).
 */
long pando_call_original(enum pando_call call, unsigned long a0,
			 unsigned long a1, unsigned long a2, unsigned long a3);

/*
 * Sends @out to the node where @pid lives and waits. The return value is the
 * system call's; @here as in pando_locate_call().
 */
long pando_call_send(struct pando_call_out *out, enum pando_call call, u32 pid,
		     bool *here);

/* Rows' merge functions: any success, the greatest, the least, any failure. */
long pando_call_merge_any(long a, long b);
long pando_call_merge_max(long a, long b);
long pando_call_merge_min(long a, long b);
long pando_call_merge_all(long a, long b);

/*
 * The processes and threads here that @in is about (its whom says how), one by
 * one. Stubs and node-local ones are left out.
 */
long pando_call_each(const struct pando_call_row *row,
		     const struct pando_call_in *in);

int pando_calls_init(void);
void pando_calls_exit(void);

#endif
