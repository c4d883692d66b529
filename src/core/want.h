/* SPDX-License-Identifier: Apache-2.0 */
/* What a module asks of the node that runs it (DESIGN 6), and what a node lacks. */
#ifndef MP_CORE_WANT_H
#define MP_CORE_WANT_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/member.h"
#include "mp/pipeline.h"

/* Do both ask for the same? Those that do have the same hash. */
bool mp_want_same(const struct mp_graph_module *a, const struct mp_graph_module *b);
uint64_t mp_want_hash(const struct mp_graph_module *m);

/* How many requirements of the module whoever can do this does not fulfil, even with nothing in
 * use; their names are appended to *why, if it is not NULL. */
uint32_t mp_want_lacks(
	const struct mp_graph_module *want, const struct mp_caps *caps, struct mp_error *why);

#endif
