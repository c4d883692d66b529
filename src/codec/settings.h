/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator has said about a node since it was started with its options: the file
 * STATE/node.conf, and the change that `mpctl node set` asks for. It counts before the options.
 *
 *   slots N            tag TEXT     resource NAME N     tool NAME [ARGUMENT]
 *   zone TEXT          untag TEXT                       # a comment
 *
 * one a line; a zone without text is none. An untag takes an option's tag away, a resource of 0 an
 * option's or found resource. A tool is looked for besides those that always are; ARGUMENT is what
 * makes it print its version, --version if there is none.
 */
#ifndef MP_CODEC_SETTINGS_H
#define MP_CODEC_SETTINGS_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/member.h"

#define MP_SLOTS_MAX         4096
#define MP_SETTINGS_TOOLS    32
#define MP_SETTINGS_TEXT_MAX 32768 /* of the file */

struct mp_settings_tool {
	char name[MP_WORD_MAX];
	char arg[MP_WORD_MAX]; /* "": --version */
};

struct mp_settings {
	bool has_slots;
	uint32_t slots;
	bool has_zone;
	char zone[MP_WORD_MAX]; /* "": none */
	uint32_t tag_count;
	char tags[MP_TAGS_MAX][MP_WORD_MAX];
	uint32_t untag_count;
	char untags[MP_TAGS_MAX][MP_WORD_MAX];
	uint32_t resource_count;
	struct mp_resource resources[MP_RESOURCES_MAX];
	uint32_t tool_count;
	struct mp_settings_tool tools[MP_SETTINGS_TOOLS];
};

/* Adding to settings that are zeroed, or have something. MP_EINVAL (not a word that can be said so)
 * or MP_ELIMIT (too many), both with a text. The later word counts. */
int mp_settings_tag(struct mp_settings *s, const char *tag, bool has, struct mp_error *err);
/* "NAME=N". */
int mp_settings_resource(struct mp_settings *s, const char *text, struct mp_error *err);
int mp_settings_zone(struct mp_settings *s, const char *zone, struct mp_error *err);
int mp_settings_slots(struct mp_settings *s, const char *text, struct mp_error *err);

/* Reads the file. MP_EINVAL or MP_ELIMIT with "line N: text"; *out is written whole on success. */
int mp_settings_parse(struct mp_span text, struct mp_settings *out, struct mp_error *err);
/* Appends the file. MP_ENOMEM, MP_ELIMIT. */
int mp_settings_format(const struct mp_settings *s, struct mp_buf *buf);

/* What a change says comes before what s says. MP_ELIMIT with a text; *s is the old one then. */
int mp_settings_merge(
	struct mp_settings *s, const struct mp_settings *change, struct mp_error *err);
/* Changes what options and probes have found. MP_ELIMIT with a text: too much in all. */
int mp_settings_apply(const struct mp_settings *s, struct mp_caps *caps, struct mp_error *err);

/* As a part of a request: [slots|null, zone|null, [tag...], [untag...], [[resource, n]...],
 * [[tool, argument]...]]. The reader leaves MP_EFORMAT and MP_ELIMIT in r. */
void mp_settings_write(struct mp_cbor_w *w, const struct mp_settings *s);
void mp_settings_read(struct mp_cbor_r *r, struct mp_settings *out);

#endif
