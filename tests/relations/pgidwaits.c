// SPDX-License-Identifier: GPL-2.0-only
/* waitpid(0), waitpid(-pg), P_PGID with 0 and with groups that change between. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t p[6];
	int w;
	siginfo_t si;
	d_init(argc, argv);
	setpgid(0, 0);
	blk(SIGUSR1, 0);
	for (int i = 0; i < 6; i++)
		if ((p[i] = Fork()) == 0)
			end_on(SIGUSR1, 10 + i);
	/* 0,1 stay; 2 leads its group, 3 joins it; 4 own group; 5 goes to 4's and comes back */
	setpgid(p[2], p[2]);
	setpgid(p[3], p[2]);
	setpgid(p[4], p[4]);
	setpgid(p[5], p[4]);
	setpgid(p[5], getpgrp());
	printf("mine: %d\n", (int)Wait(0, &w, WNOHANG));
	printf("group 2: %d\n", (int)Wait(-p[2], &w, WNOHANG));
	printf("group of 3 (none such): %s\n", en(Wait(-p[3], &w, WNOHANG)));
	kill(p[3], SIGUSR1);
	wp("group 2 first", -p[2], 0, p[3]);
	kill(p[5], SIGUSR1);
	memset(&si, 0, sizeof si);
	wi("P_PGID 0", P_PGID, 0, WEXITED | WNOWAIT, p[5]);
	wp("waitpid 0", 0, 0, p[5]);
	/* the zombie of 0 moved by setpgid to 4's group: waited for there */
	kill(p[0], SIGUSR1);
	waitid(P_PID, p[0], &si, WEXITED | WNOWAIT);
	printf("move zombie: %s\n", en(setpgid(p[0], p[4])));
	printf("mine: %d\n", (int)Wait(0, &w, WNOHANG));
	memset(&si, 0, sizeof si);
	wi("P_PGID 4", P_PGID, p[4], WEXITED, p[0]);
	/* we change our own group: "0" is then another one */
	SAY("moved myself", setpgid(0, p[4]) == 0);
	printf("waitpid 0, WNOHANG: %d\n", (int)Wait(0, &w, WNOHANG));
	kill(p[1], SIGUSR1);
	waitid(P_PID, p[1], &si, WEXITED | WNOWAIT);
	printf("waitpid 0, 1 is a zombie elsewhere: %d\n", (int)Wait(0, &w, WNOHANG));
	wp("old group", -getpid(), 0, p[1]);
	printf("old group empty: %s\n", en(Wait(-getpid(), &w, 0)));
	kill(p[4], SIGUSR1);
	wp("waitpid 0", 0, 0, p[4]);
	printf("waitpid 0 empty: %s\n", en(Wait(0, &w, 0)));
	kill(p[2], SIGUSR1);
	wp("any", -1, 0, p[2]);
	printf("any empty: %s\n", en(Wait(-1, &w, 0)));
	return d_end();
}
