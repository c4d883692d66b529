/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of the rules of src/core/swim*.c for more nodes than there is memory for: what one node
 * holds of another is two bytes here. No rosters, no encoding, no cryptography: who probes whom,
 * who accuses, refutes and dies when, what is told to whom how often, and how many bytes that is on
 * a wire. Its figures stand beside those of the core where both can be had, and must agree.
 *
 * It leaves out: joining, leaving, capabilities, trust, "it is we who are cut off", several
 * addresses, datagrams that streams replace. Streams are opened for one exchange each, and two
 * views that differ are made equal at once when it arrives.
 */
#ifndef MP_TESTS_MESH_MODEL_H
#define MP_TESTS_MESH_MODEL_H

#include "sim.h"
#include "util/rng.h"

struct model_node;
struct model_due;

struct model {
	struct mp_rng rng;
	sim_time now;
	uint32_t n;
	uint32_t loss; /* of 1000 datagrams */
	bool tick_first;
	sim_time suspicion_min;
	struct model_node *nodes;
	uint16_t *views; /* of n nodes on n: incarnation << 2 | enum */
	struct model_due *heap;
	size_t heap_count, heap_cap;
	uint64_t datagrams, udp_bytes, stream_bytes;
	uint64_t false_deaths, starved_deaths;
	/* One node is looked at: who has heard its last word, suspects it, holds it dead. */
	uint32_t watched;
	uint16_t watched_incarnation;
	sim_time watch_since;
	sim_time *heard_at; /* when the k-th heard */
	uint32_t heard, suspects, deads;
};

struct model *model_new(uint32_t n, uint64_t seed);
void model_free(struct model *m);
void model_run_until(struct model *m, sim_time until);
/* It has something new to say, and is watched. */
void model_speak(struct model *m, uint32_t node);
/* It crashes, and is watched. */
void model_crash(struct model *m, uint32_t node);
void model_start(struct model *m, uint32_t node);
void model_starve(struct model *m, uint32_t node, sim_time until);
bool model_is_up(const struct model *m, uint32_t node);

#endif
