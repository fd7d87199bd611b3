/* SPDX-License-Identifier: GPL-2.0-only */
/* Leaders of sessions with a terminal; see terminal.c. */
#ifndef PANDO_INIT_TERMINAL_H
#define PANDO_INIT_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

#define TERMINAL_PIECE	244	/* bytes in an event, which is a power of two with them */
#define TERMINAL_AHEAD	4096	/* bytes at most: more no terminal at home could take */

enum terminal_kind { TERMINAL_PROGRAM, TERMINAL_STOPPED, TERMINAL_UNREAD, TERMINAL_ENDED };

/*
 * value: the program's PID; the signal that stopped it; how many bytes were typed that it
 * has not read, before its end; its wait status.
 */
struct terminal_event {
	pid_t leader;
	int kind, value;
	unsigned char byte[TERMINAL_PIECE];
};

/*
 * In a new session with this terminal: becomes its leader, which does not
 * return, and the program, where it is 0, in a group of its own. @events: where
 * terminal_events go. @front: the terminal's foreground is the program's. -1: it
 * could not be made (errno).
 */
int terminal_lead(int slave, int events, bool front);
/*
 * Tells the leader, in this order: the program has the terminal, or not, and, if it
 * is stopped, it goes on; a signal for who is in the foreground, or the program's
 * group if nobody is.
 */
void terminal_front(pid_t leader, bool yes, bool go_on);
void terminal_signal(pid_t leader, int signo);

#endif
