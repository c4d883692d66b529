/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

void
die(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("attack: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

void
bytes_put(struct bytes *b, const void *p, size_t n)
{
	if (n > b->cap - b->n) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		if (b->p == NULL)
			die("out of memory");
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void
bytes_free(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){0};
}

struct bytes
bytes_copy(const struct bytes *from)
{
	struct bytes b = {0};

	bytes_put(&b, from->p, from->n);
	return b;
}

struct bytes
bytes_read(const char *path)
{
	struct bytes b = {0};
	FILE *f = fopen(path, "rb");
	uint8_t piece[4096];
	size_t n;

	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		bytes_put(&b, piece, n);
	(void)fclose(f);
	return b;
}

/* ---- CBOR ---- */

static void
put_head(struct bytes *b, unsigned major, uint64_t v)
{
	unsigned size = v < 24            ? 0
			: v <= UINT8_MAX  ? 1
			: v <= UINT16_MAX ? 2
			: v <= UINT32_MAX ? 4
					  : 8;
	uint8_t head[9];
	unsigned n = 1;

	head[0] = (uint8_t)(major << 5 | (size == 0          ? v
						 : size == 1 ? 24u
						 : size == 2 ? 25u
						 : size == 4 ? 26u
							     : 27u));
	for (; n <= size; n++)
		head[n] = (uint8_t)(v >> 8 * (size - n));
	bytes_put(b, head, n);
}

void
put_uint(struct bytes *b, uint64_t v)
{
	put_head(b, 0, v);
}

void
put_array(struct bytes *b, size_t n)
{
	put_head(b, 4, n);
}

void
put_blob(struct bytes *b, const void *p, size_t n)
{
	put_head(b, 2, n);
	bytes_put(b, p, n);
}

void
put_bytes(struct bytes *b, const struct bytes *blob)
{
	put_blob(b, blob->p, blob->n);
}

void
put_text(struct bytes *b, const char *s)
{
	put_head(b, 3, strlen(s));
	bytes_put(b, s, strlen(s));
}

void
put_bool(struct bytes *b, bool v)
{
	bytes_put(b, v ? "\xf5" : "\xf4", 1);
}

void
put_null(struct bytes *b)
{
	bytes_put(b, "\xf6", 1);
}

struct reader
reader_of(const struct bytes *b)
{
	return (struct reader){.p = b->p, .end = b->p + b->n};
}

unsigned
read_head(struct reader *r, uint64_t *v)
{
	unsigned major, info, size;

	if (r->p == r->end)
		die("CBOR ends early");
	major = *r->p >> 5;
	info = *r->p & 31u;
	r->p++;
	size = info < 24 ? 0 : info <= 27 ? 1u << (info - 24) : 99;
	if ((size_t)(r->end - r->p) < size)
		die("CBOR that cannot be");
	*v = info;
	for (unsigned i = 0; i < size; i++)
		*v = (i == 0 ? 0 : *v << 8) | r->p[i];
	r->p += size;
	if (major != 2 && major != 3)
		return major;
	if ((uint64_t)(r->end - r->p) < *v)
		die("a CBOR string ends early");
	r->p += *v;
	return major;
}

size_t
read_array(struct reader *r)
{
	uint64_t v;

	if (read_head(r, &v) != 4)
		die("CBOR: no array");
	return (size_t)v;
}

uint64_t
read_uint(struct reader *r)
{
	uint64_t v;

	if (read_head(r, &v) != 0)
		die("CBOR: no number");
	return v;
}

struct bytes
read_blob(struct reader *r)
{
	uint64_t v;
	unsigned major = read_head(r, &v);

	if (major != 2 && major != 3)
		die("CBOR: no string");
	return (struct bytes){.p = (uint8_t *)(uintptr_t)(r->p - v), .n = (size_t)v};
}

struct bytes
read_item(struct reader *r)
{
	const uint8_t *start = r->p;
	uint64_t left = 1, v;

	for (; left > 0; left--) {
		unsigned major = read_head(r, &v);

		left += major == 4 ? v : major == 5 ? 2 * v : 0;
	}
	return (struct bytes){.p = (uint8_t *)(uintptr_t)start, .n = (size_t)(r->p - start)};
}
