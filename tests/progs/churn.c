// SPDX-License-Identifier: GPL-2.0-only
/*
 * churn MIB RATE MAPS [THREADS]: memory that changes in all the ways memory does, and
 * knows what it should be.
 *
 *	heap	MIB of pages; RATE times a second one is checked and rewritten.
 *		Each holds its number and version, so that a page that is old
 *		or of another place is found out, not only a broken one.
 *	maps	MAPS mappings that come, go, grow, move, are discarded
 *		(MADV_DONTNEED) and change their protection
 *	blocks	4 MiB each, changing places by mremap()
 *	forks	children that check all that their parent has, and end
 *	ring	THREADS that hand a token round, and count it on their stacks,
 *		in their own storage and in common
 *
 * /tmp/churn.ready: it is at work. SIGUSR1: one line of what was seen into
 * /tmp/churn.PID: bad=N says how often something was not as it should be,
 * signals=N how many SIGRTMIN came, ticks=N how often a timer of 50 ms rang,
 * socket=1 that it still listens and can be talked to.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define WORDS	(PAGE / sizeof(uint64_t))
#define BLOCK	(4ul << 20)
#define BLOCKS	3

static volatile unsigned long bad, rounds, maps_done, forks_done, moves_done;
static volatile sig_atomic_t asked;

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	return z ^ (z >> 27);
}

static void complain(const char *what, const void *at, uint64_t got,
		     uint64_t want)
{
	FILE *f;

	bad++;
	if (bad > 20)
		return;
	f = fopen("/tmp/churn.bad", "a");
	if (!f)
		return;
	fprintf(f, "%s at %p: %#lx, not %#lx\n", what, at, (unsigned long)got,
		(unsigned long)want);
	fclose(f);
}

/* Version 0 is a page of zeros. */
static void write_page(void *page, uint64_t id, uint64_t version)
{
	uint64_t *w = page, seed = id << 32 ^ version;

	for (size_t i = 0; i < WORDS; i++)
		w[i] = version ? next(&seed) : 0;
}

static void check_page(const char *what, const void *page, uint64_t id,
		       uint64_t version)
{
	const uint64_t *w = page;
	uint64_t seed = id << 32 ^ version;

	for (size_t i = 0; i < WORDS; i++) {
		uint64_t want = version ? next(&seed) : 0;

		if (w[i] != want) {
			complain(what, &w[i], w[i], want);
			return;
		}
	}
}

static void nap(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

/* --- heap ---------------------------------------------------------------------*/

static uint8_t *heap;
static uint32_t *version;
static size_t pages;
static long rate;

static void check_heap(void)
{
	for (size_t i = 0; i < pages; i++)
		check_page("heap", heap + i * PAGE, i, version[i]);
}

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

static void *change_heap(void *arg)
{
	uint64_t seed = 7;
	struct timespec start, now;
	double due = 0;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		size_t i = next(&seed) % pages;
		double passed;

		pthread_mutex_lock(&heap_lock);
		check_page("heap", heap + i * PAGE, i, version[i]);
		write_page(heap + i * PAGE, i, ++version[i]);
		pthread_mutex_unlock(&heap_lock);
		rounds++;
		/* behind by much (frozen, slow): no catching up */
		clock_gettime(CLOCK_MONOTONIC, &now);
		passed = (now.tv_sec - start.tv_sec) +
			 (now.tv_nsec - start.tv_nsec) / 1e9;
		due += 1.0 / rate;
		if (due < passed - 0.1)
			due = passed;
		if (due > passed + 0.01)
			nap((due - passed) * 1e6);
	}
	return NULL;
}

/* --- mappings --------------------------------------------------------------------*/

struct mapping {
	uint8_t *at;
	uint32_t n;
	uint64_t id;
	uint32_t version[8];
};

static struct mapping *mapping;
static size_t maps;

static void check_mapping(const struct mapping *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		check_page("mapping", m->at + i * PAGE, m->id + i,
			   m->version[i]);
}

static void remap(struct mapping *m, uint32_t n)
{
	void *p = mremap(m->at, m->n * PAGE, n * PAGE, MREMAP_MAYMOVE);

	if (p == MAP_FAILED)
		return;
	for (uint32_t i = m->n; i < n; i++)
		m->version[i] = 0;
	m->at = p;
	m->n = n;
}

