// SPDX-License-Identifier: GPL-2.0-only
/*
 * Terminals of this node whose processes have moved away; see terminal.h.
 *
 * A slave is kept as the descriptor that the mover took from the process itself:
 * never is one opened by a name. It is not our controlling terminal, so that
 * neither reading nor writing nor setting modes stops us; when that would have
 * stopped the process is for us to look after. Who is in front is no event, and so
 * is looked at when there is something to read, and every while.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "init.h"
#include "log.h"
#include "terminal.h"

#define LOG_NAME	"terminal"
#define NEARS_MAX	256		/* a descriptor each, and more */
#define SIDES_MAX	16		/* of one terminal: processes that moved */
#define GRACE_MS	30000		/* for the next node to join, or a home-coming */
#define PUT_BACK_MAX	(2 * TERMINAL_AHEAD)

/* A process that is elsewhere. */
struct side {
	struct side *next;
	struct near *near;
	struct request *request;
	sd_event_source *in, *out;	/* each on a descriptor of its own */
	uint32_t group[TERMINAL_GROUPS];
	size_t groups;
	bool reads, front, ending;
	size_t ahead;			/* sent, and not told to be taken */
	unsigned int recalls;		/* that were not answered */
	uint32_t heard;			/* Modes of the other side */
	bool wanted;			/* the last of them wait for the front */
	bool any;			/* told: something was */
	struct termios modes, told;
	struct winsize window;
	struct pando_bytes output;	/* that the terminal did not take yet */
};

struct near {
	struct near *next;
	uint64_t id, since_ms;		/* since: nobody is joined */
	int fd;
	dev_t rdev;
	uint32_t sid;
	bool decided;
	struct side *sides;
	size_t nsides;
};

static struct near *nears;
static size_t nnears;
static sd_event_source *ticker;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static struct near *find(uint64_t id)
{
	for (struct near *n = nears; n; n = n->next)
		if (n->id == id)
			return n;
	return NULL;
}

static void near_free(struct near *n)
{
	struct near **p = &nears;

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	nnears--;
	close(n->fd);
	free(n);
}

static void side_free(struct side *s)
{
	struct near *n = s->near;
	struct side **p = &n->sides;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	n->nsides--;
	n->since_ms = now_ms();
	sd_event_source_disable_unref(s->in);
	sd_event_source_disable_unref(s->out);
	pando_bytes_free(&s->output);
	free(s);
}

/* It is over, in words if there is an error: the other side lets go of its pty. */
static void side_end(struct side *s, int err)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DONE);
	Pando__Done done = PANDO__DONE__INIT;
	struct request *r = s->request;

	f.done = &done;
	link_pause(r->link, false);
	side_free(s);
	if (err)
		request_fail(r, err, "the terminal was hung up");
	else
		request_end(r, &f);
}

/* --- who is in front --------------------------------------------------------------*/

