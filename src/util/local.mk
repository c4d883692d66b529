noinst_LIBRARIES += libmp-util.a
libmp_util_a_SOURCES = \
	%D%/assert.c \
	%D%/buf.c \
	%D%/buf.h \
	%D%/error.c \
	%D%/rng.h
