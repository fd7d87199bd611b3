// SPDX-License-Identifier: GPL-2.0-only
/* 20 children, ended in a scrambled order by the parent; each wait() gets the right one. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t p[20];
	int w, ok = 0, seen[20] = {0};
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGCHLD, 0);
	for (int i = 0; i < 20; i++)
		if ((p[i] = Fork()) == 0)
			end_on(SIGUSR1, i * 7 + 3);
	for (int k = 0; k < 10; k++) {
		int i = k * 7 % 20;
		kill(p[i], SIGUSR1);
		pid_t r = wait(&w);
		printf("%d: %s %s; ", i, YN(r == p[i]), st(w));
		take(SIGCHLD, &si);
		printf("signal %s %d\n", YN(si.si_pid == p[i]), si.si_status);
	}
	for (int k = 10; k < 20; k++)
		kill(p[k * 7 % 20], SIGUSR1);
	for (int k = 10; k < 20; k++) {
		pid_t r = wait(&w);
		for (int i = 0; i < 20; i++)
			if (p[i] == r) {
				seen[i]++;
				ok += WIFEXITED(w) && WEXITSTATUS(w) == i * 7 + 3;
			}
	}
	for (int i = 0; i < 20; i++)
		printf("%d", seen[i]);
	printf("\nok %d, then %s\n", ok, en(wait(NULL)));
	return d_end();
}
