// SPDX-License-Identifier: GPL-2.0-only
/* si_code, si_pid, si_uid, si_value of kill, sigqueue, tgkill, rt_sigqueueinfo in both directions; forging forbidden. */
#include "relations.h"
static int code(siginfo_t *si, pid_t from)
{
	int k = si->si_code == SI_USER ? 1 : si->si_code == SI_QUEUE ? 2 : si->si_code == SI_TKILL ? 3 : si->si_code == -77 ? 4 : 0;
	return k | (si->si_pid == from) << 3 | (si->si_uid == 0) << 4 | (si->si_code == SI_QUEUE || si->si_code == -77 ? si->si_value.sival_int << 8 : 0);
}
static void fire(pid_t to, siginfo_t *si)
{
	kill(to, SIGUSR1);
	sq(to, SIGUSR2, 1234);
	syscall(SYS_tgkill, to, to, SIGRTMIN + 1);
	memset(si, 0, sizeof *si);
	si->si_code = -77;
	si->si_pid = getpid();
	si->si_value.sival_int = 77;
	syscall(SYS_rt_sigqueueinfo, to, SIGRTMIN + 2, si);
}
int main(int argc, char **argv)
{
	static const char *nm[] = {"kill", "sigqueue", "tgkill", "rt_sigqueueinfo"};
	int sg[] = {SIGUSR1, SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 2};
	pid_t c;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2, SIGRTMIN + 3, 0);
	if ((c = Fork()) == 0) {
		for (int i = 0; i < 4; i++) {
			take(sg[i], &si);
			sq(d_main, SIGRTMIN, code(&si, d_main));
		}
		fire(getppid(), &si);
		/* codes of the kernel cannot be sent to another process */
		si.si_code = SI_USER;
		int r = syscall(SYS_rt_sigqueueinfo, d_main, SIGRTMIN + 3, &si) == -1 && errno == EPERM;
		si.si_code = SI_KERNEL;
		r |= (syscall(SYS_rt_sigqueueinfo, d_main, SIGRTMIN + 3, &si) == -1 && errno == EPERM) << 1;
		si.si_code = SI_TKILL;
		r |= (syscall(SYS_rt_sigqueueinfo, d_main, SIGRTMIN + 3, &si) == -1 && errno == EPERM) << 2;
		/* a forged sender's pid goes through with a negative code */
		si.si_code = SI_QUEUE;
		si.si_pid = 1;
		si.si_value.sival_int = 99;
		r |= (syscall(SYS_rt_sigqueueinfo, d_main, SIGRTMIN + 3, &si) == 0) << 3;
		sq(d_main, SIGRTMIN, r);
		end_on(SIGUSR1, 0);
	}
	fire(c, &si);
	for (int i = 0; i < 4; i++) {
		take(SIGRTMIN, &si);
		printf("child got %s: 0x%x\n", nm[i], si.si_value.sival_int);
	}
	for (int i = 0; i < 4; i++) {
		take(sg[i], &si);
		printf("parent got %s: 0x%x signo %s\n", nm[i], code(&si, c), YN(si.si_signo == sg[i]));
	}
	take(SIGRTMIN, &si);
	printf("forging: 0x%x\n", si.si_value.sival_int);
	take(SIGRTMIN + 3, &si);
	printf("forged pid: %d value %d code %s\n", si.si_pid, si.si_value.sival_int, sic(si.si_code));
	SAY("only one", none(SIGRTMIN + 3, 50));
	kill(c, SIGUSR1);
	reap("end", c);
	return d_end();
}
