#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Seeds of membership alone: `make member-seeds` runs as many as wanted.
exec "$top_builddir/tests/sim/mpsim" --members "${MP_MEMBER_SEEDS:-200}" --from 1
