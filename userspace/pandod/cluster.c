// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between the group and the kernel: feeds the replicated state with what the
 * group says, and does what it asks for. See state.h for the rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "cluster.h"
#include "corosync.h"
#include "expel.h"
#include "init.h"
#include "kernel.h"
#include "log.h"
#include "move.h"
#include "peer.h"
#include "quorum.h"
#include "serve.h"

#define LOG_NAME	"cluster"
#define STATE_DIR	"/var/lib/pando"
#define ASK_MAX		64	/* blocks at once */
#define ROUND_MS	300	/* pause before asking for another round */

static struct state state;
static uint64_t incarnation;	/* of our namespace, made or to be made */
static bool attached;		/* the kernel has it */
static uint64_t stopped;	/* the last epoch the kernel was stopped for */
static bool preparing;		/* DO_PREPARE waits for the quorum's word */
static bool starting;		/* pando-init is being started */
static unsigned int ask_blocks;
static bool asked;
static sd_event_source *round_timer;

struct state *cluster_state(void)
{
	return &state;
}

const struct configured *cluster_configured(unsigned int *n)
{
	return membership_configured(n);
}

const struct member *cluster_find(const char *name)
{
	char *end;
	unsigned long id = strtoul(name, &end, 10);

	for (unsigned int i = 0; i < state.nmembers; i++) {
		const struct member *m = &state.member[i];

		if (!strcmp(m->name, name) || (*name && !*end && m->id == id))
			return m;
	}
	return NULL;
}

const char *cluster_name(uint16_t id)
{
	const struct member *m = state_member(&state, id);
	static char number[16];
	unsigned int n;
	const struct configured *c = membership_configured(&n);

	if (m && *m->name)
		return m->name;
	for (unsigned int i = 0; i < n; i++)
		if (c[i].id == id)
			return c[i].name;
	snprintf(number, sizeof(number), "%u", id);
	return number;
}

/* Without the module there is nothing to tell, and that is all right. */
static int kernel(int err)
{
	return pandod.no_kernel && err == -ENODEV ? 0 : err;
}

/* --- out: messages -----------------------------------------------------------------*/

void cluster_send(struct message *m)
{
	size_t len = 0;
	uint8_t *buf = message_encode(m, &len);

	membership_send(buf, len);
}

static void describe_self(struct member *m)
{
	memset(m, 0, sizeof(*m));
	m->id = pandod.self;
	m->attached = attached;
	m->lease_blocks = pandod.config.lease_blocks;
	m->kernel_port = pandod.config.kernel_port;
	m->daemon_port = pandod.config.daemon_port;
	m->incarnation = incarnation;
	memcpy(m->name, pandod.name, sizeof(m->name));
	memcpy(m->addr, pandod.address, sizeof(m->addr));
}

/* On the first node ever the cluster's clock is its own time since boot. */
static int64_t propose_zero(void)
{
	struct timespec wall, boot;

	if (init_alive())
		return init_zero_ns();
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (wall.tv_sec - boot.tv_sec) * 1000000000ll + wall.tv_nsec -
	       boot.tv_nsec;
}

static struct message *make_sync(void)
{
	struct message *m = calloc(1, sizeof(*m));

	if (m)
		m->sync = calloc(1, sizeof(*m->sync));
	if (!m || !m->sync) {
		free(m);
		log_err("out of memory");
		return NULL;
	}
	m->type = MESSAGE_SYNC;
	m->epoch = state.seen;
	describe_self(&m->sync->self);
	m->sync->zero_ns = propose_zero();
	quorum_over(m->sync);
	state_make_sync(&state, m->sync);
	return m;
}

static void send_sync(void)
{
	struct message *m = make_sync();

	if (m) {
		quorum_synced();
		cluster_send(m);
		message_free(m);
		free(m);
	}
}

static void send_ack(void)
{
	struct message m = { .type = MESSAGE_ACK, .epoch = state.epoch };

	m.count = state_noted(&state);
	m.quorate = state.line.epoch == state.epoch;
	cluster_send(&m);
}

/* Numbers of rounds must not meet, over all nodes and restarts. */
static void send_begin(void)
{
	struct message m = { .type = MESSAGE_BEGIN, .epoch = state.epoch };

	if (getrandom(&m.round, sizeof(m.round), 0) != sizeof(m.round))
		log_err("no random numbers");
	m.proposal = state_proposal(&state);
	cluster_send(&m);
}

static int on_round_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	(void)data;
	round_timer = sd_event_source_disable_unref(round_timer);
	send_begin();
	return 0;
}

static void ask_round(unsigned int ms)
{
	if (!round_timer)
		sd_event_add_time_relative(pandod.event, &round_timer,
					   CLOCK_MONOTONIC,
					   bound_ms(ms) * 1000ull, 0,
					   on_round_timer, NULL);
}

