# SPDX-License-Identifier: Apache-2.0
# One program per module. UNIT_LIBS is what pure code needs; a test that needs more says so.
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests $(CMOCKA_CFLAGS)
UNIT_LIBS = libmp-core.a libmp-codec.a libmp-util.a $(CBOR_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += %D%/run.sh
noinst_HEADERS += %D%/cache_fixture.h %D%/scratch.h %D%/unit.h

unit_tests = \
	tests/unit/test_arena \
	tests/unit/test_cache \
	tests/unit/test_cbor \
	tests/unit/test_control \
	tests/unit/test_executor \
	tests/unit/test_glob \
	tests/unit/test_out

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

tests_unit_test_cbor_SOURCES = %D%/test_cbor.c
tests_unit_test_cbor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cbor_LDADD = $(UNIT_LIBS)

tests_unit_test_out_SOURCES = %D%/test_out.c
tests_unit_test_out_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_out_LDADD = $(UNIT_LIBS)

tests_unit_test_arena_SOURCES = %D%/test_arena.c
tests_unit_test_arena_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_arena_LDADD = $(UNIT_LIBS)

tests_unit_test_glob_SOURCES = %D%/test_glob.c
tests_unit_test_glob_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_glob_LDADD = $(UNIT_LIBS)

# What needs real cryptography.
UNIT_CRYPTO_LIBS = libmp-codec.a libmp-crypto.a libmp-util.a $(SODIUM_LIBS) $(CBOR_LIBS) \
	$(CMOCKA_LIBS)

unit_tests += \
	tests/unit/test_authority \
	tests/unit/test_charter \
	tests/unit/test_crypto \
	tests/unit/test_frame \
	tests/unit/test_hostile_stream \
	tests/unit/test_noise \
	tests/unit/test_trust

tests_unit_test_charter_SOURCES = %D%/test_charter.c %D%/trust.h
tests_unit_test_charter_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_charter_LDADD = libmp-core.a $(UNIT_CRYPTO_LIBS)

tests_unit_test_crypto_SOURCES = %D%/test_crypto.c %D%/hex.h
tests_unit_test_crypto_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_crypto_LDADD = $(UNIT_CRYPTO_LIBS)

unit_tests += tests/unit/test_map
tests_unit_test_map_SOURCES = %D%/test_map.c
tests_unit_test_map_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_map_LDADD = $(UNIT_LIBS)

unit_tests += \
	tests/unit/test_record_work

tests_unit_test_record_work_SOURCES = %D%/test_record_work.c %D%/fake_crypto.h
tests_unit_test_record_work_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_record_work_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_manifest
tests_unit_test_manifest_SOURCES = %D%/test_manifest.c
tests_unit_test_manifest_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_manifest_LDADD = $(UNIT_LIBS)

# Run records, the run's log.
unit_tests += \
	tests/unit/test_pulse \
	tests/unit/test_raft \
	tests/unit/test_raft_bad \
	tests/unit/test_raft_lost \
	tests/unit/test_raft_msg \
	tests/unit/test_raft_safety \
	tests/unit/test_record_run
raft_cluster = %D%/raft_cluster.c %D%/raft_cluster.h %D%/raft_faults.c

tests_unit_test_raft_SOURCES = %D%/test_raft.c $(raft_cluster)
tests_unit_test_raft_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_raft_LDADD = $(UNIT_LIBS)

tests_unit_test_pulse_SOURCES = %D%/test_pulse.c %D%/fake_crypto.h
tests_unit_test_pulse_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pulse_LDADD = $(UNIT_LIBS)

tests_unit_test_raft_bad_SOURCES = %D%/test_raft_bad.c $(raft_cluster)
tests_unit_test_raft_bad_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_raft_bad_LDADD = $(UNIT_LIBS)

tests_unit_test_raft_lost_SOURCES = %D%/test_raft_lost.c $(raft_cluster)
tests_unit_test_raft_lost_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_raft_lost_LDADD = $(UNIT_LIBS)

tests_unit_test_raft_msg_SOURCES = %D%/test_raft_msg.c
tests_unit_test_raft_msg_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_raft_msg_LDADD = $(UNIT_LIBS)

tests_unit_test_raft_safety_SOURCES = %D%/test_raft_safety.c $(raft_cluster)
tests_unit_test_raft_safety_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_raft_safety_LDADD = $(UNIT_LIBS)

tests_unit_test_record_run_SOURCES = %D%/test_record_run.c %D%/fake_crypto.h
tests_unit_test_record_run_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_record_run_LDADD = $(UNIT_LIBS)
tests_unit_test_noise_SOURCES = %D%/test_noise.c %D%/hex.h
tests_unit_test_noise_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_noise_LDADD = $(UNIT_CRYPTO_LIBS)

tests_unit_test_hostile_stream_SOURCES = %D%/test_hostile_stream.c
tests_unit_test_hostile_stream_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_hostile_stream_LDADD = $(UNIT_CRYPTO_LIBS)
tests_unit_test_frame_SOURCES = %D%/test_frame.c
tests_unit_test_frame_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_frame_LDADD = $(UNIT_CRYPTO_LIBS)
# What touches the machine: the shell's library and all below it.
SHELL_LIBS = libmp-shell.a libmp-crypto.a libmp-core.a libmp-codec.a libmp-util.a $(UV_LIBS) \
	$(SQLITE_LIBS) $(SODIUM_LIBS) $(ZSTD_LIBS) $(CBOR_LIBS) $(FYAML_LIBS) $(CMOCKA_LIBS)
SHELL_CPPFLAGS = $(UNIT_CPPFLAGS) $(UV_CFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS)

tests_unit_test_control_SOURCES = %D%/test_control.c
tests_unit_test_control_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_control_LDADD = $(SHELL_LIBS)

tests_unit_test_cache_SOURCES = %D%/test_cache.c
tests_unit_test_cache_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_cache_LDADD = $(SHELL_LIBS)
tests_unit_test_authority_SOURCES = %D%/test_authority.c %D%/trust.h
tests_unit_test_authority_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_authority_LDADD = $(UNIT_CRYPTO_LIBS)

tests_unit_test_trust_SOURCES = %D%/test_trust.c %D%/trust.h
tests_unit_test_trust_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_trust_LDADD = $(UNIT_CRYPTO_LIBS)
# The pipeline: text, CBOR, graph, specification.
noinst_HEADERS += %D%/pipeline_case.h
unit_tests += \
	tests/unit/test_names \
	tests/unit/test_pipeline_cbor \
	tests/unit/test_pipeline_examples \
	tests/unit/test_pipeline_graph \
	tests/unit/test_pipeline_parse \
	tests/unit/test_pipeline_secret \
	tests/unit/test_yaml

tests_unit_test_names_SOURCES = %D%/test_names.c
tests_unit_test_names_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_names_LDADD = $(UNIT_LIBS)

tests_unit_test_pipeline_cbor_SOURCES = %D%/test_pipeline_cbor.c
tests_unit_test_pipeline_cbor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pipeline_cbor_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

tests_unit_test_pipeline_examples_SOURCES = %D%/test_pipeline_examples.c
tests_unit_test_pipeline_examples_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pipeline_examples_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

tests_unit_test_pipeline_graph_SOURCES = %D%/test_pipeline_graph.c
tests_unit_test_pipeline_graph_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pipeline_graph_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

tests_unit_test_pipeline_parse_SOURCES = %D%/test_pipeline_parse.c
tests_unit_test_pipeline_parse_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pipeline_parse_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

tests_unit_test_pipeline_secret_SOURCES = %D%/test_pipeline_secret.c
tests_unit_test_pipeline_secret_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pipeline_secret_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

tests_unit_test_yaml_SOURCES = %D%/test_yaml.c
tests_unit_test_yaml_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_yaml_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

tests_unit_test_executor_SOURCES = %D%/test_executor.c
tests_unit_test_executor_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_executor_LDADD = $(SHELL_LIBS)
unit_tests += tests/unit/test_probe
tests_unit_test_probe_SOURCES = %D%/test_probe.c
tests_unit_test_probe_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_probe_LDADD = $(SHELL_LIBS)
unit_tests += tests/unit/test_ctlsock
tests_unit_test_ctlsock_SOURCES = %D%/test_ctlsock.c
tests_unit_test_ctlsock_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_ctlsock_LDADD = libmp-ctl.a $(SHELL_LIBS)
tests_unit_test_ctlsock_LDFLAGS = -Wl,--wrap=calloc
unit_tests += tests/unit/test_run
tests_unit_test_run_SOURCES = %D%/test_run.c %D%/run_world.h %D%/fake_crypto.h %D%/graph.h
tests_unit_test_run_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_run_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_run_once
tests_unit_test_run_once_SOURCES = %D%/test_run_once.c %D%/run_world.h %D%/fake_crypto.h %D%/graph.h
tests_unit_test_run_once_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_run_once_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_sched
tests_unit_test_sched_SOURCES = %D%/test_sched.c %D%/graph.h %D%/roster.h
tests_unit_test_sched_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sched_LDADD = $(UNIT_LIBS)

# Membership: whole clusters of it, in virtual time.
unit_tests += \
	tests/unit/test_caps \
	tests/unit/test_dgram \
	tests/unit/test_join \
	tests/unit/test_revoke \
	tests/unit/test_roster \
	tests/unit/test_settings \
	tests/unit/test_swim \
	tests/unit/test_swim_late \
	tests/unit/test_swim_sums \
	tests/unit/test_swim_double \
	tests/unit/test_swim_path \
	tests/unit/test_swim_turns
noinst_HEADERS += %D%/swimnet.h %D%/swimworld.h

tests_unit_test_caps_SOURCES = %D%/test_caps.c
tests_unit_test_caps_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_caps_LDADD = $(UNIT_LIBS)

tests_unit_test_settings_SOURCES = %D%/test_settings.c
tests_unit_test_settings_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_settings_LDADD = $(UNIT_LIBS)

tests_unit_test_dgram_SOURCES = %D%/test_dgram.c
tests_unit_test_dgram_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dgram_LDADD = $(UNIT_LIBS)

tests_unit_test_join_SOURCES = %D%/test_join.c
tests_unit_test_join_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_join_LDADD = $(UNIT_LIBS)

tests_unit_test_revoke_SOURCES = %D%/test_revoke.c
tests_unit_test_revoke_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_revoke_LDADD = $(UNIT_LIBS)

tests_unit_test_roster_SOURCES = %D%/test_roster.c
tests_unit_test_roster_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_roster_LDADD = $(UNIT_LIBS)

tests_unit_test_swim_sums_SOURCES = %D%/test_swim_sums.c
tests_unit_test_swim_sums_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_swim_sums_LDADD = $(UNIT_LIBS)

tests_unit_test_swim_late_SOURCES = %D%/test_swim_late.c
tests_unit_test_swim_late_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_swim_late_LDADD = $(UNIT_LIBS)
tests_unit_test_swim_double_SOURCES = %D%/test_swim_double.c
tests_unit_test_swim_double_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_swim_double_LDADD = $(UNIT_LIBS)
tests_unit_test_swim_turns_SOURCES = %D%/test_swim_turns.c
tests_unit_test_swim_turns_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_swim_turns_LDADD = $(UNIT_LIBS)
tests_unit_test_swim_SOURCES = %D%/test_swim.c
tests_unit_test_swim_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_swim_LDADD = $(UNIT_LIBS)
tests_unit_test_swim_path_SOURCES = %D%/test_swim_path.c
tests_unit_test_swim_path_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_swim_path_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_cache_threads tests/unit/test_exec \
	tests/unit/test_executor_msg tests/unit/test_workspace

tests_unit_test_cache_threads_SOURCES = %D%/test_cache_threads.c
tests_unit_test_cache_threads_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_cache_threads_LDADD = $(SHELL_LIBS)

tests_unit_test_executor_msg_SOURCES = %D%/test_executor_msg.c
tests_unit_test_executor_msg_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_executor_msg_LDADD = $(SHELL_LIBS)

tests_unit_test_workspace_SOURCES = %D%/test_workspace.c
tests_unit_test_workspace_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_workspace_LDADD = $(SHELL_LIBS)

tests_unit_test_exec_SOURCES = %D%/test_exec.c
tests_unit_test_exec_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_exec_LDADD = $(SHELL_LIBS)
unit_tests += tests/unit/test_fetch
tests_unit_test_fetch_SOURCES = %D%/test_fetch.c %D%/blob_world.h %D%/fake_crypto.h
tests_unit_test_fetch_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_fetch_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_hold
tests_unit_test_hold_SOURCES = %D%/test_hold.c %D%/blob_world.h %D%/fake_crypto.h
tests_unit_test_hold_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_hold_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_lead
tests_unit_test_lead_SOURCES = %D%/test_lead.c %D%/fake_crypto.h %D%/graph.h %D%/lead_world.h \
	%D%/roster.h
tests_unit_test_lead_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lead_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_lead_reject
tests_unit_test_lead_reject_SOURCES = %D%/test_lead_reject.c %D%/fake_crypto.h %D%/graph.h \
	%D%/lead_world.h %D%/roster.h
tests_unit_test_lead_reject_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lead_reject_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_once
tests_unit_test_once_SOURCES = %D%/test_once.c %D%/fake_crypto.h %D%/graph.h %D%/lead_world.h \
	%D%/roster.h
tests_unit_test_once_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_once_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_drain
tests_unit_test_drain_SOURCES = %D%/test_drain.c
tests_unit_test_drain_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_drain_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_ctl
tests_unit_test_ctl_SOURCES = %D%/test_ctl.c
tests_unit_test_ctl_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ctl_LDADD = $(UNIT_LIBS)
unit_tests += tests/unit/test_using
tests_unit_test_using_SOURCES = %D%/test_using.c %D%/worker_world.h %D%/blob_world.h \
	%D%/fake_crypto.h
tests_unit_test_using_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_using_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_lease
tests_unit_test_lease_SOURCES = %D%/test_lease.c %D%/worker_world.h %D%/blob_world.h \
	%D%/fake_crypto.h
tests_unit_test_lease_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lease_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_runs
tests_unit_test_runs_SOURCES = %D%/test_runs.c %D%/fake_crypto.h %D%/roster.h %D%/runs_case.h \
	%D%/runs_cluster.h %D%/runs_world.h
tests_unit_test_runs_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_runs_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)
unit_tests += tests/unit/test_open
tests_unit_test_open_SOURCES = %D%/test_open.c %D%/open_world.h %D%/fake_crypto.h \
	%D%/pipeline_case.h %D%/roster.h
