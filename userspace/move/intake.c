// SPDX-License-Identifier: GPL-2.0-only
/* Pages that come ahead of the process; see intake.h. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pando.h>

#include "intake.h"
#include "memory.h"

#define ADDR_MAX	(1ull << 57)
#define WEIGH_PAGES	512	/* so many come between two looks at what is left */

int intake_map(struct intake *in, const struct peer_message *msg)
{
	struct peer_map map;
	const uint8_t *at = msg->data + sizeof(map);
	size_t n;

	if (msg->len < sizeof(map) || !intake_done(in) || in->last ||
	    (msg->len - sizeof(map)) % sizeof(struct peer_map_run))
		return move_fail(in->m, "the source's list of pages makes no sense");
	memcpy(&map, msg->data, sizeof(map));
	n = (msg->len - sizeof(map)) / sizeof(struct peer_map_run);
	dirty_runs_free(&in->runs);
	in->at = in->hint = 0;
	in->round = le32toh(map.round);
	in->last = map.last;
	in->lazy = le32toh(map.last) == PEER_MAP_LAZY;
	in->busy = true;
	for (; n; n--, at += sizeof(struct peer_map_run)) {
		struct peer_map_run r;
		uint64_t addr;
		uint32_t pages, pid;

		memcpy(&r, at, sizeof(r));
		addr = le64toh(r.addr);
		pages = le32toh(r.pages);
		pid = le32toh(r.pid) & ~PEER_MAP_DROP;
		if (pid & PEER_MAP_SEGMENT) {
			if (addr % PAGE || !pages || le32toh(r.pid) & PEER_MAP_DROP ||
			    !landed_segments_has(in->segments,
						 pid & ~PEER_MAP_SEGMENT, addr,
						 pages))
				return move_fail(in->m, "the source's list of pages makes no sense");
			dirty_runs_add(&in->runs, pid, addr, pages);
			continue;
		}
		if (!pages || addr % PAGE || addr >= ADDR_MAX ||
		    addr + (uint64_t)pages * PAGE > ADDR_MAX || !pid ||
		    pid > PANDO_PID_MAX)
			return move_fail(in->m, "the source's list of pages makes no sense");
		if (in->lazy || le32toh(r.pid) & PEER_MAP_DROP)
			store_drop(in->store, pid, addr, pages);
		else
			dirty_runs_add(&in->runs, pid, addr, pages);
	}
	return 0;
}

int intake_work(struct intake *in)
{
	while (in->at < in->runs.pages && page_puller_ready(in->puller)) {
		uint64_t left = in->runs.pages - in->at;
		unsigned int n = left < PAGES_RUN ? left : PAGES_RUN;
		int err = page_puller_want(in->puller, INTAKE_COOKIE, 0, in->at,
					   n);

		if (err)
			return move_fail(in->m, "cannot ask for pages: %s",
					 strerror(-err));
		in->flying++;
		in->at += n;
	}
	if (in->busy && intake_done(in)) {
		struct peer_map_done done = {
			.round = htole32(in->round),
			.bytes = htole64(in->puller->bytes),
		};

		in->busy = false;
		if (!in->last)
			return peer_send(in->m, PEER_MAP_DONE, &done,
					 sizeof(done));
	}
	return 0;
}

bool intake_done(const struct intake *in)
{
	return in->at == in->runs.pages && !in->flying;
}

static uint64_t low(uint64_t bits, unsigned int n)
{
	return n == 64 ? bits : bits & ((1ull << n) - 1);
}

/*
 * There was enough when the move began; but the process grows, and so do those that
 * live here. None of them shall be killed for one that may stay where it is.
 */
static int weigh(struct intake *in, unsigned int pages)
{
	uint64_t total, left;

	in->unweighed += pages;
	if (in->unweighed < WEIGH_PAGES)
		return 0;
	in->unweighed = 0;
	left = memory_available_kib(&total);
	if (left >= MEMORY_SPARE_KIB)
		return 0;
	return move_fail(in->m, "the target is full: %llu MiB are left there",
			 (unsigned long long)left / 1024);
}

int intake_store(struct intake *in, const struct page_news *news)
{
	const uint8_t *data = news->data;
	int err;

	in->flying--;
	err = weigh(in, news->n);
	if (err)
		return err;
	for (unsigned int i = 0, k; i < news->n; i += k) {
		uint64_t at = news->addr + i, zero = news->zero >> i;
		const struct dirty_run *r;
		uint64_t addr, left;

		in->hint = dirty_runs_find(&in->runs, at, in->hint);
		r = &in->runs.v[in->hint];
		addr = r->addr + (at - r->first) * PAGE;
		if (r->pid & PEER_MAP_SEGMENT) {
			/* of these none is ever missing, and no data is then */
			if (news->missing >> i & 1)
				return move_fail(in->m, "the source lacks pages of SysV shared memory");
			landed_segments_put(in->segments,
					    r->pid & ~PEER_MAP_SEGMENT, addr, 1,
					    zero & 1, data);
			data += zero & 1 ? 0 : PAGE;
			k = 1;
			continue;
		}
		if (news->missing >> i & 1) {
			/* gone since it was listed: as if it never came */
			store_drop(in->store, r->pid, addr, 1);
			k = 1;
			continue;
		}
		/* side by side, in one chunk, and all of them there */
		left = r->first + r->pages - at;
		if (left > STORE_CHUNK - addr / PAGE % STORE_CHUNK)
			left = STORE_CHUNK - addr / PAGE % STORE_CHUNK;
		for (k = 1; i + k < news->n && k < left &&
		     !(news->missing >> (i + k) & 1); k++)
			;
		zero = low(zero, k);
		if (store_put(in->store, r->pid, addr, k, zero, data))
			return move_fail(in->m, "the target is full");
		data += (k - __builtin_popcountll(zero)) * (size_t)PAGE;
	}
	return 0;
}

void intake_free(struct intake *in)
{
	dirty_runs_free(&in->runs);
}