void cluster_barrier(void)
{
	ask_round(ROUND_MS);
}

/* --- what must not be forgotten ------------------------------------------------*/

static const char *state_file(const char *suffix)
{
	static char path[sizeof(STATE_DIR) + PANDO_NAME_MAX + 16];

	snprintf(path, sizeof(path), STATE_DIR "/%s%s", pandod.cluster, suffix);
	return path;
}

/*
 * On disk before we tell anybody: what we promised and adopted counts also
 * when this node, or all of them, start anew.
 */
static void save(void)
{
	struct message *m = make_sync();
	uint8_t *buf;
	size_t len;
	char new[256];
	int fd;

	if (!m)
		return;
	buf = message_encode(m, &len);
	message_free(m);
	free(m);
	snprintf(new, sizeof(new), "%s", state_file(".new"));
	mkdir(STATE_DIR, 0700);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!buf || fd < 0 || write(fd, buf, len) != (ssize_t)len ||
	    fdatasync(fd) < 0 || rename(new, state_file(".state")) < 0)
		log_err("cannot write %s: %s", new, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(buf);
}

static void restore(void)
{
	int fd = open(state_file(".state"), O_RDONLY | O_CLOEXEC);
	size_t size = 1 << 20;
	uint8_t *buf = malloc(size);
	struct message m;
	ssize_t n;

	if (fd >= 0 && buf) {
		n = read(fd, buf, size);
		if (n > 0 && !message_decode(buf, n, &m)) {
			if (m.type == MESSAGE_SYNC) {
				state.line = m.sync->lineage;
				state.seen = m.sync->seen;
				log_info("state restored epoch=%llu",
					 (unsigned long long)state.line.epoch);
			}
			message_free(&m);
		} else {
			log_err("%s is damaged: this node starts as a new one",
				state_file(".state"));
		}
	}
	if (fd >= 0)
		close(fd);
	free(buf);
}

/* --- the namespace ----------------------------------------------------------------------*/

static int attach(void)
{
	struct kernel_attach a = {
		.init_pid = init_pid(),
		.node = pandod.self,
		.name = pandod.name,
		.cluster = pandod.cluster,
		.transport = pandod.config.transport,
		.addr = pandod.address,
		.port = pandod.config.kernel_port,
		.incarnation = incarnation,
		.key = pandod.key,
		.keylen = pandod.keylen,
		.timeout_ms = bound_ms(pandod.config.request_timeout_ms),
	};
	int err = kernel(kernel_attach(&a));

	if (err)
		return err;
	attached = true;
	init_serve();
	log_info("attached node=%u transport=%s address=%s:%u", a.node,
		 a.transport, a.addr, a.port);
	return 0;
}

static void on_init_ready(int err)
{
	starting = false;
	if (!err)
		err = attach();
	if (err) {
		log_err("no cluster namespace: %s", strerror(-err));
		pandod_leave(1);
		return;
	}
	/* now with a namespace: the next view makes us a full member */
	ask_round(0);
}

static void on_clock(int64_t zero_ns)
{
	int err = init_start(incarnation, zero_ns, on_init_ready);

	if (err)
		on_init_ready(err);
}

static void bring_up(void)
{
	if (attached || starting || !state.quorate)
		return;
	starting = true;
	clock_agree(state.line.zero_ns, on_clock);
}

/* Finds what an earlier daemon left; the namespace outlives it. */
static int find_namespace(void)
{
	struct kernel_status st;
	bool alive = init_find();

	if (kernel_present() && kernel_status(&st) == 0 &&
	    st.state != PANDO_STATE_DETACHED) {
		if (alive && st.incarnation == init_incarnation()) {
			incarnation = st.incarnation;
			attached = true;
			if (st.epoch > state.seen)
				state.seen = st.epoch;
			stopped = st.epoch;
			log_notice("found the namespace of an earlier daemon "
				   "pid=%d epoch=%llu", init_pid(),
				   (unsigned long long)st.epoch);
			return 0;
		}
		/* pando-init died under it: nothing runs there any more */
		log_warn("the kernel is attached to a namespace that is gone");
		if (kernel_detach() < 0) {
			log_err("cannot detach it; processes of the cluster "
				"are left: end them, or restart this node");
			return -EBUSY;
		}
	}
	if (alive) {
		incarnation = init_incarnation();
		return attach();
	}
	if (getrandom(&incarnation, sizeof(incarnation), 0) < 0)
		return -errno;
	incarnation |= 1;	/* never zero */
	return 0;
}

/* --- effects --------------------------------------------------------------------------*/

