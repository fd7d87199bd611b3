// SPDX-License-Identifier: GPL-2.0-only
/* system(): statuses, signals, SIGCHLD blocked and INT/QUIT ignored meanwhile, other children untouched. */
#include "relations.h"
static atomic_int chld;
static void h(int s) { (void)s; chld++; }
int main(int argc, char **argv)
{
	pid_t c;
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	if ((c = Fork()) == 0)
		end_on(SIGUSR1, 12);
	printf("exit 0: %s\n", st(system("exit 0")));
	printf("exit 3: %s\n", st(system("exit 3")));
	printf("killed: %s\n", st(system("kill -KILL $$")));
	printf("INT: %s\n", st(system("kill -INT $PPID; kill -QUIT $PPID; exit 4")));
	printf("no command: %s\n", st(system("no_such_command_at_all 2>/dev/null")));
	printf("NULL: %s\n", YN(system(NULL)));
	printf("nested: %s\n", st(system("sh -c 'exit 5'; test $? = 5 && exit 6")));
	printf("PPID: %s\n", st(system("read -r a b c d e </proc/$$/stat; test $PPID = $d && exit 8")));
	signal(SIGCHLD, h);
	system("true") ? puts("odd") : 0;
	printf("SIGCHLD handler ran: %d\n", chld);
	kill(c, SIGUSR1);
	reap("other child", c);
	printf("handler ran: %d\n", chld);
	signal(SIGCHLD, SIG_IGN);
	errno = 0;
	int r = system("exit 9");
	printf("under SIG_IGN: %s\n", r == -1 ? en(-1) : st(r));
	return d_end();
}
