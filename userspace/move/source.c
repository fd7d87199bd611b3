// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source's side of a move: look at the tree, let criu freeze and describe
 * it, hand its pages out while it is frozen, and end it or let it go on.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "criu.h"
#include "group.h"
#include "hold.h"
#include "images.h"
#include "kept.h"
#include "kin.h"
#include "offers.h"
#include "pages.h"
#include "peer.h"
#include "ports.h"
#include "precopy.h"
#include "sched.h"
#include "segments.h"
#include "terminal.h"
#include "tree.h"

#define REPORT_MS	200

struct source {
	struct move *m;
	struct tree tree;		/* as it was found, then as it is frozen */
	struct tree before;		/* to know who was stopped already */
	struct criu criu;
	struct kin kin;
	struct offers offers;
	struct fabric *fabric;		/* the one in use */
	struct page_server server;
	struct precopy precopy;
	struct segments segments;
	struct group group;
	struct tree_terminal its;
	struct terminal terminal;
	int hold;			/* of signals to the tree */
	int64_t frozen_ns;
	int64_t reported_ms;
	bool frozen, dumped;
	int *mem;			/* post-copy: of each task its memory */
	struct kept *kept;		/* of those that are stubs, which end at once */
};

/* --- what stands before the freeze ------------------------------------------*/

static int look(struct source *s)
{
	struct move *m = s->m;
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	struct words why = { 0 };
	pid_t root = m->start->root;
	int err = 0;

	if (root <= 1 || root == getpid())
		return move_fail(m, "process %d cannot be moved", root);
	if (tree_collect(&s->tree, root))
		return move_fail(m, "no process %d runs on this node", root);
	kin_mark(&s->tree);
	if (s->tree.task[0].stub)
		return move_fail(m, "process %d does not run on this node any more",
				 root);
	tree_blockers(&s->tree, &why);
	segments_look_again(&s->segments, root, &why);
	terminal_look(m, &s->tree, &s->its, &why);
	if (m->start->check_only || why.n) {
		ev.n_blockers = why.n;
		ev.blockers = why.v;
		report(m, "blockers", &ev);
	}
	if (why.n > 1)
		err = move_fail(m, "%s (and %zu more)", why.v[0], why.n - 1);
	else if (why.n)
		err = move_fail(m, "%s", why.v[0]);
	words_free(&why);
	return m->start->check_only ? 0 : err;
}

#define RELATIVES	16	/* whose clocks are looked at */

static int send_plan(struct source *s)
{
	struct move *m = s->m;
	Pando__MovePrepare plan = PANDO__MOVE_PREPARE__INIT;
	struct tree_files files;
	Pando__FileNeed *need, **needs;
	struct utsname un;
	uint32_t relatives[RELATIVES];
	char offers[128] = "";
	size_t len;
	uint8_t *buf;
	int err;

	offers_text(&s->offers, offers, sizeof(offers));
	tree_files(&s->tree, &files);
	need = xcalloc(files.n, sizeof(*need));
	needs = xcalloc(files.n, sizeof(*needs));
	for (size_t i = 0; i < files.n; i++) {
		pando__file_need__init(&need[i]);
		need[i].path = files.v[i].path;
		need[i].size = files.v[i].size;
		need[i].mtime_ns = files.v[i].mtime_ns;
		need[i].mode = files.v[i].mode;
		needs[i] = &need[i];
	}
	uname(&un);
	plan.move = m->start->move;
	plan.root = m->start->root;
	plan.fabric = offers;
	plan.pids = tree_pids(&s->tree, &plan.n_pids);
	plan.memory_kib = s->tree.memory_kib;
	plan.files = needs;
	plan.n_files = files.n;
	plan.kernel = un.release;
	plan.clock_ns = clock_ahead(m->start->root);
	plan.version = PEER_VERSION;
	plan.relatives = relatives;
	relatives[plan.n_relatives++] = s->tree.task[0].ppid;
	for (size_t i = 0; i < s->tree.n && plan.n_relatives < RELATIVES; i++)
		if (s->tree.task[i].stub)
			relatives[plan.n_relatives++] = s->tree.task[i].pid;
	len = pando__move_prepare__get_packed_size(&plan);
	buf = xcalloc(1, len);
	pando__move_prepare__pack(&plan, buf);
	err = peer_send(m, PEER_PLAN, buf, len);
	free(buf);
	free(plan.pids);
	free(need);
	free(needs);
	tree_files_free(&files);
	return err;
}

