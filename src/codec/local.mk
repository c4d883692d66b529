# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmp-codec.a
libmp_codec_a_CPPFLAGS = $(AM_CPPFLAGS) $(CBOR_CFLAGS) $(FYAML_CFLAGS)
libmp_codec_a_SOURCES = \
	%D%/caps.c \
	%D%/caps.h \
	%D%/cbor.c \
	%D%/cbor.h \
	%D%/ctl_roles.c \
	%D%/ctl_roles.h \
	%D%/frame.c \
	%D%/frame.h \
	%D%/manifest.c \
	%D%/manifest.h \
	%D%/msg_blob.c \
	%D%/msg_blob.h \
	%D%/msg_cache.c \
	%D%/msg_cache.h \
	%D%/msg_ctl.c \
	%D%/msg_ctl_cache.c \
	%D%/msg_ctl_proof.c \
	%D%/msg_ctl_proof.h \
	%D%/msg_ctl.h \
	%D%/msg_ctl_local.c \
	%D%/msg_raft.c \
	%D%/msg_secret.c \
	%D%/msg_raft.h \
	%D%/msg_swim.h \
	%D%/msg_show.c \
	%D%/msg_show.h \
	%D%/msg_swim.c \
	%D%/msg_swim.h \
	%D%/msg_work.c \
	%D%/msg_work.h \
	%D%/noise.c \
	%D%/noise.h \
	%D%/record_body.c \
	%D%/record_cert.c \
	%D%/record_cert.h \
	%D%/record_revoke.c \
	%D%/record_revoke.h \
	%D%/record_run.c \
	%D%/record_run.h \
	%D%/record_secret.c \
	%D%/record_secret.h \
	%D%/record_signed.h \
	%D%/record_trust.c \
	%D%/record_trust.h \
	%D%/record_work.c \
	%D%/record_work.h \
	%D%/record_work_io.h \
	%D%/settings.c \
	%D%/settings.h \
	%D%/snapshot.c \
	%D%/snapshot.h \
	%D%/token.c \
	%D%/token.h
	%D%/noise.h
libmp_codec_a_SOURCES += \
	%D%/pipeline_cbor.c \
	%D%/pipeline_check.c \
	%D%/pipeline_demand.c \
	%D%/pipeline_diag.c \
	%D%/pipeline_graph.c \
	%D%/pipeline_matrix.c \
	%D%/pipeline_secret.c \
	%D%/pipeline_module.c \
	%D%/pipeline_parse.c \
	%D%/pipeline_read.c \
	%D%/pipeline_read.h \
	%D%/pipeline_retry.c \
	%D%/pipeline_scalar.c \
	%D%/pipeline_spec.c \
	%D%/pipeline_text.c \
	%D%/pipeline_text.h \
	%D%/pipeline_value.h \
	%D%/tool.c \
	%D%/tool.h \
	%D%/yaml.c \
	%D%/yaml.h
