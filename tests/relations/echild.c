// SPDX-License-Identifier: GPL-2.0-only
/* ECHILD, EINVAL, ESRCH of the wait family. */
#include "relations.h"
int main(int argc, char **argv)
{
	siginfo_t si;
	int w;
	pid_t c, g;
	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, 0);
	printf("no children, wait: %s\n", en(wait(&w)));
	printf("no children, WNOHANG: %s\n", en(waitpid(-1, &w, WNOHANG)));
	printf("myself: %s\n", en(waitpid(getpid(), &w, 0)));
	printf("my parent: %s\n", en(waitpid(getppid(), &w, 0)));
	printf("init: %s\n", en(waitpid(1, &w, 0)));
	printf("INT_MIN: %s\n", en(waitpid(INT_MIN, &w, 0)));
	if ((c = Fork()) == 0) {
		if ((g = Fork()) == 0)
			end_on(SIGUSR1, 3);
		sq(d_main, SIGRTMIN, g);
		end_on(SIGUSR1, Wait(g, &w, 0) == g && WIFEXITED(w) ? WEXITSTATUS(w) + 1 : 99);
	}
	take(SIGRTMIN, &si);
	g = si.si_value.sival_int;
	SAY("sender is the child", si.si_pid == c);
	printf("grandchild: %s\n", en(waitpid(g, &w, 0)));
	printf("grandchild WNOHANG: %s\n", en(waitpid(g, &w, WNOHANG)));
	printf("grandchild waitid: %s\n", en(waitid(P_PID, g, &si, WEXITED)));
	printf("grandchild as group: %s\n", en(waitpid(-g, &w, 0)));
	printf("child as group: %s\n", en(waitpid(-c, &w, 0)));
	printf("bad option: %s\n", en(waitpid(c, &w, 0x10000)));
	printf("WEXITED to waitpid: %s\n", en(waitpid(c, &w, WEXITED)));
	printf("waitid without events: %s\n", en(waitid(P_PID, c, &si, WNOHANG)));
	printf("waitid bad type: %s\n", en(waitid((idtype_t)17, c, &si, WEXITED)));
	printf("waitid pid 0: %s\n", en(waitid(P_PID, 0, &si, WEXITED)));
	printf("waitid pid -5: %s\n", en(waitid(P_PID, (id_t)-5, &si, WEXITED)));
	printf("waitid pgid -5: %s\n", en(waitid(P_PGID, (id_t)-5, &si, WEXITED)));
	printf("waitid bad pidfd: %s\n", en(waitid((idtype_t)P_PIDFD, 999, &si, WEXITED)));
	printf("bad address: %s\n", en(syscall(SYS_wait4, c, (void *)16, WNOHANG, NULL)));
	kill(g, SIGUSR1);
	kill(c, SIGUSR1);
	/* the status cannot be stored, but the child is gone all the same */
	printf("EFAULT: %s\n", en(syscall(SYS_wait4, c, (void *)16, 0, NULL)));
	printf("was reaped: %s\n", en(waitpid(c, &w, 0)));
	return d_end();
}
