/* SPDX-License-Identifier: Apache-2.0 */
/* A run and its modules, page by page. */
#ifndef MP_CTL_VISIT_H
#define MP_CTL_VISIT_H

#include "codec/msg_show.h"
#include "ctl/cmd.h"

struct mp_visitor {
	/* Once, first; may be NULL. Not 0: ends the visit with that. What is given is borrowed for
	 * the call, in which other requests may be made. */
	int (*run)(void *arg, const struct mp_show *show);
	/* Each page, before its modules: what they all need is best asked for at once. May be
	 * NULL. */
	int (*page)(void *arg, const struct mp_show *show);
	/* Each module in its order; NULL: none are asked for. */
	int (*module)(void *arg, uint32_t index, const struct mp_show_module *m);
	void *arg;
};

/* run: as from mp_cmd_run_name(). The errors of calls, or what the visitor returned. */
int mp_visit(struct mp_cmd_ctx *ctx, const char *run, const struct mp_visitor *visitor,
	struct mp_error *err);

/* Only the one with this name. MP_ENOENT with a text, or as mp_visit(). *index may be NULL. */
int mp_visit_one(struct mp_cmd_ctx *ctx, const char *run, const char *module,
	const struct mp_visitor *visitor, struct mp_error *err);

/* Only the head of a run, of whoever leads it within patience_ms: borrowed until the next request.
 * The errors of calls. */
int mp_visit_head(struct mp_cmd_ctx *ctx, const struct mp_run_id *run, mp_time patience_ms,
	struct mp_show *show, struct mp_error *err);

/* The name of somebody for people: the name, or the start of the id; NULL for nobody. */
#define MP_WHO_SIZE (MP_NAME_MAX + 1)
const char *mp_who(const struct mp_show_node *node, char out[MP_WHO_SIZE]);

/* The key's value: the name and, under id_key, the id; both null for nobody. id_key may be NULL. */
void mp_w_who(
	struct mp_writer *w, const char *key, const char *id_key, const struct mp_show_node *node);

#endif
