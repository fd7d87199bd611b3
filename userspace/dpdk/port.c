// SPDX-License-Identifier: GPL-2.0-only
/* A port of DPDK's: see ../move/dpdk_port.h. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "../move/dpdk_port.h"

#define ARGS		32
#define BURST		32
#define BUFFERS		2047u		/* 2^n - 1 suits the pool best */
#define QUEUE		512
#define JUMBO		9000
/* Behind a frame: drivers count a VLAN tag, a checksum, and a head of their own. */
#define ROOM		64
#define MEMORY_MIB	64		/* without huge pages */

static struct rte_mempool *pool;
static uint16_t number;
static size_t frame_max;
static struct rte_mbuf *out[BURST];
static unsigned int nout;

static int fail(char *why, size_t size, int err, const char *what)
{
	snprintf(why, size, "%s: %s", what, rte_strerror(err < 0 ? -err : err));
	return err < 0 ? err : -EIO;
}

static int mtu_of(const char *interface)
{
	struct ifreq r = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = -1;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (sock >= 0 && !ioctl(sock, SIOCGIFMTU, &r))
		mtu = r.ifr_mtu;
	if (sock >= 0)
		close(sock);
	return mtu;
}

/* DPDK pins whoever starts it to one CPU: all that we may use, it may. */
static void all_cpus(char *text, size_t size)
{
	size_t len = snprintf(text, size, "--lcores=0@(");
	cpu_set_t set;
	const char *comma = "";

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE && len < size - 8; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		len += snprintf(text + len, size - len, "%s%d", comma, i);
		comma = ",";
	}
	snprintf(text + len, size - len, ")");
}

/* Of af_packet's ring: two of them fill a page, or one a few pages. */
static int ring_frame(int mtu)
{
	return mtu > 1500 ? 12288 : 2048;
}

static int start_eal(const char *args, int mtu, char *why, size_t size)
{
	char text[1024], lcores[1024], *argv[ARGS], *save = NULL, *word;
	int frame = ring_frame(mtu), argc = 0;
	FILE *quiet = fopen("/dev/null", "w");

	if (quiet)
		rte_openlog_stream(quiet);
	if (mtu > 0)
		snprintf(text, sizeof(text),
			 "--vdev=net_af_packet0,iface=%s,framesz=%d,blocksz=%d,"
			 "framecnt=%d --no-pci --no-huge --no-shconf -m %d",
			 args, frame, frame > 4096 ? frame : 4096, QUEUE,
			 MEMORY_MIB);
	else
		snprintf(text, sizeof(text), "%s", args);
	all_cpus(lcores, sizeof(lcores));
	argv[argc++] = (char *)"pando-move";
	argv[argc++] = lcores;
	argv[argc++] = (char *)"--no-telemetry";
	for (word = strtok_r(text, " ", &save); word && argc < ARGS - 1;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	if (rte_eal_init(argc, argv) < 0)
		return fail(why, size, rte_errno, "DPDK does not start");
	return 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* @mtu: of the kernel's interface, or -1. */
static int start_port(int mtu, char *why, size_t size)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint16_t rx = QUEUE, tx = QUEUE;
	int err;

	number = rte_eth_find_next(0);
	if (number >= RTE_MAX_ETHPORTS) {
		snprintf(why, size, "DPDK finds no port");
		return -ENODEV;
	}
	err = rte_eth_dev_info_get(number, &info);
	if (err)
		return fail(why, size, err, "DPDK's port");
	conf.rxmode.mtu = least(mtu > 0 ? mtu : JUMBO,
				least(info.max_mtu, info.max_rx_pktlen -
				      RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN));
	/* af_packet knows of no jumbo frames, but passes what the ring takes */
	frame_max = (mtu > 0 ? (uint32_t)mtu : conf.rxmode.mtu) +
		    RTE_ETHER_HDR_LEN;
	/* af_packet wants a whole frame of its ring to fit */
	pool = rte_pktmbuf_pool_create("pando", BUFFERS, BURST, 0,
				       RTE_PKTMBUF_HEADROOM + (mtu > 0 ?
				       (size_t)ring_frame(mtu) :
				       frame_max + ROOM),
				       SOCKET_ID_ANY);
	if (!pool)
		return fail(why, size, rte_errno, "no buffers");
	err = rte_eth_dev_configure(number, 1, 1, &conf);
	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(number, &rx, &tx);
	if (!err)
		err = rte_eth_rx_queue_setup(number, 0, rx, SOCKET_ID_ANY, NULL,
					     pool);
	if (!err)
		err = rte_eth_tx_queue_setup(number, 0, tx, SOCKET_ID_ANY, NULL);
	if (!err)
		err = rte_eth_dev_start(number);
	return err ? fail(why, size, err, "DPDK's port does not start") : 0;
}

static int port_open(const char *args, void **port, char *why, size_t size)
{
	int mtu = -1, err;

	*port = &pool;
	if (pool)
		return 0;
	if (args[0] != '-') {
		mtu = mtu_of(args);
		if (mtu <= 0) {
			snprintf(why, size, "no network interface is called \"%s\"",
				 args);
			return -ENODEV;
		}
	}
	err = start_eal(args, mtu, why, size);
	return err ? err : start_port(mtu, why, size);
}

static void port_mac(void *port, uint8_t mac[6])
{
	struct rte_ether_addr addr = { 0 };

	(void)port;
	rte_eth_macaddr_get(number, &addr);
	memcpy(mac, addr.addr_bytes, 6);
}

static size_t port_frame_max(void *port)
{
	(void)port;
	return frame_max;
}

static void port_flush(void *port)
{
	unsigned int sent = 0, n;

	(void)port;
	while (sent < nout) {
		n = rte_eth_tx_burst(number, 0, out + sent, nout - sent);
		if (!n)
			break;
		sent += n;
	}
	nout -= sent;
	memmove(out, out + sent, nout * sizeof(*out));
}

static int port_send(void *port, const void *head, size_t headlen,
		     const void *body, size_t len)
{
	struct rte_mbuf *m;
	char *data;

	if (nout == BURST)
		port_flush(port);
	m = nout < BURST ? rte_pktmbuf_alloc(pool) : NULL;
	data = m ? rte_pktmbuf_append(m, headlen + len) : NULL;
	if (!data) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	memcpy(data, head, headlen);
	if (len)
		memcpy(data + headlen, body, len);
	out[nout++] = m;
	return 0;
}

static unsigned int port_receive(void *port, unsigned int most,
				 void (*fn)(void *arg, const uint8_t *frame,
					    size_t len), void *arg)
{
	struct rte_mbuf *in[BURST];
	unsigned int n = rte_eth_rx_burst(number, 0, in,
					  most < BURST ? most : BURST);

	(void)port;
	for (unsigned int i = 0; i < n; i++) {
		if (in[i]->nb_segs == 1)
			fn(arg, rte_pktmbuf_mtod(in[i], const uint8_t *),
			   rte_pktmbuf_data_len(in[i]));
		rte_pktmbuf_free(in[i]);
	}
	return n;
}

static void port_close(void *port)
{
	(void)port;
	if (pool)
		rte_eth_dev_stop(number);
}

extern const struct dpdk_port pando_dpdk_port;

const struct dpdk_port pando_dpdk_port = {
	.abi = DPDK_PORT_ABI,
	.open = port_open,
	.mac = port_mac,
	.frame_max = port_frame_max,
	.send = port_send,
	.flush = port_flush,
	.receive = port_receive,
	.close = port_close,
};
