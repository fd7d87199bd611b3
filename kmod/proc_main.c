// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system type pando_proc: procfs itself, under our own name. A mount
 * of it is made by procfs, and everything local in it is native; then its root
 * directory gets operations of ours, around those of procfs, that add the
 * processes of the other members. Ordinary mounts of
 * proc are not touched, nor are those of ours in other PID namespaces than
 * the cluster's.
 */
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "locate.h"
#include "node.h"
#include "ns.h"
#include "proc.h"
#include "rpc.h"

/*
 * Positions in procfs's root: 256 entries without processes, self,
 * thread-self, then each process at its number; LIST_END is where procfs
 * stops, and one behind it is where we do.
 */
#define LIST_PIDS	(256 + 2)
#define LIST_END	(PID_MAX_LIMIT + LIST_PIDS)

static struct file_system_type *proc_type;

/* What procfs uses, and copies with our functions in them. */
static const struct fs_context_operations *proc_context_ops;
static const struct inode_operations *proc_root_iops;
static const struct file_operations *proc_root_fops;
static const struct super_operations *proc_super_ops;
static struct fs_context_operations context_ops;
static struct super_operations super_ops;

/**
 * pando_proc_is_cluster - does this superblock show the cluster?
 * @sb: one of ours
 */
bool pando_proc_is_cluster(struct super_block *sb)
{
	struct pid_namespace *ns = pando_ns();

	return ns && proc_sb_info(sb)->pid_ns == ns;
}

/*
 * Has the number a task here that is not the process: a stub, one about to
 * arrive, one that has left? Who moves processes, and who is being restored,
 * sees what is here; everybody else sees the process.
 */
static bool is_hidden(u32 nr)
{
	return !pando_locate_is_settled(nr) && !pando_ns_is_local(current) &&
	       pando_locate_is_settled(task_tgid_nr_ns(current, pando_ns()));
}

/**
 * pando_proc_is_local - is the process of that number to be shown from here?
 * @sb: one of ours
 * @nr: the number
 *
 * One that is being restored here counts for who restores it, and not the
 * original, which is still alive elsewhere.
 */
bool pando_proc_is_local(struct super_block *sb, u32 nr)
{
	struct pid *pid;
	bool found;

	rcu_read_lock();
	pid = find_pid_ns(nr, proc_sb_info(sb)->pid_ns);
	found = pid && pid_task(pid, PIDTYPE_PID);
	rcu_read_unlock();
	return found && !is_hidden(nr);
}

static struct dentry *root_lookup(struct inode *dir, struct dentry *dentry,
				  unsigned int flags)
{
	struct dentry *native, *remote;
	u32 pid = 0;
	bool here;

	if (!pando_proc_is_cluster(dir->i_sb) ||
	    pando_proc_name_to_pid(dentry->d_name.name, dentry->d_name.len,
				   &pid))
		return proc_root_iops->lookup(dir, dentry, flags);
	if (!is_hidden(pid)) {
		native = proc_root_iops->lookup(dir, dentry, flags);
		/* not for everybody's eyes: not kept */
		if (!IS_ERR(native) && !pando_locate_is_settled(pid))
			d_drop(native ?: dentry);
		if (native != ERR_PTR(-ENOENT))
			return native;
	}
	if (!pando_locate_may_be_remote(pid))
		return ERR_PTR(-ENOENT);

	remote = pando_remote_lookup_pid(dir, dentry, pid, &here);
	if (here)	/* it arrived while we asked */
		return proc_root_iops->lookup(dir, dentry, flags);
	return remote;
}

static int root_getattr(struct user_namespace *mnt_userns,
			const struct path *path, struct kstat *stat,
			u32 request_mask, unsigned int query_flags)
{
	return proc_root_iops->getattr(mnt_userns, path, stat, request_mask,
				       query_flags);
}

/*
 * An open root directory: the remote processes as they were when its reading
 * began, in numeric order. One open file's reads exclude each other by the
 * mutex, because what is read can be replaced by a rewind.
 */
struct root_list {
	struct mutex lock;	/* everything below */
	u32 *pid;
	size_t count;
	size_t room;
	bool valid;
};

static int root_open(struct inode *inode, struct file *file)
{
	struct root_list *list;

	list = kzalloc(sizeof(*list), GFP_KERNEL_ACCOUNT);
	if (!list)
		return -ENOMEM;
	mutex_init(&list->lock);
	file->private_data = list;
	return 0;
}

