// SPDX-License-Identifier: GPL-2.0-only
/* Relations that a move does not break; see kin.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kin.h"
#include "peer.h"
#include "pstree.h"

#define PSTREE_MAX	(8u << 20)
#define TELL_MS		5000
#define ANCESTORS	16u	/* within one group, more of them are followed no further */

/* What went wrong after the commit: nothing that could call it off. */
static void complain(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
static void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("pando-move: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static int open_dev(struct move *m, struct kin *k)
{
	*k = (struct kin){ .dev = open("/dev/pando", O_RDWR | O_CLOEXEC) };
	return k->dev >= 0 ? 0 : move_fail(m, "/dev/pando: %s", strerror(errno));
}

static struct kin_task *find_task(const struct kin *k, uint32_t pid)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->task[i].pid == pid)
			return &k->task[i];
	return NULL;
}

static struct kin_other *find_other(const struct kin *k, uint32_t pid)
{
	for (size_t i = 0; i < k->others; i++)
		if (k->other[i].pid == pid)
			return &k->other[i];
	return NULL;
}

/* --- at the source ------------------------------------------------------------*/

static void read_ids(const char *status, const char *field, uint32_t id[3])
{
	const char *s = strstr(status, field);

	if (s)
		sscanf(s + strlen(field), "%u %u %u", &id[0], &id[1], &id[2]);
}

/*
 * Notes one that stays, and whom it belongs to itself. A leader that has ended
 * is just a number: then its session is that of who named it.
 */
static void add_other(struct kin *k, uint32_t pid, uint32_t sid)
{
	struct pando_kin ask = { .pid = pid };
	struct kin_other *o;
	char *stat, *status;

	if (pid < PANDO_LOCAL_PIDS || find_task(k, pid) || find_other(k, pid))
		return;
	k->other = xrealloc(k->other, k->others + 1, sizeof(*o));
	o = &k->other[k->others++];
	*o = (struct kin_other){ .pid = pid, .pgid = pid, .sid = sid };
	stat = proc_text(pid, "stat");
	status = proc_text(pid, "status");
	if (stat && strrchr(stat, ')'))
		sscanf(strrchr(stat, ')') + 1, " %*c %*d %u %u", &o->pgid,
		       &o->sid);
	if (status) {
		read_ids(status, "\nUid:", o->ids.uid);
		read_ids(status, "\nGid:", o->ids.gid);
	}
	free(stat);
	free(status);
	if (!ioctl(k->dev, PANDO_IOC_KIN, &ask))
		o->where = ask.where;
	/* the list may have moved by then */
	sid = o->sid;
	pid = o->pgid;
	add_other(k, sid, sid);
	add_other(k, pid, sid);
}

/*
 * A group is an orphan's, and its members are not stopped, when nobody in it has a
 * parent of the session and outside of the group. So those between the root and such a
 * one are children of each other there as well.
 */
static void add_ancestors(struct kin *k)
{
	const struct kin_task *root = &k->task[0];
	uint32_t pid = k->ppid;

	for (size_t n = 0; n < ANCESTORS; n++) {
		struct kin_other *o = find_other(k, pid);
		uint32_t ppid = 0;
		char *stat, *s;

		if (!o || o->ppid || o->pgid != root->pgid || o->sid != root->sid)
			return;
		stat = proc_text(pid, "stat");
		s = stat ? strrchr(stat, ')') : NULL;
		if (s)
			sscanf(s + 1, " %*c %u", &ppid);
		free(stat);
		if (ppid < PANDO_LOCAL_PIDS || find_task(k, ppid))
			return;
		o->ppid = ppid;
		add_other(k, ppid, 0);
		pid = ppid;
	}
}

void kin_mark(struct tree *t)
{
	int dev = open("/dev/pando", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; dev >= 0 && i < t->n; i++) {
		struct pando_kin ask = { .pid = t->task[i].pid };

		t->task[i].stub = !ioctl(dev, PANDO_IOC_KIN, &ask) &&
				  ask.flags & PANDO_KIN_STUB;
	}
	if (dev >= 0)
		close(dev);
}

