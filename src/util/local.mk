# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmp-util.a
libmp_util_a_SOURCES = \
	%D%/arena.c \
	%D%/arena.h \
	%D%/assert.c \
	%D%/buf.c \
	%D%/buf.h \
	%D%/clock.c \
	%D%/clock.h \
	%D%/dlist.h \
	%D%/error.c \
	%D%/fd.c \
	%D%/fd.h \
	%D%/glob.c \
	%D%/glob.h \
	%D%/hex.c \
	%D%/hex.h \
	%D%/map.c \
	%D%/map.h \
	%D%/mask.c \
	%D%/mask.h \
	%D%/mask_forms.c \
	%D%/mask_forms.h \
	%D%/match.c \
	%D%/match.h \
	%D%/names.c \
	%D%/names.h \
	%D%/near.c \
	%D%/near.h \
	%D%/rng.h \
	%D%/sort.c \
	%D%/sort.h \
	%D%/sum.h \
	%D%/utf8.c \
	%D%/utf8.h
