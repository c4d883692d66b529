noinst_HEADERS += \
	%D%/mp/base.h \
	%D%/mp/crypto.h \
	%D%/mp/error.h \
	%D%/mp/limits.h