static int add_task(struct move *m, struct kin *k, const struct task *t)
{
	struct kin_task *n = &k->task[k->n++];

	*n = (struct kin_task){ .pid = t->pid, .pgid = t->pgid, .sid = t->sid,
				.stub = t->stub, .kin = { .pid = t->pid } };
	if (ioctl(k->dev, PANDO_IOC_KIN, &n->kin))
		return move_fail(m, "%d (%s): the kernel does not know it: %s",
				 t->pid, t->comm, strerror(errno));
	return 0;
}

static int travel(struct move *m, const struct kin *k, const struct tree *t, bool *any)
{
	for (size_t i = 0; i < t->n; i++) {
		uint32_t pid = t->task[i].pid;

		if (!t->task[i].stub)
			continue;
		*any = true;
		if (ioctl(k->dev, PANDO_IOC_TRAVEL, &pid))
			return move_fail(m, "its child %u, which runs elsewhere, cannot follow: %s",
					 pid, errno == EBUSY ?
					 "it is being moved just now" :
					 strerror(errno));
	}
	return 0;
}

int kin_before(struct move *m, struct kin *k, struct tree *t)
{
	bool any = false;
	int err = open_dev(m, k);

	/* again, now that those that travel stay as they are */
	for (int i = 0; i < 2 && !err; i++) {
		tree_free(t);
		if (tree_collect(t, m->start->root))
			return move_fail(m, "process %u ended", m->start->root);
		kin_mark(t);
		/* again those too that have come meanwhile */
		err = travel(m, k, t, &any);
		if (!any)
			break;
	}
	return err;
}

int kin_collect(struct move *m, struct kin *k, const struct tree *t)
{
	int err = 0;

	k->task = xcalloc(t->n, sizeof(*k->task));
	for (size_t i = 0; i < t->n && !err; i++)
		err = add_task(m, k, &t->task[i]);
	if (err)
		return err;
	k->ppid = t->task[0].ppid;
	add_other(k, k->ppid, 0);
	add_ancestors(k);
	for (size_t i = 0; i < k->n; i++) {
		add_other(k, k->task[i].sid, k->task[i].sid);
		add_other(k, k->task[i].pgid, k->task[i].sid);
	}
	return 0;
}

int kin_show_stops(struct move *m, const struct tree *t)
{
	int dev = open("/dev/pando", O_RDWR | O_CLOEXEC);

	if (dev < 0)
		return move_fail(m, "/dev/pando: %s", strerror(errno));
	for (size_t i = 0; i < t->n; i++) {
		uint32_t pid = t->task[i].pid;

		/* it goes on just now, or has ended: criu will see */
		if (t->task[i].state == 'T')
			ioctl(dev, PANDO_IOC_STOPPED, &pid);
	}
	close(dev);
	return 0;
}

/* What befell it so far is told from here: at its next place nobody knows of it. */
static int await_telling(struct move *m, const struct kin *k, struct pando_kin *now,
			 int64_t deadline)
{
	while (now->flags & PANDO_KIN_TELLING) {
		if (now_ms() > deadline)
			return move_fail(m, "who has process %u for a child is not told what befell it: is that one being moved?",
					 now->pid);
		poll(NULL, 0, 2);
		report_listen(m);
		if (m->verdict != VERDICT_NONE || (m->peer >= 0 && peer_tick(m)))
			return -ECANCELED;
		if (ioctl(k->dev, PANDO_IOC_KIN, now))
			break;
	}
	return 0;
}

int kin_check_stops(struct move *m, const struct kin *k,
		    const struct tree *before)
{
	int64_t deadline = now_ms() + TELL_MS;

	for (size_t i = 0; i < k->n; i++) {
		const struct kin_task *t = &k->task[i];
		const struct task *b = tree_find(before, t->pid);
		struct pando_kin now = { .pid = t->pid };
		uint32_t was = t->kin.flags & PANDO_KIN_STOPPED;

		if (t->stub && !(b && b->stub))
			return move_fail(m, "its child %u moved away just now", t->pid);
		if (ioctl(k->dev, PANDO_IOC_KIN, &now))
			continue;
		if (!t->stub && await_telling(m, k, &now, deadline))
			return -EBUSY;
		if ((now.flags & PANDO_KIN_STOPPED) != was ||
		    (b && (b->state == 'T') != !!was))
			return move_fail(m, "process %u was %s during the move",
					 t->pid, now.flags & PANDO_KIN_STOPPED ?
					 "stopped" : "made to go on");
	}
	return 0;
}

