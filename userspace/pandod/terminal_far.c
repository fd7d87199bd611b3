// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes of this node whose terminal is elsewhere: the master of the pty that
 * stands for it here; see terminal.h.
 *
 * With EXTPROC the pty hands to the program what is written to it as it is. So a
 * line, as A has edited it, is written when the one before was read: a read gets
 * a line, as it would there. The program may set modes that it knew before it moved,
 * which have no EXTPROC: it is set again.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init.h"
#include "log.h"
#include "peer.h"
#include "terminal.h"

#define LOG_NAME	"terminal"
#define SLAVE_MAJOR	136	/* of all ptys of devpts */
#define SOON_MS		10	/* to look whether it was read */
#define LATER_MS	20	/* and when it mostly was not; the kernel waits longer */
#define LAST_MS		10000	/* for the other side to write the last output */

/* What one read at A gave; none: an end of file. */
struct input {
	struct input *next;
	size_t len, off;
	uint8_t byte[];
};

struct far {
	struct far *next;
	uint64_t id;
	uint16_t node;
	uint32_t root, sid, group[TERMINAL_GROUPS];
	size_t groups;
	bool reads, written;		/* written: a moment ago, it may not show */
	unsigned int wait_ms;
	int master, slave;		/* slave: while something is unread */
	uint64_t rdev;
	struct link *link;
	struct call *call;
	sd_event_source *io, *timer;
	struct termios told;
	uint32_t sent;			/* Modes */
	bool cr, over, left;		/* left: its process has moved on */
	struct input *input, **tail;
	size_t ahead;
};

static struct far *fars;

static void far_free(struct far *f)
{
	struct far **p = &fars;
	struct link *l = f->link;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	sd_event_source_disable_unref(f->io);
	sd_event_source_disable_unref(f->timer);
	while (f->input) {
		struct input *in = f->input;

		f->input = in->next;
		free(in);
	}
	if (f->slave >= 0)
		close(f->slave);
	if (f->master >= 0)
		close(f->master);
	if (f->call)
		call_cancel(f->call);
	if (l) {
		link_set_data(l, NULL);
		link_close(l, 0);
	}
	free(f);
}

static void end(struct far *f, const char *why)
{
	log_info("terminal id=%016llx of %u: %s", (unsigned long long)f->id,
		 f->root, why);
	far_free(f);
}

/* Is it still here, and has not moved on? */
static bool is_alive(const struct far *f)
{
	char buf[512];
	const char *s = f->left ? NULL : terminal_stat(f->root, buf, sizeof(buf));

	return s && *s != 'Z' && *s != 'X';
}

/*
 * The other side is lost. Closing the master ends what the program reads and writes;
 * the kernel would send a signal only where the terminal controls the session.
 */
static void hang_up(struct far *f, const char *why)
{
	if (!f->over && is_alive(f)) {
		init_kill(f->root, SIGHUP, false);
		init_kill(f->root, SIGCONT, false);
	}
	end(f, why);
}

static bool tell(struct far *f, Pando__Frame *frame)
{
	return f->call && !call_send(f->call, frame);
}

static bool tell_data(struct far *f, unsigned int number, const void *buf, size_t n)
{
	Pando__Frame frame = frame_of(PANDO__FRAME__BODY_DATA);
	Pando__Data d = PANDO__DATA__INIT;

	d.fd = number;
	d.bytes.data = (uint8_t *)buf;
	d.bytes.len = n;
	frame.data = &d;
	return tell(f, &frame);
}

/* --- modes ----------------------------------------------------------------------------*/

/* What the program has set goes to A; ours stays in force. */
static void look_at_modes(struct far *f)
{
	Pando__Frame frame = frame_of(PANDO__FRAME__BODY_MODES);
	Pando__Modes m = PANDO__MODES__INIT;
	struct termios t;

	if (tcgetattr(f->master, &t))
		return;
	if (!(t.c_lflag & EXTPROC)) {
		t.c_lflag |= EXTPROC;
		tcsetattr(f->master, TCSANOW, &t);
	}
	if (terminal_modes_equal(&t, &f->told))
		return;
	f->told = t;
	f->sent++;
	terminal_modes_pack(&t, &m);
	frame.modes = &m;
	tell(f, &frame);
}