tests_unit_test_open_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_open_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

unit_tests += tests/unit/test_open_inputs
tests_unit_test_open_inputs_SOURCES = %D%/test_open_inputs.c %D%/open_world.h %D%/fake_crypto.h \
	%D%/pipeline_case.h %D%/roster.h
tests_unit_test_open_inputs_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_open_inputs_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)

unit_tests += tests/unit/test_runs_restore
tests_unit_test_runs_restore_SOURCES = %D%/test_runs_restore.c %D%/fake_crypto.h %D%/roster.h \
	%D%/runs_case.h %D%/runs_cluster.h %D%/runs_world.h
tests_unit_test_runs_restore_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_runs_restore_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)
unit_tests += tests/unit/test_runs_say
tests_unit_test_runs_say_SOURCES = %D%/test_runs_say.c %D%/fake_crypto.h %D%/roster.h \
	%D%/runs_case.h %D%/runs_cluster.h %D%/runs_world.h
tests_unit_test_runs_say_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_runs_say_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)
unit_tests += tests/unit/test_takeover
tests_unit_test_takeover_SOURCES = %D%/test_takeover.c %D%/fake_crypto.h %D%/roster.h \
	%D%/runs_case.h %D%/runs_cluster.h %D%/runs_world.h
tests_unit_test_takeover_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_takeover_LDADD = $(UNIT_LIBS) $(FYAML_LIBS)
unit_tests += tests/unit/test_msg_ctl tests/unit/test_snapshot tests/unit/test_writer
unit_tests += tests/unit/test_diagnose
tests_unit_test_msg_ctl_SOURCES = %D%/test_msg_ctl.c
tests_unit_test_msg_ctl_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_msg_ctl_LDADD = $(UNIT_LIBS)
tests_unit_test_snapshot_SOURCES = %D%/test_snapshot.c
tests_unit_test_snapshot_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_snapshot_LDADD = $(UNIT_LIBS)
tests_unit_test_writer_SOURCES = %D%/test_writer.c
tests_unit_test_writer_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_writer_LDADD = libmp-ctl.a $(UNIT_LIBS)
tests_unit_test_diagnose_SOURCES = %D%/test_diagnose.c
tests_unit_test_diagnose_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_diagnose_LDADD = libmp-ctl.a $(SHELL_LIBS)

