/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page fabric: how the target reads memory of the source.
 *
 * A fabric is a connection between two movers that carries
 *   - messages of up to FABRIC_MSG bytes, both ways, in order, and
 *   - reads: the reader names remote memory (address, key) that the other
 *     side registered, and gets a copy of it, with the other side's CPU not
 *     asked where the hardware can do so.
 * Nothing blocks after connect and accept: poll() gives one event or none,
 * and fd is readable when there may be one.
 *
 *	source				target
 *	listen()			
 *	accept()		<-	connect()	both prove the token
 *	reg(slots, readable)		reg(landing buffers)
 *	send()			->	poll(): FABRIC_MESSAGE
 *				<-	read()
 *					poll(): FABRIC_READ
 *
 * Functions return 0 or a negative errno and say in words in f->error what
 * was wrong.
 */
#ifndef FABRIC_H
#define FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FABRIC_MSG	112	/* bytes of a message at most */
#define FABRIC_MSGS	160	/* messages that may be under way one way */
#define FABRIC_READS	16	/* reads under way that we ever ask for */
#define FABRIC_READ_MAX	(1u << 20)
#define FABRIC_PAGE	4096u

enum fabric_type {
	FABRIC_NONE,		/* nothing now */
	FABRIC_MESSAGE,		/* msg, len */
	FABRIC_READ,		/* cookie of a read that is complete */
	FABRIC_CLOSED,		/* the other side went away */
};

struct fabric_event {
	enum fabric_type type;
	uint64_t cookie;
	size_t len;
	uint8_t msg[FABRIC_MSG];
};

struct fabric_region {
	uint64_t addr;		/* what the other side calls its first byte */
	uint32_t key;
};

struct fabric_limits {
	unsigned int reads;	/* under way at once, as negotiated */
	size_t read_max;
};

struct fabric;

struct fabric_ops {
	const char *name;
	size_t size;		/* of the fabric's own struct */
	/* Is there a device with @addr, or with NULL any at all? */
	int (*probe)(struct fabric *f, const char *addr);
	int (*listen)(struct fabric *f, const char *addr, uint16_t *port);
	int (*accept)(struct fabric *f, int timeout_ms);
	int (*connect)(struct fabric *f, const char *addr, uint16_t port,
		       int timeout_ms);
	/*
	 * Memory for reads: @readable by the other side, else where they land.
	 * @len bytes that fabric_map() gave.
	 */
	int (*reg)(struct fabric *f, void *mem, size_t len, bool readable,
		   struct fabric_region *region);
	int (*send)(struct fabric *f, const void *msg, size_t len);
	int (*read)(struct fabric *f, uint64_t cookie, void *dst, uint64_t addr,
		    uint32_t key, size_t len);
	int (*poll)(struct fabric *f, struct fabric_event *ev);
	void (*limits)(const struct fabric *f, struct fabric_limits *l);
	void (*close)(struct fabric *f);
};

struct fabric {
	const struct fabric_ops *ops;
	int fd;				/* readable: poll() may have something */
	const void *token;		/* the secret of this move */
	size_t token_len;
	char error[160];
};

extern const struct fabric_ops fabric_tcp;
extern const struct fabric_ops fabric_rdma;
extern const struct fabric_ops fabric_dpdk;
extern const struct fabric_ops fabric_loop;

/* Best first, what "auto" tries in this order. loop is for tests alone. */
extern const struct fabric_ops *const fabric_table[];

struct fabric *fabric_new(const struct fabric_ops *ops, const void *token,
			  size_t len);
void fabric_free(struct fabric *f);
const struct fabric_ops *fabric_find(const char *name);
/*
 * Memory to register, @len bytes in whole pages, there and zeroed; or NULL.
 * One page more is behind it: see rdma_f_reg().
 */
void *fabric_map(size_t len);
void fabric_unmap(void *mem, size_t len);
int fabric_error(struct fabric *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