static int take_modes(struct far *f, const Pando__Modes *m)
{
	struct termios t;
	int err;

	look_at_modes(f);
	if (tcgetattr(f->master, &t))
		return 0;
	if (m->behind) {
		if (terminal_modes_tostop(&t, m->lflag))
			tcsetattr(f->master, TCSANOW, &t);
		terminal_modes_tostop(&f->told, m->lflag);
		return 0;
	}
	if (m->seen != f->sent)
		return 0;	/* the program's are newer, and on their way */
	err = terminal_modes_unpack(m, &t);
	if (err)
		return err;
	t.c_lflag |= EXTPROC;
	tcsetattr(f->master, TCSANOW, &t);
	f->told = t;
	return 0;
}

/*
 * A's own signal may have come first, and found the old size: by this one too the kernel
 * signals the group in front.
 */
static void take_window(struct far *f, const Pando__Window *w)
{
	struct winsize ws = { 0 }, old;

	if (ioctl(f->master, TIOCGWINSZ, &old) < 0)
		return;
	ws = old;
	ws.ws_row = w->rows;
	ws.ws_col = w->cols;
	if (!memcmp(&ws, &old, sizeof(ws)))
		return;
	ioctl(f->master, TIOCSWINSZ, &ws);
}

/* --- input ----------------------------------------------------------------------------*/

static void hold_slave(struct far *f, bool yes)
{
	if (yes && f->slave < 0) {
		f->slave = ioctl(f->master, TIOCGPTPEER,
				 O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	} else if (!yes && f->slave >= 0) {
		close(f->slave);
		f->slave = -1;
	}
}

/* Bytes that the program has not read, -1 if that cannot be told. */
static int unread(struct far *f)
{
	int n = -1;

	hold_slave(f, true);
	if (f->slave < 0 || ioctl(f->slave, FIONREAD, &n) < 0)
		return -1;
	return n;
}

static void tell_taken(struct far *f, size_t n)
{
	Pando__Frame frame = frame_of(PANDO__FRAME__BODY_TAKEN);
	Pando__Taken t = PANDO__TAKEN__INIT;

	t.bytes = n;
	frame.taken = &t;
	f->ahead -= n;
	tell(f, &frame);
}

static void drop_first(struct far *f)
{
	struct input *in = f->input;

	f->input = in->next;
	if (!f->input)
		f->tail = &f->input;
	free(in);
}

/* One of them; false: later. */
static bool write_first(struct far *f, bool lines)
{
	struct input *in = f->input;
	ssize_t n;

	if (!in->len && lines && write(f->master, &f->told.c_cc[VEOF], 1) < 0)
		return false;
	if (in->len) {
		n = write(f->master, in->byte + in->off, in->len - in->off);
		if (n < 0)
			return false;
		in->off += n;
		if (in->off < in->len)
			return false;
	}
	return true;
}

/* What was not read goes back to where it was typed; @asked: or word that it is nothing. */
static void give_back(struct far *f, bool asked)
{
	uint8_t buf[2 * TERMINAL_AHEAD];
	size_t n = 0, taken = f->ahead;
	ssize_t got;

	while (unread(f) > 0 && n < TERMINAL_AHEAD) {
		got = read(f->slave, buf + n, TERMINAL_AHEAD - n);
		if (got <= 0)
			break;
		n += got;
	}
	while (f->input) {
		struct input *in = f->input;
		size_t left = in->len - in->off;

		if (n + left < sizeof(buf)) {
			memcpy(buf + n, in->byte + in->off, left);
			n += left;
			if (!in->len)
				buf[n++] = f->told.c_cc[VEOF];
		}
		drop_first(f);
	}
	hold_slave(f, false);
	if (taken)
		tell_taken(f, taken);
	if (n || asked)
		tell_data(f, 0, buf, n);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data);

static void again(struct far *f, unsigned int ms)
{
	if (!f->timer) {
		sd_event_add_time_relative(pandod.event, &f->timer, CLOCK_MONOTONIC,
					   ms * 1000ull, 0, on_timer, f);
		return;
	}
	sd_event_source_set_time_relative(f->timer, ms * 1000ull);
	sd_event_source_set_enabled(f->timer, SD_EVENT_ONESHOT);
}

/*
 * A is told only when all was read, so that it knows of what is to be recalled; and
 * the slave is ours as long, so that it is not lost with the program.
 */
static void push_input(struct far *f)
{
	bool lines = f->told.c_lflag & ICANON;
	int left = unread(f);

	while (f->input) {
		/* a read is to get a line, and an end of file for itself */
		if (lines && !f->input->off && (left > 0 || f->written))
			break;
		if (!write_first(f, lines))
			break;
		drop_first(f);
		f->written = true;
		f->wait_ms = SOON_MS;
	}
	if (!f->input && left <= 0 && !f->written) {
		hold_slave(f, false);
		if (f->ahead)
			tell_taken(f, f->ahead);
	} else if (!is_alive(f)) {
		give_back(f, false);
	} else {
		again(f, f->wait_ms);
		if (f->wait_ms < LATER_MS)
			f->wait_ms *= 2;
	}
}

static int add_input(struct far *f, const ProtobufCBinaryData *bytes)
{
	struct input *in;

	/* A sends no more than it was told there is room for */
	if (f->ahead + bytes->len > 2 * TERMINAL_AHEAD)
		return -EPROTO;
	in = malloc(sizeof(*in) + bytes->len);
	if (!in)
		return -ENOMEM;
	*in = (struct input){ .len = bytes->len };
	if (bytes->len)
		memcpy(in->byte, bytes->data, bytes->len);
	*f->tail = in;
	f->tail = &in->next;
	f->ahead += bytes->len + 1;
	f->wait_ms = SOON_MS;
	push_input(f);
	return 0;
}

/* --- output ---------------------------------------------------------------------------*/

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct far *f = data;

	(void)source;
	(void)usec;
	f->written = false;
	if (f->over)
		far_free(f);
	else
		push_input(f);
	return 0;
}

