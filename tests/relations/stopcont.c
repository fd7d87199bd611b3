// SPDX-License-Identifier: GPL-2.0-only
/* Many rounds of stop and continue by four stop signals, seen by waitpid. */
#include "relations.h"
int main(int argc, char **argv)
{
	static const int stop[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	pid_t c;
	int w;
	d_init(argc, argv);
	setsid();            /* the child's group is then anchored by us */
	if ((c = Fork()) == 0) {
		for (;;)
			pause();
	}
	setpgid(c, c);
	for (int i = 0; i < 12; i++) {
		kill(c, stop[i % 4]);
		w = -1;
		pid_t r = Wait(c, &w, WUNTRACED);
		printf("round %d: %s %s; ", i, st(w), YN(r == c));
		printf("again %d; ", (int)Wait(c, &w, WUNTRACED | WCONTINUED | WNOHANG));
		/* a second stop signal to a stopped process is no event */
		kill(c, stop[(i + 1) % 4]);
		printf("second stop %d; ", (int)Wait(c, &w, WUNTRACED | WNOHANG));
		kill(c, SIGCONT);
		w = -1;
		if (i % 3 == 0) {
			r = Wait(c, &w, WCONTINUED);
			printf("%s %s; ", st(w), YN(r == c));
			printf("again %d", (int)Wait(c, &w, WCONTINUED | WUNTRACED | WNOHANG));
		} else if (i % 3 == 1) {
			/* not asking for it: nothing to see */
			printf("not asked %d; ", (int)Wait(c, &w, WUNTRACED | WNOHANG));
			printf("asked %s", YN(Wait(c, &w, WCONTINUED) == c));
		} else {
			printf("left lying");   /* the next stop replaces it */
		}
		printf("\n");
	}
	/* stop, not taken, then continued: only the continue remains */
	kill(c, SIGSTOP);
	siginfo_t si;
	waitid(P_PID, c, &si, WSTOPPED | WNOWAIT);
	kill(c, SIGCONT);
	printf("stop gone: %d\n", (int)Wait(c, &w, WUNTRACED | WNOHANG));
	wp("cont there", c, WUNTRACED | WCONTINUED, c);
	kill(c, SIGTERM);
	reap("end", c);
	return d_end();
}