int kin_nest(struct move *m, struct kin *k)
{
	struct pando_kin parent = { .pid = k->ppid };
	struct ids ids = { { 0 }, { 0 } };
	char *status;

	/* pando-init waits for nobody; a stub's process has its own stub of us */
	if (k->ppid < PANDO_LOCAL_PIDS || ioctl(k->dev, PANDO_IOC_KIN, &parent) ||
	    parent.flags & PANDO_KIN_STUB)
		return 0;
	status = proc_text(k->task[0].pid, "status");
	if (status) {
		read_ids(status, "\nUid:", ids.uid);
		read_ids(status, "\nGid:", ids.gid);
		free(status);
	}
	k->stub = nursery_make(&m->nursery, 0, k->ppid, &ids, m->timeout_ms);
	if (k->stub < 0)
		return move_fail(m, "cannot make a stub for %u: %s",
				 k->task[0].pid, strerror(-k->stub));
	k->parked = true;
	return 0;
}

void kin_park(struct move *m, struct kin *k, struct tree *t, bool lazy)
{
	struct pando_park park = {
		.pid = k->task[0].pid,
		.stub = k->stub,
		.where = m->start->peer_node,
		.flags = lazy ? PANDO_PARK_LATER : 0,
	};
	int body;

	for (size_t i = 0; i < k->n; i++) {
		struct task *stub = tree_find(t, k->task[i].pid);

		if (!k->task[i].stub ||
		    ioctl(k->dev, PANDO_IOC_RELEASE, &k->task[i].pid) != 1)
			continue;
		/* it stays, and is not killed with those that have left */
		if (stub && stub->pidfd >= 0) {
			close(stub->pidfd);
			stub->pidfd = -1;
		}
	}
	if (!k->parked)
		return;
	/* what has this number now will be the stub; then it is the body's */
	body = syscall(SYS_pidfd_open, k->stub, 0);
	if (body < 0 || ioctl(k->dev, PANDO_IOC_PARK, &park)) {
		int err = errno;

		if (body >= 0) {
			syscall(SYS_pidfd_send_signal, body, SIGKILL, NULL, 0);
			close(body);
		}
		/* its parent has ended meanwhile: nobody waits for it */
		if (err != ECHILD)
			complain("no stub of %u was left: %s", park.pid,
				 strerror(err));
		return;
	}
	if (t->task[0].pidfd >= 0)
		close(t->task[0].pidfd);
	t->task[0].pidfd = body;
}

/* --- from one to the other ------------------------------------------------------*/

/* All little-endian. */
struct wire_head {
	uint32_t ppid, parked, tasks, others;
};

#define USAGE_WORDS	(sizeof(struct pando_rusage) / sizeof(uint64_t))

struct wire_task {
	uint32_t pid, pgid, sid;
	uint16_t flags, where;	/* PANDO_KIN_* */
	uint32_t stop, exit_signal;
	uint64_t start_ns;
	uint64_t self[USAGE_WORDS], children[USAGE_WORDS];	/* struct pando_rusage */
	uint64_t holders[PANDO_NODE_WORDS];
};

struct wire_other {
	uint32_t pid, pgid, sid, where;
	uint32_t ppid;
	uint32_t uid[3], gid[3];
};

_Static_assert(sizeof(struct wire_head) == 16, "wire struct");
_Static_assert(sizeof(struct wire_task) == 32 + 16 * USAGE_WORDS + 8 * PANDO_NODE_WORDS,
	       "wire struct");
_Static_assert(sizeof(struct wire_other) == 44, "wire struct");

static void pack_usage(uint64_t *words, const struct pando_rusage *r)
{
	memcpy(words, r, sizeof(*r));
	for (size_t i = 0; i < USAGE_WORDS; i++)
		words[i] = htole64(words[i]);
}

static void unpack_usage(struct pando_rusage *r, const uint64_t *words)
{
	uint64_t host[USAGE_WORDS] = { 0 };

	for (size_t i = 0; i < USAGE_WORDS; i++)
		host[i] = le64toh(words[i]);
	memcpy(r, host, sizeof(*r));
}

