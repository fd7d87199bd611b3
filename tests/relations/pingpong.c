// SPDX-License-Identifier: GPL-2.0-only
/* 100 rounds of queued signals between parent and child, and a ring of three siblings passing a counter. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c, r[3];
	siginfo_t si;
	int v = 0, bad = 0;
	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, SIGRTMIN + 1, 0);
	if ((c = Fork()) == 0) {
		for (int i = 0; i < 100; i++) {
			take(SIGRTMIN, &si);
			sq(getppid(), SIGRTMIN, si.si_value.sival_int * 3 % 10007 + 1);
		}
		_exit(1);
	}
	v = 1;
	for (int i = 0; i < 100; i++) {
		sq(c, SIGRTMIN, v);
		take(SIGRTMIN, &si);
		if (si.si_value.sival_int != v * 3 % 10007 + 1 || si.si_pid != c)
			bad++;
		v = si.si_value.sival_int;
	}
	printf("value %d bad %d\n", v, bad);
	reap("child", c);
	for (int k = 0; k < 3; k++)
		if ((r[k] = Fork()) == 0) {
			take(SIGRTMIN + 1, &si);        /* the successor's pid */
			pid_t next = si.si_value.sival_int;
			for (;;) {
				take(SIGRTMIN, &si);
				int x = si.si_value.sival_int;
				if (x >= 100) {         /* goes round once to end all */
					if (x < 102)
						sq(next, SIGRTMIN, x + 1);
					_exit(x - 100);
				}
				sq(next, SIGRTMIN, x + 1);
			}
		}
	for (int k = 0; k < 3; k++)
		sq(r[k], SIGRTMIN + 1, r[(k + 1) % 3]);
	sq(r[0], SIGRTMIN, 1);
	for (int k = 0; k < 3; k++)
		reap("ring", r[k]);
	return d_end();
}
