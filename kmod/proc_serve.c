// SPDX-License-Identifier: GPL-2.0-only
/*
 * What other members ask of the processes here. The questions are answered by
 * threads of pando-init, inside the cluster's namespaces and with an address
 * space of their own, from a mount of plain procfs, under the credentials of
 * the requester: procfs itself decides what is shown and what is not.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/stat.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "kin_tty.h"
#include "locate.h"
#include "ns.h"
#include "proc.h"
#include "proc_record.h"
#include "proc_serve.h"
#include "rpc.h"
#include "serve.h"

/*
 * Our mount of procfs. procfs shows the PID namespace of the task that mounts
 * it, so a serving thread makes it, when it is first needed. It stays until
 * the cluster namespace is another one (it holds a reference on its own, so
 * the comparison is safe) or the module goes.
 */
static DEFINE_MUTEX(mount_lock);
static struct vfsmount *serve_mount;

struct pid_namespace *pando_serving_ns(struct vfsmount *mnt)
{
	return proc_sb_info(mnt->mnt_sb)->pid_ns;
}

static struct vfsmount *get_mount(void)
{
	struct pid_namespace *ns = pando_ns();
	struct file_system_type *type;
	struct vfsmount *mnt;

	if (!ns || task_active_pid_ns(current) != ns)
		return ERR_PTR(-ENOTCONN);
	if (mutex_lock_killable(&mount_lock))
		return ERR_PTR(-EINTR);

	if (serve_mount && pando_serving_ns(serve_mount) != ns) {
		kern_unmount(serve_mount);
		serve_mount = NULL;
	}
	if (!serve_mount) {
		type = get_fs_type("proc");
		mnt = type ? kern_mount(type) : ERR_PTR(-ENODEV);
		if (IS_ERR(mnt))
			goto out;
		serve_mount = mnt;
	}
	mnt = mntget(serve_mount);
out:
	mutex_unlock(&mount_lock);
	return mnt;
}

/*
 * Files are closed in a worker: fput() leaves it to the task's return to user
 * mode, where a serving thread does not go for as long as it serves.
 */
static LLIST_HEAD(closing);

static void close_files(struct work_struct *work)
{
	struct llist_node *list = llist_del_all(&closing);
	struct file *file, *next;

	llist_for_each_entry_safe(file, next, list, f_llist)
		__fput_sync(file);
}

static DECLARE_WORK(close_work, close_files);

void pando_serving_close(struct file *file)
{
	/* Ours is the only reference, as in fput() when it has been the last. */
	if (llist_add(&file->f_llist, &closing))
		schedule_work(&close_work);
}

static int parse(struct serving *s, const struct pando_rpc_req *req)
{
	const u8 *p = req->data;
	size_t groups, rest;

	if (req->len < sizeof(*s->w))
		return -EPROTO;
	s->w = req->data;
	groups = le32_to_cpu(s->w->cred.ngroups);
	if (groups > PANDO_WIRE_GROUPS_MAX || s->w->flags)
		return -EPROTO;
	groups *= sizeof(__le32);
	rest = req->len - sizeof(*s->w);
	s->len = le16_to_cpu(s->w->pathlen);
	if (rest < groups || rest - groups < s->len)
		return -EPROTO;
	rest -= groups + s->len;
	s->path = (const char *)p + sizeof(*s->w) + groups;
	s->data = s->path + s->len;
	s->datalen = rest;
	if (req->type == PANDO_MSG_PROC_WRITE ?
	    rest != le32_to_cpu(s->w->len) || rest > PANDO_SERVE_BUF : rest)
		return -EPROTO;

	/* -ENOENT for what is not shown; -EINVAL is a peer that is wrong. */
	return pando_proc_path_check(s->path, s->len, &s->nr);
}

/* Which process has the number now, and since when does it run? */
struct pid *pando_serving_find(struct serving *s, u64 *start)
{
	struct task_struct *task = NULL;
	struct pid *pid;

