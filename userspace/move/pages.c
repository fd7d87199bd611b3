// SPDX-License-Identifier: GPL-2.0-only
/* The page protocol; see pages.h for who says what. */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

#define RUN_BYTES	(PAGES_RUN * (size_t)PAGE)

enum { P_OFFER = 0x5001, P_WANT, P_HERE };

struct offer {
	uint16_t type;
	uint16_t slots;
	uint32_t key;
	uint64_t addr;
	uint32_t page;		/* bytes */
	uint32_t run;		/* pages a slot */
};

struct want {
	uint16_t id;
	uint16_t n;
	uint32_t pid;
	uint64_t addr;
};

struct wants {
	uint16_t type;
	uint16_t count;		/* of those that are there */
	uint32_t release;	/* one bit a slot */
	struct want v[PAGES_BATCH];
};

struct here {
	uint16_t id;
	uint16_t slot;
	uint16_t error;
	uint16_t pad;
	uint64_t zero;
	uint64_t missing;
};

struct heres {
	uint16_t type;
	uint16_t count;
	uint32_t pad;
	struct here v[PAGES_BATCH];
};

#define WANTS(n)	(offsetof(struct wants, v) + (n) * sizeof(struct want))
#define HERES(n)	(offsetof(struct heres, v) + (n) * sizeof(struct here))

_Static_assert(sizeof(struct offer) == 24 && sizeof(struct want) == 16 &&
	       sizeof(struct here) == 24 && WANTS(0) == 8 && HERES(0) == 8,
	       "wire structs");
_Static_assert(WANTS(PAGES_BATCH) <= FABRIC_MSG &&
	       HERES(PAGES_BATCH) <= FABRIC_MSG, "a batch is one message");
_Static_assert(PAGES_SLOTS + 2 <= FABRIC_MSGS, "receives posted");
_Static_assert(PAGES_RUN * PAGE <= FABRIC_READ_MAX, "a run is one read");

static uint16_t type_of(const uint8_t *msg, size_t len)
{
	uint16_t type;

	if (len < sizeof(type))
		return 0;
	memcpy(&type, msg, sizeof(type));
	return le16toh(type);
}

/* --- source ----------------------------------------------------------------*/

int page_server_start(struct page_server *s, struct fabric *f,
		      page_reader reader, void *arg)
{
	struct offer o = { .type = htole16(P_OFFER),
			   .slots = htole16(PAGES_SLOTS),
			   .page = htole32(PAGE), .run = htole32(PAGES_RUN) };
	int err;

	*s = (struct page_server){ .fabric = f, .reader = reader, .arg = arg };
	s->size = PAGES_SLOTS * RUN_BYTES;
	s->slots = fabric_map(s->size);
	if (!s->slots)
		return -ENOMEM;
	err = f->ops->reg(f, s->slots, s->size, true, &s->region);
	if (err)
		return err;
	o.key = htole32(s->region.key);
	o.addr = htole64(s->region.addr);
	return f->ops->send(f, &o, sizeof(o));
}

static bool all_zero(const uint8_t *page)
{
	const uint64_t *w = (const uint64_t *)page;

	/* most pages differ at once */
	for (size_t i = 0; i < PAGE / sizeof(*w); i += 8)
		if (w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] |
		    w[i + 5] | w[i + 6] | w[i + 7])
			return false;
	return true;
}

/* Drops the pages of zeros and those missing; returns which were zeros. */
static uint64_t pack(uint8_t *slot, unsigned int n, uint64_t missing)
{
	uint8_t *to = slot;
	uint64_t zero = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t *from = slot + (size_t)i * PAGE;

		if (missing >> i & 1)
			continue;
		if (all_zero(from)) {
			zero |= 1ull << i;
			continue;
		}
		if (to != from)
			memcpy(to, from, PAGE);
		to += PAGE;
	}
	return zero;
}

static bool run_valid(pid_t pid, uint64_t addr, uint64_t n)
{
	if (!pid)
		return n && n <= PAGES_RUN && addr < UINT32_MAX;
	return n && n <= PAGES_RUN && !(addr % PAGE) &&
	       addr < (1ull << 63) && addr + n * PAGE < (1ull << 63);
}

