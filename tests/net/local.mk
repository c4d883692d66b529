# SPDX-License-Identifier: Apache-2.0
# Real nodes in networks of their own: cuts, paths, addresses. Root; skipped loudly without.
net_tests = \
	%D%/addresses.sh \
	%D%/apart.sh \
	%D%/oneway.sh \
	%D%/outgoing.sh \
	%D%/readme.sh \
	%D%/resolver.sh \
	%D%/udp.sh \
	%D%/wan.sh

check_PROGRAMS += tests/net/wire
tests_net_wire_SOURCES = %D%/wire.c

EXTRA_DIST += %D%/lib.sh
dist_check_SCRIPTS += $(net_tests)
TESTS += $(net_tests)

check-net: $(bin_PROGRAMS) tests/net/wire
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(net_tests)'
.PHONY: check-net
