// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/clock.c userspace/move/keeper.c userspace/move/tree.c userspace/move/util.c userspace/libpando/sysv.c
// PKGS: libprotobuf-c
/*
 * Whoever dies, a restored tree is whole or is not: the keeper and the guard
 * with a criu that only makes two processes and waits.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/criu.h"
#include "../../userspace/libpando/sysv.h"
#include "../../userspace/move/keeper.h"

#define PATIENCE_MS	20000

/* Its end of the "RPC" is where it tells who was made. */
void criu_exec(int sock, int tty, const char *landing)
{
	pid_t pid[2];

	(void)tty;
	(void)landing;
	/* the root is a sibling of criu, as rst_sibling makes it */
	pid[0] = syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0);
	if (!pid[0]) {
		pid[1] = fork();
		if (!pid[1])
			for (;;)
				pause();
		pid[0] = getpid();
		if (write(sock, pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		for (;;)
			pause();
	}
	for (;;)
		pause();
}

struct made {
	struct move m;
	struct keeper k;
	int criu, sock;
	pid_t root, child;
	int pidfd[2];
};

static bool ends(int pidfd)
{
	struct pollfd p = { pidfd, POLLIN, 0 };

	return poll(&p, 1, PATIENCE_MS) > 0;
}

static bool lives(int pidfd)
{
	struct pollfd p = { pidfd, POLLIN, 0 };

	return poll(&p, 1, 100) == 0;
}

static void make(struct made *t)
{
	pid_t pid[2] = { 0 };
	int sk[2];

	memset(t, 0, sizeof(*t));
	t->m.daemon = t->m.peer = -1;
	t->m.timeout_ms = PATIENCE_MS;
	CHECK_EQ(keeper_start(&t->m, &t->k, NULL, 0, 0), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk), 0);
	t->criu = keeper_criu(&t->m, &t->k, sk[1]);
	CHECK(t->criu >= 0);
	close(sk[1]);
	CHECK_EQ(read(sk[0], pid, sizeof(pid)), sizeof(pid));
	close(sk[0]);
	t->root = pid[0];
	t->child = pid[1];
	for (int i = 0; i < 2; i++)
		t->pidfd[i] = syscall(SYS_pidfd_open, pid[i], 0);
	CHECK(t->pidfd[0] >= 0 && t->pidfd[1] >= 0);
}

static void forget(struct made *t)
{
	kill(t->root, SIGKILL);
	kill(t->child, SIGKILL);
	if (t->criu >= 0)
		syscall(SYS_pidfd_send_signal, t->criu, SIGKILL, NULL, 0);
	close(t->pidfd[0]);
	close(t->pidfd[1]);
	close(t->criu);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

TEST(without_a_commit_nothing_is_left)
{
	struct made t;

	make(&t);
	CHECK(lives(t.pidfd[0]));
	CHECK_EQ(keeper_kill(&t.k, PATIENCE_MS), 0);
	CHECK(ends(t.pidfd[0]) && ends(t.pidfd[1]) && ends(t.criu));
	forget(&t);
}

TEST(nor_when_the_guard_was_posted)
{
	struct made t;

	make(&t);
	CHECK_EQ(keeper_built(&t.m, &t.k), 0);
	CHECK(lives(t.pidfd[0]));
	CHECK_EQ(keeper_kill(&t.k, PATIENCE_MS), 0);
	CHECK(ends(t.pidfd[0]) && ends(t.pidfd[1]));
	forget(&t);
}

/* A segment that was made for the move, and one whose id was taken by others. */
static void segments(int *made, int *others, int *record)
{
	*made = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	*others = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	*record = memfd_create("record", MFD_CLOEXEC);
	CHECK(*made >= 0 && *others >= 0 && *record >= 0);
	CHECK(!sysv_write(*record, &(struct sysv_note){ *made, getpid(), 0 }));
	CHECK(!sysv_write(*record, &(struct sysv_note){ *others, 1, 7 }));
}

static bool is_there(int id)
{
	struct shmid_ds ds;

	return !shmctl(id, IPC_STAT, &ds);
}

TEST(without_a_commit_no_shared_memory_is_left)
{
	int made, others, record;
	struct made t;

	make(&t);
	segments(&made, &others, &record);
	CHECK_EQ(keeper_record(&t.m, &t.k, record), 0);
	CHECK_EQ(keeper_kill(&t.k, PATIENCE_MS), 0);
	CHECK(!is_there(made) && is_there(others));
	shmctl(others, IPC_RMID, NULL);
	close(record);
	forget(&t);
}

TEST(what_is_still_attached_is_told_of_and_stays)
{
	int made, others, record;
	void *at;

	segments(&made, &others, &record);
	at = shmat(made, NULL, 0);
	CHECK(at != (void *)-1);
	CHECK(sysv_unmake(dup(record)));
	CHECK(is_there(made));
	shmdt(at);
	/* another's may be attached as it likes */
	at = shmat(others, NULL, 0);
	CHECK(!sysv_unmake(dup(record)));
	CHECK(!is_there(made) && is_there(others));
	shmdt(at);
	CHECK(!sysv_unmake(dup(record)));
	CHECK(!sysv_unmake(-1));
	shmctl(others, IPC_RMID, NULL);
	close(record);
}

TEST(committed_shared_memory_is_the_tree_s)
{
	int made, others, record;
	struct made t;

	make(&t);
	segments(&made, &others, &record);
	CHECK_EQ(keeper_record(&t.m, &t.k, record), 0);
	CHECK_EQ(keeper_built(&t.m, &t.k), 0);
	keeper_commit(&t.k);
	keeper_leave(&t.k);
	keeper_done(&t.k);
	CHECK(is_there(made) && is_there(others));
	shmctl(made, IPC_RMID, NULL);
	shmctl(others, IPC_RMID, NULL);
	close(record);
	forget(&t);
}

TEST(committed_and_done_it_lives_on)
{
	struct made t;

	make(&t);
	CHECK_EQ(keeper_hold(&t.m, &t.k, 0), 0);
	CHECK_EQ(keeper_built(&t.m, &t.k), 0);
	CHECK_EQ(keeper_hold(&t.m, &t.k, 0), 0);
	keeper_commit(&t.k);
	CHECK(lives(t.pidfd[0]) && lives(t.pidfd[1]));
	keeper_done(&t.k);
	CHECK(lives(t.pidfd[0]) && lives(t.pidfd[1]));
	forget(&t);
}

TEST(committed_but_not_done_it_is_killed)
{
	struct made t;

	make(&t);
	CHECK_EQ(keeper_built(&t.m, &t.k), 0);
	keeper_commit(&t.k);
	CHECK(lives(t.pidfd[0]) && lives(t.pidfd[1]));
	/* as the end of the mover would */
	close(t.k.guard);
	CHECK(ends(t.pidfd[0]) && ends(t.pidfd[1]));
	forget(&t);
}

int main(void)
{
	static const struct tap_test tests[] = {
		T(without_a_commit_nothing_is_left),
		T(nor_when_the_guard_was_posted),
		T(without_a_commit_no_shared_memory_is_left),
		T(what_is_still_attached_is_told_of_and_stays),
		T(committed_shared_memory_is_the_tree_s),
		T(committed_and_done_it_lives_on),
		T(committed_but_not_done_it_is_killed),
	};

	/* orphans come to us and not to whatever is pid 1 here */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
