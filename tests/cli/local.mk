# SPDX-License-Identifier: Apache-2.0
# The programs as a user has them.
cli_tests = %D%/files.sh
dist_check_SCRIPTS += $(cli_tests)
TESTS += $(cli_tests)
