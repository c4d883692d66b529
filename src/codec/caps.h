/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities as bytes; their digest is in a member's signed statement (DESIGN 4). */
#ifndef MP_CODEC_CAPS_H
#define MP_CODEC_CAPS_H

#include "mp/base.h"
#include "mp/member.h"
#include "util/buf.h"

/* The longest encoding: every tool and tag at its bound, with room for a newer node's items. */
#define MP_CAPS_BYTES_MAX (16u * 1024)

/*
 * Appends the one encoding of caps. Tools, tags and resources may come in any order, they are
 * written sorted and without doubles. MP_EINVAL (a count above its bound, a word that is empty or
 * cannot be printed; zone, kernel and version may be empty), MP_ENOMEM, MP_ELIMIT; on error nothing
 * was appended.
 */
int mp_caps_encode(const struct mp_caps *caps, struct mp_buf *buf);

/*
 * Reads bytes of any sender into *out, which is written whole on success only. MP_EFORMAT (not
 * sorted, a double, an unprintable word included), MP_ETRUNC, MP_ELIMIT.
 */
int mp_caps_decode(struct mp_span bytes, struct mp_caps *out);

/* The version of a tool (codec/tool.h, whatever version is asked for), "" when it is there without
 * one, NULL when it is not there. */
const char *mp_caps_tool(const struct mp_caps *caps, const char *asked);
bool mp_caps_tag(const struct mp_caps *caps, const char *tag);
/* How many of a resource there are; 0 of one that it has not got. */
uint64_t mp_caps_resource(const struct mp_caps *caps, const char *name);
/* Is this a word that capabilities may have: printable, not empty, shorter than MP_WORD_MAX? */
bool mp_caps_word(const char *word);

#endif
