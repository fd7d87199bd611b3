// SPDX-License-Identifier: GPL-2.0-only
/*
 * DPDK sets the hardware address of every port that it starts, if only to what
 * it was, and there is no way to ask it not to. For an interface of the kernel's
 * that is a new address: RoCE takes back the GIDs that were made of the old one,
 * and all RDMA connections over the interface break, ours and others'.
 *
 * Libraries call the ioctl() of the program, where it has one.
 */
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_address(int fd, const struct ifreq *wanted)
{
	struct ifreq is = *wanted;

	return !syscall(SYS_ioctl, fd, SIOCGIFHWADDR, &is) &&
	       is.ifr_hwaddr.sa_family == wanted->ifr_hwaddr.sa_family &&
	       !memcmp(is.ifr_hwaddr.sa_data, wanted->ifr_hwaddr.sa_data, 6);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == SIOCSIFHWADDR && has_address(fd, arg))
		return 0;
	return syscall(SYS_ioctl, fd, request, arg);
}