/* Into a free slot; an errno of the reader is an answer too. */
static int serve(struct page_server *s, const struct want *w, struct here *h)
{
	uint64_t addr = le64toh(w->addr), missing = 0, zero;
	uint32_t n = le16toh(w->n), pid = le32toh(w->pid);
	unsigned int slot = __builtin_ctz(~s->busy);
	uint8_t *mem;
	int err;

	if (pid > INT32_MAX || !run_valid(pid, addr, n) || slot >= PAGES_SLOTS)
		return -EPROTO;
	*h = (struct here){ .id = w->id };
	mem = s->slots + slot * RUN_BYTES;
	err = s->reader(s->arg, pid, addr, n, mem, &missing);
	if (err) {
		h->error = htole16(-err);
		return 0;
	}
	zero = pack(mem, n, missing);
	s->pages += n;
	s->bytes += (n - __builtin_popcountll(zero | missing)) * (uint64_t)PAGE;
	s->busy |= 1u << slot;
	h->slot = htole16(slot);
	h->zero = htole64(zero);
	h->missing = htole64(missing);
	return 0;
}

int page_server_message(struct page_server *s, const uint8_t *msg, size_t len)
{
	struct heres h = { .type = htole16(P_HERE) };
	unsigned int count;
	uint32_t release;
	struct wants w;

	if (type_of(msg, len) != P_WANT || len < WANTS(1) || len > sizeof(w))
		return -EPROTO;
	memcpy(&w, msg, len);
	count = le16toh(w.count);
	release = le32toh(w.release);
	if (!count || count > PAGES_BATCH || len != WANTS(count) ||
	    release & ~s->busy)
		return -EPROTO;
	s->busy &= ~release;
	for (unsigned int i = 0; i < count; i++) {
		int err = serve(s, &w.v[i], &h.v[i]);

		if (err)
			return err;
	}
	h.count = htole16(count);
	return s->fabric->ops->send(s->fabric, &h, HERES(count));
}

void page_server_free(struct page_server *s)
{
	fabric_unmap(s->slots, s->size);
	s->slots = NULL;
}

/* --- target ----------------------------------------------------------------*/

int page_puller_start(struct page_puller *p, struct fabric *f,
		      page_store store, void *arg)
{
	struct fabric_limits l;

	*p = (struct page_puller){ .fabric = f, .store = store, .arg = arg };
	f->ops->limits(f, &l);
	p->reads_max = l.reads < PAGES_SLOTS ? l.reads : PAGES_SLOTS;
	p->size = PAGES_SLOTS * RUN_BYTES;
	p->land = fabric_map(p->size);
	if (!p->land)
		return -ENOMEM;
	return f->ops->reg(f, p->land, p->size, false, NULL);
}

bool page_puller_room(const struct page_puller *p)
{
	return p->offered && p->busy < p->slots;
}

bool page_puller_ready(const struct page_puller *p)
{
	return page_puller_room(p) && !p->full;
}

int page_puller_want(struct page_puller *p, uint64_t cookie, pid_t pid,
		     uint64_t addr, unsigned int n)
{
	unsigned int i;

	if (!page_puller_room(p))
		return -EBUSY;
	if (!run_valid(pid, addr, n))
		return -EINVAL;
	for (i = 0; p->run[i].state != RUN_FREE; i++)
		;
	p->run[i] = (struct page_run){ .state = RUN_QUEUED, .cookie = cookie,
				       .pid = pid, .addr = addr, .n = n };
	if (++p->busy == p->slots)
		p->full = true;
	p->queue[p->queued++] = i;
	return p->queued == PAGES_BATCH ? page_puller_push(p) : 0;
}

int page_puller_push(struct page_puller *p)
{
	struct wants w = { .type = htole16(P_WANT),
			   .count = htole16(p->queued),
			   .release = htole32(p->release) };
	unsigned int n = p->queued;

	if (!n)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		struct page_run *r = &p->run[p->queue[i]];

		w.v[i] = (struct want){ .id = htole16(p->queue[i]),
					.n = htole16(r->n),
					.pid = htole32(r->pid),
					.addr = htole64(r->addr) };
		r->state = RUN_WANTED;
	}
	p->queued = 0;
	p->release = 0;
	return p->fabric->ops->send(p->fabric, &w, WANTS(n));
}

