# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmp-core.a
libmp_core_a_SOURCES = \
	%D%/dgram.c \
	%D%/dgram.h \
	%D%/env.h \
	%D%/fetch.h \
	%D%/hold.h \
	%D%/join.c \
	%D%/join.h \
	%D%/node.h \
	%D%/out.c \
	%D%/out.h \
	%D%/raft.c \
	%D%/raft.h \
	%D%/roster.c \
	%D%/raft_elect.c \
	%D%/raft_int.h \
	%D%/raft_log.c \
	%D%/raft_log.h \
	%D%/raft_repl.c \
	%D%/roster.h \
	%D%/runs.h \
	%D%/swim.c \
	%D%/swim.h \
	%D%/swim_impl.h \
	%D%/swim_news.c \
	%D%/swim_probe.c \
	%D%/swim_sync.c \
	%D%/swim_view.c \
	%D%/worker.h
