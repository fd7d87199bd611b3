// SPDX-License-Identifier: GPL-2.0-only
/* pidfds of a child: poll before and after exit, waitid(P_PIDFD), send_signal, after reaping. */
#include "relations.h"
static int pl(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	int r = poll(&p, 1, ms);
	return r <= 0 ? r : p.revents & POLLIN ? 1 : -2;
}
static long pss(int fd, int sig, siginfo_t *si)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, si, 0);
}
int main(int argc, char **argv)
{
	pid_t c;
	int fd, nb, w;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		take(SIGRTMIN, &si);
		if (si.si_code != SI_USER || si.si_pid != d_main)
			_exit(80);
		take(SIGUSR2, &si);
		if (si.si_code != SI_QUEUE || si.si_value.sival_int != 4711 || si.si_pid != d_main)
			_exit(81);
		end_on(SIGUSR1, 21);
	}
	fd = syscall(SYS_pidfd_open, c, 0);
	nb = syscall(SYS_pidfd_open, c, O_NONBLOCK);
	SAY("opened", fd >= 0 && nb >= 0);
	printf("cloexec %s\n", YN(fcntl(fd, F_GETFD) & FD_CLOEXEC));
	printf("bad flags: %s\n", en(syscall(SYS_pidfd_open, c, 1)));
	printf("pid 0: %s\n", en(syscall(SYS_pidfd_open, 0, 0)));
	printf("poll: %d\n", pl(fd, 0));
	wi("WNOHANG", P_PIDFD, fd, WEXITED | WNOHANG, c);
	wi("nonblocking pidfd", P_PIDFD, nb, WEXITED, c);
	printf("send 0: %s\n", en(pss(fd, 0, NULL)));
	printf("send RT: %s\n", en(pss(fd, SIGRTMIN, NULL)));
	memset(&si, 0, sizeof si);
	si.si_signo = SIGUSR2;
	si.si_code = SI_QUEUE;
	si.si_pid = getpid();
	si.si_value.sival_int = 4711;
	printf("send with info: %s\n", en(pss(fd, SIGUSR2, &si)));
	si.si_signo = SIGUSR1;
	printf("send mismatch: %s\n", en(pss(fd, SIGUSR2, &si)));
	printf("send bad: %s\n", en(pss(fd, 99, NULL)));
	pss(fd, SIGSTOP, NULL);
	wi("stop by pidfd", P_PIDFD, fd, WSTOPPED, c);
	printf("poll: %d\n", pl(fd, 0));
	pss(fd, SIGCONT, NULL);
	wi("continue by pidfd", P_PIDFD, fd, WCONTINUED, c);
	pss(fd, SIGUSR1, NULL);
	printf("poll blocks until the exit: %d\n", pl(fd, 100000));
	printf("poll again: %d\n", pl(nb, 0));
	printf("send to the zombie: %s\n", en(pss(fd, SIGTERM, NULL)));
	wi("look", P_PIDFD, nb, WEXITED | WNOWAIT, c);
	wi("take", P_PIDFD, fd, WEXITED, c);
	printf("poll after reaping: %d\n", pl(fd, 0));
	printf("send after reaping: %s\n", en(pss(fd, 0, NULL)));
	wi("wait after reaping", P_PIDFD, fd, WEXITED, c);
	printf("wait by pid: %s\n", en(waitpid(c, &w, 0)));
	return d_end();
}
