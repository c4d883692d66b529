/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What modules read and what they leave. The executor does it with the files that it is given, and
 * the checks work it out from the graph: whatever came between, they must agree.
 */
#include "sim.h"

#include <inttypes.h>

#include "codec/manifest.h"
#include "util/map.h"

uint32_t
sim_model_content(const struct sim *sim, uint32_t run_number)
{
	return sim->plan.contents > 0 ? run_number % sim->plan.contents : run_number;
}

void
sim_model_inputs(const struct sim *sim, uint32_t run_number, struct sim_input inputs[2])
{
	uint32_t each = sim->plan.fresh ? run_number : sim_model_content(sim, run_number);

	inputs[0].path = "in/each";
	(void)snprintf(inputs[0].text, sizeof(inputs[0].text), "input of %" PRIu32 "\n", each);
	inputs[1].path = "in/same";
	(void)snprintf(inputs[1].text, sizeof(inputs[1].text), "same\n");
}

uint64_t
sim_model_read(struct mp_span path, const struct mp_hash *digest)
{
	return mp_hash64(path.p, path.n, mp_hash64(digest->b, sizeof(digest->b), 1));
}

void
sim_model_output(const char *name, uint64_t reads, struct sim_output *out)
{
	int n = snprintf(out->path, sizeof(out->path), "out/%s", name);
	struct mp_span text;

	out->file =
		(struct mp_file){.path = mp_span(out->path, (size_t)n), .kind = MP_FILE_REGULAR};
	n = snprintf(out->text, sizeof(out->text), "%016" PRIx64 " %s\n", reads, name);
	text = mp_span(out->text, (size_t)n);
	out->file.size = text.n;
	sim_crypto.hash(&out->file.digest, &text, 1);
}
