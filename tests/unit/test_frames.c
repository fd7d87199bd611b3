// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/libpando/frame.c
// LINK: userspace/libpando/stream.c userspace/libpando/bytes.c
// LINK: userspace/libpando/auth.c
// LINK: build/userspace/gen/pando.pb-c.c
// LIBS: -lgcrypt -lpthread
// PKGS: libprotobuf-c
/* Frames over sockets: whole ones, with descriptors, in pieces, and garbage. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pando.h"
#include "tap.h"

/* @what should hold, and did not. */
#define OK(cond, what)							\
	do {								\
		if (!(cond))						\
			tap_bad(__FILE__, __LINE__, what);		\
	} while (0)

static int a, b;

static void pair(void)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s))
		exit(1);
	a = s[0];
	b = s[1];
}

static void unpair(void)
{
	close(a);
	close(b);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static Pando__Frame data_frame(Pando__Data *d, void *bytes, size_t n)
{
	Pando__Frame f = PANDO__FRAME__INIT;

	pando__data__init(d);
	d->bytes.data = bytes;
	d->bytes.len = n;
	f.id = 7;
	f.body_case = PANDO__FRAME__BODY_DATA;
	f.data = d;
	return f;
}

TEST(whole)
{
	int fds[PANDO_FRAME_FDS], nfds = -1, null = open("/dev/null", O_RDWR);
	int pass[2] = { null, null };
	Pando__Frame f, *got = NULL;
	struct stat x, y;
	Pando__Data d;

	pair();
	f = data_frame(&d, "hello", 5);
	OK(!pando_send(a, &f, pass, 2), "sent with two descriptors");
	OK(pando_recv(b, &got, fds, &nfds) == 1 && got->id == 7 &&
	   got->data->bytes.len == 5 && nfds == 2 && !fstat(fds[0], &x) &&
	   !fstat(null, &y) && x.st_rdev == y.st_rdev &&
	   fcntl(fds[1], F_GETFD) & FD_CLOEXEC, "received with them");
	close(fds[0]);
	close(fds[1]);
	pando_frame_free(got);
	pando_send(a, &f, pass, 2);
	nfds = open_fds();
	OK(pando_recv(b, &got, NULL, NULL) == 1 && open_fds() == nfds,
	   "descriptors that nobody wants are closed");
	pando_frame_free(got);
	f = data_frame(&d, calloc(1, PANDO_FRAME_MAX), PANDO_FRAME_MAX);
	OK(pando_send(a, &f, NULL, 0) == -EMSGSIZE, "too large to be sent");
	free(d.bytes.data);
	close(a);
	OK(pando_recv(b, &got, fds, &nfds) == 0, "end of file");
	f = data_frame(&d, "x", 1);
	OK(pando_send(b, &f, NULL, 0) == -EPIPE, "nobody there, and no SIGPIPE");
	close(b);
	close(null);
}

/* What recv and a stream say to these bytes and then end of file. */
static int fed(const void *bytes, size_t n, int *stream_says)
{
	struct pando_stream *s;
	Pando__Frame *f;
	int ret, got = 0;

	pair();
	if (write(a, bytes, n) != (ssize_t)n)
		exit(1);
	close(a);
	ret = pando_recv(b, &f, NULL, NULL);
	if (ret == 1)
		pando_frame_free(f);
	close(b);
	pair();
	if (write(a, bytes, n) != (ssize_t)n)
		exit(1);
	close(a);
	s = pando_stream_new(b);
	while (pando_stream_fill(s) > 0) {
		while ((got = pando_stream_next(s, &f, NULL, NULL)) > 0)
			pando_frame_free(f);
		if (got < 0)
			break;
	}
	*stream_says = got;
	pando_stream_free(s);
	return ret;
}

TEST(garbage)
{
	static const uint8_t zero[4], huge[] = { 0xff, 0xff, 0xff, 0x7f },
		over[] = { 1, 0, 0x10, 0 }, cut[] = { 9, 0, 0, 0, 8 },
		bad[] = { 3, 0, 0, 0, 0xff, 0xff, 0xff },
		no_body[] = { 2, 0, 0, 0, 8, 1 },
		no_fds[] = { 8, 0, 0, 0, 0x10, 1, 0xa2, 1, 0, 8, 1, 0 };
	uint8_t noise[64];
	int s, bad_ends = 0;

	OK(fed(zero, 4, &s) == -EMSGSIZE && s == -EMSGSIZE, "length 0");
	OK(fed(huge, 4, &s) == -EMSGSIZE && s == -EMSGSIZE, "length 2^31");
	OK(fed(over, 4, &s) == -EMSGSIZE && s == -EMSGSIZE, "one too many");
	OK(fed(cut, 5, &s) == -EPROTO && s == 0, "cut off in a frame");
	OK(fed(cut, 2, &s) == -EPROTO && s == 0, "cut off in a header");
	OK(fed(bad, 7, &s) == -EPROTO && s == -EPROTO, "no message");
	OK(fed(no_body, 6, &s) == -EPROTO && s == -EPROTO, "an empty frame");
	OK(fed(no_fds, 12, &s) == -EPROTO && s == -EPROTO,
	   "descriptors that did not come");
	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t n = 1 + rand() % sizeof(noise);

		for (size_t j = 0; j < n; j++)
			noise[j] = rand();
		/* a right length, so that the body is looked at */
		if (n > 4 && rand() % 4) {
			memset(noise, 0, 4);
			noise[0] = n - 4;
		}
		fed(noise, n, &s);
		bad_ends += s > 0;
	}
	OK(!bad_ends, "20000 pieces of noise do no harm");
}

