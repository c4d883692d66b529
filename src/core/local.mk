# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmp-core.a
libmp_core_a_SOURCES = \
	%D%/dgram.h \
	%D%/env.h \
	%D%/fetch.h \
	%D%/hold.h \
	%D%/join.h \
	%D%/node.h \
	%D%/out.c \
	%D%/out.h \
	%D%/raft.c \
	%D%/raft.h \
	%D%/raft_elect.c \
	%D%/raft_int.h \
	%D%/raft_log.c \
	%D%/raft_log.h \
	%D%/raft_repl.c \
	%D%/roster.h \
	%D%/runs.h \
	%D%/swim.h \
	%D%/worker.h