static int root_release(struct inode *inode, struct file *file)
{
	struct root_list *list = file->private_data;

	mutex_destroy(&list->lock);
	kvfree(list->pid);
	kfree(list);
	return 0;
}

static int list_add_page(struct root_list *list, const __le32 *pid, u32 count)
{
	size_t room;
	u32 *new, i;

	if (count > PANDO_PID_MAX - min_t(size_t, list->count, PANDO_PID_MAX))
		return -EOVERFLOW;
	if (list->count + count > list->room) {
		room = max(list->count + count, 2 * list->room);
		new = kvrealloc(list->pid, list->room * sizeof(*new),
				room * sizeof(*new), GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
		list->pid = new;
		list->room = room;
	}
	for (i = 0; i < count; i++)
		list->pid[list->count++] = le32_to_cpu(pid[i]);
	return 0;
}

/* All processes of one node: one exchange, unless it has very many. */
static int list_node(struct root_list *list, u16 node,
		     struct pando_wire_proc_list_reply *reply)
{
	struct pando_wire_proc_list ask = {};
	struct kvec vec = { &ask, sizeof(ask) };
	u32 from = PANDO_LOCAL_PIDS, count, next, i, pid;
	size_t got;
	int err;

	do {
		ask.from = cpu_to_le32(from);
		err = pando_rpc_call(node, PANDO_MSG_PROC_LIST, &vec, 1,
				     reply, PANDO_WIRE_PAYLOAD, &got);
		if (err)
			return err;
		if (got < sizeof(*reply) || got > PANDO_WIRE_PAYLOAD)
			return -EPROTO;
		count = le32_to_cpu(reply->count);
		next = le32_to_cpu(reply->next);
		if (count > (got - sizeof(*reply)) / sizeof(reply->pid[0]))
			return -EPROTO;
		for (i = 0; i < count; i++) {
			pid = le32_to_cpu(reply->pid[i]);
			if (pid < from || pid >= PANDO_PID_MAX)
				return -EPROTO;
			from = pid + 1;
		}
		err = list_add_page(list, reply->pid, count);
		if (err)
			return err;
		/* Forward only, or a node could keep us here for ever. */
		if (next && (next < from || !count))
			return -EPROTO;
		from = next;
	} while (from);
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* Asks every other member; who does not answer is left out. */
static int list_gather(struct root_list *list)
{
	struct pando_wire_proc_list_reply *reply;
	size_t i, n, before;
	int nodes, err = 0;
	u16 *ids;

	list->count = 0;
	list->valid = true;
	ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*ids), GFP_KERNEL);
	if (!ids)
		return -ENOMEM;
	nodes = min(pando_nodes_others(ids, PANDO_NODE_MAX), PANDO_NODE_MAX);
	if (nodes <= 0)
		goto out_ids;

	reply = kvmalloc(PANDO_WIRE_PAYLOAD, GFP_KERNEL);
	if (!reply) {
		err = -ENOMEM;
		goto out_ids;
	}
	for (i = 0; i < nodes; i++) {
		before = list->count;
		err = list_node(list, ids[i], reply);
		if (err == -EINTR || err == -ENOMEM)
			goto out_reply;
		if (err)	/* all of a node or nothing */
			list->count = before;
		err = 0;
	}
	if (!list->count)
		goto out_reply;

	sort(list->pid, list->count, sizeof(*list->pid), compare_pids, NULL);
	/* One that moved while we asked may have been seen twice. */
	for (i = 1, n = 1; i < list->count; i++)
		if (list->pid[i] != list->pid[n - 1])
			list->pid[n++] = list->pid[i];
	list->count = n;

out_reply:
	kvfree(reply);
out_ids:
	kfree(ids);
	if (err)
		list->valid = false;
	return err;
}

/**
 * struct root_walk - procfs's listing with ours merged in
 * @ctx: given to procfs instead of @up
 * @up: the caller's
 * @sb: whose root is read
 * @list: remote processes
 * @at: index of the next of them
 * @err: to return
 * @stop: @up is full, or @err
 */
struct root_walk {
	struct dir_context ctx;
	struct dir_context *up;
	struct super_block *sb;
	const struct root_list *list;
	size_t at;
	int err;
	bool stop;
};

