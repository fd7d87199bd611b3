// SPDX-License-Identifier: GPL-2.0-only
/* The siginfo of SIGCHLD in a handler and by sigwaitinfo: code, status, pid, uid (also after setuid). */
#include "relations.h"
static siginfo_t last;
static atomic_int hits;
static void h(int s, siginfo_t *si, void *u)
{
	(void)s; (void)u;
	last = *si;
	hits++;
}
static void show(const char *what, pid_t p)
{
	printf("%s: %s %s pid %s uid %d errno %d\n", what, cld(last.si_code), last.si_code == CLD_EXITED ? (last.si_status == 7 ? "7" : "?") : sn(last.si_status),
	       YN(last.si_pid == p), (int)last.si_uid, last.si_errno);
}
int main(int argc, char **argv)
{
	struct sigaction sa;
	sigset_t m, old;
	pid_t c;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGCHLD, 0);
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = h;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGCHLD, &sa, NULL);
	sigprocmask(SIG_BLOCK, NULL, &old);
	m = old;
	sigdelset(&m, SIGCHLD);
	if ((c = Fork()) == 0) {
		take(SIGUSR1, NULL);
		raise(SIGSTOP);
		take(SIGUSR1, NULL);
		if (setresuid(1234, 4321, 1234))
			_exit(90);
		raise(SIGSTOP);
		end_on(SIGUSR2, 7);
	}
	kill(c, SIGUSR1);
	while (hits < 1)
		sigsuspend(&m);
	show("stop as root", c);
	kill(c, SIGCONT);
	while (hits < 2)
		sigsuspend(&m);
	show("continue", c);
	kill(c, SIGUSR1);
	while (hits < 3)
		sigsuspend(&m);
	show("stop as 1234/4321", c);
	kill(c, SIGCONT);
	while (hits < 4)
		sigsuspend(&m);
	show("continue", c);
	kill(c, SIGUSR2);
	while (hits < 5)
		sigsuspend(&m);
	show("exit", c);
	wi("waitid", P_PID, c, WEXITED, c);
	printf("handlers ran %d\n", hits);
	if ((c = Fork()) == 0)
		for (;;)
			pause();
	kill(c, SIGTERM);
	take(SIGCHLD, &last);
	show("killed", c);
	reap("wait", c);
	return d_end();
}
