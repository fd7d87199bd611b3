// SPDX-License-Identifier: GPL-2.0-only
/* Order and values of many queued real-time signals, down and up; lowest number first; standard ones merge. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	sigset_t m;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2, SIGRTMIN + 3, SIGRTMIN + 4, 0);
	sigemptyset(&m);
	for (int i = 0; i < 4; i++)
		sigaddset(&m, SIGRTMIN + i);
	if ((c = Fork()) == 0) {
		int bad = 0;
		take(SIGRTMIN + 4, NULL);       /* everything was sent before this one */
		for (int s = 0; s < 4; s++)
			for (int k = 0; k < 50; k++) {
				int r = sigwaitinfo(&m, &si);
				if (r != SIGRTMIN + s || si.si_value.sival_int != k * 4 + 3 - s || si.si_pid != d_main || si.si_code != SI_QUEUE)
					bad++;
			}
		/* 20 SIGUSR1 made one */
		take(SIGUSR1, NULL);
		if (pending(SIGUSR1))
			bad += 1000;
		for (int k = 0; k < 200; k++)
			sq(d_main, SIGRTMIN + 3 - k % 4, k);
		for (int k = 0; k < 20; k++)
			kill(d_main, SIGUSR2);
		sq(d_main, SIGRTMIN + 4, bad);
		end_on(SIGUSR1, 6);
	}
	for (int k = 0; k < 200; k++)
		sq(c, SIGRTMIN + 3 - k % 4, k);
	for (int k = 0; k < 20; k++)
		kill(c, SIGUSR1);
	sq(c, SIGRTMIN + 4, 0);
	take(SIGRTMIN + 4, &si);
	printf("bad in the child %d, from it %s\n", si.si_value.sival_int, YN(si.si_pid == c));
	int bad = 0;
	for (int s = 0; s < 4; s++)
		for (int k = 0; k < 50; k++) {
			int r = sigwaitinfo(&m, &si);
			if (r != SIGRTMIN + s || si.si_value.sival_int != k * 4 + 3 - s || si.si_pid != c || si.si_code != SI_QUEUE)
				bad++;
		}
	printf("bad in the parent %d\n", bad);
	take(SIGUSR2, NULL);
	SAY("merged", !pending(SIGUSR2));
	SAY("no more", none(SIGRTMIN, 50) && none(SIGRTMIN + 3, 0));
	kill(c, SIGUSR1);
	reap("end", c);
	return d_end();
}
