// SPDX-License-Identifier: GPL-2.0-only
/*
 * bypid [-32] PID [TID]: makes every system call by PID on a process and
 * prints what it returned, one line a call: two runs on processes of the same
 * kind must print the same, wherever those run. -32: through the 32-bit entry.
 * Numbers that must differ (ids) are printed as relations.
 *
 * bypid [-32] -r PID: the calls that are not made on processes of other nodes.
 * bypid -p which who [nice]: getpriority(), or setpriority().
 * bypid -i which who [ioprio]: ioprio_get(), or ioprio_set().
 */
#include <errno.h>
#include <sched.h>
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
	I_SETSCHEDULER = 156, I_SETPARAM = 154, I_RR_INTERVAL = 161,
	I_RR_INTERVAL64 = 423, I_SETATTR = 351, I_GETATTR = 352,
	I_IOPRIO_SET = 289, I_IOPRIO_GET = 290, I_CAPGET = 184,
	I_PTRACE = 26, I_MIGRATE = 294, I_ROBUST = 312, I_MOVE_PAGES = 317,
	I_PERF = 336, I_VM_READV = 347, I_VM_WRITEV = 348, I_KCMP = 349,
	I_GETFD = 438, I_MADVISE = 440, I_MRELEASE = 448,
};

/* The way into the kernel that 32-bit programs take; pointers are low. */
static long int80(long nr, long a, long b, long c, long d, long e)
{
	int ret;

	/* the sixth argument is 0; below the stack pointer may be somebody's */
	asm volatile("sub $128, %%rsp\n\t"
		     "push %%rbp\n\t"
		     "xor %%ebp, %%ebp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp\n\t"
		     "add $128, %%rsp"
		     : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static long call(long nr64, long nr32, long a, long b, long c, long d, long e)
{
	long ret;

	if (compat)
		return int80(nr32, a, b, c, d, e);
	ret = syscall(nr64, a, b, c, d, e, 0);
	return ret < 0 ? -errno : ret;
}

static void say(const char *name, long ret)
{
	if (ret < 0)
		printf("%-18s %s\n", name, strerrorname_np(-ret));
	else
		printf("%-18s %ld\n", name, ret);
}

#define CALL5(n64, n32, a, b, c, d, e) \
	call(SYS_##n64, I_##n32, (long)(a), (long)(b), (long)(c), (long)(d), \
	     (long)(e))
#define CALL(n64, n32, a, b, c, d) CALL5(n64, n32, a, b, c, d, 0)

static void scheduling(long pid, char *mem)
{
	int *param = (void *)mem;
	struct sched_attr {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util[2];
	} *attr = (void *)(mem + 64);
	int64_t *ts = (void *)(mem + 512);
	int32_t *ts32 = (void *)ts;
	long ret;

	*param = 0;
	say("setscheduler BATCH", CALL(sched_setscheduler, SETSCHEDULER, pid,
				       SCHED_BATCH, param, 0));
	say("getscheduler", CALL(sched_getscheduler, SCHED_GETSCHEDULER, pid, 0,
				 0, 0));
	say("setscheduler 99", CALL(sched_setscheduler, SETSCHEDULER, pid, 99,
				    param, 0));
	say("setscheduler NULL", CALL(sched_setscheduler, SETSCHEDULER, pid,
				      SCHED_BATCH, 0, 0));
	say("setscheduler 8", CALL(sched_setscheduler, SETSCHEDULER, pid,
				   SCHED_BATCH, 8, 0));
	*param = 100;
	say("setscheduler 100", CALL(sched_setscheduler, SETSCHEDULER, pid,
				     SCHED_FIFO, param, 0));
	*param = 7;
	say("setscheduler RR", CALL(sched_setscheduler, SETSCHEDULER, pid,
				    SCHED_RR | SCHED_RESET_ON_FORK, param, 0));
	*param = 9;
	say("setparam 9", CALL(sched_setparam, SETPARAM, pid, param, 0, 0));
	*param = -1;
	say("setparam -1", CALL(sched_setparam, SETPARAM, pid, param, 0, 0));
	say("setparam NULL", CALL(sched_setparam, SETPARAM, pid, 0, 0, 0));
	ret = CALL(sched_getparam, SCHED_GETPARAM, pid, param, 0, 0);
	say("getparam", ret < 0 ? ret : *param);
	say("getparam NULL", CALL(sched_getparam, SCHED_GETPARAM, pid, 0, 0,
				  0));
	memset(ts, 0x55, 16);
	ret = CALL(sched_rr_get_interval, RR_INTERVAL, pid, ts, 0, 0);
	say("rr_interval", ret < 0 ? ret : compat ?
	    ts32[0] * 1000000000l + ts32[1] : ts[0] * 1000000000 + ts[1]);
	memset(ts, 0x55, 16);
	ret = CALL(sched_rr_get_interval, RR_INTERVAL64, pid, ts, 0, 0);
	say("rr_interval 64", ret < 0 ? ret : ts[0] * 1000000000 + ts[1]);
	say("rr_interval 8", CALL(sched_rr_get_interval, RR_INTERVAL, pid, 8, 0,
				  0));
	memset(attr, 0x55, 200);
	ret = CALL(sched_getattr, GETATTR, pid, attr, 48, 0);
	say("getattr 48", ret < 0 ? ret : (long)attr->size);
	say("  policy", attr->policy);
	say("  flags", attr->flags);
	say("  priority", attr->priority);
	say("  behind", attr->util[0] == 0x55555555);
	ret = CALL(sched_getattr, GETATTR, pid, attr, 4096, 0);
	say("getattr 4096", ret < 0 ? ret : (long)attr->size);
	say("getattr 47", CALL(sched_getattr, GETATTR, pid, attr, 47, 0));
	say("getattr 4097", CALL(sched_getattr, GETATTR, pid, attr, 4097, 0));
	say("getattr flags", CALL(sched_getattr, GETATTR, pid, attr, 48, 1));
	say("getattr NULL", CALL(sched_getattr, GETATTR, pid, 0, 48, 0));
	say("getattr 8", CALL(sched_getattr, GETATTR, pid, 8, 48, 0));
	memset(attr, 0, 200);
	attr->nice = 3;
	say("setattr 0", CALL(sched_setattr, SETATTR, pid, attr, 0, 0));
	attr->size = 128;
	attr->nice = 4;
	say("setattr 128", CALL(sched_setattr, SETATTR, pid, attr, 0, 0));
	mem[64 + 100] = 1;
	say("setattr more", CALL(sched_setattr, SETATTR, pid, attr, 0, 0));
	say("  size", attr->size);
	attr->size = 3;
	say("setattr 3", CALL(sched_setattr, SETATTR, pid, attr, 0, 0));
	say("  size", attr->size);
	attr->policy = 77;
	say("setattr policy", CALL(sched_setattr, SETATTR, pid, attr, 0, 0));
	say("setattr flags", CALL(sched_setattr, SETATTR, pid, attr, 1, 0));
	say("setattr NULL", CALL(sched_setattr, SETATTR, pid, 0, 0, 0));
	say("getscheduler", CALL(sched_getscheduler, SCHED_GETSCHEDULER, pid, 0,
				 0, 0));
	say("getpriority", CALL(getpriority, GETPRIORITY, PRIO_PROCESS, pid, 0,
				0));
}

static void more(long pid, char *mem)
{
	struct { uint32_t version; int32_t pid; uint32_t caps[6]; } *cap =
		(void *)mem;
	static const uint32_t versions[] = { 0x19980330, 0x20071026,
					     0x20080522, 1 };
	long ret;

	say("ioprio_get", CALL(ioprio_get, IOPRIO_GET, 1, pid, 0, 0));
	say("ioprio_get group", CALL(ioprio_get, IOPRIO_GET, 2, pid, 0, 0));
	say("ioprio_set BE 6", CALL(ioprio_set, IOPRIO_SET, 1, pid, 2 << 13 | 6,
				    0));
	say("ioprio_set RT 0", CALL(ioprio_set, IOPRIO_SET, 1, pid, 1 << 13,
				    0));
	say("ioprio_get", CALL(ioprio_get, IOPRIO_GET, 1, pid, 0, 0));
	say("ioprio_set bad", CALL(ioprio_set, IOPRIO_SET, 1, pid, 5 << 13, 0));
	say("ioprio_set group", CALL(ioprio_set, IOPRIO_SET, 2, pid,
				     3 << 13, 0));
	say("ioprio_get group", CALL(ioprio_get, IOPRIO_GET, 2, pid, 0, 0));
	say("ioprio_get 7", CALL(ioprio_get, IOPRIO_GET, 7, pid, 0, 0));
	say("setpriority group", CALL(setpriority, SETPRIORITY, PRIO_PGRP, pid,
				      11, 0));
	say("getpriority group", CALL(getpriority, GETPRIORITY, PRIO_PGRP, pid,
				      0, 0));
	say("setpriority -5", CALL(setpriority, SETPRIORITY, PRIO_PROCESS, pid,
				   -5, 0));
	say("getpriority 7", CALL(getpriority, GETPRIORITY, 7, pid, 0, 0));
	for (int i = 0; i < 4; i++) {
		memset(cap, 0x55, sizeof(*cap));
		cap->version = versions[i];
		cap->pid = pid;
		ret = CALL(capget, CAPGET, cap, cap->caps, 0, 0);
		say("capget", ret);
		for (int j = 0; j < 6; j++)
			printf("  %08x%s", cap->caps[j], j < 5 ? "" : "\n");
		say("  version", cap->version);
	}
	cap->pid = pid;
	say("capget NULL", CALL(capget, CAPGET, cap, 0, 0, 0));
	say("capget 8", CALL(capget, CAPGET, cap, 8, 0, 0));
}

/* Of processes elsewhere all of these say the same. */
static void refused(long pid, char *mem)
{
	struct { uint32_t type, size; uint64_t config; } *attr = (void *)mem;
	uint64_t *iov = (void *)(mem + 512);
	long fd;

	iov[0] = compat ? (uintptr_t)mem | 8ull << 32 : (uintptr_t)mem;
	iov[1] = 8;
	say("ptrace ATTACH", CALL(ptrace, PTRACE, 16, pid, 0, 0));
	say("ptrace SEIZE", CALL(ptrace, PTRACE, 0x4206, pid, 0, 0));
	say("ptrace CONT", CALL(ptrace, PTRACE, 7, pid, 0, 0));
	say("process_vm_readv", CALL5(process_vm_readv, VM_READV, pid, iov, 1,
				      iov, 1));
	say("process_vm_writev", CALL5(process_vm_writev, VM_WRITEV, pid, iov,
				       1, iov, 1));
	say("kcmp", CALL(kcmp, KCMP, pid, getpid(), 1, 0));
	say("kcmp second", CALL(kcmp, KCMP, getpid(), pid, 1, 0));
	memset(attr, 0, 256);
	attr->type = 1;		/* software: context switches */
	attr->size = 64;
	attr->config = 3;
	say("perf_event_open", CALL5(perf_event_open, PERF, attr, pid, -1, -1,
				     0));
	say("migrate_pages", CALL(migrate_pages, MIGRATE, pid, 0, 0, 0));
	say("move_pages", CALL5(move_pages, MOVE_PAGES, pid, 0, 0, 0, 0));
	say("get_robust_list", CALL(get_robust_list, ROBUST, pid, mem, mem + 8,
				    0));
	fd = CALL(pidfd_open, PIDFD_OPEN, pid, 0, 0, 0);
	say("pidfd_open", fd < 0 ? fd : 1);
	say("pidfd_getfd", CALL(pidfd_getfd, GETFD, fd, 0, 0, 0));
	say("process_madvise", CALL5(process_madvise, MADVISE, fd, mem, 0, 20,
				     0));
	say("process_mrelease", CALL(process_mrelease, MRELEASE, fd, 0, 0, 0));
}

/* Whether it did anything is for who calls us to find out. */
static int of_many(char **argv)
{
	long which = atol(argv[2]), who = atol(argv[3]), ret;

	if (argv[1][1] == 'p')
		ret = argv[4] ? CALL(setpriority, SETPRIORITY, which, who,
				     atol(argv[4]), 0) :
		      CALL(getpriority, GETPRIORITY, which, who, 0, 0);
	else
		ret = argv[4] ? CALL(ioprio_set, IOPRIO_SET, which, who,
				     atol(argv[4]), 0) :
		      CALL(ioprio_get, IOPRIO_GET, which, who, 0, 0);
	say(argv[1][1] == 'p' ? "priority" : "ioprio", ret);
	return ret < 0;
}

int main(int argc, char **argv)
{
	char *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct rlimit64 { uint64_t cur, max; } *lim = (void *)mem;
	uint32_t *info = (void *)(mem + 256);
	unsigned long *mask = (void *)(mem + 512);
	int i = 1, *param = (void *)(mem + 1024);
	long pid, tid, fd, ret;

	if (argc > 3 && (!strcmp(argv[1], "-p") || !strcmp(argv[1], "-i")))
		return of_many(argv);
	if (argc > 1 && !strcmp(argv[1], "-32"))
		compat = i++;
	if (argc > i + 1 && !strcmp(argv[i], "-r")) {
		refused(atol(argv[i + 1]), mem);
		return 0;
	}
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
	scheduling(pid, mem + 2048);
	more(pid, mem + 2048);
	fd = CALL(pidfd_open, PIDFD_OPEN, pid, 0, 0, 0);
	say("pidfd_open", fd < 0 ? fd : 1);
	if (tid != pid)
		say("pidfd_open thread", CALL(pidfd_open, PIDFD_OPEN, tid, 0, 0,
					      0));
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
