// SPDX-License-Identifier: GPL-2.0-only
/* The keeper and the guard of a restored tree; see keeper.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "criu.h"
#include "keeper.h"
#include "sysv.h"
#include "tree.h"

/* What the mover says, one byte, with a descriptor where it says so. */
#define SAY_CRIU	'c'	/* criu's end of its RPC; answered with its pidfd */
#define SAY_TERMINAL	't'	/* a slave, for criu */
#define SAY_HOLD	'u'	/* a userfaultfd */
#define SAY_RECORD	's'	/* of SysV shared memory that was made */
#define SAY_PART	'p'	/* criu out of the group; answered with the same */
#define SAY_BUILT	'b'	/* the guard's socket; the guard answers with the same */
#define SAY_COMMIT	'g'
#define SAY_DONE	'd'

/* --- words between the three ---------------------------------------------------*/

static int say(int sock, char word, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &word, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

/* 0 at the end of the other side. */
static char hear(int sock, int *fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	char word = 0;
	struct iovec iov = { &word, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	c = CMSG_FIRSTHDR(&mh);
	if (c && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return word;
}

/* --- the guard --------------------------------------------------------------------*/

/* All that is held, and what came of it since. */
static void kill_tree(struct tree *t)
{
	for (int again = 0; again < 3; again++) {
		for (size_t i = 0; i < t->n; i++) {
			struct pollfd p = { t->task[i].pidfd, POLLIN, 0 };
			struct tree below;

			/* only of those whose number is still theirs */
			if (p.fd < 0 || poll(&p, 1, 0) > 0 ||
			    tree_collect(&below, t->task[i].pid))
				continue;
			if (!tree_hold(&below))
				tree_kill(&below, 0);
			tree_free(&below);
		}
		if (!tree_kill(t, 1000))
			return;
	}
}

static void __attribute__((noreturn)) guard(int sock, struct tree *t)
{
	bool committed = false;
	int fd;

	prctl(PR_SET_NAME, "pando-guard");
	say(sock, SAY_BUILT, -1);
	for (;;) {
		switch (hear(sock, &fd)) {
		case SAY_COMMIT:
			committed = true;
			break;
		case SAY_HOLD:	/* kept open, that is all */
			break;
		case SAY_DONE:
			_exit(0);
		default:
			/* before the commit the keeper does it */
			if (committed)
				kill_tree(t);
			_exit(1);
		}
	}
}

/* --- the keeper ---------------------------------------------------------------------*/

struct held {
	const char *group;	/* in which all is born */
	pid_t criu_pid;
	int criu;		/* pidfd */
	int guard;		/* a guard's socket to come, or -1 */
	int tty;		/* until criu has it */
	int record;		/* of what goes with all that is born, or -1 */
};

static bool enter_group(const char *group, pid_t pid)
{
	char path[256], number[16];
	int fd, n = snprintf(number, sizeof(number), "%d", pid);
	bool ok;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, number, n) == n;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* What criu builds is born where criu is: to be moved while it stands still takes time. */
static void start_criu(struct held *h, int sock)
{
	pid_t pid = fork();

	if (!pid) {
		/* criu is then missing, and that is said */
		if (h->group && !enter_group(h->group, 0))
			_exit(1);
		criu_exec(sock, h->tty, h->group);
	}
	h->criu_pid = pid;
	if (pid < 0)
		return;
	/* nobody but we could have taken its end */
	h->criu = syscall(SYS_pidfd_open, pid, 0);
	if (h->criu < 0)
		kill(pid, SIGKILL);
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/*
 * criu first: where it finds a task of its own gone it kills the others by
 * number, and a number that is free here may lead to the source. For the same
 * reason nothing here is killed by number.
 */
static void kill_below(const struct held *h)
{
	struct pollfd p = { h->criu, POLLIN, 0 };
	size_t left;

	if (h->criu >= 0) {
		syscall(SYS_pidfd_send_signal, h->criu, SIGKILL, NULL, 0);
		poll(&p, 1, 5000);
	}
	do {
		struct tree t;

		reap();
		if (tree_collect(&t, getpid()))
			return;
		left = t.n - 1;
		/* the first is us */
		if (left && !tree_hold(&t)) {
			close(t.task[0].pidfd);
			t.task[0].pidfd = -1;
			tree_kill(&t, 200);
		}
		tree_free(&t);
	} while (left);
}

/* If there is none, the end of its socket tells. */
static void post_guard(const struct held *h, int sock, int keeper)
{
	struct tree t;

	if (tree_collect(&t, getpid())) {
		close(sock);
		return;
	}
	if (!fork()) {
		close(keeper);
		close(h->criu);
		/* we stand first in it, and criu is in it: both go anyway */
		for (size_t i = 0; i < t.n; i++)
			if (t.task[i].pid != getppid())
				t.task[i].pidfd = syscall(SYS_pidfd_open,
							  t.task[i].pid, 0);
		guard(sock, &t);
	}
	close(sock);
	tree_free(&t);
}

static void __attribute__((noreturn)) keep(int sock, const char *group)
{
	struct held h = { .group = group, .criu = -1, .guard = -1, .tty = -1,
			  .record = -1 };
	struct pollfd p[2] = { { sock, POLLIN, 0 }, { -1, POLLIN, 0 } };
	struct signalfd_siginfo si;
	bool committed = false;
	sigset_t set;
	int fd;

	prctl(PR_SET_NAME, "pando-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setsid();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		poll(p, 2, -1);
		if (p[1].revents) {
			while (read(p[1].fd, &si, sizeof(si)) > 0)
				;
			reap();
		}
		if (!p[0].revents)
			continue;
		switch (hear(sock, &fd)) {
		case SAY_CRIU:
			start_criu(&h, fd);
			close(fd);
			/* or it would not be seen when the tree has closed it */
			if (h.tty >= 0)
				close(h.tty);
			h.tty = -1;
			say(sock, SAY_CRIU, h.criu);
			break;
		case SAY_TERMINAL:
			h.tty = fd;
			break;
		case SAY_HOLD:
			/* for the guard, who has what we have */
			break;
		case SAY_RECORD:
			h.record = fd;
			break;
		case SAY_PART:
			/* where it cannot it is frozen with them: that is noticed */
			enter_group(PANDO_CGROUP_TASKS, h.criu_pid);
			say(sock, SAY_PART, -1);
			break;
		case SAY_BUILT:
			post_guard(&h, fd, sock);
			break;
		case SAY_COMMIT:
			committed = true;
			break;
		case SAY_DONE:
			_exit(0);
		default:
			/* after the commit the guard does it */
			if (!committed) {
				kill_below(&h);
				sysv_unmake(h.record);
			}
			_exit(1);
		}
	}
}

/* --- the mover's side ------------------------------------------------------------------*/

/* One that is not as it was, when it was found, is none. */
static int take_clock(pid_t clock, int64_t ahead_ns)
{
	int err;

	if (!clock)
		return ahead_ns ? clock_shift(ahead_ns) : 0;
	err = clock_enter(clock);
	return err || clock_ahead(getppid()) == -ahead_ns ? err : -ESRCH;
}

int keeper_start(struct move *m, struct keeper *k, const char *group, pid_t clock,
		 int64_t ahead_ns)
{
	int sk[2];

	*k = KEEPER_NONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk))
		return move_fail(m, "socketpair: %s", strerror(errno));
	k->pid = fork();
	if (!k->pid) {
		/* of the mover's it has nothing, so that its end is seen */
		dup2(sk[1], 3);
		fcntl(3, F_SETFD, FD_CLOEXEC);
		close_range(4, ~0u, 0);
		/* criu is then missing, and that is said */
		if (take_clock(clock, ahead_ns))
			_exit(1);
		keep(3, group);
	}
	close(sk[1]);
	k->sock = sk[0];
	if (k->pid > 0)
		k->pidfd = syscall(SYS_pidfd_open, k->pid, 0);
	return k->pidfd < 0 ? move_fail(m, "fork: %s", strerror(errno)) : 0;
}

int keeper_criu(struct move *m, struct keeper *k, int sock)
{
	int pidfd = -1;

	if (say(k->sock, SAY_CRIU, sock) || !hear(k->sock, &pidfd) ||
	    pidfd < 0)
		return move_fail(m, "cannot start criu");
	return pidfd;
}

int keeper_terminal(struct move *m, struct keeper *k, int slave)
{
	return say(k->sock, SAY_TERMINAL, slave) ?
	       move_fail(m, "the keeper of the restored process is gone") : 0;
}

int keeper_hold(struct move *m, struct keeper *k, int uffd)
{
	int to = k->guard >= 0 ? k->guard : k->sock;

	return to < 0 || say(to, SAY_HOLD, uffd) ?
	       move_fail(m, "the keeper of the restored process is gone") : 0;
}

int keeper_record(struct move *m, struct keeper *k, int fd)
{
	return say(k->sock, SAY_RECORD, fd) ?
	       move_fail(m, "the keeper of the restored process is gone") : 0;
}

int keeper_part(struct move *m, struct keeper *k)
{
	return say(k->sock, SAY_PART, -1) ?
	       move_fail(m, "the keeper of the restored process is gone") : 0;
}

int keeper_parted(struct move *m, struct keeper *k)
{
	struct pollfd p = { k->sock, POLLIN, 0 };
	int fd;

	return poll(&p, 1, m->timeout_ms) <= 0 || hear(k->sock, &fd) != SAY_PART ?
	       move_fail(m, "the keeper of the restored process is gone") : 0;
}

int keeper_built(struct move *m, struct keeper *k)
{
	struct pollfd p;
	int sk[2], fd, err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk))
		return move_fail(m, "socketpair: %s", strerror(errno));
	err = say(k->sock, SAY_BUILT, sk[1]);
	close(sk[1]);
	k->guard = sk[0];
	p = (struct pollfd){ k->guard, POLLIN, 0 };
	if (!err && (poll(&p, 1, m->timeout_ms) != 1 || hear(k->guard, &fd) != SAY_BUILT))
		err = -ESRCH;
	return err ? move_fail(m, "the restored process has nobody to guard it") : 0;
}

void keeper_commit(struct keeper *k)
{
	say(k->guard, SAY_COMMIT, -1);
	say(k->sock, SAY_COMMIT, -1);
}

void keeper_leave(struct keeper *k)
{
	say(k->sock, SAY_DONE, -1);
	close(k->sock);
	k->sock = -1;
	/* it is the child of one of the movers, be it another one's */
	waitpid(k->pid, NULL, 0);
	k->pid = 0;
}

void keeper_done(struct keeper *k)
{
	if (k->guard >= 0) {
		say(k->guard, SAY_DONE, -1);
		close(k->guard);
	}
	k->guard = -1;
}

int keeper_kill(struct keeper *k, int timeout_ms)
{
	struct pollfd gone = { k->pidfd, POLLIN, 0 };
	bool late;

	/* the guard first: what is not committed is not its business */
	if (k->guard >= 0)
		close(k->guard);
	if (k->sock >= 0)
		close(k->sock);
	k->sock = k->guard = -1;
	if (k->pid <= 0)
		return 0;
	late = poll(&gone, 1, timeout_ms) <= 0;
	if (!late)
		waitpid(k->pid, NULL, 0);
	k->pid = 0;
	return late ? -ETIMEDOUT : 0;
}