const char *terminal_stat(uint32_t pid, char *buf, size_t size)
{
	char path[32], *s;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%u/stat", pid);
	fd = openat(init_proc_fd(), path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return NULL;
	buf[n] = 0;
	/* a name may hold anything, this too: it ends at the last */
	s = strrchr(buf, ')');
	return s && s[1] ? s + 2 : NULL;
}

/* The group in front of the session's terminal; 0: none, or it is another's. */
static uint32_t group_in_front(const struct near *n)
{
	char buf[512];
	const char *s = terminal_stat(n->sid, buf, sizeof(buf));
	unsigned int tty;
	int group;

	if (!s || sscanf(s, "%*c %*d %*d %*d %u %d", &tty, &group) != 2)
		return 0;
	/* as the kernel encodes it: twelve bits of major in the middle */
	return group > 0 && makedev(tty >> 8 & 0xfff, (tty & 0xff) | (tty >> 12 & 0xfff00)) ==
	       n->rdev ? group : 0;
}

static bool is_front(const struct side *s)
{
	uint32_t group = group_in_front(s->near);

	for (size_t i = 0; group && i < s->groups; i++)
		if (s->group[i] == group)
			return true;
	return false;
}

static bool is_hung_up(const struct near *n)
{
	struct pollfd p = { n->fd, 0, 0 };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

/* --- modes ----------------------------------------------------------------------------*/

/* What the program has set since it was last in front is done now. */
static void take_modes(struct side *s)
{
	struct termios t;

	if (!s->wanted || tcgetattr(s->near->fd, &t))
		return;
	s->wanted = false;
	t.c_iflag = s->modes.c_iflag;
	t.c_oflag = s->modes.c_oflag;
	t.c_lflag = s->modes.c_lflag;
	memcpy(t.c_cc, s->modes.c_cc, sizeof(t.c_cc));
	tcsetattr(s->near->fd, TCSANOW, &t);
	s->told = t;
}

/* A shell has given its job other modes than it had, or somebody else has. */
static void tell_modes(struct side *s)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MODES);
	Pando__Modes m = PANDO__MODES__INIT;
	struct termios t;

	if (tcgetattr(s->near->fd, &t) || terminal_modes_equal(&t, &s->told))
		return;
	s->told = t;
	s->any = true;
	terminal_modes_pack(&t, &m);
	m.seen = s->heard;
	f.modes = &m;
	request_reply(s->request, &f);
}

/* What the shell sets for itself is not the job's, but whether that may write meanwhile. */
static void tell_tostop(struct side *s)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MODES);
	Pando__Modes m = PANDO__MODES__INIT;
	struct termios t;

	if (tcgetattr(s->near->fd, &t))
		return;
	if (!terminal_modes_tostop(&s->told, t.c_lflag) && s->any)
		return;
	s->any = true;
	/* those that wait are older */
	terminal_modes_tostop(&s->modes, t.c_lflag);
	terminal_modes_pack(&t, &m);
	m.behind = true;
	f.modes = &m;
	request_reply(s->request, &f);
}

static void tell_window(struct side *s)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_WINDOW);
	Pando__Window w = PANDO__WINDOW__INIT;
	struct winsize ws;

	if (ioctl(s->near->fd, TIOCGWINSZ, &ws) < 0 ||
	    (ws.ws_row == s->window.ws_row && ws.ws_col == s->window.ws_col))
		return;
	s->window = ws;
	w.rows = ws.ws_row;
	w.cols = ws.ws_col;
	f.window = &w;
	request_reply(s->request, &f);
}

static void recall(struct side *s)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_RECALL);
	Pando__Recall r = PANDO__RECALL__INIT;

	f.recall = &r;
	if (!s->ahead)
		return;
	s->recalls++;
	request_reply(s->request, &f);
}

/* --- input ----------------------------------------------------------------------------*/

static void watch_input(struct side *s)
{
	bool on = s->front && s->reads && !s->ending && s->ahead < TERMINAL_AHEAD;

	sd_event_source_set_enabled(s->in, on ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* False: it was hung up, and the side is gone. */
static bool look(struct side *s)
{
	bool front;

	if (is_hung_up(s->near)) {
		side_end(s, EIO);
		return false;
	}
	front = is_front(s);
	if (s->front && !front)
		recall(s);
	s->front = front;
	if (front) {
		take_modes(s);
		tell_modes(s);
	} else {
		tell_tostop(s);
	}
	tell_window(s);
	watch_input(s);
	return true;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *data)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_DATA);
	Pando__Data d = PANDO__DATA__INIT;
	struct side *s = data;
	uint8_t buf[TERMINAL_AHEAD];
	ssize_t n;

	(void)source;
	(void)events;
	/* the shell may be in front by now, and what is typed be for it */
	if (!look(s) || !s->front)
		return 0;
	n = read(fd, buf, TERMINAL_AHEAD - s->ahead);
	if (n < 0)
		return 0;	/* somebody was faster; a hang-up is seen above */
	/* nothing there is no end of file, but where lines are edited */
	if (!n && !(s->told.c_lflag & ICANON))
		return 0;
	d.bytes.data = buf;
	d.bytes.len = n;
	f.data = &d;
	s->ahead += n + 1;
	request_reply(s->request, &f);
	watch_input(s);
	return 0;
}

