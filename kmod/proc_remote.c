// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and directories of a process that runs on another node. An inode
 * knows a path below /proc and nothing else; every operation is a question to
 * the node where the process lives, asked under the credentials of the
 * requester (of the opener, for a file that is open), so that procfs there
 * decides what may be seen.
 *
 * No lock is held over a question but the VFS's own (the directory's, shared,
 * in lookup) and the mutex of one open file, which guards its buffer.
 */
#include <linux/cred.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "locate.h"
#include "proc.h"
#include "serve.h"

/**
 * pando_remote_ask - put a question to the node where the process lives
 * @q: the question; its answer comes back in @q
 *
 * Return: 0, or a negative errno that the VFS may be given.
 */
int pando_remote_ask(struct pando_question *q)
{
	const struct cred *old = NULL;
	struct pando_wire_proc w = {};
	__le32 *groups = NULL;
	struct kvec vec[4];
	size_t ngroups;
	int err, n = 0;

	if (q->as)
		old = override_creds(q->as);
	err = pando_serve_fill_cred(&w.cred, &groups);
	if (old)
		revert_creds(old);
	if (err)
		return err;

	ngroups = le32_to_cpu(w.cred.ngroups);
	pando_proc_set_start(&w, q->start);
	w.pos = cpu_to_le64(q->pos);
	w.len = cpu_to_le32(q->data ? q->datalen : q->want);
	w.pathlen = cpu_to_le16(q->len);

	vec[n++] = (struct kvec){ &w, sizeof(w) };
	if (ngroups)
		vec[n++] = (struct kvec){ groups, ngroups * sizeof(*groups) };
	vec[n++] = (struct kvec){ (void *)q->path, q->len };
	if (q->data)
		vec[n++] = (struct kvec){ (void *)q->data, q->datalen };

	q->got = 0;
	q->here = false;
	err = pando_locate_call(q->pid, q->type, vec, n, q->reply, q->cap,
				&q->got, &q->here);
	kfree(groups);

	/* Some errors have a meaning to the VFS that a peer must not choose. */
	if (err > 0 || err <= -512 || err == -ECHILD || err == -ESTALE)
		err = -EIO;
	if (!err && q->got > q->cap)
		err = -EIO;
	return err;
}

/**
 * pando_remote_about - begin a question about a file
 * @q: to be filled in
 * @type: what is asked
 * @r: about which file
 * @file: as whose opener, NULL: as current
 */
void pando_remote_about(struct pando_question *q, enum pando_msg type,
			const struct pando_remote *r, struct file *file)
{
	*q = (struct pando_question){
		.type = type,
		.as = file ? file->f_cred : NULL,
		.path = r->path,
		.len = r->len,
		.pid = r->pid,
		.start = r->start,
	};
}

/* The process is gone or cannot be reached: for a name, no such file. */
static int lookup_error(int err)
{
	switch (err) {
	case -ESRCH:
	case -EHOSTDOWN:
	case -ENOTCONN:
	case -EREMCHG:
	case -EOPNOTSUPP:
		return -ENOENT;
	}
	return err;
}

/**
 * pando_remote_hash - hash of a path, component by component
 * @path: below /proc
 * @len: of @path
 *
 * The hash of an entry is jhash(name, length, hash of its directory).
 */
u32 pando_remote_hash(const char *path, size_t len)
{
	u32 hash = 0;

	while (len) {
		const char *slash = strnchr(path, len, '/');
		size_t n = slash ? slash - path : len;

		hash = jhash(path, n, hash);
		path += n;
		len -= n;
		if (len) {
			path++;
			len--;
		}
	}
	return hash;
}

/**
 * pando_remote_hash_ino - inode number of a remote file
 * @hash: of its path
 *
 * Inode numbers come from the path, so that readdir and stat agree without
 * asking. 0x80000000 up lies between the running numbers of procfs and its
 * dynamic ones; 32 bits, for the sake of old 32-bit programs.
 */
u32 pando_remote_hash_ino(u32 hash)
{
	return (hash & 0x3fffffff) | 0x80000000;
}

/* /proc/PID itself */
static bool is_pid(const struct pando_remote *r)
{
	return !strchr(r->path, '/');
}

static bool is_fresh(const struct pando_remote *r)
{
	return time_before(jiffies, READ_ONCE(r->checked) +
			   msecs_to_jiffies(PANDO_PROC_FRESH_MS));
}

static int ask_stat(struct pando_question *q, struct pando_wire_proc_stat *st)
{
	int err;

	q->reply = st;
	q->cap = sizeof(*st);
	err = pando_remote_ask(q);
	if (err)
		return err;
	if (q->got != sizeof(*st))
		return -EIO;
	switch (le32_to_cpu(st->mode) & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
		return 0;
	}
	return -EIO;
}

