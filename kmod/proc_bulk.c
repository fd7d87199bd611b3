// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading many processes at once. Who goes through remote processes in
 * ascending order, as ps and top do, gets from the second on a window: what
 * those programs read of as many of the following processes as one reply
 * holds. A window is its reader's own (one process, under one set of
 * credentials), is made under those credentials, and is believed for
 * PANDO_PROC_FRESH_MS, on one way up: who comes back to a process, or reads a file
 * once more, has a reason to think that something has changed, and is told what is.
 *
 * Locks: scans_lock guards the list; a scan's mutex its windows, and is held
 * over a question, and waited for killably. Nothing is taken inside either.
 */
#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "proc.h"
#include "proc_record.h"

#define SCANS_MAX	32
#define SCAN_IDLE	HZ
/* A node's processes are not in a row when there are guests, or more blocks. */
#define WINDOWS		4

/**
 * struct window - the reply to one BULK
 * @when: it was asked for, jiffies
 * @generation: of the directory then
 * @seen: up to this number its reader has come
 * @len: of @buf that is filled; checked
 * @buf: PANDO_WIRE_PAYLOAD bytes, or NULL
 */
struct window {
	unsigned long when;
	int generation;
	u32 seen;
	size_t len;
	u8 *buf;
};

/**
 * struct scan - a reader and where it has got to
 * @list: among all, the latest first; scans_lock
 * @ref: one for the list, one for each user
 * @reader: thread group
 * @cred: what it asks under
 * @used: last time, jiffies; scans_lock
 * @lock: all that follows
 * @last: the process it asked about last
 * @files: of that, which it has read
 * @next: the window to be replaced next
 * @window: see above
 */
struct scan {
	struct list_head list;
	struct kref ref;
	struct pid *reader;
	const struct cred *cred;
	unsigned long used;
	struct mutex lock;	/* all that follows */
	u32 last, files;
	unsigned int next;
	struct window window[WINDOWS];
};

static DEFINE_SPINLOCK(scans_lock);
static LIST_HEAD(scans);
static unsigned int scans_count;	/* scans_lock */
static atomic_t generation;

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reap_work, reap);

static void scan_free(struct kref *ref)
{
	struct scan *s = container_of(ref, struct scan, ref);
	int i;

	for (i = 0; i < WINDOWS; i++)
		kvfree(s->window[i].buf);
	mutex_destroy(&s->lock);
	put_cred(s->cred);
	put_pid(s->reader);
	kfree(s);
}

static void scan_put(struct scan *s)
{
	kref_put(&s->ref, scan_free);
}

/* Moves those to @out that were not used since, or all; under scans_lock. */
static void take_idle(struct list_head *out, bool all)
{
	struct scan *s, *next;

	list_for_each_entry_safe(s, next, &scans, list) {
		if (!all && time_before(jiffies, s->used + SCAN_IDLE))
			continue;
		list_move(&s->list, out);
		scans_count--;
	}
}

static void drop(bool all)
{
	struct scan *s, *next;
	LIST_HEAD(idle);
	bool more;

	spin_lock(&scans_lock);
	take_idle(&idle, all);
	more = scans_count;
	spin_unlock(&scans_lock);
	list_for_each_entry_safe(s, next, &idle, list)
		scan_put(s);
	if (more)
		schedule_delayed_work(&reap_work, SCAN_IDLE);
}

static void reap(struct work_struct *work)
{
	drop(false);
}

static struct scan *scan_new(const struct cred *cred)
{
	struct scan *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	kref_init(&s->ref);
	s->reader = get_pid(task_tgid(current));
	s->cred = get_cred(cred);
	mutex_init(&s->lock);
	return s;
}

static struct scan *find(const struct cred *cred)
{
	struct scan *s;

	list_for_each_entry(s, &scans, list)
		if (s->reader == task_tgid(current) && s->cred == cred)
			return s;
	return NULL;
}

/* current's scan under @cred, begun if there is none; a reference, or NULL. */
static struct scan *scan_get(const struct cred *cred)
{
	struct scan *s, *new = NULL, *old = NULL;

	spin_lock(&scans_lock);
	s = find(cred);
	if (!s) {
		spin_unlock(&scans_lock);
		new = scan_new(cred);
		if (!new)
			return NULL;
		spin_lock(&scans_lock);
		/* one of its other threads may have been faster */
		s = find(cred);
	}
	if (!s) {
		s = new;
		new = NULL;
		if (scans_count == SCANS_MAX) {
			old = list_last_entry(&scans, struct scan, list);
			list_del(&old->list);
		} else {
			scans_count++;
		}
		list_add(&s->list, &scans);
	} else {
		list_move(&s->list, &scans);
	}
	s->used = jiffies;
	kref_get(&s->ref);
	spin_unlock(&scans_lock);
	if (new)
		scan_put(new);
	if (old)
		scan_put(old);
	schedule_delayed_work(&reap_work, SCAN_IDLE);
	return s;
}

/* --- windows ------------------------------------------------------------------ */

static bool is_fresh(const struct window *w)
{
	return w->len && w->generation == atomic_read(&generation) &&
	       time_before(jiffies, w->when +
			   msecs_to_jiffies(PANDO_PROC_FRESH_MS));
}

static bool is_ahead(const struct scan *s, const struct window *w, u32 pid)
{
	return pid > w->seen || (pid == w->seen && pid == s->last);
}

