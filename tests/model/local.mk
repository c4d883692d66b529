# SPDX-License-Identifier: Apache-2.0
# The run protocol as a Spin model.
model_tests = %D%/model.sh
dist_check_SCRIPTS += $(model_tests)
TESTS += $(model_tests)
EXTRA_DIST += %D%/run.pml
