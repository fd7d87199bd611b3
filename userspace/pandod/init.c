// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cluster namespace of this node. pandod makes it once; pando-init keeps
 * it, and is found again at its socket when pandod was restarted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>

#include "init.h"
#include "log.h"

#define LOG_NAME	"init"
#define RETRY_MS	20
#define START_MS	10000
#define HELLO_MS	5000

static struct link *to_init;
static pid_t pid_seen;
static int proc_fd = -1;
static uint64_t incarnation;
static int64_t zero;
static void (*on_ready)(int err);
static sd_event_source *retry;
static unsigned int tries;

static void on_frame(struct link *l, Pando__Frame *f, int *fds, int nfds)
{
	(void)l;
	if (f->body_case == PANDO__FRAME__BODY_INIT_HELLO && nfds == 1) {
		if (proc_fd >= 0)
			close(proc_fd);
		proc_fd = fds[0];
		incarnation = f->init_hello->incarnation;
		zero = f->init_hello->zero_ns;
		log_info("namespace ready pid=%d incarnation=%016llx", pid_seen,
			 (unsigned long long)incarnation);
		if (on_ready) {
			void (*ready)(int) = on_ready;

			on_ready = NULL;
			ready(0);
		}
		return;
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static void on_closed(struct link *l, int err)
{
	(void)l;
	to_init = NULL;
	if (!pandod.leaving)
		log_err("pando-init is gone: %s",
			err ? strerror(-err) : "connection closed");
	/*
	 * Its namespace went with it. Only a new start in good order can make
	 * another one under a new incarnation.
	 */
	if (!pandod.leaving)
		pandod_leave(1);
}

static const struct link_ops ops = { .frame = on_frame, .closed = on_closed };

static int try_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
				   .sun_path = PANDO_INIT_SOCKET };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		err = -errno;
		close(sock);
		return err;
	}
	pid_seen = cred.pid;
	to_init = link_new(pandod.event, sock, &ops, NULL);
	return to_init ? 0 : -ENOMEM;
}

bool init_find(void)
{
	uint64_t end;

	if (try_connect() < 0)
		return false;
	/* nothing else goes on yet: turn the loop until it has spoken */
	sd_event_now(pandod.event, CLOCK_MONOTONIC, &end);
	end += bound_ms(HELLO_MS) * 1000ull;
	while (to_init && proc_fd < 0) {
		uint64_t now;

		sd_event_run(pandod.event, 100000);
		sd_event_now(pandod.event, CLOCK_MONOTONIC, &now);
		if (now > end)
			break;
	}
	if (to_init && proc_fd < 0) {
		log_err("pando-init pid=%d does not answer", pid_seen);
		link_close(to_init, -ETIMEDOUT);
	}
	return to_init != NULL;
}

/* --- making the namespace --------------------------------------------------------*/

/*
 * What is of Pando's own goes into a group beside that of the cluster's
 * processes, which is pando-init's to freeze.
 */
static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text);
}

/*
 * @zero_ns is our wall clock at the zero of the cluster's, see clock.h: so the
 * clocks show the same on all nodes, though wall clocks differ. Offsets have to
 * be written before the first process enters.
 */
static bool set_clocks(int64_t zero_ns)
{
	static const struct { clockid_t id; const char *name; } clocks[] = {
		{ CLOCK_MONOTONIC, "monotonic" },
		{ CLOCK_BOOTTIME, "boottime" },
	};
	char text[160];
	int n = 0;

	for (int i = 0; i < 2; i++) {
		struct timespec wall, host;
		int64_t offset, secs;

		clock_gettime(CLOCK_REALTIME, &wall);
		clock_gettime(clocks[i].id, &host);
		offset = (wall.tv_sec - host.tv_sec) * 1000000000ll +
			 wall.tv_nsec - host.tv_nsec - zero_ns;
		/* the kernel wants 0 <= nanoseconds */
		secs = offset / 1000000000;
		if (offset % 1000000000 < 0)
			secs--;
		n += snprintf(text + n, sizeof(text) - n, "%s %lld %lld\n",
			      clocks[i].name, (long long)secs,
			      (long long)(offset - secs * 1000000000));
	}
	return write_file("/proc/self/timens_offsets", text);
}

static void enter_cgroup(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0 ||
	    fs.f_type != CGROUP2_SUPER_MAGIC) {
		log_warn("no cgroup2 at /sys/fs/cgroup: without quorum the "
			 "cluster's processes on this node are killed");
		return;
	}
	mkdir(PANDO_CGROUP, 0755);
	mkdir(PANDO_CGROUP_TASKS, 0755);
	if ((mkdir(PANDO_CGROUP_INIT, 0755) < 0 && errno != EEXIST) ||
	    !write_file(PANDO_CGROUP_INIT "/cgroup.procs", "0"))
		log_warn("cannot use the cgroup " PANDO_CGROUP_INIT ": %s",
			 strerror(errno));
}

