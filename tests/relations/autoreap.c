// SPDX-License-Identifier: GPL-2.0-only
/* SIGCHLD SIG_IGN and SA_NOCLDWAIT: no zombies, ECHILD when all are gone, signal or not. */
#include "relations.h"
static void h(int s) { (void)s; }
static void round_(const char *name, int ign, int flags, int sigs)
{
	pid_t p[3];
	struct sigaction sa;
	int w;
	siginfo_t si;
	memset(&sa, 0, sizeof sa);
	sa.sa_handler = ign == 1 ? SIG_IGN : ign == 2 ? SIG_DFL : h;
	sa.sa_flags = flags;
	sigaction(SIGCHLD, &sa, NULL);
	for (int i = 0; i < 3; i++)
		if ((p[i] = Fork()) == 0)
			end_on(SIGUSR1, 60 + i);
	printf("%s: ", name);
	printf("alive: %d; ", (int)Wait(-1, &w, WNOHANG));
	kill(p[0], SIGUSR1);
	if (sigs) {
		take(SIGCHLD, &si);
		printf("signal %s %d %s; ", cld(si.si_code), si.si_status, YN(si.si_pid == p[0]));
	}
	printf("first waited for: %s; ", en(Wait(p[0], &w, 0)));
	printf("kill: %s; ", en(kill(p[0], 0)));
	kill(p[1], SIGUSR1);
	kill(p[2], SIGKILL);
	printf("all: %s; ", en(Wait(-1, &w, 0)));
	printf("kills: %s", en(kill(p[1], 0)));
	printf(" %s; ", en(kill(p[2], 0)));
	printf("signal now: %s\n", YN(!none(SIGCHLD, 0)));
}
int main(int argc, char **argv)
{
	d_init(argc, argv);
	blk(SIGUSR1, SIGCHLD, 0);
	round_("ignored", 1, 0, 0);
	round_("ignored+NOCLDWAIT", 1, SA_NOCLDWAIT, 0);
	round_("default+NOCLDWAIT", 2, SA_NOCLDWAIT, 1);
	round_("handler+NOCLDWAIT", 0, SA_NOCLDWAIT, 1);
	return d_end();
}
