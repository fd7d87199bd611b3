// SPDX-License-Identifier: GPL-2.0-only
/* Children killed by each of many signals sent by the parent at once after fork. */
#include "relations.h"
int main(int argc, char **argv)
{
	static const int sig[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV,
		SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS, 34, 50, 64};
	enum { N = sizeof sig / sizeof *sig };
	pid_t p[N];

	d_init(argc, argv);
	signal(SIGALRM, SIG_DFL);
	for (int i = 0; i < N; i++)
		if ((p[i] = Fork()) == 0)
			for (;;)
				pause();
	for (int i = 0; i < N; i++) {
		/* these are ignored by default and must not disturb */
		kill(p[i], SIGURG);
		kill(p[i], SIGWINCH);
		kill(p[i], SIGCHLD);
		kill(p[i], SIGCONT);
		printf("kill %s: %s\n", sn(sig[i]), en(kill(p[i], sig[i])));
	}
	for (int i = 0; i < N; i++) {
		siginfo_t si;
		int r;
		memset(&si, 0, sizeof si);
		r = waitid(P_PID, p[i], &si, WEXITED | WNOWAIT);
		printf("%s: r %d %s status %s pid ok %s; ", sn(sig[i]), r, cld(si.si_code), sn(si.si_status), YN(si.si_pid == p[i]));
		reap("wait", p[i]);
	}
	return d_end();
}
