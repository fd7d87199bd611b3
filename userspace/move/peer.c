// SPDX-License-Identifier: GPL-2.0-only
/* The control connection between the movers; see peer.h for who says what. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

#define MAGIC		0x50414e4du	/* "PANM" */
#define VERSION		3
#define CLOCK_TRIES	4
#define CLOCK_TRIES_MOST 40
#define CLOCK_GOOD_NS	10000000	/* an answer in so much time is good enough */

struct header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint64_t len;
};

_Static_assert(sizeof(struct header) == 16, "wire header");
_Static_assert(sizeof(struct peer_state) == 24 &&
	       sizeof(struct peer_map) == 8 &&
	       sizeof(struct peer_map_run) == 16 &&
	       sizeof(struct peer_map_done) == 16, "wire structs");

static int make_addr(struct move *m, uint16_t port,
		     struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, m->start->peer_addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, m->start->peer_addr, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
		return 0;
	}
	return move_fail(m, "\"%s\" is no address to move over",
			 m->start->peer_addr);
}

int peer_listen(struct move *m, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int sock, err;

	err = make_addr(m, m->start->peer_port, &ss, &len);
	if (err)
		return err;
	sock = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (sock < 0 || bind(sock, (void *)&ss, len) || listen(sock, 4) ||
	    getsockname(sock, (void *)&ss, &len)) {
		err = errno;
		if (sock >= 0)
			close(sock);
		return move_fail(m, "cannot listen on %s: %s",
				 m->start->peer_addr, strerror(err));
	}
	*port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return sock;
}

static int start(struct move *m, int sock, bool initiator)
{
	int one = 1, err;

	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	err = pando_auth(sock, initiator, m->start->token.data,
			 m->start->token.len, "pando-move", m->timeout_ms);
	if (err) {
		close(sock);
		return err;
	}
	m->peer = sock;
	m->heard_ns = m->told_ns = now_ns();
	return 0;
}

/*
 * Strangers may knock first; each is looked at and sent away. The whole wait
 * is bounded, and the daemon may end it.
 */
int peer_accept(struct move *m, int listener)
{
	int64_t deadline = now_ms() + m->timeout_ms;

	for (;;) {
		struct pollfd p[2] = { { listener, POLLIN, 0 },
				       { m->daemon, POLLIN, 0 } };
		int64_t left = deadline - now_ms();
		int sock;

		if (left <= 0)
			return move_fail(m, "the target did not connect within %d s",
					 m->timeout_ms / 1000);
		poll(p, 2, left);
		if (p[1].revents)
			report_listen(m);
		if (m->verdict != VERDICT_NONE)
			return -ECANCELED;
		if (!p[0].revents)
			continue;
		sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock >= 0 && !start(m, sock, false))
			return 0;
	}
}

int peer_connect(struct move *m)
{
	struct sockaddr_storage ss;
	socklen_t len, elen = sizeof(int);
	int sock, err;

	err = make_addr(m, m->start->peer_port, &ss, &len);
	if (err)
		return err;
	sock = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (sock < 0)
		return move_fail(m, "socket: %s", strerror(errno));
	err = connect(sock, (void *)&ss, len) ? errno : 0;
	if (err == EINPROGRESS) {
		struct pollfd p = { sock, POLLOUT, 0 };

		err = ETIMEDOUT;
		if (poll(&p, 1, m->timeout_ms) > 0)
			getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &elen);
	}
	if (err)
		close(sock);
	else
		err = -start(m, sock, true);
	if (err == EACCES)
		return move_fail(m, "the mover at %s did not prove the move's token",
				 m->start->peer_addr);
	if (err)
		return move_fail(m, "cannot reach the source's mover at %s port %u: %s",
				 m->start->peer_addr, m->start->peer_port,
				 strerror(err));
	return 0;
}

static int lost(struct move *m, int err)
{
	const char *who = m->start->source ? "target" : "source";

	if (err == -ETIMEDOUT)
		return move_fail(m, "the %s has been silent for %d s", who,
				 m->timeout_ms / 1000);
	return move_fail(m, "the connection to the %s was lost", who);
}

int peer_send_header(struct move *m, enum peer_type type, uint64_t len)
{
	struct header h = { htole32(MAGIC), htole16(VERSION), htole16(type),
			    htole64(len) };
	int err;

	if (m->peer < 0)
		return -EPIPE;
	m->told_ns = now_ns();
	err = write_full(m->peer, &h, sizeof(h), m->timeout_ms);
	return err ? lost(m, err) : 0;
}

