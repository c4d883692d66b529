# SPDX-License-Identifier: Apache-2.0
# The simulator; check.c has the invariants.
check_PROGRAMS += tests/sim/mpsim
tests_sim_mpsim_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/sim
tests_sim_mpsim_SOURCES = \
	%D%/check.c \
	%D%/crypto.c \
	%D%/disk.c \
	%D%/host.c \
	%D%/jobs.c \
	%D%/main.c \
	%D%/net.c \
	%D%/plan.c \
	%D%/script.c \
	%D%/sim.h \
	%D%/trust.c \
	%D%/world.c
tests_sim_mpsim_LDADD = libmp-core.a libmp-codec.a libmp-util.a $(CBOR_LIBS) $(FYAML_LIBS)
