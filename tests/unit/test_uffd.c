// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/uffd.c userspace/move/uffd_criu.c userspace/move/lazy.c userspace/move/store.c userspace/move/pages.c userspace/move/images.c userspace/move/pagemap.c userspace/move/util.c userspace/move/fabric.c userspace/move/fabric_loop.c
// PKGS: libprotobuf-c
/*
 * Memory that is filled while its process runs: a child whose pages are all
 * missing reads, writes, discards, unmaps, moves, protects and forks, and must
 * find each page as it was at the "source". Half of them came ahead, the others
 * are fetched over the loop. The kernel's userfaultfd is the real one.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/peer.h"
#include "../../userspace/move/uffd.h"

/* not in this test */
const struct fabric_ops fabric_rdma = { .name = "rdma" };
const struct fabric_ops fabric_dpdk = { .name = "dpdk" };
const struct fabric_ops fabric_tcp = { .name = "tcp" };

int keeper_hold(struct move *m, struct keeper *k, int uffd)
{
	(void)m;
	(void)k;
	(void)uffd;
	return 0;
}

int peer_send_header(struct move *m, enum peer_type type, uint64_t len)
{
	(void)m;
	(void)type;
	(void)len;
	return -EPIPE;
}

#define PAGES	1536u
#define BASE	((uint8_t *)0x200000000000)
#define PID	70001

/* What page @i of the source holds; every fifth is zeros. */
static void content(uint64_t i, uint8_t *page)
{
	uint64_t *w = (uint64_t *)page, seed = i + 1;

	for (size_t k = 0; k < PAGE / sizeof(*w); k++)
		w[k] = i % 5 ? tap_random(&seed) : 0;
}

static bool is(const uint8_t *at, uint64_t i)
{
	uint8_t page[PAGE];

	content(i, page);
	return !memcmp(at, page, PAGE);
}

/* --- the child --------------------------------------------------------------*/

static volatile int wrong;

static void *reader(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	/* the first third is never changed: threads read it at random */
	for (int i = 0; i < 600; i++) {
		uint64_t p = tap_random(&seed) % (PAGES / 3);

		if (!is(BASE + p * PAGE, p))
			wrong = 1;
	}
	return NULL;
}

static void check_child(uint64_t from, uint64_t to, int code)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		for (uint64_t i = from; i < to; i++)
			if (!is(BASE + i * PAGE, i))
				_exit(1);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		_exit(code);
}

static void expect(bool ok, int code)
{
	if (!ok)
		_exit(code);
}

