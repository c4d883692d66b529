# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmp-crypto.a
libmp_crypto_a_CPPFLAGS = $(AM_CPPFLAGS) $(SODIUM_CFLAGS)
libmp_crypto_a_SOURCES = \
	%D%/hasher.c \
	%D%/hasher.h \
	%D%/key.c \
	%D%/key.h \
	%D%/secret.h \
	%D%/sodium.c