/*
 * Nobody has the slave open any more. The master is closed when A has got all: for that
 * the kernel waits before it tells that the process has ended.
 */
static void end_output(struct far *f)
{
	look_at_modes(f);
	f->over = true;
	f->io = sd_event_source_disable_unref(f->io);
	if (!tell_data(f, 1, NULL, 0))
		far_free(f);
	else
		again(f, bound_ms(LAST_MS));
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *data)
{
	static uint8_t buf[TERMINAL_CHUNK];
	struct far *f = data;
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		end_output(f);
		return 0;
	}
	if (buf[0] & TIOCPKT_IOCTL)
		look_at_modes(f);
	if (buf[0] || n == 1)
		return 0;
	n = terminal_output(&f->told, buf + 1, n - 1, &f->cr);
	if (!tell_data(f, 1, buf + 1, n))
		return 0;	/* the end of its link is told */
	if (link_pending(f->link) > TERMINAL_BEHIND)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void on_flushed(struct link *l)
{
	struct far *f = link_data(l);

	if (f && f->io)
		sd_event_source_set_enabled(f->io, SD_EVENT_ON);
}

/* --- the other side -------------------------------------------------------------------*/

static bool on_near(void *data, Pando__Frame *frame, int *fds, int nfds, int err)
{
	struct far *f = data;
	int bad = 0;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (!frame || frame->body_case == PANDO__FRAME__BODY_ERROR ||
	    frame->body_case == PANDO__FRAME__BODY_DONE) {
		f->call = NULL;
		/* where A was hung up the kernel there has told whom it concerns */
		if (!frame)
			hang_up(f, strerror(-err));
		else if (frame->body_case == PANDO__FRAME__BODY_ERROR &&
			 frame->error->code != EIO)
			hang_up(f, frame->error->text);
		else
			end(f, frame->body_case == PANDO__FRAME__BODY_DONE ?
			    "it is over" : frame->error->text);
		return false;
	}
	if (f->over)
		return true;
	if (frame->body_case == PANDO__FRAME__BODY_DATA && !frame->data->fd &&
	    !frame->data->follows)
		bad = add_input(f, &frame->data->bytes);
	else if (frame->body_case == PANDO__FRAME__BODY_MODES)
		bad = take_modes(f, frame->modes);
	else if (frame->body_case == PANDO__FRAME__BODY_WINDOW)
		take_window(f, frame->window);
	else if (frame->body_case == PANDO__FRAME__BODY_RECALL)
		give_back(f, true);
	else
		bad = -EPROTO;
	if (!bad)
		return true;
	f->call = NULL;
	hang_up(f, "the other side makes no sense");
	return false;
}