static void set_attributes(struct inode *inode,
			   const struct pando_wire_proc_stat *st)
{
	umode_t mode = le32_to_cpu(st->mode) & (S_IFMT | 0777);

	if (READ_ONCE(inode->i_mode) != mode)
		WRITE_ONCE(inode->i_mode, mode);
	inode->i_uid = make_kuid(&init_user_ns, le32_to_cpu(st->uid));
	inode->i_gid = make_kgid(&init_user_ns, le32_to_cpu(st->gid));
	set_nlink(inode, clamp_t(u32, le32_to_cpu(st->nlink), 1, INT_MAX));
	i_size_write(inode, le64_to_cpu(st->size) & INT_MAX);
}

/* Asks whether the file still exists, of the same process and kind. */
static int refresh(struct inode *inode)
{
	struct pando_remote *r = inode->i_private;
	struct pando_wire_proc_stat st;
	unsigned long when = jiffies;
	struct pando_question q;
	int err;

	if (!is_pid(r) || !pando_bulk_stat(r->pid, &st, &when)) {
		pando_remote_about(&q, PANDO_MSG_PROC_STAT, r, NULL);
		err = ask_stat(&q, &st);
		if (err)
			return err;
	}
	if (le64_to_cpu(st.ino) != r->start ||
	    ((le32_to_cpu(st.mode) ^ inode->i_mode) & S_IFMT))
		return -ESRCH;
	set_attributes(inode, &st);
	WRITE_ONCE(r->checked, when);
	return 0;
}

static int remote_revalidate(struct dentry *dentry, unsigned int flags)
{
	struct inode *inode;
	struct pando_remote *r;
	int err;

	if (flags & LOOKUP_RCU)
		return -ECHILD;
	inode = d_inode(dentry);
	if (!inode)
		return 0;
	r = inode->i_private;
	if (!pando_proc_is_cluster(dentry->d_sb) ||
	    pando_proc_is_local(dentry->d_sb, r->pid))
		return 0;
	/* whose child it was may have waited for it a moment ago */
	if (!pando_locate_may_be_remote(r->pid))
		return 0;
	if (is_fresh(r))
		return 1;
	err = refresh(inode);
	if (err == -EINTR)
		return err;
	/* If it was the network, the lookup that follows will say so. */
	return !err;
}

/*
 * The directories of processes stay cached, to be asked about again; what is
 * below them goes with its last user, for it would only fill memory.
 */
static const struct dentry_operations remote_pid_dops = {
	.d_revalidate	= remote_revalidate,
};

static const struct dentry_operations remote_dops = {
	.d_revalidate	= remote_revalidate,
	.d_delete	= always_delete_dentry,
};

/**
 * pando_remote_may_see - the has_pid_permissions() of procfs for remote ones
 * @sb: one of ours, its mount options decide
 * @pid: of the process
 * @start: its start time, 0 for any
 * @min: the value of hidepid from which on the question matters
 *
 * Whether current may trace the process is for its own kernel to say: reading
 * a link of it needs exactly that permission.
 *
 * Return: 1, 0, or a negative errno when it could not be found out.
 */
int pando_remote_may_see(struct super_block *sb, u32 pid, u64 start,
			 enum proc_hidepid min)
{
	struct proc_fs_info *info = proc_sb_info(sb);
	char path[sizeof("4194303/cwd")];
	struct pando_question q = {
		.type = PANDO_MSG_PROC_READLINK,
		.path = path,
		.pid = pid,
		.start = start,
		.want = PATH_MAX,
		.cap = PATH_MAX,
	};
	int err;

	if (info->hide_pid != HIDEPID_NOT_PTRACEABLE) {
		if (info->hide_pid < min || in_group_p(info->pid_gid))
			return 1;
	}
	if (ns_capable_noaudit(&init_user_ns, CAP_SYS_PTRACE))
		return 1;

	q.reply = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!q.reply)
		return -ENOMEM;
	q.len = scnprintf(path, sizeof(path), "%u/cwd", pid);
	err = pando_remote_ask(&q);
	kfree(q.reply);
	switch (err) {
	case 0:
	case -ENOENT:	/* a zombie has none, but we were let through */
		return 1;
	case -EACCES:
	case -EPERM:
		return 0;
	}
	return err;
}

static int remote_pid_permission(struct user_namespace *mnt_userns,
				 struct inode *inode, int mask)
{
	struct proc_fs_info *info = proc_sb_info(inode->i_sb);
	struct pando_remote *r = inode->i_private;
	int see;

	if (info->hide_pid != HIDEPID_OFF) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		see = pando_remote_may_see(inode->i_sb, r->pid, r->start,
					   HIDEPID_NO_ACCESS);
		if (see < 0)
			return lookup_error(see);
		if (!see)
			return info->hide_pid == HIDEPID_INVISIBLE ?
			       -ENOENT : -EPERM;
	}
	return generic_permission(&init_user_ns, inode, mask);
}