static void change_mapping(struct mapping *m, uint64_t *seed)
{
	uint32_t i = m->n ? next(seed) % m->n : 0;
	void *to;

	switch (m->n ? next(seed) % 8 : 0) {
	case 0:
		if (m->n)
			munmap(m->at, m->n * PAGE);
		memset(m->version, 0, sizeof(m->version));
		m->n = 1 + next(seed) % 8;
		m->id = next(seed) >> 33;
		m->at = map(m->n * PAGE);
		break;
	case 1:
		remap(m, 1 + next(seed) % 8);
		break;
	case 2:
		to = map(m->n * PAGE);
		m->at = mremap(m->at, m->n * PAGE, m->n * PAGE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, to);
		break;
	case 3:
		madvise(m->at + i * PAGE, PAGE, MADV_DONTNEED);
		m->version[i] = 0;
		break;
	case 4:
		mprotect(m->at, m->n * PAGE, PROT_READ);
		check_mapping(m);
		mprotect(m->at, m->n * PAGE, PROT_READ | PROT_WRITE);
		break;
	default:
		write_page(m->at + i * PAGE, m->id + i, ++m->version[i]);
	}
}

static void *change_maps(void *arg)
{
	uint64_t seed = 11;

	(void)arg;
	for (;;) {
		struct mapping *m = &mapping[next(&seed) % maps];

		check_mapping(m);
		change_mapping(m, &seed);
		check_mapping(m);
		maps_done++;
		nap(2000);
	}
	return NULL;
}

/* --- blocks, forks ----------------------------------------------------------------*/

static uint8_t *block[BLOCKS];
static uint64_t block_id[BLOCKS];

static void check_block(int b)
{
	for (size_t i = 0; i < BLOCK / PAGE; i += 16)
		check_page("block", block[b] + i * PAGE, block_id[b] + i, 1);
}

/* Whole page tables change their place, and no page is touched. */
static void *change_blocks(void *arg)
{
	uint8_t *spare = map(2 * BLOCK);
	uint64_t seed = 13;

	(void)arg;
	spare = (uint8_t *)(((uintptr_t)spare + BLOCK - 1) & ~(BLOCK - 1));
	for (;;) {
		int a = next(&seed) % BLOCKS, b = (a + 1) % BLOCKS;
		uint64_t id = block_id[a];
		int flags = MREMAP_MAYMOVE | MREMAP_FIXED |
			    MREMAP_DONTUNMAP;

		/* the addresses stay, and taken, what stands there is swapped */
		if (mremap(block[a], BLOCK, BLOCK, flags, spare) != spare ||
		    mremap(block[b], BLOCK, BLOCK, flags, block[a]) != block[a] ||
		    mremap(spare, BLOCK, BLOCK, flags, block[b]) != block[b])
			complain("mremap", block[a], 0, 0);
		block_id[a] = block_id[b];
		block_id[b] = id;
		check_block(a);
		moves_done++;
		nap(100000);
	}
	return NULL;
}

