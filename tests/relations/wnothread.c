// SPDX-License-Identifier: GPL-2.0-only
/* __WNOTHREAD: each thread's own children; a child whose forking thread exits goes to a sibling thread. */
#include "relations.h"
static pid_t a, b;
static pthread_barrier_t bar;
static void *thr(void *x)
{
	int w;
	siginfo_t si;
	printf("T: any, own: %s\n", en(waitpid(-1, &w, WNOHANG | __WNOTHREAD)));
	printf("T: a, own: %s\n", en(waitpid(a, &w, WNOHANG | __WNOTHREAD)));
	printf("T: a, waitid own: %s\n", en(waitid(P_PID, a, &si, WEXITED | WNOHANG | __WNOTHREAD)));
	printf("T: a, shared: %d\n", (int)waitpid(a, &w, WNOHANG));
	if ((b = Fork()) == 0)
		end_on(SIGUSR1, getppid() == d_main ? 22 : 99);
	printf("T: b, own: %d\n", (int)waitpid(b, &w, WNOHANG | __WNOTHREAD));
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	kill(a, SIGUSR1);
	wp("T: a of main, shared", a, 0, a);
	return x;
}
int main(int argc, char **argv)
{
	pthread_t t;
	int w;
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	if ((a = Fork()) == 0)
		end_on(SIGUSR1, 11);
	pthread_barrier_init(&bar, NULL, 2);
	pthread_create(&t, NULL, thr, NULL);
	pthread_barrier_wait(&bar);
	printf("M: b, own: %s\n", en(waitpid(b, &w, WNOHANG | __WNOTHREAD)));
	printf("M: b, shared: %d\n", (int)waitpid(b, &w, WNOHANG));
	printf("M: a, own: %d\n", (int)waitpid(a, &w, WNOHANG | __WNOTHREAD));
	printf("M: any, own: %d\n", (int)waitpid(-1, &w, WNOHANG | __WNOTHREAD));
	pthread_barrier_wait(&bar);
	pthread_join(t, NULL);
	/* the join may return a little before the thread is really unhashed */
	for (int k = 0; k < 10000; k++) {
		if (waitpid(b, &w, WNOHANG | __WNOTHREAD) == 0)
			break;
		msleep(10);
	}
	printf("M: b after T's end, own: %d\n", (int)waitpid(b, &w, WNOHANG | __WNOTHREAD));
	kill(b, SIGUSR1);
	wp("M: b", b, __WNOTHREAD, b);
	printf("M: none: %s\n", en(wait(&w)));
	return d_end();
}