static int remote_getattr(struct user_namespace *mnt_userns,
			  const struct path *path, struct kstat *stat,
			  u32 request_mask, unsigned int query_flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct pando_remote *r = inode->i_private;
	int err;

	if (!is_fresh(r)) {
		err = refresh(inode);
		if (err == -ESRCH) {
			/* held open beyond its process's end: as procfs has it */
			generic_fillattr(&init_user_ns, inode, stat);
			stat->uid = GLOBAL_ROOT_UID;
			stat->gid = GLOBAL_ROOT_GID;
			return 0;
		}
		if (err)
			return lookup_error(err);
	}
	if (proc_sb_info(inode->i_sb)->hide_pid >= HIDEPID_INVISIBLE) {
		err = pando_remote_may_see(inode->i_sb, r->pid, r->start,
					   HIDEPID_INVISIBLE);
		if (err <= 0)
			return err ? lookup_error(err) : -ENOENT;
	}
	generic_fillattr(&init_user_ns, inode, stat);
	return 0;
}

static int remote_setattr(struct user_namespace *mnt_userns,
			  struct dentry *dentry, struct iattr *attr)
{
	/* Truncation comes with every "echo >" and means nothing here. */
	if (attr->ia_valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		return -EPERM;
	return 0;
}

/* Links are text: where they lead is on another node. */
static const char *remote_get_link(struct dentry *dentry, struct inode *inode,
				   struct delayed_call *done)
{
	return ERR_PTR(-EREMOTE);
}

static int remote_readlink(struct dentry *dentry, char __user *buf, int buflen)
{
	struct pando_question q;
	int err;

	pando_remote_about(&q, PANDO_MSG_PROC_READLINK,
			   d_inode(dentry)->i_private, NULL);
	q.want = PATH_MAX;
	q.cap = PATH_MAX;
	q.reply = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!q.reply)
		return -ENOMEM;
	err = pando_remote_ask(&q);
	if (err) {
		err = lookup_error(err);
		goto out;
	}
	err = min_t(int, q.got, buflen);
	if (copy_to_user(buf, q.reply, err))
		err = -EFAULT;
out:
	kfree(q.reply);
	return err;
}

static struct dentry *remote_lookup(struct inode *dir, struct dentry *dentry,
				    unsigned int flags);

static const struct inode_operations remote_pid_iops = {
	.lookup		= remote_lookup,
	.getattr	= remote_getattr,
	.setattr	= remote_setattr,
	.permission	= remote_pid_permission,
};

static const struct inode_operations remote_dir_iops = {
	.lookup		= remote_lookup,
	.getattr	= remote_getattr,
	.setattr	= remote_setattr,
};

static const struct inode_operations remote_file_iops = {
	.getattr	= remote_getattr,
	.setattr	= remote_setattr,
};

static const struct inode_operations remote_link_iops = {
	.get_link	= remote_get_link,
	.readlink	= remote_readlink,
	.getattr	= remote_getattr,
	.setattr	= remote_setattr,
};

/**
 * pando_remote_is_ours - does this inode stand for a remote file?
 * @inode: of one of our superblocks
 */
bool pando_remote_is_ours(const struct inode *inode)
{
	return inode->i_op == &remote_pid_iops ||
	       inode->i_op == &remote_dir_iops ||
	       inode->i_op == &remote_file_iops ||
	       inode->i_op == &remote_link_iops;
}

/**
 * pando_remote_free - the inode is being evicted
 * @private: its i_private
 */
void pando_remote_free(void *private)
{
	struct pando_remote *r = private;

	kfree_rcu(r, rcu);
}

/*
 * Makes the dentry's inode from the answer to STAT, which is of the time @when;
 * takes @r over.
 */
static struct dentry *instantiate(struct dentry *dentry, struct pando_remote *r,
				  const struct pando_wire_proc_stat *st,
				  unsigned long when)
{
	struct inode *inode;

	inode = new_inode(dentry->d_sb);
	if (!inode) {
		kfree(r);
		return ERR_PTR(-ENOMEM);
	}
	r->start = le64_to_cpu(st->ino);
	r->checked = when;
	inode->i_private = r;
	inode->i_ino = pando_remote_hash_ino(pando_remote_hash(r->path,
							       r->len));
	inode->i_mtime = current_time(inode);
	inode->i_atime = inode->i_mtime;
	inode->i_ctime = inode->i_mtime;
	set_attributes(inode, st);

	switch (inode->i_mode & S_IFMT) {
	case S_IFDIR:
		inode->i_op = is_pid(r) ? &remote_pid_iops : &remote_dir_iops;
		inode->i_fop = &pando_remote_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &remote_link_iops;
		break;
	default:
		inode->i_op = &remote_file_iops;
		inode->i_fop = &pando_remote_fops;
	}
	d_set_d_op(dentry, is_pid(r) ? &remote_pid_dops : &remote_dops);
	return d_splice_alias(inode, dentry);
}

