/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.2 as a source of pipelines: libfyaml's events, with bounds of our own. One document, at
 * most MP_DEPTH_MAX deep; no anchors, aliases and tags; keys are scalars. Values are handed to the
 * reader as soon as they end, so memory follows the largest module and not the file.
 *
 * In an object of its own: nothing that decodes CBOR only links libfyaml.
 */
#ifndef MP_CODEC_YAML_H
#define MP_CODEC_YAML_H

#include "codec/pipeline_read.h"

/*
 * Feeds the file to the reader. 0 when it was read to its end (mistakes may have been reported);
 * MP_EPIPELINE when it is not YAML that we take, which has been reported; or MP_ENOMEM. *root is
 * where its map begins.
 */
int mp_yaml_read(struct mp_span bytes, const struct mp_alloc *alloc,
	struct mp_pipeline_reader *reader, struct mp_pos *root);

#endif
