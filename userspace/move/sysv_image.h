/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SysV shared memory in criu's images. criu attaches only what it has made
 * itself in an IPC namespace of its own making, unless it is told in an image
 * what it would find out by that.
 */
#ifndef SYSV_IMAGE_H
#define SYSV_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * mm-PID.img with the mappings of segments changed so that each first one of an
 * attach says what is to be attached, as a whole, for writing or not. malloc'ed,
 * or NULL for what is no such image, or has others than the @n of @ids attached.
 */
uint8_t *sysv_mm_adopt(const uint8_t *image, size_t len, const uint32_t *ids,
		       size_t n, size_t *new_len);
/*
 * inventory.img with the IPC namespace of ids-ROOT.img (@ids) for criu's own: no
 * other is made then. malloc'ed, or NULL.
 */
uint8_t *sysv_inventory_adopt(const uint8_t *image, size_t len,
			      const uint8_t *ids, size_t ids_len,
			      size_t *new_len);

#endif
