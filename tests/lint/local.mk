# SPDX-License-Identifier: Apache-2.0
# Rules about the source that a program can check. A missing tool is a SKIP, never a silence.
lint_tests =

dist_check_SCRIPTS += $(lint_tests)
TESTS += $(lint_tests)
