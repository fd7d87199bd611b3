// SPDX-License-Identifier: GPL-2.0-only
/*
 * counts FILE: how often SIGRTMIN comes, into FILE whenever none has come for a moment, and
 * at first. Every one counts: it takes them one by one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void tell(const char *path, unsigned long n)
{
	char part[4096];
	FILE *f;

	snprintf(part, sizeof(part), "%s.part", path);
	f = fopen(part, "w");
	if (!f)
		exit(1);
	fprintf(f, "%lu\n", n);
	fclose(f);
	rename(part, path);
}

int main(int argc, char **argv)
{
	static const struct timespec moment = { .tv_nsec = 200000000 };
	unsigned long n = 0, told = 0;
	sigset_t set;

	if (argc != 2)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	tell(argv[1], n);
	for (;;) {
		if (sigtimedwait(&set, NULL, &moment) > 0) {
			n++;
		} else if (told != n) {
			tell(argv[1], n);
			told = n;
		}
	}
}
