/* SPDX-License-Identifier: Apache-2.0 */
/* A run that holds, as an in-toto Statement (v1) with SLSA provenance (v1) in JSON. mpctl(1) tells
 * what stands where. */
#ifndef MP_CTL_PROVENANCE_H
#define MP_CTL_PROVENANCE_H

#include "ctl/verify_blobs.h"

/* On stdout. All blobs of the run were read. MP_ENOENT: it left no files that could be the subject;
 * the writer's errors. */
int mp_provenance_write(const struct mp_verify_blobs *v, struct mp_error *err);

#endif
