// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutual proof of a shared secret:
 *
 *	initiator				acceptor
 *	  magic, nonce I		  ->
 *				<-  nonce A, HMAC("A", context, I, A)
 *	  HMAC("I", context, I, A)	  ->
 *				<-  one byte: accepted
 *
 * The labels keep a proof from being played back to its maker. The acceptor
 * looks at 40 bytes of a stranger and no more. The last byte tells the
 * initiator that its words will be listened to.
 */
#include <errno.h>
#include <gcrypt.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "internal.h"

#define NONCE	32
#define PROOF	32

static const char magic[8] = "PANDO-1";

struct hello {
	char magic[sizeof(magic)];
	uint8_t nonce[NONCE];
};

struct answer {
	uint8_t nonce[NONCE];
	uint8_t proof[PROOF];
};

static void gcrypt_start(void)
{
	/* secure memory is for swapping hosts' long-term keys; ours is a file */
	gcry_check_version(NULL);
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* All of @len bytes, in or out, before @deadline. */
static int transfer(int sock, void *buf, size_t len, short events,
		    int64_t deadline)
{
	for (size_t off = 0; off < len;) {
		struct pollfd p = { sock, events, 0 };
		int64_t left = deadline - now_ms();
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, left);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		if (events == POLLIN)
			n = recv(sock, (char *)buf + off, len - off,
				 MSG_DONTWAIT);
		else
			n = send(sock, (char *)buf + off, len - off,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (!n || (n < 0 && (errno == EPIPE || errno == ECONNRESET)))
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			off += n;
	}
	return 0;
}

static int prove(uint8_t *proof, const void *secret, size_t len, char label,
		 const char *context, const uint8_t *ni, const uint8_t *na)
{
	gcry_mac_hd_t h;
	size_t size = PROOF;
	int err = -EIO;

	if (gcry_mac_open(&h, GCRY_MAC_HMAC_SHA256, 0, NULL))
		return -EIO;
	/* the context's NUL ends it: no two contexts make the same bytes */
	if (!gcry_mac_setkey(h, secret, len) &&
	    !gcry_mac_write(h, &label, 1) &&
	    !gcry_mac_write(h, context, strlen(context) + 1) &&
	    !gcry_mac_write(h, ni, NONCE) && !gcry_mac_write(h, na, NONCE) &&
	    !gcry_mac_read(h, proof, &size) && size == PROOF)
		err = 0;
	gcry_mac_close(h);
	return err;
}

/* In constant time: how far a guess was right is nobody's business. */
static int compare(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (int i = 0; i < PROOF; i++)
		diff |= a[i] ^ b[i];
	return diff ? -EACCES : 0;
}

static int initiate(int sock, const void *secret, size_t len,
		    const char *context, int64_t deadline)
{
	struct hello hello;
	struct answer answer;
	uint8_t proof[PROOF];
	char accepted;
	int err;

	memcpy(hello.magic, magic, sizeof(magic));
	if (getrandom(hello.nonce, NONCE, 0) != NONCE)
		return -EIO;
	err = transfer(sock, &hello, sizeof(hello), POLLOUT, deadline);
	if (!err)
		err = transfer(sock, &answer, sizeof(answer), POLLIN, deadline);
	if (!err)
		err = prove(proof, secret, len, 'A', context, hello.nonce,
			    answer.nonce);
	if (!err)
		err = compare(proof, answer.proof);
	if (!err)
		err = prove(proof, secret, len, 'I', context, hello.nonce,
			    answer.nonce);
	if (!err)
		err = transfer(sock, proof, sizeof(proof), POLLOUT, deadline);
	if (!err)
		err = transfer(sock, &accepted, 1, POLLIN, deadline);
	return err;
}

static int accept_peer(int sock, const void *secret, size_t len,
		       const char *context, int64_t deadline)
{
	struct hello hello;
	struct answer answer;
	uint8_t theirs[PROOF], proof[PROOF];
	char accepted = 1;
	int err;

	err = transfer(sock, &hello, sizeof(hello), POLLIN, deadline);
	if (err)
		return err;
	if (memcmp(hello.magic, magic, sizeof(magic)))
		return -EACCES;
	if (getrandom(answer.nonce, NONCE, 0) != NONCE)
		return -EIO;
	err = prove(answer.proof, secret, len, 'A', context, hello.nonce,
		    answer.nonce);
	if (!err)
		err = transfer(sock, &answer, sizeof(answer), POLLOUT,
			       deadline);
	if (!err) {
		err = transfer(sock, theirs, sizeof(theirs), POLLIN, deadline);
		/* who does not like our proof goes away without a word */
		if (err == -EPIPE)
			err = -EACCES;
	}
	if (!err)
		err = prove(proof, secret, len, 'I', context, hello.nonce,
			    answer.nonce);
	if (!err)
		err = compare(proof, theirs);
	if (!err)
		err = transfer(sock, &accepted, 1, POLLOUT, deadline);
	return err;
}

int pando_auth(int sock, bool initiator, const void *secret, size_t len,
	       const char *context, int timeout_ms)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int64_t deadline = now_ms() + timeout_ms;

	pthread_once(&once, gcrypt_start);
	if (!len)
		return -EACCES;
	return initiator ? initiate(sock, secret, len, context, deadline) :
			   accept_peer(sock, secret, len, context, deadline);
}