uint8_t *kin_pack(const struct kin *k, size_t *len)
{
	struct wire_head *head;
	struct wire_task *t;
	struct wire_other *o;

	*len = sizeof(*head) + k->n * sizeof(*t) + k->others * sizeof(*o);
	head = xcalloc(1, *len);
	*head = (struct wire_head){ htole32(k->ppid), htole32(k->parked),
				    htole32(k->n), htole32(k->others) };
	t = (struct wire_task *)(head + 1);
	for (size_t i = 0; i < k->n; i++, t++) {
		const struct kin_task *s = &k->task[i];

		t->pid = htole32(s->pid);
		t->pgid = htole32(s->pgid);
		t->sid = htole32(s->sid);
		t->flags = htole16((s->kin.flags &
				    ~(PANDO_KIN_STUB | PANDO_KIN_TELLING)) |
				   (s->stub ? PANDO_KIN_STUB : 0));
		t->where = htole16(s->kin.where);
		t->stop = htole32(s->kin.stop);
		t->exit_signal = htole32(s->kin.exit_signal);
		t->start_ns = htole64(s->kin.start_ns);
		pack_usage(t->self, &s->kin.self);
		pack_usage(t->children, &s->kin.children);
		for (int w = 0; w < PANDO_NODE_WORDS; w++)
			t->holders[w] = htole64(s->kin.holders[w]);
	}
	o = (struct wire_other *)t;
	for (size_t i = 0; i < k->others; i++, o++) {
		const struct kin_other *s = &k->other[i];

		o->pid = htole32(s->pid);
		o->pgid = htole32(s->pgid);
		o->sid = htole32(s->sid);
		o->ppid = htole32(s->ppid);
		o->where = htole32(s->where);
		for (int w = 0; w < 3; w++) {
			o->uid[w] = htole32(s->ids.uid[w]);
			o->gid[w] = htole32(s->ids.gid[w]);
		}
	}
	return (uint8_t *)head;
}

int kin_unpack(struct move *m, struct kin *k, const uint8_t *data, size_t len)
{
	struct wire_head head;
	const struct wire_task *t;
	const struct wire_other *o;
	int err = open_dev(m, k);

	if (err)
		return err;
	if (len < sizeof(head))
		goto bad;
	memcpy(&head, data, sizeof(head));
	k->ppid = le32toh(head.ppid);
	k->parked = le32toh(head.parked);
	k->n = le32toh(head.tasks);
	k->others = le32toh(head.others);
	if (!k->n || k->n > PANDO_MOVE_PIDS_MAX || k->others > 4 * (k->n + ANCESTORS) ||
	    len != sizeof(head) + k->n * sizeof(*t) + k->others * sizeof(*o))
		goto bad;
	k->task = xcalloc(k->n, sizeof(*k->task));
	k->other = xcalloc(k->others + 1, sizeof(*k->other));
	t = (const struct wire_task *)(data + sizeof(head));
	for (size_t i = 0; i < k->n; i++, t++) {
		struct kin_task *d = &k->task[i];

		d->pid = d->kin.pid = le32toh(t->pid);
		d->pgid = le32toh(t->pgid);
		d->sid = le32toh(t->sid);
		d->kin.flags = le16toh(t->flags);
		d->stub = d->kin.flags & PANDO_KIN_STUB;
		d->kin.where = le16toh(t->where);
		d->kin.stop = le32toh(t->stop);
		d->kin.exit_signal = le32toh(t->exit_signal);
		d->kin.start_ns = le64toh(t->start_ns);
		unpack_usage(&d->kin.self, t->self);
		unpack_usage(&d->kin.children, t->children);
		for (int w = 0; w < PANDO_NODE_WORDS; w++)
			d->kin.holders[w] = le64toh(t->holders[w]);
	}
	o = (const struct wire_other *)t;
	for (size_t i = 0; i < k->others; i++, o++) {
		struct kin_other *d = &k->other[i];

		d->pid = le32toh(o->pid);
		d->pgid = le32toh(o->pgid);
		d->sid = le32toh(o->sid);
		d->ppid = le32toh(o->ppid);
		d->where = le32toh(o->where);
		for (int w = 0; w < 3; w++) {
			d->ids.uid[w] = le32toh(o->uid[w]);
			d->ids.gid[w] = le32toh(o->gid[w]);
		}
	}
	return 0;
bad:
	k->n = k->others = 0;
	return move_fail(m, "the source's relations cannot be read");
}

/* --- at the target ----------------------------------------------------------------*/

