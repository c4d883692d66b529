# SPDX-License-Identifier: Apache-2.0
# The programs as a user has them; clusters of real daemons on loopback. Each script may run beside
# the others.
cli_tests = \
	%D%/cluster_admit.sh \
	%D%/cluster_again.sh \
	%D%/cluster_authority.sh \
	%D%/cluster_cache.sh \
	%D%/cluster_caps.sh \
	%D%/cluster_clock.sh \
	%D%/cache.sh \
	%D%/cluster_damage.sh \
	%D%/cluster_double.sh \
	%D%/cluster_drain.sh \
	%D%/cluster_embedded.sh \
	%D%/cluster_ends.sh \
	%D%/cluster_health.sh \
	%D%/cluster_hello.sh \
	%D%/cluster_ill.sh \
	%D%/cluster_join.sh \
	%D%/cluster_junk.sh \
	%D%/cluster_kill_leader.sh \
	%D%/cluster_kill_opener.sh \
	%D%/cluster_kill_worker.sh \
	%D%/cluster_live.sh \
	%D%/cluster_many.sh \
	%D%/cluster_leave.sh \
	%D%/cluster_lost.sh \
	%D%/cluster_release.sh \
	%D%/cluster_remote.sh \
	%D%/cluster_only.sh \
	%D%/cluster_once.sh \
	%D%/cluster_resources.sh \
	%D%/cluster_restart.sh \
	%D%/cluster_run_as.sh \
	%D%/cluster_revoke.sh \
	%D%/cluster_rotate.sh \
	%D%/cluster_secrets.sh \
	%D%/cluster_stall.sh \
	%D%/cluster_starved.sh \
	%D%/cluster_state.sh \
	%D%/cluster_stranger.sh \
	%D%/cluster_systemd.sh \
	%D%/cluster_takeover.sh \
	%D%/cluster_tour.sh \
	%D%/cluster_verify.sh \
	%D%/cluster_verify_taken.sh \
	%D%/cluster_waits.sh \
	%D%/cluster_wan.sh \
	%D%/cluster_zones.sh \
	%D%/files.sh \
	%D%/node.sh \
	%D%/versions.sh

check_PROGRAMS += tests/cli/poke
tests_cli_poke_SOURCES = %D%/poke.c
check_PROGRAMS += tests/cli/falsify
tests_cli_falsify_SOURCES = %D%/falsify.c
tests_cli_falsify_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
tests_cli_falsify_LDADD = libmp-shell.a libmp-crypto.a libmp-codec.a libmp-util.a \
	$(SQLITE_LIBS) $(SODIUM_LIBS) $(CBOR_LIBS)

# What a test preloads.
check_PROGRAMS += tests/cli/illness.so
tests_cli_illness_so_SOURCES = %D%/illness.c
tests_cli_illness_so_CFLAGS = -fPIC $(AM_CFLAGS)
tests_cli_illness_so_LDFLAGS = -shared
tests_cli_illness_so_LDADD = -ldl
check_PROGRAMS += tests/cli/loopdisk.so
tests_cli_loopdisk_so_SOURCES = %D%/loopdisk.c
tests_cli_loopdisk_so_CFLAGS = -fPIC $(AM_CFLAGS)
tests_cli_loopdisk_so_LDFLAGS = -shared
tests_cli_loopdisk_so_LDADD = -ldl

EXTRA_DIST += %D%/lib.sh
dist_check_SCRIPTS += $(cli_tests)
TESTS += $(cli_tests)

check-cli: $(bin_PROGRAMS) tests/cli/poke tests/cli/falsify tests/cli/illness.so \
	tests/cli/loopdisk.so
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(cli_tests)'
.PHONY: check-cli

# Fifty nodes, and what they cost.
many: $(bin_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) MANY=50 MANY_IDLE=60 $(SHELL) $(srcdir)/%D%/cluster_many.sh
.PHONY: many

# Versions of tools, see lib.sh.
clean-local: clean-kept
clean-kept:
	-rm -rf tests/kept
.PHONY: clean-kept
