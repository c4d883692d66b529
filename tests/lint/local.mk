# SPDX-License-Identifier: Apache-2.0
# Rules about the source that a program can check. A missing tool is a SKIP, never a silence.
lint_tests = \
	%D%/clang.sh \
	%D%/core-purity.sh \
	%D%/docs.sh \
	%D%/format.sh \
	%D%/headers.sh \
	%D%/layers.sh \
	%D%/lists.sh \
	%D%/shape.sh \
	%D%/words.sh

dist_check_SCRIPTS += $(lint_tests)
TESTS += $(lint_tests)
EXTRA_DIST += \
	%D%/codespell.words \
	%D%/lint.sh \
	%D%/purity.awk \
	%D%/shape.awk
