// SPDX-License-Identifier: GPL-2.0-only
/* setsid: ids after it, EPERM for leaders, for one whose pid is still a group's id. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c, x;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		pid_t me = getpid();
		int r = (getsid(0) == getsid(d_main));
		r |= (setsid() == me) << 1 | (getsid(0) == me && getpgrp() == me) << 2;
		r |= (setsid() == -1 && errno == EPERM) << 3;
		r |= (getppid() == d_main) << 4;
		sq(d_main, SIGRTMIN, r);
		end_on(SIGUSR1, 1);
	}
	take(SIGRTMIN, &si);
	printf("child: 0x%x\n", si.si_value.sival_int);
	SAY("seen from here", getsid(c) == c && getpgid(c) == c);
	SAY("signals still go", kill(c, 0) == 0 && kill(-c, 0) == 0);
	kill(c, SIGUSR1);
	reap("it", c);
	/* x makes a group, y joins it, x leaves it: x's pid is still a group's id, so no setsid for x */
	if ((c = Fork()) == 0) {
		take(SIGUSR2, NULL);
		int r = getpgrp() != getpid();
		r |= (setsid() == -1 && errno == EPERM) << 1;
		sq(d_main, SIGRTMIN, r);
		take(SIGUSR2, NULL);    /* now y is gone */
		r = (setsid() == getpid());
		sq(d_main, SIGRTMIN, r);
		end_on(SIGUSR1, 2);
	}
	if ((x = Fork()) == 0)
		end_on(SIGUSR1, 3);
	printf("group made: %s, ", en(setpgid(c, c)));
	printf("joined: %s, ", en(setpgid(x, c)));
	printf("left: %s\n", en(setpgid(c, getpgrp())));
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("with the group in being: 0x%x\n", si.si_value.sival_int);
	kill(x, SIGUSR1);
	reap("y", x);
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("without it: 0x%x\n", si.si_value.sival_int);
	kill(c, SIGUSR1);
	reap("x", c);
	return d_end();
}
