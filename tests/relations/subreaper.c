// SPDX-License-Identifier: GPL-2.0-only
/* The parent as subreaper: orphans come to it, with their statuses and signals; a stopped and a dead one too. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t mid, g[4];
	siginfo_t si;
	int w, v = -1;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGCHLD, SIGRTMIN, 0);
	prctl(PR_GET_CHILD_SUBREAPER, &v);
	printf("before %d, set %s, ", v, en(prctl(PR_SET_CHILD_SUBREAPER, 1)));
	prctl(PR_GET_CHILD_SUBREAPER, &v);
	printf("after %d\n", v);
	if ((mid = Fork()) == 0) {
		prctl(PR_GET_CHILD_SUBREAPER, &v);      /* not inherited */
		if (v)
			_exit(90);
		for (int i = 0; i < 4; i++) {
			pid_t p = Fork();
			if (p == 0) {
				if (i == 2)
					_exit(43);      /* a zombie nobody of this level waits for */
				take(SIGUSR2, &si);     /* after our parent's end */
				_exit(getppid() == d_main ? 40 + i : 91);
			}
			if (i == 2)
				waitid(P_PID, p, &si, WEXITED | WNOWAIT);
			if (i == 3) {
				kill(p, SIGSTOP);
				waitid(P_PID, p, &si, WSTOPPED);
			}
			sq(d_main, SIGRTMIN, p);
		}
		end_on(SIGUSR1, 5);
	}
	for (int i = 0; i < 4; i++) {
		take(SIGRTMIN, &si);
		g[i] = si.si_value.sival_int;
		printf("grandchild %d: not mine yet: %s\n", i, en(Wait(g[i], &w, WNOHANG)));
	}
	SAY("no SIGCHLD so far", none(SIGCHLD, 100));
	kill(mid, SIGUSR1);
	reap("middle", mid);
	/* now they are all mine */
	wp("the dead one", g[2], 0, g[2]);
	wp("the living one", g[0], WNOHANG, g[0]);
	while (!none(SIGCHLD, 100))
		;
	kill(g[0], SIGUSR2);
	take(SIGCHLD, &si);
	printf("signal: %s %d pid %s\n", cld(si.si_code), si.si_status, YN(si.si_pid == g[0]));
	wp("it", -1, 0, g[0]);
	kill(g[1], SIGKILL);
	wp("the killed one", -1, 0, g[1]);
	printf("still stopped, event was taken by the old parent: %d\n", (int)Wait(g[3], &w, WUNTRACED | WNOHANG));
	kill(g[3], SIGCONT);
	wp("its continue comes to me", g[3], WCONTINUED, g[3]);
	kill(g[3], SIGUSR2);
	wp("the last", -1, 0, g[3]);
	printf("then %s\n", en(wait(&w)));
	return d_end();
}
