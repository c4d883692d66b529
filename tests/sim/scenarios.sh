#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every scenario: each once was a bug, or is a promise. The one of ten days takes a while:
# `make long-scenarios`.
exec "$top_builddir/tests/sim/mpsim" "$top_srcdir"/tests/sim/scenarios/*.sim \
	"$top_srcdir"/tests/sim/scenarios/members/*.sim