	rcu_read_lock();
	pid = find_pid_ns(s->nr, pando_serving_ns(s->mnt));
	if (pid)
		task = pid_task(pid, PIDTYPE_PID);
	/* One that is just arriving or leaving is asked about elsewhere. */
	if (task && pando_ns_has_pid(s->nr)) {
		*start = timens_add_boottime_ns(task->start_boottime);
		get_pid(pid);
	} else {
		pid = NULL;
	}
	rcu_read_unlock();
	return pid;
}

bool pando_serving_same(struct serving *s)
{
	bool same;

	rcu_read_lock();
	same = find_pid_ns(s->nr, pando_serving_ns(s->mnt)) == s->pid &&
	       pid_task(s->pid, PIDTYPE_PID);
	rcu_read_unlock();
	return same;
}

/* Component by component, through real directories only, following nothing. */
int pando_serving_walk(struct serving *s)
{
	struct dentry *dir = dget(s->mnt->mnt_root), *child;
	const char *name = s->path, *slash;
	size_t left = s->len, n;

	for (;;) {
		slash = memchr(name, '/', left);
		n = slash ? slash - name : left;
		if (!d_can_lookup(dir)) {
			dput(dir);
			return -ENOTDIR;
		}
		child = lookup_positive_unlocked(name, dir, n);
		dput(dir);
		if (IS_ERR(child))
			return PTR_ERR(child);
		dir = child;
		if (!slash)
			break;
		name += n + 1;
		left -= n + 1;
	}
	s->at.mnt = s->mnt;
	s->at.dentry = dir;
	return 0;
}

void pando_serving_end(struct serving *s)
{
	if (s->at.dentry)
		dput(s->at.dentry);
	revert_creds(s->old);
	put_cred(s->cred);
	put_pid(s->pid);
	mntput(s->mnt);
}

/* On success the requester's credentials are in force until pando_serving_end(). */
int pando_serving_begin(struct serving *s, const struct pando_rpc_req *req)
{
	u64 wanted;
	int err;

	memset(s, 0, sizeof(*s));
	err = parse(s, req);
	if (err)
		return err;
	s->mnt = get_mount();
	if (IS_ERR(s->mnt))
		return PTR_ERR(s->mnt);

	s->pid = pando_serving_find(s, &s->start);
	if (!s->pid) {
		err = pando_locate_miss(s->nr);
		goto out_mount;
	}
	wanted = pando_proc_get_start(s->w);
	if (wanted && wanted != s->start) {
		err = -ESRCH;
		goto out_pid;
	}

	s->cred = pando_serve_cred(&s->w->cred, (const __le32 *)(s->w + 1),
				   le32_to_cpu(s->w->cred.ngroups) *
				   sizeof(__le32));
	if (IS_ERR(s->cred)) {
		err = PTR_ERR(s->cred);
		goto out_pid;
	}
	s->old = override_creds(s->cred);
	err = pando_serving_walk(s);
	/* "Not there" may mean the process, and who has the number now? */
	if (!pando_serving_same(s))
		err = -ESRCH;
	if (err)
		pando_serving_end(s);
	return err;

out_pid:
	put_pid(s->pid);
out_mount:
	mntput(s->mnt);
	return err;
}

static int serve_stat(struct pando_rpc_req *req)
{
	struct pando_wire_proc_stat *reply = req->reply;
	struct kstat stat;
	struct serving s;
	int err;

	if (req->reply_cap < sizeof(*reply))
		return -EMSGSIZE;
	err = pando_serving_begin(&s, req);
	if (err)
		return err;
	err = vfs_getattr(&s.at, &stat, STATX_BASIC_STATS, 0);
	if (!err) {
		memset(reply, 0, sizeof(*reply));
		reply->mode = cpu_to_le32(stat.mode);
		reply->uid = cpu_to_le32(from_kuid(&init_user_ns, stat.uid));
		reply->gid = cpu_to_le32(from_kgid(&init_user_ns, stat.gid));
		reply->nlink = cpu_to_le32(stat.nlink);
		reply->size = cpu_to_le64(stat.size);
		reply->ino = cpu_to_le64(s.start);
		req->reply_len = sizeof(*reply);
	}
	pando_serving_end(&s);
	return err;
}