/* In a child of ours, which dies when pando-init is made. */
static void make_namespace(char *const *argv, int64_t zero_ns)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNS,
		.exit_signal = SIGCHLD,
	};
	sigset_t none;
	pid_t pid;
	int null;

	setsid();
	enter_cgroup();
	if (unshare(CLONE_NEWTIME) < 0)
		log_warn("no time namespace: %s; clocks will jump in moves",
			 strerror(errno));
	else if (!set_clocks(zero_ns))
		log_warn("cannot set the cluster's clock: %s", strerror(errno));
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0) {
		log_err("cannot make the PID namespace: %s", strerror(errno));
		_exit(1);
	}
	if (pid)
		_exit(0);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(2, 1);
	closefrom(3);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") < 0)
		_exit(1);
	umask(022);
	execv(argv[0], argv);
	log_err("%s: %s", argv[0], strerror(errno));
	_exit(1);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *data)
{
	void (*ready)(int) = on_ready;
	int err = try_connect();

	(void)usec;
	(void)data;
	if (!err)
		return 0;
	if (tries-- == 0) {
		log_err("pando-init did not come up: %s", strerror(-err));
		on_ready = NULL;
		ready(-ETIMEDOUT);
		return 0;
	}
	sd_event_source_set_time_relative(source, RETRY_MS * 1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

int init_start(uint64_t new_incarnation, int64_t zero_ns,
	       void (*ready)(int err))
{
	char program[CONFIG_TEXT + 16], inc[32], zero_text[32], threads[16];
	char *argv[] = { program, "--incarnation", inc, "--zero", zero_text,
			 "--threads", threads, NULL };
	int status;
	pid_t pid;

	snprintf(program, sizeof(program), "%s/pando-init",
		 pandod.config.libexec);
	snprintf(inc, sizeof(inc), "%llu", (unsigned long long)new_incarnation);
	snprintf(zero_text, sizeof(zero_text), "%lld", (long long)zero_ns);
	snprintf(threads, sizeof(threads), "%u", pandod.config.serve_threads);
	if (access(program, X_OK) < 0) {
		log_err("%s: %s", program, strerror(errno));
		return -ENOENT;
	}
	unlink(PANDO_INIT_SOCKET);
	pid = fork();
	if (!pid)
		make_namespace(argv, zero_ns);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		return -EIO;
	on_ready = ready;
	tries = bound_ms(START_MS) / RETRY_MS;
	retry = sd_event_source_disable_unref(retry);
	return sd_event_add_time_relative(pandod.event, &retry, CLOCK_MONOTONIC,
					  RETRY_MS * 1000, 0, on_retry, NULL);
}

bool init_alive(void)
{
	return to_init && proc_fd >= 0;
}

pid_t init_pid(void)
{
	return pid_seen;
}

uint64_t init_incarnation(void)
{
	return incarnation;
}

int64_t init_zero_ns(void)
{
	return zero;
}

int init_proc_fd(void)
{
	return proc_fd;
}

/* --- requests -------------------------------------------------------------------*/

void init_serve(void)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_SERVE);
	Pando__Serve s = PANDO__SERVE__INIT;

	f.serve = &s;
	if (to_init)
		link_send(to_init, &f, NULL, 0);
}

struct call *init_spawn(Pando__RunRequest *run, bool local, const int *fds,
			int nfds, call_fn fn, void *data)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_SPAWN);
	Pando__Spawn s = PANDO__SPAWN__INIT;

	f.spawn = &s;
	s.run = run;
	s.local = local;
	return to_init ? link_call(to_init, &f, fds, nfds, 0, fn, data) : NULL;
}

struct call *init_watch(uint32_t pid, call_fn fn, void *data)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_WATCH);
	Pando__Watch w = PANDO__WATCH__INIT;

	f.watch = &w;
	w.pid = pid;
	return to_init ? link_call(to_init, &f, NULL, 0, 0, fn, data) : NULL;
}

/* How far the namespace's boot clock is ahead of ours. */
static int64_t boot_offset(void)
{
	char path[64], name[16];
	long long secs, nsecs;
	int64_t offset = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/timens_offsets", pid_seen);
	f = fopen(path, "re");
	while (f && fscanf(f, "%15s %lld %lld", name, &secs, &nsecs) == 3)
		if (!strcmp(name, "boottime"))
			offset = secs * 1000000000 + nsecs;
	if (f)
		fclose(f);
	return offset;
}

int64_t init_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec + boot_offset();
}

void init_lease(uint64_t until_ns, uint64_t length_ns)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_LEASE);
	Pando__Lease l = PANDO__LEASE__INIT;

	f.lease = &l;
	l.until_ns = until_ns;
	l.length_ns = length_ns;
	if (until_ns && until_ns != UINT64_MAX)
		l.until_ns += boot_offset();
	if (to_init)
		link_send(to_init, &f, NULL, 0);
}

static void send_kill(uint32_t pid, int signo, bool group, bool terminal)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_KILL);
	Pando__Kill k = PANDO__KILL__INIT;

	f.kill = &k;
	k.pid = pid;
	k.signo = signo;
	k.group = group;
	k.terminal = terminal;
	if (to_init)
		link_send(to_init, &f, NULL, 0);
}

void init_kill(uint32_t pid, int signo, bool group)
{
	send_kill(pid, signo, group, false);
}

void init_type(uint32_t pid, int signo)
{
	send_kill(pid, signo, true, true);
}

void init_foreground(uint32_t pid, bool yes, bool go_on)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_FOREGROUND);
	Pando__Foreground g = PANDO__FOREGROUND__INIT;

	f.foreground = &g;
	g.pid = pid;
	g.yes = yes;
	g.go_on = go_on;
	if (to_init)
		link_send(to_init, &f, NULL, 0);
}

static int on_gone(sd_event_source *source, int fd, uint32_t events, void *data)
{
	void (*gone)(void) = data;

	(void)events;
	sd_event_source_disable_unref(source);
	close(fd);
	gone();
	return 0;
}

int init_destroy(void (*gone)(void))
{
	int fd, err = 0;

	if (!to_init) {
		gone();
		return 0;
	}
	fd = syscall(SYS_pidfd_open, pid_seen, 0);
	if (fd < 0)
		return -errno;
	/* all at once, and what is frozen dies without having run again */
	write_file(PANDO_CGROUP_TASKS "/cgroup.kill", "1");
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
		err = -errno;
	if (!err)
		err = sd_event_add_io(pandod.event, NULL, fd, EPOLLIN, on_gone,
				      gone);
	if (err < 0)
		close(fd);
	return err < 0 ? err : 0;
}
