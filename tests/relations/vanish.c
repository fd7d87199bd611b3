// SPDX-License-Identifier: GPL-2.0-only
/* /proc/CHILD appears with fork and vanishes with reaping: open files of it, getdents, task dirs; autoreaped too. */
#include "relations.h"
#include <dirent.h>
static int listed(pid_t p)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;
	if (!d)
		return -1;
	while ((e = readdir(d)))
		n += atoi(e->d_name) == p;
	closedir(d);
	return n;
}
static int there(pid_t p)
{
	char f[40];
	struct stat sb;
	snprintf(f, sizeof f, "/proc/%d", (int)p);
	return stat(f, &sb) == 0;
}
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	char f[60], b[200];
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	if ((c = Fork()) == 0)
		end_on(SIGUSR1, 5);
	printf("at once: there %s, listed %d\n", YN(there(c)), listed(c));
	snprintf(f, sizeof f, "/proc/%d/task/%d", (int)c, (int)c);
	SAY("task dir", access(f, F_OK) == 0);
	snprintf(f, sizeof f, "/proc/%d/stat", (int)c);
	int fd = open(f, O_RDONLY | O_CLOEXEC);
	SAY("stat opened and read", fd >= 0 && read(fd, b, 20) == 20);
	snprintf(f, sizeof f, "/proc/%d", (int)c);
	int dfd = open(f, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	printf("zombie: there %s, listed %d\n", YN(there(c)), listed(c));
	reap("it", c);
	printf("reaped: there %s, listed %d\n", YN(there(c)), listed(c));
	lseek(fd, 0, SEEK_SET);
	printf("read of the old file: %s\n", en(read(fd, b, 20)));
	printf("openat of the old directory: %s\n", en(openat(dfd, "stat", O_RDONLY)));
	signal(SIGCHLD, SIG_IGN);
	if ((c = Fork()) == 0)
		end_on(SIGUSR1, 5);
	printf("ignored: there %s, ", YN(there(c)));
	kill(c, SIGUSR1);
	printf("wait %s, ", en(Wait(c, NULL, 0)));
	printf("there %s, listed %d\n", YN(there(c)), listed(c));
	return d_end();
}
