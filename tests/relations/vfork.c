// SPDX-License-Identifier: GPL-2.0-only
/* vfork and exec, vfork and _exit; nothing is assumed on shared memory; statuses, groups, wait. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t p[6];
	d_init(argc, argv);
	fflush(stdout);
	for (int i = 0; i < 6; i++) {
		pid_t v = vfork();
		if (v == 0) {
			if (i == 0)
				_exit(23);
			if (i == 1)
				execl("/bin/true", "true", (char *)NULL);
			if (i == 2)
				execl("/bin/sh", "sh", "-c", "exit 24", (char *)NULL);
			if (i == 3)
				execl("/bin/sh", "sh", "-c", "kill -STOP $$; exit 25", (char *)NULL);
			if (i == 4)
				execl("/nonexistent", "x", (char *)NULL);
			if (i == 5)
				kill(getpid(), SIGKILL);
			_exit(127);
		}
		p[i] = v;
	}
	wi("stop", P_PID, p[3], WSTOPPED | WEXITED, p[3]);
	SAY("its group is mine", getpgid(p[3]) == getpgrp());
	printf("too late for a group: %s\n", en(setpgid(p[3], p[3])));
	kill(p[3], SIGCONT);
	for (int i = 0; i < 6; i++)
		reap("end", p[i]);
	printf("then %s\n", en(wait(NULL)));
	return d_end();
}
