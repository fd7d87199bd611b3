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
#include <ucontext.h>
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

static volatile sig_atomic_t stop_signo;
static volatile sig_atomic_t early, woken;	/* by news, before we stopped and after */
static volatile sig_atomic_t let_go;		/* by anybody else */

static void on_cont(int signo, siginfo_t *info, void *context)
{
	const ucontext_t *was = context;

	(void)signo;
	if (!is_news(info))
		let_go = 1;
	else if (sigismember(&was->uc_sigmask, stop_signo))
		early = 1;
	else
		woken = 1;
}

/*
 * Whoever lets us go on says so but once, and a stop signal takes a SIGCONT away that
 * nobody has taken yet. So from before that is raised a handler takes them, one that
 * waited for us among them; and one that comes between it and our stop takes it away.
 * The handler stays: without one, setting what is done with SIGCONT would lose one that
 * comes then.
 */
enum run_stop run_stop(int signo, const int fds[2])
{
	struct sigaction cont = { .sa_sigaction = on_cont, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
	struct sigaction old, old_cont, act = { .sa_handler = SIG_DFL };
	sigset_t set, go_on, blocked;
	bool news;

	stop_signo = signo;
	early = 0;
	woken = 0;
	let_go = 0;
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigemptyset(&go_on);
	sigaddset(&go_on, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, &blocked);
	sigaction(signo, &act, &old);
	sigaction(SIGCONT, &cont, &old_cont);
	sigprocmask(SIG_UNBLOCK, &go_on, NULL);
	kill(getpid(), signo);
	for (int i = 0; i < 2; i++)
		wake_by(fds[i], true);
	news = poll(p, 2, 0) > 0;
	if (news || early || let_go) {
		act.sa_handler = SIG_IGN;	/* takes it away, too */
		sigaction(signo, &act, NULL);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* we stood here; news that come now nobody may take for a SIGCONT */
	for (int i = 0; i < 2; i++)
		wake_by(fds[i], false);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigaction(signo, &old, NULL);
	if (old_cont.sa_handler == SIG_IGN)
		sigaction(SIGCONT, &old_cont, NULL);
	if (let_go)
		return RUN_STOP_GO_ON;
	return news || early ? RUN_STOP_EARLY : woken ? RUN_STOP_NEWS : RUN_STOP_NONE;
}