static void on_closed(struct link *l, int err)
{
	struct far *f = link_data(l);

	if (!f)
		return;
	f->link = NULL;
	hang_up(f, err ? strerror(-err) : "the other side is gone");
}

static const struct link_ops ops = { .closed = on_closed, .flushed = on_flushed };

static void on_link(void *data, struct link *l, int err)
{
	Pando__Frame frame = frame_of(PANDO__FRAME__BODY_PEER_TERMINAL);
	Pando__PeerTerminal q = PANDO__PEER_TERMINAL__INIT;
	struct far *f = data;
	int room = TERMINAL_BEHIND;

	if (!l) {
		hang_up(f, strerror(-err));
		return;
	}
	f->link = l;
	setsockopt(link_fd(l), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	q.id = f->id;
	q.groups = f->group;
	q.n_groups = f->groups;
	q.reads = f->reads;
	frame.peer_terminal = &q;
	f->call = link_call(l, &frame, NULL, 0, 0, on_near, f);
	if (!f->call || sd_event_add_io(pandod.event, &f->io, f->master, EPOLLIN,
					on_output, f) < 0) {
		hang_up(f, "the link broke");
		return;
	}
	look_at_modes(f);
}

void terminal_far_start(uint32_t root, int master, const Pando__MoveTerminal *t)
{
	struct far *f = calloc(1, sizeof(*f));
	int one = 1, number, err;

	if (!f || t->n_groups > TERMINAL_GROUPS || t->node > UINT16_MAX ||
	    ioctl(master, TIOCGPTN, &number) < 0 || tcgetattr(master, &f->told) ||
	    ioctl(master, TIOCPKT, &one) < 0 ||
	    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		log_err("terminal of %u: no pty", root);
		close(master);
		free(f);
		return;
	}
	f->root = root;
	f->id = t->id;
	f->node = t->node;
	f->sid = t->sid;
	f->reads = t->reads;
	for (size_t i = 0; i < t->n_groups; i++)
		f->group[i] = t->groups[i];
	f->groups = t->n_groups;
	f->rdev = makedev(SLAVE_MAJOR, number);
	f->master = master;
	f->slave = -1;
	f->wait_ms = SOON_MS;
	f->tail = &f->input;
	f->next = fars;
	fars = f;
	err = peer_open(f->node, &ops, f, on_link);
	if (err)
		hang_up(f, strerror(-err));
}

void terminal_far_left(uint64_t id, uint32_t root)
{
	for (struct far *f = fars; f; f = f->next)
		f->left |= f->id == id && f->root == root;
}

size_t terminal_far_list(Pando__MoveTerminal **list, Pando__MoveTerminal ***pointers)
{
	size_t n = 0;

	for (struct far *f = fars; f; f = f->next)
		n += !f->over;
	*list = calloc(n + 1, sizeof(**list));
	*pointers = calloc(n + 1, sizeof(**pointers));
	if (!*list || !*pointers)
		return 0;
	n = 0;
	for (struct far *f = fars; f; f = f->next) {
		Pando__MoveTerminal *t = *list + n;

		if (f->over)
			continue;
		pando__move_terminal__init(t);
		t->id = f->id;
		t->node = f->node;
		t->rdev = f->rdev;
		t->sid = f->sid;
		(*pointers)[n++] = t;
	}
	return n;
}