/* Asks about a path that was checked and hangs the answer at @dentry. */
static struct dentry *lookup_path(struct dentry *dentry, struct pando_remote *r,
				  bool *here)
{
	unsigned long when = jiffies;
	struct pando_wire_proc_stat st;
	struct pando_question q;
	int err = 0;

	*here = false;
	if (!is_pid(r) || !pando_bulk_stat(r->pid, &st, &when)) {
		pando_remote_about(&q, PANDO_MSG_PROC_STAT, r, NULL);
		err = ask_stat(&q, &st);
		*here = q.here;
	}
	if (!err && r->start && le64_to_cpu(st.ino) != r->start)
		err = -ESRCH;
	if (!err && is_pid(r) && !S_ISDIR(le32_to_cpu(st.mode)))
		err = -EIO;
	if (err) {
		kfree(r);
		return ERR_PTR(lookup_error(err));
	}
	return instantiate(dentry, r, &st, when);
}

static struct pando_remote *make_remote(u32 pid, size_t len)
{
	struct pando_remote *r = kzalloc(struct_size(r, path, len + 1),
				   GFP_KERNEL_ACCOUNT);

	if (r) {
		r->pid = pid;
		r->len = len;
	}
	return r;
}

static struct dentry *remote_lookup(struct inode *dir, struct dentry *dentry,
				    unsigned int flags)
{
	const struct pando_remote *up = dir->i_private;
	size_t len = up->len + 1 + dentry->d_name.len;
	struct pando_remote *r;
	umode_t mode;
	bool here;

	if (len > PANDO_PROC_PATH_MAX)
		return ERR_PTR(-ENOENT);
	r = make_remote(up->pid, len);
	if (!r)
		return ERR_PTR(-ENOMEM);
	memcpy(r->path, up->path, up->len);
	r->path[up->len] = '/';
	memcpy(r->path + up->len + 1, dentry->d_name.name, dentry->d_name.len);
	r->start = up->start;
	if (pando_proc_path_check(r->path, r->len, NULL)) {
		kfree(r);
		return ERR_PTR(-ENOENT);
	}

	/*
	 * What ps and top read of every process is always there and readable
	 * by all, so its lookup needs no question of its own when the process
	 * was asked about a moment ago: that halves the questions of a ps.
	 * What has come along with the process needs none either. Whoever
	 * wants the owner (getattr) asks then.
	 */
	mode = pando_bulk_mode(r);
	if (!mode && is_fresh(up) &&
	    pando_proc_path_is_common(r->path, r->len))
		mode = S_IFREG | 0444;
	if (mode) {
		struct pando_wire_proc_stat st = {
			.mode = cpu_to_le32(mode),
			.uid = cpu_to_le32(from_kuid(&init_user_ns,
						     dir->i_uid)),
			.gid = cpu_to_le32(from_kgid(&init_user_ns,
						     dir->i_gid)),
			.nlink = cpu_to_le32(1),
			.ino = cpu_to_le64(up->start),
		};

		/* a guess, good for an open() and nothing else */
		return instantiate(dentry, r, &st, jiffies -
				   msecs_to_jiffies(PANDO_PROC_FRESH_MS) - 1);
	}
	return lookup_path(dentry, r, &here);
}

/**
 * pando_remote_lookup_pid - /proc/PID of a process that may run elsewhere
 * @dir: the root directory of one of our superblocks
 * @dentry: being looked up
 * @pid: the number that its name is
 * @here: set true when the process is not remote after all
 *
 * Return: as the lookup operation of a directory.
 */
struct dentry *pando_remote_lookup_pid(struct inode *dir,
				       struct dentry *dentry, u32 pid,
				       bool *here)
{
	struct super_block *sb = dir->i_sb;
	struct pando_remote *r;
	char name[12];
	int len, see;

	*here = false;
	if (proc_sb_info(sb)->hide_pid == HIDEPID_NOT_PTRACEABLE) {
		see = pando_remote_may_see(sb, pid, 0, HIDEPID_NO_ACCESS);
		if (see <= 0)
			return ERR_PTR(see ? lookup_error(see) : -ENOENT);
	}
	len = scnprintf(name, sizeof(name), "%u", pid);
	r = make_remote(pid, len);
	if (!r)
		return ERR_PTR(-ENOMEM);
	memcpy(r->path, name, len);
	return lookup_path(dentry, r, here);
}
