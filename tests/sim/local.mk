# SPDX-License-Identifier: Apache-2.0
# The simulator; check.c has the invariants.
check_PROGRAMS += tests/sim/mpsim
tests_sim_mpsim_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/sim
tests_sim_mpsim_SOURCES = \
	%D%/check.c \
	%D%/check_int.h \
	%D%/client.c \
	%D%/crypto.c \
	%D%/disk.c \
	%D%/drained.c \
	%D%/effect.c \
	%D%/fault.c \
	%D%/figure8.c \
	%D%/host.c \
	%D%/jobs.c \
	%D%/live.c \
	%D%/lost.c \
	%D%/main.c \
	%D%/mesh.c \
	%D%/mesh.h \
	%D%/mesh_charter.c \
	%D%/mesh_check.c \
	%D%/mesh_disk.c \
	%D%/mesh_fault.c \
	%D%/mesh_measure.c \
	%D%/mesh_model.c \
	%D%/mesh_model.h \
	%D%/mesh_model_int.h \
	%D%/mesh_model_run.c \
	%D%/mesh_net.c \
	%D%/mesh_script.c \
	%D%/mesh_trust.c \
	%D%/model.c \
	%D%/names.c \
	%D%/net.c \
	%D%/once.c \
	%D%/plan.c \
	%D%/script.c \
	%D%/secret.c \
	%D%/seed.c \
	%D%/shelf.c \
	%D%/shut.c \
	%D%/sim.h \
	%D%/takeover.c \
	%D%/trust.c \
	%D%/world.c
tests_sim_mpsim_LDADD = libmp-core.a libmp-codec.a libmp-util.a $(CBOR_LIBS) $(FYAML_LIBS)

sim_scripts = %D%/members.sh %D%/regress.sh %D%/scenarios.sh %D%/seeds.sh \
	%D%/table.sh
dist_check_SCRIPTS += $(sim_scripts)
TESTS += $(sim_scripts)
EXTRA_DIST += %D%/mutants %D%/mutants.sh %D%/seeds $(sim_scenarios) $(member_scenarios)
member_scenarios = \
	%D%/scenarios/members/bridge.sim \
	%D%/scenarios/members/crash-30.sim \
	%D%/scenarios/members/flapping.sim \
	%D%/scenarios/members/join-storm.sim \
	%D%/scenarios/members/left.sim \
	%D%/scenarios/members/loss.sim \
	%D%/scenarios/members/mass-restart.sim \
	%D%/scenarios/members/no-udp.sim \
	%D%/scenarios/members/one-way.sim \
	%D%/scenarios/members/partition-10m.sim \
	%D%/scenarios/members/partition-10s.sim \
	%D%/scenarios/members/replayed.sim \
	%D%/scenarios/members/revoked-away.sim \
	%D%/scenarios/members/starved-timers-first.sim \
	%D%/scenarios/members/starved.sim \
	%D%/scenarios/members/two-admins.sim \
	%D%/scenarios/members/two-clusters.sim \
	%D%/scenarios/members/versions.sim \
	%D%/scenarios/members/wan.sim \
	%D%/scenarios/long/loss-day.sim \
	%D%/scenarios/long/partition-10d.sim \
	%D%/scenarios/long/starved-hour.sim \
	%D%/scenarios/long/thousand.sim
sim_scenarios = \
	%D%/scenarios/adopted.sim \
	%D%/scenarios/bridge.sim \
	%D%/scenarios/cache.sim \
	%D%/scenarios/calm.sim \
	%D%/scenarios/cancel-leaderless.sim \
	%D%/scenarios/drain.sim \
	%D%/scenarios/elector-replaced.sim \
	%D%/scenarios/fenced.sim \
	%D%/scenarios/leader-crash.sim \
	%D%/scenarios/leader-deaf.sim \
	%D%/scenarios/leader-isolated.sim \
	%D%/scenarios/leader-paused.sim \
	%D%/scenarios/leave.sim \
	%D%/scenarios/lossy.sim \
	%D%/scenarios/once-crash.sim \
	%D%/scenarios/once-paused.sim \
	%D%/scenarios/one-host.sim \
	%D%/scenarios/opener-crash.sim \
	%D%/scenarios/power-cut.sim \
	%D%/scenarios/refused-late.sim \
	%D%/scenarios/revoked.sim \
	%D%/scenarios/survivor-apart.sim \
	%D%/scenarios/survivor.sim \
	%D%/scenarios/takeover.sim \
	%D%/scenarios/two-hosts.sim \
	%D%/scenarios/worker-crash.sim

# A long sweep: make seeds SEEDS=5000 FROM=1
SEEDS = 5000
FROM = 1
seeds: tests/sim/mpsim
	tests/sim/mpsim --seeds $(SEEDS) --from $(FROM) --once

# The same of membership alone: make member-seeds SEEDS=20000 FROM=1
member-seeds: tests/sim/mpsim
	tests/sim/mpsim --members $(SEEDS) --from $(FROM)

# Every scenario of membership with other seeds than its own: make member-scenarios EACH=30 FROM=1
EACH = 30
member-scenarios: tests/sim/mpsim
	tests/sim/mpsim $(srcdir)/tests/sim/scenarios/members/*.sim --each $(EACH) --from $(FROM)

# Days of virtual time, and a thousand nodes.
long-scenarios: tests/sim/mpsim
	tests/sim/mpsim $(srcdir)/tests/sim/scenarios/long/*.sim

# The figures of docs/membership.md
table: tests/sim/mpsim
	tests/sim/mpsim --table membership

# Historical bugs, built in one after the other: the simulator has to find each.
mutant_units = tests/unit/test_raft tests/unit/test_swim tests/unit/test_swim_late \
	tests/unit/test_swim_sums tests/unit/test_swim_turns
mutant_objects = test_raft: $(tests_unit_test_raft_OBJECTS); \
	test_swim: $(tests_unit_test_swim_OBJECTS); \
	test_swim_late: $(tests_unit_test_swim_late_OBJECTS); \
	test_swim_sums: $(tests_unit_test_swim_sums_OBJECTS); \
	test_swim_turns: $(tests_unit_test_swim_turns_OBJECTS)
mutants: tests/sim/mpsim $(mutant_units)
	top_srcdir=$(top_srcdir) CC='$(CC)' compile='$(DEFS) $(AM_CPPFLAGS) $(CPPFLAGS) \
		$(AM_CFLAGS) $(CFLAGS)' objects='$(tests_sim_mpsim_OBJECTS)' \
		libs='$(tests_sim_mpsim_LDADD) $(LIBS)' \
		unit_objects='$(mutant_objects)' \
		unit_libs='$(tests_unit_test_raft_LDADD) $(LIBS)' \
		$(SHELL) $(srcdir)/tests/sim/mutants.sh
.PHONY: long-scenarios member-scenarios member-seeds mutants seeds table
