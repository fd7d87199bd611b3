// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs with a terminal of their own. A shell at home does job control with
 * the program's stand-in, cluster-run; so here somebody has to be the shell: the
 * leader of the program's session. Were it the program itself, its group would
 * be orphaned, and the kernel would drop a terminal's stop signals.
 *
 * The leader is a task of pando-init's code. It puts its child into the
 * terminal's foreground or takes it out again, as its stand-in is at home, and
 * tells of its stops and its end.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

#define ORDER		SIGRTMIN	/* from pando-init; its value: */
#define ORDER_FRONT	1
#define ORDER_GO_ON	2
#define ORDER_SIGNAL	256		/* and its number */

struct leader {
	pid_t program, front;	/* front: who has the terminal, when we let them */
	bool behind, stopped;
	int slave, events;
};

static void tell(int events, pid_t leader, enum terminal_kind kind, int value)
{
	struct terminal_event e = { .leader = leader, .kind = kind, .value = value };

	/* less than PIPE_BUF: whole or not at all */
	if (write(events, &e, sizeof(e)) < 0)
		return;
}

/*
 * The program has ended: what was typed ahead goes back to where it was typed, and is for
 * whoever reads there next. As it is: with the line's modes half of one would stay here.
 * Somebody whom the program has left behind may just read: then it is that one's.
 */
static void tell_unread(struct leader *l)
{
	struct terminal_event e = { .leader = getpid(), .kind = TERMINAL_UNREAD };
	struct termios mode, raw;
	pid_t front;
	int fd;

	if (l->behind || tcgetattr(l->slave, &mode) < 0 || ioctl(l->slave, TIOCGPGRP, &front) < 0)
		return;
	/* opened anew: that it does not wait is nobody else's business */
	fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	raw = mode;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = raw.c_cc[VTIME] = 0;
	tcsetpgrp(fd, getpid());
	tcsetattr(fd, TCSANOW, &raw);
	for (int n = 0; n < TERMINAL_AHEAD; n += e.value) {
		e.value = read(fd, e.byte, sizeof(e.byte));
		if (e.value <= 0 || write(l->events, &e, sizeof(e)) < 0)
			break;
	}
	tcsetattr(fd, TCSANOW, &mode);
	/* it is hung up next */
	tcsetpgrp(fd, front);
	close(fd);
}

static void watch_program(struct leader *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		if (pid != l->program)
			continue;
		if (WIFSTOPPED(status)) {
			l->stopped = true;
			tell(l->events, getpid(), TERMINAL_STOPPED,
			     WSTOPSIG(status));
		} else if (WIFCONTINUED(status)) {
			l->stopped = false;
		} else {
			tell_unread(l);
			tell(l->events, getpid(), TERMINAL_ENDED, status);
			/* as with any leader: its session is hung up */
			_exit(0);
		}
	}
}

static void set_front(struct leader *l, bool yes, bool go_on)
{
	pid_t group = getpgid(l->program);

	/* it may be a shell itself, with somebody else in front */
	if (!yes && !l->behind && ioctl(l->slave, TIOCGPGRP, &l->front) < 0)
		l->front = group;
	if (!yes)
		tcsetpgrp(l->slave, getpid());
	else if (l->behind && tcsetpgrp(l->slave, l->front) < 0)
		tcsetpgrp(l->slave, group);
	l->behind = !yes;
	if (go_on && l->stopped) {
		kill(-group, SIGCONT);
		l->stopped = false;
	}
}

static void obey(struct leader *l, int order)
{
	pid_t group;

	if (order < ORDER_SIGNAL) {
		set_front(l, order & ORDER_FRONT, order & ORDER_GO_ON);
		return;
	}
	if (l->behind || ioctl(l->slave, TIOCGPGRP, &group) < 0 || group <= 1)
		group = getpgid(l->program);
	kill(-group, order - ORDER_SIGNAL);
}

static void lead(struct leader *l)
{
	static char title[] = "pando-tty";
	siginfo_t info;
	sigset_t all;

	prctl(PR_SET_NAME, title);
	prctl(PR_SET_MM, PR_SET_MM_ARG_START, title, 0, 0);
	prctl(PR_SET_MM, PR_SET_MM_ARG_END, title + sizeof(title), 0, 0);
	/* pando-init's own must end with pando-init */
	l->slave = dup2(l->slave, 0);
	l->events = dup2(l->events, 1);
	close_range(2, ~0u, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;) {
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD) {
			watch_program(l);
		} else if (info.si_signo == SIGHUP) {
			/* the line dropped: whose session it seems to be hears */
			kill(l->program, SIGHUP);
			kill(l->program, SIGCONT);
		} else if (info.si_signo == ORDER &&
			   info.si_pid == getppid()) {
			obey(l, info.si_value.sival_int);
		}
	}
}

int terminal_lead(int slave, int events, bool front)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct leader l = { .slave = slave, .events = events,
			    .behind = !front };

	l.program = syscall(SYS_clone3, &args, sizeof(args));
	if (l.program < 0)
		return -1;
	if (l.program) {
		l.front = l.program;
		lead(&l);
	}
	setpgid(0, 0);
	if (front)
		tcsetpgrp(slave, getpid());
	/* before it executes, which pando-init waits for */
	tell(events, getppid(), TERMINAL_PROGRAM, getpid());
	return 0;
}

static void order(pid_t leader, int what)
{
	sigqueue(leader, ORDER, (union sigval){ .sival_int = what });
}

void terminal_front(pid_t leader, bool yes, bool go_on)
{
	order(leader, (yes ? ORDER_FRONT : 0) | (go_on ? ORDER_GO_ON : 0));
}

void terminal_signal(pid_t leader, int signo)
{
	order(leader, ORDER_SIGNAL + signo);
}