/*
 * Typed ahead, and not read by the program: it was meant for who is in front now. What
 * would make a signal today did not when it was typed, and is left out.
 */
static void put_back(struct side *s, const uint8_t *byte, size_t n)
{
	struct termios t;

	/* unasked: who was to read it has ended, though its group may be in front yet */
	if (s->recalls)
		s->recalls--;
	else
		s->reads = false;
	watch_input(s);
	if (tcgetattr(s->near->fd, &t))
		return;
	for (size_t i = 0; i < n; i++) {
		if (t.c_lflag & ISIG && (byte[i] == t.c_cc[VINTR] ||
					 byte[i] == t.c_cc[VQUIT] ||
					 byte[i] == t.c_cc[VSUSP]))
			continue;
		if (ioctl(s->near->fd, TIOCSTI, byte + i) < 0)
			return;
	}
}

/* --- output -----------------------------------------------------------------------------*/

static void push_output(struct side *s)
{
	struct pando_bytes *out = &s->output;
	ssize_t n = 0;

	while (pando_bytes_left(out)) {
		n = write(s->near->fd, out->buf + out->off, pando_bytes_left(out));
		if (n <= 0)
			break;
		pando_bytes_take(out, n);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		side_end(s, EIO);
		return;
	}
	sd_event_source_set_enabled(s->out, pando_bytes_left(out) ? SD_EVENT_ON :
								   SD_EVENT_OFF);
	link_pause(s->request->link, pando_bytes_left(out));
	if (s->ending && !pando_bytes_left(out))
		side_end(s, 0);
}

static int on_room(sd_event_source *source, int fd, uint32_t events, void *data)
{
	(void)source;
	(void)fd;
	(void)events;
	push_output(data);
	return 0;
}

static void add_output(struct side *s, const ProtobufCBinaryData *bytes)
{
	if (!bytes->len)
		s->ending = true;
	else if (pando_bytes_add(&s->output, bytes->data, bytes->len))
		return;
	push_output(s);
}

/* --- the other side -----------------------------------------------------------------------*/

static void on_frame(struct request *r, Pando__Frame *f, int *fds, int nfds)
{
	struct side *s = r->data;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (f->body_case == PANDO__FRAME__BODY_DATA && f->data->fd == 1 &&
	    f->data->bytes.len <= TERMINAL_CHUNK && !f->data->follows) {
		add_output(s, &f->data->bytes);
	} else if (f->body_case == PANDO__FRAME__BODY_DATA && !f->data->fd &&
		   f->data->bytes.len <= PUT_BACK_MAX && !f->data->follows) {
		put_back(s, f->data->bytes.data, f->data->bytes.len);
	} else if (f->body_case == PANDO__FRAME__BODY_TAKEN &&
		   f->taken->bytes <= s->ahead) {
		s->ahead -= f->taken->bytes;
		watch_input(s);
	} else if (f->body_case == PANDO__FRAME__BODY_MODES &&
		   !terminal_modes_unpack(f->modes, &s->modes)) {
		s->heard++;
		s->wanted = true;
		look(s);
	} else {
		link_close(r->link, -EPROTO);
	}
}

static void on_gone(struct request *r)
{
	side_free(r->data);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
	struct near *n, *next;
	struct side *s, *after;

	(void)usec;
	(void)data;
	for (n = nears; n; n = next) {
		next = n->next;
		for (s = n->sides; s; s = after) {
			after = s->next;
			look(s);
		}
		if (!n->sides && n->decided &&
		    (is_hung_up(n) ||
		     now_ms() - n->since_ms > bound_ms(GRACE_MS)))
			near_free(n);
	}
	if (!nears) {
		ticker = sd_event_source_disable_unref(ticker);
		return 0;
	}
	sd_event_source_set_time_relative(source, TERMINAL_TICK_MS * 1000ull);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static bool watch(sd_event_source **source, int fd, uint32_t events,
		  sd_event_io_handler_t fn, void *data)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own < 0)
		return false;
	if (sd_event_add_io(pandod.event, source, own, events, fn, data) < 0) {
		close(own);
		return false;
	}
	sd_event_source_set_io_fd_own(*source, true);
	sd_event_source_set_enabled(*source, SD_EVENT_OFF);
	return true;
}