TEST(streams)
{
	struct pando_stream *in, *out;
	uint8_t *bytes = calloc(1, 300000);
	int fds[PANDO_FRAME_FDS], nfds, null = open("/dev/null", O_RDWR);
	int got = 0, with = 0, before = open_fds(), ret = 0;
	Pando__Frame f, *frame;
	Pando__Data d;

	pair();
	out = pando_stream_new(a);
	in = pando_stream_new(b);
	for (int i = 0; i < 30; i++) {
		f = data_frame(&d, bytes, i * 10000);
		f.id = i;
		if (pando_stream_queue(out, &f, &null, i % 3 == 0))
			ret = 1;
	}
	OK(!ret && pando_stream_pending(out) > 4000000, "30 frames queued");
	while (got < 30) {
		if (pando_stream_flush(out) < 0 || pando_stream_fill(in) < 0)
			break;
		while ((ret = pando_stream_next(in, &frame, fds, &nfds)) > 0) {
			if ((int)frame->id != got ||
			    (int)frame->data->bytes.len != got * 10000 ||
			    nfds != (got % 3 == 0))
				ret = -1;
			with += nfds;
			for (int i = 0; i < nfds; i++)
				close(fds[i]);
			pando_frame_free(frame);
			got++;
			if (ret < 0)
				break;
		}
		if (ret < 0)
			break;
	}
	OK(got == 30 && with == 10, "all came in order, with their descriptors");
	OK(pando_stream_flush(out) == 1 && !pando_stream_pending(out),
	   "nothing is left");
	f = data_frame(&d, bytes, 10);
	pando_stream_queue(out, &f, &null, 1);
	pando_stream_free(out);
	pando_stream_free(in);
	OK(open_fds() == before, "no descriptor leaks");
	/* a descriptor smuggled in with a frame that does not tell */
	pair();
	in = pando_stream_new(b);
	{
		static const uint8_t plain[] = { 6, 0, 0, 0, 8, 1, 0xa2, 1, 0,
						 0 };
		struct iovec iov = { (void *)plain, 9 };
		union {
			char buf[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} u;
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = u.buf,
				      .msg_controllen = sizeof(u.buf) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		uint8_t header[4] = { 5, 0, 0, 0 };

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &null, sizeof(int));
		memcpy(iov.iov_base = malloc(9), plain, 9);
		memcpy(iov.iov_base, header, 4);
		sendmsg(a, &msg, 0);
		free(iov.iov_base);
	}
	pando_stream_fill(in);
	while ((ret = pando_stream_next(in, &frame, fds, &nfds)) > 0)
		pando_frame_free(frame);
	OK(ret == -EPROTO, "a descriptor that no frame tells of");
	pando_stream_free(in);
	close(a);
	close(null);
	free(bytes);
}

struct side {
	int sock;
	bool initiator;
	const char *key, *context;
	int ret;
	int patience_ms;	/* 0: as long as it takes */
};

static void *prove(void *data)
{
	struct side *s = data;

	s->ret = pando_auth(s->sock, s->initiator, s->key, strlen(s->key),
			    s->context, s->patience_ms ? s->patience_ms : 20000);
	if (s->ret)
		shutdown(s->sock, SHUT_RDWR);
	return NULL;
}

static void both(const char *k1, const char *c1, const char *k2,
		 const char *c2, struct side *x, struct side *y)
{
	pthread_t t;

	pair();
	*x = (struct side){ a, true, k1, c1, 1, 0 };
	*y = (struct side){ b, false, k2, c2, 1, 0 };
	pthread_create(&t, NULL, prove, y);
	prove(x);
	pthread_join(t, NULL);
	unpair();
}

