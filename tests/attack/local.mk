# SPDX-License-Identifier: Apache-2.0
# A peer that wishes us no good, against real daemons on loopback.
attack_tests = \
	%D%/capture.sh \
	%D%/flood.sh \
	%D%/hoard.sh \
	%D%/insider.sh \
	%D%/outsider.sh

check_PROGRAMS += tests/attack/attack
tests_attack_attack_SOURCES = %D%/attack.h %D%/wire.h %D%/bytes.c %D%/noise.c %D%/stream.c \
	%D%/trust.c %D%/main.c %D%/judge.c %D%/member.c %D%/shake.c \
	%D%/cert.c %D%/people.c %D%/lies.c %D%/dgrams.c %D%/flood.c \
	%D%/blobs.c %D%/dial.c %D%/caps.c %D%/hoard.c
tests_attack_attack_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_attack_attack_LDADD = $(SODIUM_LIBS)

check_PROGRAMS += tests/attack/capture
tests_attack_capture_SOURCES = %D%/capture.c

EXTRA_DIST += %D%/lib.sh
dist_check_SCRIPTS += $(attack_tests)
TESTS += $(attack_tests)

check-attack: $(bin_PROGRAMS) tests/attack/attack tests/attack/capture tests/cli/poke
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(attack_tests)'
.PHONY: check-attack