/* dentry_open() leaves the permission bits to its caller. */
struct file *pando_serving_open(struct serving *s, int flags, umode_t kind)
{
	struct inode *inode = d_inode(s->at.dentry);
	int err;

	if ((inode->i_mode & S_IFMT) != kind)
		return ERR_PTR(kind == S_IFDIR ? -ENOTDIR : -EINVAL);
	err = inode_permission(&init_user_ns, inode,
			       (flags & O_ACCMODE) == O_RDONLY ?
			       MAY_READ : MAY_WRITE);
	if (err)
		return ERR_PTR(err);
	return dentry_open(&s->at, flags | O_LARGEFILE | O_NONBLOCK,
			   current_cred());
}

/* Most files of procfs want a user address, a few an iterator. */
ssize_t pando_serving_read(struct file *file, void *buf, size_t len, loff_t *pos)
{
	struct kvec vec = { buf, len };
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t n;

	if (file->f_op->read && file->f_op->read != seq_read) {
		len = min_t(size_t, len, PANDO_SERVE_BUF);
		n = file->f_op->read(file, pando_serve_buf(), len, pos);
		if (n > 0 && (n > len ||
			      copy_from_user(buf, pando_serve_buf(), n)))
			n = -EFAULT;
		return n;
	}

	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = *pos;
	iov_iter_kvec(&iter, READ, &vec, 1, len);
	if (file->f_op->read == seq_read)
		n = seq_read_iter(&iocb, &iter);
	else if (file->f_op->read_iter)
		n = file->f_op->read_iter(&iocb, &iter);
	else
		return -EINVAL;
	if (n > 0)
		*pos = iocb.ki_pos;
	return n;
}

size_t pando_serving_terminal(struct serving *s, char *text, size_t len, size_t cap)
{
	u32 device = pando_kin_tty_device(s->pid);

	return device ? pando_stat_set_tty(text, len, cap, device) : len;
}

/* Of a process, or of one of its threads? */
static bool is_stat(const struct serving *s)
{
	static const char name[] = "/stat";
	const size_t n = sizeof(name) - 1;

	return s->len > n && !memcmp(s->path + s->len - n, name, n);
}

/* A reply that is shorter than was asked for means the end of the file. */
static int serve_read(struct pando_rpc_req *req)
{
	struct file *file;
	struct serving s;
	size_t want, got = 0;
	ssize_t n = 0;
	loff_t pos, skip = 0;
	int err;

	err = pando_serving_begin(&s, req);
	if (err)
		return err;
	pos = le64_to_cpu(s.w->pos);
	want = min_t(size_t, le32_to_cpu(s.w->len), req->reply_cap);
	if (pos < 0 || pos > MAX_LFS_FILESIZE - want) {
		err = -EINVAL;
		goto out;
	}
	file = pando_serving_open(&s, O_RDONLY, S_IFREG);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto out;
	}
	/* its length may change, so what comes first counts, whatever is wanted */
	if (is_stat(&s)) {
		skip = pos;
		pos = 0;
		want = req->reply_cap;
	}
	while (got < want) {
		if (fatal_signal_pending(current)) {
			n = -EINTR;
			break;
		}
		n = pando_serving_read(file, req->reply + got, want - got, &pos);
		if (n <= 0)
			break;
		got += n;
	}
	pando_serving_close(file);
	/* A part that ends in an error is not the end of the file. */
	if (n < 0) {
		err = n;
	} else if (is_stat(&s)) {
		got = pando_serving_terminal(&s, req->reply, got, req->reply_cap);
		skip = min_t(u64, skip, got);
		req->reply_len = min_t(size_t, got - skip, le32_to_cpu(s.w->len));
		memmove(req->reply, req->reply + skip, req->reply_len);
	} else {
		req->reply_len = got;
	}