unit_tests += tests/unit/test_inputs
tests_unit_test_inputs_SOURCES = %D%/test_inputs.c
tests_unit_test_inputs_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_inputs_LDADD = libmp-ctl.a libmp-crypto.a $(UNIT_LIBS) $(FYAML_LIBS) \
	$(SODIUM_LIBS)

unit_tests += tests/unit/test_worker
tests_unit_test_worker_SOURCES = %D%/test_worker.c %D%/worker_world.h %D%/blob_world.h \
	%D%/fake_crypto.h
tests_unit_test_worker_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_worker_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_fence
tests_unit_test_fence_SOURCES = %D%/test_fence.c %D%/worker_world.h %D%/blob_world.h \
	%D%/fake_crypto.h
tests_unit_test_fence_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_fence_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_addr
tests_unit_test_addr_SOURCES = %D%/test_addr.c
tests_unit_test_addr_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_addr_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_tool
tests_unit_test_tool_SOURCES = %D%/test_tool.c
tests_unit_test_tool_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_tool_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_resolve
tests_unit_test_resolve_SOURCES = %D%/test_resolve.c
tests_unit_test_resolve_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_resolve_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_peers
tests_unit_test_peers_SOURCES = %D%/test_peers.c %D%/peers_world.h
tests_unit_test_peers_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_peers_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_durable
tests_unit_test_durable_SOURCES = %D%/test_durable.c %D%/scratch.h
tests_unit_test_durable_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_durable_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_state
tests_unit_test_state_SOURCES = %D%/test_state.c %D%/scratch.h
tests_unit_test_state_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_state_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_cachekey
tests_unit_test_cachekey_SOURCES = %D%/test_cachekey.c %D%/hex.h
tests_unit_test_cachekey_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cachekey_LDADD = libmp-core.a $(UNIT_CRYPTO_LIBS)
# The result cache.
unit_tests += tests/unit/test_msg_cache tests/unit/test_shelf tests/unit/test_shelf_hold \
	tests/unit/test_sort tests/unit/test_cache_check tests/unit/test_cache_results