static void stop_kernel(uint64_t epoch)
{
	int err;

	if (!attached || epoch <= stopped)
		return;
	err = kernel(kernel_stop(epoch));
	if (err)
		log_err("STOP epoch=%llu: %s", (unsigned long long)epoch,
			strerror(-err));
	else
		stopped = epoch;
}

static void send_leases(void)
{
	static uint16_t map[PANDO_LEASE_BLOCKS];
	const struct lineage *line = state.phase == PHASE_SYNCED ? &state.best :
								   &state.line;
	int err;

	if (!attached)
		return;
	state_map(&state, map);
	err = kernel(kernel_leases(line->lease_version, map));
	if (err)
		log_err("LEASES version=%llu: %s",
			(unsigned long long)line->lease_version,
			strerror(-err));
}

/*
 * Does this view know our namespace? Not if it was made after we had told the
 * others about ourselves: then the kernel waits for the next view.
 */
static bool known(void)
{
	const struct member *m = state_member(&state, pandod.self);

	return attached && m && m->attached && m->incarnation == incarnation;
}

static void prepare(void)
{
	int quorate, err;

	if (!preparing)
		return;
	quorate = quorum_of(&state);
	if (quorate < 0)
		return;		/* membership will call again */
	preparing = false;
	expel_judged(&state);
	if (known()) {
		stop_kernel(state.epoch);
		err = kernel(kernel_members(state.epoch, quorate,
					    quorate && state_complete(&state),
					    state.member, state.nmembers));
		if (err)
			log_err("MEMBERS epoch=%llu: %s",
				(unsigned long long)state.epoch,
				strerror(-err));
		if (quorate)
			send_leases();
	}
	state_adopt(&state, quorate);
	save();
	send_ack();
}

static void settle_moves(void)
{
	struct message m = { .type = MESSAGE_SETTLED, .epoch = state.epoch };
	struct move_note note;
	uint32_t at = 0;

	while (state_next_unsettled(&state, &at, &note)) {
		if (move_in_flight(note.id))
			continue;
		m.move = note.id;
		cluster_send(&m);
	}
}

static void decide_moves(void)
{
	struct move_note note;

	while (state_next_decided(&state, &note))
		move_on_decided(&note);
	save();
	settle_moves();
}

static void check_quorum(void)
{
	int quorate;

	if (state.phase != PHASE_ACTIVE)
		return;
	quorate = quorum_of(&state);
	if (quorate >= 0 && quorate != state.quorate)
		ask_round(0);
}

static void start(void)
{
	struct message ready = { .type = MESSAGE_READY, .epoch = state.epoch };
	int err;

	move_on_view(state.quorate);
	decide_moves();
	run_view();
	if (attached && !known())
		ask_round(0);
	if (known()) {
		err = kernel(kernel_start(state.epoch));
		if (err)
			log_err("START epoch=%llu: %s",
				(unsigned long long)state.epoch,
				strerror(-err));
		if (pandod.no_kernel)
			cluster_send(&ready);
	}
	/* after START: what runs from now on finds the view in force */
	quorum_view(&state, known());
	expel_view(&state);
	asked = false;
	log_notice("view epoch=%llu members=%u quorate=%s leases=%u",
		   (unsigned long long)state.epoch, state.nmembers,
		   state.quorate ? "yes" : "no",
		   state_blocks(&state, pandod.self));
	sd_notifyf(0, "READY=1\nSTATUS=epoch %llu, %u members, %s",
		   (unsigned long long)state.epoch, state.nmembers,
		   state.quorate ? "quorate" : "no quorum");
	bring_up();
	check_quorum();
}

static void act(unsigned int todo)
{
	if (todo & DO_STOP) {
		preparing = false;
		round_timer = sd_event_source_disable_unref(round_timer);
		/* the least that the next epoch can be: prepare() knows it */
		stop_kernel(state.epoch + 1);
		move_on_round();
	}
	if (todo & DO_BEGIN)
		send_begin();
	if (todo & DO_SYNC) {
		save();
		send_sync();
	}
	if (todo & DO_PREPARE) {
		preparing = true;
		peer_view();
		prepare();
	}
	if (todo & DO_LEASES) {
		send_leases();
		save();
	}
	if (todo & DO_ACK)
		send_ack();
	if (todo & DO_START)
		start();
	else if (todo & DO_MOVES)
		decide_moves();
	if (todo & DO_ROUND)
		ask_round(ROUND_MS);
}

/* --- in: the group -------------------------------------------------------------------*/

static void on_config(const uint16_t *ids, size_t n)
{
	log_info("configuration members=%zu proposing=%llu", n,
		 (unsigned long long)state_proposal(&state));
	quorum_config(ids, n);
	act(state_config(&state, ids, n));
}