/* --- pages --------------------------------------------------------------------*/

/* After the commit a number may lead to the stub that has taken its place. */
static int read_held(struct source *s, pid_t pid, uint64_t addr, size_t len,
		     uint8_t *dst)
{
	const struct task *k = tree_find(&s->tree, pid);
	ssize_t n = 0;

	if (k && k->stub)
		return kept_read(&s->kept[k - s->tree.task], addr, len, dst);
	for (size_t off = 0; k && off < len; off += n) {
		n = pread(s->mem[k - s->tree.task], dst + off, len - off,
			  addr + off);
		if (n <= 0)
			return n ? -errno : -EFAULT;
	}
	return k ? 0 : -EPROTO;
}

static int read_pages(void *arg, pid_t pid, uint64_t addr, unsigned int n,
		      uint8_t *dst, uint64_t *missing)
{
	struct source *s = arg;
	size_t len = (size_t)n * PAGE;
	struct iovec to = { dst, len }, from = { (void *)addr, len };
	int err;

	if (!pid) {
		err = precopy_read(&s->precopy, addr, n, dst, missing);
		return err ? move_fail(s->m, "memory of it cannot be read: %s",
				       strerror(-err)) : 0;
	}
	if (s->mem)
		return read_held(s, pid, addr, len, dst);
	/* of the tree that moves, and of nobody else */
	if (!tree_find(&s->tree, pid))
		return -EPROTO;
	if (process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)len)
		return 0;
	err = read_forced(pid, addr, n, dst);
	if (err)
		move_fail(s->m, "memory of %d cannot be read at %#llx: %s", pid,
			  (unsigned long long)addr, strerror(-err));
	return err;
}

/*
 * The kernel's own SIGKILL reaches a frozen task too, and so does anybody's
 * before signals are held. It must not live on elsewhere then: seen before the
 * decision, the move is off.
 */
static int all_alive(struct source *s)
{
	for (size_t i = 0; i < s->tree.n; i++) {
		const struct task *k = &s->tree.task[i];
		struct pollfd p = { k->pidfd, POLLIN, 0 };

		if (k->state != 'Z' && k->pidfd >= 0 && poll(&p, 1, 0) > 0)
			return move_fail(s->m, "%d (%s) was killed during the move",
					 k->pid, k->comm);
	}
	return 0;
}

static int serve_fabric(struct source *s)
{
	struct fabric_event ev;
	int err;

	for (;;) {
		err = s->fabric->ops->poll(s->fabric, &ev);
		if (err)
			return move_fail(s->m, "%s fabric: %s",
					 s->fabric->ops->name,
					 s->fabric->error);
		if (ev.type == FABRIC_NONE)
			return 0;
		/* the target lets go when it has all; the peer is its life */
		if (ev.type == FABRIC_CLOSED) {
			fabric_free(s->fabric);
			s->fabric = NULL;
			return 0;
		}
		if (ev.type != FABRIC_MESSAGE)
			continue;
		err = page_server_message(&s->server, ev.msg, ev.len);
		if (err)
			return move_fail(s->m, "the target asks for pages in a way that makes no sense (%s)",
					 s->fabric->error[0] ?
					 s->fabric->error : strerror(-err));
		if (s->m->reason[0])
			return -ECANCELED;
	}
}

/* --- the frozen part ------------------------------------------------------------*/

static int all_frozen(struct source *s)
{
	struct move *m = s->m;
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	int err;

	/* now that nothing moves: exactly who is in it */
	tree_free(&s->tree);
	if (tree_collect(&s->tree, m->start->root))
		return move_fail(m, "process %u ended", m->start->root);
	kin_mark(&s->tree);
	err = tree_hold(&s->tree);
	if (err)
		return move_fail(m, "cannot hold on to the tasks: %s",
				 strerror(-err));
	s->frozen = true;
	/* mostly they are in it: a child that came meanwhile */
	err = group_enter(m, &s->group, &s->tree);
	if (err)
		return err;
	group_part(&s->group, &s->tree);
	err = move_fault(m, FAULT_S_FROZEN);
	if (err)
		return err;
	err = precopy_last(&s->precopy, &s->tree);
	if (err)
		return err;
	report_mark(m, "look");
	ev.pids = tree_pids(&s->tree, &ev.n_pids);
	ev.memory_kib = s->tree.memory_kib;
	report(m, "frozen", &ev);
	free(ev.pids);
	return 0;
}

