// SPDX-License-Identifier: GPL-2.0-only
/* WNOWAIT: look twice (two ways, from two threads), then take; then ECHILD. */
#include "relations.h"
static pid_t c;
static void look(const char *who, int opt)
{
	siginfo_t si;
	memset(&si, 0, sizeof si);
	int r = waitid(P_PID, c, &si, opt);
	if (r)
		printf("%s: %s\n", who, en(r));
	else if (!si.si_pid)
		printf("%s: nothing (signo %d)\n", who, si.si_signo);
	else
		printf("%s: %s status %d pid %s uid %d signo %s\n", who, cld(si.si_code), si.si_status, YN(si.si_pid == c), (int)si.si_uid, sn(si.si_signo));
}
static void *thr(void *a)
{
	look("thread looks", WEXITED | WNOWAIT);
	return a;
}
int main(int argc, char **argv)
{
	pthread_t t;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	if ((c = Fork()) == 0) {
		take(SIGUSR1, NULL);
		raise(SIGSTOP);
		end_on(SIGUSR1, 42);
	}
	look("alive, WNOHANG", WEXITED | WSTOPPED | WCONTINUED | WNOHANG);
	kill(c, SIGUSR1);
	look("stopped, look", WSTOPPED | WNOWAIT);
	look("stopped, look again", WSTOPPED | WEXITED | WNOWAIT);
	look("stopped, only exits", WEXITED | WNOHANG);
	look("stopped, take", WSTOPPED);
	look("stopped, taken already", WSTOPPED | WNOHANG);
	kill(c, SIGCONT);
	look("continued, look", WCONTINUED | WNOWAIT);
	look("continued, look again", WCONTINUED | WNOWAIT | WNOHANG);
	look("continued, take", WCONTINUED);
	look("continued, taken already", WCONTINUED | WNOHANG);
	kill(c, SIGUSR1);
	look("exited, look", WEXITED | WNOWAIT);
	look("exited, look again", WEXITED | WNOWAIT);
	look("exited, stops only", WSTOPPED | WCONTINUED | WNOHANG);
	memset(&si, 0, sizeof si);
	wi("P_ALL look", P_ALL, 0, WEXITED | WNOWAIT, c);
	pthread_create(&t, NULL, thr, NULL);
	pthread_join(t, NULL);
	SAY("kill 0 of the zombie works", kill(c, 0) == 0);
	look("exited, take", WEXITED);
	look("exited, taken already", WEXITED | WNOHANG);
	printf("kill 0 now: %s\n", en(kill(c, 0)));
	return d_end();
}