/* Emits the remote processes below @limit; false when the walk must stop. */
static bool emit_remotes(struct root_walk *w, u32 limit)
{
	char name[12];
	u32 pid, ino;
	int n;

	for (; w->at < w->list->count; w->at++) {
		pid = w->list->pid[w->at];
		if (pid >= limit)
			break;
		w->up->pos = pid + LIST_PIDS;
		w->err = pando_remote_may_see(w->sb, pid, 0,
					      HIDEPID_INVISIBLE);
		if (w->err == -EINTR)
			goto stop;
		if (w->err <= 0) {
			w->err = 0;
			continue;
		}
		w->err = 0;
		n = scnprintf(name, sizeof(name), "%u", pid);
		ino = pando_remote_hash_ino(pando_remote_hash(name, n));
		if (!dir_emit(w->up, name, n, ino, DT_DIR))
			goto stop;
	}
	return true;
stop:
	w->ctx.pos = w->up->pos;
	w->stop = true;
	return false;
}

/*
 * procfs makes an entry of each task that it lists, for a mover too. Of a stub that must not
 * be what the next lookup finds.
 */
static void drop_native(struct super_block *sb, const char *name, int len)
{
	struct qstr q = QSTR_INIT(name, len);
	struct dentry *dentry = d_hash_and_lookup(sb->s_root, &q);

	if (IS_ERR_OR_NULL(dentry))
		return;
	if (d_really_is_positive(dentry) && !pando_remote_is_ours(d_inode(dentry)))
		d_invalidate(dentry);
	dput(dentry);
}

static bool root_actor(struct dir_context *ctx, const char *name, int namelen,
		       loff_t offset, u64 ino, unsigned int type)
{
	struct root_walk *w = container_of(ctx, struct root_walk, ctx);

	if (ctx->pos >= LIST_PIDS) {
		u32 pid = ctx->pos - LIST_PIDS;

		if (!emit_remotes(w, pid))
			return false;
		if (!pando_locate_is_settled(pid))
			drop_native(w->sb, name, namelen);
		/* What runs here is shown from here. */
		if (w->at < w->list->count && w->list->pid[w->at] == pid)
			w->at++;
	}
	w->up->pos = ctx->pos;
	if (w->up->actor(w->up, name, namelen, offset, ino, type))
		return true;
	w->stop = true;
	return false;
}

static int root_iterate(struct file *file, struct dir_context *ctx)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct root_list *list = file->private_data;
	struct root_walk w = {
		.ctx.actor = root_actor,
		.ctx.pos = ctx->pos,
		.up = ctx,
		.sb = sb,
		.list = list,
	};
	int err;

	if (!pando_proc_is_cluster(sb))
		return proc_root_fops->iterate_shared(file, ctx);
	if (ctx->pos > LIST_END)
		return 0;
	if (mutex_lock_killable(&list->lock))
		return -EINTR;

	if (!ctx->pos || !list->valid) {
		err = list_gather(list);
		if (err)
			goto out;
	}
	if (ctx->pos >= LIST_PIDS)
		while (w.at < list->count &&
		       list->pid[w.at] < ctx->pos - LIST_PIDS)
			w.at++;

	err = proc_root_fops->iterate_shared(file, &w.ctx);
	if (err >= 0 && !w.stop && w.ctx.pos >= LIST_END &&
	    emit_remotes(&w, PANDO_PID_MAX))
		w.ctx.pos = LIST_END + 1;
	ctx->pos = w.ctx.pos;
	if (w.err)
		err = w.err;
out:
	mutex_unlock(&list->lock);
	return err;
}

static const struct inode_operations root_iops = {
	.lookup		= root_lookup,
	.getattr	= root_getattr,
};

static const struct file_operations root_fops = {
	.owner		= THIS_MODULE,
	.open		= root_open,
	.release	= root_release,
	.read		= generic_read_dir,
	.iterate_shared	= root_iterate,
	.llseek		= generic_file_llseek,
};

/* Remote inodes own what i_private points to; procfs would leave it behind. */
static void evict_inode(struct inode *inode)
{
	if (pando_remote_is_ours(inode)) {
		void *private = inode->i_private;

		inode->i_private = NULL;
		pando_remote_free(private);
	}
	proc_super_ops->evict_inode(inode);
}

/*
 * The superblock is new and nobody sees it yet: the VFS hands it out only when
 * we return.
 */