out:
	pando_serving_end(&s);
	return err;
}

static int serve_write(struct pando_rpc_req *req)
{
	__le64 *reply = req->reply;
	struct file *file;
	struct serving s;
	loff_t pos;
	ssize_t n;
	int err;

	if (req->reply_cap < sizeof(*reply))
		return -EMSGSIZE;
	err = pando_serving_begin(&s, req);
	if (err)
		return err;
	pos = le64_to_cpu(s.w->pos);
	if (!pando_proc_path_writable(s.path, s.len)) {
		err = -EOPNOTSUPP;
		goto out;
	}
	if (pos < 0 || pos > MAX_LFS_FILESIZE - s.datalen) {
		err = -EINVAL;
		goto out;
	}
	file = pando_serving_open(&s, O_WRONLY, S_IFREG);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto out;
	}
	if (!file->f_op->write)
		n = -EINVAL;
	else if (copy_to_user(pando_serve_buf(), s.data, s.datalen))
		n = -EFAULT;
	else
		n = file->f_op->write(file, pando_serve_buf(), s.datalen,
				      &pos);
	pando_serving_close(file);
	if (n < 0) {
		err = n;
	} else {
		*reply = cpu_to_le64(n);
		req->reply_len = sizeof(*reply);
	}
out:
	pando_serving_end(&s);
	return err;
}

static int serve_readlink(struct pando_rpc_req *req)
{
	struct serving s;
	size_t want;
	int err;

	err = pando_serving_begin(&s, req);
	if (err)
		return err;
	want = min3((size_t)le32_to_cpu(s.w->len), req->reply_cap,
		    (size_t)PATH_MAX);
	if (!d_is_symlink(s.at.dentry))
		err = -EINVAL;
	else
		err = vfs_readlink(s.at.dentry, pando_serve_buf(), want);
	if (err > 0) {
		req->reply_len = min_t(size_t, err, want);
		err = copy_from_user(req->reply, pando_serve_buf(),
				     req->reply_len) ? -EFAULT : 0;
	}
	pando_serving_end(&s);
	return err;
}

/**
 * struct dir_fill - entries on their way into a reply
 * @ctx: for procfs
 * @s: the request
 * @buf: where the reply is made
 * @len: filled so far
 * @cap: room there
 * @count: entries
 * @full: there was no room for the one at @ctx.pos
 */
struct dir_fill {
	struct dir_context ctx;
	const struct serving *s;
	u8 *buf;
	size_t len;
	size_t cap;
	u32 count;
	bool full;
};

static bool fill_entry(struct dir_context *ctx, const char *name, int namelen,
		       loff_t offset, u64 ino, unsigned int type)
{
	struct dir_fill *f = container_of(ctx, struct dir_fill, ctx);
	size_t need = sizeof(struct pando_wire_proc_dirent) +
		      ALIGN(namelen, 4);
	struct pando_wire_proc_dirent *ent;

	if (namelen <= 0 || namelen > PANDO_PROC_NAME_MAX ||
	    (name[0] == '.' &&
	     (namelen == 1 || (namelen == 2 && name[1] == '.'))) ||
	    pando_proc_path_hides(f->s->path, f->s->len, name, namelen))
		return true;
	if (f->cap - f->len < need) {
		f->full = true;
		return false;
	}
	ent = (void *)(f->buf + f->len);
	memset(ent, 0, need);
	ent->namelen = cpu_to_le16(namelen);
	ent->type = type;
	memcpy(ent + 1, name, namelen);
	f->len += need;
	f->count++;
	return true;
}