/* Exit status: 0, or where something was not as it should be. */
static void live(void)
{
	uint8_t *at = BASE + PAGES / 3 * PAGE, *to;
	const uint64_t first = PAGES / 3;
	pthread_t t[3];

	for (uintptr_t i = 0; i < 3; i++)
		expect(!pthread_create(&t[i], NULL, reader, (void *)(i + 1)), 2);
	/* discarded: zeros, whether they had come or not */
	expect(is(at + PAGE, first + 1), 3);
	madvise(at, 10 * PAGE, MADV_DONTNEED);
	for (int i = 0; i < 10; i++)
		expect(at[i * PAGE] == 0 && at[i * PAGE + 100] == 0, 4);
	/* moved, part of it seen before */
	expect(is(at + 20 * PAGE, first + 20), 5);
	to = mmap(NULL, 200 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	to = mremap(at + 20 * PAGE, 100 * PAGE, 100 * PAGE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	expect(to != MAP_FAILED, 6);
	for (int i = 0; i < 100; i += 3)
		expect(is(to + i * PAGE, first + 20 + i), 7);
	/* other memory where it was */
	at = mmap(at + 20 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (int i = 0; i < 100; i++)
		expect(at[i * PAGE] == 0, 8);
	memset(at, 7, 100 * PAGE);
	/* one mapping becomes many */
	at = BASE + PAGES / 3 * PAGE;
	for (int i = 130; i < 200; i += 2)
		mprotect(at + i * PAGE, PAGE, PROT_READ);
	for (int i = 130; i < 200; i++)
		expect(is(at + i * PAGE, first + i), 9);
	/* gone */
	munmap(at + 210 * PAGE, 50 * PAGE);
	/* a child lacks what its parent lacks */
	check_child(first + 260, PAGES, 10);
	for (uint64_t i = first + 260; i < PAGES; i += 7)
		memset(BASE + i * PAGE, 9, 8);
	check_child(0, first, 11);
	for (uintptr_t i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	expect(!wrong, 12);
	/* everything else, at last */
	for (uint64_t i = first + 260; i < PAGES; i++) {
		uint8_t page[PAGE];

		content(i, page);
		if ((i - first - 260) % 7 == 0)
			memset(page, 9, 8);
		expect(!memcmp(BASE + i * PAGE, page, PAGE), 13);
	}
	for (int i = 0; i < 100; i++)
		expect(is(to + i * PAGE, first + 20 + i), 14);
	for (int i = 20; i < 120; i++)
		expect(at[i * PAGE + 5] == 7, 15);
	_exit(0);
}

#define BLOCK	64u		/* pages that change their places together */
#define BLOCKS	(PAGES / 3 / BLOCK)

/* Blocks of the second third, swapped as a whole, and seen now and then. */
static void *mover(void *arg)
{
	uint8_t *second = BASE + PAGES / 3 * PAGE, *spare;
	unsigned int who[BLOCKS];
	uint64_t seed = 17;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	size_t len = BLOCK * PAGE;

	(void)arg;
	spare = mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned int b = 0; b < BLOCKS; b++)
		who[b] = b;
	for (int i = 0; i < 300; i++) {
		unsigned int a = tap_random(&seed) % BLOCKS;
		unsigned int b = (a + 1 + tap_random(&seed) % (BLOCKS - 1)) %
				 BLOCKS;
		unsigned int p = tap_random(&seed) % BLOCK, was = who[a];

		if (mremap(second + a * len, len, len, flags, spare) != spare ||
		    mremap(second + b * len, len, len, flags,
			   second + a * len) != second + a * len ||
		    mremap(spare, len, len, flags, second + b * len) !=
		    second + b * len)
			wrong = 2;
		who[a] = who[b];
		who[b] = was;
		if (!is(second + a * len + p * PAGE,
			PAGES / 3 + who[a] * BLOCK + p))
			wrong = 3;
	}
	return NULL;
}

/* Mappings that come and go, some of them where missing pages were. */
static void *changer(void *arg)
{
	uint8_t *third = BASE + PAGES / 3 * 2 * PAGE;
	uint64_t seed = 19;
	static bool zero[PAGES / 3];

	(void)arg;
	for (int i = 0; i < 400; i++) {
		unsigned int p = tap_random(&seed) % (PAGES / 3 - 4);
		uint8_t *at = third + p * PAGE;

		if (tap_random(&seed) % 2)
			madvise(at, 4 * PAGE, MADV_DONTNEED);
		else
			mmap(at, 4 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		for (int k = 0; k < 4; k++) {
			zero[p + k] = true;
			if (at[k * PAGE] || at[k * PAGE + 2000])
				wrong = 4;
		}
		p = tap_random(&seed) % (PAGES / 3);
		if (!zero[p] && !is(third + p * PAGE, PAGES / 3 * 2 + p))
			wrong = 5;
	}
	return NULL;
}

/* Everything at once, with children that come and go meanwhile. */
static void storm(void)
{
	void *(*work[])(void *) = { reader, mover, changer };
	pthread_t t[3];

	for (uintptr_t i = 0; i < 3; i++)
		expect(!pthread_create(&t[i], NULL, work[i], (void *)(i + 1)), 2);
	for (int i = 0; i < 15; i++)
		check_child(0, PAGES / 3, 3);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	_exit(wrong ? 10 + wrong : 0);
}

/* As criu would: registers, hands over, and says that it is finished. */
static void child(const char *path, int go, bool stormy)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_FORK |
					      UFFD_FEATURE_EVENT_REMAP |
					      UFFD_FEATURE_EVENT_REMOVE |
					      UFFD_FEATURE_EVENT_UNMAP };
	struct uffdio_register reg = {
		.range = { (uintptr_t)BASE, PAGES * (uint64_t)PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	int32_t pid = PID;
	uint32_t end = 0x52535446u;
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		_exit(77);
	expect(mmap(BASE, PAGES * (size_t)PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == BASE, 20);
	madvise(BASE, PAGES * (size_t)PAGE, MADV_NOHUGEPAGE);
	expect(!ioctl(fd, UFFDIO_REGISTER, &reg), 21);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/lazy-pages.socket",
		 path);
	expect(!connect(sock, (void *)&sun, sizeof(sun)), 22);
	expect(write(sock, &pid, sizeof(pid)) == sizeof(pid), 23);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	expect(sendmsg(sock, &mh, 0) == 1, 24);
	expect(write(sock, &end, sizeof(end)) == sizeof(end), 25);
	close(sock);
	close(fd);
	/* until the other side is ready to see it run */
	expect(read(go, &byte, 1) == 1, 26);
	if (stormy)
		storm();
	live();
}

/* --- the mover ------------------------------------------------------------------*/

static void varint(FILE *f, uint64_t v)
{
	for (; v > 127; v >>= 7)
		fputc((v & 127) | 128, f);
	fputc(v, f);
}

static void write_pagemap(const char *path)
{
	uint32_t word[3] = { htole32(0x54564319u), htole32(0x56084025u),
			     htole32(2) };
	char name[128], entry[64];
	FILE *f, *e;

	snprintf(name, sizeof(name), "%s/pagemap-%d.img", path, PID);
	f = fopen(name, "w");
	fwrite(word, sizeof(word), 1, f);
	fputc(1 << 3, f);
	varint(f, 1);
	e = fmemopen(entry, sizeof(entry), "w");
	fputc(1 << 3, e);
	varint(e, (uintptr_t)BASE);
	fputc(2 << 3, e);
	varint(e, PAGES);
	fputc(4 << 3, e);
	varint(e, 2);
	word[0] = htole32(ftell(e));
	fclose(e);
	fwrite(word, sizeof(*word), 1, f);
	fwrite(entry, le32toh(word[0]), 1, f);
	fclose(f);
}

static int read_page(void *arg, pid_t pid, uint64_t addr, unsigned int n,
		     uint8_t *dst, uint64_t *missing)
{
	(void)arg;
	(void)missing;
	if (pid != PID)
		return -ESRCH;
	for (unsigned int i = 0; i < n; i++)
		content((addr - (uintptr_t)BASE) / PAGE + i,
			dst + i * (size_t)PAGE);
	return 0;
}

static struct uffds u;

static int arrived(void *arg, const struct page_news *news)
{
	(void)arg;
	return uffds_store(&u, news);
}

static int turn(struct page_server *server, struct page_puller *puller)
{
	struct fabric_event ev;
	int err = uffds_work(&u);

	if (!err)
		err = page_puller_push(puller);
	for (int more = 1; more && !err;) {
		more = 0;
		fabric_loop.poll(server->fabric, &ev);
		if (ev.type == FABRIC_MESSAGE) {
			more = 1;
			err = page_server_message(server, ev.msg, ev.len);
		}
		fabric_loop.poll(puller->fabric, &ev);
		if (!err && ev.type != FABRIC_NONE) {
			more = 1;
			err = page_puller_event(puller, &ev);
		}
	}
	return err;
}

/* @ahead: how many of 8 chunks came ahead; @fill: they are pushed too. */
static void run(unsigned int ahead, bool fill, bool stormy)
{
	char path[] = "/tmp/test-uffd-XXXXXX", name[128];
	struct move m = { .daemon = -1, .peer = -1, .timeout_ms = 60000 };
	struct fabric *source = fabric_new(&fabric_loop, "t", 1);
	struct fabric *target = fabric_new(&fabric_loop, "t", 1);
	struct page_server server;
	struct page_puller puller;
	struct store store = { 0 };
	uint8_t page[PAGE];
	uint16_t port = 0;
	int go[2], status = -1, err = 0;
	bool started = false;
	pid_t pid;

	/* a thread that is never served is a failure, not a wait */
	alarm(120);
	fabric_loop.listen(source, "", &port);
	fabric_loop.connect(target, "", port, 0);
	fabric_loop.accept(source, 0);
	CHECK_EQ(page_server_start(&server, source, read_page, NULL), 0);
	CHECK_EQ(page_puller_start(&puller, target, arrived, NULL), 0);
	CHECK(mkdtemp(path) != NULL);
	snprintf(m.path, sizeof(m.path), "%s", path);
	m.dir = open(path, O_RDONLY | O_DIRECTORY);
	write_pagemap(path);
	for (uint64_t i = 0; i < PAGES; i++) {
		if (i / 64 % 8 >= ahead)
			continue;
		content(i, page);
		CHECK_EQ(store_put(&store, PID, (uintptr_t)BASE + i * PAGE, 1,
				   i % 5 == 0, page), 0);
	}
	CHECK_EQ(uffds_listen(&u, &m, &puller, &store, NULL), 0);
	CHECK_EQ(pipe(go), 0);
	pid = fork();
	if (!pid)
		child(path, go[0], stormy);
	while (!err && waitpid(pid, &status, WNOHANG) == 0) {
		struct pollfd p[64];
		int fds[64];
		size_t n = uffds_fds(&u, fds, 64);

		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ fds[i], POLLIN, 0 };
		poll(p, n, uffds_busy(&u) ? 0 : 5);
		err = turn(&server, &puller);
		if (u.finished && !started) {
			started = true;
			u.running = true;
			if (fill)
				uffds_fill(&u, FILL_ALL);
			CHECK_EQ(write(go[1], "g", 1), 1);
		}
	}
	if (err)
		printf("# %s\n", m.reason);
	CHECK_EQ(err, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("# no userfaultfd here: nothing was tested\n");
	else
		CHECK_EQ(status, 0);
	kill(pid, SIGKILL);
	uffds_free(&u);
	store_free(&store);
	page_puller_free(&puller);
	page_server_free(&server);
	fabric_free(source);
	fabric_free(target);
	close(go[0]);
	close(go[1]);
	close(m.dir);
	snprintf(name, sizeof(name), "%s/pagemap-%d.img", path, PID);
	unlink(name);
	snprintf(name, sizeof(name), "%s/lazy-pages.socket", path);
	unlink(name);
	rmdir(path);
}

TEST(what_is_asked_for_comes_from_the_store)
{
	run(8, false, false);
}

TEST(what_is_asked_for_is_fetched)
{
	run(0, false, false);
}

TEST(filled_from_the_store_while_it_runs)
{
	run(8, true, false);
}

TEST(filled_from_both_while_it_runs)
{
	for (int i = 0; i < 3; i++)
		run(4, true, false);
}

TEST(filled_from_afar_while_it_runs)
{
	run(0, true, false);
}

TEST(a_storm_of_changes)
{
	for (int i = 0; i < 3; i++) {
		run(8, true, true);
		run(4, true, true);
		run(0, false, true);
	}
}

TAP_MAIN(T(a_storm_of_changes), T(what_is_asked_for_comes_from_the_store),
	 T(what_is_asked_for_is_fetched), T(filled_from_the_store_while_it_runs),
	 T(filled_from_both_while_it_runs), T(filled_from_afar_while_it_runs))
