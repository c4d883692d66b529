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
	%D%/lead.c \
	%D%/lead.h \
	%D%/lead_int.h \
	%D%/node.h \
	%D%/offer.c \
	%D%/out.c \
	%D%/out.h \
	%D%/pulse.c \
	%D%/pulse.h \
	%D%/raft.c \
	%D%/plan.c \
	%D%/raft.h \
	%D%/roster.c \
	%D%/raft_elect.c \
	%D%/raft_int.h \
	%D%/raft_log.c \
	%D%/raft_log.h \
	%D%/raft_repl.c \
	%D%/roster.h \
	%D%/run.c \
	%D%/run.h \
	%D%/runs.h \
	%D%/swim.c \
	%D%/sched.c \
	%D%/sched.h \
	%D%/swim.h \
	%D%/swim_impl.h \
	%D%/swim_news.c \
	%D%/swim_probe.c \
	%D%/swim_sync.c \
	%D%/swim_view.c \
	%D%/worker.h