tests_unit_test_cache_check_SOURCES = %D%/test_cache_check.c
tests_unit_test_cache_check_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_cache_check_LDADD = $(SHELL_LIBS)
tests_unit_test_cache_results_SOURCES = %D%/test_cache_results.c
tests_unit_test_cache_results_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_cache_results_LDADD = $(SHELL_LIBS)
noinst_HEADERS += %D%/shelf_world.h
tests_unit_test_msg_cache_SOURCES = %D%/test_msg_cache.c
tests_unit_test_msg_cache_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_msg_cache_LDADD = $(UNIT_LIBS)
tests_unit_test_shelf_SOURCES = %D%/test_shelf.c %D%/blob_world.h %D%/fake_crypto.h
tests_unit_test_shelf_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_shelf_LDADD = $(UNIT_LIBS)
tests_unit_test_shelf_hold_SOURCES = %D%/test_shelf_hold.c %D%/blob_world.h %D%/fake_crypto.h
tests_unit_test_shelf_hold_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_shelf_hold_LDADD = $(UNIT_LIBS)
tests_unit_test_sort_SOURCES = %D%/test_sort.c
tests_unit_test_sort_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sort_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_recall
tests_unit_test_recall_SOURCES = %D%/test_recall.c %D%/lead_world.h %D%/fake_crypto.h %D%/graph.h \
	%D%/roster.h
