// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ps and top read, of many processes in one reply: see struct
 * pando_wire_proc_bulk.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/stat.h>

#include "ns.h"
#include "proc.h"
#include "proc_serve.h"
#include "rpc.h"

static int walk_to(struct serving *s, const char *path, size_t len)
{
	s->path = path;
	s->len = len;
	return pando_serving_walk(s);
}

static void leave(struct serving *s)
{
	dput(s->at.dentry);
	s->at.dentry = NULL;
}

/*
 * The whole of @name of the process @s->nr: its length; -ENOSPC when it has no
 * room; any other error: it is not to be had, or too long.
 */
static ssize_t read_file(struct serving *s, const char *name, u8 *to,
			 size_t room)
{
	char path[sizeof("4194303/cmdline")];
	size_t len = 0, max = min_t(size_t, room, PANDO_BULK_FILE + 1);
	struct file *file;
	loff_t pos = 0;
	ssize_t n;
	int err;

	err = walk_to(s, path, scnprintf(path, sizeof(path), "%u/%s", s->nr,
					 name));
	if (err)
		return err;
	file = pando_serving_open(s, O_RDONLY, S_IFREG);
	leave(s);
	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		n = pando_serving_read(file, to + len, max - len, &pos);
		if (n > 0)
			len += n;
	} while (n > 0 && len < max);
	pando_serving_close(file);
	if (n < 0)
		return n;
	if (len > PANDO_BULK_FILE)
		return -EFBIG;
	return len < max ? len : -ENOSPC;
}

static int get_stat(struct serving *s, struct pando_wire_proc_stat *st)
{
	char path[sizeof("4194303")];
	struct kstat stat;
	int err;

	err = walk_to(s, path, scnprintf(path, sizeof(path), "%u", s->nr));
	if (err)
		return err;
	err = vfs_getattr(&s->at, &stat, STATX_BASIC_STATS, 0);
	leave(s);
	if (err)
		return err;
	st->mode = cpu_to_le32(stat.mode);
	st->uid = cpu_to_le32(from_kuid(&init_user_ns, stat.uid));
	st->gid = cpu_to_le32(from_kgid(&init_user_ns, stat.gid));
	st->nlink = cpu_to_le32(stat.nlink);
	st->size = cpu_to_le64(stat.size);
	st->ino = cpu_to_le64(s->start);
	return 0;
}

/* The record of @s->nr: its length, -ENOSPC when it does not fit, or an error. */
static ssize_t make_record(struct serving *s, u8 *to, size_t room, bool first)
{
	static const char *const names[] = PANDO_BULK_NAMES;
	struct pando_wire_proc_bulk *rec = (void *)to;
	size_t at = sizeof(*rec);
	ssize_t n;
	int i, err;

	if (room < sizeof(*rec))
		return -ENOSPC;
	memset(rec, 0, sizeof(*rec));
	err = get_stat(s, &rec->stat);
	if (err)
		return err;
	rec->pid = cpu_to_le32(s->nr);
	for (i = 0; i < PANDO_BULK_FILES; i++) {
		n = read_file(s, names[i], to + at, room - at);
		if (n > 0 && !strcmp(names[i], "stat"))
			n = pando_serving_terminal(s, to + at, n,
						   min_t(size_t, room - at, PANDO_BULK_FILE));
		if (n == -ENOSPC && !first)
			return n;
		rec->len[i] = cpu_to_le16(n < 0 ? PANDO_BULK_ABSENT : n);
		if (n > 0)
			at += n;
	}
	/* what was read may be of somebody else with the number */
	if (!pando_serving_same(s))
		return -ESRCH;
	n = ALIGN(at, 8);
	if (n > room)
		return -ENOSPC;
	memset(to + at, 0, n - at);
	return n;
}

/* The next process from @s->nr on that lives here, into @s; false at the end. */
static bool next_process(struct serving *s)
{
	struct pid_namespace *ns = pando_serving_ns(s->mnt);
	struct pid *pid;
	bool leader;

	for (; s->nr < PANDO_PID_MAX; s->nr++) {
		cond_resched();
		leader = false;
		rcu_read_lock();
		pid = find_ge_pid(s->nr, ns);
		if (pid) {
			s->nr = pid_nr_ns(pid, ns);
			leader = pid_task(pid, PIDTYPE_TGID);
		}
		rcu_read_unlock();
		if (!pid)
			return false;
		if (!leader)
			continue;
		s->pid = pando_serving_find(s, &s->start);
		if (s->pid)
			return true;
	}
	return false;
}

/**
 * pando_proc_serve_bulk - handler of PROC_BULK
 * @req: a struct pando_wire_proc whose path is a number
 *
 * Return: 0, or a negative errno about that process.
 */
int pando_proc_serve_bulk(struct pando_rpc_req *req)
{
	struct serving s;
	size_t len = 0, cap;
	ssize_t n = 0;
	int err;

	err = pando_serving_begin(&s, req);
	if (err)
		return err;
	cap = min_t(size_t, le32_to_cpu(s.w->len), req->reply_cap);
	if (memchr(s.path, '/', s.len)) {
		pando_serving_end(&s);
		return -EINVAL;
	}
	leave(&s);
	put_pid(s.pid);
	s.pid = NULL;
	while (n != -ENOSPC && !fatal_signal_pending(current) &&
	       next_process(&s)) {
		n = make_record(&s, req->reply + len, cap - len, !len);
		if (n > 0)
			len += n;
		put_pid(s.pid);
		s.pid = NULL;
		s.nr++;
	}
	req->reply_len = len;
	pando_serving_end(&s);
	return 0;
}
