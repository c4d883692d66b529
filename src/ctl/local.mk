# SPDX-License-Identifier: Apache-2.0
# The commands of mpctl, one file each, and what they share.
noinst_LIBRARIES += libmp-ctl.a
libmp_ctl_a_SOURCES = \
	%D%/client.c \
	%D%/client.h