int peer_send(struct move *m, enum peer_type type, const void *data, size_t len)
{
	int err = peer_send_header(m, type, len);

	if (err || !len)
		return err;
	err = write_full(m->peer, data, len, m->timeout_ms);
	return err ? lost(m, err) : 0;
}

void peer_cork(struct move *m, int on)
{
	if (m->peer >= 0)
		setsockopt(m->peer, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

int peer_say(struct move *m, enum peer_type type, const char *text)
{
	return peer_send(m, type, text, text ? strlen(text) : 0);
}

int peer_recv(struct move *m, struct peer_message *msg)
{
	struct header h;
	int err;

	*msg = (struct peer_message){ 0 };
	err = read_full(m->peer, &h, sizeof(h), m->timeout_ms);
	if (err)
		return lost(m, err);
	m->heard_ns = now_ns();
	msg->type = le16toh(h.type);
	msg->len = le64toh(h.len);
	if (le32toh(h.magic) != MAGIC)
		return move_fail(m, "the other mover talks garbage");
	if (le16toh(h.version) != VERSION)
		return move_fail(m, "the other mover speaks version %u, this one %u: upgrade one of the nodes",
				 le16toh(h.version), VERSION);
	if (msg->type == PEER_IMAGE)
		return 0;
	if (msg->len > PEER_MESSAGE_MAX)
		return move_fail(m, "the other mover talks garbage");
	msg->data = xcalloc(1, msg->len + 1);
	err = read_full(m->peer, msg->data, msg->len, m->timeout_ms);
	if (err) {
		peer_free(msg);
		return lost(m, err);
	}
	return 0;
}

void peer_free(struct peer_message *msg)
{
	free(msg->data);
	msg->data = NULL;
}

static int tell_time(struct move *m)
{
	uint64_t now = htole64(now_ns());

	return peer_send(m, PEER_CLOCK, &now, sizeof(now));
}

int peer_expect(struct move *m, enum peer_type type, struct peer_message *msg)
{
	for (;;) {
		struct pollfd p[2] = { { m->peer, POLLIN, 0 },
				       { m->daemon, POLLIN, 0 } };
		int err = peer_tick(m);

		if (err)
			return err;
		poll(p, 2, peer_tick_ms(m));
		if (p[1].revents)
			report_listen(m);
		if (m->verdict != VERDICT_NONE)
			return -ECANCELED;
		if (!p[0].revents)
			continue;
		err = peer_recv(m, msg);
		if (err)
			return err;
		if (msg->type == type ||
		    (!type && msg->type != PEER_PING && msg->type != PEER_ABORT))
			return 0;
		if (msg->type == PEER_CLOCK) {
			peer_free(msg);
			err = tell_time(m);
			if (err)
				return err;
			continue;
		}
		if (msg->type == PEER_ABORT)
			move_fail(m, "%s", msg->len ? (char *)msg->data :
				  "the other side gave up");
		else if (msg->type != PEER_PING)
			move_fail(m, "the other mover is out of step (%d for %d)",
				  msg->type, type);
		err = msg->type == PEER_PING ? 0 : -ECANCELED;
		peer_free(msg);
		if (err)
			return err;
	}
}

int peer_clock(struct move *m)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < CLOCK_TRIES ||
			(i < CLOCK_TRIES_MOST && best > CLOCK_GOOD_NS); i++) {
		int64_t asked = now_ns(), took;
		struct peer_message msg;
		uint64_t there;
		int err = peer_send(m, PEER_CLOCK, NULL, 0);

		if (!err)
			err = peer_expect(m, PEER_CLOCK, &msg);
		if (err)
			return err;
		took = now_ns() - asked;
		err = msg.len == sizeof(there) ? 0 :
		      move_fail(m, "the other mover talks garbage");
		if (!err)
			memcpy(&there, msg.data, sizeof(there));
		peer_free(&msg);
		if (err)
			return err;
		/* the faster the answer, the less there is to guess */
		if (took >= best)
			continue;
		best = took;
		m->skew_ns = (int64_t)le64toh(there) - (asked + took / 2);
		m->skew_error_ns = took / 2;
	}
	return 0;
}

