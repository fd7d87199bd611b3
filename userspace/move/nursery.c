// SPDX-License-Identifier: GPL-2.0-only
/* Stubs are made here; see nursery.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "move.h"

struct request {
	pid_t number, parent;
	struct ids ids;
};

/* Everything at its default, but: children are nobody's to be waited for. */
static void plain_signals(void)
{
	struct sigaction quiet = { .sa_handler = SIG_DFL,
				   .sa_flags = SA_NOCLDWAIT };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigaction(SIGCHLD, &quiet, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * By the bare system calls: the C library would tell threads that are not
 * there. It says that it is ready by closing all it has.
 */
static void be_stub(const struct request *q, pid_t maker)
{
	/* until it has a parent of its own: the kernel module clears it then */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != maker)
		_exit(1);
	plain_signals();
	if (q->parent)
		clock_enter(q->parent);
	prctl(PR_SET_NAME, "pando-stub");
	if (chdir("/") < 0)
		_exit(1);
	syscall(SYS_setgroups, 0, NULL);
	syscall(SYS_setresgid, q->ids.gid[0], q->ids.gid[1], q->ids.gid[2]);
	syscall(SYS_setresuid, q->ids.uid[0], q->ids.uid[1], q->ids.uid[2]);
	/* a change of ids clears it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != maker)
		_exit(1);
	close_range(0, ~0u, 0);
	for (;;)
		pause();
}

static pid_t make(const struct request *q)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t tid = q->number, pid, self = getpid();
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	if (tid) {
		args.set_tid = (uintptr_t)&tid;
		args.set_tid_size = 1;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid)
		be_stub(q, self);
	if (pid < 0)
		pid = -errno;
	close(ready[1]);
	while (pid > 0 && read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(ready[0]);
	return pid;
}

static void run(int sock, pid_t mover)
{
	struct request q;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != mover)
		_exit(1);
	prctl(PR_SET_NAME, "pando-nursery");
	/* what is parked is killed as a child of ours, and waited for by nobody */
	signal(SIGCHLD, SIG_IGN);
	dup2(sock, 3);
	close_range(4, ~0u, 0);
	while (recv(3, &q, sizeof(q), 0) == sizeof(q)) {
		pid = make(&q);
		if (send(3, &pid, sizeof(pid), MSG_NOSIGNAL) != sizeof(pid))
			break;
	}
	_exit(0);
}

int nursery_start(struct nursery *n)
{
	pid_t self = getpid();
	int sk[2];

	*n = (struct nursery){ .sock = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk))
		return -errno;
	n->pid = fork();
	if (!n->pid)
		run(sk[1], self);
	close(sk[1]);
	if (n->pid < 0) {
		close(sk[0]);
		return -errno;
	}
	n->sock = sk[0];
	return 0;
}

pid_t nursery_make(struct nursery *n, pid_t number, pid_t parent,
		   const struct ids *ids, int timeout_ms)
{
	struct request q = { number, parent, *ids };
	struct pollfd p = { n->sock, POLLIN, 0 };
	pid_t pid;

	if (n->sock < 0 ||
	    send(n->sock, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q))
		return -EPIPE;
	if (poll(&p, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	return recv(n->sock, &pid, sizeof(pid), 0) == sizeof(pid) ? pid : -EPIPE;
}

void nursery_end(struct nursery *n)
{
	if (n->sock < 0)
		return;
	close(n->sock);
	n->sock = -1;
	waitpid(n->pid, NULL, 0);
}
