# SPDX-License-Identifier: Apache-2.0
noinst_HEADERS += \
	%D%/mp/base.h \
	%D%/mp/crypto.h \
	%D%/mp/effect.h \
	%D%/mp/error.h \
	%D%/mp/event.h \
	%D%/mp/limits.h \
	%D%/mp/member.h \
	%D%/mp/pipeline.h \
	%D%/mp/store.h \
	%D%/mp/work.h
