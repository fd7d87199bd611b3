// SPDX-License-Identifier: GPL-2.0-only
/* Six threads wait for one child at once: one gets it, the others ECHILD.  Then six threads for six children by P_ALL. */
#include "relations.h"
static pid_t c;
static volatile pid_t tid[6];
static atomic_int got, ech, odd;
static atomic_int nstat[64];
static void *one(void *x)
{
	int w, i = (int)(intptr_t)x;
	siginfo_t si;
	tid[i] = gettid();
	memset(&si, 0, sizeof si);
	pid_t r = i & 1 ? waitpid(i & 2 ? -1 : c, &w, 0) : waitid(P_PID, c, &si, WEXITED) == 0 ? si.si_pid : -1;
	if (r == c)
		got++;
	else if (r == -1 && errno == ECHILD)
		ech++;
	else
		odd++;
	return NULL;
}
static void *any(void *x)
{
	int w, i = (int)(intptr_t)x;
	tid[i] = gettid();
	pid_t r = wait(&w);
	if (r > 0 && WIFEXITED(w) && WEXITSTATUS(w) < 64)
		nstat[WEXITSTATUS(w)]++;
	else
		odd++;
	return NULL;
}
static pthread_t t[6];
static void start(void *(*f)(void *))
{
	for (int i = 0; i < 6; i++) {
		tid[i] = 0;
		pthread_create(&t[i], NULL, f, (void *)(intptr_t)i);
	}
	for (int i = 0; i < 6; i++) {
		while (!tid[i])
			msleep(5);
		until_asleep(tid[i]);
	}
}
int main(int argc, char **argv)
{
	pid_t p[6];
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	if ((c = Fork()) == 0)
		end_on(SIGUSR1, 5);
	start(one);
	kill(c, SIGUSR1);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	printf("got %d echild %d odd %d\n", got, ech, odd);
	for (int i = 0; i < 6; i++)
		if ((p[i] = Fork()) == 0)
			end_on(SIGUSR1, 20 + i);
	start(any);
	for (int i = 5; i >= 0; i--)
		kill(p[i], SIGUSR1);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 6; i++)
		printf("status %d: %d times\n", 20 + i, nstat[20 + i]);
	printf("odd %d, then %s\n", odd, en(wait(NULL)));
	return d_end();
}