static int get_tree(struct fs_context *fc)
{
	struct inode *root;
	int err;

	err = proc_context_ops->get_tree(fc);
	if (err)
		return err;
	root = d_inode(fc->root);
	root->i_op = &root_iops;
	root->i_fop = &root_fops;
	fc->root->d_sb->s_op = &super_ops;
	return 0;
}

static int init_fs_context(struct fs_context *fc)
{
	int err;

	err = proc_type->init_fs_context(fc);
	if (err)
		return err;
	fc->ops = &context_ops;
	return 0;
}

static struct file_system_type pando_proc_type = {
	.owner		= THIS_MODULE,
	.name		= "pando_proc",
	.init_fs_context = init_fs_context,
};
MODULE_ALIAS_FS("pando_proc");

/* Looks at a mount of procfs, made for this and dropped again. */
static int learn_procfs(void)
{
	struct fs_context *fc;
	struct vfsmount *mnt;
	struct inode *root;

	proc_type = get_fs_type("proc");
	if (!proc_type)
		return -ENODEV;
	fc = fs_context_for_mount(proc_type, SB_KERNMOUNT);
	if (IS_ERR(fc))
		return PTR_ERR(fc);
	mnt = fc_mount(fc);
	if (IS_ERR(mnt)) {
		put_fs_context(fc);
		return PTR_ERR(mnt);
	}

	proc_context_ops = fc->ops;
	root = d_inode(mnt->mnt_root);
	proc_root_iops = root->i_op;
	proc_root_fops = root->i_fop;
	proc_super_ops = mnt->mnt_sb->s_op;
	put_fs_context(fc);
	mntput(mnt);

	/* All that the root can do, and private_data of it open is free. */
	if (!proc_root_iops->lookup || !proc_root_iops->getattr ||
	    proc_root_iops->permission || proc_root_iops->setattr ||
	    !proc_root_fops->iterate_shared ||
	    proc_root_fops->open || proc_root_fops->release ||
	    !proc_super_ops->evict_inode || !proc_context_ops->get_tree)
		return -EOPNOTSUPP;

	context_ops = *proc_context_ops;
	context_ops.get_tree = get_tree;
	super_ops = *proc_super_ops;
	super_ops.evict_inode = evict_inode;
	pando_proc_type.parameters = proc_type->parameters;
	pando_proc_type.fs_flags = proc_type->fs_flags;
	pando_proc_type.kill_sb = proc_type->kill_sb;
	return 0;
}

static void flush_pid(struct super_block *sb, void *arg)
{
	u32 *pid = arg;
	char buf[12];
	struct qstr name = { .name = buf };
	struct dentry *dentry;

	name.len = scnprintf(buf, sizeof(buf), "%u", *pid);
	dentry = d_hash_and_lookup(sb->s_root, &name);
	if (IS_ERR_OR_NULL(dentry))
		return;
	d_invalidate(dentry);
	dput(dentry);
}

/*
 * A PID changed its node. What the dentry cache holds under that name, local
 * or remote, is of the past, and a native one would not know.
 */
static int pid_moved(struct notifier_block *nb, unsigned long action,
		     void *data)
{
	u32 pid = action;

	pando_bulk_forget();
	iterate_supers_type(&pando_proc_type, flush_pid, &pid);
	return NOTIFY_OK;
}

static struct notifier_block pid_moved_nb = {
	.notifier_call = pid_moved,
};

static int __init pando_proc_init(void)
{
	int err;

	err = learn_procfs();
	if (err) {
		pr_err("pando_proc: this kernel's procfs is not as expected (%d)\n",
		       err);
		return err;
	}
	err = pando_proc_serve_init();
	if (err)
		return err;
	err = register_filesystem(&pando_proc_type);
	if (err)
		goto out_serve;
	err = pando_locate_chain_register(&pid_moved_nb);
	if (err)
		goto out_type;
	return 0;

out_type:
	unregister_filesystem(&pando_proc_type);
out_serve:
	pando_proc_serve_exit();
	return err;
}

static void __exit pando_proc_exit(void)
{
	pando_locate_chain_unregister(&pid_moved_nb);
	unregister_filesystem(&pando_proc_type);
	pando_bulk_exit();
	pando_proc_serve_exit();
}

module_init(pando_proc_init);
module_exit(pando_proc_exit);
MODULE_DESCRIPTION("Pando: the cluster's processes in /proc");
MODULE_AUTHOR("The Pando authors");
MODULE_LICENSE("GPL");
