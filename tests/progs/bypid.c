// SPDX-License-Identifier: GPL-2.0-only
/*
 * bypid [-32] PID [TID]: makes every system call by PID on a process and
 * prints what it returned, one line a call: two runs on processes of the same
 * kind must print the same, wherever those run. -32: through the 32-bit entry.
 * Numbers that must differ (ids) are printed as relations.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int compat;

/* i386 numbers of the same calls */
enum {
	I_GETPRIORITY = 96, I_SETPRIORITY = 97, I_GETPGID = 132, I_GETSID = 147,
	I_SCHED_GETPARAM = 155, I_SCHED_GETSCHEDULER = 157, I_KILL = 37,
	I_SIGQUEUE = 178, I_TKILL = 238, I_SETAFFINITY = 241,
	I_GETAFFINITY = 242, I_TGKILL = 270, I_PRLIMIT = 340,
	I_TGSIGQUEUE = 335, I_PIDFD_SIGNAL = 424, I_PIDFD_OPEN = 434,
};

/* The way into the kernel that 32-bit programs take; pointers are low. */
static long int80(long nr, long a, long b, long c, long d)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static long call(long nr64, long nr32, long a, long b, long c, long d)
{
	long ret;

	if (compat)
		return int80(nr32, a, b, c, d);
	ret = syscall(nr64, a, b, c, d);
	return ret < 0 ? -errno : ret;
}

static void say(const char *name, long ret)
{
	if (ret < 0)
		printf("%-18s %s\n", name, strerrorname_np(-ret));
	else
		printf("%-18s %ld\n", name, ret);
}

#define CALL(n64, n32, a, b, c, d) \
	call(SYS_##n64, I_##n32, (long)(a), (long)(b), (long)(c), (long)(d))

int main(int argc, char **argv)
{
	char *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct rlimit64 { uint64_t cur, max; } *lim = (void *)mem;
	uint32_t *info = (void *)(mem + 256);
	unsigned long *mask = (void *)(mem + 512);
	int i = 1, *param = (void *)(mem + 1024);
	long pid, tid, fd, ret;

	if (argc > 1 && !strcmp(argv[1], "-32"))
		compat = i++;
	if (i >= argc || mem == MAP_FAILED)
		return 2;
	pid = atol(argv[i]);
	tid = i + 1 < argc ? atol(argv[i + 1]) : pid;

	say("kill 0", CALL(kill, KILL, pid, 0, 0, 0));
	say("kill 99", CALL(kill, KILL, pid, 99, 0, 0));
	say("kill USR1", CALL(kill, KILL, pid, SIGUSR1, 0, 0));
	say("tkill 0", CALL(tkill, TKILL, tid, 0, 0, 0));
	say("tgkill 0", CALL(tgkill, TGKILL, pid, tid, 0, 0));
	say("tgkill USR2", CALL(tgkill, TGKILL, pid, tid, SIGUSR2, 0));
	say("tgkill other", CALL(tgkill, TGKILL, pid + 1, tid, 0, 0));
	/* siginfo: signo, errno, code, then (64 bit: padding) pid, uid, value */
	memset(info, 0, 128);
	info[0] = SIGUSR1;
	info[2] = (uint32_t)SI_QUEUE;
	info[compat ? 3 : 4] = getpid();
	info[compat ? 4 : 5] = getuid();
	info[compat ? 5 : 6] = 4711;
	say("sigqueue", CALL(rt_sigqueueinfo, SIGQUEUE, pid, SIGUSR1, info, 0));
	say("tgsigqueue", CALL(rt_tgsigqueueinfo, TGSIGQUEUE, pid, pid, SIGUSR1,
			       info));
	info[2] = SI_USER;
	say("sigqueue USER", CALL(rt_sigqueueinfo, SIGQUEUE, pid, SIGUSR1, info,
				  0));
	ret = CALL(getpgid, GETPGID, pid, 0, 0, 0);
	say("getpgid is pid", ret < 0 ? ret : ret == pid);
	ret = CALL(getsid, GETSID, pid, 0, 0, 0);
	say("getsid is pid", ret < 0 ? ret : ret == pid);
	say("getpriority", CALL(getpriority, GETPRIORITY, PRIO_PROCESS, pid, 0,
				0));
	say("setpriority 5", CALL(setpriority, SETPRIORITY, PRIO_PROCESS, pid,
				  5, 0));
	say("getpriority", CALL(getpriority, GETPRIORITY, PRIO_PROCESS, pid, 0,
				0));
	ret = CALL(sched_getaffinity, GETAFFINITY, pid, 512, mask, 0);
	say("getaffinity", ret < 0 ? ret : (long)(mask[0] & 1));
	say("getaffinity 1", CALL(sched_getaffinity, GETAFFINITY, pid, 1, mask,
				  0));
	mask[0] = 1;
	say("setaffinity", CALL(sched_setaffinity, SETAFFINITY, pid, 8, mask,
				0));
	mask[0] = 0;
	say("setaffinity none", CALL(sched_setaffinity, SETAFFINITY, pid, 8,
				     mask, 0));
	say("getscheduler", CALL(sched_getscheduler, SCHED_GETSCHEDULER, pid, 0,
				 0, 0));
	*param = 77;
	ret = CALL(sched_getparam, SCHED_GETPARAM, pid, param, 0, 0);
	say("getparam", ret < 0 ? ret : *param);
	ret = CALL(prlimit64, PRLIMIT, pid, RLIMIT_NOFILE, 0, lim);
	say("prlimit get", ret < 0 ? ret : (long)lim->cur);
	lim->cur = 100;
	lim->max = 200;
	say("prlimit set", CALL(prlimit64, PRLIMIT, pid, RLIMIT_NOFILE, lim, 0));
	ret = CALL(prlimit64, PRLIMIT, pid, RLIMIT_NOFILE, 0, lim);
	say("prlimit again", ret < 0 ? ret : (long)(lim->cur * 1000 + lim->max));
	say("prlimit bad", CALL(prlimit64, PRLIMIT, pid, 999, 0, lim));
	say("prlimit fault", CALL(prlimit64, PRLIMIT, pid, RLIMIT_NOFILE, 0, 8));
	fd = CALL(pidfd_open, PIDFD_OPEN, pid, 0, 0, 0);
	say("pidfd_open", fd < 0 ? fd : 1);
	say("pidfd_open flags", CALL(pidfd_open, PIDFD_OPEN, pid, 0x1234, 0, 0));
	if (fd >= 0) {
		say("pidfd_signal 0", CALL(pidfd_send_signal, PIDFD_SIGNAL, fd,
					   0, 0, 0));
		say("pidfd_signal", CALL(pidfd_send_signal, PIDFD_SIGNAL, fd,
					 SIGUSR1, 0, 0));
		say("pidfd_signal flags", CALL(pidfd_send_signal, PIDFD_SIGNAL,
					       fd, SIGUSR1, 0, 1));
		say("pidfd_signal 99", CALL(pidfd_send_signal, PIDFD_SIGNAL, fd,
					    99, 0, 0));
	}
	return 0;
}
