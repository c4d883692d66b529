/* SPDX-License-Identifier: Apache-2.0 */
#include "util/match.h"

#include "mp/error.h"

#define NODES_MAX (1u << 31)

struct match_node {
	uint32_t child; /* the first of those one byte longer; 0: none */
	uint32_t sibling;
	uint32_t shorter; /* the longest end of it that begins a pattern */
	uint32_t depth;
	uint32_t found; /* the longest pattern that ends here */
	uint8_t byte;
};

void
mp_match_init(struct mp_match *m, const struct mp_alloc *alloc)
{
	*m = (struct mp_match){.alloc = alloc};
}

void
mp_match_fini(struct mp_match *m)
{
	size_t size = m->cap * sizeof(*m->nodes);

	if (size > 0)
		explicit_bzero(m->nodes, size);
	mp_dealloc(m->alloc, m->nodes, size);
	explicit_bzero(m, sizeof(*m));
}

/* Room for n more. The old memory is wiped, so it is not realloc() that moves it. */
static int
match_reserve(struct mp_match *m, size_t n)
{
	size_t want = m->count + n, cap = m->cap + m->cap / 2;
	struct match_node *nodes;

	if (want <= m->cap)
		return 0;
	if (want > NODES_MAX)
		return MP_ELIMIT;
	cap = mp_min_size(cap < want ? want : cap, NODES_MAX);
	nodes = mp_realloc(m->alloc, NULL, 0, cap * sizeof(*nodes));
	if (nodes == NULL)
		return MP_ENOMEM;
	if (m->cap > 0) {
		memcpy(nodes, m->nodes, m->count * sizeof(*nodes));
		explicit_bzero(m->nodes, m->cap * sizeof(*nodes));
	}
	mp_dealloc(m->alloc, m->nodes, m->cap * sizeof(*nodes));
	m->nodes = nodes;
	m->cap = (uint32_t)cap;
	if (m->count == 0)
		m->nodes[m->count++] = (struct match_node){0};
	return 0;
}

static uint32_t
match_child(const struct mp_match *m, uint32_t at, uint8_t byte)
{
	uint32_t child;

	if (at == 0)
		return m->first[byte];
	for (child = m->nodes[at].child; child != 0; child = m->nodes[child].sibling) {
		if (m->nodes[child].byte == byte)
			return child;
	}
	return 0;
}

int
mp_match_add(struct mp_match *m, struct mp_span pattern)
{
	uint32_t at = 0;
	int rc = match_reserve(m, pattern.n + 1);

	mp_assert(pattern.n > 0);
	for (size_t i = 0; rc == 0 && i < pattern.n; i++) {
		uint32_t next = match_child(m, at, pattern.p[i]);

		if (next == 0) {
			next = m->count++;
			m->nodes[next] = (struct match_node){.byte = pattern.p[i],
				.depth = (uint32_t)i + 1,
				.sibling = m->nodes[at].child};
			m->nodes[at].child = next;
			if (at == 0)
				m->first[pattern.p[i]] = next;
		}
		at = next;
	}
	if (rc != 0)
		return rc;
	m->nodes[at].found = (uint32_t)pattern.n;
	if (pattern.n > m->longest)
		m->longest = (uint32_t)pattern.n;
	return 0;
}

int
mp_match_build(struct mp_match *m)
{
	uint32_t *queue, head = 0, tail = 0;

	if (m->count == 0)
		return 0;
	queue = mp_realloc(m->alloc, NULL, 0, m->count * sizeof(*queue));
	if (queue == NULL)
		return MP_ENOMEM;
	/* By depth: what is shorter is done when it is needed. */
	queue[tail++] = 0;
	while (head < tail) {
		uint32_t at = queue[head++];

		for (uint32_t c = m->nodes[at].child; c != 0; c = m->nodes[c].sibling) {
			struct match_node *node = &m->nodes[c];

			if (at != 0)
				node->shorter = mp_match_step(m, m->nodes[at].shorter, node->byte);
			if (node->found == 0)
				node->found = m->nodes[node->shorter].found;
			queue[tail++] = c;
		}
	}
	mp_dealloc(m->alloc, queue, m->count * sizeof(*queue));
	return 0;
}

uint32_t
mp_match_step(const struct mp_match *m, uint32_t state, uint8_t byte)
{
	uint32_t next = match_child(m, state, byte);

	while (next == 0 && state != 0) {
		state = m->nodes[state].shorter;
		next = match_child(m, state, byte);
	}
	return next;
}

uint32_t
mp_match_depth(const struct mp_match *m, uint32_t state)
{
	return state == 0 ? 0 : m->nodes[state].depth;
}

uint32_t
mp_match_found(const struct mp_match *m, uint32_t state)
{
	return state == 0 ? 0 : m->nodes[state].found;
}

uint32_t
mp_match_shorter(const struct mp_match *m, uint32_t state)
{
	return state == 0 ? 0 : m->nodes[state].shorter;
}
