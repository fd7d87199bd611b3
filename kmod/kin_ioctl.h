/* SPDX-License-Identifier: GPL-2.0-only */
/* What the helpers of a move ask of /dev/pando; the contract is in uapi. */
#ifndef _PANDO_KIN_IOCTL_H
#define _PANDO_KIN_IOCTL_H

struct file;
struct inode;

long pando_kin_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int pando_kin_release(struct inode *inode, struct file *file);

#endif