static int serve_readdir(struct pando_rpc_req *req)
{
	struct pando_wire_proc_dir *head = req->reply;
	struct dir_fill f = {
		.ctx.actor = fill_entry,
		.buf = req->reply,
		.len = sizeof(*head),
	};
	struct file *file;
	struct serving s;
	int err;

	err = pando_serving_begin(&s, req);
	if (err)
		return err;
	f.s = &s;
	f.cap = min_t(size_t, le32_to_cpu(s.w->len), req->reply_cap);
	/* Room for the longest name, so that there is always progress. */
	if (f.cap < 512 || le64_to_cpu(s.w->pos) > INT_MAX) {
		err = -EINVAL;
		goto out;
	}
	file = pando_serving_open(&s, O_RDONLY | O_DIRECTORY, S_IFDIR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto out;
	}
	file->f_pos = le64_to_cpu(s.w->pos);
	err = iterate_dir(file, &f.ctx);
	pando_serving_close(file);
	if (err < 0)
		goto out;
	err = 0;
	head->count = cpu_to_le32(f.count);
	head->next = cpu_to_le32(f.full ? f.ctx.pos : 0);
	req->reply_len = f.len;
out:
	pando_serving_end(&s);
	return err;
}

/*
 * Every process that runs here, under no credentials: names of processes are
 * no secret in a cluster without hidepid, and with it the client asks about
 * each. It runs in a workqueue, whose own namespace is another.
 */
static int serve_list(struct pando_rpc_req *req)
{
	const struct pando_wire_proc_list *ask = req->data;
	struct pando_wire_proc_list_reply *reply = req->reply;
	struct pid_namespace *ns = pando_ns();
	u32 nr, count = 0, room;
	struct pid *pid;
	bool leader;

	if (req->len != sizeof(*ask))
		return -EPROTO;
	if (!ns)
		return -ENOTCONN;
	if (req->reply_cap < sizeof(*reply) + sizeof(__le32))
		return -EMSGSIZE;
	room = (req->reply_cap - sizeof(*reply)) / sizeof(reply->pid[0]);

	nr = max_t(u32, le32_to_cpu(ask->from), PANDO_LOCAL_PIDS);
	for (; nr < PANDO_PID_MAX; nr++) {
		cond_resched();
		rcu_read_lock();
		pid = find_ge_pid(nr, ns);
		if (pid) {
			nr = pid_nr_ns(pid, ns);
			leader = pid_task(pid, PIDTYPE_TGID);
		}
		rcu_read_unlock();
		if (!pid) {
			nr = 0;
			break;
		}
		/* Nor such as are in the middle of a move, on either side. */
		if (!leader || !pando_ns_has_pid(nr))
			continue;
		if (count == room)
			break;
		reply->pid[count++] = cpu_to_le32(nr);
	}
	reply->count = cpu_to_le32(count);
	reply->next = cpu_to_le32(nr < PANDO_PID_MAX ? nr : 0);
	req->reply_len = struct_size(reply, pid, count);
	return 0;
}

static const struct pando_rpc_row handlers[] = {
	{ PANDO_MSG_PROC_LIST, serve_list },
	{ PANDO_MSG_PROC_STAT, serve_stat },
	{ PANDO_MSG_PROC_READ, serve_read },
	{ PANDO_MSG_PROC_READDIR, serve_readdir },
	{ PANDO_MSG_PROC_READLINK, serve_readlink },
	{ PANDO_MSG_PROC_WRITE, serve_write },
	{ PANDO_MSG_PROC_BULK, pando_proc_serve_bulk },
};

/**
 * pando_proc_serve_init - begin to answer other members
 */
int pando_proc_serve_init(void)
{
	return pando_rpc_register_rows(handlers, ARRAY_SIZE(handlers), THIS_MODULE);
}

/**
 * pando_proc_serve_exit - no more answers; returns when none is under way
 */
void pando_proc_serve_exit(void)
{
	pando_rpc_unregister_rows(handlers, ARRAY_SIZE(handlers));
	flush_work(&close_work);
	if (serve_mount)
		kern_unmount(serve_mount);
	serve_mount = NULL;
}
