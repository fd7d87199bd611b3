// SPDX-License-Identifier: GPL-2.0-only
/* setpgid by the parent, by the child, by both at once; seen from both sides; inherited by grandchildren. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c[4], g;
	siginfo_t si;
	d_init(argc, argv);
	setpgid(0, 0);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	for (int i = 0; i < 4; i++) {
		if ((c[i] = Fork()) == 0) {
			if (i == 1 || i == 2)
				if (setpgid(0, 0))
					_exit(90);
			take(SIGUSR2, NULL);
			pid_t me = getpid();
			int r = (getpgrp() == me) | (getpgid(0) == getpgrp()) << 1 | (getpgid(me) == getpgrp()) << 2 | (getpgrp() == d_main) << 3;
			if ((g = Fork()) == 0)
				_exit((getpgrp() == getpgid(getppid())) | (getpgrp() == me) << 1 | (getsid(0) == getsid(d_main)) << 2);
			int w;
			Wait(g, &w, 0);
			r |= WEXITSTATUS(w) << 4;
			sq(d_main, SIGRTMIN, r);
			end_on(SIGUSR1, i);
		}
		if (i == 0 || i == 2)
			printf("parent sets %d: %s\n", i, en(setpgid(c[i], c[i])));
	}
	for (int i = 0; i < 4; i++) {
		kill(c[i], SIGUSR2);
		take(SIGRTMIN, &si);
		printf("child %d: 0x%02x pid %s\n", i, si.si_value.sival_int, YN(si.si_pid == c[i]));
	}
	for (int i = 0; i < 4; i++)
		printf("group of %d: own %s, mine %s\n", i, YN(getpgid(c[i]) == c[i]), YN(getpgid(c[i]) == getpgrp()));
	/* move them around: 1 into 0's, back into mine, 2 again its own is no error */
	printf("1 into 0's: %s ", en(setpgid(c[1], c[0])));
	printf("%s; back: ", YN(getpgid(c[1]) == c[0]));
	printf("%s ", en(setpgid(c[1], getpgrp())));
	printf("%s; its own group is gone: %s; made again by 0: ", YN(getpgid(c[1]) == getpgrp()), en(kill(-c[1], 0)));
	printf("%s ", en(setpgid(c[1], 0)));
	printf("%s\n", YN(getpgid(c[1]) == c[1]));
	printf("2 again: %s\n", en(setpgid(c[2], c[2])));
	for (int i = 0; i < 4; i++) {
		kill(c[i], SIGUSR1);
		reap("end", c[i]);
	}
	return d_end();
}
