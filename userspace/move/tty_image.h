/* SPDX-License-Identifier: GPL-2.0-only */
/* criu's tty-info.img: sessions and modes of terminals. */
#ifndef TTY_IMAGE_H
#define TTY_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <termios.h>

/*
 * No terminal of it is to control a session, the group in front is nobody's. With
 * @modes all of them get those, and @window; else they keep what they had, and get
 * the local flags @local beside. Returns the new image (free) and its length; NULL for
 * what is no such image.
 */
uint8_t *tty_image_adopt(const uint8_t *image, size_t len, size_t *new_len,
			 const struct termios *modes, const struct winsize *window,
			 uint32_t local);

#endif
