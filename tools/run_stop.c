// SPDX-License-Identifier: GPL-2.0-only
/*
 * We stop as the program has, for our shell to see. But the program may end meanwhile,
 * killed or with its node, and who stands stopped reads nothing: the shell would have a
 * stopped job for ever. So what comes on our connections lets us go on, as whoever kills
 * a stopped process does.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "run.h"

static void wake_by(int fd, bool yes)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0)
		return;
	if (yes) {
		fcntl(fd, F_SETOWN, getpid());
		fcntl(fd, F_SETSIG, SIGCONT);
	}
	fcntl(fd, F_SETFL, yes ? flags | O_ASYNC : flags & ~O_ASYNC);
}

/* Of a signal by F_SETSIG; all others have the codes of kill() or of the kernel. */
static bool is_news(const siginfo_t *info)
{
	return info->si_code >= POLL_IN && info->si_code <= POLL_HUP;
}

enum run_stop run_stop(int signo, const int fds[2])
{
	struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
	struct sigaction old, act = { .sa_handler = SIG_DFL };
	struct timespec now = { 0, 0 };
	sigset_t set, blocked, cont;
	siginfo_t info;
	bool news;

	/* it waits until we would be woken: SIGCONT takes it away, also before it stops us */
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_BLOCK, &set, &blocked);
	sigaction(signo, &act, &old);
	raise(signo);
	for (int i = 0; i < 2; i++)
		wake_by(fds[i], true);
	news = poll(p, 2, 0) > 0;
	if (news) {
		act.sa_handler = SIG_IGN;	/* takes it away, too */
		sigaction(signo, &act, NULL);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigaction(signo, &old, NULL);
	for (int i = 0; i < 2; i++)
		wake_by(fds[i], false);
	sigemptyset(&cont);
	sigaddset(&cont, SIGCONT);
	if (sigtimedwait(&cont, &info, &now) > 0)
		return !is_news(&info) ? RUN_STOP_GO_ON :
		       news ? RUN_STOP_EARLY : RUN_STOP_NEWS;
	return news ? RUN_STOP_EARLY : RUN_STOP_NONE;
}