static int make_one(struct move *m, struct kin *k, const struct kin_other *o)
{
	struct pando_park bind = { .pid = o->pid, .where = o->where };
	struct pando_claim claim = { o->pid, 0 };
	pid_t made;

	if (ioctl(k->dev, PANDO_IOC_CLAIM, &claim)) {
		/* itself, or a stub of it, is here already */
		if (errno == EEXIST || errno == EALREADY)
			return 1;
		return move_fail(m, "cannot claim %u for a stub: %s", o->pid,
				 strerror(errno));
	}
	made = nursery_make(&m->nursery, o->pid, 0, &o->ids, m->timeout_ms);
	if (made < 0)
		return move_fail(m, "cannot make a stub of %u: %s", o->pid,
				 strerror(-made));
	if (ioctl(k->dev, PANDO_IOC_BIND, &bind))
		return move_fail(m, "cannot bind the stub of %u: %s", o->pid,
				 strerror(errno));
	return 0;
}

/* A child that runs elsewhere, perhaps here: criu restores what stands for it. */
static int claim_child(struct move *m, struct kin *k, struct kin_task *t)
{
	struct pando_claim claim = { t->pid, PANDO_CLAIM_TRAVELS };
	int ret = ioctl(k->dev, PANDO_IOC_CLAIM, &claim);

	if (ret < 0)
		return move_fail(m, "its child %u, which runs elsewhere, cannot follow: %s",
				 t->pid, errno == EBUSY ? "it is being moved just now" :
				 strerror(errno));
	t->copy = ret;
	return 0;
}

int kin_make(struct move *m, struct kin *k)
{
	bool *made = xcalloc(k->others + 1, sizeof(*made));
	int ret = 0;

	for (size_t i = 0; i < k->n && ret >= 0; i++)
		if (k->task[i].stub)
			ret = claim_child(m, k, &k->task[i]);
	for (size_t i = 0; i < k->others && ret >= 0; i++) {
		ret = make_one(m, k, &k->other[i]);
		made[i] = !ret;
	}
	/* now that all numbers are there, each is put where it belongs */
	for (size_t i = 0; i < k->others && ret >= 0; i++) {
		const struct kin_other *o = &k->other[i];
		struct pando_place p = { .pid = o->pid,
					 .ppid = o->ppid ? o->ppid : 1,
					 .pgid = o->pgid, .sid = o->sid };

		if (made[i] && ioctl(k->dev, PANDO_IOC_PLACE, &p))
			ret = move_fail(m, "cannot place the stub of %u: %s",
					o->pid, strerror(errno));
	}
	free(made);
	return ret < 0 ? ret : 0;
}

enum presence {
	ABSENT,
	NAME,		/* a group or session here has its number */
	STUB,
	HERE,
};

static enum presence presence(int dev, uint32_t pid)
{
	struct pando_kin ask = { .pid = pid };

	if (ioctl(dev, PANDO_IOC_KIN, &ask))
		return errno == EOWNERDEAD ? NAME : ABSENT;
	return ask.flags & PANDO_KIN_STUB ? STUB : HERE;
}

bool kin_is_here(uint32_t pid)
{
	int dev = open("/dev/pando", O_RDWR | O_CLOEXEC);
	bool here = presence(dev, pid) == HERE;

	if (dev >= 0)
		close(dev);
	return here;
}

/* Of a stub nothing is kept but where it belongs. */
static void place_child(struct kin *k, const struct kin_task *t)
{
	struct pando_park bind = { .pid = t->pid, .where = t->kin.where };
	struct pando_place p = { .pid = t->pid, .flags = PANDO_PLACE_SIGNAL,
				 .kin.exit_signal = t->kin.exit_signal };

	/* a copy is in the groups of nobody: it goes as soon as it has met its process */
	if (!t->copy) {
		p.pgid = t->pgid;
		p.sid = t->sid;
	}
	if (ioctl(k->dev, PANDO_IOC_PLACE, &p) ||
	    (!t->copy && ioctl(k->dev, PANDO_IOC_BIND, &bind)))
		complain("%u, a child that runs elsewhere, was not rejoined: %s",
			 t->pid, strerror(errno));
}

/*
 * A leader that comes to members of its group or session finds them in use already, and
 * so does what stands for one that is here.
 */
static bool is_foreign(void *arg, uint32_t id)
{
	const struct kin *k = arg;
	const struct kin_task *t = find_task(k, id);

	return !t || t->foreign;
}

