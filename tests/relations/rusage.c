// SPDX-License-Identifier: GPL-2.0-only
/* rusage of a child that burned CPU: wait4, waitid's raw fifth argument, RUSAGE_CHILDREN, grandchildren. */
#include "relations.h"
static double us(struct rusage *r)
{
	return r->ru_utime.tv_sec + r->ru_stime.tv_sec + (r->ru_utime.tv_usec + r->ru_stime.tv_usec) / 1e6;
}
static void burn(double want)
{
	struct rusage r;
	do
		getrusage(RUSAGE_SELF, &r);
	while (us(&r) < want);
}
int main(int argc, char **argv)
{
	struct rusage r, c0, c1, c2;
	siginfo_t si;
	pid_t a, b, z;
	int w;
	d_init(argc, argv);
	if ((a = Fork()) == 0) {
		burn(0.25);
		_exit(4);
	}
	if ((b = Fork()) == 0) {
		pid_t g = Fork();
		if (g == 0) {
			burn(0.25);
			_exit(0);
		}
		Wait(g, &w, 0);
		_exit(5);
	}
	if ((z = Fork()) == 0) {
		signal(SIGCHLD, SIG_IGN);       /* its child's times are lost */
		pid_t g = Fork();
		if (g == 0) {
			burn(1.0);
			_exit(0);
		}
		Wait(g, &w, 0);
		_exit(6);
	}
	getrusage(RUSAGE_CHILDREN, &c0);
	memset(&r, 0, sizeof r);
	memset(&si, 0, sizeof si);
	syscall(SYS_waitid, P_PID, a, &si, WEXITED | WNOWAIT, &r);
	SAY("WNOWAIT shows the usage", us(&r) > 0.2 && us(&r) < 5);
	getrusage(RUSAGE_CHILDREN, &c1);
	SAY("not yet added by WNOWAIT", us(&c1) == us(&c0));
	memset(&r, 0, sizeof r);
	SAY("wait4 takes it", wait4(a, &w, 0, &r) == a);
	printf("%s\n", st(w));
	SAY("own usage in wait4", us(&r) > 0.2 && us(&r) < 5);
	SAY("maxrss sane", r.ru_maxrss > 100);
	getrusage(RUSAGE_CHILDREN, &c1);
	SAY("RUSAGE_CHILDREN grew", us(&c1) > us(&c0) + 0.2 && us(&c1) < us(&c0) + 5);
	memset(&r, 0, sizeof r);
	SAY("second child", wait4(b, &w, 0, &r) == b);
	printf("%s\n", st(w));
	SAY("with its waited-for child's", us(&r) > 0.2 && us(&r) < 5);
	getrusage(RUSAGE_CHILDREN, &c2);
	SAY("RUSAGE_CHILDREN grew again", us(&c2) > us(&c1) + 0.2);
	SAY("third child", wait4(z, &w, 0, &r) == z);
	printf("%s\n", st(w));
	SAY("without its not waited-for child's", us(&r) < 0.7);
	return d_end();
}
