# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmp-codec.a
libmp_codec_a_CPPFLAGS = $(AM_CPPFLAGS) $(CBOR_CFLAGS) $(FYAML_CFLAGS)
libmp_codec_a_SOURCES = \
	%D%/caps.h \
	%D%/cbor.c \
	%D%/cbor.h \
	%D%/manifest.c \
	%D%/frame.c \
	%D%/frame.h \
	%D%/manifest.h \
	%D%/msg_blob.c \
	%D%/msg_blob.h \
	%D%/msg_ctl.c \
	%D%/msg_ctl.h \
	%D%/msg_raft.c \
	%D%/msg_raft.h \
	%D%/msg_swim.h \
	%D%/msg_show.c \
	%D%/msg_show.h \
	%D%/msg_work.c \
	%D%/msg_work.h \
	%D%/record_run.c \
	%D%/record_run.h \
	%D%/record_body.c \
	%D%/record_work.c \
	%D%/record_work.h \
	%D%/record_work_io.h \
	%D%/noise.c \
	%D%/noise.h
