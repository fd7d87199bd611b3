// SPDX-License-Identifier: GPL-2.0-only
#include "relations.h"

pid_t d_main;
char d_pre[600];
static char out[1 << 16];

/* $PATIENCE: how many times as long as usual things may take here. */
static int patient(int n)
{
	const char *by = getenv("PATIENCE");

	return by && atoi(by) > 1 ? n * atoi(by) : n;
}

void d_bail(const char *why)
{
	if (getpid() == d_main) {
		printf("TIMEOUT %s\n", why);
		fflush(stdout);
		_exit(99);
	}
	_exit(98);
}

static void d_alarm(int s)
{
	(void)s;
	if (getpid() == d_main && write(1, "TIMEOUT\n", 8) != 8)
		_exit(97);
	_exit(99);
}

void d_init(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "/tmp";
	const char *b = strrchr(argv[0], '/');
	struct rlimit rl = {1, 1};  /* "1": no core, not even to a pipe */
	sigset_t none;

	sigemptyset(&none);
	for (int s = 1; s < 65; s++)
		if (s != SIGKILL && s != SIGSTOP && s != 32 && s != 33)
			signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &rl);
	umask(022);
	/* a file that grows while a child moves is not what the child has open */
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	d_main = getpid();
	snprintf(d_pre, sizeof d_pre, "%s/%s.%d.", dir,
		 b ? b + 1 : argv[0], (int)d_main);
	signal(SIGALRM, d_alarm);
	alarm(patient(120));
}

void d_rel(void)
{
	char t[600], *b = strrchr(d_pre, '/');

	if (!b)
		return;
	*b = 0;
	if (chdir(d_pre) < 0)
		d_bail("chdir");
	strcpy(t, b + 1);
	strcpy(d_pre, t);
}

