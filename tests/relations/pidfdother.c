// SPDX-License-Identifier: GPL-2.0-only
/* pidfds of non-children: of the own parent, a sibling, a grandchild, of oneself. */
#include "relations.h"
static int po(pid_t p)
{
	return syscall(SYS_pidfd_open, p, 0);
}
static int pl(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, ms);
}
int main(int argc, char **argv)
{
	pid_t sib, c, g;
	siginfo_t si;
	int fd;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, 0);
	if ((sib = Fork()) == 0)
		end_on(SIGUSR2, 31);
	if ((c = Fork()) == 0) {
		int w;
		if ((g = Fork()) == 0) {
			/* the grandchild opens grandparent, parent and uncle */
			int a = po(d_main), b = po(getppid()), u = po(sib);
			if (a < 0 || b < 0 || u < 0)
				_exit(70);
			if (waitid((idtype_t)P_PIDFD, a, &si, WEXITED) != -1 || errno != ECHILD)
				_exit(71);
			if (waitid((idtype_t)P_PIDFD, u, &si, WEXITED | WNOHANG) != -1 || errno != ECHILD)
				_exit(72);
			if (pl(a, 0) || pl(b, 0) || pl(u, 0))
				_exit(73);
			if (syscall(SYS_pidfd_send_signal, u, SIGUSR2, NULL, 0))
				_exit(74);
			if (pl(u, 100000) != 1)         /* the uncle ends */
				_exit(75);
			if (syscall(SYS_pidfd_send_signal, a, SIGRTMIN, NULL, 0))
				_exit(76);
			end_on(SIGUSR1, 32);
		}
		sq(d_main, SIGRTMIN + 1, g);
		_exit(Wait(g, &w, 0) == g ? WEXITSTATUS(w) : 77);
	}
	take(SIGRTMIN + 1, &si);
	g = si.si_value.sival_int;
	fd = po(g);
	SAY("grandchild opened", fd >= 0);
	wi("not my child", P_PIDFD, fd, WEXITED | WNOHANG, g);
	take(SIGRTMIN, &si);
	SAY("signal from the grandchild", si.si_pid == g && si.si_code == SI_USER);
	reap("sibling", sib);
	printf("poll grandchild: %d\n", pl(fd, 0));
	kill(g, SIGUSR1);
	printf("poll grandchild, blocking: %d\n", pl(fd, 100000));
	reap("child", c);
	wi("gone", P_PIDFD, fd, WEXITED, g);
	fd = po(getpid());
	printf("own pidfd: poll %d, send %s\n", pl(fd, 0), en(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0)));
	wi("own", P_PIDFD, fd, WEXITED, 0);
	return d_end();
}
