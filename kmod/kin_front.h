/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which process group is in front of a terminal that processes of other nodes stand
 * before: the node of the session's leader knows it, because who changes it is of
 * that session and does so there. It tells every node that has asked once, before the
 * system call (TIOCSPGRP) returns: a signal that the shell sends next, SIGCONT above
 * all, comes after it.
 */
#ifndef _PANDO_KIN_FRONT_H
#define _PANDO_KIN_FRONT_H

#include <linux/atomic.h>
#include <linux/types.h>

/* How often somebody asks for a session: zero is the short way through the hook. */
extern atomic_t pando_kin_fronts;

/**
 * pando_kin_front_ask - asks, and is told of every change from now on
 * @node: where the leader of the session is
 * @sid: the session
 * @pgid: out: the group in front of its terminal; 0: none
 * @seq: out: grows from one answer, or change, to the next
 * @tty: out: the terminal's device there, as in /proc/PID/stat; 0: unknown
 *
 * Context: process, sleeps.
 * Return: 0; -ESRCH: no such session, or it has no terminal; what pando_rpc_call()
 * returns.
 */
int pando_kin_front_ask(u16 node, u32 sid, u32 *pgid, u64 *seq, u32 *tty);

/* current has changed the front of its terminal. Process context, waits. */
void pando_kin_front_changed(void);
/* Nobody has that number any more. Any context. */
void pando_kin_front_freed(u32 nr);

void pando_kin_front_reset(void);	/* DETACH; sleeps */
int pando_kin_front_init(void);
void pando_kin_front_exit(void);

#endif