static void on_ask(uint16_t from, const struct message *m)
{
	unsigned int todo = state_ask(&state, from, m->epoch, m->count);

	if (from == pandod.self) {
		asked = false;
		if (todo & DO_VOID)
			log_warn("no PIDs were granted: %s",
				 todo & DO_ACK ? "none are free" :
						 "the view changed");
		else if (ask_blocks < ASK_MAX)
			ask_blocks *= 2;
	}
	act(todo);
}

static void on_commit(const struct message *m)
{
	unsigned int todo = state_commit(&state, m->epoch, m->move, m->from,
					 m->to);

	move_on_commit(m, !(todo & DO_VOID));
	save();
	act(todo);
}

static void on_message(uint16_t from, const uint8_t *buf, size_t len)
{
	struct message m;
	int err = message_decode(buf, len, &m);

	if (err) {
		log_warn("bad message from=%u length=%zu: %s", from, len,
			 strerror(-err));
		return;
	}
	switch (m.type) {
	case MESSAGE_SYNC:
		act(state_sync(&state, from, m.sync));
		break;
	case MESSAGE_ACK:
		act(state_ack(&state, from, m.epoch, m.count, m.quorate));
		break;
	case MESSAGE_ASK:
		on_ask(from, &m);
		break;
	case MESSAGE_COMMIT:
		on_commit(&m);
		break;
	case MESSAGE_READY:
		act(state_ready(&state, from, m.epoch));
		break;
	case MESSAGE_SETTLED:
		state_settled(&state, from, m.epoch, m.move);
		break;
	case MESSAGE_EXPEL:
		expel_message(&state, from, &m);
		save();
		break;
	case MESSAGE_PULSE:
		quorum_pulse(&state, from, &m);
		break;
	case MESSAGE_BEGIN:
		act(state_begin(&state, m.epoch, m.round, m.proposal));
		break;
	}
	message_free(&m);
}

static void on_quorum(void)
{
	prepare();
	check_quorum();
}

/* On our own: waits on others end, local life goes on. */
static void go_alone(void)
{
	struct member self;

	if (!attached)
		return;
	describe_self(&self);
	stop_kernel(state.seen + 1);
	kernel_members(state.seen + 1, false, false, &self, 1);
	kernel_start(state.seen + 1);
}

static void on_lost(void)
{
	/* corosync may be back before the lease ends; if not, it ends */
	go_alone();
	pandod_leave(1);
}

void cluster_kernel_done(uint64_t epoch)
{
	struct message m = { .type = MESSAGE_READY, .epoch = epoch };

	log_info("kernel ready epoch=%llu", (unsigned long long)epoch);
	if (epoch == state.epoch)
		cluster_send(&m);
}

void cluster_lease_low(uint32_t used, uint32_t avail)
{
	struct message m = { .type = MESSAGE_ASK, .epoch = state.epoch };

	if (asked || state.phase != PHASE_ACTIVE || !state.quorate)
		return;
	log_info("PIDs are running low used=%u free=%u asking=%u blocks", used,
		 avail, ask_blocks);
	m.count = ask_blocks;
	asked = true;
	cluster_send(&m);
}

void cluster_kernel_peer(uint16_t node, uint32_t peer)
{
	static const char *const words[] = {
		[PANDO_PEER_DOWN] = "down",
		[PANDO_PEER_CONNECTING] = "connecting",
		[PANDO_PEER_UP] = "up",
		[PANDO_PEER_REFUSED] = "refused",
		[PANDO_PEER_SELF] = "self",
	};

	if (peer == PANDO_PEER_REFUSED)
		log_warn("kernel link refused node=%u%s: wrong key, version or "
			 "cluster", node, node ? "" : " (a stranger)");
	else if (peer < sizeof(words) / sizeof(words[0]))
		log_info("kernel link node=%u %s", node, words[peer]);
}

/* --- life -------------------------------------------------------------------------------*/

int cluster_open(void)
{
	static const struct membership_events events = {
		.config = on_config,
		.message = on_message,
		.quorum = on_quorum,
		.lost = on_lost,
	};
	int err = membership_open(&events);

	if (err)
		return err;
	quorum_open();
	state_init(&state, pandod.self);
	ask_blocks = pandod.config.lease_blocks;
	restore();
	err = find_namespace();
	if (!err && !attached)
		state_forget_off(&state);
	return err;
}

int cluster_join(void)
{
	return membership_join();
}

void cluster_leave(void)
{
	membership_leave();
	go_alone();
}

int cluster_detach(void)
{
	int err = kernel(kernel_detach());

	membership_leave();
	attached = false;
	unlink(PANDO_INIT_SOCKET);
	return err == -ENOTCONN ? 0 : err;
}
