/* SPDX-License-Identifier: Apache-2.0 */
/* The entry for programs, which takes both forms. */
#include "codec/yaml.h"

#include "mp/limits.h"
#include "util/utf8.h"

/* "release" of "/some/where/release.yaml"; NULL when that makes no name. */
static const char *
default_name(const char *file_name, char out[MP_NAME_MAX + 1])
{
	const char *slash = file_name == NULL ? NULL : strrchr(file_name, '/');
	const char *base = slash == NULL ? file_name : slash + 1;
	const char *dot = base == NULL ? NULL : strrchr(base, '.');
	size_t n = base == NULL                 ? 0
		   : dot == NULL || dot == base ? strlen(base)
						: (size_t)(dot - base);

	if (n == 0 || n > MP_NAME_MAX || !mp_utf8_printable(mp_span(base, n)) ||
		memchr(base, '$', n) != NULL)
		return NULL;
	memcpy(out, base, n);
	out[n] = '\0';
	return out;
}

static int
parse_yaml(const char *file_name, struct mp_span bytes, const struct mp_alloc *alloc,
	struct mp_pipeline **out, struct mp_diags *diags)
{
	static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* a byte order mark says nothing */
	struct mp_pipeline_reader reader;
	char name[MP_NAME_MAX + 1];
	struct mp_pos root;
	int rc;

	if (bytes.n >= sizeof(mark) && memcmp(bytes.p, mark, sizeof(mark)) == 0)
		bytes = mp_span(bytes.p + sizeof(mark), bytes.n - sizeof(mark));
	rc = mp_pipeline_reader_init(&reader, alloc, diags, false);
	if (rc == 0)
		rc = mp_yaml_read(bytes, alloc, &reader, &root);
	if (rc == 0)
		rc = mp_pipeline_reader_end(&reader, root, default_name(file_name, name), out);
	mp_pipeline_reader_fini(&reader);
	return rc;
}

int
mp_pipeline_parse(const char *file_name, struct mp_span bytes, const struct mp_alloc *alloc,
	struct mp_pipeline **out, struct mp_diags *diags)
{
	/* A CBOR map; as UTF-8 such a byte can only continue a character. */
	if (bytes.n > 0 && bytes.p[0] >= 0xa0 && bytes.p[0] <= 0xbf)
		return mp_pipeline_decode(bytes, alloc, out, diags);
	return parse_yaml(file_name, bytes, alloc, out, diags);
}
