// SPDX-License-Identifier: GPL-2.0-only
/* criu over its RPC; see criu.h for what is asked when. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "criu.h"
#include "keeper.h"
#include "peer.h"
#include "rpc.pb-c.h"

#define MESSAGE_MAX	65536
#define LOG_ERRORS	1
#define LOG_ALL		4
#define END_MS		5000
#define LEAST_MS	60000
#define ROOM_MIN	(256u << 10)	/* bytes, for its log */

static int request(struct move *m, struct criu *c, CriuReq *req)
{
	uint8_t buf[4096];
	size_t len = criu_req__get_packed_size(req);

	if (len > sizeof(buf))
		return -EMSGSIZE;
	criu_req__pack(req, buf);
	if (send(c->sock, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		return move_fail(m, "cannot start criu: is it installed on this node?");
	c->deadline_ms = now_ms() + (4 * m->timeout_ms > LEAST_MS ?
				     4 * m->timeout_ms : LEAST_MS);
	return 0;
}

/*
 * criu looks at the kernel for seconds the first time after boot. It keeps
 * what it finds, so that later, in the frozen part, it need not look.
 */
static int warm(struct move *m, struct criu *c)
{
	CriuFeatures features = CRIU_FEATURES__INIT;
	CriuReq req = CRIU_REQ__INIT;

	features.has_lazy_pages = features.lazy_pages = true;
	req.type = CRIU_REQ_TYPE__FEATURE_CHECK;
	req.features = &features;
	req.has_keep_open = req.keep_open = true;
	return request(m, c, &req);
}

/* Beside us. */
static void preloaded(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (slash)
		snprintf(slash, size - (slash - path), "/pando-criu.so");
}

static void preload(const char *name, const char *value)
{
	char path[512];

	setenv(name, value, 1);
	preloaded(path, sizeof(path));
	setenv("LD_PRELOAD", path, 1);
}

void criu_exec(int sock, int tty, const char *landing)
{
	char number[16];
	sigset_t none;
	int fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	fd = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	/* a duplicate is not closed on exec */
	if (tty >= 0)
		dup2(tty, CRIU_TTY_FD);
	fd = fcntl(sock, F_DUPFD, CRIU_TTY_FD + 1);
	snprintf(number, sizeof(number), "%d", fd);
	if (landing)
		preload("PANDO_LANDING", landing);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	execlp("criu", "criu", "swrk", number, NULL);
	_exit(127);
}

/*
 * At the source nobody but criu holds the tasks, and with us gone nobody would
 * tell it to let go: it ends with us.
 */
static int start_own(struct move *m, struct criu *c, int sock, bool sysv)
{
	pid_t self = getpid();

	c->pid = fork();
	if (c->pid < 0)
		return move_fail(m, "fork: %s", strerror(errno));
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != self)
			_exit(1);
		/* or it would take theirs for one that it has to make */
		if (clock_enter(m->start->root))
			_exit(1);
		if (sysv) {
			if (unshare(CLONE_NEWIPC))
				_exit(1);
			preload("PANDO_IPC", "1");
		}
		preload("PANDO_SOURCE", "1");
		criu_exec(sock, -1, NULL);
	}
	return syscall(SYS_pidfd_open, c->pid, 0);
}

int criu_start(struct move *m, struct criu *c, struct keeper *k, bool sysv)
{
	char path[512];
	int sk[2];

	*c = CRIU_NONE;
	/* without it a copy might run too early, and nobody would say so */
	preloaded(path, sizeof(path));
	if ((k || sysv) && access(path, R_OK))
		return move_fail(m, "%s: %s", path, strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk))
		return move_fail(m, "socketpair: %s", strerror(errno));
	c->sock = sk[0];
	c->pidfd = k ? keeper_criu(m, k, sk[1]) : start_own(m, c, sk[1], sysv);
	close(sk[1]);
	return c->pidfd < 0 ? -ECANCELED : warm(m, c);
}

int criu_ready(struct move *m, struct criu *c)
{
	struct pollfd p = { c->sock, POLLIN, 0 };
	uint8_t buf[MESSAGE_MAX];
	CriuResp *resp;
	bool able;
	ssize_t n;

	while (poll(&p, 1, peer_tick_ms(m)) <= 0) {
		int err = m->peer >= 0 ? peer_tick(m) : 0;

		if (err)
			return err;
		if (now_ms() > c->deadline_ms)
			return move_fail(m, "criu does not answer on this node");
	}
	n = recv(c->sock, buf, sizeof(buf), MSG_DONTWAIT);
	resp = n > 0 ? criu_resp__unpack(NULL, n, buf) : NULL;
	if (!resp)
		return move_fail(m, "cannot start criu: is it installed on this node?");
	able = resp->success && resp->features && resp->features->lazy_pages;
	criu_resp__free_unpacked(resp, NULL);
	return able ? 0 : move_fail(m, "criu, or the kernel, of this node has no userfaultfd as it is needed");
}

static void common(struct move *m, CriuOpts *o)
{
	o->images_dir_fd = m->dir;
	o->has_work_dir_fd = true;
	o->work_dir_fd = m->dir;
	o->has_log_level = true;
	/* a log of everything takes its time, while the tasks are frozen */
	o->log_level = secure_getenv("PANDO_MOVE_DEBUG") ? LOG_ALL : LOG_ERRORS;
	o->has_lazy_pages = o->lazy_pages = true;
	o->has_notify_scripts = o->notify_scripts = true;
	o->has_file_locks = o->file_locks = true;
	/* the tasks stay in, and come to, the group the daemon put them in */
	o->has_manage_cgroups_mode = true;
	o->manage_cgroups_mode = CRIU_CG_MODE__IGNORE;
	/* no rules are made without established connections; iptables may lack */
	o->has_network_lock = true;
	o->network_lock = CRIU_NETWORK_LOCK_METHOD__NFTABLES;
}