/* READs wait for each other where the fabric takes fewer than there are runs */
static int start_reads(struct page_puller *p)
{
	for (unsigned int i = 0; i < PAGES_SLOTS; i++) {
		struct page_run *r = &p->run[i];
		unsigned int full;
		int err;

		if (r->state != RUN_HERE)
			continue;
		if (p->reads == p->reads_max)
			return 0;
		full = r->n - __builtin_popcountll(r->zero | r->missing);
		err = p->fabric->ops->read(p->fabric, i,
					   p->land + i * RUN_BYTES,
					   p->addr + r->slot * RUN_BYTES,
					   p->key, (size_t)full * PAGE);
		if (err)
			return err;
		r->state = RUN_READING;
		p->reads++;
	}
	return 0;
}

static int finish(struct page_puller *p, unsigned int i)
{
	struct page_run *r = &p->run[i];
	struct page_news news = { r->cookie, r->addr, r->n, r->zero,
				  r->missing, p->land + i * RUN_BYTES };
	int err;

	/* what we hold is our own copy: the slot is wanted again */
	p->release |= 1u << r->slot;
	p->pages += r->n;
	p->bytes += (r->n - __builtin_popcountll(r->zero | r->missing)) *
		    (uint64_t)PAGE;
	err = p->store(p->arg, &news);
	r->state = RUN_FREE;
	p->busy--;
	if (p->slots - p->busy >= PAGES_BATCH || !p->busy)
		p->full = false;
	return err;
}

/* Nobody else holds this slot, and it is not one that we have let go of. */
static bool slot_valid(const struct page_puller *p, unsigned int slot)
{
	if (slot >= p->slots || p->release >> slot & 1)
		return false;
	for (unsigned int i = 0; i < PAGES_SLOTS; i++)
		if ((p->run[i].state == RUN_HERE ||
		     p->run[i].state == RUN_READING) && p->run[i].slot == slot)
			return false;
	return true;
}

static int arrived(struct page_puller *p, const struct here *h)
{
	unsigned int i = le16toh(h->id), slot = le16toh(h->slot);
	uint64_t zero = le64toh(h->zero), missing = le64toh(h->missing), mask;
	struct page_run *r;

	if (i >= PAGES_SLOTS || p->run[i].state != RUN_WANTED)
		return -EPROTO;
	r = &p->run[i];
	if (h->error)
		return -(int)le16toh(h->error);
	mask = r->n == 64 ? ~0ull : (1ull << r->n) - 1;
	if ((zero | missing) & ~mask || zero & missing || !slot_valid(p, slot))
		return -EPROTO;
	r->slot = slot;
	r->zero = zero;
	r->missing = missing;
	r->state = RUN_HERE;
	return (zero | missing) == mask ? finish(p, i) : start_reads(p);
}

static int all_arrived(struct page_puller *p, const uint8_t *msg, size_t len)
{
	struct heres h;
	unsigned int count;

	if (len < HERES(1) || len > sizeof(h))
		return -EPROTO;
	memcpy(&h, msg, len);
	count = le16toh(h.count);
	if (!count || count > PAGES_BATCH || len != HERES(count))
		return -EPROTO;
	for (unsigned int i = 0; i < count; i++) {
		int err = arrived(p, &h.v[i]);

		if (err)
			return err;
	}
	return 0;
}

static int offered(struct page_puller *p, const struct offer *o)
{
	unsigned int slots = le16toh(o->slots);

	if (p->offered || le32toh(o->page) != PAGE ||
	    le32toh(o->run) != PAGES_RUN || !slots || slots > PAGES_SLOTS)
		return -EPROTO;
	p->addr = le64toh(o->addr);
	p->key = le32toh(o->key);
	p->slots = slots;
	p->offered = true;
	return 0;
}

int page_puller_event(struct page_puller *p, const struct fabric_event *ev)
{
	struct offer o;
	int err;

	if (ev->type == FABRIC_READ) {
		if (ev->cookie >= PAGES_SLOTS ||
		    p->run[ev->cookie].state != RUN_READING)
			return -EPROTO;
		p->reads--;
		err = finish(p, ev->cookie);
		return err ? err : start_reads(p);
	}
	if (ev->type != FABRIC_MESSAGE)
		return ev->type == FABRIC_CLOSED ? -EPIPE : 0;
	if (type_of(ev->msg, ev->len) == P_OFFER && ev->len == sizeof(o)) {
		memcpy(&o, ev->msg, sizeof(o));
		return offered(p, &o);
	}
	if (type_of(ev->msg, ev->len) == P_HERE)
		return all_arrived(p, ev->msg, ev->len);
	return -EPROTO;
}

void page_puller_free(struct page_puller *p)
{
	fabric_unmap(p->land, p->size);
	p->land = NULL;
}
