// SPDX-License-Identifier: GPL-2.0-only
/* SIGCHLD handler reaping in a loop: 15 children that end as they like. */
#include "relations.h"
static volatile sig_atomic_t n, bad, calls;
static int codes[15];
static pid_t p[15];
static void h(int s)
{
	int w, e = errno;
	pid_t r;
	(void)s;
	calls++;
	while ((r = waitpid(-1, &w, WNOHANG)) > 0) {
		int i;
		for (i = 0; i < 15 && p[i] != r; i++)
			;
		if (i == 15)
			bad++;
		else
			codes[i] = w;
		n++;
	}
	errno = e;
}
int main(int argc, char **argv)
{
	sigset_t old, m;
	struct sigaction sa;
	d_init(argc, argv);
	sigemptyset(&m);
	sigaddset(&m, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m, &old);
	memset(&sa, 0, sizeof sa);
	sa.sa_handler = h;
	sigaction(SIGCHLD, &sa, NULL);
	for (int i = 0; i < 15; i++)
		if ((p[i] = Fork()) == 0) {
			if (i % 3 == 0)
				raise(SIGKILL);
			_exit(100 + i);
		}
	while (n < 15)
		sigsuspend(&old);
	for (int i = 0; i < 15; i++)
		printf("%d: %s\n", i, st(codes[i]));
	printf("bad %d, calls sane %s, then %s\n", (int)bad, YN(calls >= 1 && calls <= 15), en(wait(NULL)));
	return d_end();
}
