# SPDX-License-Identifier: Apache-2.0
# The commands of mpctl, one file each, and what they share.
noinst_LIBRARIES += libmp-ctl.a
libmp_ctl_a_SOURCES = \
	%D%/args.c \
	%D%/blobs.c \
	%D%/blobs.h \
	%D%/cache.c \
	%D%/cancel.c \
	%D%/client.c \
	%D%/client.h \
	%D%/cmd.h \
	%D%/cmds.c \
	%D%/commands.h \
	%D%/common.c \
	%D%/compile.c \
	%D%/embedded.c \
	%D%/embedded.h \
	%D%/events.c \
	%D%/events.h \
	%D%/follow.c \
	%D%/follow.h \
	%D%/gather.c \
	%D%/gather.h \
	%D%/graph.c \
	%D%/health.c \
	%D%/inputs.c \
	%D%/inputs.h \
	%D%/invite.c \
	%D%/livelog.c \
	%D%/livelog.h \
	%D%/load.c \
	%D%/load.h \
	%D%/logs.c \
	%D%/nodes.c \
	%D%/outputs.c \
	%D%/plan.c \
	%D%/products.c \
	%D%/products.h \
	%D%/resolve.c \
	%D%/run.c \
	%D%/runs.c \
	%D%/show.c \
	%D%/submit.c \
	%D%/submitter.c \
	%D%/submitter.h \
	%D%/takeover.c \
	%D%/unpack.c \
	%D%/unpack.h \
	%D%/validate.c \
	%D%/visit.c \
	%D%/visit.h \
	%D%/wait.c \
	%D%/writer.c \
	%D%/writer.h \
	%D%/writer_int.h \
	%D%/writer_json.c \
	%D%/writer_text.c
