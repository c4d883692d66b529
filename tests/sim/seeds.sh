#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two hundred seeds with faults, each twice with equal trace hashes.
exec "$top_builddir/tests/sim/mpsim" --seeds "${MP_SEEDS:-200}" --from 1
