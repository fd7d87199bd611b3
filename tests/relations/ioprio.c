// SPDX-License-Identifier: GPL-2.0-only
/* ioprio_set and ioprio_get of a child by pid and by group; the child sees it; errors. */
#include "relations.h"
#define V(cl, d) ((cl) << 13 | (d))
static long iget(int which, pid_t p) { return syscall(SYS_ioprio_get, which, p); }
static long iset(int which, pid_t p, int v) { return syscall(SYS_ioprio_set, which, p, v); }
static void show(const char *what, long r)
{
	if (r < 0)
		printf("%s: %s\n", what, en(r));
	else
		printf("%s: class %ld data %ld\n", what, r >> 13, r & 7);
}
int main(int argc, char **argv)
{
	pid_t c, d;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		take(SIGUSR2, NULL);
		sq(d_main, SIGRTMIN, iget(1, 0));
		iset(1, 0, V(2, 1));
		sq(d_main, SIGRTMIN, iget(1, getpid()));
		end_on(SIGUSR1, 1);
	}
	if ((d = Fork()) == 0)
		end_on(SIGUSR1, 2);
	printf("set BE 6: %s\n", en(iset(1, c, V(2, 6))));
	show("get", iget(1, c));
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	show("child sees", si.si_value.sival_int);
	take(SIGRTMIN, &si);
	show("child set", si.si_value.sival_int);
	show("seen here", iget(1, c));
	printf("set idle: %s\n", en(iset(1, c, V(3, 0))));
	show("get", iget(1, c));
	setpgid(c, c);
	setpgid(d, c);
	printf("set d BE 3: %s\n", en(iset(1, d, V(2, 3))));
	show("d", iget(1, d));
	show("group, the best", iget(2, c));
	printf("set group BE 5: %s\n", en(iset(2, c, V(2, 5))));
	show("c", iget(1, c));
	show("d", iget(1, d));
	printf("bad class: %s\n", en(iset(1, c, V(6, 0))));
	printf("bad which: %s\n", en(iset(7, c, V(2, 1))));
	kill(c, SIGUSR1);
	kill(d, SIGUSR1);
	reap("c", c);
	reap("d", d);
	show("reaped", iget(1, c));
	printf("reaped set: %s\n", en(iset(1, c, V(2, 1))));
	show("group gone", iget(2, c));
	return d_end();
}