tests_unit_test_recall_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_recall_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_wait
tests_unit_test_wait_SOURCES = %D%/test_wait.c
tests_unit_test_wait_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_wait_LDADD = libmp-core.a $(UNIT_CRYPTO_LIBS)

unit_tests += tests/unit/test_guests
tests_unit_test_guests_SOURCES = %D%/test_guests.c
tests_unit_test_guests_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_guests_LDADD = $(SHELL_LIBS)

# Secrets.
unit_tests += tests/unit/test_mask
tests_unit_test_mask_SOURCES = %D%/test_mask.c %D%/mask_plainly.h
tests_unit_test_mask_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_mask_LDADD = $(UNIT_LIBS)
unit_tests += tests/unit/test_gate
tests_unit_test_gate_SOURCES = %D%/test_gate.c
tests_unit_test_gate_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_gate_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_lines
tests_unit_test_lines_SOURCES = %D%/test_lines.c
tests_unit_test_lines_CPPFLAGS = $(SHELL_CPPFLAGS)
tests_unit_test_lines_LDADD = $(SHELL_LIBS)

unit_tests += tests/unit/test_proof
tests_unit_test_proof_SOURCES = %D%/test_proof.c %D%/proof_world.h %D%/trust.h
tests_unit_test_proof_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_proof_LDADD = libmp-ctl.a $(SHELL_LIBS)
unit_tests += tests/unit/test_record_secret
tests_unit_test_record_secret_SOURCES = %D%/test_record_secret.c
tests_unit_test_record_secret_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_record_secret_LDADD = $(UNIT_CRYPTO_LIBS)
