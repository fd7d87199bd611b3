// SPDX-License-Identifier: GPL-2.0-only
/* A waiting parent interrupted by a signal of its child, with and without SA_RESTART. */
#include "relations.h"
static pid_t mtid, c;
static atomic_int go, hits;
static volatile pid_t from;
static void h(int s, siginfo_t *si, void *u)
{
	(void)s; (void)u;
	from = si->si_pid;
	hits++;
}
static void *thr(void *x)
{
	blk(SIGUSR1, 0);
	for (int s = 1; s <= 3; s++) {
		while (go != s)
			msleep(5);
		until_asleep(mtid);
		int n = hits;
		kill(c, SIGUSR2);       /* the child then sends us SIGUSR1 */
		while (hits == n)
			msleep(5);
		if (s == 2) {
			until_asleep(mtid);
			kill(c, SIGRTMIN);  /* ... and now it ends */
		}
	}
	return x;
}
static pid_t mk(void)
{
	pid_t p = Fork();
	if (p == 0) {
		sigset_t m;
		sigemptyset(&m);
		sigaddset(&m, SIGUSR2);
		sigaddset(&m, SIGRTMIN);
		for (;;) {
			int s = sigwaitinfo(&m, NULL);
			if (s == SIGRTMIN)
				_exit(17);
			if (s == SIGUSR2)
				kill(getppid(), SIGUSR1);
		}
	}
	return p;
}
int main(int argc, char **argv)
{
	pthread_t t;
	int w;
	siginfo_t si;
	struct sigaction sa;
	d_init(argc, argv);
	blk(SIGUSR2, SIGRTMIN, 0);
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = h;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, NULL);
	mtid = gettid();
	c = mk();
	pthread_create(&t, NULL, thr, NULL);
	go = 1;
	printf("no SA_RESTART: %s\n", en(waitpid(c, &w, 0)));
	printf("hits %d from the child %s\n", hits, YN(from == c));
	sa.sa_flags |= SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	go = 2;
	printf("SA_RESTART: %s ", YN(waitpid(c, &w, 0) == c));
	printf("%s hits %d\n", st(w), hits);
	c = mk();
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, NULL);
	go = 3;
	printf("waitid: %s\n", en(waitid(P_ALL, 0, &si, WEXITED)));
	printf("hits %d from the child %s\n", hits, YN(from == c));
	pthread_join(t, NULL);
	kill(c, SIGRTMIN);
	reap("end", c);
	return d_end();
}
