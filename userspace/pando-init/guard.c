// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: without quorum the cluster's processes do not run. pandod renews a
 * lease; the guard holds it against the clock, in a thread of its own that
 * comes before all that is not real time. pandod, corosync and the network may
 * hang, die or be stopped: the guard does not ask them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define NS	1000000000ull
#define FOREVER	(INT64_MAX / NS)	/* seconds */

#define WATCH_MS	50	/* from one look at the RTC to the next */
#define JUMP_NS		(int64_t)(3 * NS / 2)	/* it counts in seconds */

static int timer = -1, news = -1, group = -1;
static uint64_t lease, length;	/* written by the main thread only */
static uint64_t least;		/* what ends earlier is worth nothing */
static int rtc = -1;		/* the clock outside, or -1 */

int guard_cgroup(void)
{
	return group;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NS + now.tv_nsec;
}

void guard_until(uint64_t ns, uint64_t len)
{
	struct itimerspec when = { 0 };

	__atomic_store_n(&length, len, __ATOMIC_SEQ_CST);
	__atomic_store_n(&lease, ns, __ATOMIC_SEQ_CST);
	when.it_value.tv_sec = ns / NS < FOREVER ? ns / NS : FOREVER;
	when.it_value.tv_nsec = ns % NS;
	if (ns)
		timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
	eventfd_write(news, 1);
}

static bool ended(void)
{
	uint64_t until = __atomic_load_n(&lease, __ATOMIC_SEQ_CST);

	return until < least || now_ns() >= until;
}

/* --- the clock outside ---------------------------------------------------------*/

static bool is_virtual(void)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "flags", 5) && strstr(line, " hypervisor");
	if (f)
		fclose(f);
	return found;
}

/*
 * A virtual machine that is stopped together with its clocks believes that no
 * time has passed, but its real-time clock goes on. When that is ahead all of a
 * sudden the lease is worth nothing, and neither is one that was asked for
 * before: it takes one that was asked for since.
 */
static void watch(void)
{
	static int64_t ahead;
	static bool known;
	char text[24];
	ssize_t n = pread(rtc, text, sizeof(text) - 1, 0);
	uint64_t now = now_ns();
	int64_t before = ahead;

	if (n <= 0)
		return;
	text[n] = 0;
	ahead = strtoull(text, NULL, 10) * NS - now;
	if (known && ahead - before > JUMP_NS) {
		least = now + __atomic_load_n(&length, __ATOMIC_SEQ_CST);
		say("warning", "this machine stood still for %lld s",
		    (long long)((ahead - before) / (int64_t)NS));
	}
	known = true;
}

/* --- the guard -----------------------------------------------------------------*/

/* Without a group: who is pid 1 can kill all others, and nobody else. */
static bool set_frozen(int fd, bool frozen)
{
	if (fd < 0)
		return !frozen || kill(-1, SIGKILL) == 0 || errno == ESRCH;
	return pwrite(fd, frozen ? "1" : "0", 1, 0) == 1;
}

static void *guard(void *data)
{
	struct sched_param priority = { .sched_priority = 1 };
	struct pollfd p[] = { { timer, POLLIN, 0 }, { news, POLLIN, 0 } };
	int fd = *(int *)data;
	bool frozen = true;	/* as guard_start() has left it */
	uint64_t n;

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority))
		say("warning", "the guard of the lease on quorum has no priority");
	for (;;) {
		bool freeze;

		if (rtc >= 0)
			watch();
		freeze = ended();
		if (freeze != frozen) {
			if (set_frozen(fd, freeze))
				frozen = freeze;
			else
				say("error", "cannot freeze or thaw: %s",
				    strerror(errno));
			say("notice", freeze ?
			    "no quorum: the cluster's processes are frozen" :
			    "the cluster's processes run");
			continue;	/* that may have taken time */
		}
		if (poll(p, 2, rtc < 0 ? -1 : WATCH_MS) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (p[i].revents && read(p[i].fd, &n, sizeof(n)) < 0)
				continue;	/* set anew meanwhile */
	}
	return NULL;
}

int guard_start(void)
{
	static int fd;
	pthread_attr_t attr;
	pthread_t id;
	int err;

	/* what has been paged out comes back too late */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		say("warning", "cannot lock memory: %s", strerror(errno));
	timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	group = open(PANDO_CGROUP_TASKS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = group < 0 ? -1 : openat(group, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
	if (timer < 0 || news < 0 || (group >= 0 && fd < 0) ||
	    !set_frozen(fd, true)) {
		say("error", "no timer, or no freezer: %s", strerror(errno));
		return -1;
	}
	if (is_virtual())
		rtc = open("/sys/class/rtc/rtc0/since_epoch",
			   O_RDONLY | O_CLOEXEC);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	err = pthread_create(&id, &attr, guard, &fd);
	pthread_attr_destroy(&attr);
	if (err)
		say("error", "no guard: %s", strerror(err));
	return -err;
}
