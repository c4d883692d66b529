/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary every file shares: ids, spans, time, attributes, assertions. */
#ifndef MP_BASE_H
#define MP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MP_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define MP_NORETURN     __attribute__((noreturn))
#define MP_UNUSED       __attribute__((unused))
#define MP_MUST_USE     __attribute__((warn_unused_result))
#define MP_FALLTHROUGH  __attribute__((fallthrough))

/*
 * Holds in release builds too, and states our own bugs only: nothing that was read from a network,
 * a disk, a file or a child process may reach one. The handler is the program's (mp_assert_fail()
 * is defined once per program, in src/util/assert.c or by the simulator).
 */
#define mp_assert(e)     ((e) ? (void)0 : mp_assert_fail(#e, __FILE__, __LINE__, __func__))
#define mp_unreachable() mp_assert_fail("unreachable", __FILE__, __LINE__, __func__)

MP_NORETURN void mp_assert_fail(const char *what, const char *file, int line, const char *func);

#define mp_countof(a)                    (sizeof(a) / sizeof((a)[0]))
#define mp_container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

static inline size_t
mp_min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Milliseconds. `now_ms` is CLOCK_BOOTTIME, `wall_ms` is Unix time; they never mix. */
typedef int64_t mp_time;
#define MP_TIME_NEVER INT64_MAX

/* Bytes that somebody else owns. A span never owns; p may be NULL only when n is 0. */
struct mp_span {
	const uint8_t *p;
	size_t n;
};

static inline struct mp_span
mp_span(const void *p, size_t n)
{
	return (struct mp_span){(const uint8_t *)p, n};
}

static inline struct mp_span
mp_span_str(const char *s)
{
	return mp_span(s, strlen(s));
}

static inline bool
mp_span_eq(struct mp_span a, struct mp_span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Ids are one-field structs so that one kind cannot be passed for another. */
struct mp_node_id { /* an Ed25519 public key */
	uint8_t b[32];
};
struct mp_cluster_id { /* hash of the authority log's first entry */
	uint8_t b[32];
};
struct mp_run_id { /* first 16 bytes of the hash of the run record */
	uint8_t b[16];
};
struct mp_hash { /* BLAKE2b-256 */
	uint8_t b[32];
};
struct mp_sig { /* Ed25519 signature */
	uint8_t b[64];
};
struct mp_xkey { /* X25519 public key */
	uint8_t b[32];
};

#define MP_ID_FUNCS(name, type)                                                                    \
	static inline bool name##_eq(const type *a, const type *b)                                 \
	{                                                                                          \
		return memcmp(a->b, b->b, sizeof(a->b)) == 0;                                      \
	}                                                                                          \
	static inline int name##_cmp(const type *a, const type *b)                                 \
	{                                                                                          \
		return memcmp(a->b, b->b, sizeof(a->b));                                           \
	}                                                                                          \
	static inline bool name##_is_zero(const type *a)                                           \
	{                                                                                          \
		static const type zero;                                                            \
		return memcmp(a->b, zero.b, sizeof(a->b)) == 0;                                    \
	}
MP_ID_FUNCS(mp_node_id, struct mp_node_id)
MP_ID_FUNCS(mp_cluster_id, struct mp_cluster_id)
MP_ID_FUNCS(mp_run_id, struct mp_run_id)
MP_ID_FUNCS(mp_hash, struct mp_hash)

/* An address as it travels: IPv6, or IPv4 mapped into it (::ffff:a.b.c.d); port in host order. */
struct mp_addr {
	uint8_t ip[16];
	uint16_t port;
};

static inline bool
mp_addr_eq(const struct mp_addr *a, const struct mp_addr *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* Whom bounds per source count as one, with port 0: an IPv4 address, or the network of 64 bits that
 * an IPv6 address is in, of which one holder has all. */
static inline struct mp_addr
mp_addr_source(const struct mp_addr *addr)
{
	static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
	struct mp_addr source = {.port = 0};

	memcpy(source.ip, addr->ip, memcmp(addr->ip, v4, sizeof(v4)) == 0 ? 16 : 8);
	return source;
}

/*
 * Bounded memory for the pure parts. realloc follows C's: p NULL allocates, size 0 frees and
 * returns NULL. NULL for a size above 0 means that the bound or the machine is exhausted; p is
 * then unchanged. old_size is what was asked for p last (0 when p is NULL).
 */
struct mp_alloc {
	void *(*realloc)(void *ctx, void *p, size_t old_size, size_t size);
	void *ctx;
};

static inline void *
mp_realloc(const struct mp_alloc *a, void *p, size_t old_size, size_t size)
{
	return a->realloc(a->ctx, p, old_size, size);
}

static inline void
mp_dealloc(const struct mp_alloc *a, void *p, size_t size)
{
	if (p != NULL)
		(void)a->realloc(a->ctx, p, size, 0);
}

#endif
