# SPDX-License-Identifier: GPL-2.0-only
"""Front end of the rig: Debian nodes under QEMU, on one machine."""
