# SPDX-License-Identifier: Apache-2.0
# Examples, schema, service files.
EXTRA_DIST += \
	%D%/demo.sh \
	%D%/meshpipe.cddl \
	%D%/meshpipe.service.in \
	%D%/examples/hello.yaml \
	%D%/examples/hello/fetch.sh \
	%D%/examples/hello/process.sh \
	%D%/examples/hello/publish.sh \
	%D%/examples/hello/texts/alice.txt \
	%D%/examples/hello/texts/cities.txt \
	%D%/examples/hello/texts/whale.txt \
	%D%/examples/hello/validate.sh \
	%D%/examples/release.yaml \
	%D%/examples/release/SUMS \
	%D%/examples/release/build.sh \
	%D%/examples/release/publish.sh \
	%D%/examples/release/restore.sh \
	%D%/examples/release/src/main.c \
	%D%/examples/release/src/words.c \
	%D%/examples/release/src/words.h \
	%D%/examples/release/test.sh \
	%D%/examples/release/tests/empty.expected \
	%D%/examples/release/tests/empty.txt \
	%D%/examples/release/tests/mixed.expected \
	%D%/examples/release/tests/mixed.txt \
	%D%/examples/release/tests/pets.expected \
	%D%/examples/release/tests/pets.txt \
	%D%/examples/self-build/generate.sh

# The unit, with the folder of the programs in it; installed where there is a systemd to read it.
contrib/meshpipe.service: $(srcdir)/%D%/meshpipe.service.in Makefile
	@$(MKDIR_P) contrib
	$(AM_V_GEN)$(SED) 's,[@]bindir[@],$(bindir),' $(srcdir)/%D%/meshpipe.service.in >$@.tmp
	@mv $@.tmp $@
noinst_DATA += contrib/meshpipe.service
if SYSTEMD
systemdunit_DATA = contrib/meshpipe.service
endif
CLEANFILES += contrib/meshpipe.service

# What contrib/demo.sh leaves: the program that its cluster has built.
clean-local: clean-demo
clean-demo:
	rm -rf demo
.PHONY: clean-demo
