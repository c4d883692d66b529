/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes two executions of a module the same (DESIGN 8): the hashes that the result cache is
 * looked up by. Deterministic CBOR, hashed:
 *
 *   base    ["mp-cache-base", 1, instance name, command, [output glob...], [[env name, value]...],
 *            [tool...], [dependency's instance name...]]; with secrets one more: [name...]
 *           command: [argument...], or the text for the shell
 *   inputs  ["mp-cache-inputs", 1, [[path, kind, blob32]...]]
 *   where   ["mp-cache-where", 1, os, arch, [[tool, version]...]]
 *   key     ["mp-cache-key", 1, base32, inputs32|null, [[manifest32|null, value32|null]...],
 *            where32]
 *
 * The base follows from the pipeline alone, so a leader asks for it before anything has run. The
 * key needs what the module reads and where it runs: the worker that runs it signs both in the
 * result, with its own os, arch and versions of tools, so anybody can make the key again who has
 * that; a leader makes one for each kind of worker there is. Neither has what changes how often or
 * how long a module may run (timeout, retry, grace), nor what names the attempt (MP_RUN,
 * MP_ATTEMPT, MP_NODE).
 *
 * Results that other nodes stored are found by these bytes: a change is a new version.
 */
#ifndef MP_CORE_CACHEKEY_H
#define MP_CORE_CACHEKEY_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/member.h"
#include "mp/pipeline.h"
#include "mp/work.h"

/* deps: instance names of its dependencies, in the order of the graph. 0, MP_ENOMEM or MP_ELIMIT.
 */
int mp_cache_base(const struct mp_crypto *crypto, const struct mp_alloc *alloc, struct mp_span name,
	const struct mp_spec *spec, const struct mp_span *deps, size_t n, struct mp_hash *out);

/* The same of a module of a graph. MP_ENOENT: it does not use the cache. Also the errors of
 * mp_spec_decode(). */
int mp_cache_base_of(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_graph *graph, uint32_t module, struct mp_hash *out);

/* Digest of those of the run's input files (ascending by path) that the module gets. 0, MP_ENOMEM
 * or MP_ELIMIT. */
int mp_cache_inputs(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_spec *spec, const struct mp_file *files, size_t n, struct mp_hash *out);

struct mp_cache_dep {
	struct mp_hash manifest; /* of its outputs; zero: none */
	struct mp_hash value;    /* zero: none */
};

struct mp_cache_what {
	struct mp_hash base;
	/* Of a module that takes all of the run's inputs: the digest of their manifest. Of one that
	 * narrows them: mp_cache_inputs(). Zero: there are none. */
	struct mp_hash inputs;
	const struct mp_cache_dep *deps; /* in the order of the graph */
	size_t dep_count;
	struct mp_hash where; /* mp_cache_where() of the worker */
};

/* What of a node the key of a module depends on that asks for these tools. 0, MP_ENOMEM or
 * MP_ELIMIT. */
int mp_cache_where(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_caps *caps, struct mp_names_list tools, struct mp_hash *out);

/* 0, MP_ENOMEM or MP_ELIMIT. */
int mp_cache_key(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_cache_what *what, struct mp_hash *out);

/* Would two workers give the same key, for a module that asks for these tools? */
bool mp_cache_same_where(
	const struct mp_caps *a, const struct mp_caps *b, struct mp_names_list tools);

#endif
