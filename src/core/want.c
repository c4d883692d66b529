/* SPDX-License-Identifier: Apache-2.0 */
#include "core/want.h"

#include "codec/caps.h"
#include "codec/tool.h"
#include "util/map.h"

static uint64_t
hash_word(const char *word, uint64_t h)
{
	return word == NULL ? h * 31 + 7 : mp_hash64(word, strlen(word), h);
}

uint64_t
mp_want_hash(const struct mp_graph_module *m)
{
	uint64_t h = hash_word(m->arch, hash_word(m->os, 1));

	for (uint32_t i = 0; i < m->tools.n; i++)
		h = hash_word(m->tools.v[i], h);
	h = h * 31 + m->tools.n;
	for (uint32_t i = 0; i < m->tags.n; i++)
		h = hash_word(m->tags.v[i], h);
	for (uint32_t i = 0; i < m->resources.n; i++)
		h = hash_word(m->resources.v[i].name, h * 31 + m->resources.v[i].count);
	return h;
}

static bool
same_word(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_words(const struct mp_names_list *a, const struct mp_names_list *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	}
	return true;
}

bool
mp_want_same(const struct mp_graph_module *a, const struct mp_graph_module *b)
{
	return same_word(a->os, b->os) && same_word(a->arch, b->arch) &&
	       same_words(&a->tools, &b->tools) && same_words(&a->tags, &b->tags) &&
	       mp_demands_same(&a->resources, &b->resources);
}

static void
why_append(struct mp_error *why, const char *kind, const char *word)
{
	char before[MP_ERROR_TEXT_MAX];

	if (why == NULL)
		return;
	memcpy(before, why->text, sizeof(before));
	(void)mp_fail(
		why, why->code, "%s%s%s %s", before, before[0] != '\0' ? ", " : "", kind, word);
}

static void
why_version(struct mp_error *why, const char *version)
{
	char before[MP_ERROR_TEXT_MAX];

	if (why == NULL)
		return;
	memcpy(before, why->text, sizeof(before));
	(void)mp_fail(why, why->code, "%s (it has %s)", before,
		version[0] != '\0' ? version : "one of no known version");
}

static bool
lacks_tool(const char *asked, const struct mp_caps *caps, struct mp_error *why)
{
	const char *version = mp_caps_tool(caps, asked);

	if (version != NULL && mp_tool_fits(asked, version))
		return false;
	why_append(why, "tool", asked);
	if (version != NULL)
		why_version(why, version);
	return true;
}

uint32_t
mp_want_lacks(const struct mp_graph_module *want, const struct mp_caps *caps, struct mp_error *why)
{
	uint32_t lacks = 0;

	if (want->os != NULL && strcmp(want->os, caps->os) != 0) {
		why_append(why, "os", want->os);
		lacks++;
	}
	if (want->arch != NULL && strcmp(want->arch, caps->arch) != 0) {
		why_append(why, "arch", want->arch);
		lacks++;
	}
	for (uint32_t i = 0; i < want->tools.n; i++)
		lacks += lacks_tool(want->tools.v[i], caps, why);
	for (uint32_t i = 0; i < want->tags.n; i++) {
		if (mp_caps_tag(caps, want->tags.v[i]))
			continue;
		why_append(why, "tag", want->tags.v[i]);
		lacks++;
	}
	for (uint32_t i = 0; i < want->resources.n; i++) {
		const struct mp_demand *d = &want->resources.v[i];

		if (d->count <= mp_demand_total(caps, d->name))
			continue;
		why_append(why, "resource", d->name);
		lacks++;
	}
	return lacks;
}
