// SPDX-License-Identifier: GPL-2.0-only
/* In an orphaned group the default action of SIGTSTP/TTIN/TTOU is to do nothing; SIGSTOP stops; in an anchored group all stop. */
#include "relations.h"
int main(int argc, char **argv)
{
	static const int sg[] = {SIGTSTP, SIGTTIN, SIGTTOU};
	pid_t c;
	siginfo_t si;
	d_init(argc, argv);
	setsid();
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	for (int orphaned = 0; orphaned < 2; orphaned++) {
		if ((c = Fork()) == 0) {
			if (orphaned ? setsid() < 0 : setpgid(0, 0) < 0)
				_exit(90);
			for (int n = 0;; n++) {
				sigset_t m;
				sigemptyset(&m);
				sigaddset(&m, SIGUSR1);
				sigaddset(&m, SIGUSR2);
				sq(d_main, SIGRTMIN, n);
				int r;
				do      /* a stop and continue makes it EINTR */
					r = sigwaitinfo(&m, &si);
				while (r < 0 && errno == EINTR);
				if (r == SIGUSR2)
					_exit(40 + n);
			}
		}
		take(SIGRTMIN, &si);
		for (int i = 0; i < 3; i++) {
			int w = 0;
			kill(c, sg[i]);
			if (!orphaned) {
				wi(sn(sg[i]), P_PID, c, WSTOPPED | WEXITED, c);
				kill(c, SIGCONT);
				wi(" on", P_PID, c, WCONTINUED | WEXITED, c);
			}
			/* two answers: the stop signal was dealt with before the second at the latest */
			kill(c, SIGUSR1);
			take(SIGRTMIN, &si);
			kill(c, SIGUSR1);
			take(SIGRTMIN, &si);
			printf("%s %s: answers %d, event %d\n", orphaned ? "orphaned" : "anchored", sn(sg[i]), si.si_value.sival_int,
			       (int)Wait(c, &w, WUNTRACED | WCONTINUED | WNOHANG));
		}
		kill(c, SIGSTOP);
		wi("SIGSTOP", P_PID, c, WSTOPPED | WEXITED, c);
		kill(c, SIGCONT);
		kill(c, SIGUSR2);
		reap("end", c);
	}
	return d_end();
}