TEST(auth)
{
	struct side x, y;

	both("secret", "c", "secret", "c", &x, &y);
	OK(!x.ret && !y.ret, "who shares the secret gets in");
	both("secret", "c", "Secret", "c", &x, &y);
	OK(x.ret == -EACCES && y.ret == -EACCES, "another secret does not");
	both("secret", "c", "secret", "d", &x, &y);
	OK(x.ret == -EACCES && y.ret == -EACCES, "nor another context");
	both("", "c", "", "c", &x, &y);
	OK(x.ret == -EACCES && y.ret == -EACCES, "nor no secret at all");
	pair();
	y = (struct side){ b, false, "secret", "c", 1, 0 };
	if (write(a, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n....", 40) < 0)
		exit(1);
	prove(&y);
	OK(y.ret == -EACCES, "a web browser is refused");
	unpair();
	pair();
	y = (struct side){ b, false, "secret", "c", 1, 300 };
	prove(&y);
	OK(y.ret == -ETIMEDOUT, "who says nothing is not waited for");
	unpair();
}

static int queue_follows(struct pando_stream *out, int pipe, size_t n)
{
	Pando__Frame f = PANDO__FRAME__INIT;
	Pando__Data d = PANDO__DATA__INIT;

	f.body_case = PANDO__FRAME__BODY_DATA;
	f.data = &d;
	d.fd = 1;
	d.follows = n;
	return n ? pando_stream_queue_pipe(out, &f, pipe, n) :
		   pando_stream_queue(out, &f, NULL, 0);
}

/* What came by @hold is @want bytes of the pattern, from @from on. */
static bool is_pattern(const uint8_t *buf, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i] != (uint8_t)((from + i) * 7 / 3))
			return false;
	return true;
}

/* Bytes behind frames, taken by turns into memory and into a pipe. */
TEST(follows)
{
	const size_t sizes[] = { 1, 60000, 4096, 0, 65536, 3 };
	struct pando_stream *in, *out;
	static uint8_t buf[65536];
	size_t sent = 0, got = 0, frames = 0;
	Pando__Frame *frame;
	int from[2], to[2];
	bool good = true;

	pair();
	if (pipe2(from, O_NONBLOCK) || pipe2(to, O_NONBLOCK))
		exit(1);
	fcntl(from[0], F_SETPIPE_SZ, 1 << 18);
	out = pando_stream_new(a);
	in = pando_stream_new(b);
	pando_stream_take_follows(in);
	for (size_t i = 0; i < 6; i++) {
		for (size_t k = 0; k < sizes[i]; k++)
			buf[k] = (sent + k) * 7 / 3;
		if (write(from[1], buf, sizes[i]) != (ssize_t)sizes[i])
			good = false;
		sent += sizes[i];
		if (queue_follows(out, from[0], sizes[i]))
			good = false;
	}
	/* they are the stream's now */
	close(from[0]);
	while (good && (frames < 6 || pando_stream_follows(in))) {
		Pando__Frame *f;
		ssize_t n = 0;

		if (pando_stream_flush(out) < 0 || pando_stream_fill(in) <= 0)
			good = false;
		while (good && pando_stream_follows(in)) {
			if (got % 3) {
				n = pando_stream_follow_read(in, buf, 5000);
			} else {
				n = pando_stream_follow_splice(in, to[1]);
				if (n > 0 && read(to[0], buf, n) != n)
					good = false;
			}
			if (n <= 0)
				break;
			good = good && is_pattern(buf, n, got);
			got += n;
		}
		if (!pando_stream_follows(in) &&
		    pando_stream_next(in, &f, NULL, NULL) > 0) {
			good = good && f->data->follows == sizes[frames++];
			pando_frame_free(f);
		}
	}
	OK(good && got == sent, "what follows frames comes whole and in order");
	OK(!pando_stream_pending(out), "and nothing is left");

	/* who has not asked for it takes none */
	pando_stream_free(in);
	pando_stream_free(out);
	pair();
	out = pando_stream_new(a);
	in = pando_stream_new(b);
	if (pipe(from) || write(from[1], "xy", 2) != 2)
		exit(1);
	queue_follows(out, from[0], 2);
	pando_stream_flush(out);
	pando_stream_fill(in);
	OK(pando_stream_next(in, &frame, NULL, NULL) == -EPROTO,
	   "unasked it is garbage");
	pando_stream_free(in);
	pando_stream_free(out);
}

TAP_MAIN(T(whole), T(garbage), T(streams), T(follows), T(auth))
