// SPDX-License-Identifier: GPL-2.0-only
/*
 * fabric listen FABRIC ADDR FILE		hands out pages; its port goes to FILE
 * fabric pull FABRIC ADDR PORT MIB	fetches so many, prints MB a second
 *
 * The page fabric and its protocol alone, without a process that moves.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../userspace/move/move.h"
#include "../../../userspace/move/pages.h"

#define TOKEN	"a token for the bench"
#define WAIT_MS	60000

static uint64_t came;

/* Memory that is there already, as a sender's of iperf3: the way is measured. */
static int reader(void *arg, pid_t pid, uint64_t addr, unsigned int n,
		  uint8_t *dst, uint64_t *missing)
{
	(void)arg;
	(void)pid;
	(void)addr;
	(void)missing;
	/* pages of zeros would not travel; once filled, a slot stays so */
	if (!dst[(size_t)n * PAGE - 1])
		memset(dst, 0x5a, (size_t)n * PAGE);
	return 0;
}

static int store(void *arg, const struct page_news *news)
{
	(void)arg;
	came += news->n;
	return 0;
}

static int fail(struct fabric *f, const char *what)
{
	fprintf(stderr, "fabric: %s: %s\n", what, f->error);
	return 1;
}

static void await(struct fabric *f)
{
	struct pollfd p = { f->fd, POLLIN, 0 };

	poll(&p, 1, 1000);
}

static int serve(struct fabric *f, const char *addr, const char *file)
{
	struct page_server s;
	struct fabric_event ev;
	uint16_t port = 0;
	FILE *out;

	if (f->ops->listen(f, addr, &port))
		return fail(f, "listen");
	out = fopen(file, "w");
	if (!out)
		return 1;
	fprintf(out, "%u\n", port);
	fclose(out);
	if (f->ops->accept(f, WAIT_MS) || page_server_start(&s, f, reader, NULL))
		return fail(f, "accept");
	for (;;) {
		if (f->ops->poll(f, &ev))
			return fail(f, "poll");
		if (ev.type == FABRIC_CLOSED)
			return 0;
		if (ev.type == FABRIC_NONE)
			await(f);
		else if (ev.type == FABRIC_MESSAGE &&
			 page_server_message(&s, ev.msg, ev.len))
			return fail(f, "message");
	}
}

static int pull(struct fabric *f, const char *addr, uint16_t port,
		uint64_t pages)
{
	struct page_puller p;
	struct fabric_event ev;
	uint64_t asked = 0;
	int64_t start;

	if (f->ops->connect(f, addr, port, WAIT_MS) ||
	    page_puller_start(&p, f, store, NULL))
		return fail(f, "connect");
	start = now_ns();
	while (came < pages) {
		while (asked < pages && page_puller_ready(&p)) {
			if (page_puller_want(&p, 0, 1, asked * PAGE, PAGES_RUN))
				return fail(f, "want");
			asked += PAGES_RUN;
		}
		if (page_puller_push(&p))
			return fail(f, "push");
		if (f->ops->poll(f, &ev) || page_puller_event(&p, &ev))
			return fail(f, "pull");
		if (ev.type == FABRIC_NONE)
			await(f);
	}
	printf("%.3f\n", came * (double)PAGE * 1e3 / (now_ns() - start));
	return 0;
}

int main(int argc, char **argv)
{
	const struct fabric_ops *ops = argc > 2 ? fabric_find(argv[2]) : NULL;
	struct fabric *f = ops ? fabric_new(ops, TOKEN, sizeof(TOKEN)) : NULL;

	if (f && argc == 5 && !strcmp(argv[1], "listen"))
		return serve(f, argv[3], argv[4]);
	if (f && argc == 6 && !strcmp(argv[1], "pull"))
		return pull(f, argv[3], atoi(argv[4]), atoi(argv[5]) * 256ull);
	fputs("usage: fabric listen FABRIC ADDR FILE | pull FABRIC ADDR PORT MIB\n",
	      stderr);
	return 2;
}
