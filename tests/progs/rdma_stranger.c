// SPDX-License-Identifier: GPL-2.0-only
/*
 * rdma_stranger garbage ADDRESS PORT: connects by RDMA again and again, with
 * private data and messages that mean nothing, or nearly something. Prints how
 * many connections were let in.
 *
 * rdma_stranger silent ADDRESS PORT N: holds N connections that say nothing, or
 * as many of them as one gets; prints "holding" and waits to be killed.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>

#define ANSWER_MS	3000
#define BUF		(256 * 1024)

/* As kmod/rdma.h has it. */
struct hello {
	uint32_t magic;
	uint32_t credits;
};

#define MAGIC		0x314d4452u
#define WIRE_MAGIC	0x314f444eu

static struct rdma_addrinfo *addr;
static uint8_t *buf;

static struct rdma_cm_id *dial(const void *data, size_t len)
{
	struct ibv_qp_init_attr qp = {
		.cap = { 8, 8, 1, 1, 0 },
		.sq_sig_all = 1,
	};
	struct rdma_conn_param param = {
		.private_data = data,
		.private_data_len = len,
		.responder_resources = 1,
		.initiator_depth = 1,
		.retry_count = 1,
		.rnr_retry_count = 1,
	};
	struct rdma_cm_id *id;

	if (rdma_create_ep(&id, addr, NULL, &qp))
		return NULL;
	if (rdma_connect(id, &param)) {
		rdma_destroy_ep(id);
		return NULL;
	}
	return id;
}

/* Waits for the one completion, for as long as a queue may take to break. */
static void complete(struct rdma_cm_id *id)
{
	struct ibv_wc wc;

	for (int i = 0; i < ANSWER_MS; i++) {
		if (ibv_poll_cq(id->send_cq, 1, &wc))
			return;
		poll(NULL, 0, 1);
	}
}

/* Whether it was let in to say it. */
static int say(const void *head, size_t headlen, size_t len)
{
	struct hello hello = { MAGIC, 16 };
	struct rdma_cm_id *id = dial(&hello, sizeof(hello));
	struct ibv_mr *mr;

	if (!id)
		return 0;
	mr = rdma_reg_msgs(id, buf, BUF);
	if (getrandom(buf, 256, 0) != 256)
		exit(1);
	if (headlen)
		memcpy(buf, head, headlen);
	if (mr && !rdma_post_send(id, NULL, buf, len, mr, 0))
		complete(id);
	/* memory that was never ours */
	if (mr && !rdma_post_write(id, NULL, buf, 64, mr, 0, 0xffff888000000000,
				   0x1234))
		complete(id);
	if (mr)
		rdma_dereg_mr(mr);
	rdma_disconnect(id);
	rdma_destroy_ep(id);
	return 1;
}

static int garbage(void)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 47, 48, 49, 200, 300, 4096,
					65536, 70000, 200000 };
	static const uint32_t credits[] = { 0, 1, 16, 0x7fffffff, 0xffffffff };
	uint32_t head[4];
	int let_in = 0;

	for (size_t len = 0; len <= 56; len += 7) {
		struct rdma_cm_id *id = dial(buf, len);

		if (id) {
			let_in++;
			rdma_destroy_ep(id);
		}
	}
	for (size_t i = 0; i < sizeof(credits) / sizeof(*credits); i++) {
		struct hello hello = { MAGIC, credits[i] };
		struct rdma_cm_id *id = dial(&hello, sizeof(hello));

		if (id) {
			let_in++;
			rdma_destroy_ep(id);
		}
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		let_in += say(NULL, 0, sizes[i]);
		/* credits that cannot be, and a header's beginning */
		head[0] = 0xffffffff;
		head[1] = 0;
		head[2] = WIRE_MAGIC;
		head[3] = 1;
		let_in += say(head, sizeof(head), sizes[i]);
	}
	printf("%d\n", let_in);
	return 0;
}

static int silent(int n)
{
	struct hello hello = { MAGIC, 16 };

	for (int i = 0; i < n; i++)
		dial(&hello, sizeof(hello));
	puts("holding");
	fflush(stdout);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	struct rdma_addrinfo hints = { .ai_port_space = RDMA_PS_TCP };

	if (argc < 4 || rdma_getaddrinfo(argv[2], argv[3], &hints, &addr)) {
		fputs("usage: rdma_stranger garbage|silent ADDRESS PORT [N]\n",
		      stderr);
		return 2;
	}
	buf = calloc(1, BUF);
	if (!buf)
		return 1;
	return !strcmp(argv[1], "garbage") ? garbage() :
					     silent(argc > 4 ? atoi(argv[4]) : 1);
}