int criu_dump(struct move *m, struct criu *c, pid_t root, bool shell_job,
	      const char *tty)
{
	char *external = (char *)tty;
	CriuOpts opts = CRIU_OPTS__INIT;
	CriuReq req = CRIU_REQ__INIT;

	common(m, &opts);
	opts.has_pid = true;
	opts.pid = root;
	opts.external = &external;
	opts.n_external = *tty != 0;
	opts.has_shell_job = opts.shell_job = shell_job;
	opts.log_file = (char *)"dump.log";
	opts.has_timeout = true;
	opts.timeout = m->timeout_ms / 1000 + 1;
	req.type = CRIU_REQ_TYPE__DUMP;
	req.opts = &opts;
	return request(m, c, &req);
}

int criu_restore(struct move *m, struct criu *c, bool shell_job,
		 const char *tty)
{
	InheritFd fd = INHERIT_FD__INIT, *fds = &fd;
	CriuOpts opts = CRIU_OPTS__INIT;
	CriuReq req = CRIU_REQ__INIT;

	common(m, &opts);
	opts.log_file = (char *)"restore.log";
	/* our child first and, when we are gone, that of pando-init */
	opts.has_rst_sibling = opts.rst_sibling = true;
	fd.key = (char *)tty;
	fd.fd = CRIU_TTY_FD;
	opts.inherit_fd = &fds;
	opts.n_inherit_fd = *tty != 0;
	opts.has_shell_job = opts.shell_job = shell_job;
	req.type = CRIU_REQ_TYPE__RESTORE;
	req.opts = &opts;
	return request(m, c, &req);
}

int criu_event(struct criu *c, struct criu_event *ev)
{
	uint8_t buf[MESSAGE_MAX];
	CriuResp *resp;
	ssize_t n;

	*ev = (struct criu_event){ 0 };
	n = recv(c->sock, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		ev->type = CRIU_FAILED;
		return 0;
	}
	resp = criu_resp__unpack(NULL, n, buf);
	if (!resp)
		return -EPROTO;
	if (resp->type == CRIU_REQ_TYPE__NOTIFY && resp->notify) {
		ev->type = CRIU_ASKS;
		snprintf(ev->script, sizeof(ev->script), "%s",
			 resp->notify->script ? resp->notify->script : "");
		ev->pid = resp->notify->pid;
		c->asked = true;
	} else {
		ev->type = resp->success ? CRIU_DONE : CRIU_FAILED;
	}
	criu_resp__free_unpacked(resp, NULL);
	return 0;
}

int criu_answer(struct criu *c, bool yes)
{
	CriuReq req = CRIU_REQ__INIT;
	uint8_t buf[64];
	size_t len;

	req.type = CRIU_REQ_TYPE__NOTIFY;
	req.has_notify_success = true;
	req.notify_success = yes;
	len = criu_req__pack(&req, buf);
	c->asked = false;
	return send(c->sock, buf, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EPIPE;
}

void criu_reason(const struct move *m, const char *log, char *buf, size_t size)
{
	int fd = m->dir < 0 ? -1 : openat(m->dir, log, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char line[1024];

	struct statvfs fs;

	snprintf(buf, size, "it ended without a word");
	/* then it cannot write one either */
	if (m->dir >= 0 && !fstatvfs(m->dir, &fs) &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_MIN)
		snprintf(buf, size, "no space left in %s", m->path);
	while (f && fgets(line, sizeof(line), f)) {
		char *s = strstr(line, "Error (");

		s = s ? strstr(s, "): ") : NULL;
		if (!s)
			continue;
		s += 3;
		s[strcspn(s, "\n")] = 0;
		/* how its probes of the kernel end is no cause of anything */
		if (!strncmp(s, "exited, status", 14))
			continue;
		snprintf(buf, size, "%s", s);
		break;	/* the first is the cause, the rest its echo */
	}
	if (f)
		fclose(f);
}

static bool wait_for(struct criu *c, int ms)
{
	struct pollfd p = { c->pidfd, POLLIN, 0 };

	if (poll(&p, 1, ms) <= 0)
		return false;
	if (c->pid > 0)
		waitpid(c->pid, NULL, 0);
	return true;
}

static void end(struct criu *c, bool by_itself)
{
	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
	if (c->pidfd < 0)
		return;
	if (!by_itself || !wait_for(c, END_MS)) {
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
		wait_for(c, END_MS);
	}
	close(c->pidfd);
	*c = CRIU_NONE;
}

void criu_kill(struct criu *c)
{
	end(c, false);
}

void criu_finish(struct criu *c)
{
	end(c, true);
}

void criu_unlock_network(pid_t root)
{
	char table[32];
	int64_t deadline = now_ms() + 2000;
	pid_t pid;

	snprintf(table, sizeof(table), "CRIU-%d", root);
	pid = fork();
	if (!pid) {
		int fd = open("/dev/null", O_RDWR);

		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		execl("/usr/sbin/nft", "nft", "delete", "table", "inet", table,
		      NULL);
		_exit(127);
	}
	while (pid > 0 && !waitpid(pid, NULL, WNOHANG)) {
		if (now_ms() > deadline)
			kill(pid, SIGKILL);
		poll(NULL, 0, 5);
	}
}
