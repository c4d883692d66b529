#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every scenario: each once was a bug, or is a promise.
exec "$top_builddir/tests/sim/mpsim" "$top_srcdir"/tests/sim/scenarios/*.sim
