# SPDX-License-Identifier: Apache-2.0
# One program per decoder. A new target fuzz_X needs %D%/fuzz_X.c, seeds in %D%/corpus/fuzz_X, and
# here its name in fuzz_targets and one line for its libraries.
FUZZ_LIBS = $(MP_FUZZ_ENGINE) $(FUZZ_MAIN) libmp-core.a libmp-crypto.a libmp-codec.a libmp-util.a \
	$(CBOR_LIBS) $(FYAML_LIBS) $(SODIUM_LIBS) $(ZSTD_LIBS)

fuzz_targets = \
	tests/fuzz/fuzz_cbor \
	tests/fuzz/fuzz_dgram \
	tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_manifest \
	tests/fuzz/fuzz_mask \
	tests/fuzz/fuzz_msg_blob \
	tests/fuzz/fuzz_msg_cache \
	tests/fuzz/fuzz_msg_ctl \
	tests/fuzz/fuzz_msg_raft \
	tests/fuzz/fuzz_msg_swim \
	tests/fuzz/fuzz_msg_work \
	tests/fuzz/fuzz_noise \
	tests/fuzz/fuzz_pipeline \
	tests/fuzz/fuzz_proof \
	tests/fuzz/fuzz_record_run \
	tests/fuzz/fuzz_record_secret \
	tests/fuzz/fuzz_record_work \
	tests/fuzz/fuzz_trust \
	tests/fuzz/fuzz_worker \
	tests/fuzz/fuzz_yaml

tests_fuzz_fuzz_cbor_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_dgram_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_frame_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_manifest_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_mask_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_msg_blob_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_msg_cache_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_msg_ctl_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_msg_swim_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_msg_raft_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_msg_work_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_noise_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_pipeline_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_proof_LDADD = libmp-ctl.a $(FUZZ_LIBS)
tests_fuzz_fuzz_record_run_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_record_secret_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_record_work_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_trust_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_yaml_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_worker_LDADD = $(FUZZ_LIBS)

if !FUZZERS
# Without libFuzzer main() comes from this library.
FUZZ_MAIN = libmp-fuzz.a
check_LIBRARIES += libmp-fuzz.a
libmp_fuzz_a_SOURCES = %D%/replay.c
endif

check_PROGRAMS += $(fuzz_targets)
noinst_HEADERS += %D%/fuzz.h %D%/null_crypto.h %D%/same.h
dist_check_SCRIPTS += %D%/replay.sh
TESTS += %D%/replay.sh
EXTRA_DIST += %D%/run.sh %D%/corpus

# Fuzzes each target for FUZZ_SECONDS; FUZZ_TARGETS picks some of them.
FUZZ_SECONDS = 120
FUZZ_TARGETS = $(fuzz_targets)
fuzz: $(fuzz_targets)
if FUZZERS
	$(SHELL) $(srcdir)/%D%/run.sh '$(srcdir)' '$(FUZZ_SECONDS)' $(FUZZ_TARGETS)
else
	@echo 'make fuzz needs a build of its own: configure CC=clang --enable-fuzzers' >&2; false
endif
.PHONY: fuzz

clean-local: clean-fuzz
clean-fuzz:
	rm -rf fuzz-work
.PHONY: clean-fuzz