static int criu_spoke(struct source *s)
{
	struct move *m = s->m;
	struct criu_event ev;
	char why[MOVE_REASON - 64];
	int err = criu_event(&s->criu, &ev);

	if (err)
		return move_fail(m, "criu talks garbage");
	if (ev.type == CRIU_NOTHING)
		return 0;
	if (ev.type != CRIU_ASKS) {
		criu_reason(m, "dump.log", why, sizeof(why));
		return move_fail(m, "criu cannot describe the process: %s", why);
	}
	if (!strcmp(ev.script, "post-dump")) {
		report_mark(m, "describe");
		s->dumped = true;	/* and it waits for an answer */
		return 0;
	}
	if (!strcmp(ev.script, "pre-dump")) {
		s->frozen_ns = now_ns();
		report_mark(m, "wait");
	}
	if (criu_answer(&s->criu, true))
		return move_fail(m, "criu went away");
	return 0;
}

static void report_progress(struct source *s)
{
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;

	if (now_ms() - s->reported_ms < REPORT_MS)
		return;
	s->reported_ms = now_ms();
	ev.bytes = s->server.bytes;
	ev.pages = s->server.pages;
	ev.total = s->tree.memory_kib * 1024;
	report(s->m, "memory", &ev);
}

/* Waits a while and does what has come up. */
static int pump(void *arg)
{
	struct source *s = arg;
	struct move *m = s->m;
	struct pollfd p[4] = {
		{ m->daemon, POLLIN, 0 },
		{ m->peer, POLLIN, 0 },
		/* it has done its part: they stay as they are without it */
		{ m->ready ? -1 : s->criu.sock, POLLIN, 0 },
		{ s->fabric ? s->fabric->fd : -1, POLLIN, 0 },
	};
	int err = 0;

	poll(p, 4, peer_tick_ms(m));
	if (p[0].revents)
		report_listen(m);
	if (p[2].revents)
		err = criu_spoke(s);
	if (!err && s->frozen && m->verdict == VERDICT_NONE)
		err = all_alive(s);
	if (!err && p[3].revents)
		err = serve_fabric(s);
	if (err)
		return err;
	if (m->peer >= 0)
		err = p[1].revents ? peer_hear(m) : peer_tick(m);
	if (err && m->ready) {
		/* its node may be gone, or just the wire: the cluster knows */
		close(m->peer);
		m->peer = -1;
		err = 0;
	}
	return err;
}

/* Until *@flag. A word of the daemon or of the other side ends it. */
static int pump_until(struct source *s, const bool *flag)
{
	struct move *m = s->m;

	while (!*flag) {
		int err = pump(s);

		if (err)
			return err;
		if (m->verdict != VERDICT_NONE)
			return -ECANCELED;
		if (!s->dumped && now_ms() > s->criu.deadline_ms)
			return move_fail(m, "criu did not finish in time");
		if (s->dumped && s->server.pages)
			report_progress(s);
	}
	return 0;
}

static int send_kin(struct source *s)
{
	struct move *m = s->m;
	uint8_t *data;
	size_t len;
	int err = kin_collect(m, &s->kin, &s->tree);

	if (!err)
		err = kin_nest(m, &s->kin);
	if (err)
		return err;
	data = kin_pack(&s->kin, &len);
	err = peer_send(m, PEER_KIN, data, len);
	free(data);
	return err;
}

static int send_state(struct source *s)
{
	struct move *m = s->m;
	struct peer_state *st;
	uint64_t bytes = 0;
	uint32_t *pids, *out;
	size_t n;
	int images, err = sched_save(m, &s->tree);

	if (err)
		return err;
	peer_cork(m, true);
	images = images_send(m, &bytes);
	if (images < 0)
		return images;
	pids = tree_pids(&s->tree, &n);
	st = xcalloc(1, sizeof(*st) + n * sizeof(*pids));
	st->frozen_ns = htole64(s->frozen_ns);
	st->clock_ns = htole64(now_ns() + clock_ahead(m->start->root));
	st->images = htole32(images);
	st->tasks = htole32(n);
	out = (uint32_t *)(st + 1);
	for (size_t i = 0; i < n; i++)
		out[i] = htole32(pids[i]);
	err = peer_send(m, PEER_STATE, st, sizeof(*st) + n * sizeof(*pids));
	peer_cork(m, false);
	free(st);
	free(pids);
	report_phase(m, "state");
	return err;
}