int kin_adopt(struct move *m, struct kin *k, bool *shell_job)
{
	static const char name[] = "pstree.img";
	uint8_t *image, *new = NULL;
	struct stat st;
	size_t len = 0;
	int fd;

	*shell_job = false;
	/* once: a stub that nobody needs any more may go while we look */
	for (size_t i = 0; i < k->n; i++) {
		enum presence p = presence(k->dev, k->task[i].pid);

		k->task[i].foreign = k->task[i].copy || p == STUB || p == NAME;
	}
	fd = openat(m->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size > PSTREE_MAX) {
		if (fd >= 0)
			close(fd);
		return move_fail(m, "the source sent no %s", name);
	}
	image = xcalloc(1, st.st_size + 1);
	if (read(fd, image, st.st_size) == st.st_size)
		new = pstree_adopt(image, st.st_size, &len, is_foreign, k,
				   shell_job);
	close(fd);
	free(image);
	if (!new)
		return move_fail(m, "%s cannot be read", name);
	if (*shell_job) {
		fd = openat(m->dir, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (fd < 0 || write(fd, new, len) != (ssize_t)len) {
			int err = errno;

			free(new);
			if (fd >= 0)
				close(fd);
			return move_fail(m, "cannot write %s: %s", name,
					 strerror(err));
		}
		close(fd);
	}
	free(new);
	return 0;
}

/* Who is of another session has another, or none. */
static void control(const struct move *m, const struct kin *k, const struct kin_task *t,
		    int tty)
{
	const Pando__MoveTerminal *its;
	struct pando_terminal args = { .pid = t->pid, .fd = tty };

	if (tty < 0)
		return;
	its = m->start->terminals[0];
	if (t->sid != its->sid)
		return;
	/* it is this node's, and the process is home */
	if (m->slave < 0) {
		args.sid = its->sid;
		args.node = its->node;
	}
	if (ioctl(k->dev, PANDO_IOC_TERMINAL, &args))
		complain("%u has no controlling terminal: %s", t->pid,
			 strerror(errno));
}

void kin_place(struct move *m, struct kin *k, int tty)
{
	for (size_t i = 0; i < k->n; i++) {
		struct kin_task *t = &k->task[i];
		struct pando_place p = { .pid = t->pid, .kin = t->kin };

		if (t->stub) {
			place_child(k, t);
			continue;
		}

		/* node-local ones mean somebody else here */
		if (t->pgid >= PANDO_LOCAL_PIDS)
			p.pgid = t->pgid;
		if (t->sid >= PANDO_LOCAL_PIDS)
			p.sid = t->sid;

		if (!i)
			p.ppid = k->ppid >= PANDO_LOCAL_PIDS ? k->ppid : 1;
		if (!i && k->parked)
			p.kin.holders[m->start->peer_node / 64] |=
				1ull << (m->start->peer_node % 64);
		/* others of its group may be anywhere */
		p.flags = PANDO_PLACE_SPREAD | PANDO_PLACE_SIGNAL |
			  t->alarms * PANDO_PLACE_ALARM;
		if (ioctl(k->dev, PANDO_IOC_PLACE, &p))
			complain("%u is not where it belongs: %s", t->pid,
				 strerror(errno));
		control(m, k, t, tty);
	}
	ioctl(k->dev, PANDO_IOC_KEEP);
}

int kin_stop(struct move *m, const struct kin *k)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct kin_task *t = &k->task[i];
		struct pando_stop stop = { t->pid, t->kin.stop };

		if (t->kin.flags & (PANDO_KIN_STOPPED | PANDO_KIN_CONTINUED) &&
		    ioctl(k->dev, PANDO_IOC_STOP, &stop))
			return move_fail(m, "%u was stopped, or went on, and cannot here: %s",
					 t->pid, strerror(errno));
	}
	return 0;
}

void kin_join(struct kin *k)
{
	for (size_t i = 0; i < k->n; i++) {
		if (!k->task[i].copy)
			continue;
		if (ioctl(k->dev, PANDO_IOC_JOIN, &k->task[i].pid))
			complain("%u, a child that is here, was not rejoined: %s",
				 k->task[i].pid, strerror(errno));
		k->task[i].copy = false;
	}
}

void kin_free(struct kin *k)
{
	free(k->task);
	free(k->other);
	if (k->dev > 0)
		close(k->dev);
	*k = (struct kin){ .dev = -1 };
}