/* Its window, and the record in it, or NULL. */
static struct window *find_window(struct scan *s, u32 pid,
				  const struct pando_wire_proc_bulk **rec)
{
	int i;

	for (i = 0; i < WINDOWS; i++) {
		struct window *w = &s->window[i];

		*rec = is_fresh(w) && is_ahead(s, w, pid) ?
		       pando_record_find(w->buf, w->len, pid) : NULL;
		if (*rec)
			return w;
	}
	return NULL;
}

static void fetch(struct scan *s, u32 pid)
{
	struct window *w = &s->window[s->next++ % WINDOWS];
	char path[12];
	struct pando_question q = {
		.type = PANDO_MSG_PROC_BULK,
		.as = s->cred,
		.path = path,
		.pid = pid,
		.want = PANDO_WIRE_PAYLOAD,
		.cap = PANDO_WIRE_PAYLOAD,
	};

	q.len = scnprintf(path, sizeof(path), "%u", pid);
	w->len = 0;
	w->seen = 0;
	if (!w->buf)
		w->buf = kvmalloc(PANDO_WIRE_PAYLOAD, GFP_KERNEL);
	if (!w->buf)
		return;
	w->when = jiffies;
	w->generation = atomic_read(&generation);
	q.reply = w->buf;
	/* on any error: who asks about the one process alone will hear of it */
	if (!pando_remote_ask(&q) && pando_record_whole(w->buf, q.got, pid))
		w->len = q.got;
}

/* What is known of @pid, after a question if it is time for one. */
static const struct pando_wire_proc_bulk *
record_of(struct scan *s, u32 pid, unsigned long *when)
{
	const struct pando_wire_proc_bulk *rec;
	struct window *w = find_window(s, pid, &rec);

	if (!w && s->last && pid > s->last) {
		fetch(s, pid);
		w = find_window(s, pid, &rec);
	}
	if (w) {
		w->seen = pid;
		*when = w->when;
	}
	if (pid != s->last)
		s->files = 0;
	s->last = pid;
	return rec;
}

/**
 * pando_bulk_stat - the directory of a process, if current reads many
 * @pid: of the process
 * @st: out, its attributes
 * @when: out, of what time they are, jiffies
 *
 * Context: process, may ask.
 * Return: true, or false: ask about this one.
 */
bool pando_bulk_stat(u32 pid, struct pando_wire_proc_stat *st,
		     unsigned long *when)
{
	const struct pando_wire_proc_bulk *rec = NULL;
	struct scan *s;

	s = scan_get(current_cred());
	if (!s)
		return false;
	if (!mutex_lock_killable(&s->lock)) {
		rec = record_of(s, pid, when);
		if (rec)
			*st = rec->stat;
		mutex_unlock(&s->lock);
	}
	scan_put(s);
	return rec;
}

static int file_index(const struct pando_remote *r)
{
	const char *slash = strchr(r->path, '/');

	return slash ? pando_record_index(slash + 1) : -1;
}

/**
 * pando_bulk_mode - is the file already here, for current to read?
 * @r: the file
 *
 * Context: process; asks nothing.
 * Return: its mode, or 0: it is not.
 */
umode_t pando_bulk_mode(const struct pando_remote *r)
{
	const struct pando_wire_proc_bulk *rec;
	int index = file_index(r);
	umode_t mode = 0;
	struct scan *s;
	size_t len;

	s = index < 0 ? NULL : scan_get(current_cred());
	if (!s)
		return 0;
	if (!mutex_lock_killable(&s->lock)) {
		find_window(s, r->pid, &rec);
		if (rec && le64_to_cpu(rec->stat.ino) == r->start &&
		    pando_record_file(rec, index, &len))
			mode = pando_record_mode(index);
		mutex_unlock(&s->lock);
	}
	scan_put(s);
	return mode;
}

/**
 * pando_bulk_read - a file of a process, if its reader reads many
 * @r: the file
 * @cred: of its opener
 * @buf: out, the whole file; PANDO_BULK_FILE bytes of room
 *
 * Context: process, may ask.
 * Return: its length, or -ENODATA: ask about this one.
 */
ssize_t pando_bulk_read(const struct pando_remote *r, const struct cred *cred,
			void *buf)
{
	const struct pando_wire_proc_bulk *rec;
	ssize_t ret = -ENODATA;
	int index = file_index(r);
	unsigned long when;
	struct scan *s;
	const u8 *data;
	size_t len;

	if (index < 0)
		return -ENODATA;
	s = scan_get(cred);
	if (!s)
		return -ENODATA;
	if (mutex_lock_killable(&s->lock))
		goto out;
	rec = record_of(s, r->pid, &when);
	if (s->files & BIT(index)) {
		/* nor are the others what they were */
		s->files = ~0;
		goto out_unlock;
	}
	s->files |= BIT(index);
	if (!rec || le64_to_cpu(rec->stat.ino) != r->start)
		goto out_unlock;
	data = pando_record_file(rec, index, &len);
	if (data) {
		memcpy(buf, data, len);
		ret = len;
	}
out_unlock:
	mutex_unlock(&s->lock);
out:
	scan_put(s);
	return ret;
}

/**
 * pando_bulk_forget - a process has moved: nothing that is kept is true
 */
void pando_bulk_forget(void)
{
	atomic_inc(&generation);
}

/**
 * pando_bulk_exit - nobody reads any more
 */
void pando_bulk_exit(void)
{
	drop(true);
	cancel_delayed_work_sync(&reap_work);
}
