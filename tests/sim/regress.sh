#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The seeds that once failed, each twice.
exec "$top_builddir/tests/sim/mpsim" --list "$top_srcdir/tests/sim/seeds"
