# SPDX-License-Identifier: Apache-2.0
# The two programs.
MP_LIBS = libmp-ctl.a libmp-shell.a libmp-crypto.a libmp-core.a libmp-codec.a libmp-util.a \
	$(UV_LIBS) $(SQLITE_LIBS) $(SODIUM_LIBS) $(CBOR_LIBS) $(FYAML_LIBS) $(ZSTD_LIBS)

bin_PROGRAMS += mpctl mpnode
mpctl_SOURCES = %D%/mpctl.c
mpctl_LDADD = $(MP_LIBS)
mpnode_SOURCES = %D%/mpnode.c
mpnode_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS)
mpnode_LDADD = $(MP_LIBS)