void terminal_near_join(struct request *r, const Pando__PeerTerminal *q)
{
	struct near *n = find(q->id);
	int room = TERMINAL_BEHIND;
	struct side *s;

	if (!n) {
		request_fail(r, ENOENT, "no such terminal is kept for it");
		return;
	}
	if (q->n_groups > TERMINAL_GROUPS || n->nsides == SIDES_MAX) {
		request_fail(r, E2BIG, "too many share the terminal");
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		request_fail(r, ENOMEM, "out of memory");
		return;
	}
	for (size_t i = 0; i < q->n_groups; i++)
		s->group[i] = q->groups[i];
	s->groups = q->n_groups;
	s->reads = q->reads;
	s->near = n;
	s->next = n->sides;
	n->sides = s;
	n->nsides++;
	s->request = r;
	if (!watch(&s->in, n->fd, EPOLLIN, on_input, s) ||
	    !watch(&s->out, n->fd, EPOLLOUT, on_room, s)) {
		side_free(s);
		request_fail(r, EMFILE, "too many descriptors");
		return;
	}
	r->data = s;
	r->frame = on_frame;
	r->gone = on_gone;
	setsockopt(link_fd(r->link), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	log_info("terminal id=%016llx joined by node=%u", (unsigned long long)n->id,
		 link_cred(r->link)->node);
	look(s);
}

/* --- what is kept ------------------------------------------------------------------------*/

static int add(uint64_t id, int fd, const Pando__MoveTerminal *t)
{
	struct near *n = NULL;
	struct stat st;

	if (!fstat(fd, &st) && S_ISCHR(st.st_mode) && major(st.st_rdev) >= 136 &&
	    major(st.st_rdev) <= 143 && isatty(fd) && t->sid && !find(id) &&
	    nnears < NEARS_MAX && init_proc_fd() >= 0)
		n = calloc(1, sizeof(*n));
	if (!n || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		free(n);
		close(fd);
		return -EINVAL;
	}
	if (!ticker &&
	    sd_event_add_time_relative(pandod.event, &ticker, CLOCK_MONOTONIC,
				       TERMINAL_TICK_MS * 1000ull, 0, on_tick,
				       NULL) < 0) {
		free(n);
		close(fd);
		return -ENOMEM;
	}
	n->id = id;
	n->fd = fd;
	n->rdev = st.st_rdev;
	n->sid = t->sid;
	n->since_ms = now_ms();
	n->next = nears;
	nears = n;
	nnears++;
	return 0;
}

Pando__MoveTerminal *terminal_near_take(uint64_t id, int fd,
					const Pando__MoveTerminal *t)
{
	size_t len = pando__move_terminal__get_packed_size(t);
	uint8_t *buf = malloc(len + 1);
	Pando__MoveTerminal *copy = NULL;

	if (buf) {
		pando__move_terminal__pack(t, buf);
		copy = pando__move_terminal__unpack(NULL, len, buf);
	}
	free(buf);
	if (copy && fd >= 0) {
		copy->node = pandod.self;
		copy->id = id;
		if (!add(id, fd, t))
			return copy;
	} else if (copy && copy->node) {
		return copy;
	} else if (fd >= 0) {
		close(fd);
	}
	if (copy)
		pando__move_terminal__free_unpacked(copy, NULL);
	return NULL;
}

void terminal_near_decided(uint64_t id, bool left)
{
	struct near *n = find(id);

	if (!n || n->decided)
		return;
	n->decided = true;
	n->since_ms = now_ms();
	if (!left && !n->sides)
		near_free(n);
}

int terminal_near_slave(uint64_t id)
{
	struct near *n = find(id);

	return n ? n->fd : -1;
}
