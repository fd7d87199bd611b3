// SPDX-License-Identifier: GPL-2.0-only
/* signalfd in the child for its parent's signals: signo, code, pid, uid, value, order; SIGCHLD by signalfd in the parent. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c;
	sigset_t m;
	siginfo_t si;
	struct signalfd_siginfo sf;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGCHLD, SIGRTMIN, SIGRTMIN + 1, 0);
	if ((c = Fork()) == 0) {
		sigemptyset(&m);
		sigaddset(&m, SIGUSR1);
		sigaddset(&m, SIGRTMIN);
		int fd = signalfd(-1, &m, SFD_CLOEXEC);
		for (int n = 0; n < 6; n++) {
			if (read(fd, &sf, sizeof sf) != sizeof sf) {
				n--;
				continue;
			}
			sq(d_main, SIGRTMIN + 1, (sf.ssi_signo == SIGUSR1) | (sf.ssi_code == SI_QUEUE) << 1 | (sf.ssi_pid == (unsigned)d_main) << 2 |
			   (sf.ssi_uid == 0) << 3 | (sf.ssi_code == SI_QUEUE ? sf.ssi_int << 8 : 0));
		}
		_exit(27);
	}
	for (int k = 0; k < 5; k++)
		sq(c, SIGRTMIN, 10 + k);
	for (int k = 0; k < 5; k++) {
		take(SIGRTMIN + 1, &si);
		printf("%d: 0x%x\n", k, si.si_value.sival_int);
	}
	kill(c, SIGUSR1);
	take(SIGRTMIN + 1, &si);
	printf("kill: 0x%x\n", si.si_value.sival_int);
	sigemptyset(&m);
	sigaddset(&m, SIGCHLD);
	int fd = signalfd(-1, &m, SFD_CLOEXEC);
	struct pollfd p = {fd, POLLIN, 0};
	printf("poll %d\n", poll(&p, 1, 100000));
	if (read(fd, &sf, sizeof sf) != sizeof sf)
		return 1;
	printf("%s %s status %d pid %s uid %d\n", sn(sf.ssi_signo), cld(sf.ssi_code), sf.ssi_status, YN(sf.ssi_pid == (unsigned)c), (int)sf.ssi_uid);
	reap("end", c);
	return d_end();
}
