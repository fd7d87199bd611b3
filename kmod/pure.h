/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pure parts (pidspace, directory, epoch, reqtab, duptab, codec) include
 * this instead of kernel headers: in the module it is the kernel's types and
 * allocator, in unit tests, simulator and fuzzers the C library's. They take
 * no locks and never sleep; what their caller must hold is said at each.
 */
#ifndef _PANDO_PURE_H
#define _PANDO_PURE_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/slab.h>
#include <linux/bitops.h>
#include <linux/bitmap.h>
#include <asm/byteorder.h>

#define pure_zalloc(size)	kzalloc(size, GFP_ATOMIC)
#define pure_free(p)		kfree(p)

#else /* userspace */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <endian.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define pure_zalloc(size)	calloc(1, size)
#define pure_free(p)		free(p)

#define cpu_to_le16(x)	htole16(x)
#define cpu_to_le32(x)	htole32(x)
#define cpu_to_le64(x)	htole64(x)
#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif
#ifndef min
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#endif
#endif /* __KERNEL__ */
#endif /* _PANDO_PURE_H */