/* --- the two ends ----------------------------------------------------------------*/

static void hold_memory(struct source *s)
{
	char path[64];

	s->mem = xcalloc(s->tree.n, sizeof(*s->mem));
	s->kept = xcalloc(s->tree.n, sizeof(*s->kept));
	for (size_t i = 0; i < s->tree.n; i++) {
		const struct task *k = &s->tree.task[i];

		snprintf(path, sizeof(path), "/proc/%d/mem", k->pid);
		s->mem[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (k->stub && kept_take(&s->kept[i], k->pid))
			fprintf(stderr, "pando-move: move %016llx: the memory of the stub of %d cannot be read\n",
				(unsigned long long)s->m->start->move, k->pid);
	}
}

static int commit(struct source *s)
{
	struct move *m = s->m;
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	int64_t deadline = now_ms() + m->timeout_ms;
	size_t left;

	fault_at(FAULT_S_COMMITTED);
	if (m->peer >= 0)
		peer_send(m, PEER_COMMITTED, NULL, 0);
	/* it is there now, with its key: nobody is to find it here */
	segments_gone(&s->segments, m);
	ports_yield(&s->tree);
	/*
	 * They are stopped under criu: what they get first is their end. Threads
	 * of a traced process are gone only when their tracer is.
	 */
	if (s->precopy.lazy)
		hold_memory(s);
	kin_park(m, &s->kin, &s->tree, s->precopy.lazy);
	/* it runs there without its memory: serve until it has all of it */
	while (s->precopy.lazy && m->peer >= 0 && !m->filled)
		if (pump(s))
			break;
	tree_kill(&s->tree, 0);
	criu_kill(&s->criu);
	left = tree_kill(&s->tree, m->timeout_ms);
	criu_unlock_network(m->start->root);
	hold_let(m, &s->hold);
	group_leave(&s->group);
	fault_at(FAULT_S_KILLED);
	while (m->peer >= 0 && !m->resumed && !m->filled && now_ms() < deadline)
		if (pump(s))
			break;
	if (left)
		return move_fail(m, "moved, but %zu tasks of it do not end here",
				 left);
	ev.bytes = s->server.bytes;
	ev.pages = s->server.pages;
	report(m, "done", &ev);
	return 0;
}

static bool is_traced(pid_t pid)
{
	char *text = proc_text(pid, "stat");
	char *close = text ? strrchr(text, ')') : NULL;
	bool yes = close && close[1] && close[2] == 't';

	free(text);
	return yes;
}

/*
 * criu is gone, so the kernel has let go of them: see that it is so. Who stands stopped
 * now was stopped by somebody, before or meanwhile: not by us, nor by criu (criu/stop.c).
 */
static void let_go(struct source *s)
{
	for (size_t i = 0; i < s->tree.n; i++) {
		struct task *k = &s->tree.task[i];
		int tries = 0;

		while (is_traced(k->pid) && tries++ < 200)
			poll(NULL, 0, 5);
		if (is_traced(k->pid))
			move_fail(s->m, "%d (%s) is still stopped", k->pid,
				  k->comm);
	}
}

static void abort_move(struct source *s)
{
	struct move *m = s->m;

	if (!m->reason[0])
		move_fail(m, "the move was called off");
	/* let it run first, then tell: the freeze is what hurts */
	criu_kill(&s->criu);
	group_leave(&s->group);
	if (s->frozen) {
		let_go(s);
		criu_unlock_network(m->start->root);
	}
	hold_let(m, &s->hold);
	segments_stay(&s->segments, m);
	if (m->peer >= 0 && !m->ready)
		peer_say(m, PEER_ABORT, m->reason);
}

static int prepare(struct source *s)
{
	struct move *m = s->m;
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	Pando__MoveTerminal its;
	struct peer_message msg;
	uint16_t port;
	int listener, err;

	/* all that takes time and needs no freeze is done before it */
	err = workdir_make(m);
	precopy_start(&s->precopy, m, &s->segments, &s->server.bytes);
	if (!err)
		err = criu_start(m, &s->criu, NULL, s->segments.n);
	if (!err)
		err = offers_make(m, &s->offers);
	if (!err && s->its.rdev)
		err = terminal_take(m, &s->its, &s->terminal, &its);
	if (err)
		return err;
	listener = peer_listen(m, &port);
	if (listener < 0)
		return listener;
	ev.port = port;
	ev.pids = tree_pids(&s->tree, &ev.n_pids);
	ev.memory_kib = s->tree.memory_kib;
	ev.terminal = s->its.rdev ? &its : NULL;
	report_fd(m, "prepared", &ev, s->terminal.slave);
	free(ev.pids);
	err = peer_accept(m, listener);
	close(listener);
	if (!err)
		err = move_fault(m, FAULT_S_PLAN);
	if (!err)
		err = send_plan(s);
	if (!err)
		err = peer_expect(m, PEER_PLAN_OK, &msg);
	if (err)
		return err;
	peer_free(&msg);
	err = offers_take(m, &s->offers, &s->fabric);
	if (err)
		return err;
	err = move_fault(m, FAULT_S_FABRIC);
	if (err)
		return err;
	err = page_server_start(&s->server, s->fabric, read_pages, s);
	if (err)
		return move_fail(m, "%s fabric: %s", s->fabric->ops->name,
				 s->fabric->error[0] ? s->fabric->error :
						       strerror(-err));
	err = criu_ready(m, &s->criu);
	if (!err)
		err = peer_expect(m, PEER_READY_TO_FREEZE, &msg);
	if (!err)
		peer_free(&msg);
	return err;
}

/* While it runs: to change groups takes its time. */
static int enter_group(struct source *s)
{
	int err;

	err = kin_before(s->m, &s->kin, &s->before);
	if (!err)
		err = hold_stops(s->m, &s->hold, &s->before);
	if (!err)
		err = group_enter(s->m, &s->group, &s->before);
	return err ? err : kin_show_stops(s->m, &s->before);
}

static int run(struct source *s)
{
	struct move *m = s->m;
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	int err;

	report_mark(m, "start");
	err = move_fault(m, FAULT_S_LOOKED);
	if (!err)
		err = prepare(s);
	report_mark(m, "prepare");
	if (!err)
		err = precopy_run(&s->precopy, pump, s);
	if (!err)
		err = enter_group(s);
	report_mark(m, "precopy");
	if (!err)
		err = move_fault(m, FAULT_S_DUMP);
	if (!err)
		err = criu_dump(m, &s->criu, m->start->root,
				s->tree.task[0].sid != s->tree.task[0].pid,
				s->terminal.key);
	if (!err)
		err = pump_until(s, &s->dumped);
	if (!err && !s->frozen)
		err = all_frozen(s);
	if (!err)
		err = move_fault(m, FAULT_S_IMAGES);
	if (!err)
		err = send_kin(s);
	if (!err)
		err = send_state(s);
	/* the target has enough to do meanwhile */
	if (!err)
		err = hold_tree(m, &s->hold, &s->tree);
	if (!err)
		err = move_fault(m, FAULT_S_STATE);
	if (!err)
		err = pump_until(s, &m->held);
	if (!err)
		err = segments_note(&s->segments, m);
	if (!err)
		err = move_fault(m, FAULT_S_HELD);
	if (err)
		return err;
	err = group_freeze(m, &s->group);
	if (err)
		return err;
	hold_stay(s->hold);
	err = kin_check_stops(m, &s->kin, &s->before);
	if (err)
		return err;
	m->ready = true;
	ev.bytes = s->server.bytes;
	ev.pages = s->server.pages;
	report(m, "ready", &ev);
	fault_at(FAULT_S_READY);
	return peer_decide(m, pump, s);
}

int source_run(struct move *m)
{
	struct source s = { .m = m, .criu = CRIU_NONE, .kin = { .dev = -1 },
			    .hold = -1, .terminal = TERMINAL_NONE };
	int err = look(&s);

	if (err || m->start->check_only) {
		tree_free(&s.tree);
		return err;
	}
	err = run(&s);
	if (err)
		abort_move(&s);
	else
		err = commit(&s);
	offers_free(&s.offers);
	fabric_free(s.fabric);
	page_server_free(&s.server);
	kin_free(&s.kin);
	precopy_free(&s.precopy);
	segments_free(&s.segments);
	for (size_t i = 0; s.mem && i < s.tree.n; i++) {
		close(s.mem[i]);
		kept_free(&s.kept[i]);
	}
	free(s.mem);
	free(s.kept);
	tree_free(&s.tree);
	tree_free(&s.before);
	terminal_free(&s.terminal);
	return err;
}
