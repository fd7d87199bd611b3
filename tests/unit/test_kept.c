// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/kept.c userspace/move/tree.c userspace/move/util.c
// PKGS: libprotobuf-c
/* A copy of the memory of a process that ends before all of it was read. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/kept.h"
#include "../../userspace/move/pages.h"
#include "../../userspace/move/tree.h"

/* Another program: an instrumented one has terabytes of shadow memory. */
static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sleep", "sleep", "1000", NULL);
		_exit(127);
	}
	for (int i = 0; i < 5000; i++) {
		char *comm = proc_text(pid, "comm"), *maps = proc_text(pid, "maps");
		bool there = comm && !strcmp(comm, "sleep\n") && maps &&
			     strstr(maps, "[heap]");

		free(comm);
		free(maps);
		if (there)
			break;
		poll(NULL, 0, 1);
	}
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static uint8_t *read_now(pid_t pid, const char *name, uint64_t *start, size_t *len)
{
	char *maps = proc_text(pid, "maps"), *at = strstr(maps, name);
	unsigned long long from = 0, to = 0;
	uint8_t *data;

	while (at && at > maps && at[-1] != '\n')
		at--;
	sscanf(at ? at : "", "%llx-%llx", &from, &to);
	free(maps);
	*start = from;
	*len = to - from;
	data = calloc(1, *len + 1);
	CHECK(*len && !read_forced(pid, from, *len / PAGE, data));
	return data;
}

TEST(it_outlives_the_process)
{
	static const char *const names[] = { "[heap]", "[stack]" };
	uint8_t *was[2], *got, none[PAGE], zeros[PAGE] = { 0 };
	uint64_t start[2];
	pid_t pid = sleeper();
	size_t len[2];
	struct kept k;

	for (int i = 0; i < 2; i++)
		was[i] = read_now(pid, names[i], &start[i], &len[i]);
	CHECK_EQ(kept_take(&k, pid), 0);
	CHECK(k.n > 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		got = malloc(len[i]);
		memset(got, 0xff, len[i]);
		kept_read(&k, start[i], len[i], got);
		CHECK(!memcmp(got, was[i], len[i]));
		free(got);
		free(was[i]);
	}
	memset(none, 0xff, PAGE);
	kept_read(&k, PAGE, PAGE, none);
	CHECK(!memcmp(none, zeros, PAGE));
	kept_free(&k);
}

TEST(one_that_is_gone_is_said)
{
	pid_t pid = fork();
	struct kept k;

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	CHECK_EQ(kept_take(&k, pid), -ESRCH);
	kept_free(&k);
}

TAP_MAIN(T(it_outlives_the_process), T(one_that_is_gone_is_said))
