// SPDX-License-Identifier: GPL-2.0-only
/* Clone children (exit signal not SIGCHLD) against __WCLONE and __WALL; exec turns them normal. */
#include "relations.h"
static pid_t Clone(int sig)
{
	pid_t p = syscall(SYS_clone, sig, 0, 0, 0, 0);
	if (p == 0)
		d_child();
	return p;
}
int main(int argc, char **argv)
{
	pid_t a, b, z, e;
	int w;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGCHLD, SIGRTMIN, 0);
	if ((a = Fork()) == 0)
		end_on(SIGUSR1, 1);
	if ((b = Clone(SIGRTMIN)) == 0)
		end_on(SIGUSR1, 2);
	if ((z = Clone(0)) == 0)
		end_on(SIGUSR1, 3);
	printf("b, plain: %s\n", en(waitpid(b, &w, WNOHANG)));
	printf("b, __WCLONE: %d\n", (int)waitpid(b, &w, WNOHANG | __WCLONE));
	printf("b, __WALL: %d\n", (int)waitpid(b, &w, WNOHANG | __WALL));
	printf("a, __WCLONE: %s\n", en(waitpid(a, &w, WNOHANG | __WCLONE)));
	printf("a, __WALL: %d\n", (int)waitpid(a, &w, WNOHANG | __WALL));
	printf("z, plain: %s\n", en(waitpid(z, &w, WNOHANG)));
	printf("z, __WCLONE: %d\n", (int)waitpid(z, &w, WNOHANG | __WCLONE));
	kill(b, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("exit signal of b: %s status %d pid %s\n", cld(si.si_code), si.si_status, YN(si.si_pid == b));
	printf("any, plain: %d\n", (int)waitpid(-1, &w, WNOHANG));
	wp("any, __WCLONE", -1, __WCLONE, b);
	kill(z, SIGUSR1);
	wp("z, __WALL", z, __WALL, z);
	SAY("no signal for z", none(SIGCHLD, 100) && none(SIGRTMIN, 50));
	kill(a, SIGUSR1);
	take(SIGCHLD, &si);
	printf("exit signal of a: %s status %d pid %s\n", cld(si.si_code), si.si_status, YN(si.si_pid == a));
	printf("any, __WCLONE: %s\n", en(waitpid(-1, &w, WNOHANG | __WCLONE)));
	wp("a, __WALL", -1, __WALL, a);
	if ((e = Clone(SIGUSR2)) == 0) {
		execl("/bin/sh", "sh", "-c", "exit 9", NULL);
		_exit(99);
	}
	take(SIGCHLD, &si);
	SAY("exec made the exit signal SIGCHLD", si.si_pid == e && none(SIGUSR2, 50));
	wp("plain", e, 0, e);
	return d_end();
}