static void told_to_abort(struct move *m, const struct peer_message *msg)
{
	if (m->ready && m->verdict == VERDICT_COMMIT) {
		peer_say(m, PEER_COMMITTED, NULL);
		return;
	}
	/* the cluster decides, and it may have: answered when it has said so */
	if (m->ready && m->verdict == VERDICT_NONE) {
		m->asked = true;
		return;
	}
	move_fail(m, "%s", msg->len ? (char *)msg->data :
				      "the other side gave up");
	m->verdict = VERDICT_ABORT;
	if (m->ready)
		peer_say(m, PEER_ABORTED, NULL);
}

static int round_done(struct move *m, const struct peer_message *msg)
{
	struct peer_map_done done;

	if (msg->len != sizeof(done))
		return move_fail(m, "the other mover talks garbage");
	memcpy(&done, msg->data, sizeof(done));
	m->rounds_done = le32toh(done.round);
	m->pulled_bytes = le64toh(done.bytes);
	return 0;
}

int peer_hear(struct move *m)
{
	struct peer_message msg;
	int err = peer_recv(m, &msg);

	if (err)
		return err;
	switch (msg.type) {
	case PEER_PING:
		break;
	case PEER_HELD:
		m->held = true;
		break;
	case PEER_MAP_DONE:
		err = round_done(m, &msg);
		break;
	case PEER_ABORT:
		told_to_abort(m, &msg);
		break;
	case PEER_ABORTED:
		m->peer_aborted = true;
		break;
	case PEER_FILLED:
		m->filled = true;
		break;
	case PEER_RESUMED:
		m->resumed = true;
		/* fallthrough */
	case PEER_COMMITTED:
		m->peer_committed = true;
		break;
	default:
		err = move_fail(m, "the other mover is out of step (%d)",
				msg.type);
	}
	peer_free(&msg);
	return err;
}

/* The source has lost what it needs to serve: it can still be told. */
static void wait_for_word(struct move *m)
{
	struct pollfd p[2] = { { m->daemon, POLLIN, 0 },
			       { m->peer, POLLIN, 0 } };

	poll(p, 2, peer_tick_ms(m));
	if (p[0].revents)
		report_listen(m);
	if (m->peer >= 0 && (p[1].revents ? peer_hear(m) : peer_tick(m))) {
		close(m->peer);
		m->peer = -1;
	}
}

static bool undecided(const struct move *m)
{
	return m->verdict == VERDICT_NONE || m->verdict == VERDICT_LOST;
}

int peer_decide(struct move *m, int (*pump)(void *arg), void *arg)
{
	bool asking = false, said = false;

	while (undecided(m)) {
		if (pump && pump(arg)) {
			/* what the target holds is of no use any more */
			if (!m->start->source)
				return -ECANCELED;
			pump = NULL;
		} else if (!pump) {
			wait_for_word(m);
		}
		/*
		 * It has the cluster's word, and there is but one. But our kernel has it
		 * from our daemon: until then what ends here has ended, and signals to it
		 * are nobody's.
		 */
		if (m->verdict == VERDICT_LOST && m->peer_committed)
			m->verdict = VERDICT_COMMIT;
		if (m->verdict != VERDICT_LOST)
			continue;
		if (!asking && m->peer >= 0)
			peer_say(m, PEER_ABORT, m->reason);
		asking = true;
		if (m->peer_aborted)
			m->verdict = VERDICT_ABORT;
		if (m->peer >= 0 || m->peer_aborted || said)
			continue;
		said = true;
		fprintf(stderr, "pando-move: move %016llx: neither this node's daemon nor the other node says how it ended; it stays stopped here. If it does not run there: kill %d\n",
			(unsigned long long)m->start->move, getpid());
	}
	if (m->verdict == VERDICT_ABORT && m->asked && m->peer >= 0)
		peer_say(m, PEER_ABORTED, NULL);
	return m->verdict == VERDICT_COMMIT ? 0 : -ECANCELED;
}

int peer_tick(struct move *m)
{
	int64_t now = now_ns(), limit = m->timeout_ms * 1000000LL;

	if (m->peer < 0)
		return -EPIPE;
	if (now - m->heard_ns > limit) {
		struct pollfd p = { m->peer, POLLIN, 0 };

		/* it may be we who were not scheduled: what came, came */
		if (poll(&p, 1, 0) <= 0)
			return lost(m, -ETIMEDOUT);
	}
	if (now - m->told_ns > limit / 4)
		return peer_send_header(m, PEER_PING, 0);
	return 0;
}

int peer_tick_ms(const struct move *m)
{
	return m->timeout_ms / 8 + 1;
}