int d_end(void)
{
	glob_t g;
	char p[640];

	snprintf(p, sizeof p, "%s*", d_pre);
	if (glob(p, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
	printf("end\n");
	fflush(stdout);
	return 0;
}

void d_child(void)
{
	__fpurge(stdout);
	signal(SIGALRM, SIG_DFL);
	alarm(patient(150));
}

pid_t Fork(void)
{
	pid_t p = fork();

	if (p < 0) {
		dprintf(1, "fork: %s\n", strerrorname_np(errno));
		_exit(96);
	}
	if (p == 0)
		d_child();
	return p;
}

const char *en(long r)
{
	return r >= 0 ? "ok" : strerrorname_np(errno);
}

const char *sn(int s)
{
	static char b[8][24];
	static int i;
	char *o = b[i++ & 7];
	const char *a = sigabbrev_np(s);

	if (a)
		return a;
	if (s >= SIGRTMIN && s <= SIGRTMAX)
		snprintf(o, 24, "RT+%d", s - SIGRTMIN);
	else
		snprintf(o, 24, "%d", s);
	return o;
}

const char *st(int w)
{
	static char b[8][48];
	static int i;
	char *o = b[i++ & 7];

	if (WIFEXITED(w))
		snprintf(o, 48, "exited %d", WEXITSTATUS(w));
	else if (WIFSIGNALED(w))
		snprintf(o, 48, "killed %s%s", sn(WTERMSIG(w)),
			 WCOREDUMP(w) ? " core" : "");
	else if (WIFSTOPPED(w))
		snprintf(o, 48, "stopped %s", sn(WSTOPSIG(w)));
	else if (WIFCONTINUED(w))
		snprintf(o, 48, "continued");
	else
		snprintf(o, 48, "odd status 0x%x", w);
	return o;
}

const char *cld(int c)
{
	switch (c) {
	case CLD_EXITED: return "CLD_EXITED";
	case CLD_KILLED: return "CLD_KILLED";
	case CLD_DUMPED: return "CLD_DUMPED";
	case CLD_STOPPED: return "CLD_STOPPED";
	case CLD_CONTINUED: return "CLD_CONTINUED";
	case CLD_TRAPPED: return "CLD_TRAPPED";
	}
	return "CLD_?";
}

const char *sic(int c)
{
	switch (c) {
	case SI_USER: return "SI_USER";
	case SI_QUEUE: return "SI_QUEUE";
	case SI_TKILL: return "SI_TKILL";
	case SI_TIMER: return "SI_TIMER";
	case SI_KERNEL: return "SI_KERNEL";
	}
	return "SI_?";
}

pid_t Wait(pid_t p, int *w, int opt)
{
	pid_t r;

	do
		r = waitpid(p, w, opt);
	while (r < 0 && errno == EINTR);
	return r;
}

void reap(const char *what, pid_t p)
{
	int w = 0;
	pid_t r = Wait(p, &w, 0);

	if (r < 0)
		printf("%s: %s\n", what, en(r));
	else
		printf("%s: %s%s\n", what, st(w), r == p ? "" : " (WRONG PID)");
}

void wp(const char *what, pid_t arg, int opt, pid_t expect)
{
	int w = 0;
	pid_t r = Wait(arg, &w, opt);

	if (r < 0)
		printf("%s: %s\n", what, en(r));
	else if (r == 0)
		printf("%s: nothing\n", what);
	else
		printf("%s: %s%s\n", what, st(w), r == expect ? "" : " (WRONG PID)");
}

void wi(const char *what, int type, id_t id, int opt, pid_t expect)
{
	siginfo_t si;
	int r;

	memset(&si, 0, sizeof si);
	do
		r = waitid((idtype_t)type, id, &si, opt);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		printf("%s: %s\n", what, en(r));
	else if (si.si_pid == 0)
		printf("%s: nothing, signo %d\n", what, si.si_signo);
	else if (si.si_code == CLD_EXITED)
		printf("%s: CLD_EXITED %d uid %d%s%s\n", what, si.si_status, (int)si.si_uid,
		       si.si_pid == expect ? "" : " (WRONG PID)", si.si_signo == SIGCHLD ? "" : " (signo)");
	else
		printf("%s: %s %s uid %d%s%s\n", what, cld(si.si_code), sn(si.si_status), (int)si.si_uid,
		       si.si_pid == expect ? "" : " (WRONG PID)", si.si_signo == SIGCHLD ? "" : " (signo)");
}

void blk(int s, ...)
{
	va_list ap;
	sigset_t m;

	sigemptyset(&m);
	va_start(ap, s);
	for (; s; s = va_arg(ap, int))
		sigaddset(&m, s);
	va_end(ap);
	pthread_sigmask(SIG_BLOCK, &m, NULL);
}

int take(int sig, siginfo_t *si)
{
	struct timespec t0, t1, to;
	siginfo_t dummy;
	sigset_t m;
	int r;

	sigemptyset(&m);
	sigaddset(&m, sig);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (;;) {
		to.tv_sec = 10;
		to.tv_nsec = 0;
		/* raw: glibc's would turn SI_TKILL into SI_USER */
		r = syscall(SYS_rt_sigtimedwait, &m, si ? si : &dummy, &to, 8);
		if (r >= 0)
			return r;
		clock_gettime(CLOCK_MONOTONIC, &t1);
		if (t1.tv_sec - t0.tv_sec > patient(100))
			d_bail(sn(sig));
	}
}

int none(int sig, int ms)
{
	struct timespec to = {ms / 1000, ms % 1000 * 1000000L};
	sigset_t m;
	int r;

	sigemptyset(&m);
	sigaddset(&m, sig);
	do
		r = sigtimedwait(&m, NULL, &to);
	while (r < 0 && errno == EINTR);
	return r < 0 && errno == EAGAIN;
}

int pending(int sig)
{
	sigset_t m;

	sigpending(&m);
	return sigismember(&m, sig);
}

void msleep(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

int sq(pid_t p, int sig, int v)
{
	union sigval sv;

	memset(&sv, 0, sizeof sv);
	sv.sival_int = v;
	return sigqueue(p, sig, sv);
}

void put(const char *name, const char *fmt, ...)
{
	char t[700], f[700], b[1024];
	va_list ap;
	int fd, n;

	va_start(ap, fmt);
	n = vsnprintf(b, sizeof b, fmt, ap);
	va_end(ap);
	snprintf(f, sizeof f, "%s%s", d_pre, name);
	snprintf(t, sizeof t, "%s%s.tmp%d", d_pre, name, (int)getpid());
	fd = open(t, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, b, n) != n || close(fd) < 0 || rename(t, f) < 0)
		d_bail("put");
}

char *get(const char *name)
{
	static char b[4][1100];
	static int i;
	char f[700], *o = b[i++ & 3];
	int fd, n;

	snprintf(f, sizeof f, "%s%s", d_pre, name);
	for (int k = patient(10000); k > 0; k--) {
		fd = open(f, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, o, 1099);
			close(fd);
			o[n < 0 ? 0 : n] = 0;
			return o;
		}
		msleep(10);
	}
	d_bail(name);
	return NULL;
}

long getn(const char *name)
{
	return atol(get(name));
}

int rproc(char *o, int max, const char *fmt, ...)
{
	char f[200];
	va_list ap;
	int fd, n = 0, tot = 0;

	va_start(ap, fmt);
	vsnprintf(f, sizeof f, fmt, ap);
	va_end(ap);
	o[0] = 0;
	fd = open(f, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (tot < max - 1 && (n = read(fd, o + tot, max - 1 - tot)) > 0)
		tot += n;
	if (n < 0)
		tot = -1;
	close(fd);
	o[tot < 0 ? 0 : tot] = 0;
	return tot;
}

void until_asleep(pid_t tid)
{
	char b[600], *q;

	for (int k = patient(10000); k > 0; k--) {
		rproc(b, sizeof b, "/proc/self/task/%d/stat", (int)tid);
		q = strrchr(b, ')');
		if (q && q[2] == 'S')
			return;
		msleep(10);
	}
	d_bail("until_asleep");
}

_Noreturn void end_on(int sig, int code)
{
	take(sig, NULL);
	_exit(code);
}
