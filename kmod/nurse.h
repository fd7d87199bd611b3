/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stubs that no move makes: a thread of pando-init makes them when it is asked to
 * (PANDO_IOC_NURSE), because nobody else may fork into the namespace.
 */
#ifndef _PANDO_NURSE_H
#define _PANDO_NURSE_H

#include <linux/types.h>

#include <uapi/linux/pando.h>

/**
 * pando_nurse_make - have a stub made
 * @stub: which; @id and @result are ours
 *
 * Context: process, sleeps, for a bounded time.
 * Return: 0: it stands; -EALREADY: there is one, or a move makes it just now; -EEXIST: the
 * process itself is here; -ETIMEDOUT; -ENOTCONN: there is nobody to make it; -ENOMEM; or
 * why it could not be made.
 */
int pando_nurse_make(const struct pando_nurse *stub);

/* The ioctl: pando-init waits for the next, and says what came of the last. */
long pando_nurse_ioctl(struct pando_nurse __user *user);

void pando_nurse_open(void);	/* ATTACH */
void pando_nurse_close(void);	/* DETACH: nobody waits any more */

#endif
