// SPDX-License-Identifier: GPL-2.0-only
/* Children that die of real faults, of abort() and of raise(), with no core allowed. */
#include "relations.h"
#include <sys/mman.h>
static volatile int zero;
int main(int argc, char **argv)
{
	static const char *what[] = {"null write", "abort", "divide", "ud2", "raise SEGV", "raise QUIT", "bus", "trap", "raise TERM",
		"cpu limit", "file size", "abort ignored", "pipe"};
	enum { N = sizeof what / sizeof *what };
	pid_t p[N];
	char cp[200];

	d_init(argc, argv);
	rproc(cp, sizeof cp, "/proc/sys/kernel/core_pattern");
	if (cp[0] != '|') {
		struct rlimit rl = {0, 0};
		setrlimit(RLIMIT_CORE, &rl);
	}
	for (int i = 0; i < N; i++) {
		if ((p[i] = Fork()))
			continue;
		switch (i) {
		case 0: *(volatile int *)(uintptr_t)zero = 1; break;
		case 1: abort();
		case 2: zero = 100 / zero; break;
		case 3: __builtin_trap();
		case 4: raise(SIGSEGV); break;
		case 5: raise(SIGQUIT); break;
		case 6: {
			char f[700];
			snprintf(f, sizeof f, "%sbus", d_pre);
			int fd = open(f, O_RDWR | O_CREAT, 0600);
			char *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
			zero = m[0];
			break;
		}
		case 7: __asm__ volatile("int3"); break;
		case 8: raise(SIGTERM); break;
		case 9: {
			struct rlimit r = {1, 2};
			setrlimit(RLIMIT_CPU, &r);
			for (;;)
				;
		}
		case 10: {
			char f[700];
			struct rlimit r = {10, 10};
			snprintf(f, sizeof f, "%sfsz", d_pre);
			int fd = open(f, O_RDWR | O_CREAT, 0600);
			setrlimit(RLIMIT_FSIZE, &r);
			while (write(fd, "0123456", 7) > 0)
				;
			break;
		}
		case 11: signal(SIGABRT, SIG_IGN); blk(SIGABRT, 0); abort();
		case 12: {
			int fd[2];
			if (pipe(fd) == 0) {
				close(fd[0]);
				while (write(fd[1], "x", 1) > 0)
					;
			}
			break;
		}
		}
		_exit(55);
	}
	for (int i = 0; i < N; i++) {
		siginfo_t si;
		memset(&si, 0, sizeof si);
		waitid(P_PID, p[i], &si, WEXITED | WNOWAIT);
		printf("%s: %s ", what[i], cld(si.si_code));
		reap("wait", p[i]);
	}
	return d_end();
}