static void *change_forks(void *arg)
{
	(void)arg;
	for (;;) {
		int status = 0;
		pid_t pid;

		pthread_mutex_lock(&heap_lock);
		pid = fork();
		pthread_mutex_unlock(&heap_lock);
		if (!pid) {
			bad = 0;
			check_heap();
			_exit(bad ? 1 : 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			complain("child", NULL, status, 0);
		forks_done++;
		nap(500000);
	}
	return NULL;
}

/* --- ring -------------------------------------------------------------------------*/

static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t *ring_turn;
static uint64_t *ring_count;
static size_t ring, ring_at;
static __thread uint64_t ring_mine;

static void *hand_on(void *arg)
{
	size_t self = (uintptr_t)arg;
	volatile uint64_t count = 0;

	pthread_mutex_lock(&ring_lock);
	for (;;) {
		while (ring_at != self)
			pthread_cond_wait(&ring_turn[self], &ring_lock);
		if (count != ring_count[self] || ring_mine != count)
			complain("ring", (void *)&count, count,
				 ring_count[self]);
		count++;
		ring_mine++;
		ring_count[self]++;
		ring_at = (self + 1) % ring;
		pthread_cond_signal(&ring_turn[ring_at]);
		if (self)
			continue;
		pthread_mutex_unlock(&ring_lock);
		nap(10000);
		pthread_mutex_lock(&ring_lock);
	}
	return NULL;
}

static int start_ring(size_t threads)
{
	pthread_t t;

	ring_turn = calloc(threads, sizeof(*ring_turn));
	ring_count = calloc(threads, sizeof(*ring_count));
	if (threads && (!ring_turn || !ring_count))
		return -1;
	ring = threads;
	for (size_t i = 0; i < threads; i++) {
		pthread_cond_init(&ring_turn[i], NULL);
		if (pthread_create(&t, NULL, hand_on, (void *)i))
			return -1;
	}
	return 0;
}

static volatile sig_atomic_t signals, ticks;

static void on_rt(int sig)
{
	if (sig == SIGALRM)
		ticks++;
	else
		signals++;
}

static int listener = -1;

static void start_listening(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct itimerval it = { { 0, 50000 }, { 0, 50000 } };
	struct sigaction sa = { .sa_handler = on_rt, .sa_flags = SA_RESTART };
	int one = 1;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	/* as servers do: it comes back to where connections of it linger */
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&in, sizeof(in)) || listen(listener, 4))
		exit(1);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* To itself, through the socket it had from the start. */
static bool socket_works(void)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int out = socket(AF_INET, SOCK_STREAM, 0), in_fd = -1;
	char c = 0;
	bool ok;

	ok = !getsockname(listener, (void *)&in, &len) &&
	     !connect(out, (void *)&in, len) &&
	     (in_fd = accept(listener, NULL, NULL)) >= 0 &&
	     write(out, "x", 1) == 1 && read(in_fd, &c, 1) == 1 && c == 'x';
	close(out);
	if (in_fd >= 0)
		close(in_fd);
	return ok;
}

static void on_usr1(int sig)
{
	(void)sig;
	asked = 1;
}

static void tell(void)
{
	char name[64], tmp[80];
	FILE *f;

	pthread_mutex_lock(&heap_lock);
	check_heap();
	pthread_mutex_unlock(&heap_lock);
	snprintf(name, sizeof(name), "/tmp/churn.%d", getpid());
	snprintf(tmp, sizeof(tmp), "%s.new", name);
	f = fopen(tmp, "w");
	if (!f)
		return;
	fprintf(f, "bad=%lu signals=%d socket=%d ticks=%d rounds=%lu maps=%lu moves=%lu forks=%lu ring=%lu\n",
		bad, signals, socket_works(), ticks, rounds, maps_done,
		moves_done, forks_done, ring ? (unsigned long)ring_count[0] : 0);
	fclose(f);
	rename(tmp, name);
}

int main(int argc, char **argv)
{
	void *(*work[])(void *) = { change_heap, change_maps, change_blocks,
				    change_forks };
	FILE *f;

	if (argc != 4 && argc != 5) {
		fputs("usage: churn MIB RATE MAPS [THREADS]\n", stderr);
		return 2;
	}
	pages = atol(argv[1]) * 256;
	rate = atol(argv[2]);
	maps = atol(argv[3]);
	signal(SIGUSR1, on_usr1);
	start_listening();
	heap = map(pages * PAGE);
	version = map(pages * sizeof(*version));
	mapping = map((maps + 1) * sizeof(*mapping));
	for (size_t i = 0; i < pages; i++)
		write_page(heap + i * PAGE, i, version[i] = 1);
	for (int b = 0; maps && b < BLOCKS; b++) {
		block[b] = map(2 * BLOCK);
		block[b] = (uint8_t *)(((uintptr_t)block[b] + BLOCK - 1) &
				       ~(BLOCK - 1));
		block_id[b] = (uint64_t)(b + 1) << 20;
		for (size_t i = 0; i < BLOCK / PAGE; i += 16)
			write_page(block[b] + i * PAGE, block_id[b] + i, 1);
	}
	for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++) {
		pthread_t t;

		if ((i == 0 && !rate) || (i && !maps))
			continue;
		if (pthread_create(&t, NULL, work[i], NULL))
			return 1;
	}
	if (argc > 4 && start_ring(atol(argv[4])))
		return 1;
	f = fopen("/tmp/churn.ready", "w");
	if (f)
		fclose(f);
	for (;;) {
		nap(20000);
		if (asked) {
			asked = 0;
			tell();
		}
	}
}
