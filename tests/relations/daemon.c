// SPDX-License-Identifier: GPL-2.0-only
/* Double-fork daemon: own session, not a leader, group of its dead parent, reparented away; not our child. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c, dm;
	siginfo_t si;
	int w;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGHUP, 0);
	if ((c = Fork()) == 0) {
		pid_t me = getpid();
		if (setsid() != me)
			_exit(1);
		if ((dm = Fork()) == 0) {
			take(SIGUSR1, &si);
			int pp = getppid();
			int bits = 0;
			bits |= (pp != me) << 0;
			bits |= (pp != d_main) << 1;
			bits |= (getpgrp() == me) << 2;
			bits |= (getsid(0) == me) << 3;
			bits |= (getpid() != me) << 4;
			bits |= (kill(me, 0) == -1 && errno == ESRCH) << 5;
			bits |= (getpgid(me) == -1 && errno == ESRCH) << 6;
			bits |= (kill(-me, 0) == 0) << 7;        /* the group still exists: itself */
			bits |= (killpg(me, 0) == 0) << 8;
			bits |= none(SIGHUP, 100) << 9;
			bits |= (setsid() == getpid() && getsid(0) == getpid()) << 10;  /* allowed now */
			sq(d_main, SIGRTMIN, bits);
			end_on(SIGUSR2, 0);
		}
		sq(d_main, SIGRTMIN, dm);
		_exit(17);
	}
	take(SIGRTMIN, &si);
	dm = si.si_value.sival_int;
	reap("middle", c);
	printf("daemon is not my child: %s\n", en(waitpid(dm, &w, WNOHANG)));
	SAY("daemon's group is the dead middle", getpgid(dm) == c);
	SAY("daemon's session is the dead middle", getsid(dm) == c);
	kill(dm, SIGUSR1);
	take(SIGRTMIN, &si);
	SAY("report from the daemon", si.si_pid == dm);
	printf("bits 0x%x\n", si.si_value.sival_int);
	SAY("daemon's group is its own now", getpgid(dm) == dm && getsid(dm) == dm);
	printf("old group is gone: %s\n", en(kill(-c, 0)));
	kill(dm, SIGUSR2);
	for (w = 0; w < 10000; w++) {   /* gone, or a zombie if init is lazy */
		char b[600], *q;
		if (rproc(b, sizeof b, "/proc/%d/stat", (int)dm) <= 0 || ((q = strrchr(b, ')')) && q[2] == 'Z'))
			break;
		msleep(10);
	}
	SAY("daemon gone", w < 10000);
	return d_end();
}
