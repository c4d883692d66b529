# SPDX-License-Identifier: Apache-2.0
# libuv, SQLite and the kernel: adaptors without policy.
noinst_LIBRARIES += libmp-shell.a
libmp_shell_a_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(SQLITE_CFLAGS) $(ZSTD_CFLAGS)
libmp_shell_a_SOURCES = \
	%D%/addr.c \
	%D%/addr.h \
	%D%/cache.c \
	%D%/cache.h \
	%D%/cache_check.c \
	%D%/cache_impl.h \
	%D%/cache_partial.c \
	%D%/cache_read.c \
	%D%/cache_result.c \
	%D%/caps_probe.c \
	%D%/control.c \
	%D%/control.h \
	%D%/ctlsock.c \
	%D%/ctlsock.h \
	%D%/ctlsock_int.h \
	%D%/ctlsock_local.c \
	%D%/daemon.c \
	%D%/daemon.h \
	%D%/daemon_blob.c \
	%D%/daemon_ctl.c \
	%D%/daemon_int.h \
	%D%/daemon_log.c \
	%D%/daemon_rows.c \
	%D%/daemon_open.c \
	%D%/daemon_result.c \
	%D%/exec.c \
	%D%/exec.h \
	%D%/exec_impl.h \
	%D%/exec_keeper.c \
	%D%/exec_log.c \
	%D%/exec_work.c \
	%D%/executor.c \
	%D%/executor.h \
	%D%/executor_keeper.c \
	%D%/executor_keeper.h \
	%D%/executor_msg.c \
	%D%/executor_msg.h \
	%D%/executor_spawn.c \
	%D%/executor_spawn.h \
	%D%/executor_spool.c \
	%D%/executor_spool.h \
	%D%/executor_tree.c \
	%D%/executor_tree.h \
	%D%/heap.c \
	%D%/heap.h \
	%D%/peers.c \
	%D%/peers.h \
	%D%/peers_conn.c \
	%D%/peers_int.h \
	%D%/sql.c \
	%D%/sql.h \
	%D%/state.c \
	%D%/state.h \
	%D%/state_int.h \
	%D%/state_trust.c \
	%D%/udp.c \
	%D%/udp.h \
	%D%/workspace.c \
	%D%/workspace.h \
	%D%/workspace_collect.c \
	%D%/workspace_impl.h \
	%D%/workspace_lay.c \
	%D%/workspace_rm.c
